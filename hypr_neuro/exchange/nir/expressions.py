"""What arrives at a neuron, composed of the linear nodes on the way: no weight or bias is lost or counted twice.

    y_t = Σ_{source, delay} M[source, delay] z^source_{t-delay} + Σ_{first} bias[first] · [t ≥ first]

A source is the input or a population of neurons. A bias starts to act in the first step, later behind a Delay node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.compose import apply, as_matrix, diagonal, is_identity, product, scaled
from hypr_neuro.exchange.nir.flatten import LINEAR, Flat, Place
from hypr_neuro.exchange.nir.linear import delay_steps, matrix_of
from hypr_neuro.exchange.nir.nodes import naming
from hypr_neuro.exchange.nir.shapes import Shapes
from hypr_neuro.graph.convolution import MAX_SYNAPSES
from hypr_neuro.graph.integer import LARGEST_DELAY
from hypr_neuro.numbers.arrays import Array

LATEST = LARGEST_DELAY + 1
"""Steps that Delay nodes may add up to; the last one is for a loop with recurrent_delay = 0, which takes one off."""

MOST_SYNAPSES = 1 << 28
"""Weights of a graph, those of linear nodes on the way between neurons counted: 3 GB."""


@dataclass
class WeightedSum:
    """n numbers as sums over sources.

    Attributes
    ----------
    terms
        Scipy CSR or `Convolution` (n, size of the source) by source and delay in steps.
    biases : (n,)
        Constants by the step from which they act.
    """

    terms: dict[tuple[str, int], Any] = field(default_factory=dict)
    biases: dict[int, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, source: str, n: int, first: int = 0, size: int | None = None) -> WeightedSum:
        """Return outputs first..first+n-1 of a source of that size."""
        from scipy.sparse import csr_array

        parts = (np.ones(n), np.arange(first, first + n), np.arange(n + 1))
        return cls({(source, 0): csr_array(parts, shape=(n, size or n))})

    def plus(self, other: WeightedSum) -> WeightedSum:
        """Return the sum."""
        total = WeightedSum(dict(self.terms), dict(self.biases))
        for key, matrix in other.terms.items():
            total.terms[key] = as_matrix(total.terms[key]) + as_matrix(matrix) if key in total.terms else matrix
        for first, bias in other.biases.items():
            total.biases[first] = total.biases[first] + bias if first in total.biases else bias
        return total

    def times(self, matrix: Any) -> WeightedSum:
        """Return the map of self."""
        terms = {key: product(matrix, term) for key, term in self.terms.items()}
        if any(term.data.size > MAX_SYNAPSES for term in terms.values()):
            raise InputError(
                f"composed with the nodes before it, it has more than {MAX_SYNAPSES} synapses; export "
                "fewer linear nodes in a row"
            )
        return WeightedSum(terms, {first: apply(matrix, bias) for first, bias in self.biases.items()})

    def scaled(self, gain: Array) -> WeightedSum:
        """Return each number times its gain."""
        if np.all(gain == 1.0):
            return self
        terms = {key: scaled(gain, term) for key, term in self.terms.items()}
        return WeightedSum(terms, {first: gain * bias for first, bias in self.biases.items()})

    def delayed(self, steps: Array) -> WeightedSum:
        """Return each number delayed by its own steps, (n,); raise InputError for more than a connection can have."""
        self._check_delays(steps)
        total = WeightedSum()
        for d in np.unique(steps[steps <= LATEST]):  # later numbers hear nothing
            part = WeightedSum(self.terms, self.biases).times(diagonal((steps == d).astype(np.float64)))
            for term in part.terms.values():
                term.eliminate_zeros()
            total = total.plus(
                WeightedSum(
                    {(source, delay + int(d)): term for (source, delay), term in part.terms.items() if term.nnz},
                    {first + int(d): bias for first, bias in part.biases.items() if np.any(bias)},
                )
            )
        return total

    def _check_delays(self, steps: Array) -> None:
        """Raise InputError first: delays that double from node to node make too many terms."""
        incoming = [(source, delay, as_matrix(term).nonzero()[0]) for (source, delay), term in self.terms.items()]
        incoming += [("a bias", first, np.flatnonzero(bias)) for first, bias in self.biases.items()]
        for source, delay, numbers in incoming:
            latest = delay + int(steps[numbers].max(initial=0))
            if latest > LATEST:
                raise InputError(
                    f"what it hears of {source} is {latest} steps late, rule: 0..{LARGEST_DELAY}; a "
                    "larger dt makes fewer steps of a delay in seconds"
                )

    def with_bias(self, bias: Array | None) -> WeightedSum:
        """Return the sum with a constant that acts from the first step on."""
        return self if bias is None or not np.any(bias) else self.plus(WeightedSum({}, {0: bias}))

    def only_source(self) -> str | None:
        """Return the source whose outputs these are, unchanged and without delay; None if there is none."""
        if len(self.terms) != 1 or self.biases:
            return None
        ((source, delay), matrix) = next(iter(self.terms.items()))
        return source if delay == 0 and is_identity(matrix) else None


class NodeInputs:
    """Compute what arrives at each node of a flat graph.

    Attributes
    ----------
    outputs
        What leaves each node, by name.
    notes
        How parameters were read.
    """

    def __init__(
        self, flat: Flat, shapes: Shapes, sources: dict[str, WeightedSum], dt: Callable[[Place], float]
    ) -> None:
        self.flat, self.shapes, self.predecessors = flat, shapes, flat.predecessors()
        self.outputs, self.dt = dict(sources), dt
        self.notes: list[str] = []
        self._counted: dict[int, Any] = {}
        self._synapses = 0
        for name in self._order():
            self.outputs[name] = self.count_weights(flat.places[name], self._output(flat.places[name]))

    def count_weights(self, place: Place, expression: WeightedSum) -> WeightedSum:
        """Return the expression, its weights counted; raise InputError, naming the node, for too many in the graph."""
        for term in expression.terms.values():
            if id(term) not in self._counted:
                self._counted[id(term)] = term  # kept, so that no other gets its id
                self._synapses += int(term.data.size)
        if self._synapses > MOST_SYNAPSES:
            raise InputError(
                f"{place.label}: with it the graph has {self._synapses} synapses, rule: at most "
                f"{MOST_SYNAPSES}, those of linear nodes on the way counted; split the graph"
            )
        return expression

    def sum_into(self, name: str) -> WeightedSum:
        """Return the sum of what the nodes before this one send."""
        total = WeightedSum()
        for source in sorted(self.predecessors[name]):
            total = total.plus(self.outputs[source])
        return total

    def _order(self) -> list[str]:
        """Return the linear nodes, each after those that it hears; raise InputError, naming a loop of them."""
        linear = [name for name in sorted(self.flat.places) if self.flat.places[name].kind in LINEAR]
        open_edges = {
            name: sum(
                successor in self.flat.places and self.flat.places[successor].kind in LINEAR
                for successor in self.predecessors[name]
            )
            for name in linear
        }
        successors, order = self.flat.successors(), []
        ready = deque(name for name in linear if open_edges[name] == 0)
        while ready:
            name = ready.popleft()
            order.append(name)
            for successor in successors[name]:
                if successor in open_edges:
                    open_edges[successor] -= 1
                    if open_edges[successor] == 0:
                        ready.append(successor)
        if len(order) < len(linear):
            raise InputError(
                f"nodes {self._loop(set(linear) - set(order))}: a loop without a neuron, rule: what comes "
                "back goes through neurons; put one in, or cut an edge"
            )
        return order

    def _loop(self, remaining: set[str]) -> str:
        """Return names along one loop among these nodes, each of which hears another one of them."""
        path = [min(remaining)]
        while path[-1] not in path[:-1]:
            path.append(min(source for source in self.predecessors[path[-1]] if source in remaining))
        loop = path[path.index(path[-1]) :][::-1]
        return " → ".join(repr(name) for name in loop[:6]) + (" → …" if len(loop) > 6 else "")

    def _output(self, place: Place) -> WeightedSum:
        """Return what leaves a linear node."""
        incoming = self.sum_into(place.name)
        with naming(place.label):
            if place.kind == "Delay":
                steps, notes = delay_steps(place, self.shapes.outputs[place.name], self.dt(place))
                output = incoming.delayed(steps)
            else:
                matrix, bias, notes = matrix_of(place, self.shapes.inputs[place.name], self.shapes.outputs[place.name])
                output = (incoming if matrix is None else incoming.times(matrix)).with_bias(bias)
        self.notes += [f"{place.label}: {note}" for note in notes]
        return output

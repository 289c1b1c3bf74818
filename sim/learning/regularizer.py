"""A penalty in integers: a term that sees weights and running means of activity, added to gradients before an update.

With c spikes of a neuron in the n device steps since the last update, and an update's average_shift,

    G ← sat(G + R(w, r̄))        in accumulator_bits, R of the means before this update
    r̄ ← r̄ + ⌊(⌊2^16 c / n⌋ - r̄) / 2^average_shift⌋,    a mean that is 0 takes the rate
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.updates.base import averaged

MEAN_FRACTION = 16
"""Fraction bits of a mean rate, in spikes a step."""

TERM_BITS = 63
"""Bits of a term: its sum with a gradient fits a word."""

Regularizer = Callable[[str, Array, Array], Array]
"""(connection such as "layers.0.input", mantissas (n, m), mean rates (n,) with 16 fraction bits) -> R (n, m), integers
in the unit of a gradient: 2^19 is a signal of full scale on an eligibility of 1. A readout's mean rates are 0."""


def mean_rate(count: Any, steps: int) -> Any:
    """Compute ⌊2^16 c / n⌋, spikes a step, of one count or an array of them; 0 where there was no step."""
    return (count << MEAN_FRACTION) // max(steps, 1)


def regularizer_name(function: Callable[..., Any] | None) -> str | None:
    """Give the name by which a saved state knows a function of the user's: where it is defined."""
    if function is None:
        return None
    kind = type(function)
    where = function if hasattr(function, "__qualname__") else kind
    return f"{where.__module__}.{where.__qualname__}"


def checked_term(regularizer: Regularizer, name: str, weights: Array, means: Array) -> Array:
    """Compute R for one connection; InputError unless it is a matrix of the weights' shape, integers of `TERM_BITS`."""
    term = np.asarray(regularizer(name, np.array(weights, np.int64), np.array(means, np.int64)))
    if term.shape != weights.shape or term.dtype.kind not in "iu":
        raise InputError(
            f"regularizer: {name} got {term.dtype} of shape {term.shape}, rule: integers of the weights' shape "
            f"{weights.shape}"
        )
    # before the cast: an unsigned number would come out as another one, and its sum with a gradient could wrap
    for entry in (int(term.min()), int(term.max())):
        if abs(entry) > largest_in(TERM_BITS):
            raise InputError(
                f"regularizer: {name} got {entry}, rule: -2^{TERM_BITS - 1} < R < 2^{TERM_BITS - 1}; clip it to the "
                "gradients' width, learning.accumulator_bits of the profile"
            )
    return term.astype(np.int64)


class Regularization:
    """A regulariser at work: what it sees of a network that learns.

    counts, means : for each hidden layer (n,) int64, spikes since the last update and the running mean of the rate
    """

    def __init__(self, plan: LearningPlan, regularizer: Regularizer) -> None:
        self.plan, self.regularizer = plan, regularizer
        for layer in plan.layers:
            for c in layer.incoming:
                if c.learns and c.listed:
                    raise InputError(
                        f"regularizer with {c.name}: its weights stand in a list, rule: whole rows; quantize without "
                        "sparse weights, groups and delays of single weights, or freeze it"
                    )
        hidden = [layer.size for layer in plan.layers[:-1]]
        self.counts, self.means = ([np.zeros(n, np.int64) for n in hidden] for _ in range(2))
        self.steps = np.zeros(1, np.int64)

    def note(self, spikes: list[Array]) -> None:
        """Count the spikes (steps, n) of each hidden layer in some device steps."""
        for count, sent in zip(self.counts, spikes, strict=True):
            np.add(count, sent.sum(axis=0, dtype=np.int64), out=count)
        self.steps += len(spikes[0])

    def add(self, gradients: dict[str, Array]) -> None:
        """Add R to the gradients of all connections that learn, in place, and move the means."""
        for tensor in self.plan.tensors:
            if tensor.parameter:
                continue
            layer = self.plan.layers[tensor.layer]
            means = np.zeros(layer.size, np.int64) if layer.readout else self.means[layer.index]
            weights = layer.incoming[tensor.incoming].tensor()
            top = largest_in(layer.widths.accumulator_bits)
            gradient = gradients[tensor.name]
            full = gradient.astype(np.int64) + checked_term(self.regularizer, tensor.name, weights, means)
            gradient[...] = np.clip(full, -top, top)
        for count, mean in zip(self.counts, self.means, strict=True):
            rate = mean_rate(count, int(self.steps[0]))
            shift = self.plan.options.average_shift
            mean[...] = [averaged(int(old), int(new), shift) for old, new in zip(mean, rate, strict=True)]
            count[...] = 0
        self.steps[0] = 0

    def state(self) -> Iterator[tuple[str, Array]]:
        """Yield every array that a later update depends on, by name; not copies."""
        yield "steps", self.steps
        for i, (count, mean) in enumerate(zip(self.counts, self.means, strict=True)):
            yield f"{i}/count", count
            yield f"{i}/mean", mean

"""One population running for a batch, block by block."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.integer import Population
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.delivery import Delivery, Rows, Sparse, by_presynaptic
from hypr_neuro.sim.history import Line
from hypr_neuro.sim.kernels import population_kernel


class Feedback:
    """Connections of a population with itself, in the two groups of `kernels.population_kernel`."""

    def __init__(self, own: list[Delivery], size: int) -> None:
        rows = [d for d in own if isinstance(d.weights, Rows) and d.weights.chunk > 0]
        others = [d for d in own if d not in rows]
        dense = [d.weights for d in rows if isinstance(d.weights, Rows)]
        kind = np.int16 if any(w.rows.dtype == np.int16 for w in dense) else np.int8
        stacked = np.array([w.rows for w in dense], dtype=kind).reshape(len(dense), size, size)
        self.dense = (*_heads(rows), np.array([w.chunk for w in dense], dtype=np.int64), stacked)
        found = [_as_sparse(d) for d in others]
        offsets = np.cumsum([0, *(len(s.post) for s in found)])
        starts = np.array([s.starts + o for s, o in zip(found, offsets, strict=False)], dtype=np.int64)
        self.sparse = (
            *_heads(others),
            starts.reshape(len(others), size + 1),
            np.concatenate([np.zeros(0, np.int64), *(s.post for s in found)]),
            np.concatenate([np.zeros(0, np.int32), *(s.weight for s in found)]),
        )


def _heads(deliveries: list[Delivery]) -> tuple[Array, Array, Array]:
    """lags, exponents, targets (groups,)."""
    columns = [[d.lag for d in deliveries], [d.exponent for d in deliveries], [d.current for d in deliveries]]
    lags, exponents, targets = (np.array(column, dtype=np.int64) for column in columns)
    return lags, exponents, targets


def _as_sparse(delivery: Delivery) -> Sparse:
    if isinstance(delivery.weights, Sparse):
        return delivery.weights
    from scipy.sparse import csr_array

    return by_presynaptic(csr_array(delivery.weights.rows.T))


class PopulationRun:
    """States and outputs of one population; arrays as in `kernels.population_kernel`.

    After `run`, `outputs` holds the block's outputs and, where asked for, `states` and `currents`.
    """

    def __init__(self, population: Population, batch: int, own: list[Delivery], kept: int) -> None:
        self.population, self.batch, self.width = population, batch, batch * population.size
        model = population.model
        self.state = np.zeros((model.d, self.width), np.int32)
        self.events = np.zeros((batch, len(model.events)), np.int64)
        self.line = Line(self.width, max(kept, 1), np.int32 if model.readout else np.int8)
        self.load(population, own)

    def load(self, population: Population, own: list[Delivery]) -> None:
        """Take over weights and parameters, after they were changed."""
        self.feedback = Feedback(own, population.size)
        dtype = np.int32 if population.model.lanes else np.int64
        self.per_neuron = np.ascontiguousarray(population.per_neuron, dtype=dtype)
        self.constants = np.ascontiguousarray(population.constants)

    def begin(self, steps: int, keep_states: bool, keep_currents: bool) -> None:
        """Make room for a block; `arriving` (currents, steps, batch·n) is 0 and waits for what is delivered."""
        self.line.begin(steps)
        model = self.population.model
        self.arriving = _reused(getattr(self, "arriving", None), (model.currents, steps, self.width))
        self.history = _room(getattr(self, "history", None), (steps + 1 if keep_states else 1, model.d, self.width))
        self.history[0] = self.state
        kept = (steps if keep_currents else 0, model.currents, self.width)
        self.currents = _room(getattr(self, "currents", None), kept)

    def run(self, first: int, stop: int) -> None:
        """The samples first ≤ b < stop of the block that `begin` made room for."""
        kernel = population_kernel(self.population.model.name)
        kernel(
            self.arriving,
            self.line.rows,
            self.line.kept,
            self.feedback.dense,
            self.feedback.sparse,
            tuple(self.state),
            self.per_neuron,
            self.constants,
            self.states,
            self.currents,
            self.events,
            first,
            stop,
        )

    @property
    def states(self) -> Array:
        """(steps, d, batch·n) after each step of the block, empty if not kept; `history` has those before it in front.
        The next block overwrites them."""
        return self.history[1:]

    @property
    def outputs(self) -> Array:
        """(steps, batch·n) of the block."""
        return self.line.sent(0)


def _room(array: Array | None, shape: tuple[int, ...]) -> Array:
    """An array to be filled, in the memory of `array` where the shape is the same: fresh memory costs more."""
    return np.empty(shape, np.int32) if array is None or array.shape != shape else array


def _reused(array: Array | None, shape: tuple[int, ...]) -> Array:
    """Zeros, in the memory of `array` where the shape is the same."""
    if array is None or array.shape != shape:
        return np.zeros(shape, np.int32)
    array[...] = 0
    return array

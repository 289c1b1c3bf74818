"""One population running for a batch, block by block."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.integer import Population
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.delivery import Delivery, DenseWeights, SparseWeights, by_presynaptic
from hypr_neuro.sim.history import SourceHistory
from hypr_neuro.sim.kernels import DenseGroups, SparseGroups, population_kernel


class Feedback:
    """Connections of a population with itself, as `DenseGroups` and `SparseGroups`."""

    def __init__(self, recurrent: list[Delivery], size: int) -> None:
        rows = [d for d in recurrent if isinstance(d.weights, DenseWeights) and d.weights.chunk > 0]
        remaining = [d for d in recurrent if d not in rows]
        dense = [d.weights for d in rows if isinstance(d.weights, DenseWeights)]
        kind = np.int16 if any(w.rows.dtype == np.int16 for w in dense) else np.int8
        stacked = np.array([w.rows for w in dense], dtype=kind).reshape(len(dense), size, size)
        chunks = np.array([w.chunk for w in dense], dtype=np.int64)
        self.dense = DenseGroups(*_heads(rows), chunks, stacked)
        groups = [_as_sparse(d) for d in remaining]
        offsets = np.cumsum([0, *(len(s.post) for s in groups)])
        starts = np.array([s.starts + o for s, o in zip(groups, offsets, strict=False)], dtype=np.int64)
        self.sparse = SparseGroups(
            *_heads(remaining),
            starts.reshape(len(remaining), size + 1),
            np.concatenate([np.zeros(0, np.int32), *(s.post for s in groups)]),
            np.concatenate([np.zeros(0, np.int32), *(s.weight for s in groups)]),
        )


def _heads(deliveries: list[Delivery]) -> tuple[Array, Array, Array]:
    """Return lags, exponents, targets (groups,)."""
    columns = [[d.lag for d in deliveries], [d.exponent for d in deliveries], [d.current for d in deliveries]]
    lags, exponents, targets = (np.array(column, dtype=np.int64) for column in columns)
    return lags, exponents, targets


def _as_sparse(delivery: Delivery) -> SparseWeights:
    if isinstance(delivery.weights, SparseWeights):
        return delivery.weights
    from scipy.sparse import csr_array

    assert isinstance(delivery.weights, DenseWeights)  # `deliveries` writes recurrent convolutions out
    return by_presynaptic(csr_array(delivery.weights.rows.T))


class PopulationRun:
    """States and outputs of one population; arrays as in `kernels.population_kernel`.

    After `run`, `outputs` holds the block's outputs and, where asked for, `states` and `currents`; `sent` is the
    `SourceHistory` of the outputs.
    """

    def __init__(self, population: Population, batch: int, recurrent: list[Delivery], depth: int) -> None:
        self.population, self.batch, self.width = population, batch, batch * population.size
        model = population.model
        self.state = np.zeros((model.d, self.width), np.int32)
        self.events = np.zeros((batch, len(model.events)), np.int64)
        self.sent = SourceHistory(self.width, max(depth, 1), np.int32 if model.sends_numbers else np.int8)
        self.load(population, recurrent)

    def load(self, population: Population, recurrent: list[Delivery]) -> None:
        """Take over weights and parameters, after they were changed."""
        self.feedback = Feedback(recurrent, population.size)
        dtype = np.int32 if population.model.lanes else np.int64
        self.per_neuron = np.ascontiguousarray(population.per_neuron, dtype=dtype)
        self.constants = np.ascontiguousarray(population.constants)

    def begin(self, steps: int, keep_states: bool, keep_currents: bool) -> None:
        """Make room for a block; `arriving` (currents, steps, batch·n) is 0 and waits for what is delivered."""
        self.sent.begin(steps)
        model = self.population.model
        self.arriving = _reused(getattr(self, "arriving", None), (model.currents, steps, self.width))
        self.history = _room(getattr(self, "history", None), (steps + 1 if keep_states else 1, model.d, self.width))
        self.history[0] = self.state
        shape = (steps if keep_currents else 0, model.currents, self.width)
        self.currents = _room(getattr(self, "currents", None), shape)

    def run(self, first: int, stop: int) -> None:
        """Run the samples first ≤ b < stop of the block that `begin` made room for."""
        kernel = population_kernel(self.population.model.name)
        kernel(
            self.arriving,
            self.sent.rows,
            self.sent.depth,
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
        """States (steps, d, batch·n) after each step of the block, empty if not recorded.

        `history` has those before the block in front. The next block overwrites them.
        """
        return self.history[1:]

    @property
    def outputs(self) -> Array:
        """Outputs (steps, batch·n) of the block."""
        return self.sent.delayed(0)


def _room(array: Array | None, shape: tuple[int, ...]) -> Array:
    """Return an array to be filled, in the memory of `array` where the shape is the same: fresh memory costs more."""
    return np.empty(shape, np.int32) if array is None or array.shape != shape else array


def _reused(array: Array | None, shape: tuple[int, ...]) -> Array:
    """Return zeros, in the memory of `array` where the shape is the same."""
    if array is None or array.shape != shape:
        return np.zeros(shape, np.int32)
    array[...] = 0
    return array

"""One population running for a batch, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.integer import Population
from hypr_neuro.sim.delivery import Delivery, Rows, Sparse, by_presynaptic
from hypr_neuro.sim.kernels import population_kernel
from hypr_neuro.sim.line import Line

Array = NDArray[Any]


class Feedback:
    """Connections of a population with itself in the form that `kernels.population_kernel` reads.

    A dense one from the step before is `rows`; any others are groups of sparse synapses.
    """

    def __init__(self, own: list[Delivery], size: int) -> None:
        dense = [
            d for d in own if isinstance(d.weights, Rows) and d.weights.chunk > 0 and d.lag == 1 and d.current == 0
        ]
        self.dense = dense[0] if dense else None
        groups = [d for d in own if d is not self.dense]
        found = [_as_sparse(d) for d in groups]
        offsets = np.cumsum([0, *(len(s.post) for s in found)])
        self.lags = np.array([d.lag for d in groups], dtype=np.int64)
        self.exponents = np.array([d.exponent for d in groups], dtype=np.int64)
        self.targets = np.array([d.current for d in groups], dtype=np.int64)
        self.starts = np.array([s.starts + o for s, o in zip(found, offsets, strict=False)], dtype=np.int64)
        self.starts = self.starts.reshape(len(groups), size + 1)
        self.post = np.concatenate([np.zeros(0, np.int64), *(s.post for s in found)])
        self.weight = np.concatenate([np.zeros(0, np.int32), *(s.weight for s in found)])

    def arguments(self) -> tuple[Any, ...]:
        """rows, chunk, exponent, groups."""
        rows, chunk, exponent = np.zeros((0, 0), np.int8), 1, 0
        if self.dense is not None and isinstance(self.dense.weights, Rows):
            rows, chunk, exponent = self.dense.weights.rows, self.dense.weights.chunk, self.dense.exponent
        groups = (self.lags, self.exponents, self.targets, self.starts, self.post, self.weight)
        return rows, chunk, exponent, groups


def _is_plain(d: Delivery) -> bool:
    return isinstance(d.weights, Rows) and d.weights.chunk > 0 and d.lag == 1 and d.current == 0


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
        info = np.iinfo(dtype)
        if population.per_neuron.size and not (
            info.min <= population.per_neuron.min() and population.per_neuron.max() <= info.max
        ):
            raise InputError(
                f"population '{population.name}': a parameter leaves 32 bits, rule: {info.min}..{info.max}"
            )
        self.per_neuron = np.ascontiguousarray(population.per_neuron, dtype=dtype)
        self.constants = np.ascontiguousarray(population.constants)

    def begin(self, steps: int, keep_states: bool, keep_currents: bool) -> None:
        """Make room for a block; `arriving` (currents, steps, batch·n) is 0 and waits for what is delivered."""
        self.line.begin(steps)
        model = self.population.model
        self.arriving = _reused(getattr(self, "arriving", None), (model.currents, steps, self.width))
        self.states = np.empty((steps if keep_states else 0, model.d, self.width), np.int32)
        self.currents = np.empty((steps if keep_currents else 0, model.currents, self.width), np.int32)

    def run(self, first: int, stop: int) -> None:
        """The samples first ≤ b < stop of the block that `begin` made room for."""
        kernel = population_kernel(self.population.model.name)
        kernel(self.arriving, self.line.rows, self.line.kept, *self.feedback.arguments(), tuple(self.state),
               self.per_neuron, self.constants, self.states, self.currents, self.events, first, stop)  # fmt: skip

    @property
    def outputs(self) -> Array:
        """(steps, batch·n) of the block."""
        return self.line.sent(0)


def _reused(array: Array | None, shape: tuple[int, ...]) -> Array:
    """Zeros, in the memory of `array` where the shape is the same."""
    if array is None or array.shape != shape:
        return np.zeros(shape, np.int32)
    array[...] = 0
    return array

"""One step of a layer of neurons whose weighted sums are already there, by the simulator's own kernel."""

from __future__ import annotations

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.kernels import population_kernel
from hypr_neuro.sim.population import Feedback


class PopulationStep:
    """`population_kernel` for one step, without recurrent connections."""

    def __init__(self, model_name: str, size: int) -> None:
        self.size, self.model = size, get_model(model_name)
        self._kernel = population_kernel(model_name)
        self._feedback = Feedback([], size)
        self._outputs = np.zeros((2, size), np.int32 if self.model.sends_numbers else np.int8)
        self._nothing = np.zeros((0, self.model.d, size), np.int32), np.zeros((0, self.model.currents, size), np.int32)

    def __call__(
        self, current: Array, state: Array, output: Array, per_neuron: Array, constants: Array, events: Array
    ) -> None:
        """Compute a step from `current`, (n,) or (currents, n) integers.

        `state` (d, n) and `output` (n,), int32, are updated in place, `events` (bits,) added to.
        """
        self._outputs[0] = output
        arriving = np.ascontiguousarray(current, dtype=np.int32).reshape(self.model.currents, 1, self.size)
        width = np.int32 if self.model.lanes else np.int64
        self._kernel(
            arriving,
            self._outputs,
            1,
            self._feedback.dense,
            self._feedback.sparse,
            tuple(state),
            per_neuron.astype(width),
            constants,
            *self._nothing,
            events[None],
            0,
            1,
        )
        output[...] = self._outputs[1]

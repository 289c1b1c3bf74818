"""One step of a layer of neurons whose weighted sums are already there, by the simulator's own kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.sim.kernels import layer_kernel

Array = NDArray[Any]


class PopulationStep:
    """`layer_kernel` without synapses: the summed currents go in as the always-on line, which is on."""

    def __init__(self, model_name: str, size: int) -> None:
        self.size = size
        self._kernel = layer_kernel(model_name)
        self._nothing_below = np.zeros((1, 0), np.int32)
        self._no_input, self._no_recurrent = np.zeros((0, size), np.int32), np.zeros((0, 0), np.int32)
        self._on, self._exponents = np.ones(1, np.int64), np.zeros(2, np.int64)
        self._outputs = np.zeros((1, size), np.int32)
        self._no_states, self._no_currents = np.zeros((0, 0, size), np.int32), np.zeros((0, size), np.int32)

    def __call__(
        self, current: Array, state: Array, output: Array, per_neuron: Array, constants: Array, events: Array
    ) -> None:
        """current (n,) integers; state (d, n) and output (n,) int32 are updated in place, events (bits,) added to."""
        self._kernel(
            self._nothing_below, self._no_input, current.astype(np.int64), self._on, self._no_recurrent,
            self._exponents, state, output, per_neuron, constants, self._outputs, self._no_states, self._no_currents,
            events[None], self.size, 0, 1,
        )  # fmt: skip

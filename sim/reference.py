"""This is the definition of the integer semantics: plain Python ints, neuron by neuron, step by step.

Python ints never wrap, so a forgotten overflow rule shows as a state outside its declared width, which is checked
after every step. Slow on purpose; the fast engine and every compiled target must equal it, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import WidthError
from hypr_neuro.fixed_point import shift
from hypr_neuro.quantize import Connection, QuantizedLayer, QuantizedNetwork

Array = NDArray[Any]


class ReferenceLayer:
    """One layer for one sample: `states` a tuple of ints a neuron, `outputs` an int a neuron, `events` counts."""

    def __init__(self, layer: QuantizedLayer, name: str, state_bits: int) -> None:
        self.layer, self.name = layer, name
        self.states: list[tuple[int, ...]] = [(0,) * layer.model.d] * layer.size
        self.outputs = [0] * layer.size
        self.currents = [0] * layer.size
        self.events = [0] * len(layer.model.events)
        constants = tuple(int(c) for c in layer.constants)
        self.params = [tuple(int(v) for v in column) + constants for column in layer.per_neuron.T]
        self.state_bits = state_bits

    def step(self, below: list[int], always_on: int) -> list[int]:
        """One step: what arrives from below (the always-on line apart), to this step's outputs."""
        arriving = [*below, always_on] if self.layer.bias_axon else below
        self.currents = weighted_sums(self.layer.input, arriving)
        if self.layer.recurrent is not None:
            fed_back = weighted_sums(self.layer.recurrent, self.outputs)
            self.currents = [a + b for a, b in zip(self.currents, fed_back, strict=True)]
        for i, current in enumerate(self.currents):
            state, z, events = self.layer.model.fixed_step(self.states[i], self.outputs[i], (current,), self.params[i])
            self.states[i], self.outputs[i] = tuple(map(int, state)), int(z)
            for bit in range(len(self.events)):
                self.events[bit] += (events >> bit) & 1
            self._check_width(i)
        return list(self.outputs)

    def _check_width(self, neuron: int) -> None:
        # Lava's own wrap may leave 24 bits; that variable still fits Lava's int32
        for variable, value in zip(self.layer.model.states, self.states[neuron], strict=True):
            bits = 32 if variable.overflow == "wrap" else self.state_bits
            if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                raise WidthError(f"{self.name}, neuron {neuron}: {variable.name} = {value} leaves its {bits} bits; "
                                 f"the model's {variable.overflow} rule is missing a case")  # fmt: skip


def weighted_sums(connection: Connection, pre: list[int]) -> list[int]:
    """(Σ_j m_ij pre_j) shifted by the connection's exponent, for every i."""
    active = [(j, z) for j, z in enumerate(pre) if z]
    rows = connection.mantissa
    return [shift(sum(int(rows[i, j]) * z for j, z in active), connection.exponent) for i in range(len(rows))]


def simulate_reference(qnet: QuantizedNetwork, x: Array) -> list[dict[str, Array]]:
    """Run x (sample, T, channel); for each layer spikes (steps, sample, n), states (steps, d, sample, n), events.

    The run lasts T steps, and one more for each layer where connections deliver a step late.
    """
    delay = int(qnet.profile.time.connection_delay.value)
    bits = int(qnet.profile.precision.state_bits.value)
    steps = x.shape[1] + delay * len(qnet.layers)
    result: list[dict[str, Array]] = [
        {
            "spikes": np.zeros((steps, len(x), layer.size), np.int64),
            "states": np.zeros((steps, layer.model.d, len(x), layer.size), np.int64),
            "events": np.zeros((len(x), len(layer.model.events)), np.int64),
        }
        for layer in qnet.layers
    ]
    for b, sample in enumerate(x):
        layers = [ReferenceLayer(layer, qnet.name(i), bits) for i, layer in enumerate(qnet.layers)]
        for t in range(steps):
            at = t - delay
            arriving = [int(v) for v in sample[at]] if 0 <= at < len(sample) else [0] * qnet.inputs
            for layer, out in zip(layers, result, strict=True):
                previous = list(layer.outputs)
                current = layer.step(arriving, int(at >= 0))
                arriving = previous if delay else current
                out["spikes"][t, b] = layer.outputs
                out["states"][t, :, b] = np.array(layer.states).T
        for layer, out in zip(layers, result, strict=True):
            out["events"][b] = layer.events
    return result

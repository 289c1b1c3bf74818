"""What one layer needs to learn: eligibilities, gradients, what waits for its signal; and a block of learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import ROUNDING
from hypr_neuro.quantizing.quantize import QuantizedLayer, QuantizedNetwork
from hypr_neuro.sim.learning.entries import entry_arrays
from hypr_neuro.sim.learning.kernels import (
    TILE,
    Widths,
    fits_lanes,
    learning_kernel,
    parameter_kernel,
)
from hypr_neuro.sim.population import PopulationRun

VECTOR = 16
"""Synapses of a neuron are padded to a multiple of this, with inputs that never fire: whole vectors only."""
GRADIENT_UNIT = 19
ENTRY_HEADROOM = 2
"""Bits that an entry of the Jacobian has more than a coefficient."""


def layer_widths(qnet: QuantizedNetwork, index: int, signal_bits: int) -> Widths:
    """Widths of a layer; a full-scale signal that meets an eligibility of 1 adds 2^19 to the gradient in a step.

    Fewer bits lose the signals of lower layers, which are small: with 2^15 the gradient of the first of two SE-adLIF
    layers had a cosine of 0.994 to float, with 2^19 0.9998.
    """
    rules, precision = qnet.profile.learning, qnet.profile.precision
    fraction = rules.eligibility_fraction.value
    return Widths(
        precision.coefficient_bits.value - 1,
        fraction,
        rules.eligibility_bits.value,
        ROUNDING[rules.eligibility_rounding.value],
        max(signal_bits - 1 + fraction - GRADIENT_UNIT, 0),
        rules.accumulator_bits.value,
        precision.coefficient_bits.value + ENTRY_HEADROOM,
        round(np.log2(qnet.layers[index].state_scale)),
    )


def parameter_fraction(layer: QuantizedLayer, parameter: int, widths: Widths) -> int:
    """Fraction bits of the eligibilities of a neuron parameter.

    4 fewer than those of synapses for a decay or a frequency, whose unit is a coefficient's: its eligibilities reach
    hundreds. More, in proportion to the unit of change, for what moves the state less: ∂w/∂(k a) is small, as k a is
    not.
    """
    assert layer.model.learned is not None
    constants = dict(zip(layer.model.fixed_constants, map(int, layer.constants), strict=True))
    unit = round(np.log2(layer.model.learned.units(constants)[parameter]))
    fraction = widths.eligibility_fraction
    return int(np.clip(fraction - 4 + widths.coefficient_fraction + unit, 0, fraction + 4))


@dataclass
class Parameter:
    """Eligibilities (d, n) and gradient (n,) of one neuron parameter; ring (delay, n)."""

    eligibility: Array
    gradient: Array
    ring: Array


class LayerLearner:
    """Learning of one layer, for one sample or stream.

    weights : whether its weights learn. chosen : places, in `trainable`, of its neuron parameters that learn
    delay : steps for which e waits for its signal, 0 where what is there today meets it
    eligibility (d, n, synapses), gradient (n, synapses), ring (delay, n, synapses), padded; gain_ring (delay, n)
    """

    def __init__(
        self,
        qnet: QuantizedNetwork,
        index: int,
        *,
        weights: bool,
        chosen: tuple[int, ...],
        signal_bits: int,
        delay: int,
    ) -> None:
        self.layer: QuantizedLayer = qnet.layers[index]
        self.name, self.weights, self.signal_bits, self.delay = qnet.name(index), weights, signal_bits, delay
        self.widths = layer_widths(qnet, index, signal_bits)
        n, d = self.layer.size, self.layer.model.d
        own = n if self.layer.recurrent is not None else 0
        self.fan_in = self.layer.input.mantissa.shape[1] + own
        padded = -(-self.fan_in // VECTOR) * VECTOR if weights else 0
        self.eligibility = np.zeros((d, n, padded), np.int32)
        self.gradient = np.zeros((n, padded), np.int32)
        self.ring = np.zeros((max(delay, 1), n, padded if delay else 0), np.int32)
        self.gain_ring = np.zeros((max(delay, 1), n), np.int64)
        self.parameters = {
            j: Parameter(np.zeros((d, n), np.int32), np.zeros(n, np.int64), np.zeros((max(delay, 1), n), np.int64))
            for j in chosen
        }
        self.slot = 0
        self.clips = np.zeros(3, np.int64)
        self._entries = entry_arrays(
            self.layer.model.name, lambda there: np.zeros((TILE, n) if there else (1, 1), np.int32)
        )
        self._counts = (np.zeros(padded, np.int32), np.zeros(padded, np.int32))
        self._gains = np.zeros((TILE, n), np.int64)
        self._pre = np.zeros((0, padded), np.int16)
        self._fits: dict[int, bool] = {}

    def restart(self) -> None:
        """Everything zero but gradients and counts."""
        for array in (self.eligibility, self.ring, self.gain_ring):
            array[...] = 0
        for parameter in self.parameters.values():
            parameter.eligibility[...], parameter.ring[...] = 0, 0
        self.slot = 0

    def clear(self) -> None:
        """Gradients zero, after an update."""
        self.gradient[...] = 0
        for parameter in self.parameters.values():
            parameter.gradient[...] = 0

    def run(self, run: PopulationRun, below: Array, largest: int, on: Array, signal: Array, active: slice) -> Array:
        """Learn in the steps `active` of a block; what goes down (steps, n), 0 in the others.

        below : (steps, inputs) what arrived, up to `largest` in magnitude. on : (steps,) always-on line
        signal : (steps, n) learning signals
        """
        now = np.zeros((len(below), self.layer.size), np.int64)
        if active.stop <= active.start:
            return now
        states = run.history[active.start : active.stop + 1]
        sent = run.line.sent(1)[active]
        currents, signal = run.currents[active, 0], signal[active]
        lanes = self._lanes(largest)
        pre = self._arriving(below[active], on[active], sent, np.int16 if lanes else np.int32)
        layer, shared = self.layer, (self.layer.per_neuron, self.layer.constants, self.layer.psi_table)
        learning_kernel(layer.model.name, lanes, self.delay > 0, self.weights)(
            pre,
            sent,
            states,
            currents,
            signal,
            *shared,
            tuple(self.eligibility),
            self.gradient,
            now[active],
            self.ring,
            self.gain_ring,
            self.slot,
            self._entries,
            self._gains,
            *self._counts,
            self.clips,
            self.widths,
        )
        for j, p in self.parameters.items():
            parameter_kernel(layer.model.name, j, self.delay > 0)(
                sent,
                states,
                currents,
                signal,
                *shared,
                tuple(p.eligibility),
                p.gradient,
                p.ring,
                self.slot,
                self.clips,
                parameter_fraction(layer, j, self.widths),
                self.widths,
            )
        self.slot = (self.slot + len(sent)) % max(self.delay, 1)
        return now

    def _lanes(self, largest: int) -> bool:
        """Whether 32 bits will do."""
        if largest not in self._fits:
            self._fits[largest] = fits_lanes(self.layer.model.name, self.widths, self.signal_bits, largest)
        return self._fits[largest]

    def _arriving(self, below: Array, on: Array, sent: Array, dtype: type[Any]) -> Array:
        """(steps, synapses) what arrives at each synapse."""
        if not self.weights:
            return self._pre[:0]
        if self._pre.shape[0] < len(below) or self._pre.dtype != dtype:
            self._pre = np.zeros((len(below), self._pre.shape[1]), dtype)
        pre, at = self._pre[: len(below)], below.shape[1]
        pre[:, :at] = below
        if self.layer.bias_axon:
            pre[:, at] = on
            at += 1
        if self.layer.recurrent is not None:
            pre[:, at : at + self.layer.size] = sent
        return pre

    def connection_gradients(self) -> dict[str, Array]:
        """Gradient of "input" (always-on line included) and "recurrent", views."""
        width = self.layer.input.mantissa.shape[1]
        both = {"input": self.gradient[:, :width]}
        if self.layer.recurrent is not None:
            both["recurrent"] = self.gradient[:, width : self.fan_in]
        return both

    def state(self) -> dict[str, Array]:
        """Arrays that the next step depends on, and the counts; not copies."""
        found: dict[str, Array] = {
            "eligibility": self.eligibility,
            "gradient": self.gradient,
            "ring": self.ring,
            "gain_ring": self.gain_ring,
            "clips": self.clips,
        }
        for j, p in self.parameters.items():
            found |= {f"{j}/eligibility": p.eligibility, f"{j}/gradient": p.gradient, f"{j}/ring": p.ring}
        return found

    def gain_bound(self) -> int:
        """Largest |B·C| of the layer, with coefficient fraction bits: at rest, with the largest ψ of the table."""
        zero, psi = (0,) * self.layer.model.d, int(np.abs(self.layer.psi_table).max())
        largest = 0
        for column in self.layer.per_neuron.T:
            p = tuple(map(int, column)) + tuple(map(int, self.layer.constants))
            _, B, C, _, _, _, _ = self.layer.model.fixed_jacobian(zero, zero, 0, (0,), p, psi)
            largest = max(
                largest, abs(sum(b * c for b, c in zip(B, C, strict=True))) >> self.widths.coefficient_fraction
            )
        return largest

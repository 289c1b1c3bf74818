"""What one layer needs to learn: eligibilities, gradients, what waits for its signal; and a block of learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.entries import entry_arrays
from hypr_neuro.sim.learning.kernels import TILE, fits_lanes, learning_kernel, parameter_kernel
from hypr_neuro.sim.learning.plan import LayerPlan
from hypr_neuro.sim.population import PopulationRun

VECTOR = 16
"""Synapses of a neuron are padded to a multiple of this, with inputs that never fire: whole vectors only."""


@dataclass
class Parameter:
    """Eligibilities (d, n) and gradient (n,) of one neuron parameter; ring buffer (delay, n) of its effects e."""

    eligibility: Array
    gradient: Array
    ring: Array


class LayerLearner:
    """Learning of one layer, for one sample or stream.

    Parameters
    ----------
    plan : LayerPlan
        Widths, sizes and times of the layer.

    Attributes
    ----------
    delay : int
        Steps for which e waits for its learning signal; 0 where a signal meets the eligibilities of its own step.
    eligibility, gradient : ndarray
        (d, n, synapses) and (n, synapses), synapses padded to a multiple of `VECTOR`.
    ring, gain_ring : ndarray
        Ring buffers of e and of B·C: (delay, n, synapses) and (delay, n).
    parameters : dict of Parameter
        By place in the model's `trainable`.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self.plan, self.layer, self.name = plan, plan.layer, plan.name
        self.weights, self.widths = plan.learns, plan.widths
        self.delay = delay = plan.waiting
        n, d = self.layer.size, self.layer.model.d
        self.fan_in = plan.synapses
        padded = -(-self.fan_in // VECTOR) * VECTOR if self.weights else 0
        self.eligibility = np.zeros((d, n, padded), np.int32)
        self.gradient = np.zeros((n, padded), np.int32)
        self.ring = np.zeros((max(delay, 1), n, padded if delay else 0), np.int32)
        self.gain_ring = np.zeros((max(delay, 1), n), np.int64)
        self.parameters = {
            j: Parameter(np.zeros((d, n), np.int32), np.zeros(n, np.int64), np.zeros((max(delay, 1), n), np.int64))
            for j in plan.places
        }
        self.slot = 0
        self.clips = np.zeros(3, np.int64)
        self._entries = entry_arrays(
            self.layer.model.name, lambda has: np.zeros((TILE, n) if has else (1, 1), np.int32)
        )
        self._counts = (np.zeros(padded, np.int32), np.zeros(padded, np.int32))
        self._gains = np.zeros((TILE, n), np.int64)
        self._pre = np.zeros((0, padded), np.int16)
        self._fits: dict[int, bool] = {}

    def restart(self) -> None:
        """Set everything but gradients and counts to 0."""
        for array in (self.eligibility, self.ring, self.gain_ring):
            array[...] = 0
        for parameter in self.parameters.values():
            parameter.eligibility[...], parameter.ring[...] = 0, 0
        self.slot = 0

    def clear(self) -> None:
        """Set the gradients to 0, after an update."""
        self.gradient[...] = 0
        for parameter in self.parameters.values():
            parameter.gradient[...] = 0

    def run(self, run: PopulationRun, below: Array, largest: int, on: Array, signal: Array, active: slice) -> Array:
        """Learn in the steps `active` of a block.

        Parameters
        ----------
        run : PopulationRun
            The layer's neurons, after the block.
        below : ndarray
            (steps, inputs), what arrived.
        largest : int
            Magnitude that `below` cannot exceed.
        on : ndarray
            (steps,), the bias axon.
        signal : ndarray
            (steps, n), learning signals g.
        active : slice
            Steps in which the layer learns.

        Returns
        -------
        ndarray
            (steps, n), the products nearest(B·C / 2^kc) g that the layer below receives over the feedback weights; 0
            outside `active`.
        """
        weighted_signal = np.zeros((len(below), self.layer.size), np.int64)
        if active.stop <= active.start:
            return weighted_signal
        states = run.history[active.start : active.stop + 1]
        sent = run.sent.delayed(1)[active]
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
            weighted_signal[active],
            self.ring,
            self.gain_ring,
            self.slot,
            self._entries,
            self._gains,
            *self._counts,
            self.clips,
            self.widths,
        )
        for fixed in self.plan.parameters:
            p = self.parameters[fixed.place]
            parameter_kernel(layer.model.name, fixed.place, self.delay > 0)(
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
                fixed.fraction,
                self.widths,
            )
        self.slot = (self.slot + len(sent)) % max(self.delay, 1)
        return weighted_signal

    def _lanes(self, largest: int) -> bool:
        """Tell whether 32 bits hold every intermediate result."""
        if largest not in self._fits:
            self._fits[largest] = fits_lanes(self.layer.model.name, self.widths, largest)
        return self._fits[largest]

    def _arriving(self, below: Array, on: Array, sent: Array, dtype: type[Any]) -> Array:
        """Join what arrives at each synapse, (steps, synapses)."""
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
        """Return the gradients of "input" (bias axon included) and "recurrent", (n, m) each; views."""
        width = self.layer.input.mantissa.shape[1]
        gradients = {"input": self.gradient[:, :width]}
        if self.layer.recurrent is not None:
            gradients["recurrent"] = self.gradient[:, width : self.fan_in]
        return gradients

    def state(self) -> dict[str, Array]:
        """Return the arrays that the next step depends on, and the counts; not copies."""
        arrays: dict[str, Array] = {
            "eligibility": self.eligibility,
            "gradient": self.gradient,
            "ring": self.ring,
            "gain_ring": self.gain_ring,
            "clips": self.clips,
        }
        for j, p in self.parameters.items():
            arrays |= {f"{j}/eligibility": p.eligibility, f"{j}/gradient": p.gradient, f"{j}/ring": p.ring}
        return arrays

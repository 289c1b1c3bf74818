"""What one layer needs to learn: eligibilities, gradients, what waits for its signal; and a block of learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.entries import entry_arrays
from hypr_neuro.sim.learning.kernels import TILE, fits_lanes, learning_kernel, parameter_kernel
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.sources import ArrivingSpikes
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
        self.plan, self.neurons, self.name = plan, plan.neurons, plan.name
        self.weights, self.widths = plan.learns, plan.widths
        self.delay = delay = plan.waiting
        n, d = plan.size, plan.model.d
        self.fan_in = plan.synapses
        padded = -(-self.fan_in // VECTOR) * VECTOR if self.weights else 0
        self._sources = ArrivingSpikes(plan, padded)
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
        # neurons that no signal reaches may have no Jacobian
        self._entries = (
            entry_arrays(plan.model.name, lambda has: np.zeros((TILE, n) if has else (1, 1), np.int32))
            if plan.active
            else ()
        )
        self._counts = (np.zeros(padded, np.int32), np.zeros(padded, np.int32))
        self._gains = np.zeros((TILE, n), np.int64)
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

    def run(
        self,
        run: PopulationRun,
        sent: Callable[[str, int], Array],
        time: int,
        largest: int,
        signal: Array,
        active: slice,
    ) -> Array:
        """Learn in the steps `active` of a block.

        Parameters
        ----------
        run : PopulationRun
            The layer's neurons, after the block.
        sent : callable
            Function (source, lag) that gives (steps, n), what a source sent so many steps before each of the block.
        time : int
            First device step of the block.
        largest : int
            Magnitude that nothing that arrives can exceed.
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
        weighted_signal = np.zeros((len(signal), self.plan.size), np.int64)
        if active.stop <= active.start:
            return weighted_signal
        states = run.history[active.start : active.stop + 1]
        before = run.sent.delayed(1)[active]
        currents, signal = run.currents[active, 0], signal[active]
        numbers = self._sources.numbers
        lanes = not numbers and self._lanes(largest)
        pre, index, rows = self._sources.arriving(sent, time, active, np.int16 if lanes else np.int32)
        neurons = self.neurons
        shared = neurons.per_neuron, neurons.constants, neurons.psi_table
        learning_kernel(neurons.model.name, lanes, self.delay > 0, self.weights, self._sources.listed, numbers)(
            pre,
            index,
            rows,
            self._sources.scales,
            before,
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
            parameter_kernel(neurons.model.name, fixed.place, self.delay > 0)(
                before,
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
        self.slot = (self.slot + len(before)) % max(self.delay, 1)
        return weighted_signal

    def _lanes(self, largest: int) -> bool:
        """Tell whether 32 bits hold every intermediate result."""
        if largest not in self._fits:
            self._fits[largest] = fits_lanes(self.neurons.model.name, self.widths, largest)
        return self._fits[largest]

    def connection_gradients(self) -> dict[str, Array]:
        """Return the gradient of each connection that learns, by its name, in the shape of its tensor.

        Views of whole rows, the bias axon included; copies of the synapses in a list.
        """
        gradients: dict[str, Array] = {}
        for c in self._sources.incoming:
            rows = np.asarray(self.gradient)[:, c.first : c.first + c.synapses]
            gradients[c.name] = self._sources.gradient(c, self.gradient) if c.listed else rows
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

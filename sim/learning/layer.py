"""What one layer needs to learn: eligibilities, gradients, what waits for its signal; and a block of learning.

The synapses of each input current of a layer's neurons stand together (`SynapseLearner`), as they have one B.
"""

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


class SynapseLearner:
    """Learning of the synapses of one input current of a layer, for one sample or stream.

    Parameters
    ----------
    plan : LayerPlan
        Of the layer.
    input_current : int
        The current.

    Attributes
    ----------
    first, fan_in : int
        Place of its first synapse among all of a neuron that learn, and how many it has.
    eligibility, gradient : ndarray
        (d, n, synapses) and (n, synapses), synapses padded to a multiple of `VECTOR`.
    ring, gain_ring : ndarray
        Ring buffers of e and of B·C: (delay, n, synapses) and (delay, n).
    """

    def __init__(self, plan: LayerPlan, input_current: int) -> None:
        self.plan, self.input_current, n, d = plan, input_current, plan.size, plan.model.d
        learning = plan.learning(input_current)
        self.fan_in = sum(c.synapses for c in learning)
        # of a layer that does not learn nothing is padded
        padded = -(-self.fan_in // VECTOR) * VECTOR
        self.sources = ArrivingSpikes(plan, input_current, padded)
        self.first, self.weights = self.sources.first, bool(learning)
        delay = plan.waiting
        self.eligibility = np.zeros((d, n, padded), np.int32)
        self.gradient = np.zeros((n, padded), np.int32)
        self.ring = np.zeros((max(delay, 1), n, padded if delay else 0), np.int32)
        self.gain_ring = np.zeros((max(delay, 1), n), np.int64)
        # neurons that no signal reaches may have no Jacobian
        self._entries = (
            entry_arrays(plan.model.name, lambda has: np.zeros((TILE, n) if has else (1, 1), np.int32), input_current)
            if plan.active
            else ()
        )
        self._counts = (np.zeros(padded, np.int32), np.zeros(padded, np.int32))
        self._gains = np.zeros((TILE, n), np.int64)
        self._fits: dict[int, bool] = {}
        self.store = plan.eligibility_store(input_current, (n, padded)) if learning else None

    def restart(self) -> None:
        """Set everything but gradients to 0."""
        for array in (self.eligibility, self.ring, self.gain_ring):
            array[...] = 0

    def run(self, block: LearningBlock, sent: Callable[[str, int], Array], time: int, largest: int) -> Array:
        """Learn in the steps of a block, as `LayerLearner.run`; return nearest(B·C / 2^kc) g, (steps, n)."""
        plan, weighted_signal = self.plan, np.zeros((len(block.signal), self.plan.size), np.int64)
        numbers, analog = self.sources.numbers, self.store is not None
        lanes = not numbers and not analog and self._lanes(largest)
        steps = len(block.signal)
        store = () if self.store is None else self.store.of_steps(block.sample, time + block.steps.start, steps)
        pre, index, rows = self.sources.arriving(sent, time, block.steps, np.int16 if lanes else np.int32)
        learning_kernel(
            plan.model.name,
            lanes,
            plan.waiting > 0,
            self.weights,
            self.sources.listed,
            numbers,
            self.input_current,
            analog,
        )(
            pre,
            index,
            rows,
            self.sources.scales,
            block.before,
            block.states,
            block.currents,
            block.signal,
            plan.neurons.per_neuron,
            plan.constants,
            plan.neurons.psi_table,
            tuple(self.eligibility),
            self.gradient,
            weighted_signal,
            self.ring,
            self.gain_ring,
            block.slot,
            self._entries,
            self._gains,
            *self._counts,
            block.clips,
            plan.widths,
            store,
        )
        return weighted_signal

    def _lanes(self, largest: int) -> bool:
        """Tell whether 32 bits hold every intermediate result."""
        if largest not in self._fits:
            self._fits[largest] = fits_lanes(self.plan.model.name, self.plan.widths, largest)
        return self._fits[largest]

    def connection_gradients(self) -> dict[str, Array]:
        """Return the gradient of each connection that learns, by its name, in the shape of its tensor.

        Views of whole rows, the bias axon included; copies of the synapses in a list.
        """
        gradients: dict[str, Array] = {}
        for c in self.sources.incoming:
            rows = np.asarray(self.gradient)[:, self.sources.of(c)]
            gradients[c.name] = self.sources.gradient(c, self.gradient) if c.listed else rows
        return gradients

    def connection_eligibilities(self) -> dict[str, Array]:
        """Return the eligibilities of each connection that learns, by its name: (d, n, m), (d, weights) of a list."""
        rows = {c.name: self.sources.places(c) for c in self.sources.incoming}
        return {name: self.eligibility[:, n, m].copy() for name, (n, m) in rows.items()}

    def put_eligibilities(self, name: str, values: Array) -> None:
        """Put others in place of those of a connection."""
        n, m = next(self.sources.places(c) for c in self.sources.incoming if c.name == name)
        self.eligibility[:, n, m] = values


@dataclass(frozen=True)
class LearningBlock:
    """What a layer did in the steps of a block in which it learns.

    Attributes
    ----------
    steps : slice
        Of the block.
    before, states, currents, signal : ndarray
        Outputs (steps, n) of the steps before, states (steps + 1, d, n), currents and learning signals g (steps, n).
    slot : int
        Row of the ring buffers for the first of the steps.
    clips : ndarray
        (3,) counts, added to.
    sample : int
        Its number, a word of the counter.
    """

    steps: slice
    before: Array
    states: Array
    currents: Array
    signal: Array
    slot: int
    clips: Array
    sample: int = 0


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
    synapses : tuple of SynapseLearner
        Those of each input current.
    parameters : dict of Parameter
        By place in the model's `trainable`.
    sample : int
        Number of the sample that runs.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self.plan, self.neurons, self.name = plan, plan.neurons, plan.name
        self.widths, self.delay = plan.widths, plan.waiting
        n, d, delay = plan.size, plan.model.d, plan.waiting
        self.synapses = tuple(SynapseLearner(plan, k) for k in range(plan.model.currents))
        self.parameters = {
            j: Parameter(np.zeros((d, n), np.int32), np.zeros(n, np.int64), np.zeros((max(delay, 1), n), np.int64))
            for j in plan.places
        }
        self.slot = self.sample = 0
        self.clips = np.zeros(3, np.int64)

    def restart(self) -> None:
        """Set everything but gradients and counts to 0."""
        for synapses in self.synapses:
            synapses.restart()
        for parameter in self.parameters.values():
            parameter.eligibility[...], parameter.ring[...] = 0, 0
        self.slot = 0

    def clear(self) -> None:
        """Set the gradients to 0, after an update."""
        for synapses in self.synapses:
            synapses.gradient[...] = 0
        for parameter in self.parameters.values():
            parameter.gradient[...] = 0

    @property
    def eligibility(self) -> Array:
        """Eligibilities (d, n, synapses) of all synapses that learn; of one input current not copied, and padded."""
        return self._joined([s.eligibility for s in self.synapses])

    @property
    def gradient(self) -> Array:
        """Gradients (n, synapses) of all synapses that learn; of one input current not copied, and padded."""
        return self._joined([s.gradient for s in self.synapses])

    def _joined(self, parts: list[Array]) -> Array:
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([a[..., : s.fan_in] for a, s in zip(parts, self.synapses, strict=True)], axis=-1)

    def run(
        self,
        run: PopulationRun,
        sent: Callable[[str, int], Array],
        time: int,
        largest: int,
        signal: Array,
        active: slice,
    ) -> tuple[Array, ...]:
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
        tuple of ndarray
            (steps, n) for each input current, the products nearest(B·C / 2^kc) g that the layer below receives over
            the feedback weights; 0 outside `active`.
        """
        whole = tuple(np.zeros((len(signal), self.plan.size), np.int64) for _ in self.synapses)
        if active.stop <= active.start:
            return whole
        currents = run.currents[active, 0] if len(self.synapses) == 1 else run.currents[active]
        states, before = run.history[active.start : active.stop + 1], run.sent.delayed(1)[active]
        block = LearningBlock(active, before, states, currents, signal[active], self.slot, self.clips, self.sample)
        for synapses, weighted_signal in zip(self.synapses, whole, strict=True):
            weighted_signal[active] = synapses.run(block, sent, time, largest)
        for fixed in self.plan.parameters:
            p = self.parameters[fixed.place]
            parameter_kernel(self.plan.model.name, fixed.place, self.delay > 0)(
                before,
                states,
                currents,
                block.signal,
                self.neurons.per_neuron,
                self.plan.constants,
                self.neurons.psi_table,
                tuple(p.eligibility),
                p.gradient,
                p.ring,
                self.slot,
                self.clips,
                fixed.fraction,
                self.widths,
            )
        self.slot = (self.slot + len(before)) % max(self.delay, 1)
        return whole

    def connection_gradients(self) -> dict[str, Array]:
        """Return the gradient of each connection that learns, by its name, in the shape of its tensor.

        Views of whole rows, the bias axon included; copies of the synapses in a list.
        """
        return {name: g for synapses in self.synapses for name, g in synapses.connection_gradients().items()}

    def state(self) -> dict[str, Array]:
        """Return the arrays that the next step depends on, and the counts; not copies."""
        arrays: dict[str, Array] = {}
        for k, s in enumerate(self.synapses):
            first = f"current {k}/" if len(self.synapses) > 1 else ""
            arrays |= {
                f"{first}eligibility": s.eligibility,
                f"{first}gradient": s.gradient,
                f"{first}ring": s.ring,
                f"{first}gain_ring": s.gain_ring,
            }
        arrays["clips"] = self.clips
        for j, p in self.parameters.items():
            arrays |= {f"{j}/eligibility": p.eligibility, f"{j}/gradient": p.gradient, f"{j}/ring": p.ring}
        return arrays

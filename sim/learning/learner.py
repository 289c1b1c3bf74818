"""One network learning on one chip, batch 1, all in integers: samples one after the other, or a stream without end.

A block of steps runs forward, then the readout's error is taken, then each layer's eligibilities and gradients follow,
from the readout down (`kernels`); at the end of an update interval weights and neuron parameters change
(`update`). Memory does not depend on T. Delays are those of the chip: layers run behind each other by the
profile's connection_delay, and an error computed in step t reaches the layers in step t + error_latency. There it meets
that step's eligibilities, or with eligibility_alignment "delayed" those of the step that it belongs to, which the
layers then keep for so long. In a sample a layer learns in its own T steps only.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.crossbar.simulator import changing_simulator
from hypr_neuro.sim.learning.error_function import ErrorFunction, refuse_function, with_errors_of
from hypr_neuro.sim.learning.feedback import output_errors
from hypr_neuro.sim.learning.layer import LayerLearner
from hypr_neuro.sim.learning.options import LearnOptions, check_rates
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.regularizer import Regularization, Regularizer
from hypr_neuro.sim.learning.signals import Signals
from hypr_neuro.sim.learning.targets import OF_LABEL, Targets, check_targets, given_error_kernel, silence
from hypr_neuro.sim.learning.updater import Updater
from hypr_neuro.sim.simulator import check_values

BLOCK = 2048


class Learner:
    """A network that learns; everything it remembers is in integers.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Changed in place.
    options : LearnOptions, optional
        How it learns.
    regularizer : callable, optional
        Adds a term that sees weights and mean rates to the gradients before each update, see `regularizer`.
    error_function : callable, optional
        Works out the errors of each step from the outputs, see `error_function`; where errors are given, those count.

    Attributes
    ----------
    updater : Updater
        Update rule and its state.
    steps, samples : int
        Run so far, tails included.
    before_update : callable or None
        Called with the learner when gradients are complete and nothing has changed yet.
    """

    def __init__(
        self,
        qnet: QuantizedNetwork,
        options: LearnOptions | None = None,
        regularizer: Regularizer | None = None,
        error_function: ErrorFunction | None = None,
    ) -> None:
        self.plan = plan = LearningPlan(qnet, options)
        self.qnet, self.options = plan.qnet, plan.options
        self.error_function = error_function
        if error_function is not None:
            plan.check_free_errors()
        self.layers = [LayerLearner(layer) for layer in plan.layers]
        self.largest = plan.largest_input
        self.simulator = changing_simulator(plan)
        self.updater = Updater(plan, self.layers, self.simulator.write)
        self.regularization = None if regularizer is None else Regularization(plan, regularizer)
        # of the network as it was when it began to learn: a restored learner takes over those of the saved one
        self.shifts = np.array(plan.signal_shifts, dtype=np.int64)
        self.before_update: Callable[[Learner], None] | None = None
        self.steps = self.samples = 0
        self.signals = Signals(plan)
        self.past_events = dict.fromkeys(self._events(), 0)
        self._restart(None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by what `save_learner` writes: arrays that share memory would part otherwise."""
        from hypr_neuro.sim.learning.state import learner_state, restored_learner

        regularizer = None if self.regularization is None else self.regularization.regularizer
        meta, arrays = learner_state(self)
        copies = {name: array.copy() for name, array in arrays.items()}
        functions = regularizer, self.error_function, self.before_update
        return restored_learner, (self.qnet.copy(), self.options, *functions, meta, copies)

    @property
    def updates(self) -> int:
        """Count the updates done so far."""
        return self.updater.updates

    def sample(
        self,
        x: Array,
        label: Array | None,
        scored: Array,
        rate: int,
        parameter_rate: int = 0,
        *,
        errors: Array | None = None,
        reward: Array | int | None = None,
        values: Array | None = None,
    ) -> Array:
        """Run a sample from zero states and learn from it.

        Parameters
        ----------
        x : ndarray
            (T, channel).
        label : ndarray or None
            (T,) classes; None where errors or values are given.
        scored : ndarray
            (T,), False = not learned from.
        rate, parameter_rate : int
            Of weights and of neuron parameters, with 16 fraction bits, see `options.as_rate`.
        errors : ndarray, optional
            (T, outputs) integers of `error_bits` in place of those of the labels.
        reward : ndarray or int, optional
            For the sample or for each step (T,) an integer with 8 fraction bits that multiplies the errors, see
            `targets.as_reward`.
        values : ndarray, optional
            (T, outputs) targets of a regression in the outputs' fixed-point format, see `LearningPlan.as_values`.

        Returns
        -------
        ndarray
            (T, outputs), the readout.
        """
        rates = rate, parameter_rate
        x = self._checked(x, rates)
        outputs = self._sample(x, self._targets(len(x), label, scored, errors, reward, values), rates)
        self.samples += 1
        if self.options.due("sample", self.samples):
            self._update((rate, parameter_rate))
        return outputs

    def _sample(self, x: Array, targets: Targets, rates: tuple[int, int] | None) -> Array:
        """Run a sample without the update at its end; without those inside it too where `rates` is None."""
        self._restart(len(x))
        end = self.plan.clock.learning_tail
        padded = np.concatenate([x, np.zeros((end, x.shape[1]), x.dtype)])
        outputs = self._run(padded, targets.before(silence(end)), rates)
        return outputs[self.qnet.tail : self.qnet.tail + len(x)]

    @property
    def signal_clips(self) -> Array:
        """How many learning signals were clipped, (1,)."""
        return self.signals.clips

    @property
    def queues(self) -> list[Array]:
        """Learning signals on their way to a population."""
        return self.signals.queues

    def stream(
        self,
        x: Array,
        label: Array | None,
        scored: Array,
        rate: int,
        parameter_rate: int = 0,
        *,
        errors: Array | None = None,
        reward: Array | int | None = None,
        values: Array | None = None,
    ) -> Array:
        """Go on for any number of steps; nothing is reset.

        Parameters
        ----------
        x : ndarray
            (steps, channel).
        label, scored, rate, parameter_rate, errors, reward, values
            As in `sample`, of the step of the input. After `sample` a stream starts from zero states.

        Returns
        -------
        ndarray
            (steps, outputs), the readout of each device step, `qnet.tail` steps behind the input.

        Raises
        ------
        InputError
            Unless options have update_on "step".
        """
        if self.options.update_on != "step":
            raise InputError("a stream has no samples to update after; learn with update_on='step', update_every=…")
        x = self._checked(x, (rate, parameter_rate))
        targets = self._targets(len(x), label, scored, errors, reward, values)
        if self.total is not None:
            self._restart(None)
        return self._run(x, targets, (rate, parameter_rate))

    def gradients(
        self,
        x: Array,
        label: Array | None,
        scored: Array,
        *,
        errors: Array | None = None,
        reward: Array | int | None = None,
        values: Array | None = None,
    ) -> dict[str, Array]:
        """Compute the integer gradients of one sample from zero states, by name of connection or neuron parameter.

        Arguments as in `sample`. Nothing changes and nothing is counted; a stream starts anew.
        """
        x = self._checked(x, (0, 0))
        targets = self._targets(len(x), label, scored, errors, reward, values)
        saved = [(array, array.copy()) for layer in self.layers for array in layer.state().values()]
        saved.append((self.signal_clips, self.signal_clips.copy()))
        steps = self.steps
        for layer in self.layers:
            layer.clear()
        regularization, self.regularization = self.regularization, None
        self._sample(x, targets, None)
        self.regularization = regularization
        result = {name: np.array(g, dtype=np.int64) for name, g in self.updater.gradients().items()}
        for array, before in saved:
            array[...] = before
        self.steps = steps
        self.simulator.restart()
        self._restart(None)
        return result

    def _restart(self, total: int | None) -> None:
        """Set states and eligibilities to 0; total : steps of the sample, None for a stream."""
        self._note_events()
        self.simulator.age(self.steps)
        self.simulator.restart()
        for layer in self.layers:
            layer.restart()
        self.total = total
        self.signals.restart()
        # of outputs that run less far behind the input than the last of them
        clock = self.plan.clock
        early = {i: clock.tail - clock.latency(i) for i in self.plan.outputs}
        self.early = {i: np.zeros((wait, self.plan.layers[i].size), np.int32) for i, wait in early.items() if wait}
        # targets of steps that the readout has not seen yet
        self.pending_targets = silence(self.qnet.tail)

    def _targets(
        self,
        steps: int,
        label: Array | None,
        scored: Array,
        errors: Array | None,
        reward: Array | int | None,
        values: Array | None,
    ) -> Targets:
        refuse_function(
            errors, "a sample takes numbers", "give Learner(…, error_function=…), which calls it every step"
        )
        targets = check_targets(
            steps, self.qnet.output_size, self.plan.error_bits, label, scored, errors, reward, values
        )
        if not targets.plain:
            self.plan.check_free_errors()
        return targets

    def _checked(self, x: Array, rates: tuple[int, int]) -> Array:
        """Return x as an array that fits the network; InputError naming what does not."""
        x = check_values(self.simulator.network, x)
        if x.ndim != 2 or x.shape[1] != self.qnet.inputs:
            raise InputError(f"x of shape {x.shape}, rule: (steps, {self.qnet.inputs})")
        check_rates(*rates)
        return x

    def _run(self, x: Array, targets: Targets, rates: tuple[int, int] | None) -> Array:
        # what was sent before may still arrive in the first steps
        largest = max(1, *(max(int(a.max()), -int(a.min())) for a in (x, self.simulator.input.tail) if a.size))
        if largest > self.largest:
            raise InputError(
                f"x holds magnitudes up to {largest}, rule: at most {self.largest}, as learning may raise "
                "any weight; scale the input down"
            )
        self.simulator.sample = self.samples
        for layer in self.layers:
            layer.sample = self.samples
        outputs, start = np.empty((len(x), self.qnet.output_size), np.int32), 0
        every = self.options.update_every if self.options.update_on == "step" and rates is not None else 0
        while start < len(x):
            stop = min(start + min(BLOCK, self.simulator.longest), len(x))
            if every:
                stop = min(stop, start + every - self.steps % every)
            part = slice(start, stop)
            outputs[part] = self._block(x[part, None, :], largest, targets.part(part))
            self.steps += stop - start
            if rates is not None and self.options.due("step", self.steps):
                self._update(rates)
            start = stop
        return outputs

    def _block(self, x: Array, largest: int, targets: Targets) -> Array:
        """Run one block of device steps: forward, error, then learning from the readout down."""
        sim, steps, time = self.simulator, len(x), self.simulator.time
        populations, plan = sim.populations, self.plan
        recorded = [plan.active(i) for i in range(len(populations))]
        sim.block(x, recorded, recorded)
        readout = self._readout()
        if self.regularization is not None:
            # numbers are no rate
            spiking = [not run.population.model.readout for run in populations[:-1]]
            self.regularization.note([run.outputs * spikes for run, spikes in zip(populations, spiking, strict=False)])
        errors = self._errors(readout, self._due(targets))
        weighted: dict[str, tuple[Array, ...]] = {}
        total = inf if self.total is None else self.total
        for i in reversed(range(len(populations))):
            if not plan.active(i):
                continue
            signal = self.signals.of(i, errors, weighted, steps)
            active = plan.clock.window(i, total).part(time, steps)
            reach = largest if any(c.source == INPUT for c in plan.layers[i].incoming) else 1
            weighted[plan.layers[i].name] = self.layers[i].run(populations[i], sim.sent, time, reach, signal, active)
        return readout

    def _readout(self) -> Array:
        """Return what the outputs gave in each step of the block, side by side; earlier ones wait for the last."""
        parts = []
        for i in self.plan.outputs:
            value = self.simulator.populations[i].outputs
            if i in self.early:
                joined = np.concatenate([self.early[i], value])
                self.early[i], value = joined[len(value) :].copy(), np.ascontiguousarray(joined[: len(value)])
            parts.append(np.asarray(value))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _due(self, targets: Targets) -> Targets:
        """Return the targets of the steps that the readout sees in this block; later ones wait."""
        waiting = len(self.pending_targets)
        if not waiting:
            return targets
        joined = self.pending_targets.before(targets)
        self.pending_targets = joined.part(slice(len(targets), None)).copied()
        return joined.part(slice(0, len(targets)))

    def _errors(self, readout: Array, targets: Targets) -> dict[int, Array]:
        """Compute the errors of each output population, by its place."""
        plan, bits = self.plan, self.plan.error_bits
        if self.error_function is not None:
            targets = with_errors_of(self.error_function, readout, targets, bits)
        of_label = targets.scored if targets.given is None else targets.scored & (targets.given == OF_LABEL)
        errors = output_errors(plan.error, readout, targets.label, of_label, plan.error_fraction, bits)
        if not targets.plain:
            _, scored, given_errors, given, reward = targets.arrays()
            fraction = plan.value_fraction
            given_error_kernel()(readout, given_errors, given, reward, scored, fraction, bits, errors)
        result, first = {}, 0
        for i in plan.outputs:
            result[i] = np.ascontiguousarray(errors[:, first : first + plan.layers[i].size])
            first += plan.layers[i].size
        return result

    def _update(self, rates: tuple[int, int]) -> None:
        if self.regularization is not None:
            self.regularization.add(self.updater.gradients())
        if self.before_update is not None:
            self.before_update(self)
        self.simulator.note_time(self.steps)
        self.updater.update(*rates)
        for layer in self.layers:
            layer.clear()
        self.take_over()

    def take_over(self, everything: bool = False) -> None:
        """Run with the weights and neuron parameters of `qnet` as they are now, of layers that learn or of all."""
        self.simulator.load([i for i, layer in enumerate(self.layers) if layer.plan.learns or everything])
        self.signals.load()

    def _events(self) -> dict[str, int]:
        return {
            f"{name} {event}": count
            for name, counts in self.simulator.events().items()
            for event, count in counts.items()
        }

    def _note_events(self) -> None:
        for key, count in self._events().items():
            self.past_events[key] += count

    def clips(self) -> dict[str, int]:
        """Count what was clipped in learning so far, by name."""
        counts = {"learning signals": int(self.signal_clips[0])}
        for layer in self.layers:
            for kind, count in zip(("Jacobians", "eligibilities", "accumulators"), layer.clips, strict=True):
                counts[f"{layer.name} {kind}"] = int(count)
        return counts

    def events(self) -> dict[str, int]:
        """Count saturations and wraps of states so far, by "layer event"."""
        return {key: self.past_events[key] + count for key, count in self._events().items()}

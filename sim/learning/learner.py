"""One network learning on one chip, batch 1, all in integers: samples one after the other, or a stream without end.

A block of steps runs forward, then the readout's error is taken, then each layer's eligibilities and gradients follow,
from the readout down (`learning_kernels`); at the end of an update interval weights and neuron parameters change
(`update`). Memory does not depend on T. What is late on the chip is late here: layers run behind each other by the
profile's connection_delay, and an error computed in step t reaches the layers in step t + error_latency. There it meets
that step's eligibilities, or with eligibility_alignment "delayed" those of the step that it belongs to, which the
layers then keep for so long. In a sample a layer learns in its own T steps only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.quantize import QuantizedNetwork
from hypr_neuro.sim.learning.changing import ChangingSimulator, largest_input
from hypr_neuro.sim.learning.errors import EXP_TABLE, error_kernel, feedback_kernel, random_feedback
from hypr_neuro.sim.learning.layer import LayerLearner
from hypr_neuro.sim.learning.options import LARGEST_RATE, RATE_FRACTION, LearnOptions
from hypr_neuro.sim.learning.updater import Updater
from hypr_neuro.sim.simulator import check_values

BLOCK = 2048
PRODUCT_BITS = 63


class Learner:
    """A network that learns; everything it remembers is in integers.

    qnet : changed in place. updater : update rule and its state. steps, samples : run so far, tails included
    before_update : called with the learner when gradients are complete and nothing has changed yet
    """

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions | None = None) -> None:
        options = options or LearnOptions()
        options.check(qnet)
        self.qnet, self.options = qnet, options
        rules, depth = qnet.profile.learning, len(qnet.layers)
        self.error_bits, self.signal_bits = rules.error_bits.value, rules.signal_bits.value
        self.latency = qnet.profile.time.error_latency.value
        chosen, aligned = options.learning_parameters(qnet), rules.eligibility_alignment.value == "delayed"
        late = signal_lags(qnet)
        self.layers = [
            LayerLearner(
                qnet,
                i,
                weights=options.learns(qnet.name(i)),
                chosen=chosen[i],
                signal_bits=self.error_bits if i == depth - 1 else self.signal_bits,
                delay=late[i] if aligned else 0,
            )
            for i in range(depth)
        ]
        self.lowest = min(i for i, layer in enumerate(self.layers) if layer.weights)
        self.extra = self.latency if aligned and depth > 1 else 0
        self.largest = largest_input(qnet)
        self.simulator = ChangingSimulator(qnet)
        self.updater = Updater(qnet, self.layers, options)
        self.shifts = np.array([self._feedback_shift(i) for i in range(depth - 1)], dtype=np.int64)
        self.before_update: Callable[[Learner], None] | None = None
        self.steps = self.samples = 0
        self.signal_clips = np.zeros(1, np.int64)
        self.past_events = dict.fromkeys(self._events(), 0)
        self._down()
        self._restart(None)

    @property
    def updates(self) -> int:
        """Updates done so far."""
        return self.updater.updates

    def _feedback_shift(self, below: int) -> int:
        """Shift after which the feedback from the layer above just fits the signal's width.

        That of the readout whole: the magnitudes of its errors sum to 2 at most. Of a hidden layer a quarter of the
        largest possible, which no network gets near.
        """
        above = self.layers[below + 1]
        top = (1 << (self.qnet.profile.precision.weight_bits.value - 1)) - 1
        parts = 2 * 4 if above is self.layers[-1] else above.layer.size
        largest = parts * top * max(above.gain_bound(), 1) << (above.signal_bits - 1)
        if largest.bit_length() > PRODUCT_BITS:
            raise InputError(
                f"{above.name}: feedback sums can need {largest.bit_length()} bits, rule: {PRODUCT_BITS}; lower "
                "learning.signal_bits or precision.weight_bits in the profile"
            )
        return max((largest >> 2).bit_length() - (self.signal_bits - 1), 0)

    def sample(self, x: Array, label: Array, scored: Array, rate: int, parameter_rate: int = 0) -> Array:
        """Run x (T, channel) from zero states, learn from label (T,) where scored (T,); the readout (T, outputs).

        rate, parameter_rate : integers with 16 fraction bits, see `learn_options.as_rate`
        """
        outputs = self._sample(*self._checked(x, label, scored, (rate, parameter_rate)), (rate, parameter_rate))
        self.samples += 1
        if self.options.update_on == "sample" and self.samples % self.options.update_every == 0:
            self._update((rate, parameter_rate))
        return outputs

    def _sample(self, x: Array, label: Array, scored: Array, rates: tuple[int, int] | None) -> Array:
        """A sample without the update at its end; without those inside it too where `rates` is None."""
        self._restart(len(x))
        end = np.zeros(self.qnet.tail + self.extra, np.int64)
        padded = np.concatenate([x, np.zeros((len(end), x.shape[1]), x.dtype)])
        outputs = self._run(padded, np.concatenate([label, end]), np.concatenate([scored, end != 0]), rates)
        return outputs[self.qnet.tail : self.qnet.tail + len(x)]

    def stream(self, x: Array, label: Array, scored: Array, rate: int, parameter_rate: int = 0) -> Array:
        """Go on for any number of steps, nothing is reset; the readout of each device step (steps, outputs).

        label, scored : (steps,), of the step of the input; the readout is `qnet.tail` steps behind. Needs update_on
        "step". After `sample` a stream starts from zero states.
        """
        if self.options.update_on != "step":
            raise InputError("a stream has no samples to update after; learn with update_on='step', update_every=…")
        x, label, scored = self._checked(x, label, scored, (rate, parameter_rate))
        if self.total is not None:
            self._restart(None)
        return self._run(x, label, scored, (rate, parameter_rate))

    def gradients(self, x: Array, label: Array, scored: Array) -> dict[str, Array]:
        """Integer gradients of one sample from zero states: by connection name, and by that of a neuron parameter.

        Nothing changes and nothing is counted; a stream starts anew.
        """
        kept = [(array, array.copy()) for layer in self.layers for array in layer.state().values()]
        kept.append((self.signal_clips, self.signal_clips.copy()))
        steps = self.steps
        for layer in self.layers:
            layer.clear()
        self._sample(*self._checked(x, label, scored, (0, 0)), None)
        found = {name: np.array(g, dtype=np.int64) for name, g in self.updater.gradients().items()}
        for array, before in kept:
            array[...] = before
        self.steps = steps
        self.simulator.restart()
        self._restart(None)
        return found

    def _restart(self, total: int | None) -> None:
        """Zero states and eligibilities; total : steps of the sample, None for a stream."""
        self._note_events()
        self.simulator.restart()
        for layer in self.layers:
            layer.restart()
        self.total, hidden = total, self.layers[:-1]
        # signals on their way to a hidden layer: those to the last one wait for `error_latency`
        self.queues = [
            np.zeros((self.latency if layer is hidden[-1] else 0, layer.layer.size), np.int64) for layer in hidden
        ]
        self.labels, self.scores = np.zeros(self.qnet.tail, np.int64), np.zeros(self.qnet.tail, bool)

    def _checked(self, x: Array, label: Array, scored: Array, rates: tuple[int, int]) -> tuple[Array, Array, Array]:
        """x, label and scored as arrays that fit the network; InputError naming what does not."""
        x = check_values(self.simulator.network, x)
        if x.ndim != 2 or x.shape[1] != self.qnet.inputs:
            raise InputError(f"x of shape {x.shape}, rule: (steps, {self.qnet.inputs})")
        label, scored = np.asarray(label), np.asarray(scored)
        for name, array, kinds in (("label", label, "iu"), ("scored", scored, "b")):
            if array.shape != (len(x),) or array.dtype.kind not in kinds:
                raise InputError(
                    f"{name} is {array.dtype} of shape {array.shape}, rule: one "
                    f"{'integer' if kinds == 'iu' else 'truth value'} a step, ({len(x)},)"
                )
        known = label[scored]
        if known.size and not 0 <= known.min() <= known.max() < self.qnet.outputs:
            raise InputError(f"labels {known.min()} to {known.max()}, rule: 0 to {self.qnet.outputs - 1} where scored")
        for name, rate in zip(("rate", "parameter_rate"), rates, strict=True):
            if not isinstance(rate, (int, np.integer)) or not 0 <= rate <= LARGEST_RATE << RATE_FRACTION:
                raise InputError(
                    f"{name} = {rate}, rule: an integer with 16 fraction bits, 0 to "
                    f"{LARGEST_RATE << RATE_FRACTION}; as_rate(0.2) gives that of 0.2"
                )
        return x, label, scored

    def _run(self, x: Array, label: Array, scored: Array, rates: tuple[int, int] | None) -> Array:
        # what was sent before may still arrive in the first steps
        largest = max(1, *(max(int(a.max()), -int(a.min())) for a in (x, self.simulator.input.tail) if a.size))
        if largest > self.largest:
            raise InputError(
                f"x holds magnitudes up to {largest}, rule: at most {self.largest}, as learning may raise "
                "any weight; scale the input down"
            )
        outputs, start = np.empty((len(x), self.qnet.outputs), np.int32), 0
        label, scored = np.asarray(label, np.int64), np.asarray(scored, bool)
        every = self.options.update_every if self.options.update_on == "step" and rates is not None else 0
        while start < len(x):
            stop = min(start + min(BLOCK, self.simulator.longest), len(x))
            if every:
                stop = min(stop, start + every - self.steps % every)
            part = slice(start, stop)
            outputs[part] = self._block(x[part, None, :], largest, label[part], scored[part])
            self.steps += stop - start
            if every and self.steps % every == 0 and rates is not None:
                self._update(rates)
            start = stop
        return outputs

    def _block(self, x: Array, largest: int, label: Array, scored: Array) -> Array:
        """One block of device steps: forward, error, then learning from the readout down."""
        sim, steps, time = self.simulator, len(x), self.simulator.time
        populations = sim.populations
        kept = [i >= self.lowest for i in range(len(populations))]
        sim.block(x, kept, kept)
        readout = populations[-1].outputs
        self.labels, label = _queued(self.labels, label)
        self.scores, scored = _queued(self.scores, scored)
        signal = self._errors(readout, label, scored)
        delay = self.qnet.latency(0)
        on = np.arange(time, time + steps) >= delay
        sources = [INPUT, *(run.population.name for run in populations)]
        for i in reversed(range(self.lowest, len(populations))):
            first, learner = self.qnet.latency(i), self.layers[i]
            last = time + steps if self.total is None else first + self.total + learner.delay
            active = slice(max(first - time, 0), min(max(last - time, 0), steps))
            now = learner.run(populations[i], sim.sent(sources[i], delay), 1 if i else largest, on, signal, active)
            if i > self.lowest:
                signal = self._feedback(i - 1, now)
        return np.asarray(readout)

    def _errors(self, readout: Array, label: Array, scored: Array) -> Array:
        errors = np.empty(readout.shape, np.int64)
        error_kernel(self.qnet.profile.learning.error.value)(
            readout, label, scored, EXP_TABLE, self.layers[-1].widths.state_fraction, self.error_bits, errors
        )
        return errors

    def _feedback(self, below: int, now: Array) -> Array:
        """Learning signals that the layer `below` receives in this block, later ones kept in its queue."""
        signal = np.empty((len(now), self.layers[below].layer.size), np.int64)
        feedback_kernel()(now, self.down[below], int(self.shifts[below]), self.signal_bits, signal, self.signal_clips)
        self.queues[below], signal = _queued(self.queues[below], signal)
        return signal

    def _down(self) -> None:
        """Matrices over which signals go down, from each layer but the first."""
        bits = self.qnet.profile.precision.weight_bits.value
        if self.options.feedback == "random":
            if not hasattr(self, "down"):
                self.down = [
                    random_feedback(self.options.seed, i, layer.size, layer.inputs, bits).astype(np.int32)
                    for i, layer in enumerate(self.qnet.layers)
                    if i > 0
                ]
        else:
            self.down = [
                np.ascontiguousarray(layer.input.mantissa[:, : layer.inputs], dtype=np.int32)
                for layer in self.qnet.layers[1:]
            ]

    def _update(self, rates: tuple[int, int]) -> None:
        if self.before_update is not None:
            self.before_update(self)
        self.updater.update(*rates)
        for layer in self.layers:
            layer.clear()
        self.take_over()

    def take_over(self, everything: bool = False) -> None:
        """Run with the weights and neuron parameters of `qnet` as they are now, of layers that learn or of all."""
        self.simulator.load([i for i, layer in enumerate(self.layers) if layer.weights or everything])
        self._down()

    def _events(self) -> dict[str, int]:
        return {
            f"{name} {event}": count
            for name, found in self.simulator.events().items()
            for event, count in found.items()
        }

    def _note_events(self) -> None:
        for key, count in self._events().items():
            self.past_events[key] += count

    def clips(self) -> dict[str, int]:
        """Everything that was clipped so far, by name: in learning, and the events of states."""
        found = {"learning signals": int(self.signal_clips[0])}
        for layer in self.layers:
            for what, count in zip(("Jacobians", "eligibilities", "accumulators"), layer.clips, strict=True):
                found[f"{layer.name} {what}"] = int(count)
        return found

    def events(self) -> dict[str, int]:
        """Saturations and wraps of states so far, by "layer event"."""
        return {key: self.past_events[key] + count for key, count in self._events().items()}


def signal_lags(qnet: QuantizedNetwork) -> list[int]:
    """Steps by which the signal that reaches each layer is behind the layer's own: connection delays and latency."""
    hop, latency, lags = qnet.profile.time.connection_delay.value, qnet.profile.time.error_latency.value, [0]
    for i in reversed(range(len(qnet.layers) - 1)):
        lags.insert(0, lags[0] + hop + (latency if i == len(qnet.layers) - 2 else 0))
    return lags


def _queued(queue: Array, new: Array) -> tuple[Array, Array]:
    """(what waits now, what comes out): `new` goes in behind the queue, as many come out."""
    if not len(queue):
        return queue, new
    both = np.concatenate([queue, new])
    return both[len(new) :].copy(), np.ascontiguousarray(both[: len(new)])

"""One network learning on one chip: eligibilities and gradients of a sample, then the update; batch 1, all in integers.

A sample runs in blocks of steps. In each block the network runs forward, the readout's error is taken, and each
layer's eligibilities and gradients follow (`learning_kernels`); at the end of the sample the weights change
(`update`). Memory does not depend on T. What is late on the chip is late here: layers run behind each other by the
profile's connection_delay, and an error computed in step t reaches the layers in step t + error_latency, where it
meets that step's eligibilities. A layer learns only in its own T steps of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.fixed_point import ROUNDING as ROUNDING_CODES
from hypr_neuro.forward import chunks
from hypr_neuro.integer import INPUT
from hypr_neuro.quantize import QuantizedLayer, QuantizedNetwork
from hypr_neuro.sim.learning_kernels import (
    EXP_ENTRIES,
    EXP_FRACTION,
    EXP_STEP_LOG2,
    error_kernel,
    feedback_kernel,
    learning_kernel,
)
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.sim.update import square_shift, tensor_number, update_kernel

Array = NDArray[Any]
BLOCK = 512
PRODUCT_BITS = 63


@dataclass(frozen=True)
class LearnOptions:
    """How the chip learns, beside the widths that the profile states.

    rate : mean size of a weight change, in mantissa units, at the first epoch; falls by `decay` every epoch
    limit : largest change in units of the mean one. average_shift : normalisers average over about 2^shift updates
    layers : names of the layers that learn (() = all)
    """

    rate: float = 0.5
    decay: float = 1.0
    limit: int = 4
    average_shift: int = 6
    seed: int = 0
    layers: tuple[str, ...] = ()

    def check(self, qnet: QuantizedNetwork) -> None:
        """Raise InputError, naming option and rule."""
        if not 0 < self.rate <= 8 or not 0 < self.decay <= 1:
            raise InputError(f"rate = {self.rate}, decay = {self.decay}, rule: 0 < rate <= 8, 0 < decay <= 1")
        if not 1 <= self.limit <= 64 or not 0 <= self.average_shift <= 20:
            raise InputError(f"limit = {self.limit}, average_shift = {self.average_shift}, rule: 1..64, 0..20")
        if not 0 <= self.seed < 1 << 32:
            raise InputError(f"seed = {self.seed}, rule: 0 <= seed < 2^32, the random counter's word")
        known = [qnet.name(i) for i in range(len(qnet.layers))]
        for name in self.layers:
            if name not in known:
                raise InputError(f"layers: unknown layer '{name}', known: {', '.join(known)}")
        if qnet.profile.learning.ability.value == "none":
            raise InputError(f"profile '{qnet.profile.name}' cannot learn (learning.ability: none)")


class _LayerLearner:
    """Eligibilities, gradient and widths of one layer, for one sample at a time."""

    def __init__(self, layer: QuantizedLayer, qnet: QuantizedNetwork, signal_bits: int) -> None:
        self.layer = layer
        rules = qnet.profile.learning
        recurrent = layer.size if layer.recurrent is not None else 0
        fan_in = layer.input.mantissa.shape[1] + recurrent
        self.eligibility = np.zeros((layer.size, layer.model.d, fan_in), np.int32)
        self.gradient = np.zeros((layer.size, fan_in), np.int64)
        self.clips = np.zeros(2, np.int64)
        fraction = rules.eligibility_fraction.value
        # a full-scale signal that meets an eligibility of 1 adds 2^15 in a step
        gradient_shift = max(signal_bits - 1 + fraction - 15, 0)
        self.widths = np.array(
            [qnet.profile.precision.coefficient_bits.value - 1, fraction, rules.eligibility_bits.value,
             ROUNDING_CODES[rules.eligibility_rounding.value], gradient_shift, rules.accumulator_bits.value],
            dtype=np.int64,
        )  # fmt: skip

    def start_sample(self) -> None:
        self.eligibility[...] = 0
        self.gradient[...] = 0

    @property
    def gradient_shift(self) -> int:
        """gs of `learning_kernels`."""
        return int(self.widths[4])

    def by_connection(self) -> dict[str, Array]:
        """Gradient of "input" (always-on line included) and "recurrent"."""
        width = self.layer.input.mantissa.shape[1]
        both = {"input": np.ascontiguousarray(self.gradient[:, :width])}
        if self.layer.recurrent is not None:
            both["recurrent"] = np.ascontiguousarray(self.gradient[:, width:])
        return both

    @property
    def gain_bound(self) -> int:
        """Largest |B·C| of the layer, with coefficient fraction bits: at rest, with the largest ψ of the table."""
        zero, psi = (0,) * self.layer.model.d, int(np.abs(self.layer.psi_table).max())
        largest = 0
        for column in self.layer.per_neuron.T:
            p = tuple(map(int, column)) + tuple(map(int, self.layer.constants))
            _, B, C, _, _, _ = self.layer.model.fixed_jacobian(zero, zero, 0, (0,), p, psi)
            largest = max(largest, abs(sum(b * c for b, c in zip(B, C, strict=True))) >> int(self.widths[0]))
        return largest


class Learner:
    """A network that learns sample after sample; everything it remembers is in integers.

    qnet : changed in place. averages : normalisers by connection name, (rows, columns). updates : done so far
    """

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        options.check(qnet)
        self.qnet, self.options = qnet, options
        rules = qnet.profile.learning
        self.error_bits, self.signal_bits = rules.error_bits.value, rules.signal_bits.value
        self.simulator = Simulator(qnet)
        last = len(qnet.layers) - 1
        self.learners = [
            _LayerLearner(layer, qnet, self.error_bits if i == last else self.signal_bits)
            for i, layer in enumerate(qnet.layers)
        ]
        self.averages = {
            name: (np.zeros(m.shape[0], np.int64), np.zeros(m.shape[1], np.int64)) for name, m in qnet.weights().items()
        }
        self.updates = 0
        self.counts = np.zeros(3, np.int64)
        self.signal_clips = np.zeros(1, np.int64)
        self.exp_table = np.rint(2.0**EXP_FRACTION * np.exp(-np.arange(EXP_ENTRIES) / 2.0**EXP_STEP_LOG2)).astype(
            np.int64
        )
        self.shifts = [self._feedback_shift(i) for i in range(last)]

    def _feedback_shift(self, below: int) -> int:
        """Shift after which a quarter of the largest possible feedback just fits the signal's width."""
        above = self.learners[below + 1]
        bits = self.error_bits if below + 1 == len(self.learners) - 1 else self.signal_bits
        top = (1 << (self.qnet.profile.precision.weight_bits.value - 1)) - 1
        largest = above.layer.size * top * max(above.gain_bound, 1) << (bits - 1)
        if largest.bit_length() > PRODUCT_BITS:
            raise InputError(
                f"{self.qnet.name(below + 1)}: feedback sums can need {largest.bit_length()} bits, rule: "
                f"{PRODUCT_BITS}; lower learning.signal_bits or precision.weight_bits in the profile"
            )
        return max((largest >> 2).bit_length() - (self.signal_bits - 1), 0)

    def sample(self, x: Array, label: Array, scored: Array, rate: int) -> Array:
        """Run x (T, channel), learn from label (T,) where scored (T,), update; returns the readout (T, outputs)."""
        outputs = self._run(x, label, scored)
        self._update(rate)
        return outputs

    def gradients(self, x: Array, label: Array, scored: Array) -> dict[str, Array]:
        """Integer gradients of one sample by connection name, without an update."""
        self._run(x, label, scored)
        return {f"{self.qnet.name(i)}.{k}": g.copy() for i, learner in enumerate(self.learners)
                for k, g in learner.by_connection().items()}  # fmt: skip

    def _run(self, x: Array, label: Array, scored: Array) -> Array:
        steps, depth, delay = len(x), len(self.learners), self.qnet.latency(0)
        self.simulator.reset()
        for learner in self.learners:
            learner.start_sample()
        tail = delay * depth
        padded = np.concatenate([x, np.zeros((tail, x.shape[1]), x.dtype)])[:, None, :]
        # signals on their way to a hidden layer: those to the last one wait for `error_latency`
        latency = self.qnet.profile.time.error_latency.value
        waits = [0] * (depth - 2) + [latency] if depth > 1 else []
        queues = [np.zeros((w, self.learners[i].layer.size), np.int64) for i, w in enumerate(waits)]
        readout = np.empty((steps + tail, self.qnet.outputs), np.int32)
        for part in chunks(len(padded), min(BLOCK, self.simulator.longest)):
            readout[part] = self._block(padded[part], part, label, scored, queues)
        return readout[tail:]

    def _block(self, x: Array, part: slice, label: Array, scored: Array, queues: list[Array]) -> Array:
        """One block of device steps: forward, error, then learning from the readout down."""
        sim, steps, total = self.simulator, len(x), len(label)
        states_before = [run.state.copy() for run in sim.populations]
        every = [True] * len(sim.populations)
        sim.block(x, every, every)
        readout = sim.populations[-1].outputs
        clock = np.arange(part.start, part.stop)
        signal = self._errors(readout, clock - self.qnet.latency(len(sim.populations) - 1), label, scored)
        delay = self.qnet.latency(0)
        bias_on = (clock >= delay).astype(np.int64)
        source = [INPUT, *(run.population.name for run in sim.populations)]
        for i in reversed(range(len(sim.populations))):
            run, learner, layer = sim.populations[i], self.learners[i], self.qnet.layers[i]
            below = sim.sent(source[i], delay).astype(np.int32)
            window = clock - self.qnet.latency(i)
            now = np.empty((steps, layer.size), np.int64)
            learning_kernel(layer.model.name)(
                below, run.line.rows[run.line.kept - 1 :].astype(np.int32), bias_on,
                np.concatenate([states_before[i][None], run.states]), run.currents[:, 0], signal,
                ((window >= 0) & (window < total)).astype(np.int64), layer.per_neuron, layer.constants,
                layer.psi_table, learner.eligibility, learner.gradient, now, learner.clips, learner.widths,
                layer.bias_axon, layer.recurrent is not None,
            )  # fmt: skip
            if i > 0:
                signal = self._feedback(i - 1, now, queues)
        return np.asarray(readout)

    def _errors(self, readout: Array, clock: Array, label: Array, scored: Array) -> Array:
        inside = (clock >= 0) & (clock < len(label))
        at = np.clip(clock, 0, len(label) - 1)
        errors = np.empty(readout.shape, np.int64)
        fraction = int(np.log2(self.qnet.layers[-1].state_scale))
        error_kernel()(readout, label[at], (scored[at] & inside).astype(np.int64), self.exp_table,
                       max(fraction - EXP_STEP_LOG2, 0), self.error_bits, errors)  # fmt: skip
        return errors

    def _feedback(self, below: int, now: Array, queues: list[Array]) -> Array:
        """Learning signals that the layer `below` receives in this block, later ones kept in its queue."""
        signal = np.empty((len(now), self.learners[below].layer.size), np.int64)
        mantissa = self.qnet.layers[below + 1].input.mantissa
        feedback_kernel()(now, mantissa, self.shifts[below], self.signal_bits, signal, self.signal_clips)
        queue = np.concatenate([queues[below], signal])
        queues[below] = queue[len(now) :]
        return np.ascontiguousarray(queue[: len(now)])

    def _update(self, rate: int) -> None:
        bits = self.qnet.profile.precision.weight_bits.value
        chosen = self.options.layers
        for i, (layer, learner) in enumerate(zip(self.qnet.layers, self.learners, strict=True)):
            name = self.qnet.name(i)
            if chosen and name not in chosen:
                continue
            for key, gradient in learner.by_connection().items():
                row, column = self.averages[f"{name}.{key}"]
                update_kernel()(
                    layer.connections()[key].mantissa, gradient, row, column, rate, self.options.limit,
                    self.options.average_shift,
                    square_shift(*gradient.shape), bits, self.options.seed, self.updates, tensor_number(i, key),
                    self.counts,
                )  # fmt: skip
        self.updates += 1

    def clips(self) -> dict[str, int]:
        """Everything that was clipped so far, by name."""
        found = {"learning signals": int(self.signal_clips[0])}
        for i, learner in enumerate(self.learners):
            found[f"{self.qnet.name(i)} eligibilities"] = int(learner.clips[0])
            found[f"{self.qnet.name(i)} accumulators"] = int(learner.clips[1])
        return found

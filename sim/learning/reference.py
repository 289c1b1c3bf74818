"""Learning in integers, its definition: plain Python ints, one device step after the other.

In device step t every layer runs once, from the input up, each on what reaches it in this step. Then the readout's
error is taken and learning goes down the same layers, still in step t. A layer outside its window (before its input
has reached it, or after its last step of a sample) neither learns nor sends anything down. With kc and fe fraction
bits of coefficients and eligibilities, f those of the layer's states, and the Jacobian A, B, C, C', P, E, F of this
step (`neurons.base`), its entries but P clipped to coefficient_bits + 2 bits:

An eligibility is d numbers ε, for each synapse, driven by what came in there, pre, and for each neuron parameter that
learns. b is what drives it and o what reaches the spike past it: b = nearest(B 2^fe / 2^kc) pre, o = 0 of a synapse,
b = nearest(P_j 2^(fp - f)), o = E_j 2^fp of parameter j, where fp = fe - 4 + kc + log2(unit), 0 to fe + 4, by the unit
in which the parameter changes. The spike of the own step, F, takes the way over e:

    ε' = sat(round(A ε / 2^kc) + b)                      in rows where the model's F is 0
    e  = sat(nearest((C ε' + C' ε + o) / 2^kc))
    ε' = sat(round((A ε + F e) / 2^kc) + b)              in the other rows, where C is 0

pre is a spike or a value of the input. What a population of numbers sends is a message m, 2^q of which are a number
of 1 (`numbers.message`), and b = nearest(nearest(B 2^fe / 2^kc) m / 2^q).

A neuron with learning signal g then adds to its gradients (of parameters with gs + fe - fp, at least 0) and sends
down, for neuron j below,

    G ← sat(G + nearest(g e / 2^gs))
    h = nearest(B·C / 2^kc) g,   g_j = sat(nearest(Σ_i h_i m_ij / 2^fs))

with m the weights over which the spikes of j travel, or fixed random numbers of their size, gs such that a signal of
full scale on an eligibility of 1 adds 2^19, and fs such that a quarter of the largest possible sum fits a signal.
A target in real numbers has an error of its own (`value_error`); an error that is given takes the place of those of
targets, a reward multiplies it (`targets`), and the currents that a layer runs on have noise added to them, where
options ask for noise (`noise`).

Where eligibilities are delayed, e and B·C are those of Δ steps ago, when the spikes left that the signal judges, and
windows last Δ longer. Updates are those of `reference_update`; they alone set gradients to 0.

Python ints never wrap, so a missing overflow rule shows as a value outside its declared width; every value is
checked. Slow on purpose; `learner` must equal it, bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

import numpy as np

from hypr_neuro.graph.clock import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import draw32, sat, shr_nearest
from hypr_neuro.numbers.words import WORD_BITS, Table, Word, check_width, error_context, on_words
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.counter import NOISE_TENSORS
from hypr_neuro.sim.learning.error_function import ErrorFunction, called
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.feedback import learning_signal
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.noise import noise_of
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference_layer import LearningLayer, rows_by_lag, stored_weights
from hypr_neuro.sim.learning.reference_targets import SILENT, StepTarget, step_targets
from hypr_neuro.sim.learning.reference_update import Matrix, ReferenceRule
from hypr_neuro.sim.learning.regularizer import Regularizer, checked_term, mean_rate
from hypr_neuro.sim.learning.targets import rewarded
from hypr_neuro.sim.learning.updates.base import averaged
from hypr_neuro.sim.learning.value_error import value_error


class LearningReference:
    """A network that learns sample after sample, or in a stream; `qnet` is changed in place, as by `learner.Learner`.

    Attributes
    ----------
    averages, momentum, residual : dict
        By name of connection or parameter, see `reference_update.ReferenceRule`.
    updates, samples, steps : int
        Done so far, device steps counted over all samples and streams.
    """

    def __init__(
        self,
        qnet: QuantizedNetwork,
        options: LearnOptions,
        regularizer: Regularizer | None = None,
        error_function: ErrorFunction | None = None,
    ) -> None:
        self.plan = plan = LearningPlan(qnet, options)
        self.qnet, self.options = plan.qnet, options
        self.layers = [LearningLayer(layer) for layer in plan.layers]
        self.rules = {tensor.name: ReferenceRule(tensor, plan) for tensor in plan.tensors}
        self.averages = {name: rule.averages for name, rule in self.rules.items()}
        self.momentum = {name: rule.momentum for name, rule in self.rules.items() if rule.momentum}
        self.residual = {name: rule.residual for name, rule in self.rules.items() if rule.residual}
        self.updates = self.samples = self.steps = self.signal_clips = 0
        self.regularizer, self.steps_counted, self.error_function = regularizer, 0, error_function
        self.counts, self.means = ([[0] * layer.size for layer in plan.layers] for _ in range(2))
        self.streaming = False
        error = ERRORS[plan.error]
        self.error_of, self.error_table = on_words(error.integer), Table.of(error.table.tolist())
        self.value_error_of = on_words(value_error)
        self._start()

    def sample(
        self,
        x: Array,
        label: Sequence[int] | None,
        scored: Sequence[bool],
        rate: int,
        parameter_rate: int = 0,
        *,
        errors: Sequence[Sequence[int]] | None = None,
        reward: Sequence[int] | int | None = None,
        values: Sequence[Sequence[int]] | None = None,
    ) -> list[list[int]]:
        """Run x (T, channel) from zero states, learn where scored, update where one is due; return the readout.

        rate, parameter_rate : of weights and of neuron parameters, with 16 fraction bits
        errors, values : in place of those of the labels and of the labels. reward : of each step or one of all, with 8
        fraction bits, multiplies the errors
        """
        rates = (rate, parameter_rate)
        outputs = self._run(x, step_targets(len(x), label, scored, errors, reward, values), rates)
        self.samples += 1
        if self.options.due("sample", self.samples):
            self._update(*rates)
        return outputs

    def stream(
        self,
        x: Array,
        label: Sequence[int] | None,
        scored: Sequence[bool],
        rate: int,
        parameter_rate: int = 0,
        *,
        errors: Sequence[Sequence[int]] | None = None,
        reward: Sequence[int] | int | None = None,
        values: Sequence[Sequence[int]] | None = None,
    ) -> list[list[int]]:
        """Run x (steps, channel) on from the last stream, else from zero states; return the readout of each step."""
        if not self.streaming:
            self._start()
        self.streaming = True
        return [
            self._device_step(values, step, inf, (rate, parameter_rate))
            for values, step in zip(x, step_targets(len(x), label, scored, errors, reward, values), strict=True)
        ]

    def gradients(
        self,
        x: Array,
        label: Sequence[int] | None,
        scored: Sequence[bool],
        *,
        errors: Sequence[Sequence[int]] | None = None,
        reward: Sequence[int] | int | None = None,
        values: Sequence[Sequence[int]] | None = None,
    ) -> dict[str, Matrix]:
        """Compute gradients of one sample by name, without an update; those that wait for one and all counts stay."""
        saved, clips = [(layer.gradient, dict(layer.clips)) for layer in self.layers], self.signal_clips
        for layer in self.layers:
            layer.start_gradient()
        self._run(x, step_targets(len(x), label, scored, errors, reward, values), None)
        result = {name: g for layer in self.layers for name, g in layer.gradients().items()}
        for layer, before in zip(self.layers, saved, strict=True):
            layer.gradient, layer.clips = before
        self.signal_clips = clips
        return result

    def clips(self) -> dict[str, int]:
        """Count what was clipped so far, by the names of `learner.Learner.clips`."""
        counts = {f"{layer.name} {key}": n for layer in self.layers for key, n in layer.clips.items()}
        return {"learning signals": self.signal_clips} | counts

    def _start(self) -> None:
        """Go to the state before the first step of a sample."""
        clock = self.plan.clock
        self.time, self.streaming = 0, False
        for layer in self.layers:
            layer.start_sample()
        # what the input and each population sent in each step
        self.sent: dict[str, list[list[int]]] = {name: [] for name in (INPUT, *(layer.name for layer in self.layers))}
        # labels wait until the outputs have seen their step, early parts of signals and early outputs for the last
        self.labels = deque([SILENT] * clock.tail)
        self.queues = {
            (i, wait): deque([[0] * layer.size] * wait)
            for i, layer in enumerate(self.plan.layers)
            for wait in {term.wait for term in layer.terms}
        }
        self.early = {
            i: deque([list[int]([0]) * self.plan.layers[i].size] * (clock.tail - clock.latency(i)))
            for i in self.plan.outputs
        }

    def _run(self, x: Array, targets: list[StepTarget], rates: tuple[int, int] | None) -> list[list[int]]:
        """Run a sample and return its readout; without updates where there are no rates."""
        self._start()
        steps, outputs = len(x), []
        silent = [0] * self.qnet.inputs
        for t in range(self.plan.clock.learning_steps(steps)):
            values, target = (x[t], targets[t]) if t < steps else (silent, SILENT)
            outputs.append(self._device_step(values, target, steps, rates))
        tail = self.plan.clock.tail
        return outputs[tail : tail + steps]

    def _device_step(
        self, x: Sequence[int], step: StepTarget, length: float, rates: tuple[int, int] | None
    ) -> list[int]:
        """Take one step of the device: forward, learning, and an update where one is due; return the readout's output.

        length : steps of the sample, which close the windows
        """
        self.sent[INPUT].append([int(v) for v in x])
        for i, layer in enumerate(self.layers):
            self.sent[layer.name].append(layer.forward(self._sent, self.time, self._noise(i)))
        output = self._output()
        self.labels.append(step)
        self._learn(self.labels.popleft(), output, length)
        self.time += 1
        if rates is not None:
            self._count()
            self.steps += 1
            if self.options.due("step", self.steps):
                self._update(*rates)
        return output

    def _sent(self, source: str, lag: int) -> list[int]:
        """Return what a source sent `lag` steps before this one."""
        at = self.time - lag
        size = self.qnet.size(source)
        return self.sent[source][at] if at >= 0 else [0] * size

    def _output(self) -> list[int]:
        """Return the outputs side by side, those that run less far behind the input as they were when it had come."""
        result = []
        for i in self.plan.outputs:
            self.early[i].append(list(self.layers[i].run.outputs))
            result += self.early[i].popleft()
        return result

    def _noise(self, i: int) -> list[list[int]]:
        """Draw the noise on the currents of layer i in this device step, a list for each of them; [] for none."""
        amplitude = self.plan.noise[i] if self.plan.noise else 0
        if not amplitude:
            return []
        word = Word(draw32(self.options.seed, self.samples, NOISE_TENSORS + i, self.time))
        n, currents = self.layers[i].neurons.size, self.layers[i].neurons.model.currents
        return [[int(noise_of(word, k * n + neuron, amplitude)) for neuron in range(n)] for k in range(currents)]

    def _learn(self, step: StepTarget, output: list[int], length: float) -> None:
        """Learn in a device step, from the outputs back to the first population that signals reach."""
        error = [0] * self.qnet.output_size
        if step.scored:
            error = step.errors or self._error(output, step)
            if step.reward is not None:
                bits = self.plan.error_bits
                error = [check_width(int(rewarded(Word(e), step.reward, bits)), bits, "error") for e in error]
        errors = {}
        for i in self.plan.outputs:
            errors[i], error = error[: self.plan.layers[i].size], error[self.plan.layers[i].size :]
        weighted: dict[str, list[list[int]]] = {}
        for i in reversed(range(len(self.layers))):
            if self.plan.active(i):
                layer, signal = self.layers[i], self._signal(i, errors, weighted)
                inside = self.plan.clock.window(i, length).holds(self.time)
                nothing = [[0] * layer.neurons.size] * layer.neurons.model.currents
                weighted[layer.name] = layer.learn(signal) if inside else nothing

    def _error(self, output: list[int], step: StepTarget) -> list[int]:
        """Compute the error of each output, in error_bits bits, by its definition run on words."""
        plan, error = self.plan, Table((len(output),), name="error")
        fraction, bits = Word(plan.error_fraction), Word(plan.error_bits)
        if self.error_function is not None:
            target = step.label if step.values is None else np.array(step.values, np.int64)
            errors = called(self.error_function, np.array(output, np.int64), target, plan.error_bits)
            return [int(e) for e in errors]
        with error_context("readout"):
            if step.values is None:
                self.error_of(Table.of(output), step.label, self.error_table, fraction, bits, error)
            else:
                fraction = Word(plan.value_fraction)
                self.value_error_of(Table.of(output), Table.of(step.values), fraction, bits, error)
        return [check_width(value, plan.error_bits, "error") for value in error.numbers()]

    def _signal(self, i: int, errors: dict[int, list[int]], weighted: dict[str, list[list[int]]]) -> list[int]:
        """Compute the learning signal of population i: its parts, each after its wait, added and brought to its width.

        Where all parts wait as long, it is their sum, brought to its width, that waits.
        """
        layer, parts = self.plan.layers[i], self.plan.signal_scales.of(i)
        waits = sorted({term.wait for term in layer.terms})
        if layer.takes_error_alone:
            return self._queued(i, waits[0], errors[i])
        total = [0] * layer.size
        for wait in waits:
            part = [0] * layer.size
            for term, down in zip(layer.terms, parts.downs, strict=True):
                if term.wait == wait:
                    came = errors[i] if term.connection is None else self._back(layer, term.connection, weighted)
                    part = [a + int(shr_nearest(Word(b), down)) for a, b in zip(part, came, strict=True)]
            late = part if len(waits) == 1 else self._queued(i, wait, part)
            total = [a + b for a, b in zip(total, late, strict=True)]
        signal, bits = [], layer.widths.signal_bits
        for j, full in enumerate(total):
            at = f"{layer.name}, neuron {j}"
            check_width(full, WORD_BITS, f"{at}: feedback")
            value, clipped = learning_signal(Word(full), parts.shift, bits)
            signal.append(check_width(int(value), bits, f"{at}: signal"))
            self.signal_clips += clipped
        return signal if len(waits) > 1 else self._queued(i, waits[0], signal)

    def _back(self, layer: LayerPlan, place: int, weighted: dict[str, list[list[int]]]) -> list[int]:
        """Compute Σ_k h_k m_kj for each neuron j, over the weights that its spikes travel or random ones."""
        above, total = self.plan.qnet.connections[place].target, [0] * layer.size
        c = next(c for q in self.plan.layers for c in q.incoming if c.place == place)
        weights = self.plan.random_weights(c).reshape(-1) if self.options.feedback == "random" else stored_weights(c)
        columns = c.source_size
        by_row = self.options.feedback == "random" and c.connection.dense
        for by_neuron in rows_by_lag(c, self.qnet.size(above)).values():
            for k, row in enumerate(by_neuron):
                for number, j, _ in row:
                    if j < columns:
                        weight = weights[k * columns + j] if by_row else weights[number]
                        total[j] += weighted[above][c.connection.current][k] * int(weight)
        return [check_width(value, WORD_BITS, f"{layer.name}, neuron {j}: feedback") for j, value in enumerate(total)]

    def _queued(self, i: int, wait: int, new: list[int]) -> list[int]:
        self.queues[i, wait].append(new)
        return self.queues[i, wait].popleft()

    def _update(self, rate: int, parameter_rate: int) -> None:
        """Change weights and parameters by the gradients, which start anew."""
        if self.regularizer is not None:
            self._regularize(self.regularizer)
        for layer in self.layers:
            gradients = layer.gradients()
            for c in layer.incoming:
                if c.learns:
                    self.rules[c.name].change_weights(c.tensor(), gradients[c.name], rate, self.updates)
            changes = {}
            for j in layer.parameters:
                name = f"{layer.name}.{layer.neurons.model.trainable[j]}"
                changes[j] = self.rules[name].change_parameters(gradients[name], parameter_rate, self.updates)
            if changes:
                layer.change_parameters(changes)
            layer.start_gradient()
        self.updates += 1

    def _count(self) -> None:
        """Count the spikes of this device step."""
        self.steps_counted += 1
        for counts, layer in zip(self.counts[:-1], self.layers, strict=False):
            if layer.neurons.model.readout:
                continue  # numbers are no rate
            for i, spike in enumerate(layer.run.outputs):
                counts[i] += spike

    def _regularize(self, regularizer: Regularizer) -> None:
        """Add the regulariser's term to the gradients of connections, then move the mean rates."""
        for layer, means in zip(self.layers, self.means, strict=True):
            for c in layer.incoming:
                if not c.learns:
                    continue
                term = checked_term(regularizer, c.name, c.tensor(), np.array(means)).tolist()
                for i, row in enumerate(term):
                    for j, entry in enumerate(row, c.first):
                        full = check_width(
                            layer.gradient[i][j] + entry, WORD_BITS, f"{layer.name}, regularised gradient"
                        )
                        layer.gradient[i][j] = sat(full, layer.accumulator_bits)
        for counts, means in zip(self.counts, self.means, strict=True):
            for i, count in enumerate(counts):
                means[i] = averaged(means[i], mean_rate(count, self.steps_counted), self.options.average_shift)
            counts[:] = [0] * len(counts)
        self.steps_counted = 0

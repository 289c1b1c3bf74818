"""This is the definition of learning in integers: plain Python ints, one device step after the other.

In device step t every layer runs once, from the input up, each on what reaches it in this step. Then the readout's
error is taken and learning goes down the same layers, still in step t. A layer whose own steps are not running
(before its input has reached it, or after its last step) neither learns nor sends anything down.

For a neuron with learning signal g, and each of its synapses with what came in by it in this step, pre:

    ε ← sat(round(A ε / 2^kc) + b pre),   b = nearest(B 2^fe / 2^kc)     kc, fe: fraction bits of A, B, C and of ε
    e = nearest((C ε_t + C' ε_{t-1}) / 2^kc)
    G ← sat(G + nearest(g e / 2^gs))
    down = nearest(B·C / 2^kc) g,   and for neuron j below: g_j = sat(nearest(Σ_i down_i m_ij / 2^fs))

At the end of the sample, with G of one connection (rows: neurons, columns: synapses), update u:

    R_i ← R_i + ⌊(⌊Σ_j ⌊G_ij² / 2^10⌋ / m⌋ - R_i) / 2^k⌋, C_j likewise over rows; one that is 0 takes the value
    D_ij = max(2^5 ⌊⌊√R_i⌋ ⌊√C_j⌋ / max(⌊√⌊Σ R / n⌋⌋, 1)⌋, 1)
    w_ij ← sat(w_ij - stochastic(clip(⌊G_ij rate / D_ij⌋, ±limit rate) / 2^16))

Python ints never wrap, so a missing overflow rule shows as a value outside its declared width; every value is
checked. Slow on purpose; `learn` must equal it, bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import exp, log2
from typing import Any

from numpy.typing import NDArray

from hypr_neuro.errors import WidthError
from hypr_neuro.fixed_point import (
    ROUNDING,
    draw32,
    isqrt,
    quotient,
    sat,
    shift,
    shr,
    shr_floor,
    shr_nearest,
    shr_stochastic,
)
from hypr_neuro.integer import Population
from hypr_neuro.quantize import Connection, QuantizedNetwork
from hypr_neuro.sim.learn import LearnOptions
from hypr_neuro.sim.reference import ReferencePopulation
from hypr_neuro.sim.update import square_shift

Array = NDArray[Any]
PRODUCT_BITS = 64
"""Sums and products of the kernels are 64 bits wide; nothing here may need more."""

EXP_TABLE = [round(2**15 * exp(-i / 16)) for i in range(256)]
"""e^{-x} in steps of 1/16, with 15 fraction bits."""


def held(value: int, bits: int, what: str) -> int:
    """`value`, if a signed word of `bits` bits holds it; otherwise WidthError naming what it is."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise WidthError(f"{what} = {value} leaves its {bits} bits; a rule that keeps it inside is missing")
    return value


class LearningLayer:
    """One layer that runs and learns, for one sample at a time.

    eligibility : [neuron][synapse] tuple of d ints. gradient : [neuron][synapse]. Synapses are the inputs, the
        always-on line if there is one, and the layer's own neurons if it is recurrent
    eligibility_clips, accumulator_clips : how often a value was clipped
    """

    def __init__(self, qnet: QuantizedNetwork, index: int) -> None:
        rules, precision = qnet.profile.learning, qnet.profile.precision
        self.layer, self.name = qnet.layers[index], qnet.name(index)
        self.is_readout = index == len(qnet.layers) - 1
        self.state_bits = precision.state_bits.value
        self.coefficient_fraction = precision.coefficient_bits.value - 1
        self.fraction, self.bits = rules.eligibility_fraction.value, rules.eligibility_bits.value
        self.rounding = ROUNDING[rules.eligibility_rounding.value]
        self.accumulator_bits = rules.accumulator_bits.value
        self.signal_bits = rules.error_bits.value if self.is_readout else rules.signal_bits.value
        # a signal of full scale on an eligibility of 1 adds 2^15
        self.gradient_shift = max(self.signal_bits - 1 + self.fraction - 15, 0)
        self.eligibility_clips = self.accumulator_clips = 0
        self.start_sample()

    def start_sample(self) -> None:
        """States, eligibilities and gradient zero."""
        layer = self.layer
        population = Population(self.name, layer.model, layer.per_neuron, layer.constants)
        self.run = ReferencePopulation(population, self.state_bits)
        fan_in = sum(c.mantissa.shape[1] for c in self.layer.connections().values())
        self.eligibility = [[(0,) * self.layer.model.d] * fan_in for _ in range(self.layer.size)]
        self.gradient = [[0] * fan_in for _ in range(self.layer.size)]

    def forward(self, arriving: list[int], always_on: int) -> list[int]:
        """The layer's step; keeps what learning needs of it. Returns its outputs."""
        self.states_before, self.outputs_before = list(self.run.states), list(self.run.outputs)
        self.pre = arriving + [always_on] * self.layer.bias_axon
        self.currents = weighted_sums(self.layer.input, self.pre)
        if self.layer.recurrent is not None:
            fed_back = weighted_sums(self.layer.recurrent, self.outputs_before)
            self.currents = [a + b for a, b in zip(self.currents, fed_back, strict=True)]
            self.pre = self.pre + self.outputs_before
        self.run.step([(current,) for current in self.currents])
        return list(self.run.outputs)

    def learn(self, signal: list[int]) -> list[int]:
        """Eligibilities and gradient of this step; returns what goes down to the layer below."""
        return [self._learn(i, g) for i, g in enumerate(signal)]

    def _learn(self, i: int, g: int) -> int:
        where = f"{self.name}, neuron {i}"
        kc = self.coefficient_fraction
        A, B, C, Cp = self._jacobian(i, where)
        b = [shr_nearest(x << self.fraction, kc) for x in B]
        for k, pre in enumerate(self.pre):
            at = f"{where}, synapse {k}"
            old = self.eligibility[i][k]
            new = []
            for row, gain in zip(A, b, strict=True):
                full = shr(held(dot(row, old), PRODUCT_BITS, f"{at}: A ε"), kc, self.rounding) + gain * pre
                new.append(held(sat(full, self.bits), self.bits, f"{at}: eligibility"))
                self.eligibility_clips += new[-1] != full
            self.eligibility[i][k] = tuple(new)
            effect = shr_nearest(held(dot(C, new) + dot(Cp, old), PRODUCT_BITS, f"{at}: C ε"), kc)
            full = self.gradient[i][k] + shr_nearest(held(g * effect, PRODUCT_BITS, f"{at}: g e"), self.gradient_shift)
            self.gradient[i][k] = held(sat(full, self.accumulator_bits), self.accumulator_bits, f"{at}: gradient")
            self.accumulator_clips += self.gradient[i][k] != full
        return shr_nearest(dot(B, C), kc) * g

    def _jacobian(self, i: int, where: str) -> tuple[Any, Any, Any, Any]:
        model, p = self.layer.model, self.run.params[i]
        before, after = self.states_before[i], self.run.states[i]
        index = 0 if model.psi_index is None else model.psi_index(before, after, p)
        psi = int(self.layer.psi_table[index])
        found = model.fixed_jacobian(before, after, self.outputs_before[i], (self.currents[i],), p, psi)
        # P and E belong to neuron parameters, which do not learn on chip
        for name, entries in zip(("A", "B", "C", "C'"), found[:4], strict=True):
            for entry in flat(entries):
                held(entry, 32, f"{where}: entry of {name}")
        A, B, C, Cp, _, _ = found
        return A, B, C, Cp

    def connection_gradients(self) -> dict[str, list[list[int]]]:
        """Gradient by connection: "input" with the always-on line, "recurrent"."""
        split = self.layer.input.mantissa.shape[1]
        parts = {"input": slice(0, split), "recurrent": slice(split, None)}
        return {key: [row[parts[key]] for row in self.gradient] for key in self.layer.connections()}

    def largest_gain(self) -> int:
        """Largest |B·C|, with coefficient fraction bits: at rest, with the largest ψ of the table."""
        layer, psi = self.layer, max(abs(int(entry)) for entry in self.layer.psi_table)
        zero, gains = (0,) * layer.model.d, []
        for p in self.run.params:
            _, B, C, _, _, _ = layer.model.fixed_jacobian(zero, zero, 0, (0,), p, psi)
            gains.append(shr_floor(abs(dot(B, C)), self.coefficient_fraction))
        return max(gains)


class LearningReference:
    """A network that learns sample after sample; `qnet` is changed in place, as by `learn.Learner`.

    averages : (R, C) by connection name. updates : done so far. signal_clips : learning signals that were clipped
    """

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        options.check(qnet)
        self.qnet, self.options = qnet, options
        self.layers = [LearningLayer(qnet, i) for i in range(len(qnet.layers))]
        self.averages = {name: ([0] * len(m), [0] * m.shape[1]) for name, m in qnet.weights().items()}
        self.updates = self.signal_clips = 0
        self.shifts = [feedback_shift(above, qnet) for above in self.layers[1:]]

    def sample(self, x: Array, label: Sequence[int], scored: Sequence[bool], rate: int) -> list[list[int]]:
        """Run x (T, channel), learn where scored, update; the readout's T outputs."""
        outputs = self._run(x, label, scored)
        self._update(rate)
        return outputs

    def gradients(self, x: Array, label: Sequence[int], scored: Sequence[bool]) -> dict[str, list[list[int]]]:
        """Gradients of one sample by connection name, without an update."""
        self._run(x, label, scored)
        return {f"{layer.name}.{k}": g for layer in self.layers for k, g in layer.connection_gradients().items()}

    def clips(self) -> dict[str, int]:
        """Everything that was clipped so far, by the names of `learn.Learner.clips`."""
        found = {"learning signals": self.signal_clips}
        for layer in self.layers:
            found[f"{layer.name} eligibilities"] = layer.eligibility_clips
            found[f"{layer.name} accumulators"] = layer.accumulator_clips
        return found

    def _run(self, x: Array, label: Sequence[int], scored: Sequence[bool]) -> list[list[int]]:
        time, steps = self.qnet.profile.time, len(x)
        hop, silent = time.connection_delay.value, [0] * self.qnet.inputs
        for layer in self.layers:
            layer.start_sample()
        # errors on their way from the readout to the hidden layers
        late = deque([[0] * self.layers[-2].layer.size] * time.error_latency.value)
        outputs = []
        for t in range(steps + hop * len(self.layers)):
            now = t - hop
            arriving = [int(v) for v in x[now]] if 0 <= now < steps else silent
            for layer in self.layers:
                previous = list(layer.run.outputs)
                current = layer.forward(arriving, int(now >= 0))
                arriving = previous if hop else current
            outputs.append(list(self.layers[-1].run.outputs))
            self._learn(t, steps, label, scored, late)
        return outputs[hop * len(self.layers) :]

    def _learn(self, t: int, steps: int, label: Sequence[int], scored: Sequence[bool], late: deque[list[int]]) -> None:
        """Learning of device step t, from the readout down."""
        own = [t - self.qnet.latency(i) for i in range(len(self.layers))]
        running = [0 <= step < steps for step in own]
        signal = [0] * self.qnet.outputs
        if running[-1] and scored[own[-1]]:
            signal = self._error(self.layers[-1].run.outputs, int(label[own[-1]]))
        for i in reversed(range(len(self.layers))):
            layer = self.layers[i]
            down = layer.learn(signal) if running[i] else [0] * layer.layer.size
            if i > 0:
                signal = self._feedback(i - 1, down)
            if i == len(self.layers) - 1:
                late.append(signal)
                signal = late.popleft()

    def _error(self, output: list[int], label: int) -> list[int]:
        """p_k - [k = label] in error_bits bits; p: soft-max from the table of e^{-x}."""
        bits = self.qnet.profile.learning.error_bits.value
        down = max(int(log2(self.qnet.layers[-1].state_scale)) - 4, 0)
        power = [EXP_TABLE[min(shr_nearest(max(output) - o, down), 255)] for o in output]
        one = 1 << (bits - 1)
        shares = [quotient(e * one, sum(power)) for e in power]
        return [sat(share - (one if k == label else 0), bits) for k, share in enumerate(shares)]

    def _feedback(self, below: int, down: list[int]) -> list[int]:
        """Learning signals of the layer `below`, over the weights that its spikes travel."""
        bits = self.qnet.profile.learning.signal_bits.value
        weights = self.layers[below + 1].layer.input.mantissa
        signal = []
        for j in range(self.layers[below].layer.size):
            total = sum(d * int(weights[i, j]) for i, d in enumerate(down))
            full = shr_nearest(held(total, PRODUCT_BITS, f"{self.layers[below].name}, neuron {j}: feedback"),
                               self.shifts[below])  # fmt: skip
            signal.append(sat(full, bits))
            self.signal_clips += signal[-1] != full
        return signal

    def _update(self, rate: int) -> None:
        for i, layer in enumerate(self.layers):
            if self.options.layers and layer.name not in self.options.layers:
                continue
            for key, gradient in layer.connection_gradients().items():
                self._update_connection(f"{layer.name}.{key}", 2 * i + (key == "recurrent"), gradient, rate)
        self.updates += 1

    def _update_connection(self, name: str, tensor: int, gradient: list[list[int]], rate: int) -> None:
        options, weights = self.options, self.qnet.weights()[name]
        n, m = weights.shape
        rows, columns = self.averages[name]
        dropped = square_shift(n, m)
        squares = [[shr_floor(g * g, dropped) for g in row] for row in gradient]
        for i in range(n):
            total = held(sum(squares[i]), PRODUCT_BITS, f"{name}, row {i}: sum of squares")
            rows[i] = average(rows[i], quotient(total, m), options.average_shift)
        for j in range(m):
            total = held(sum(row[j] for row in squares), PRODUCT_BITS, f"{name}, column {j}: sum of squares")
            columns[j] = average(columns[j], quotient(total, n), options.average_shift)
        mean_root = max(isqrt(quotient(sum(rows), n)), 1)
        bits = self.qnet.profile.precision.weight_bits.value
        for i in range(n):
            for j in range(m):
                if gradient[i][j] == 0:
                    continue
                norm = max(2 ** (dropped // 2) * quotient(isqrt(rows[i]) * isqrt(columns[j]), mean_root), 1)
                step = quotient(gradient[i][j] * rate, norm)
                step = max(min(step, options.limit * rate), -options.limit * rate)
                draw = draw32(options.seed, self.updates, tensor, i * m + j)
                weights[i, j] = sat(int(weights[i, j]) - shr_stochastic(step, 16, draw), bits)


def feedback_shift(above: LearningLayer, qnet: QuantizedNetwork) -> int:
    """Smallest shift after which a quarter of the largest possible feedback of the layer `above` fits a signal."""
    weight_top = (1 << (qnet.profile.precision.weight_bits.value - 1)) - 1
    signal_top = 1 << (above.signal_bits - 1)
    largest = above.layer.size * weight_top * max(above.largest_gain(), 1) * signal_top
    return max((largest // 4).bit_length() - (qnet.profile.learning.signal_bits.value - 1), 0)


def weighted_sums(connection: Connection, pre: list[int]) -> list[int]:
    """(Σ_j m_ij pre_j) shifted by the connection's exponent, for every i."""
    sums = [sum(int(m) * z for m, z in zip(row, pre, strict=True)) for row in connection.mantissa]
    return [shift(total, connection.exponent) for total in sums]


def average(old: int, value: int, average_shift: int) -> int:
    """Running average over about 2^shift values; one that is 0 takes the value."""
    return old + shr_floor(value - old, average_shift) if old else value


def dot(a: Sequence[int], b: Sequence[int]) -> int:
    """Σ a_j b_j."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def flat(entries: Any) -> list[int]:
    """Every int of nested tuples."""
    return [entries] if isinstance(entries, int) else [x for part in entries for x in flat(part)]

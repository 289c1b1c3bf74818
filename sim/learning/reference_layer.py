"""This is the definition of learning in one layer: its step, eligibilities, gradients and what it sends down.

The equations stand in `learning_reference`; Δ, how long e and B·C wait for their signal, is `wait` here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons.structure import spike_rows
from hypr_neuro.numbers.fixed_point import sat, shift, shift_nearest, shr, shr_nearest
from hypr_neuro.numbers.words import WORD_BITS, held
from hypr_neuro.quantizing.quantize import Connection
from hypr_neuro.sim.learning.plan import LayerPlan
from hypr_neuro.sim.learning.reference_update import Matrix
from hypr_neuro.sim.reference import ReferencePopulation


class LearningLayer:
    """One layer that runs and, if `learns`, learns, for one sample at a time.

    eligibility, gradient : [neuron][source], tuples of d ints and ints. Sources are the inputs, the always-on line if
        there is one, the layer's own neurons if it is recurrent, then the parameters that learn
    parameters : places of those in the model's `trainable`
    wait : steps for which e and B·C are kept until the signal arrives
    clips : entries of Jacobians, eligibilities (once a step, e and all of ε together) and gradients that were clipped
    """

    def __init__(self, plan: LayerPlan) -> None:
        self.layer, self.name, self.learns, self.synapses = plan.layer, plan.name, plan.learns, plan.synapses
        self.latency, self.wait = plan.latency, plan.waiting
        self.parameters = list(plan.places)
        self.parameter_fractions = {p.place: p.fraction for p in plan.parameters}
        w = self.widths = plan.widths
        self.state_bits, self.state_fraction, self.entry_bits = w.state_bits, w.state_fraction, w.entry_bits
        self.coefficient_fraction, self.fraction = w.coefficient_fraction, w.eligibility_fraction
        self.bits, self.rounding, self.accumulator_bits = w.eligibility_bits, w.rounding, w.accumulator_bits
        # of the gradient of each source
        self.dropped = [w.gradient_shift] * self.synapses + [p.dropped for p in plan.parameters]
        self.spike_rows = spike_rows(self.layer.model)
        self.clips = {"Jacobians": 0, "eligibilities": 0, "accumulators": 0}
        self.start_sample()
        self.start_gradient()

    def start_sample(self) -> None:
        """States, eligibilities and what waits zero."""
        self.run = ReferencePopulation(self._population(), self.state_bits)
        n, sources = self.layer.size, (self.synapses + len(self.parameters)) * self.learns
        self.eligibility = [[(0,) * self.layer.model.d] * sources for _ in range(n)]
        self.waiting = deque([([[0] * sources for _ in range(n)], [0] * n)] * self.wait)

    def start_gradient(self) -> None:
        """Gradient zero."""
        sources = (self.synapses + len(self.parameters)) * self.learns
        self.gradient: Matrix = [[0] * sources for _ in range(self.layer.size)]

    def _population(self) -> Population:
        return Population(self.name, self.layer.model, self.layer.per_neuron, self.layer.constants)

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
        effects, gains = [], []
        for i in range(self.layer.size):
            A, B, C, late, P, E, F = self._jacobian(i)
            gains.append(shr_nearest(dot(B, C), self.coefficient_fraction))
            effects.append(
                [
                    self._effect(i, k, drive, direct, A, C, late, F)
                    for k, (drive, direct) in enumerate(self._sources(i, B, P, E))
                ]
            )
        self.waiting.append((effects, gains))
        effects, gains = self.waiting.popleft()
        for i, g in enumerate(signal):
            for k, e in enumerate(effects[i]):
                added = shr_nearest(held(g * e, WORD_BITS, f"{self._at(i, k)}: g e"), self.dropped[k])
                self.gradient[i][k] = self._clipped(
                    "accumulators", self.gradient[i][k] + added, self.accumulator_bits, f"{self._at(i, k)}: gradient"
                )
        return [gain * g for gain, g in zip(gains, signal, strict=True)]

    def _sources(self, i: int, B: list[int], P: Any, E: dict[int, int]) -> Iterable[tuple[list[int], int]]:
        """For each source of eligibility what drives the states, (d,) with its fraction bits, and the spike itself."""
        if not self.learns:
            return
        by_current = [shr_nearest(x << self.fraction, self.coefficient_fraction) for x in B]
        for pre in self.pre:
            yield [b * pre for b in by_current], 0
        for j in self.parameters:
            up = self.parameter_fractions[j] - self.state_fraction
            yield [shift_nearest(x, up) for x in P[j]], E[j] << self.parameter_fractions[j]

    def _effect(
        self, i: int, k: int, drive: list[int], direct: int, A: Matrix, C: list[int], late: list[int], F: list[int]
    ) -> int:
        """e of one source, whose eligibility takes its step."""
        at, kc, old = self._at(i, k), self.coefficient_fraction, self.eligibility[i][k]
        clipped = []

        def kept(full: int, what: str) -> int:
            value = held(sat(full, self.bits), self.bits, f"{at}: {what}")
            clipped.append(value != full)
            return value

        def stepped(row: int, e: int) -> int:
            moved = shr(held(dot(A[row], old) + F[row] * e, WORD_BITS, f"{at}: A ε"), kc, self.rounding)
            full = held(moved + held(drive[row], WORD_BITS, f"{at}: b"), WORD_BITS, f"{at}: A ε + b")
            return kept(full, "eligibility")

        new = [0 if by_spike else stepped(row, 0) for row, by_spike in enumerate(self.spike_rows)]
        total = held(dot(C, new) + dot(late, old) + direct, WORD_BITS, f"{at}: C ε")
        e = kept(shr_nearest(total, kc), "effect")
        for row, by_spike in enumerate(self.spike_rows):
            if by_spike:
                new[row] = stepped(row, e)
        self.clips["eligibilities"] += any(clipped)
        self.eligibility[i][k] = tuple(new)
        return e

    def _jacobian(self, i: int) -> tuple[Matrix, list[int], list[int], list[int], Any, dict[int, int], list[int]]:
        """A, B, C, C', P, E by place of the parameters that learn, and F."""
        model, p = self.layer.model, self.run.params[i]
        before, after = self.states_before[i], self.run.states[i]
        index = 0 if model.psi_index is None else model.psi_index(before, after, p)
        psi = int(self.layer.psi_table[index])
        A, B, C, late, P, E, F = model.fixed_jacobian(
            before, after, self.outputs_before[i], (self.currents[i],), p, psi
        )
        where = f"{self.name}, neuron {i}"

        def row(name: str, entries: Sequence[int]) -> list[int]:
            return [self._clipped("Jacobians", x, self.entry_bits, f"{where}: entry of {name}") for x in entries]

        learned = row("E", [E[j] for j in self.parameters])
        return (
            [row("A", entries) for entries in A],
            row("B", B),
            row("C", C),
            row("C'", late),
            P,
            dict(zip(self.parameters, learned, strict=True)),
            row("F", F),
        )

    def _clipped(self, counter: str, full: int, bits: int, what: str) -> int:
        value = held(sat(full, bits), bits, what)
        self.clips[counter] += value != full
        return value

    def _at(self, i: int, k: int) -> str:
        synapse = k < self.synapses
        return f"{self.name}, neuron {i}, {'synapse' if synapse else 'parameter'} {k - self.synapses * (not synapse)}"

    def gradients(self) -> dict[str, Matrix]:
        """By "input" with the always-on line, "recurrent" and names of parameters, [neuron][0]; {} if not learning."""
        if not self.learns:
            return {}
        split, found = self.layer.input.mantissa.shape[1], {}
        parts = {"input": slice(0, split), "recurrent": slice(split, self.synapses)}
        for key in self.layer.connections():
            found[key] = [row[parts[key]] for row in self.gradient]
        for place, j in enumerate(self.parameters):
            found[self.layer.model.trainable[j]] = [[row[self.synapses + place]] for row in self.gradient]
        return found

    def change_parameters(self, changes: dict[int, Matrix]) -> None:
        """Take changes, by place of the parameter and [neuron][0], off the values; they act from the next step on."""
        model, names = self.layer.model, self.layer.model.fixed_per_neuron
        for i, p in enumerate(self.run.params):
            change = tuple(changes[j][i][0] if j in changes else 0 for j in range(len(model.trainable)))
            assert model.learned is not None
            for row, value in enumerate(model.learned.change(p, change)):
                self.layer.per_neuron[row, i] = held(value, 32, f"{self.name}, neuron {i}: {names[row]}")
        self.run.params = ReferencePopulation(self._population(), self.state_bits).params


def weighted_sums(connection: Connection, pre: list[int]) -> list[int]:
    """(Σ_j m_ij pre_j) shifted by the connection's exponent, for every i."""
    sums = [sum(int(m) * z for m, z in zip(row, pre, strict=True)) for row in connection.mantissa]
    return [shift(total, connection.exponent) for total in sums]


def dot(a: Sequence[int], b: Sequence[int]) -> int:
    """Σ a_j b_j."""
    return sum(x * y for x, y in zip(a, b, strict=True))

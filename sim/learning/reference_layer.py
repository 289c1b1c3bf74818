"""Learning in one layer, its definition: step, eligibilities, gradients and signals to the layer below.

The equations stand in `sim.learning.reference`, their arithmetic in `eligibility`, which runs on Python's integers
here; every result is held to its width. Δ, how long e and B·C wait for their signal, is `wait`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons.contract import check_psi_index
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.message import message_of
from hypr_neuro.numbers.words import WORD_BITS, Word, check_width, error_context, mapped
from hypr_neuro.sim.learning.eligibility import (
    changes,
    clamp_jacobian,
    clamped,
    drive_of_current,
    drive_of_number,
    drive_of_parameter,
    drive_of_synapse,
    eligibility_step,
    gain,
    gradient_step,
)
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.reference_update import Matrix
from hypr_neuro.sim.reference import ReferencePopulation

Row = tuple[int, ...]
Sent = Callable[[str, int], list[int]]


class LearningLayer:
    """One layer that runs and, if `learns`, learns, for one sample at a time.

    Attributes
    ----------
    eligibility, gradient : list
        [neuron][source], tuples of d ints and ints. Sources are those of each connection that learns, in a chain the
        inputs, the bias axon if there is one, the layer's neurons if it is recurrent; then the parameters that learn.
    parameters : list of int
        Places of those in the model's `trainable`.
    wait : int
        Steps for which e and B·C wait for their learning signal.
    clips : dict of int
        Entries of Jacobians, eligibilities (once a step, e and all of ε together) and gradients that were clipped.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self.neurons, self.name, self.learns, self.synapses = plan.neurons, plan.name, plan.learns, plan.synapses
        self.incoming = plan.incoming
        self.rows = [rows_by_lag(c, plan.size) for c in plan.incoming]
        self.weights = {c.place: stored_weights(c) for c in plan.incoming}
        # of what arrives at each synapse, None of spikes and of the input
        self.scales: list[int | None] = [None] * self.synapses
        for c in plan.incoming:
            if c.learns and c.message is not None:
                self.scales[c.first : c.first + c.synapses] = [c.scale] * c.synapses
        self.wait = plan.waiting
        self.parameters = list(plan.places)
        self.parameter_fractions = {p.place: p.fraction for p in plan.parameters}
        w = self.widths = plan.widths
        self.state_bits, self.state_fraction, self.entry_bits = w.state_bits, w.state_fraction, w.entry_bits
        self.coefficient_fraction, self.fraction = w.coefficient_fraction, w.eligibility_fraction
        self.bits, self.rounding, self.accumulator_bits = w.eligibility_bits, w.rounding, w.accumulator_bits
        # the Jacobian finds numbers of learning behind the parameters
        self.learning_numbers = plan.learning_numbers
        self.current_of = [0] * self.synapses
        for c in plan.incoming:
            if c.learns:
                self.current_of[c.first : c.first + c.synapses] = [c.connection.current] * c.synapses
        # of the gradient of each source
        self.dropped = [w.gradient_shift] * self.synapses + [p.dropped for p in plan.parameters]
        self._check_words()
        self.clips = {"Jacobians": 0, "eligibilities": 0, "accumulators": 0}
        self.start_sample()
        self.start_gradient()

    def start_sample(self) -> None:
        """Set states, eligibilities and what waits to 0."""
        self.run = ReferencePopulation(self._population(), self.state_bits)
        n, sources = self.neurons.size, (self.synapses + len(self.parameters)) * self.learns
        self.eligibility = [[(0,) * self.neurons.model.d] * sources for _ in range(n)]
        self.waiting = deque(
            [([[0] * sources for _ in range(n)], [(0,) * self.neurons.model.currents] * n)] * self.wait
        )

    def start_gradient(self) -> None:
        """Set the gradient to 0."""
        sources = (self.synapses + len(self.parameters)) * self.learns
        self.gradient: Matrix = [[0] * sources for _ in range(self.neurons.size)]

    def _population(self) -> Population:
        return Population(self.name, self.neurons.model, self.neurons.per_neuron, self.neurons.constants)

    def forward(self, sent: Sent, time: int, noise: Sequence[Sequence[int]] = ()) -> list[int]:
        """Take the step of device step `time`, keep what learning needs, return the outputs.

        sent : function (source, lag) that gives what a source sent so many steps before. noise : by input current, what
        is added to each neuron's
        """
        self.states_before, self.outputs_before = list(self.run.states), list(self.run.outputs)
        self.currents = [[0] * self.neurons.model.currents for _ in range(self.neurons.size)]
        self.pre = [[0] * self.synapses for _ in self.currents]
        for c, rows in zip(self.incoming, self.rows, strict=True):
            arriving = {lag: [*_messages(c, sent(c.source, lag)), int(time >= lag)] for lag in rows}
            for lag, by_neuron in rows.items():
                for i, row in enumerate(by_neuron):
                    total = sum(int(self.weights[c.place][k]) * arriving[lag][j] for k, j, _ in row)
                    self.currents[i][c.connection.current] += shift(total + c.half, c.connection.exponent)
                    if c.learns:
                        for _, j, slot in row:
                            self.pre[i][c.first + slot] = arriving[lag][j]
        for k, terms in enumerate(noise):
            for currents, term in zip(self.currents, terms, strict=True):
                currents[k] += term
        self.run.step([tuple(currents) for currents in self.currents])
        return list(self.run.outputs)

    def learn(self, signal: list[int]) -> list[list[int]]:
        """Take eligibilities and gradient through this step.

        Returns nearest(B·C / 2^kc) g of each input current, which populations below receive.
        """
        effects, gains = [], []
        for i in range(self.neurons.size):
            A, B, C, C_prev, P, E, F = self._jacobian(i)
            gains.append(tuple(gain(row, C, self.coefficient_fraction) for row in B))
            effects.append(
                [
                    self._effect(i, k, drive, direct, A, C, C_prev, F)
                    for k, (drive, direct) in enumerate(self._sources(i, B, P, E))
                ]
            )
        self.waiting.append((effects, gains))
        effects, gains = self.waiting.popleft()
        for i, g in enumerate(signal):
            for k, e in enumerate(effects[i]):
                total, clipped = gradient_step(self.gradient[i][k], g, e, self.dropped[k], self.accumulator_bits)
                self.gradient[i][k] = check_width(total, self.accumulator_bits, f"{self._at(i, k)}: gradient")
                self.clips["accumulators"] += clipped
        by_current = zip(*gains, strict=True)
        return [[factor * g for factor, g in zip(factors, signal, strict=True)] for factors in by_current]

    def _sources(self, i: int, B: tuple[Row, ...], P: Any, E: dict[int, int]) -> Iterable[tuple[Row, int]]:
        """Yield for each source what drives the states, (d,) with its fraction bits, and the spike itself."""
        if not self.learns:
            return
        drives = [drive_of_current(row, self.fraction, self.coefficient_fraction) for row in B]
        for pre, scale, k in zip(self.pre[i], self.scales, self.current_of, strict=True):
            by_current = drives[k]
            yield drive_of_synapse(by_current, pre) if scale is None else drive_of_number(by_current, pre, scale), 0
        for j, fraction in self.parameter_fractions.items():
            yield drive_of_parameter(P[j], fraction - self.state_fraction), E[j] << fraction

    def _effect(self, i: int, k: int, drive: Row, direct: int, A: Any, C: Row, C_prev: Row, F: Row) -> int:
        """Take the eligibility of one source through the step; return its e."""
        at, kc, old = self._at(i, k), self.coefficient_fraction, self.eligibility[i][k]
        for b in drive:
            check_width(b, WORD_BITS - 1, f"{at}: b")
        new, e, clipped = eligibility_step(old, A, C, C_prev, F, drive, direct, kc, self.rounding, self.bits)
        self.eligibility[i][k] = tuple([check_width(x, self.bits, f"{at}: eligibility") for x in new])
        self.clips["eligibilities"] += clipped
        return check_width(e, self.bits, f"{at}: effect")

    def _jacobian(self, i: int) -> tuple[Any, tuple[Row, ...], Row, Row, Any, dict[int, int], Row]:
        """Compute A, B by input current, C, C', P, E by place of the parameters that learn, and F."""
        model, p = self.neurons.model, (*self.run.params[i], *self.learning_numbers)
        at, table = f"{self.name}, neuron {i}", self.neurons.psi_table
        before, after = (tuple(map(Word, states[i])) for states in (self.states_before, self.run.states))
        with error_context(at):
            index = 0 if model.psi_index is None else model.psi_index(before, after, p)
        psi = Word(table[check_psi_index(at, model, index, len(table))])
        with error_context(at):
            currents = tuple(map(Word, self.currents[i]))
            found = model.fixed_jacobian(before, after, self.outputs_before[i], currents, p, psi)
        A, B, C, C_prev, P, E, F = mapped(found, int)
        given = tuple([E[j] for j in self.parameters])
        learned = clamped(given, self.entry_bits)
        one, *others = (B,) if model.currents == 1 else B
        A, one, C, C_prev, F, count = clamp_jacobian(A, one, C, C_prev, F, self.entry_bits)
        B = (one, *(clamped(row, self.entry_bits) for row in others))
        count += sum(changes(row, full) for row, full in zip(B[1:], others, strict=True))
        self.clips["Jacobians"] += count + changes(learned, given)
        rows = [*(("A", row) for row in A), *(("B", row) for row in B)]
        for name, row in (*rows, ("C", C), ("C'", C_prev), ("F", F), ("E", learned)):
            for entry in row:
                check_width(entry, self.entry_bits, f"{self.name}, neuron {i}: entry of {name}")
        return A, B, C, C_prev, P, dict(zip(self.parameters, learned, strict=True)), F

    def _check_words(self) -> None:
        """Raise WidthError where a sum of products can leave 64 bits, whatever is learned, b of `_effect` apart."""
        d, entry, e = self.neurons.model.d, self.entry_bits - 1, self.bits - 1
        # of A ε and F e, or of C ε and C' ε; then what reaches the spike directly, and half a unit
        products = max(d + 1, 2 * d) << (entry + e)
        direct = 1 << (entry + max(self.parameter_fractions.values(), default=0))
        check_width(
            products + direct + (1 << self.coefficient_fraction), WORD_BITS - 1, f"{self.name}: largest A ε or C ε"
        )
        added = 1 << (self.widths.signal_bits - 1 + e)
        check_width(
            added + (1 << max(self.dropped, default=0)) + (1 << self.accumulator_bits),
            WORD_BITS,
            f"{self.name}: largest G + g e",
        )

    def _at(self, i: int, k: int) -> str:
        synapse = k < self.synapses
        return f"{self.name}, neuron {i}, {'synapse' if synapse else 'parameter'} {k - self.synapses * (not synapse)}"

    def gradients(self) -> dict[str, Matrix]:
        """Return gradients by name of the connection, in the shape of its tensor, and by "layer.parameter"."""
        if not self.learns:
            return {}
        result: dict[str, Matrix] = {}
        for c in self.incoming:
            if c.learns and c.listed:
                entries = c.entries()
                ends = zip(entries.post.tolist(), entries.slot.tolist(), strict=True)
                result[c.name] = [[self.gradient[i][c.first + slot]] for i, slot in ends]
            elif c.learns:
                result[c.name] = [row[c.first : c.first + c.synapses] for row in self.gradient]
        for place, j in enumerate(self.parameters):
            name = f"{self.name}.{self.neurons.model.trainable[j]}"
            result[name] = [[row[self.synapses + place]] for row in self.gradient]
        return result

    def change_parameters(self, changes: dict[int, Matrix]) -> None:
        """Take changes, by place of the parameter and [neuron][0], off the values; they act from the next step on."""
        model, names = self.neurons.model, self.neurons.model.fixed_per_neuron
        for i, p in enumerate(self.run.params):
            change = tuple(changes[j][i][0] if j in changes else 0 for j in range(len(model.trainable)))
            assert model.learned is not None
            with error_context(f"{self.name}, neuron {i}"):
                changed = model.learned.change(p, change)
            for row, value in enumerate(changed):
                self.neurons.per_neuron[row, i] = check_width(value, 32, f"{self.name}, neuron {i}: {names[row]}")
        self.run.params = ReferencePopulation(self._population(), self.state_bits).params


def _messages(c: Incoming, sent: list[int]) -> list[int]:
    """Return what travels over a connection of what its source gave."""
    return sent if c.message is None else [int(message_of(Word(z), *c.message)) for z in sent]


def rows_by_lag(c: Incoming, n: int) -> dict[int, list[list[tuple[int, int, int]]]]:
    """List, by lag and neuron, (number among the stored weights, sending neuron, slot) of a connection.

    The bias axon sends as the neuron behind the last.
    """
    entries = c.entries() if not isinstance(c.connection.mantissa, Convolution) else c.written_out().entries()
    result: dict[int, list[list[tuple[int, int, int]]]] = {}
    columns = (entries.post, entries.pre, entries.lag, entries.slot)
    for k, (i, j, lag, slot) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        result.setdefault(lag, [[] for _ in range(n)])[i].append((k, j, slot))
    return result


def stored_weights(c: Incoming) -> Array:
    """Return the weights of a connection in a row, not copied but for a convolution written out."""
    if isinstance(c.connection.mantissa, Convolution):
        c = c.written_out()
    return c.weights().reshape(-1)

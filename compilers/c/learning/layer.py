"""C text of one layer that learns: its step, its Jacobian, eligibilities, gradients and feedback to the layer below.

Only entries of the Jacobian that the model can have (`neurons.structure`) become products, and every width, shift and
constant stands in the text as a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypr_neuro.compilers.c.learning.feedback import ways_text, weights_name
from hypr_neuro.compilers.c.learning.field import Field, word
from hypr_neuro.compilers.c.learning.history import Read
from hypr_neuro.compilers.c.learning.memory import event_count, fields
from hypr_neuro.compilers.c.learning.program import LearningProgram, RowPart, SynapseList
from hypr_neuro.compilers.c.learning.source import (
    Jacobian,
    Source,
    drive_lines,
    ending,
    gain_text,
    jacobian_lines,
    parameter_drive,
    scope_of,
    source_lines,
    synapse_drive,
)
from hypr_neuro.compilers.c.learning.text import lines, template
from hypr_neuro.compilers.c.names import ascii_text, c_name
from hypr_neuro.compilers.c.translate import layout
from hypr_neuro.compilers.c.weights import delivered, has_weights, message_text
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.neurons.structure import structure
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan


class LayerText:
    """One layer or population of a program in C."""

    def __init__(self, program: LearningProgram, i: int) -> None:
        self.program, self.plan, self.i = program, program.plan, i
        self.kinds = {f.name: f for f in fields(program)}
        self.numbers: LayerPlan = program.plan.layers[i]
        self.inputs = program.inputs[i]
        self.neurons, self.model = self.numbers.neurons, self.numbers.model
        self.at = layout(self.model)
        reads = program.history.parameters(i)
        # what comes from others are arguments of the step
        names = ["below"] if len(reads) == 1 else [f"below_{k}" for k in range(len(reads))]
        self.arguments = dict(zip(reads, names, strict=True))
        self.names = {
            "i": i,
            "name": ascii_text(self.numbers.name),
            "n": self.numbers.size,
            "d": self.model.d,
            "model": self.model.name,
            "fan": self._fan(),
            "size": self.at["size"],
            "np": len(self.model.fixed_per_neuron) + len(self.model.fixed_constants),
            "events": event_count(self.numbers),
            "step": c_name(self.model.fixed_step),
            "jacobian": c_name(self.model.fixed_jacobian),
        }

    def field(self, name: str) -> Field | None:
        """Return the array of that name with the layer's number, if there is one."""
        return self.kinds.get(f"{name}_{self.i}")

    def kind(self, name: str) -> str:
        """Return the C type of that array."""
        return self.kinds[f"{name}_{self.i}"].kind

    def text(self) -> str:
        """Write all functions of the layer."""
        parts = [self._forward()]
        if self.plan.active(self.i):
            parts.append(self._active())
        return "\n".join([*parts, *ways_text(self.program, self.i)])

    def call(self) -> str:
        """Write the call of its step."""
        rows = [self.program.history.row(read, self.i) for read in self.arguments]
        return f"forward_{self.i}({', '.join(rows)});"

    # --- forward

    def _forward(self) -> str:
        run, i = "run->", self.i
        before = [f"memcpy({run}before_{i}, {run}state_{i}, sizeof {run}state_{i});"] if self.field("before") else []
        weights = weights_name(self.program, i)
        row = [f"const {self.program.weight_kind} *row = {weights}[i];"] * bool(self.inputs.width)
        fill = [line for part in self.inputs.rows for line in self._filled(part)]
        fill += [line for each in self.inputs.lists for line in self._filled_list(each)]
        currents = [line for part in self.inputs.rows for line in self._sum(part)]
        currents += [line for each in self.inputs.lists for line in self._list_sum(each)]
        return template(
            "hn_learn_layer.c",
            **self.names,
            sources=", ".join(self._sources()),
            load=lines(1, self._load()),
            parameters=", ".join(map(self._declared, self.arguments)) or "void",
            before=lines(1, [*before, *self.program.history.keep_sent(i)]),
            fill=lines(1, [*fill, *self._frozen()]),
            row=lines(2, row),
            currents=lines(2, [*currents, *self._frozen_sums()]),
            currents_of_one=self.model.currents,
            keep=lines(2, self._kept_currents()),
            sent_type=self.kind("sent"),
            state_type=self.kind("state"),
        )

    def _sources(self) -> list[str]:
        """Name what the step adds up, for its comment."""
        found, single = [], len({source for source, _ in self.arguments}) < 2
        for c in (part.incoming for part in self.inputs.rows):
            sent = c.connection.columns - int(c.connection.bias_axon)
            of = "of its own" if c.source == self.numbers.name else "below" if single else f"of {ascii_text(c.source)}"
            found += [f"{sent} {of}"] * bool(sent) + ["one always on"] * c.connection.bias_axon
        found += [f"the list {each.name} ({ascii_text(each.incoming.name)})" for each in self.inputs.lists]
        return found + [f"w{d.number} ({ascii_text(d.title)})" for d in self.inputs.frozen]

    def _fan(self) -> int:
        """Count what it adds up."""
        sent = {d.place: self.program.rings[d.source].size for d in self.inputs.frozen}
        return self.inputs.width + sum(each.width for each in self.inputs.lists) + sum(sent.values())

    def _declared(self, read: Read) -> str:
        source = read[0]
        return f"const {self.program.sent_kind(source)} {self.arguments[read]}[{self.plan.qnet.size(source)}]"

    def _row(self, read: Read) -> str:
        """Write what arrives: an argument, or what its own neurons sent."""
        return self.arguments.get(read) or self.program.history.row(read, self.i)

    def _load(self) -> list[str]:
        """Write p of neuron i: its integers, then the layer's constants."""
        learned = "hn_learned." if self.field("neuron") else ""
        rows = len(self.model.fixed_per_neuron)
        integers = [f"p[{r}] = {learned}neuron_{self.i}[{r}][i];" for r in range(rows)]
        constants = zip(self.model.fixed_constants, self.neurons.constants, strict=True)
        return integers + [f"p[{rows + r}] = {int(c)}; /* {name} */" for r, (name, c) in enumerate(constants)]

    def _filled(self, part: RowPart) -> list[str]:
        """Write what brings a connection's sources into the row of what arrives."""
        c, start = part.incoming, f"{part.first} + k" if part.first else "k"
        text = self._copied(c, f"pre_{self.i}", start, part.sources, c.largest_lag) if part.sources else []
        always_on = f"run->pre_{self.i}[{part.first + part.sources}] = run->now >= {c.largest_lag};"
        return text + [always_on] * c.connection.bias_axon

    def _filled_list(self, each: SynapseList) -> list[str]:
        """Write the same of a list, lag by lag."""
        c, text = each.incoming, []
        for k, lag in enumerate(each.lags):
            first = k * each.width
            start = f"{first} + k" if first else "k"
            text += self._copied(c, f"pre_{each.name}", start, c.source_size, lag)
            if c.connection.bias_axon:
                text.append(f"run->pre_{each.name}[{first + c.source_size}] = run->now >= {lag};")
        return text

    def _copied(self, c: Incoming, array: str, place: str, count: int, lag: int) -> list[str]:
        value = f"{self._row((c.source, lag))}[k]"
        if c.message is not None:
            value = f"(int32_t){message_text(value, *c.message)}"
        return [
            f"for (int32_t k = 0; k < {count}; k++) {{",
            f"    run->{array}[{place}] = {value};",
            "}",
        ]

    def _sum(self, part: RowPart) -> list[str]:
        """Add what arrives over a connection to the current."""
        c = part.incoming.connection
        return [
            "{",
            "    uint32_t sum = 0;",
            f"    for (int32_t k = {part.first}; k < {part.stop}; k++) {{",
            f"        sum += (uint32_t)row[k] * (uint32_t)run->pre_{self.i}[k];",
            "    }",
            f"    current[{c.current}] += {_shifted(part.incoming)}((int32_t)sum, {c.exponent});",
            "}",
        ]

    def _list_sum(self, each: SynapseList) -> list[str]:
        """Add what arrives over a list; what arrives with one lag is shifted together."""
        c, name, lags = each.incoming.connection, each.name, len(each.lags)
        shifted = _shifted(each.incoming)
        product = f"(uint32_t)hn_learned.weight_{name}[k] * (uint32_t)run->pre_{name}[column_{name}[k]]"
        loop = f"    for (int32_t k = start_{name}[i]; k < start_{name}[i + 1]; k++) {{"
        if lags == 1:
            body = ["    uint32_t sum = 0;", loop, f"        sum += {product};", "    }"]
            return ["{", *body, f"    current[{c.current}] += {shifted}((int32_t)sum, {c.exponent});", "}"]
        return [
            "{",
            f"    uint32_t sum[{lags}] = {{0}};",
            loop,
            f"        sum[column_{name}[k] / {each.width}] += {product};",
            "    }",
            f"    for (int32_t k = 0; k < {lags}; k++) {{",
            f"        current[{c.current}] += {shifted}((int32_t)sum[k], {c.exponent});",
            "    }",
            "}",
        ]

    def _frozen(self) -> list[str]:
        """Write what adds up connections that stay as they are, before the neurons' own loop."""
        if not self.inputs.frozen:
            return []
        text, n = [f"    set_zero(run->arriving, {self.numbers.size * self.model.currents});"], self.numbers.size
        for d in self.inputs.frozen:
            ring, row = self.program.rings[d.source], ""
            if has_weights(d):
                row = self._row(self.program.frozen_read(d))
                message = self.plan.qnet.connections[d.place]
                if message.message_shift is not None and message.message_bits is not None:
                    # in the form of the weights' own ring
                    value = message_text(f"{row}[k]", message.message_shift, message.message_bits)
                    text += [
                        f"    {ring.kind} message_{d.number}[{ring.size}];",
                        f"    for (int32_t k = 0; k < {ring.size}; k++) {{",
                        f"        message_{d.number}[k] = ({ring.kind}){value};",
                        "    }",
                    ]
                    row = f"message_{d.number}"
            text += delivered(ring, d, row, n, to="run->arriving", sums="run->sums", steps="run->now")
        # `lines` indents anew
        return [line.removeprefix("    ") for block in text for line in block.split("\n")]

    def _frozen_sums(self) -> list[str]:
        if not self.inputs.frozen:
            return []
        n = self.numbers.size
        places = [f"{c * n} + i" if c else "i" for c in range(self.model.currents)]
        return [f"current[{c}] += run->arriving[{place}];" for c, place in enumerate(places)]

    def _current_of(self, k: int) -> str:
        """Write where the input current k of neuron i is kept."""
        return f"run->current_{self.i}[{k}][i]" if self.model.currents > 1 else f"run->current_{self.i}[i]"

    def _kept_currents(self) -> list[str]:
        if not self.field("current"):
            return []
        return [f"{self._current_of(k)} = (int32_t)current[{k}];" for k in range(self.model.currents)]

    # --- learning

    def _active(self) -> str:
        slot, advance = [], []
        if self.numbers.waiting:
            slot = [f"const int32_t slot = run->slot_{self.i};"]
            advance = [f"run->slot_{self.i} = slot + 1 == {self.numbers.waiting} ? 0 : slot + 1;"]
        psi = "0;"
        if self.model.psi_index is not None:
            psi = f"psi_{self.i}[{c_name(self.model.psi_index)}(before, after, p)];"
        entries = self._entries()
        return template(
            "hn_learn_active.c",
            **self.names,
            slot=lines(1, slot),
            np_learning=self.model.learning_count,
            currents_of_one=self.model.currents,
            current=", ".join(self._current_of(k) for k in range(self.model.currents)),
            of_learning=lines(2, self._of_learning()),
            psi=lines(2, [f"const int64_t psi = {psi}"]),
            entries=lines(2, entries),
            gain=self._gain(),
            synapses=self._synapses(),
            parameters=self._parameters(),
            advance=lines(1, advance),
        )

    def _of_learning(self) -> list[str]:
        """Write the numbers that the Jacobian finds behind those of the neuron and its layer."""
        named = zip(self.model.fixed_learning, self.numbers.learning_numbers, strict=True)
        first = self.model.learning_count - len(self.model.fixed_learning)
        return [f"p[{first + j}] = {value}; /* {name} */" for j, (name, value) in enumerate(named)]

    def _entries(self) -> list[str]:
        """Write the clamped entries of the Jacobian, those that the model has, into variables."""
        text, used = jacobian_lines(self.i, self.numbers, self.at), self._used()
        return text + [
            f"(void){name};" for name in Jacobian(scope_of(self.numbers), self.numbers).names if name not in used
        ]

    def _used(self) -> set[str]:
        """Name the entries that something is computed of: all for synapses that learn, for signals B, C and both."""
        names, used = list(Jacobian(scope_of(self.numbers), self.numbers).names), set[str]()
        if self.numbers.learns:
            used = {name for name in names if not name.startswith("b")}
        for k in range(self.model.currents):
            s = structure(self.model, k)
            if self.numbers.learning(k):
                used |= {f"b{r}{ending(k)}" for r in range(self.model.d)}
            if k in self.program.returning_currents(self.i):
                both = [r for r in range(self.model.d) if s.B[r] and s.C[r]]
                used |= {f"b{r}{ending(k)}" for r in both} | {f"c{r}" for r in both}
        return used

    def _gain(self) -> str:
        text: list[str] = []
        for k in self.program.returning_currents(self.i):
            gain, kept = f"gain{ending(k)}", f"run->gain_{self.i}{ending(k)}[slot][i]"
            text.append(f"int64_t {gain} = {gain_text(self.numbers, k)};")
            if self.numbers.waiting:
                text += [
                    "{",
                    f"    const int64_t today = {gain};",
                    f"    {gain} = {kept};",
                    f"    {kept} = (int32_t)today;",
                    "}",
                ]
            text.append(f"run->{self.program.down(self.i, k)}[i] = {gain} * g;")
        return lines(2, text) + "\n" if text else "\0"

    def _synapses(self) -> str:
        if not self.numbers.learns:
            return "\0"
        i, text = self.i, drive_lines(self.numbers)
        for first, stop, parts in self._row_runs():
            cell, loop = f"{i}[i][k]", f"for (int32_t k = {first}; k < {stop}; k++) {{"
            body = self._source_lines(
                parts,
                f"run->pre_{i}[k]",
                f"run->eligibility_{cell}",
                f"run->waiting_{i}[slot][i][k]",
                f"hn_learn_memory.gradient_{cell}",
            )
            text += [loop, *("    " + line for line in body), "}"]
        for each in self.inputs.lists:
            name = each.name
            body = self._source_lines(
                [each.incoming],
                f"run->pre_{name}[column_{name}[k]]",
                f"run->eligibility_{name}[k]",
                f"run->waiting_{name}[slot][k]",
                f"hn_learn_memory.gradient_{name}[k]",
            )
            loop = f"for (int32_t k = start_{name}[i]; k < start_{name}[i + 1]; k++) {{"
            text += [loop, *("    " + line for line in body), "}"]
        return lines(2, text)

    def _row_runs(self) -> list[tuple[int, int, list[Incoming]]]:
        """Return first and last column of parts of the rows that are read in one way, with their connections."""
        runs: list[tuple[int, int, list[Incoming]]] = []
        for part in self.inputs.rows:
            c = part.incoming
            before = runs[-1][2][-1] if runs else None
            if before is not None and _read_as(before) == _read_as(c):
                runs[-1] = (runs[-1][0], part.stop, [*runs[-1][2], c])
            else:
                runs.append((part.first, part.stop, [c]))
        return runs

    def _source_lines(
        self, connections: Sequence[Incoming], arriving: str, eligibility: str, waiting: str, gradient: str
    ) -> list[str]:
        """Write a synapse's step and gradient; arriving, eligibility, waiting, gradient : its entries in C."""
        n, scope = self.numbers, scope_of(self.numbers)
        largest = self.program.input_limit if any(c.source == INPUT for c in connections) else 1
        largest = max(largest, *(c.largest_message for c in connections))
        scale = None if connections[0].message is None else connections[0].scale
        source = Source(
            synapse_drive(scope, n, largest, scale, connections[0].connection.current),
            0,
            eligibility,
            waiting,
            gradient,
            self._source_kinds,
            n.widths.gradient_shift,
        )
        reached = structure(self.model, connections[0].connection.current).B
        read = [f"const int32_t x = {arriving};"] * any(reached)
        return [*read, *source_lines(self.i, n, source, scope)]

    def _parameters(self) -> str:
        """Write eligibilities and gradients of the neuron parameters that learn."""
        text, n, i = [], self.numbers, self.i
        for q, p in enumerate(n.parameters):
            scope, start = scope_of(n), self.at["P"] + p.place * self.model.d
            source = Source(
                parameter_drive(scope, n, start, p.fraction),
                scope.variable(f"e{q}") << p.fraction,
                f"run->parameter_eligibility_{i}[i][{q}]",
                f"run->parameter_waiting_{i}[slot][i][{q}]",
                f"hn_learn_memory.parameter_gradient_{i}[i][{q}]",
                self._source_kinds,
                p.dropped,
            )
            text += [f"{{ /* {p.name} */", *("    " + s for s in source_lines(i, n, source, scope)), "}"]
        return "\n" + lines(2, text) if text else "\0"

    @property
    def _source_kinds(self) -> tuple[str, str]:
        return word(self.numbers.widths.eligibility_bits), self.program.gradient_kind


def _read_as(c: Incoming) -> tuple[bool, int, int]:
    """Return what connections share whose synapses one loop takes through a step."""
    return c.message is None, c.scale, c.connection.current


def _shifted(c: Incoming) -> str:
    """Name the rule by which a connection's exponent shifts its sums."""
    return "hn_shift_nearest" if c.half else "hn_shift"

"""C text of one layer that learns: its step, its Jacobian, eligibilities, gradients and feedback to the layer below.

Only entries of the Jacobian that the model can have (`neurons.structure`) become products, and every width, shift and
constant stands in the text as a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from hypr_neuro.compilers.c.learning.limits import input_limit
from hypr_neuro.compilers.c.learning.memory import Field, fields, weight_kind
from hypr_neuro.compilers.c.learning.source import (
    Jacobian,
    Source,
    drive_lines,
    gain_text,
    jacobian_lines,
    parameter_drive,
    scope_of,
    source_lines,
    synapse_drive,
)
from hypr_neuro.compilers.c.names import c_name
from hypr_neuro.compilers.c.translate import layout
from hypr_neuro.neurons.structure import structure
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.plan import LearningPlan

TEMPLATES = Path(__file__).parents[1] / "templates"


def template(file: str, /, **values: object) -> str:
    """Fill in the $names of a file of `templates`; lines that are left blank by that vanish."""
    text = Template((TEMPLATES / file).read_text(encoding="utf-8")).substitute(values)
    return "\n".join(line.replace("\0", "") for line in text.split("\n") if not line or line.strip("\0"))


def lines(indent: int, text: Sequence[str]) -> str:
    """Indent lines of C; none give what makes `template` leave the line out."""
    return "\n".join("    " * indent + line if line else "" for line in text) if text else "\0"


class LayerText:
    """One layer of a plan in C."""

    def __init__(self, plan: LearningPlan, i: int) -> None:
        self.plan, self.i = plan, i
        self.numbers: LayerPlan = plan.layers[i]
        self.layer, self.model = self.numbers.layer, self.numbers.layer.model
        self.kinds = {f.name: f for f in fields(plan)}
        self.at, self.structure = layout(self.model), structure(self.model)
        self.split = self.layer.input.mantissa.shape[1]
        self.names = {
            "i": i,
            "name": self.numbers.name,
            "n": self.layer.size,
            "d": self.model.d,
            "model": self.model.name,
            "fan": self.numbers.synapses,
            "inputs": self.layer.inputs,
            "size": self.at["size"],
            "np": len(self.model.fixed_per_neuron) + len(self.model.fixed_constants),
            "step": c_name(self.model.fixed_step),
            "jacobian": c_name(self.model.fixed_jacobian),
        }

    def field(self, name: str) -> Field | None:
        """Return the array of that name with the layer's number, if there is one."""
        return self.kinds.get(f"{name}_{self.i}")

    def kind(self, name: str) -> str:
        """Return the C type of that array."""
        return self.kinds[f"{name}_{self.i}"].kind

    @property
    def weights(self) -> str:
        """Name the layer's weights, in RAM where they learn."""
        return f"{'hn_learned.' if self.numbers.learns else ''}weight_{self.i}"

    def text(self) -> str:
        """Write all functions of the layer."""
        parts = [self._forward()]
        if self.plan.active(self.i):
            parts.append(self._active())
        if self.plan.passes_down(self.i):
            parts.append(self._feedback())
        return "\n".join(parts)

    # --- forward

    def _forward(self) -> str:
        run, i, bias = "run->", self.i, int(self.layer.bias_axon)
        fill = [f"run->pre_{i}[{self.layer.inputs}] = run->now >= {self.numbers.lag};"] if bias else []
        currents = self._sum("pre", 0, self.split, self.layer.input.exponent)
        if self.layer.recurrent is not None:
            fill += [
                f"for (int32_t k = 0; k < {self.layer.size}; k++) {{",
                f"    run->pre_{i}[{self.split} + k] = run->sent_before_{i}[k];",
                "}",
            ]
            currents += self._sum("pre", self.split, self.numbers.synapses, self.layer.recurrent.exponent)
        before = [f"memcpy({run}before_{i}, {run}state_{i}, sizeof {run}state_{i});"] if self.field("before") else []
        sources = [
            f"{self.layer.inputs} below",
            *["one always on"] * bias,
            *[f"{self.layer.size} of its own"] * (self.layer.recurrent is not None),
        ]
        return template(
            "hn_learn_layer.c",
            **self.names,
            sources=", ".join(sources),
            load=lines(1, self._load()),
            below_type="int32_t" if i == 0 else self.kinds[f"sent_{i - 1}"].kind,
            before=lines(1, before),
            fill=lines(1, fill),
            currents=lines(2, currents),
            weight_type=weight_kind(self.plan),
            weights=self.weights,
            keep=lines(2, [f"run->current_{i}[i] = (int32_t)current[0];"] if self.field("current") else []),
            sent_type=self.kind("sent"),
            state_type=self.kind("state"),
        )

    def _load(self) -> list[str]:
        """Write p of neuron i: its integers, then the layer's constants."""
        learned = "hn_learned." if self.field("neuron") else ""
        rows = len(self.model.fixed_per_neuron)
        integers = [f"p[{r}] = {learned}neuron_{self.i}[{r}][i];" for r in range(rows)]
        constants = zip(self.model.fixed_constants, self.layer.constants, strict=True)
        return integers + [f"p[{rows + r}] = {int(c)}; /* {name} */" for r, (name, c) in enumerate(constants)]

    def _sum(self, array: str, start: int, stop: int, exponent: int) -> list[str]:
        """Add what arrives over the sources start..stop to the current."""
        return [
            "{",
            "    uint32_t sum = 0;",
            f"    for (int32_t k = {start}; k < {stop}; k++) {{",
            f"        sum += (uint32_t)row[k] * (uint32_t)run->{array}_{self.i}[k];",
            "    }",
            f"    current[0] += hn_shift((int32_t)sum, {exponent});",
            "}",
        ]

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
            psi=lines(2, [f"const int64_t psi = {psi}"]),
            entries=lines(2, entries),
            gain=self._gain(),
            synapses=self._synapses(),
            parameters=self._parameters(),
            advance=lines(1, advance),
        )

    def _entries(self) -> list[str]:
        """Write the clamped entries of the Jacobian, those that the model has, into variables."""
        text = jacobian_lines(self.i, self.numbers, self.at)
        if not self.numbers.learns:
            # of what is not used: all but B, C and what they multiply
            s = self.structure
            used = {f"{letter}{r}" for r in range(self.model.d) if s.B[r] and s.C[r] for letter in "bc"}
            text += [
                f"(void){name};" for name in Jacobian(scope_of(self.numbers), self.numbers).names if name not in used
            ]
        return text

    def _gain(self) -> str:
        if not self.plan.passes_down(self.i):
            return "\0"
        text = [f"int64_t gain = {gain_text(self.numbers)};"]
        if self.numbers.waiting:
            text += [
                "{",
                "    const int64_t today = gain;",
                f"    gain = run->gain_{self.i}[slot][i];",
                f"    run->gain_{self.i}[slot][i] = (int32_t)today;",
                "}",
            ]
        return lines(2, [*text, "run->down[i] = gain * g;"]) + "\n"

    def _synapses(self) -> str:
        if not self.numbers.learns:
            return "\0"
        n, i = self.numbers, self.i
        scope, largest = scope_of(n), 1 if i else input_limit(self.plan)
        source = Source(
            synapse_drive(scope, n, largest),
            0,
            f"run->eligibility_{i}[i][k]",
            f"run->waiting_{i}[slot][i][k]",
            f"hn_learn_memory.gradient_{i}[i][k]",
            self._source_kinds,
            n.widths.gradient_shift,
        )
        arriving = [f"const int32_t x = run->pre_{i}[k];"] * any(self.structure.B)
        body = [*arriving, *source_lines(i, n, source, scope)]
        loop = [f"for (int32_t k = 0; k < {n.synapses}; k++) {{", *("    " + line for line in body), "}"]
        return lines(2, [*drive_lines(n), *loop])

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
        return self.kind("eligibility"), self.kind("gradient")

    # --- feedback

    def _feedback(self) -> str:
        plan, i = self.plan, self.i
        random = plan.options.feedback == "random"
        below = plan.layers[i - 1]
        return template(
            "hn_learn_feedback.c",
            **self.names,
            below=below.name,
            under=i - 1,
            shift=plan.signal_shifts[i - 1],
            matrix=f"feedback_weight_{i}" if random else self.weights,
            over="fixed random numbers" if random else "its weights",
            signal_bits=below.widths.signal_bits,
            signal_type=self.kinds[f"signal_{i - 1}"].kind,
        )

"""Constant tables of a learning network in C: what it starts from, psi tables, fixed weights, random feedback."""

from __future__ import annotations

import textwrap

import numpy as np

from hypr_neuro.compilers.c.learning.field import smallest
from hypr_neuro.compilers.c.learning.memory import fields
from hypr_neuro.compilers.c.learning.program import LayerInputs, LearningProgram, sends
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.plan import LearningPlan


def tables(program: LearningProgram) -> list[str]:
    """Write what the network starts from, psi tables and weights of layers that stay as they are."""
    plan = program.plan
    texts = [f"static const struct hn_learned start = {{\n{_start(program)}\n}};\n"]
    seen: dict[bytes, str] = {}
    for i, numbers in enumerate(plan.layers):
        neurons, inputs = numbers.neurons, program.inputs[i]
        if not numbers.learns and inputs.rows:
            texts.append(table(f"weight_{i}", _rows(inputs), program.weight_kind))
        for each in inputs.lists:
            texts.append(table(f"start_{each.name}", each.starts))
            texts.append(table(f"column_{each.name}", each.columns))
        if not numbers.parameters:
            texts.append(table(f"neuron_{i}", neurons.per_neuron, "int32_t"))
        if neurons.model.psi_index is not None and plan.active(i):
            key = neurons.psi_table.tobytes()
            texts.append(f"#define psi_{i} {seen[key]}\n" if key in seen else table(f"psi_{i}", neurons.psi_table))
            seen.setdefault(key, f"psi_{i}")
        texts += _random_tables(program, i)
    return [*texts, *_error_table(plan)]


def _error_table(plan: LearningPlan) -> list[str]:
    """Write the constants of the error, if it has some."""
    constants = ERRORS[plan.error].table
    if not constants.size or plan.options.targets != "labels":
        return []
    low, high = int(constants.min()), int(constants.max())
    return [table("error_table", constants, "uint16_t" if low >= 0 and high < 1 << 16 else None)]


def _random_tables(program: LearningProgram, i: int) -> list[str]:
    """Write the fixed random numbers over which signals come back from population i."""
    if program.plan.options.feedback != "random":
        return []
    texts = []
    for c in filter(sends, program.returning(i)):
        suffix, numbers = program.way(c.place)[2], program.plan.random_weights(c)
        if c.connection.dense:
            texts.append(table(f"feedback_weight_{suffix}", numbers, program.weight_kind))
        else:
            starts, post, values = _by_presynaptic(c, numbers.reshape(-1))
            texts.append(table(f"feedback_start_{suffix}", starts))
            texts.append(table(f"feedback_post_{suffix}", post))
            texts.append(table(f"feedback_weight_{suffix}", values, program.weight_kind))
    return texts


def _by_presynaptic(c: Incoming, numbers: Array) -> tuple[Array, Array, Array]:
    """Sort the numbers of a list by presynaptic neuron: where each starts, postsynaptic neurons, numbers."""
    entries = (c.written_out() if isinstance(c.connection.mantissa, Convolution) else c).entries()
    chosen = np.flatnonzero(entries.pre < c.source_size)
    chosen = chosen[np.lexsort((entries.post[chosen], entries.pre[chosen]))]
    starts = np.searchsorted(entries.pre[chosen], np.arange(c.source_size + 1))
    return starts, entries.post[chosen], numbers[chosen]


def table(name: str, array: Array, kind: str | None = None) -> str:
    """Write a constant array, in the smallest type that holds it unless `kind` says another."""
    kind = kind or smallest(int(array.min()), int(array.max()))
    lengths = "".join(f"[{n}]" for n in array.shape)
    return f"static const {kind} {name}{lengths} = {initialiser(array)};\n"


def initialiser(array: Array) -> str:
    """Write nested braces, rows of numbers wrapped."""
    if array.ndim > 1:
        return "{\n" + ",\n".join(textwrap.indent(initialiser(row), "    ") for row in array) + "\n}"
    numbers = ", ".join(str(int(v)) for v in array)
    if len(numbers) < 100:
        return f"{{{numbers}}}"
    return "{\n" + textwrap.fill(numbers, 110, initial_indent="    ", subsequent_indent="    ") + "\n}"


def _start(program: LearningProgram) -> str:
    """Write the initialiser of `hn_learned`, in the order of its fields."""
    arrays: dict[str, Array] = {}
    for i, layer in enumerate(program.plan.layers):
        arrays[f"neuron_{i}"] = layer.neurons.per_neuron
        if layer.learns and program.inputs[i].rows:
            arrays[f"weight_{i}"] = _rows(program.inputs[i])
        arrays |= {f"weight_{each.name}": each.incoming.weights().reshape(-1) for each in program.inputs[i].lists}
    learned = [field.name for field in fields(program) if field.struct == "learned"]
    return ",\n".join(textwrap.indent(f".{name} = {initialiser(arrays[name])}", "    ") for name in learned)


def _rows(inputs: LayerInputs) -> Array:
    """Join the weights (n, columns) of whole rows."""
    return np.hstack([part.incoming.weights() for part in inputs.rows])

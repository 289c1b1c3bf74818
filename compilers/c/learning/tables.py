"""Constant tables of a learning network in C: what it starts from, psi tables, fixed weights, random feedback."""

from __future__ import annotations

import textwrap

import numpy as np

from hypr_neuro.compilers.c.learning.memory import fields, smallest, weight_kind
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.parts import QuantizedLayer
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.plan import LearningPlan


def tables(plan: LearningPlan) -> str:
    """Write all tables, that of the error last."""
    texts = [f"static const struct hn_learned start = {{\n{_start(plan)}\n}};\n"]
    seen: dict[bytes, str] = {}
    for i, numbers in enumerate(plan.layers):
        layer = numbers.layer
        if not numbers.learns:
            texts.append(table(f"weight_{i}", _weights(layer), weight_kind(plan)))
        if not numbers.parameters:
            texts.append(table(f"neuron_{i}", layer.per_neuron, "int32_t"))
        if layer.model.psi_index is not None and plan.active(i):
            key = layer.psi_table.tobytes()
            texts.append(f"#define psi_{i} {seen[key]}\n" if key in seen else table(f"psi_{i}", layer.psi_table))
            seen.setdefault(key, f"psi_{i}")
        if plan.passes_down(i) and plan.feedback is not None:
            texts.append(table(f"feedback_weight_{i}", plan.feedback[i - 1], weight_kind(plan)))
    constants = ERRORS[plan.error].table
    if constants.size:
        low, high = int(constants.min()), int(constants.max())
        texts.append(table("error_table", constants, "uint16_t" if low >= 0 and high < 1 << 16 else None))
    return "\n".join(texts)


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


def _start(plan: LearningPlan) -> str:
    """Write the initialiser of `hn_learned`, in the order of its fields."""
    texts = []
    for field in fields(plan):
        if field.struct == "learned":
            kind, number = field.name.rsplit("_", 1)
            layer = plan.layers[int(number)].layer
            array = _weights(layer) if kind == "weight" else layer.per_neuron
            texts.append(textwrap.indent(f".{field.name} = {initialiser(array)}", "    "))
    return ",\n".join(texts)


def _weights(layer: QuantizedLayer) -> Array:
    """Join the weights (n, sources): input, bias axon, recurrent."""
    return np.hstack([connection.mantissa for connection in layer.connections().values()])

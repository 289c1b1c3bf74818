"""The three structs in which a learning network keeps all its numbers, each in the smallest type that holds its bits.

`hn_learned` is what learning changes: copy it to keep what was learned. `hn_learn_memory` is what updates remember:
gradients, momentum, residuals, the rule's own numbers. `hn_learn_run` is what a sample starts without: states,
eligibilities, what waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from hypr_neuro.compilers.c.learning.limits import signal_queue
from hypr_neuro.sim.learning.layer_plan import LayerPlan, Tensor
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.updates import UPDATES

STRUCTS = ("learned", "memory", "run")
BYTES = {"int8_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8, "uint8_t": 1, "uint32_t": 4}


@dataclass(frozen=True)
class Field:
    """One array of a struct, or one number where `shape` is empty.

    Attributes
    ----------
    struct : str
        One of `STRUCTS`.
    section : str
        Of the memory report.
    name, kind : str
        In C.
    shape : tuple of int
        Lengths.
    """

    struct: str
    section: str
    name: str
    kind: str
    shape: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        """Count the bytes of all entries."""
        return BYTES[self.kind] * prod(self.shape)

    @property
    def text(self) -> str:
        """Write its declaration in C."""
        return f"{self.kind} {self.name}{''.join(f'[{n}]' for n in self.shape)};"


def word(bits: int) -> str:
    """Return the smallest signed type that holds numbers of so many bits, sign included."""
    return next(f"int{size}_t" for size in (8, 16, 32, 64) if bits <= size)


def smallest(low: int, high: int) -> str:
    """Return the smallest signed type that holds all numbers from low to high."""
    return word(max((x if x >= 0 else ~x).bit_length() + 1 for x in (low, high)))


def label(tensor: Tensor) -> str:
    """Return a tensor's name in C, such as input_0."""
    return f"{tensor.key}_{tensor.layer}"


def fields(plan: LearningPlan) -> list[Field]:
    """Return the fields of all structs, largest types first in each so that no gap is padded."""
    members = [*_network_fields(plan), *(f for t in plan.tensors for f in _tensor_fields(plan, t))]
    for i, layer in enumerate(plan.layers):
        members += _layer_fields(plan, i, layer)
    order = sorted(members, key=lambda f: -BYTES[f.kind])
    return [f for f in order if f.bytes]


def memory_by_section(plan: LearningPlan) -> dict[str, int]:
    """Count bytes of RAM by what they are for."""
    total: dict[str, int] = {}
    for f in fields(plan):
        total[f.section] = total.get(f.section, 0) + f.bytes
    return total


def struct_text(plan: LearningPlan, struct: str) -> str:
    """Write the declarations of a struct's fields."""
    return "\n".join(f"    {f.text}" for f in fields(plan) if f.struct == struct)


def weight_kind(plan: LearningPlan) -> str:
    """Return the type of a weight."""
    return word(plan.weight_bits)


def learned_arrays(plan: LearningPlan) -> str:
    """Write X(type, array, entries) of each array of `hn_learned`, a line each of a macro."""
    rows = [f"    X({f.kind}, {f.name}, {prod(f.shape)})" for f in fields(plan) if f.struct == "learned"]
    return " \\\n".join(rows)


def _network_fields(plan: LearningPlan) -> list[Field]:
    qnet, queue, delay = plan.qnet, signal_queue(plan), plan.clock.tail
    hidden, signal = plan.layers[-2].size, word(plan.layers[-2].widths.signal_bits)
    most = max(layer.layer.size for layer in plan.layers)
    return [
        Field("run", "signals", "coming", "int32_t", (qnet.inputs * plan.layers[0].lag,)),
        Field("run", "signals", "label", "int32_t", (delay,)),
        Field("run", "signals", "scored", "uint8_t", (delay,)),
        Field("run", "signals", "late", signal, (queue, hidden) if queue else (0,)),
        Field("run", "signals", "error", "int64_t", (qnet.output_size,)),
        Field("run", "signals", "down", "int64_t", (most,) if plan.passes_down(plan.last) else (0,)),
        Field("run", "counters", "now", "int32_t"),
        Field("run", "counters", "length", "int32_t"),
        Field("run", "counters", "ended", "int32_t"),
        Field("run", "counters", "label_slot", "int32_t", () if delay else (0,)),
        Field("run", "counters", "late_slot", "int32_t", () if queue else (0,)),
        Field("memory", "counters", "weight_rate", "int32_t"),
        Field("memory", "counters", "parameter_rate", "int32_t"),
        Field("memory", "counters", "updates", "uint32_t"),
        Field("memory", "counters", "since_update", "int32_t"),
    ]


def _layer_fields(plan: LearningPlan, i: int, layer: LayerPlan) -> list[Field]:
    n, d, model, widths = layer.size, layer.model.d, layer.model, layer.widths
    synapses, parameters = layer.synapses, len(layer.parameters)
    state = word(max(32 if v.overflow == "wrap" else widths.state_bits for v in model.states))
    output, active = state if model.readout else "int8_t", plan.active(i)
    eligibility, accumulator = word(widths.eligibility_bits), word(widths.accumulator_bits)
    signal = word(widths.signal_bits)
    members = [
        Field("run", "states", f"state_{i}", state, (n, d)),
        Field("run", "states", f"before_{i}", state, (n, d) if active else (0,)),
        Field("run", "states", f"sent_{i}", output, (n,)),
        Field("run", "states", f"sent_before_{i}", output, (n,)),
        Field("run", "states", f"current_{i}", "int32_t", (n,) if active else (0,)),
        Field("run", "states", f"pre_{i}", "int8_t" if i else "int32_t", (synapses,)),
        Field("run", "signals", f"signal_{i}", signal, (n,) if active else (0,)),
    ]
    if plan.passes_down(i) and layer.waiting:
        members.append(Field("run", "waiting", f"gain_{i}", "int32_t", (layer.waiting, n)))
    if layer.waiting and active:
        members.append(Field("run", "counters", f"slot_{i}", "int32_t"))
    if not layer.learns:
        return members
    members += [
        Field("learned", "weights", f"weight_{i}", weight_kind(plan), (n, synapses)),
        Field("memory", "gradients", f"gradient_{i}", accumulator, (n, synapses)),
        Field("run", "eligibilities", f"eligibility_{i}", eligibility, (n, synapses, d)),
        Field("run", "waiting", f"waiting_{i}", eligibility, (layer.waiting, n, synapses) if layer.waiting else (0,)),
    ]
    if parameters:
        members += [
            Field("learned", "parameters", f"neuron_{i}", "int32_t", layer.layer.per_neuron.shape),
            Field("memory", "gradients", f"parameter_gradient_{i}", accumulator, (n, parameters)),
            Field("memory", "rule", f"change_{i}", "int32_t", (parameters, n)),
            Field("run", "eligibilities", f"parameter_eligibility_{i}", eligibility, (n, parameters, d)),
        ]
        if layer.waiting:
            members.append(
                Field("run", "waiting", f"parameter_waiting_{i}", eligibility, (layer.waiting, n, parameters))
            )
    return members


def _tensor_fields(plan: LearningPlan, t: Tensor) -> list[Field]:
    members = [
        Field("memory", "rule", f"{name}_{label(t)}", "int64_t", size)
        for name, size in UPDATES[plan.options.rule].shapes(*t.shape).items()
    ]
    if plan.options.momentum:
        members.append(Field("memory", "rule", f"momentum_{label(t)}", word(plan.momentum_bits), t.shape))
    if t.residual_bits:
        members.append(Field("memory", "rule", f"residual_{label(t)}", word(t.residual_bits), t.shape))
    return members

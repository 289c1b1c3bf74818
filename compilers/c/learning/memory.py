"""The three structs in which a learning network keeps all its numbers, each in the smallest type that holds its bits.

`hn_learned` is what learning changes: copy it to keep what was learned. `hn_learn_memory` is what updates remember:
gradients, momentum, residuals, the rule's own numbers. `hn_learn_run` is what a sample starts without: states,
eligibilities, what waits.
"""

from __future__ import annotations

from math import prod

from hypr_neuro.compilers.c.learning.field import BYTES, Field, word
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.learning.source import ending
from hypr_neuro.compilers.c.learning.targets import slot_field, waiting_fields
from hypr_neuro.compilers.c.weights import needs_sums
from hypr_neuro.sim.learning.layer_plan import LayerPlan, Tensor
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.updates import UPDATES


def label(tensor: Tensor) -> str:
    """Return a tensor's name in C, such as input_0; c3 of a connection of a network that is no chain of layers."""
    return f"{tensor.key}_{tensor.layer}" if tensor.key.isidentifier() else f"c{tensor.number}"


def fields(program: LearningProgram) -> list[Field]:
    """Return the fields of all structs, largest types first in each so that no gap is padded."""
    plan = program.plan
    members = [*_network_fields(program), *(f for t in plan.tensors for f in _tensor_fields(plan, t))]
    for i, layer in enumerate(plan.layers):
        members += _layer_fields(program, i, layer)
    order = sorted(members, key=lambda f: -BYTES[f.kind])
    return [f for f in order if f.bytes]


def event_count(layer: LayerPlan) -> int:
    """Count the kinds of events of a layer, at least 1, as an array in C has an entry."""
    return max(len(layer.model.events), 1)


def memory_by_section(program: LearningProgram) -> dict[str, int]:
    """Count bytes of RAM by what they are for."""
    total: dict[str, int] = {}
    for f in fields(program):
        total[f.section] = total.get(f.section, 0) + f.bytes
    return total


def struct_text(program: LearningProgram, struct: str) -> str:
    """Write the declarations of a struct's fields."""
    return "\n".join(f"    {f.text}" for f in fields(program) if f.struct == struct)


def learned_arrays(program: LearningProgram) -> str:
    """Write X(type, array, entries) of each array of `hn_learned`, a line each of a macro."""
    rows = [f"    X({f.kind}, {f.name}, {prod(f.shape)})" for f in fields(program) if f.struct == "learned"]
    return " \\\n".join(rows)


def _network_fields(program: LearningProgram) -> list[Field]:
    plan, kept = program.plan, program.history.input_rows
    qnet = plan.qnet
    most = max(layer.size for layer in plan.layers)
    return [
        Field("run", "signals", "coming", "int32_t", (kept, qnet.inputs) if kept > 1 else (qnet.inputs * kept,)),
        *waiting_fields(program),
        *_signal_queues(program),
        Field("run", "signals", "error", "int64_t", (qnet.output_size,)),
        Field("run", "signals", "down", "int64_t", (most,) if program.one_down and program.passes else (0,)),
        Field("run", "counters", "now", "int32_t"),
        Field("run", "counters", "length", "int32_t"),
        Field("run", "counters", "ended", "int32_t"),
        slot_field(program),
        *(Field("run", "counters", f"{name}_slot", "int32_t") for name in program.queues.values()),
        Field("memory", "counters", "weight_rate", "int32_t"),
        Field("memory", "counters", "parameter_rate", "int32_t"),
        Field("memory", "counters", "updates", "uint32_t"),
        Field("memory", "counters", "since_update", "int32_t"),
        Field("run", "counters", "coming_slot", "int32_t", () if kept > 1 else (0,)),
        *program.history.fields(
            [program.sent_kind(layer.name) for layer in plan.layers], [layer.size for layer in plan.layers]
        ),
        *_shared_room(program),
        *_output_fields(program),
    ]


def _signal_queues(program: LearningProgram) -> list[Field]:
    """Return the ring buffers of signals; of parts that are added once they have waited, 64 bits."""
    result = []
    for (i, wait), name in program.queues.items():
        layer = program.plan.layers[i]
        kind = "int64_t" if program.several_waits(i) else word(layer.widths.signal_bits)
        result.append(Field("run", "signals", name, kind, (wait, layer.size)))
    return result


def _shared_room(program: LearningProgram) -> list[Field]:
    """Return room for sums that one population after the other uses."""
    layers, inputs = program.plan.layers, program.inputs
    arriving = [layers[i].size * layers[i].model.currents for i, found in enumerate(inputs) if found.frozen]
    sums = [layers[i].size for i, found in enumerate(inputs) if any(map(needs_sums, found.frozen))]
    total = [layer.size for layer in layers if program.adds_parts(layer.index)]
    part = [layer.size for layer in layers if program.adds_parts(layer.index) and program.shifts_parts(layer.index)]
    return [
        Field("run", "signals", "arriving", "int32_t", (max(arriving, default=0),)),
        Field("run", "signals", "sums", "int32_t", (max(sums, default=0),)),
        Field("run", "signals", "total", "int64_t", (max(total, default=0),)),
        Field("run", "signals", "part", "int64_t", (max(part, default=0),)),
    ]


def _output_fields(program: LearningProgram) -> list[Field]:
    """Return the outputs of several populations, and what of them is early."""
    if not program.copies_outputs:
        return []
    plan = program.plan
    result = [Field("run", "states", "output", program.output_kind, (plan.qnet.output_size,))]
    for i in plan.outputs:
        early = program.early(i)
        kind = program.sent_kind(plan.layers[i].name)
        result.append(Field("run", "signals", f"early_{i}", kind, (early, plan.layers[i].size)))
        result.append(Field("run", "counters", f"early_{i}_slot", "int32_t", () if early else (0,)))
    return result


def _layer_fields(program: LearningProgram, i: int, layer: LayerPlan) -> list[Field]:
    plan, inputs = program.plan, program.inputs[i]
    n, d, widths = layer.size, layer.model.d, layer.widths
    synapses, parameters = inputs.width, len(layer.parameters)
    state, output, active = program.state_kind(i), program.sent_kind(layer.name), plan.active(i)
    eligibility, accumulator = word(widths.eligibility_bits), program.gradient_kind
    signal = word(widths.signal_bits)
    members = [
        Field("run", "states", f"state_{i}", state, (n, d)),
        Field("run", "states", f"before_{i}", state, (n, d) if active else (0,)),
        Field("run", "states", f"sent_{i}", output, (n,)),
        Field("run", "states", f"sent_before_{i}", output, (n,)),
        Field("run", "states", f"current_{i}", "int32_t", _currents_shape(layer) if active else (0,)),
        Field("run", "states", f"pre_{i}", program.arriving_kind(part.incoming for part in inputs.rows), (synapses,)),
        Field("run", "signals", f"signal_{i}", signal, (n,) if active else (0,)),
    ]
    for k in program.returning_currents(i):
        if not program.one_down:
            members.append(Field("run", "signals", program.down(i, k), "int64_t", (n,)))
        if layer.waiting:
            members.append(Field("run", "waiting", f"gain_{i}{ending(k)}", "int32_t", (layer.waiting, n)))
    if layer.waiting and active:
        members.append(Field("run", "counters", f"slot_{i}", "int32_t"))
    if not layer.learns:
        return members
    members += _synapse_fields(program, layer, str(i), (n, synapses))
    for each in inputs.lists:
        arriving = program.arriving_kind([each.incoming])
        members.append(Field("run", "states", f"pre_{each.name}", arriving, (len(each.lags) * each.width,)))
        members += _synapse_fields(program, layer, each.name, (each.size,))
    if parameters:
        members += [
            Field("learned", "parameters", f"neuron_{i}", "int32_t", layer.neurons.per_neuron.shape),
            Field("memory", "gradients", f"parameter_gradient_{i}", accumulator, (n, parameters)),
            Field("memory", "rule", f"change_{i}", "int32_t", (parameters, n)),
            Field("run", "eligibilities", f"parameter_eligibility_{i}", eligibility, (n, parameters, d)),
        ]
        if layer.waiting:
            members.append(
                Field("run", "waiting", f"parameter_waiting_{i}", eligibility, (layer.waiting, n, parameters))
            )
    return members


def _currents_shape(layer: LayerPlan) -> tuple[int, ...]:
    return (layer.model.currents, layer.size) if layer.model.currents > 1 else (layer.size,)


def _synapse_fields(program: LearningProgram, layer: LayerPlan, name: str, shape: tuple[int, ...]) -> list[Field]:
    """Return what synapses that learn keep; name : end of the names in C, shape : of the weights."""
    eligibility, accumulator = word(layer.widths.eligibility_bits), program.gradient_kind
    return [
        Field("learned", "weights", f"weight_{name}", program.weight_kind, shape),
        Field("memory", "gradients", f"gradient_{name}", accumulator, shape),
        Field("run", "eligibilities", f"eligibility_{name}", eligibility, (*shape, layer.model.d)),
        Field("run", "waiting", f"waiting_{name}", eligibility, (layer.waiting, *shape)),
    ]


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

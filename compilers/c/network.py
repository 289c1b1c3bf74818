"""network.h and network.c: the interface, the tables and the step of one integer network."""

from __future__ import annotations

from math import prod

import numpy as np

from hypr_neuro.compilers.c.names import ascii_text, c_name
from hypr_neuro.compilers.c.plan import KernelTable, Plan, RingBuffer
from hypr_neuro.compilers.c.tables import number, table, type_of
from hypr_neuro.compilers.c.weights import (
    adders,
    convolutions,
    delivered,
    has_weights,
    message_text,
    needs_sums,
    weight_tables,
)
from hypr_neuro.graph.integer import Population
from hypr_neuro.numbers.arrays import Array


def header(plan: Plan) -> str:
    """Write network.h."""
    last = len(plan.populations) - 1
    parts = [
        "/* The network: sizes, and what a program calls. All memory is static, there is one network a program. */",
        "#ifndef HN_NETWORK_H\n#define HN_NETWORK_H\n\n#include <stdint.h>\n",
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
        "/* Channels of the input, and its smallest and largest value, which keep every sum inside 32 bits. */",
        f"#define HN_INPUTS {plan.network.inputs}\n#define HN_INPUT_LOW ({plan.lowest_input})",
        f"#define HN_INPUT_LIMIT {plan.largest_input}",
        f"/* Values of hn_output, those of {_of_outputs(plan)}. */",
        f"#define HN_OUTPUTS {plan.network.output_size}",
        f"/* Steps without input after which {_of_outputs(plan)} has seen a whole sample. */",
        f"#define HN_TAIL {plan.tail}\n",
        *(_sizes(i, p) for i, p in enumerate(plan.populations)),
        "/* X(i) for every population, in the order in which a step computes them. */",
        f"#define HN_POPULATIONS(X) {' '.join(f'X({i})' for i in range(last + 1))}\n",
        "/* Zero all states and all that is under way, as before the first step. */\nvoid hn_reset(void);",
        "/* One step of the device: what arrives from the input and from earlier steps, then every population. */",
        "void hn_step(const int32_t input[HN_INPUTS]);",
        f"/* What {_of_outputs(plan)} gave in the last step: the readout's states, or spikes as {_spikes(plan)}. */",
        "const int32_t *hn_output(void);\n",
        "/* States of population i, [state][neuron], and what its neurons sent in the last step. */",
        *(_accessors(i, plan.rings[i + 1]) for i in range(last + 1)),
        "\n#ifdef HN_EVENTS\n/* How often each event of population i happened since hn_reset: "
        "saturations, wraps, clips. */",
        *(f"const uint32_t *hn_events_{i}(void);" for i in range(last + 1)),
        "#endif\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
    ]
    return "\n".join(parts)


def _of_outputs(plan: Plan) -> str:
    """Name the output populations in a comment."""
    if plan.network.outputs == (plan.populations[-1].name,):
        return "the last population"
    places = [str(plan.network.index(name)) for name in plan.network.outputs]
    if len(places) == 1:
        return f"population {places[0]}"
    return f"each of the populations {', '.join(places)}"


def _spikes(plan: Plan) -> str:
    several = any(plan.network.population(name).model.most_spikes for name in plan.network.outputs)
    return "their number" if several else "0 and 1"


def copies_outputs(plan: Plan) -> bool:
    """Tell whether the outputs stand in an array of their own, since they are spikes or of several populations."""
    outputs = plan.network.outputs
    return len(outputs) > 1 or not plan.network.population(outputs[0]).model.readout


def output_copies(plan: Plan) -> list[str]:
    """Return the lines that bring the outputs side by side."""
    outputs = plan.network.outputs
    if outputs == (plan.populations[-1].name,):
        last = len(plan.populations) - 1
        return [
            f"    const int8_t *const sent = hn_sent_{last}();",
            "    for (uint32_t i = 0; i < HN_OUTPUTS; i++) {\n        output[i] = sent[i];\n    }",
        ]
    lines, first = [], 0
    for name in outputs:
        i = plan.network.index(name)
        at = f"{first} + i" if first else "i"
        lines.append(
            f"    for (uint32_t i = 0; i < HN_SIZE_{i}; i++) {{\n        output[{at}] = hn_sent_{i}()[i];\n    }}"
        )
        first += plan.populations[i].size
    return lines


def _sizes(i: int, p: Population) -> str:
    states = ", ".join(p.model.state_names)
    events = ", ".join(p.model.events) or "none"
    about = ascii_text(f"Population {i}, '{p.name}': {p.model.name}, states {states}; events: {events}.")
    return (
        f"/* {about} */\n#define HN_SIZE_{i} {p.size}\n#define HN_STATES_{i} {p.model.d}\n"
        f"#define HN_EVENTS_{i} {max(len(p.model.events), 1)}\n"
    )


def _accessors(i: int, ring: RingBuffer) -> str:
    return f"const int32_t *hn_state_{i}(void);\nconst {ring.kind} *hn_sent_{i}(void);"


def source(plan: Plan) -> str:
    """Write network.c."""
    parts = ['#include "network.h"\n\n#include "hn_neurons.h"\n']
    parts += [_tables(plan, i) for i in range(len(plan.populations))]
    connections = [d for group in plan.connections for d in group]
    parts += [*convolutions(connections), *map(weight_tables, connections)]
    parts += [_memory(plan), *adders((plan.rings[d.source], d) for d in connections)]
    parts += [_step(plan, i) for i in range(len(plan.populations))]
    return "\n".join([*parts, _interface(plan)])


# --- tables


def _tables(plan: Plan, i: int) -> str:
    """Write parameters that differ between neurons; those that do not stand in the step itself."""
    p = plan.populations[i]
    parts = [
        table(type_of(values), f"p{i}_{name}", _stored(plan, i, values)[0])
        for name, values in zip(p.model.fixed_per_neuron, p.per_neuron, strict=True)
        if _differs(values)
    ]
    title = f"/* Population {i}, '{ascii_text(p.name)}': parameters that differ between its neurons. */\n"
    return title + "".join(parts) if parts else ""


def _differs(values: Array) -> bool:
    return bool(np.any(values != values[0]))


def _stored(plan: Plan, i: int, values: Array) -> tuple[Array, str]:
    """Return the table of a parameter and the index of neuron i there: one a channel where that is all there is."""
    for d in plan.connections[i]:
        if isinstance(d.weights, KernelTable):
            c = d.weights.convolution
            channels, places = c.kernel.shape[0], prod(c.outputs)
            by_channel = values.reshape(channels, places) if c.channels_first else values.reshape(places, channels).T
            if np.all(by_channel == by_channel[:, :1]):
                return by_channel[:, 0], f"i / {places}u" if c.channels_first else f"i % {channels}u"
    return values, "i"


# --- memory


def _memory(plan: Plan) -> str:
    numbers = " Those of messages hold numbers as they travel." if plan.messages else ""
    text = [
        f"/* What was sent: a ring of rows for the input and each population, and which row is the newest.{numbers} */"
    ]
    for ring in plan.rings:
        text.append(f"static {ring.kind} sent_{ring.name}[{ring.rows}][{ring.size}];")
        if ring.rows > 1:
            text.append(f"static uint8_t newest_{ring.name};")
    text.append("\n/* States, [state][neuron]. */")
    text += [f"static int32_t state_p{i}[{p.model.d}][{p.size}];" for i, p in enumerate(plan.populations)]
    if plan.largest_lag:
        text.append("\n/* Steps done, no more than anything asks for. */\nstatic uint8_t steps;")
    if copies_outputs(plan):
        text.append(f"\nstatic int32_t output[{plan.network.output_size}];")
    widest = max(p.size * p.model.currents for p in plan.populations)
    text.append(f"\n/* Sums of one step. */\nstatic int32_t current[{widest}];")
    if any(needs_sums(d) for group in plan.connections for d in group):
        text.append(f"static int32_t sums[{max(p.size for p in plan.populations)}];")
    text.append("\n#ifdef HN_EVENTS")
    text += [f"static uint32_t events_p{i}[HN_EVENTS_{i}];" for i in range(len(plan.populations))]
    return "\n".join([*text, "#endif\n"])


# --- the step


def _step(plan: Plan, i: int) -> str:
    p = plan.populations[i]
    body = [f"    set_zero(current, {p.size * p.model.currents});"]
    for d in plan.connections[i]:
        ring = plan.rings[d.source]
        row = f"sent_{ring.name}[{row_of(ring, d.back)}]" if has_weights(d) else ""
        body += delivered(ring, d, row, p.size, to="current", sums="sums", steps="steps")
    title = f"/* One step of population {i}, '{ascii_text(p.name)}'. */"
    return "\n".join([f"{title}\nstatic void step_p{i}(void) {{", *body, *_neurons(plan, i), "}\n"])


def row_of(ring: RingBuffer, back: int) -> str:
    """Return the index of the row that lies `back` rows behind the newest."""
    if ring.rows == 1:
        return "0"
    return f"newest_{ring.name}" if back == 0 else f"(newest_{ring.name} + {ring.rows - back}u) % {ring.rows}u"


def _advance(ring: RingBuffer) -> str:
    if ring.rows == 1:
        return ""
    return f"    newest_{ring.name} = (uint8_t)((newest_{ring.name} + 1u) % {ring.rows}u);\n"


def _neurons(plan: Plan, i: int) -> list[str]:
    p, ring = plan.populations[i], plan.rings[i + 1]
    n, d, name = p.size, p.model.d, f"p{i}"
    currents = ", ".join("current[i]" if not c else f"current[{c * n} + i]" for c in range(p.model.currents))
    parameters = [
        f"{name}_{key}[{_stored(plan, i, values)[1]}]" if _differs(values) else number(int(values[0]))
        for key, values in zip(p.model.fixed_per_neuron, p.per_neuron, strict=True)
    ] + [number(int(v)) for v in p.constants]
    out = [
        f"    const {ring.kind} *const before = sent_{ring.name}[{row_of(ring, 0)}];",
        *([_advance(ring).rstrip("\n")] if ring.rows > 1 else []),
        f"    {ring.kind} *const now = sent_{ring.name}[{row_of(ring, 0)}];",
        f"    for (uint32_t i = 0; i < {n}; i++) {{",
        f"        const int64_t s[{d}] = {{{', '.join(f'state_{name}[{k}][i]' for k in range(d))}}};",
        f"        const int64_t I[{p.model.currents}] = {{{currents}}};",
        f"        const int64_t p[{max(len(parameters), 1)}] = {{{', '.join(parameters) or '0'}}};",
        f"        int64_t s_out[{d}], events;",
        f"        now[i] = ({ring.kind}){c_name(p.model.fixed_step)}(s, before[i], I, p, s_out, &events);",
        *(f"        state_{name}[{k}][i] = (int32_t)s_out[{k}];" for k in range(d)),
    ]
    counted = f"            events_{name}[k] += (uint32_t)(events >> k & 1);"
    out += ["#ifdef HN_EVENTS", f"        for (uint32_t k = 0; k < HN_EVENTS_{i}; k++) {{", counted, "        }"]
    out += ["#endif", "    }"]
    return out + _messages(plan, i)


def _messages(plan: Plan, i: int) -> list[str]:
    """Write the loop that makes the messages of a population of numbers, nothing for one that spikes."""
    if i not in plan.messages:
        return []
    place, shift, bits = plan.messages[i]
    ring = plan.rings[place]
    return [
        *([_advance(ring).rstrip("\n")] if ring.rows > 1 else []),
        f"    {ring.kind} *const message = sent_{ring.name}[{row_of(ring, 0)}];",
        f"    for (uint32_t i = 0; i < {plan.populations[i].size}; i++) {{",
        f"        message[i] = ({ring.kind}){message_text('now[i]', shift, bits)};",
        "    }",
    ]


# --- what the program calls


def _interface(plan: Plan) -> str:
    return "\n".join([_reset(plan), _hn_step(plan), _outputs(plan)])


def _reset(plan: Plan) -> str:
    body = []
    for ring in plan.rings:
        body.append(
            f"    for (uint32_t i = 0; i < {ring.rows * ring.size}; i++) {{\n"
            f"        sent_{ring.name}[i / {ring.size}][i % {ring.size}] = 0;\n    }}"
        )
        if ring.rows > 1:
            body.append(f"    newest_{ring.name} = 0;")
    for i, p in enumerate(plan.populations):
        body.append(
            f"    set_zero(state_p{i}[0], {p.size});"
            if p.model.d == 1
            else f"    for (uint32_t k = 0; k < {p.model.d}; k++) {{\n        set_zero(state_p{i}[k], {p.size});\n"
            "    }"
        )
    if plan.largest_lag:
        body.append("    steps = 0;")
    if copies_outputs(plan):
        body.append("    set_zero(output, HN_OUTPUTS);")
    body.append("#ifdef HN_EVENTS")
    for i in range(len(plan.populations)):
        body.append(f"    for (uint32_t k = 0; k < HN_EVENTS_{i}; k++) {{\n        events_p{i}[k] = 0;\n    }}")
    return "\n".join(["void hn_reset(void) {", *body, "#endif", "}\n"])


def _hn_step(plan: Plan) -> str:
    ring = plan.rings[0]
    body = [
        _advance(ring) + f"    for (uint32_t i = 0; i < HN_INPUTS; i++) {{\n        sent_input[{row_of(ring, 0)}][i] = "
        f"{'' if ring.kind == 'int32_t' else f'({ring.kind})'}input[i];\n    }}",
        *(f"    step_p{i}();" for i in range(len(plan.populations))),
    ]
    if plan.largest_lag:
        body.append(f"    if (steps < {plan.largest_lag}) {{\n        steps++;\n    }}")
    if copies_outputs(plan):
        body += output_copies(plan)
    return "\n".join(["void hn_step(const int32_t input[HN_INPUTS]) {", *body, "}\n"])


def _outputs(plan: Plan) -> str:
    last = len(plan.populations) - 1
    result = "output" if copies_outputs(plan) else f"hn_sent_{plan.network.index(plan.network.outputs[0])}()"
    parts = [f"const int32_t *hn_output(void) {{\n    return {result};\n}}\n"]
    for i, ring in enumerate(plan.rings[1 : last + 2]):
        parts.append(f"const int32_t *hn_state_{i}(void) {{\n    return state_p{i}[0];\n}}\n")
        parts.append(f"const {ring.kind} *hn_sent_{i}(void) {{\n    return sent_{ring.name}[{row_of(ring, 0)}];\n}}\n")
    parts.append("#ifdef HN_EVENTS")
    parts += [f"const uint32_t *hn_events_{i}(void) {{\n    return events_p{i};\n}}\n" for i in range(last + 1)]
    return "\n".join([*parts, "#endif\n"])

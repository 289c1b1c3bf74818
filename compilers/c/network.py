"""network.h and network.c: the interface, the tables and the step of one integer network."""

from __future__ import annotations

import numpy as np

from hypr_neuro.compilers.c.names import ascii_text, c_name
from hypr_neuro.compilers.c.plan import Delivery, Dense, Line, Plan, Sparse
from hypr_neuro.compilers.c.tables import number, table, type_of, unsigned_type
from hypr_neuro.graph.integer import Population
from hypr_neuro.numbers.arrays import Array


def header(plan: Plan) -> str:
    """network.h."""
    last = len(plan.populations) - 1
    parts = [
        "/* The network: sizes, and what a program calls. All memory is static, there is one network a program. */",
        "#ifndef HN_NETWORK_H\n#define HN_NETWORK_H\n\n#include <stdint.h>\n",
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
        "/* Channels of the input, and its smallest and largest value, which keep every sum inside 32 bits. */",
        f"#define HN_INPUTS {plan.network.inputs}\n#define HN_INPUT_LOW ({plan.lowest_input})",
        f"#define HN_INPUT_LIMIT {plan.largest_input}",
        "/* Values of hn_output, those of the last population. */",
        f"#define HN_OUTPUTS {plan.populations[last].size}",
        "/* Steps without input after which the last population has seen a whole sample. */",
        f"#define HN_TAIL {plan.tail}\n",
        *(_sizes(i, p) for i, p in enumerate(plan.populations)),
        "/* X(i) for every population, in the order in which a step computes them. */",
        f"#define HN_POPULATIONS(X) {' '.join(f'X({i})' for i in range(last + 1))}\n",
        "/* Zero all states and all that is under way, as before the first step. */\nvoid hn_reset(void);",
        "/* One step of the device: what arrives from the input and from earlier steps, then every population. */",
        "void hn_step(const int32_t input[HN_INPUTS]);",
        "/* What the last population gave in the last step: the readout's states, or spikes as 0 and 1. */",
        "const int32_t *hn_output(void);\n",
        "/* States of population i, [state][neuron], and what its neurons sent in the last step. */",
        *(_accessors(i, plan.lines[i + 1]) for i in range(last + 1)),
        "\n#ifdef HN_EVENTS\n/* How often each event of population i happened since hn_reset: "
        "saturations, wraps, clips. */",
        *(f"const uint32_t *hn_events_{i}(void);" for i in range(last + 1)),
        "#endif\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
    ]
    return "\n".join(parts)


def _sizes(i: int, p: Population) -> str:
    states = ", ".join(p.model.state_names)
    events = ", ".join(p.model.events) or "none"
    about = ascii_text(f"Population {i}, '{p.name}': {p.model.name}, states {states}; events: {events}.")
    return (
        f"/* {about} */\n#define HN_SIZE_{i} {p.size}\n#define HN_STATES_{i} {p.model.d}\n"
        f"#define HN_EVENTS_{i} {max(len(p.model.events), 1)}\n"
    )


def _accessors(i: int, line: Line) -> str:
    return f"const int32_t *hn_state_{i}(void);\nconst {line.kind} *hn_sent_{i}(void);"


def source(plan: Plan) -> str:
    """network.c."""
    parts = ['#include "network.h"\n\n#include "hn_neurons.h"\n']
    parts += [_tables(p, i) for i, p in enumerate(plan.populations)]
    parts += [_weights(d) for group in plan.deliveries for d in group]
    parts += [_memory(plan), *_adders(plan)]
    parts += [_step(plan, i) for i in range(len(plan.populations))]
    return "\n".join([*parts, _interface(plan)])


# --- tables


def _tables(p: Population, i: int) -> str:
    """Parameters that differ between neurons; those that do not stand in the step itself."""
    parts = [
        table(type_of(values), f"p{i}_{name}", values)
        for name, values in zip(p.model.fixed_per_neuron, p.per_neuron, strict=True)
        if _differs(values)
    ]
    title = f"/* Population {i}, '{ascii_text(p.name)}': parameters that differ between its neurons. */\n"
    return title + "".join(parts) if parts else ""


def _differs(values: Array) -> bool:
    return bool(np.any(values != values[0]))


def _weights(d: Delivery) -> str:
    parts = [f"/* {ascii_text(d.title)}: weights by presynaptic neuron. */\n"] if _has_weights(d) else []
    if isinstance(d.weights, Dense) and _has_weights(d):
        parts.append(table(type_of(d.weights.weights), f"w{d.number}", d.weights.weights))
    elif isinstance(d.weights, Sparse) and _has_weights(d):
        s = d.weights
        parts.append(table(unsigned_type(int(s.starts[-1])), f"w{d.number}_start", s.starts))
        parts.append(table(unsigned_type(int(s.post.max(initial=0))), f"w{d.number}_post", s.post))
        parts.append(table(type_of(s.weights), f"w{d.number}", s.weights))
    if d.line is not None:
        about = f"/* {ascii_text(d.title)}: weights of its line that is always on. */\n"
        parts.append(about + table(type_of(d.line), f"w{d.number}_line", d.line))
    return "".join(parts)


# --- memory


def _memory(plan: Plan) -> str:
    lines = ["/* What was sent: a ring of rows for the input and each population, and which row is the newest. */"]
    for line in plan.lines:
        lines.append(f"static {line.kind} sent_{line.name}[{line.rows}][{line.size}];")
        if line.rows > 1:
            lines.append(f"static uint8_t newest_{line.name};")
    lines.append("\n/* States, [state][neuron]. */")
    lines += [f"static int32_t state_p{i}[{p.model.d}][{p.size}];" for i, p in enumerate(plan.populations)]
    if plan.largest_lag:
        lines.append("\n/* Steps done, no more than anything asks for. */\nstatic uint8_t steps;")
    if not plan.populations[-1].model.readout:
        lines.append(f"\nstatic int32_t output[{plan.populations[-1].size}];")
    widest = max(p.size * p.model.currents for p in plan.populations)
    lines.append(f"\n/* Sums of one step. */\nstatic int32_t current[{widest}];")
    if any(_needs_sums(d) for group in plan.deliveries for d in group):
        lines.append(f"static int32_t sums[{max(p.size for p in plan.populations)}];")
    lines.append("\n#ifdef HN_EVENTS")
    lines += [f"static uint32_t events_p{i}[HN_EVENTS_{i}];" for i in range(len(plan.populations))]
    return "\n".join([*lines, "#endif\n"])


def _needs_sums(d: Delivery) -> bool:
    """Whether the sum is shifted as a whole, and so not added to the current at once."""
    return d.exponent != 0


# --- adding up


ZERO = """/* Set n numbers to zero. */
static void set_zero(int32_t *to, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        to[i] = 0;
    }
}
"""
ARRIVE = """/* to += from * 2^exponent; a negative exponent floors. */
static void arrive(int32_t *to, const int32_t *from, uint32_t n, int64_t exponent) {
    for (uint32_t i = 0; i < n; i++) {
        to[i] += (int32_t)hn_shift(from[i], exponent);
    }
}
"""
DENSE = """/* to[i] += sum over j of sent[j] weight[j][i]. */
static void {name}(int32_t *to, const {weight} *weight, const {sent} *sent, uint32_t pre, uint32_t post) {{
    for (uint32_t j = 0; j < pre; j++, weight += post) {{
        if (sent[j] != 0) {{
            for (uint32_t i = 0; i < post; i++) {{
                to[i] += {product}weight[i];
            }}
        }}
    }}
}}
"""
SPARSE = """/* to[post[k]] += sent[j] weight[k] for all synapses k of the neurons j. */
static void {name}(int32_t *to, const {start} *start, const {post} *post, const {weight} *weight, const {sent} *sent,
                   uint32_t pre) {{
    for (uint32_t j = 0; j < pre; j++) {{
        if (sent[j] != 0) {{
            for (uint32_t k = start[j]; k < start[j + 1]; k++) {{
                to[post[k]] += {product}weight[k];
            }}
        }}
    }}
}}
"""


def _adder(plan: Plan, d: Delivery) -> tuple[str, str]:
    """Name and text of the function that adds up these weights."""
    line = plan.lines[d.source]
    form = {"sent": line.kind, "product": "" if line.spikes else "sent[j] * "}
    kinds = [line.kind if not line.spikes else "spikes"]
    if isinstance(d.weights, Sparse):
        s = d.weights
        form |= {
            "start": unsigned_type(int(s.starts[-1])),
            "post": unsigned_type(int(s.post.max(initial=0))),
            "weight": type_of(s.weights),
        }
        kinds += [form["start"], form["post"], form["weight"]]
        name = "add_sparse_" + "_".join(k.removesuffix("_t") for k in kinds)
        return name, SPARSE.format(name=name, **form)
    form["weight"] = type_of(d.weights.weights)
    name = "add_" + "_".join(k.removesuffix("_t") for k in (*kinds, form["weight"]))
    return name, DENSE.format(name=name, **form)


def _adders(plan: Plan) -> list[str]:
    deliveries = [d for group in plan.deliveries for d in group]
    found = dict(_adder(plan, d) for d in deliveries if _has_weights(d))
    arrive = [ARRIVE] if any(_needs_sums(d) for d in deliveries) else []
    return [ZERO, *arrive, *found.values()]


def _has_weights(d: Delivery) -> bool:
    weights = d.weights.weights
    return bool(weights.size and np.any(weights))


# --- the step


def _step(plan: Plan, i: int) -> str:
    p = plan.populations[i]
    body = [f"    set_zero(current, {p.size * p.model.currents});"]
    for d in plan.deliveries[i]:
        body += _delivered(plan, d, p.size)
    title = f"/* One step of population {i}, '{ascii_text(p.name)}'. */"
    return "\n".join([f"{title}\nstatic void step_p{i}(void) {{", *body, *_neurons(plan, i), "}\n"])


def _delivered(plan: Plan, d: Delivery, n: int) -> list[str]:
    line, to = plan.lines[d.source], f"current + {d.current * n}" if d.current else "current"
    target = "sums" if _needs_sums(d) else to
    out = [f"    /* {ascii_text(d.title)}: {d.lag} step{'' if d.lag == 1 else 's'} after it was sent */"]
    if _needs_sums(d):
        out.append(f"    set_zero(sums, {n});")
    if d.line is not None:
        cell = "sums[i]" if _needs_sums(d) else f"current[{d.current * n} + i]" if d.current else "current[i]"
        loop = f"for (uint32_t i = 0; i < {n}; i++) {{\n        {cell} += w{d.number}_line[i];\n    }}"
        out.append(
            f"    {loop}"
            if not d.lag
            else f"    if (steps >= {d.lag}) {{\n        " + loop.replace("\n", "\n    ") + "\n    }"
        )
    if _has_weights(d):
        row = f"sent_{line.name}[{row_of(line, d.back)}]"
        if isinstance(d.weights, Sparse):
            tables = f"w{d.number}_start, w{d.number}_post, w{d.number}"
            out.append(f"    {_adder(plan, d)[0]}({target}, {tables}, {row}, {line.size});")
        else:
            start = f" + {d.weights.first}" if d.weights.first else ""
            rows = len(d.weights.weights)
            out.append(f"    {_adder(plan, d)[0]}({target}, w{d.number}[0], {row}{start}, {rows}, {n});")
    if _needs_sums(d):
        out.append(f"    arrive({to}, sums, {n}, {d.exponent});")
    return out


def row_of(line: Line, back: int) -> str:
    """Index of the row that lies `back` rows behind the newest."""
    if line.rows == 1:
        return "0"
    return f"newest_{line.name}" if back == 0 else f"(newest_{line.name} + {line.rows - back}u) % {line.rows}u"


def _advance(line: Line) -> str:
    if line.rows == 1:
        return ""
    return f"    newest_{line.name} = (uint8_t)((newest_{line.name} + 1u) % {line.rows}u);\n"


def _neurons(plan: Plan, i: int) -> list[str]:
    p, line = plan.populations[i], plan.lines[i + 1]
    n, d, name = p.size, p.model.d, f"p{i}"
    currents = ", ".join("current[i]" if not c else f"current[{c * n} + i]" for c in range(p.model.currents))
    parameters = [
        f"{name}_{key}[i]" if _differs(values) else number(int(values[0]))
        for key, values in zip(p.model.fixed_per_neuron, p.per_neuron, strict=True)
    ] + [number(int(v)) for v in p.constants]
    out = [
        f"    const {line.kind} *const before = sent_{line.name}[{row_of(line, 0)}];",
        *([_advance(line).rstrip("\n")] if line.rows > 1 else []),
        f"    {line.kind} *const now = sent_{line.name}[{row_of(line, 0)}];",
        f"    for (uint32_t i = 0; i < {n}; i++) {{",
        f"        const int64_t s[{d}] = {{{', '.join(f'state_{name}[{k}][i]' for k in range(d))}}};",
        f"        const int64_t I[{p.model.currents}] = {{{currents}}};",
        f"        const int64_t p[{max(len(parameters), 1)}] = {{{', '.join(parameters) or '0'}}};",
        f"        int64_t s_out[{d}], events;",
        f"        now[i] = ({line.kind}){c_name(p.model.fixed_step)}(s, before[i], I, p, s_out, &events);",
        *(f"        state_{name}[{k}][i] = (int32_t)s_out[{k}];" for k in range(d)),
    ]
    counted = f"            events_{name}[k] += (uint32_t)(events >> k & 1);"
    out += ["#ifdef HN_EVENTS", f"        for (uint32_t k = 0; k < HN_EVENTS_{i}; k++) {{", counted, "        }"]
    out += ["#endif", "    }"]
    return out


# --- what the program calls


def _interface(plan: Plan) -> str:
    return "\n".join([_reset(plan), _hn_step(plan), _outputs(plan)])


def _reset(plan: Plan) -> str:
    body = []
    for line in plan.lines:
        body.append(
            f"    for (uint32_t i = 0; i < {line.rows * line.size}; i++) {{\n"
            f"        sent_{line.name}[i / {line.size}][i % {line.size}] = 0;\n    }}"
        )
        if line.rows > 1:
            body.append(f"    newest_{line.name} = 0;")
    for i, p in enumerate(plan.populations):
        body.append(
            f"    set_zero(state_p{i}[0], {p.size});"
            if p.model.d == 1
            else f"    for (uint32_t k = 0; k < {p.model.d}; k++) {{\n        set_zero(state_p{i}[k], {p.size});\n"
            "    }"
        )
    if plan.largest_lag:
        body.append("    steps = 0;")
    if not plan.populations[-1].model.readout:
        body.append("    set_zero(output, HN_OUTPUTS);")
    body.append("#ifdef HN_EVENTS")
    for i in range(len(plan.populations)):
        body.append(f"    for (uint32_t k = 0; k < HN_EVENTS_{i}; k++) {{\n        events_p{i}[k] = 0;\n    }}")
    return "\n".join(["void hn_reset(void) {", *body, "#endif", "}\n"])


def _hn_step(plan: Plan) -> str:
    line = plan.lines[0]
    body = [
        _advance(line) + f"    for (uint32_t i = 0; i < HN_INPUTS; i++) {{\n        sent_input[{row_of(line, 0)}][i] = "
        f"{'' if line.kind == 'int32_t' else f'({line.kind})'}input[i];\n    }}",
        *(f"    step_p{i}();" for i in range(len(plan.populations))),
    ]
    if plan.largest_lag:
        body.append(f"    if (steps < {plan.largest_lag}) {{\n        steps++;\n    }}")
    if not plan.populations[-1].model.readout:
        last = len(plan.populations) - 1
        body.append(f"    const int8_t *const sent = hn_sent_{last}();")
        body.append("    for (uint32_t i = 0; i < HN_OUTPUTS; i++) {\n        output[i] = sent[i];\n    }")
    return "\n".join(["void hn_step(const int32_t input[HN_INPUTS]) {", *body, "}\n"])


def _outputs(plan: Plan) -> str:
    last = len(plan.populations) - 1
    result = f"hn_sent_{last}()" if plan.populations[last].model.readout else "output"
    parts = [f"const int32_t *hn_output(void) {{\n    return {result};\n}}\n"]
    for i, line in enumerate(plan.lines[1:]):
        parts.append(f"const int32_t *hn_state_{i}(void) {{\n    return state_p{i}[0];\n}}\n")
        parts.append(f"const {line.kind} *hn_sent_{i}(void) {{\n    return sent_{line.name}[{row_of(line, 0)}];\n}}\n")
    parts.append("#ifdef HN_EVENTS")
    parts += [f"const uint32_t *hn_events_{i}(void) {{\n    return events_p{i};\n}}\n" for i in range(last + 1)]
    return "\n".join([*parts, "#endif\n"])

"""C text of learning signals: what goes back over each forward connection, and what a population makes of it.

What goes back over whole rows alone, as in every chain of layers, is brought to its width where it is added up
(`hn_learn_feedback.c`). Else each connection adds its part to sums, the population shifts the parts to one unit and
brings their total to its width (`SignalText`).
"""

from __future__ import annotations

from hypr_neuro.compilers.c.learning.field import advance, word
from hypr_neuro.compilers.c.learning.program import LearningProgram, SynapseList, sends
from hypr_neuro.compilers.c.learning.text import lines, template
from hypr_neuro.compilers.c.names import ascii_text
from hypr_neuro.compilers.c.plan import DelayedWeights, DenseTable, KernelTable, SparseTable
from hypr_neuro.compilers.c.tables import type_of
from hypr_neuro.compilers.c.weights import has_weights
from hypr_neuro.graph.clock import SignalTerm
from hypr_neuro.sim.learning.incoming import Incoming

KERNEL = """/* What comes back to place (y, x) of the sums that the kernel sees, over the kernel of one channel. */
static int64_t {name}_at(const int64_t *down, const {weight} *weight, const convolution_t *c, int32_t y, int32_t x) {{
    int64_t total = 0;
    for (int32_t i = 0; i < c->taps[0].kernel; i++) {{
        const int32_t row = served(&c->taps[0], y, i);
        for (int32_t j = 0; row >= 0 && j < c->taps[1].kernel; j++) {{
            const int32_t column = served(&c->taps[1], x, j);
            if (column >= 0) {{
                const {weight} *const entry = weight + (i * c->taps[1].kernel + j) * c->reached;
                const int64_t *const cell = down + (uint32_t)(row * c->taps[1].outputs + column) * c->out_place_step;
                for (int32_t o = 0; o < c->reached; o++) {{
                    total += cell[(uint32_t)o * c->out_channel_step] * entry[o];
                }}
            }}
        }}
    }}
    return total;
}}

/* to += factor * what comes back over a convolution, window by window of the pooling in front of it. */
static void {name}(int64_t *to, const int64_t *down, const {weight} *weight, const convolution_t *c, int32_t factor) {{
    const int32_t size = c->taps[0].kernel * c->taps[1].kernel * c->reached;
    for (int32_t k = 0; k < c->channels; k++, weight += size) {{
        const int64_t *const first = down + (uint32_t)(k / c->per_group * c->reached) * c->out_channel_step;
        for (int32_t place = 0; place < c->rows * c->columns; place++) {{
            int64_t *const cell = to + (uint32_t)k * c->channel_step + (uint32_t)place * c->place_step;
            for (int32_t i = 0; i < c->pool[0].kernel; i++) {{
                const int32_t y = served(&c->pool[0], place / c->columns, i);
                for (int32_t j = 0; y >= 0 && j < c->pool[1].kernel; j++) {{
                    const int32_t x = served(&c->pool[1], place % c->columns, j);
                    if (x >= 0) {{
                        *cell += factor * {name}_at(first, weight, c, y, x);
                    }}
                }}
            }}
        }}
    }}
}}
"""


def weights_name(program: LearningProgram, i: int) -> str:
    """Name the rows of population i, in RAM where they learn."""
    return f"{'hn_learned.' if program.plan.layers[i].learns else ''}weight_{i}"


def ways_text(program: LearningProgram, i: int) -> list[str]:
    """Write the functions that bring signals back from population i, one a connection."""
    returning = [program.way(c.place)[1:] for c in program.returning(i)]
    return [text for c, suffix in returning if (text := _way(program, i, c, suffix))]


def back_kernels(program: LearningProgram) -> list[str]:
    """Write the functions that bring signals back over convolutions, one a type of weights."""
    if program.plan.options.feedback == "random":
        return []
    kinds = [
        type_of(d.weights.weights)
        for i in range(len(program.plan.layers))
        for c in program.returning(i)
        for d in _frozen_of(program, i, c)
        if isinstance(d.weights, KernelTable)
    ]
    return [KERNEL.format(name=_kernel_name(kind), weight=kind) for kind in dict.fromkeys(kinds)]


def _kernel_name(kind: str) -> str:
    return f"back_kernel_{kind.removesuffix('_t')}"


def _frozen_of(program: LearningProgram, i: int, c: Incoming) -> list[DelayedWeights]:
    return [d for d in program.inputs[i].frozen if d.place == c.place and has_weights(d)]


def _way(program: LearningProgram, i: int, c: Incoming, suffix: str) -> str:
    """Write the function that brings signals back over a connection; "" where nothing comes."""
    source = program.plan.clock.populations.index(c.source)
    if program.at_once(source):
        return _at_once(program, i, c, suffix, source)
    body = _parts(program, i, c, suffix)
    if not body:
        return ""
    title = f"/* to += what {ascii_text(program.plan.layers[i].name)} sends back over {ascii_text(c.name)}. */"
    return "\n".join([title, f"static void feedback_{suffix}(int64_t *to) {{", lines(1, body), "}\n"])


def _at_once(program: LearningProgram, i: int, c: Incoming, suffix: str, source: int) -> str:
    plan, part, below = program.plan, program.row_part(i, c), program.plan.layers[source]
    random = plan.options.feedback == "random"
    first = part.first if part is not None and not random else 0
    return template(
        "hn_learn_feedback.c",
        way=suffix,
        below=ascii_text(below.name),
        name=ascii_text(plan.layers[i].name),
        inputs=c.source_size,
        n=plan.layers[i].size,
        under=source,
        shift=plan.signal_scales.of(source).shift,
        down=program.down(i, c.connection.current),
        matrix=f"feedback_weight_{suffix}" if random else weights_name(program, i),
        column=f"{first} + k" if first else "k",
        over="fixed random numbers" if random else "its weights",
        signal_bits=below.widths.signal_bits,
        signal_type=word(below.widths.signal_bits),
    )


def _parts(program: LearningProgram, i: int, c: Incoming, suffix: str) -> list[str]:
    """Write the loops that add up what comes back, by the form of the connection; none where nothing does."""
    n, down = program.plan.layers[i].size, f"hn_learn_run.{program.down(i, c.connection.current)}"
    if not sends(c):
        return []
    if program.plan.options.feedback == "random":
        if c.connection.dense:
            return _rows(n, c.source_size, f"{down}[i] * feedback_weight_{suffix}[i][k]")
        names = (f"feedback_start_{suffix}", f"feedback_post_{suffix}", f"feedback_weight_{suffix}")
        return _gathered(c.source_size, names, down)
    part, each = program.row_part(i, c), program.list_of(i, c)
    if part is not None:
        column = f"{part.first} + k" if part.first else "k"
        return _rows(n, part.sources, f"{down}[i] * {weights_name(program, i)}[i][{column}]")
    if each is not None:
        return _scattered(n, each, down)
    return [line for d in _frozen_of(program, i, c) for line in _over_frozen(d, c, n, down)]


def _rows(n: int, sources: int, product: str) -> list[str]:
    """Add products over whole rows; product : of neuron i above and k below."""
    return [
        f"for (int32_t i = 0; i < {n}; i++) {{",
        f"    for (int32_t k = 0; k < {sources}; k++) {{",
        f"        to[k] += {product};",
        "    }",
        "}",
    ]


def _gathered(sources: int, names: tuple[str, str, str], down: str, factor: int = 1) -> list[str]:
    """Add products over a list by presynaptic neuron; names : of its starts, postsynaptic neurons and weights."""
    starts, post, weights = names
    times = f" * {factor}" if factor != 1 else ""
    return [
        f"for (int32_t k = 0; k < {sources}; k++) {{",
        f"    for (int32_t s = (int32_t){starts}[k]; s < (int32_t){starts}[k + 1]; s++) {{",
        f"        to[k] += {down}[{post}[s]] * {weights}[s]{times};",
        "    }",
        "}",
    ]


def _scattered(n: int, each: SynapseList, down: str) -> list[str]:
    """Add products over a list of synapses by postsynaptic neuron, the bias axon left out."""
    name, c = each.name, each.incoming
    below = f"column_{name}[s]" if len(each.lags) == 1 else f"column_{name}[s] % {each.width}"
    product = f"{down}[i] * hn_learned.weight_{name}[s]"
    inner = [f"to[{below}] += {product};"]
    if c.connection.bias_axon:
        inner = [f"if ({below} < {c.source_size}) {{", f"    {inner[0]}", "}"]
    return [
        f"for (int32_t i = 0; i < {n}; i++) {{",
        f"    for (int32_t s = start_{name}[i]; s < start_{name}[i + 1]; s++) {{",
        *("        " + line for line in inner),
        "    }",
        "}",
    ]


def _over_frozen(d: DelayedWeights, c: Incoming, n: int, down: str) -> list[str]:
    """Add products over weights that stay as they are; a power of two was moved from them into the exponent."""
    factor, name = 1 << (d.exponent - c.connection.exponent), f"w{d.number}"
    if isinstance(d.weights, KernelTable):
        kernel = _kernel_name(type_of(d.weights.weights))
        return [f"{kernel}(to, {down}, {name}, &{name}_convolution, {factor});"]
    if isinstance(d.weights, SparseTable):
        return _gathered(c.source_size, (f"{name}_start", f"{name}_post", name), down, factor)
    assert isinstance(d.weights, DenseTable)
    times = f" * {factor}" if factor != 1 else ""
    to = f"{d.weights.first} + k" if d.weights.first else "k"
    return [
        f"for (int32_t k = 0; k < {len(d.weights.weights)}; k++) {{",
        f"    for (int32_t i = 0; i < {n}; i++) {{",
        f"        to[{to}] += {down}[i] * {name}[k][i]{times};",
        "    }",
        "}",
    ]


# --- signals


def signal_lines(program: LearningProgram, i: int) -> list[str]:
    """Write the lines that bring the signals of population i to `signal_i`."""
    layer = program.plan.layers[i]
    if layer.takes_error_alone:
        text = _error_lines(program, i)
    elif program.at_once(i):
        place = layer.terms[0].connection
        assert place is not None
        text = [f"feedback_{program.way(place)[2]}();"]
    else:
        text = [f"signals_{i}({'scored' if i in program.plan.outputs else ''});"]
    if program.several_waits(i) or not layer.terms[0].wait:
        return text
    name = program.queues[i, layer.terms[0].wait]
    return text + _queue_lines(program, i, name, layer.terms[0].wait)


def _error_lines(program: LearningProgram, i: int) -> list[str]:
    kind, count = word(program.plan.layers[i].widths.signal_bits), "HN_LEARN_OUTPUTS"
    if program.copies_outputs:
        count = str(program.plan.layers[i].size)
    return [
        f"for (int32_t k = 0; k < {count}; k++) {{",
        f"    run->signal_{i}[k] = ({kind})({_error(program, i)});",
        "}",
    ]


def _error(program: LearningProgram, i: int) -> str:
    """Write the error of neuron k of an output."""
    first = program.first_output(i)
    return f"scored ? run->error[{f'{first} + k' if first else 'k'}] : 0"


def _queue_lines(program: LearningProgram, i: int, name: str, wait: int) -> list[str]:
    """Write the ring buffer in which the signals of a population wait."""
    signal, kind = f"run->signal_{i}[k]", word(program.plan.layers[i].widths.signal_bits)
    return [
        f"for (int32_t k = 0; k < {program.plan.layers[i].size}; k++) {{",
        f"    const {kind} waited = run->{name}[run->{name}_slot][k];",
        f"    run->{name}[run->{name}_slot][k] = {signal};",
        f"    {signal} = waited;",
        "}",
        advance(f"run->{name}_slot", wait),
    ]


def signals_text(program: LearningProgram, i: int) -> str:
    """Write the function that adds up the signals of population i from their parts; "" where nothing is added."""
    if not program.adds_parts(i):
        return ""
    layer = program.plan.layers[i]
    signals, bits = program.plan.signal_scales.of(i), layer.widths.signal_bits
    pairs = list(zip(layer.terms, signals.downs, strict=True))
    body = ["struct hn_learn_run *run = &hn_learn_run;", "memset(run->total, 0, sizeof run->total);"]
    for wait in sorted({term.wait for term in layer.terms}):
        some = [(term, down) for term, down in pairs if term.wait == wait]
        late = program.several_waits(i) and wait > 0
        to = f"run->{program.queues[i, wait]}[run->{program.queues[i, wait]}_slot]" if late else "run->total"
        part = [line for term, down in some for line in _part_lines(program, i, term, down, to)]
        if late:
            part = [
                f"for (int32_t k = 0; k < {layer.size}; k++) {{",
                f"    run->total[k] += {to}[k];",
                f"    {to}[k] = 0;",
                "}",
                *part,
                advance(f"run->{program.queues[i, wait]}_slot", wait),
            ]
        body += part
    body += [
        f"for (int32_t k = 0; k < {layer.size}; k++) {{",
        "    int64_t signal[2];",
        f"    hn_learning_signal(run->total[k], {signals.shift}, {bits}, signal);",
        f"    run->signal_{i}[k] = ({word(bits)})signal[0];",
        "    HN_COUNT(signals, signal[1]);",
        "}",
    ]
    title = f"/* Signals of {ascii_text(layer.name)}, from {len(pairs)} part{'s' * (len(pairs) > 1)}. */"
    argument = "int scored" if i in program.plan.outputs else "void"
    return "\n".join([title, f"static void signals_{i}({argument}) {{", lines(1, body), "}\n"])


def _part_lines(program: LearningProgram, i: int, term: SignalTerm, down: int, to: str) -> list[str]:
    """Write what adds one part of the signals, shifted to the unit of all, to sums."""
    n = program.plan.layers[i].size
    if term.connection is None:
        value = _error(program, i)
        value = f"hn_shr_nearest({value}, {down})" if down else f"{value}"
        return [f"for (int32_t k = 0; k < {n}; k++) {{", f"    {to}[k] += {value};", "}"]
    above, c, suffix = program.way(term.connection)
    if not _parts(program, above, c, suffix):
        return []
    if not down:
        return [f"feedback_{suffix}({to});"]
    return [
        "memset(run->part, 0, sizeof run->part);",
        f"feedback_{suffix}(run->part);",
        f"for (int32_t k = 0; k < {n}; k++) {{",
        f"    {to}[k] += hn_shr_nearest(run->part[k], {down});",
        "}",
    ]

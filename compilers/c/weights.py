"""C text of weights that stay as they are: their tables, and the functions that add up what they bring."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from hypr_neuro.compilers.c.names import ascii_text
from hypr_neuro.compilers.c.plan import DelayedWeights, DenseTable, KernelTable, RingBuffer, SparseTable
from hypr_neuro.compilers.c.tables import table, type_of, unsigned_type
from hypr_neuro.graph.convolution import Lengths, Taps

# --- tables


def weight_tables(d: DelayedWeights) -> str:
    """Write the tables of a connection and one delay."""
    parts = [f"/* {ascii_text(d.title)}: weights by presynaptic neuron. */\n"] if has_weights(d) else []
    if isinstance(d.weights, KernelTable) and has_weights(d):
        parts = [f"/* {ascii_text(d.title)}: the kernel by input channel. */\n", _geometry(d.weights, d.number)]
        parts.append(table(type_of(d.weights.weights), f"w{d.number}", d.weights.weights.reshape(-1)))
    elif isinstance(d.weights, DenseTable) and has_weights(d):
        parts.append(table(type_of(d.weights.weights), f"w{d.number}", d.weights.weights))
    elif isinstance(d.weights, SparseTable) and has_weights(d):
        s = d.weights
        parts.append(table(unsigned_type(int(s.starts[-1])), f"w{d.number}_start", s.starts))
        parts.append(table(unsigned_type(int(s.post.max(initial=0))), f"w{d.number}_post", s.post))
        parts.append(table(type_of(s.weights), f"w{d.number}", s.weights))
    if d.bias is not None:
        about = f"/* {ascii_text(d.title)}: weights of its line that is always on. */\n"
        parts.append(about + table(type_of(d.bias), f"w{d.number}_line", d.bias))
    return "".join(parts)


def _geometry(weights: KernelTable, number: int) -> str:
    """Write how a kernel lies; a single axis is a column of an image that is one wide."""
    c = weights.convolution
    add = (1,) * (2 - len(c.image))
    image, out, per_group = (*c.image, *add), c.kernel.shape[0], c.kernel.shape[1]
    around = c.pool if c.pool is not None else Taps(*((n,) * len(c.image) for n in (1, 1, 0, 0, 1)))
    taps, pool = _axes(c.taps, c.outputs, add), _axes(around, c.seen, add)
    places = (prod(c.image), prod(c.outputs))
    steps = (places[0], 1, places[1], 1) if c.channels_first else (1, c.channels, 1, out)
    counts = (*image, c.channels, per_group, out // c.groups, *steps)
    body = f"{{{{{', '.join(taps)}}}, {{{', '.join(pool)}}}, {', '.join(map(str, counts))}}}"
    return f"static const convolution_t w{number}_convolution = {body};\n"


def _axes(taps: Taps, outputs: Lengths, add: Lengths) -> list[str]:
    """Return one initializer of axis_t an axis; axes that are added have length 1."""
    axes = zip(taps.kernel, taps.stride, taps.before, taps.dilation, outputs, strict=True)
    return [f"{{{', '.join(map(str, numbers))}}}" for numbers in (*axes, *((1, 1, 0, 1, 1) for _ in add))]


def has_weights(d: DelayedWeights) -> bool:
    """Tell whether any weight is not 0; a bias axon has weights of its own."""
    weights = d.weights.weights
    return bool(weights.size and np.any(weights))


def needs_sums(d: DelayedWeights) -> bool:
    """Tell whether the sum is shifted as a whole, and so not added to the current at once."""
    return d.exponent != 0


def message_text(value: str, shift: int, bits: int) -> str:
    """Write `numbers.message.message_of` in C."""
    return f"hn_sat({f'hn_shr_nearest({value}, {shift})' if shift else value}, {bits + 1})"


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
ARRIVE_NEAREST = """/* to += from * 2^exponent, to nearest: a sum of numbers that come in every step. */
static void arrive_nearest(int32_t *to, const int32_t *from, uint32_t n, int64_t exponent) {
    for (uint32_t i = 0; i < n; i++) {
        to[i] += (int32_t)hn_shift_nearest(from[i], exponent);
    }
}
"""
CONVOLUTION = """/* One axis of a kernel over an image, and places of its output. */
typedef struct {
    int32_t kernel, stride, before, dilation, outputs;
} axis_t;

/* A convolution: its kernel over the sums of a pooling, whose kernel is 1 where there is none; the image, channels and
   channels of a group of the input, channels of a group of the output; from one channel or place to the next. */
typedef struct {
    axis_t taps[2], pool[2];
    int32_t rows, columns, channels, per_group, reached;
    uint32_t channel_step, place_step, out_channel_step, out_place_step;
} convolution_t;

/* The place of the output that entry k of a kernel serves from place `at` of the input, -1 for none. */
static int32_t served(const axis_t *axis, int32_t at, int32_t k) {
    const int32_t there = at + axis->before - k * axis->dilation;
    if (there < 0 || there % axis->stride != 0 || there / axis->stride >= axis->outputs) {
        return -1;
    }
    return there / axis->stride;
}
"""
KERNEL = """/* to += z weight[k] at all places that the kernel's entries k serve from place (y, x). */
static void {name}_at(int32_t *to, const {weight} *weight, const convolution_t *c, int32_t y, int32_t x{z_declared}) {{
    for (int32_t i = 0; i < c->taps[0].kernel; i++) {{
        const int32_t row = served(&c->taps[0], y, i);
        for (int32_t j = 0; row >= 0 && j < c->taps[1].kernel; j++) {{
            const int32_t column = served(&c->taps[1], x, j);
            if (column >= 0) {{
                const {weight} *const entry = weight + (i * c->taps[1].kernel + j) * c->reached;
                int32_t *const cell = to + (uint32_t)(row * c->taps[1].outputs + column) * c->out_place_step;
                for (int32_t o = 0; o < c->reached; o++) {{
                    cell[(uint32_t)o * c->out_channel_step] += {product}entry[o];
                }}
            }}
        }}
    }}
}}

/* to += the convolution of sent, window by window of the pooling in front of it. */
static void {name}(int32_t *to, const {weight} *weight, const convolution_t *c, const {sent} *sent) {{
    const int32_t size = c->taps[0].kernel * c->taps[1].kernel * c->reached;
    for (int32_t k = 0; k < c->channels; k++, weight += size) {{
        int32_t *const first = to + (uint32_t)(k / c->per_group * c->reached) * c->out_channel_step;
        for (int32_t place = 0; place < c->rows * c->columns; place++) {{
            const {sent} z = sent[(uint32_t)k * c->channel_step + (uint32_t)place * c->place_step];
            for (int32_t i = 0; z != 0 && i < c->pool[0].kernel; i++) {{
                const int32_t y = served(&c->pool[0], place / c->columns, i);
                for (int32_t j = 0; y >= 0 && j < c->pool[1].kernel; j++) {{
                    const int32_t x = served(&c->pool[1], place % c->columns, j);
                    if (x >= 0) {{
                        {name}_at(first, weight, c, y, x{z_given});
                    }}
                }}
            }}
        }}
    }}
}}
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


def _adder(ring: RingBuffer, d: DelayedWeights) -> tuple[str, str]:
    """Return name and text of the function that adds up these weights."""
    form = {"sent": ring.kind, "product": "" if ring.spikes else "sent[j] * "}
    kinds = [ring.kind if not ring.spikes else "spikes"]
    if isinstance(d.weights, KernelTable):
        form["weight"] = type_of(d.weights.weights)
        name = "add_kernel_" + "_".join(k.removesuffix("_t") for k in (*kinds, form["weight"]))
        form["product"], form["z_given"] = ("", "") if ring.spikes else ("z * ", ", z")
        form["z_declared"] = "" if ring.spikes else f", {ring.kind} z"
        return name, KERNEL.format(name=name, **form)
    if isinstance(d.weights, SparseTable):
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


def adders(connections: Iterable[tuple[RingBuffer, DelayedWeights]]) -> list[str]:
    """Write the functions that add up these weights, each once; with each, what its source sent."""
    given = list(connections)
    functions = dict(_adder(ring, d) for ring, d in given if has_weights(d))
    arrive = [ARRIVE] if any(needs_sums(d) and not d.nearest for _, d in given) else []
    arrive += [ARRIVE_NEAREST] if any(needs_sums(d) and d.nearest for _, d in given) else []
    return [ZERO, *arrive, *functions.values()]


def convolutions(connections: Iterable[DelayedWeights]) -> list[str]:
    """Write what convolutions among these weights need in front of their tables."""
    return [CONVOLUTION] if any(isinstance(d.weights, KernelTable) and has_weights(d) for d in connections) else []


def delivered(ring: RingBuffer, d: DelayedWeights, row: str, n: int, *, to: str, sums: str, steps: str) -> list[str]:
    """Write lines that add what a connection brings to the currents of n neurons.

    Parameters
    ----------
    ring, d
        What its source sent, and the weights.
    row
        C text of the row of the ring that arrives.
    n
        Neurons.
    to, sums, steps
        C names: the currents, room for n sums, and the steps done.
    """
    current = f"{to} + {d.current * n}" if d.current else to
    target = sums if needs_sums(d) else current
    out = [f"    /* {ascii_text(d.title)}: {d.lag} step{'' if d.lag == 1 else 's'} after it was sent */"]
    if needs_sums(d):
        out.append(f"    set_zero({sums}, {n});")
    if d.bias is not None:
        cell = f"{sums}[i]" if needs_sums(d) else f"{to}[{d.current * n} + i]" if d.current else f"{to}[i]"
        loop = f"for (uint32_t i = 0; i < {n}; i++) {{\n        {cell} += w{d.number}_line[i];\n    }}"
        out.append(
            f"    {loop}"
            if not d.lag
            else f"    if ({steps} >= {d.lag}) {{\n        " + loop.replace("\n", "\n    ") + "\n    }"
        )
    if has_weights(d):
        name = _adder(ring, d)[0]
        if isinstance(d.weights, KernelTable):
            out.append(f"    {name}({target}, w{d.number}, &w{d.number}_convolution, {row});")
        elif isinstance(d.weights, SparseTable):
            tables = f"w{d.number}_start, w{d.number}_post, w{d.number}"
            out.append(f"    {name}({target}, {tables}, {row}, {ring.size});")
        else:
            start = f" + {d.weights.first}" if d.weights.first else ""
            out.append(f"    {name}({target}, w{d.number}[0], {row}{start}, {len(d.weights.weights)}, {n});")
    if needs_sums(d):
        out.append(f"    arrive{'_nearest' if d.nearest else ''}({current}, {sums}, {n}, {d.exponent});")
    return out

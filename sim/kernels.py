"""Compiled loop of one population in integers: its recurrent connections and its neurons, over a block of steps.

Axes, threads and widths as in `synapses`. A model that says so (`lanes`) runs in 32 bits, other models in 64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane32, plain
from hypr_neuro.numbers.unrolled import HEAD, LOAD, PICK, PUT
from hypr_neuro.sim.synapses import add_rows, add_sparse, clear, find_active, find_spikes


class DenseGroups(NamedTuple):
    """Whole rows of weights between neurons of one population, in groups of one delay and one exponent.

    Attributes
    ----------
    lags : (groups,) int64
        Steps from sending to arriving.
    exponents : (groups,) int64
        Of the sum.
    targets : (groups,) int64
        Input currents.
    chunks : (groups,) int64
        Rows that fit 16 bits together.
    rows : (groups, n, n) int8 or int16
        Weights, a row for each sending neuron.
    """

    lags: Array
    exponents: Array
    targets: Array
    chunks: Array
    rows: Array


class SparseGroups(NamedTuple):
    """Synapses between neurons of one population, in groups of one delay and one exponent.

    Attributes
    ----------
    lags, exponents, targets : (groups,) int64
        As in `DenseGroups`.
    starts : (groups, n + 1) int64
        Where the synapses of each sending neuron start.
    post : (synapses,) int32
        Receiving neurons.
    weight : (synapses,) int32
        Mantissas.
    """

    lags: Array
    exponents: Array
    targets: Array
    starts: Array
    post: Array
    weight: Array


@jitable
def wide(x: Any) -> Any:
    """Stand for `lane32` where a model needs 64 bits."""
    return x


@jitable
def count_events(counts: Any, happened: Any, bits: Any) -> None:
    """Add to counts[bit] the neurons whose mask has that bit."""
    for bit in range(bits):
        total = lane32(0)
        for i in range(np.uintp(happened.shape[0])):
            total += (lane32(happened[i]) >> bit) & 1
        counts[bit] += plain(total)


@jitable
def anything(words: Any) -> Any:
    """Tell whether a bit is set in any word."""
    seen = np.uint64(0)
    for w in range(np.uintp(words.shape[0])):
        seen |= words[w]
    return seen != np.uint64(0)


@jitable
def copy_row(target: Any, at: Any, source: Any, start: Any, n: Any) -> None:
    """Copy target[at : at + n] = source[start : start + n]."""
    for i in range(n):
        target[at + i] = source[start + i]


@jitable
def add_shifted(current: Any, sums: Any, exponent: Any, n: Any) -> None:
    """Add current += shift(sums, exponent)."""
    for i in range(n):
        current[i] = lane32(current[i]) + shift(lane32(sums[i]), exponent)


@jitable
def start_ring(active: Any, counts: Any, outputs: Any, before: Any, base: Any, n: Any) -> None:
    """Fill the ring buffer: slot r holds who fired in a step s with s mod ring = r, at first those before the block."""
    ring = np.uintp(counts.shape[0])
    for r in range(ring):
        counts[r] = find_active(active[r], outputs[before - ring + r], base, n)


@jitable
def add_dense_feedback(
    current: Any, sums: Any, part: Any, groups: Any, active: Any, counts: Any, t: Any, n: Any
) -> None:
    """Add to current[target] what those who fired `lag` steps before send, for each of `DenseGroups`."""
    lags, exponents, targets, chunks, rows = groups
    ring = np.uintp(counts.shape[0])
    for g in range(np.uintp(lags.shape[0])):
        then = (t + ring - np.uintp(lags[g])) % ring
        clear(sums, n)
        add_rows(sums, part, rows[g], active[then], counts[then], n, np.uintp(chunks[g]))
        add_shifted(current[targets[g]], sums, exponents[g], n)


@jitable
def add_sparse_feedback(current: Any, sums: Any, groups: Any, active: Any, counts: Any, t: Any, n: Any) -> None:
    """Add to current[target] what those who fired `lag` steps before send, for each of `SparseGroups`."""
    lags, exponents, targets, starts, post, weight = groups
    ring = np.uintp(counts.shape[0])
    for g in range(np.uintp(lags.shape[0])):
        then = (t + ring - np.uintp(lags[g])) % ring
        clear(sums, n)
        for k in range(counts[then]):
            j = active[then, k]
            add_sparse(sums, np.uintp(starts[g, j]), np.uintp(starts[g, j + np.uintp(1)]), post, weight, 1)
        add_shifted(current[targets[g]], sums, exponents[g], n)


@jitable
def record_rows(target: Any, t: Any, base: Any, rows: Any, start: Any, count: Any, n: Any) -> None:
    """Copy target[t, j, base : base + n] = rows[j][start : start + n], if there is a target."""
    if target.shape[0] > 0:
        for j in range(count):
            copy_row(target[t, j], base, rows[j], start, n)


@cache
def population_kernel(model_name: str) -> Callable[..., None]:
    """Compile the kernel that runs one population of this model.

    Its arguments are

    arriving : (currents, steps, batch·n) int32
        What arrives from other populations.
    outputs : (depth + steps, batch·n)
        int8 or, of a readout, int32; the first `depth` rows are the steps before.
    dense, sparse
        `DenseGroups` and `SparseGroups`, the connections of the population with itself.
    state
        d arrays (batch·n,) int32, updated.
    per_neuron, constants : (parameters, n), (constants,)
        Of the model.
    states, currents : (steps, d, batch·n), (steps, currents, batch·n)
        Filled if not empty.
    events : (batch, bits)
        Counts, added to.
    first, stop
        Samples.
    """
    model = get_model(model_name)
    step, d, bits, inputs = model.fixed_step, model.d, len(model.events), model.currents
    pick_s, put_s, load_i = PICK[d], PUT[d], LOAD[inputs]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]
    lane = lane32 if model.lanes else wide

    def kernel(
        arriving, outputs, depth, dense, sparse, state, per_neuron, constants, states, currents, events, first, stop
    ):
        n, before = np.uintp(per_neuron.shape[1]), np.uintp(depth)
        some_dense, some_sparse = dense.lags.shape[0] > 0, sparse.lags.shape[0] > 0
        # as far back as feedback reaches
        ring = np.uintp(1)
        if some_dense:
            ring = max(ring, np.uintp(dense.lags.max()))
        if some_sparse:
            ring = max(ring, np.uintp(sparse.lags.max()))
        active, counts = np.zeros((ring, n + np.uintp(1)), np.uintp), np.zeros(ring, np.uintp)
        sums, part = np.zeros(n, np.int32), np.zeros(n, np.int16)
        current = np.zeros((inputs, n), np.int32)
        # eight neurons a word, so that those which are silent, or without events, are passed over together
        padded = (n + np.uintp(7)) & ~np.uintp(7)
        z, happened = np.zeros(padded, outputs.dtype), np.zeros(padded, np.int8)
        words, masks = z.view(np.uint64), happened.view(np.uint64)
        shared = head(constants)
        for b in range(np.uintp(first), np.uintp(stop)):
            base = b * n
            copy_row(z, np.uintp(0), outputs[before - np.uintp(1)], base, n)
            start_ring(active, counts, outputs, before, base, n)
            for t in range(np.uintp(arriving.shape[1])):
                for c in range(np.uintp(inputs)):
                    copy_row(current[c], np.uintp(0), arriving[c, t], base, n)
                if some_dense:
                    add_dense_feedback(current, sums, part, dense, active, counts, t, n)
                if some_sparse:
                    add_sparse_feedback(current, sums, sparse, active, counts, t, n)
                sent = outputs[before + t]
                for i in range(n):
                    p = lane(load_p(per_neuron, i)) + shared
                    s, spike, event = step(lane(pick_s(state, base + i)), lane(z[i]), lane(load_i(current, i)), p)
                    put_s(state, base + i, s)
                    z[i] = spike
                    sent[base + i] = spike
                    happened[i] = event
                if some_dense or some_sparse:
                    counts[t % ring] = find_spikes(active[t % ring], words)
                if anything(masks):
                    count_events(events[b], happened, bits)
                record_rows(states, t, base, state, base, d, n)
                record_rows(currents, t, base, current, np.uintp(0), inputs, n)

    return compile_kernel(kernel, disjoint=True)

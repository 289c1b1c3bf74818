"""Compiled loop of one population in integers: its own feedback and its neurons, over a block of steps.

Axes, threads and widths as in `synapses`. A model that says so (`lanes`) runs in 32 bits, other models in 64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.jit import compile_kernel, jitable
from hypr_neuro.numbers.lanes import lane32, plain
from hypr_neuro.numbers.unrolled import HEAD, LOAD, PICK, PUT
from hypr_neuro.sim.synapses import add_rows, add_sparse, clear, find_active, find_spikes


@jitable
def wide(x: Any) -> Any:
    """Stands for `lane32` where a model needs 64 bits."""
    return x


@jitable
def count_events(counts: Any, happened: Any, bits: Any) -> None:
    """counts[bit] += the neurons whose mask has that bit."""
    for bit in range(bits):
        total = lane32(0)
        for i in range(np.uintp(happened.shape[0])):
            total += (lane32(happened[i]) >> bit) & 1
        counts[bit] += plain(total)


@jitable
def anything(words: Any) -> Any:
    """Whether a bit is set in any word."""
    seen = np.uint64(0)
    for w in range(np.uintp(words.shape[0])):
        seen |= words[w]
    return seen != np.uint64(0)


@jitable
def copy_row(target: Any, at: Any, source: Any, start: Any, n: Any) -> None:
    """target[at : at + n] = source[start : start + n]."""
    for i in range(n):
        target[at + i] = source[start + i]


@jitable
def add_shifted(current: Any, sums: Any, exponent: Any, n: Any) -> None:
    """current += shift(sums, exponent)."""
    for i in range(n):
        current[i] = lane32(current[i]) + shift(lane32(sums[i]), exponent)


@jitable
def start_ring(active: Any, found: Any, outputs: Any, before: Any, base: Any, n: Any) -> None:
    """Slot r of the ring holds who fired in a step s with s mod ring = r, here those before the block."""
    ring = np.uintp(found.shape[0])
    for r in range(ring):
        found[r] = find_active(active[r], outputs[before - ring + r], base, n)


@jitable
def add_dense_feedback(
    current: Any, sums: Any, part: Any, groups: Any, active: Any, found: Any, t: Any, n: Any
) -> None:
    """current[target] += what those who fired `lag` steps before send over whole rows of weights, for each group."""
    lags, exponents, targets, chunks, rows = groups
    ring = np.uintp(found.shape[0])
    for g in range(np.uintp(lags.shape[0])):
        then = (t + ring - np.uintp(lags[g])) % ring
        clear(sums, n)
        add_rows(sums, part, rows[g], active[then], found[then], n, np.uintp(chunks[g]))
        add_shifted(current[targets[g]], sums, exponents[g], n)


@jitable
def add_sparse_feedback(current: Any, sums: Any, groups: Any, active: Any, found: Any, t: Any, n: Any) -> None:
    """current[target] += what those who fired `lag` steps before send, for each group of synapses."""
    lags, exponents, targets, starts, post, weight = groups
    ring = np.uintp(found.shape[0])
    for g in range(np.uintp(lags.shape[0])):
        then = (t + ring - np.uintp(lags[g])) % ring
        clear(sums, n)
        for k in range(found[then]):
            j = active[then, k]
            add_sparse(sums, np.uintp(starts[g, j]), np.uintp(starts[g, j + np.uintp(1)]), post, weight, 1)
        add_shifted(current[targets[g]], sums, exponents[g], n)


@jitable
def record_rows(target: Any, t: Any, base: Any, rows: Any, start: Any, count: Any, n: Any) -> None:
    """target[t, j, base : base + n] = rows[j][start : start + n], if there is a target."""
    if target.shape[0] > 0:
        for j in range(count):
            copy_row(target[t, j], base, rows[j], start, n)


@cache
def population_kernel(model_name: str) -> Callable[..., None]:
    """Kernel that runs one population of this model.

    arriving : (currents, steps, batch·n) int32, what arrives from elsewhere
    outputs : (kept + steps, batch·n), int8 or, of a readout, int32; its first `kept` rows are the steps before
    dense, sparse : feedback in groups, tuples of lags, exponents, targets (groups,): steps, exponent of the sum, input
        current; then chunks (groups,) and rows (groups, n, n) as in `synapses.spikes_kernel`, or starts (groups, n+1),
        post and weight (synapses,) as in `synapses.sparse_kernel`
    state : d arrays (batch·n,) int32, updated. per_neuron : (parameters, n), constants : (constants,)
    states, currents : (steps, d, batch·n), (steps, currents, batch·n), filled if not empty
    events : (batch, bits) counts, added to
    """
    model = get_model(model_name)
    step, d, bits, inputs = model.fixed_step, model.d, len(model.events), model.currents
    pick_s, put_s, load_i = PICK[d], PUT[d], LOAD[inputs]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]
    lane = lane32 if model.lanes else wide

    def kernel(
        arriving, outputs, kept, dense, sparse, state, per_neuron, constants, states, currents, events, first, stop
    ):
        n, before = np.uintp(per_neuron.shape[1]), np.uintp(kept)
        some_dense, some_sparse = dense[0].shape[0] > 0, sparse[0].shape[0] > 0
        # as far back as feedback reaches
        ring = np.uintp(1)
        if some_dense:
            ring = max(ring, np.uintp(dense[0].max()))
        if some_sparse:
            ring = max(ring, np.uintp(sparse[0].max()))
        active, found = np.zeros((ring, n + np.uintp(1)), np.uintp), np.zeros(ring, np.uintp)
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
            start_ring(active, found, outputs, before, base, n)
            for t in range(np.uintp(arriving.shape[1])):
                for c in range(np.uintp(inputs)):
                    copy_row(current[c], np.uintp(0), arriving[c, t], base, n)
                if some_dense:
                    add_dense_feedback(current, sums, part, dense, active, found, t, n)
                if some_sparse:
                    add_sparse_feedback(current, sums, sparse, active, found, t, n)
                sent = outputs[before + t]
                for i in range(n):
                    p = lane(load_p(per_neuron, i)) + shared
                    s, spike, event = step(lane(pick_s(state, base + i)), lane(z[i]), lane(load_i(current, i)), p)
                    put_s(state, base + i, s)
                    z[i] = spike
                    sent[base + i] = spike
                    happened[i] = event
                if some_dense or some_sparse:
                    found[t % ring] = find_spikes(active[t % ring], words)
                if anything(masks):
                    count_events(events[b], happened, bits)
                record_rows(states, t, base, state, base, d, n)
                record_rows(currents, t, base, current, np.uintp(0), inputs, n)

    return compile_kernel(kernel, disjoint=True)

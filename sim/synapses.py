"""Compiled sums over synapses: spike-driven, a row of weights for every neuron that fired.

Batch and neurons share one axis, entry b·n + i; a call handles the samples first ≤ b < stop, so that threads share a
batch and results do not depend on how. Indices are unsigned because numba tests signed ones for being negative, which
stops the vectoriser. Sums have 32 bits (`IntegerNetwork` sees to it that they fit), those of eight rows at a time 16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane16, lane32, lowest_bit


@jitable
def find_active(active: Any, values: Any, base: Any, count: Any) -> Any:
    """List active[0…] = the j < count with values[base + j] ≠ 0; return how many.

    No branches: spikes are hard to guess.
    """
    listed = np.uintp(0)
    for j in range(count):
        active[listed] = j
        listed += np.uintp(values[base + j] != 0)
    return listed


@jitable
def find_spikes(active: Any, words: Any) -> Any:
    """List active[0…] = numbers of the bytes of `words` (uint64, eight neurons each) that are 1; return how many.

    Silent words cost one test, which pays where few of eight neurons fire; spikes cost the same everywhere.
    """
    listed = np.uintp(0)
    for w in range(np.uintp(words.shape[0])):
        word = words[w]
        while word != np.uint64(0):
            active[listed] = np.uintp(8) * w + (lowest_bit(word) >> np.uint64(3))
            listed += np.uintp(1)
            word &= word - np.uint64(1)
    return listed


@jitable
def add_row(part: Any, row: Any, n: Any) -> None:
    """Add part += row, in 16 bits."""
    for i in range(n):
        part[i] = lane16(part[i]) + lane16(row[i])


@jitable
def add_eight_rows(part: Any, rows: Any, active: Any, k: Any, n: Any) -> None:
    """Add the eight rows active[k], …, active[k+7] to part: one load and store of `part` instead of eight."""
    r0, r1, r2, r3 = rows[active[k]], rows[active[k + 1]], rows[active[k + 2]], rows[active[k + 3]]
    r4, r5, r6, r7 = rows[active[k + 4]], rows[active[k + 5]], rows[active[k + 6]], rows[active[k + 7]]
    for i in range(n):
        a = (lane16(r0[i]) + lane16(r1[i])) + (lane16(r2[i]) + lane16(r3[i]))
        b = (lane16(r4[i]) + lane16(r5[i])) + (lane16(r6[i]) + lane16(r7[i]))
        part[i] = lane16(part[i]) + (a + b)


@jitable
def flush_part(sums: Any, part: Any, n: Any) -> None:
    """Add sums += part and clear part."""
    for i in range(n):
        sums[i] = lane32(sums[i]) + lane32(part[i])
        part[i] = 0


@jitable
def add_rows(sums: Any, part: Any, rows: Any, active: Any, count: Any, n: Any, chunk: Any) -> None:
    """Add sums[i] += Σ_k rows[active[k], i]; `chunk` rows at most fit the 16 bits of `part`, 0 before and after."""
    k = np.uintp(0)
    while k < count:
        stop = min(k + chunk, count)
        while k + np.uintp(8) <= stop:
            add_eight_rows(part, rows, active, k, n)
            k += np.uintp(8)
        while k < stop:
            add_row(part, rows[active[k]], n)
            k += np.uintp(1)
        flush_part(sums, part, n)


@jitable
def add_scaled_row(sums: Any, row: Any, z: Any, n: Any) -> None:
    """Add sums += z · row."""
    for i in range(n):
        sums[i] = lane32(sums[i]) + lane32(z) * lane32(row[i])


@jitable
def add_sparse(sums: Any, start: Any, stop: Any, post: Any, weight: Any, z: Any) -> None:
    """Add sums[post[s]] += z · weight[s] for start ≤ s < stop."""
    for s in range(start, stop):
        sums[np.uintp(post[s])] += z * weight[s]


@jitable
def add_kernel(sums: Any, starts: Any, places: Any, taps: Any, at: Any, weight: Any, z: Any, n: Any) -> None:
    """Add z · weight[tap] to the channels of each place that the place `at` of the input reaches, n sums a place."""
    for e in range(np.uintp(starts[at]), np.uintp(starts[at + np.uintp(1)])):
        base, row = np.uintp(places[e]) * np.uintp(n), weight[taps[e]]
        for o in range(np.uintp(weight.shape[1])):
            sums[base + o] = lane32(sums[base + o]) + lane32(z) * lane32(row[o])


@jitable
def clear(sums: Any, n: Any) -> None:
    """Set sums = 0."""
    for i in range(n):
        sums[i] = 0


@jitable
def deliver(arriving: Any, base: Any, sums: Any, bias: Any, on: Any, exponent: Any, n: Any) -> None:
    """Add arriving += shift(sums + on · bias, exponent)."""
    for i in range(n):
        total = lane32(sums[i]) + lane32(on) * lane32(bias[i])
        arriving[base + i] = lane32(arriving[base + i]) + shift(total, exponent)


@jitable
def deliver_ordered(arriving: Any, base: Any, sums: Any, order: Any, bias: Any, on: Any, exponent: Any, n: Any) -> None:
    """Add arriving += shift(sums[order] + on · bias, exponent)."""
    for i in range(n):
        total = lane32(sums[order[i]]) + lane32(on) * lane32(bias[i])
        arriving[base + i] = lane32(arriving[base + i]) + shift(total, exponent)


@cache
def spikes_kernel() -> Callable[..., None]:
    """Compile the kernel of a dense connection that carries spikes.

    Its arguments are

    sent : (steps, batch·pre)
        0 and 1.
    rows : (pre, n) int8 or int16
        Weights.
    chunk
        Rows that fit 16 bits together.
    bias : (n,) int32
        Mantissas of the bias axon.
    on : (steps,)
        1 where the bias axon has arrived, else 0.
    exponent
        Of the sum.
    arriving : (steps, batch·n) int32
        Added to.
    first, stop
        Samples.
    """

    def kernel(sent, rows, chunk, bias, on, exponent, arriving, first, stop):
        pre, n, limit = np.uintp(rows.shape[0]), np.uintp(rows.shape[1]), np.uintp(chunk)
        sums, part, active = np.zeros(n, np.int32), np.zeros(n, np.int16), np.zeros(pre + np.uintp(1), np.uintp)
        for b in range(np.uintp(first), np.uintp(stop)):
            for t in range(sent.shape[0]):
                clear(sums, n)
                count = find_active(active, sent[t], b * pre, pre)
                add_rows(sums, part, rows, active, count, n, limit)
                deliver(arriving[t], b * n, sums, bias, on[t], exponent, n)

    return compile_kernel(kernel, disjoint=True)


@cache
def graded_kernel() -> Callable[..., None]:
    """Compile the kernel of a dense connection that carries integers; arguments as in `spikes_kernel`, rows int32."""

    def kernel(sent, rows, chunk, bias, on, exponent, arriving, first, stop):
        pre, n = np.uintp(rows.shape[0]), np.uintp(rows.shape[1])
        sums, active = np.zeros(n, np.int32), np.zeros(pre + np.uintp(1), np.uintp)
        for b in range(np.uintp(first), np.uintp(stop)):
            for t in range(sent.shape[0]):
                clear(sums, n)
                values = sent[t]
                count = find_active(active, values, b * pre, pre)
                for k in range(count):
                    add_scaled_row(sums, rows[active[k]], values[b * pre + active[k]], n)
                deliver(arriving[t], b * n, sums, bias, on[t], exponent, n)

    return compile_kernel(kernel, disjoint=True)


@cache
def sparse_kernel() -> Callable[..., None]:
    """Compile the kernel of a sparse connection, spikes or any integers.

    Arguments as in `spikes_kernel`, with

    starts : (pre + 1,) int64
        Where the synapses of each presynaptic neuron start.
    post, weight : (synapses,) int32
        Receiving neurons and mantissas.
    """

    def kernel(sent, starts, post, weight, bias, on, exponent, arriving, first, stop):
        pre, n = np.uintp(starts.shape[0] - 1), np.uintp(bias.shape[0])
        sums, active = np.zeros(n, np.int32), np.zeros(pre + np.uintp(1), np.uintp)
        for b in range(np.uintp(first), np.uintp(stop)):
            for t in range(sent.shape[0]):
                clear(sums, n)
                values = sent[t]
                count = find_active(active, values, b * pre, pre)
                for k in range(count):
                    j = active[k]
                    begin, end = np.uintp(starts[j]), np.uintp(starts[j + np.uintp(1)])
                    add_sparse(sums, begin, end, post, weight, values[b * pre + j])
                deliver(arriving[t], b * n, sums, bias, on[t], exponent, n)

    return compile_kernel(kernel, disjoint=True)


@cache
def convolution_kernel() -> Callable[..., None]:
    """Compile the kernel of a convolution, spikes or any integers: a row of output channels for every place reached.

    Arguments as in `spikes_kernel`, with those of `delivery.KernelWeights` in the place of rows and chunk.
    """

    def kernel(
        sent,
        starts,
        place,
        tap,
        at,
        channel,
        weight,
        first_of,
        order,
        channels,
        bias,
        on,
        exponent,
        arriving,
        first,
        stop,
    ):
        pre, n = np.uintp(at.shape[0]), np.uintp(bias.shape[0])
        sums, active = np.zeros(n, np.int32), np.zeros(pre + np.uintp(1), np.uintp)
        for b in range(np.uintp(first), np.uintp(stop)):
            for t in range(sent.shape[0]):
                clear(sums, n)
                values = sent[t]
                count = find_active(active, values, b * pre, pre)
                for k in range(count):
                    j = active[k]
                    c, z = channel[j], values[b * pre + j]
                    add_kernel(sums[first_of[c] :], starts, place, tap, np.uintp(at[j]), weight[c], z, channels)
                deliver_ordered(arriving[t], b * n, sums, order, bias, on[t], exponent, n)

    return compile_kernel(kernel, disjoint=True)

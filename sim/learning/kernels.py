"""Compiled loops of learning in integers, batch 1: Jacobians, eligibilities and gradients of one layer.

For synapse (i, k) of a layer, in every step of its window,

    ε_j ← sat(round((A_j ε + F_j e) / 2^kc) + b_j pre_k),        b = round(B 2^fe / 2^kc)
    e   = sat(round((C ε_t + C' ε_{t-1}) / 2^kc))
    G   ← sat(G + round(g_i e / 2^gs))

with the entries of `fixed_jacobian` (kc fraction bits, clamped to `entry bits`), ε and e with fe fraction bits, g_i the
learning signal. Rows with F_j are taken after e, which does not depend on them. A neuron parameter has one eligibility
η a neuron, with fp fraction bits (`layer_learner.parameter_fraction`); P 2^(fp - state fraction) arrives in place of
b pre, E 2^fp is added to the sum of its e, and its gradient takes round(g e / 2^(gs + fe - fp)).

A block runs in tiles: Jacobians of all neurons for a few steps first, vectors over neurons; then neuron by neuron, its
eligibilities through these steps, vectors over synapses, which stay in the first cache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.structure import structure
from hypr_neuro.numbers.fixed_point import NEAREST, ZERO, shr_nearest
from hypr_neuro.numbers.jit import compile_kernel, jitable
from hypr_neuro.numbers.lanes import lane32
from hypr_neuro.numbers.unrolled import DOT, HEAD, LOAD, PICK, PUT
from hypr_neuro.sim.learning.entries import (
    ARRIVE,
    CLAMP,
    CLAMP_ENTRIES,
    DIFFERENT,
    GET_INTS,
    GET_LANES,
    HIGH,
    LOW,
    NARROW,
    PUT_ENTRIES,
    SCALED,
    TIMES,
    WIDE,
    narrow,
    wide,
)

TILE = 32
"""Steps of a tile."""


class Widths(NamedTuple):
    """Widths of a layer as kernels take them; `gradient_shift` is gs."""

    coefficient_fraction: int
    eligibility_fraction: int
    eligibility_bits: int
    rounding: int
    gradient_shift: int
    accumulator_bits: int
    entry_bits: int
    state_fraction: int


JACOBIAN_CLIPS, ELIGIBILITY_CLIPS, ACCUMULATOR_CLIPS = range(3)


@jitable
def no_psi_index(s_prev: Any, s: Any, p: Any) -> int:
    """A readout has no ψ; entry 0 of its table is 0."""
    return 0


@jitable
def same(x: Any) -> Any:
    """Stands for `lane32` and for splitting where numbers need 64 bits."""
    return x


@jitable
def high_of(x: Any) -> Any:
    """x / 2^12, floored."""
    return x >> 12


@jitable
def low_of(x: Any) -> Any:
    """The 12 bits that `high_of` drops."""
    return x & 4095


@jitable
def narrow_increment(g: Any, e: Any, gs: Any) -> Any:
    """round(g e / 2^gs) in 32 bits, e in parts above and below 2^gs."""
    return g * (e >> gs) + ((g * (e & ((1 << gs) - 1)) + ((1 << gs) >> 1)) >> gs)


@jitable
def wide_increment(g: Any, e: Any, gs: Any) -> Any:
    """round(g e / 2^gs)."""
    return shr_nearest(g * e, gs)


def has_entries(model_name: str) -> tuple[bool, ...]:
    """For each array of `entries` whether the model has it."""
    found = structure(get_model(model_name))
    return (*chain.from_iterable(found.A), *found.B, *found.C, *found.late, *found.F)


@cache
def jacobian_tile(model_name: str) -> Callable[..., Any]:
    """Function that fills entries and gains B·C of the steps from `start` to `stop`; how many entries were clamped."""
    model = get_model(model_name)
    d, jacobian, has = model.d, model.fixed_jacobian, has_entries(model_name)
    psi_index = model.psi_index or no_psi_index
    put_entries, clamp_entries, dot, load_s = PUT_ENTRIES[d], CLAMP_ENTRIES[d], DOT[d], LOAD[d]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]

    def fill(sent, states, currents, per_neuron, constants, psi_table, entries, gains, start, stop, widths):
        n, k, top = np.uintp(per_neuron.shape[1]), widths[0], (1 << (widths[6] - 1)) - 1
        shared = head(constants)
        clipped = 0
        for t in range(start, stop):
            u = t - start
            before, after, fired, current, gain = states[t], states[t + np.uintp(1)], sent[t], currents[t], gains[u]
            for i in range(n):
                p = load_p(per_neuron, i) + shared
                s_prev, s = load_s(before, i), load_s(after, i)
                psi = psi_table[np.uintp(psi_index(s_prev, s, p))]
                A, B, C, late, _, _, F = jacobian(s_prev, s, fired[i], (current[i],), p, psi)
                A, B, C, late, F, lost = clamp_entries(A, B, C, late, F, top)
                clipped += lost
                put_entries(entries, u, i, A, B, C, late, F, has)
                gain[i] = shr_nearest(dot(B, C), k)
        return clipped

    return jitable(fill)


@cache
def eligibility_tile(model_name: str, lanes: bool, delayed: bool) -> Callable[..., Any]:
    """Function that takes eligibilities and gradient of neuron i through the steps from `start` to `stop`.

    lanes : in 32 bits, for numbers that `fits_lanes` allows. delayed : e waits in `ring` for its signal
    """
    d, has = get_model(model_name).d, has_entries(model_name)
    pick, put, dot, times, clamp, different = PICK[d], PUT[d], DOT[d], TIMES[d], CLAMP[d], DIFFERENT[d]
    arrive = ARRIVE[d]
    get, rows, finish = (GET_LANES[d], NARROW[d], narrow) if lanes else (GET_INTS[d], WIDE[d], wide)
    high, low, high_part, low_part = (HIGH[d], LOW[d], high_of, low_of) if lanes else (same, same, same, same)
    lane, increment = (lane32, narrow_increment) if lanes else (same, wide_increment)

    def advance(pre, entries, signal, eligibility, gradient, ring, slot, i, start, stop, lost, over, clips, widths):
        k, fe, rounding, gs = widths[0], widths[1], widths[3], widths[4]
        top, most = lane((1 << (widths[2] - 1)) - 1), lane((1 << (widths[5] - 1)) - 1)
        half, nearest, zero = lane(((1 << k) >> 1) * (rounding == NEAREST)), lane((1 << k) >> 1), lane(0)
        eligible, total, waiting = pick(eligibility, i), gradient[i], ring[0, i]
        for s in range(np.uintp(pre.shape[1])):
            lost[s], over[s] = 0, 0
        for t in range(start, stop):
            A, B, C, late, F = get(entries, t - start, i, has)
            b, g, arriving = arrive(B, fe, k, has), lane(signal[t, i]), pre[t]
            if delayed:
                waiting = ring[(slot + t) % np.uintp(ring.shape[0]), i]
            for s in range(np.uintp(pre.shape[1])):
                old = lane(pick(eligible, s))
                h, l, add = high(old), low(old), times(b, lane(arriving[s]))
                kept = clamp(rows(A, h, l, F, zero, zero, add, half, rounding, k), top)
                full = finish(dot(C, high(kept)) + dot(late, h), dot(C, low(kept)) + dot(late, l), nearest, NEAREST, k)
                e = min(max(full, -top), top)
                whole = rows(A, h, l, F, high_part(e), low_part(e), add, half, rounding, k)
                new = clamp(whole, top)
                put(eligible, s, new)
                # a sum in a variable would be gathered from its vector at every step
                lost[s] = lane32(lost[s]) + lane32((different(new, whole) | (e ^ full)) != 0)
                effect = e
                if delayed:
                    effect = lane(waiting[s])
                    waiting[s] = e
                sum_ = lane(total[s]) + increment(g, effect, gs)
                limited = min(max(sum_, -most), most)
                total[s] = limited
                over[s] = lane32(over[s]) + lane32(limited != sum_)
        for s in range(np.uintp(pre.shape[1])):
            clips[ELIGIBILITY_CLIPS] += lost[s]
            clips[ACCUMULATOR_CLIPS] += over[s]

    return jitable(advance)


@cache
def learning_kernel(model_name: str, lanes: bool, delayed: bool, weights: bool) -> Callable[..., None]:
    """Kernel that learns in one layer over a block of steps, for one sample.

    pre : (steps, synapses) what arrives at each synapse. sent : (steps, n) the layer's outputs of the step before
    states : (steps + 1, d, n), row 0 before the block. currents : (steps, n). signal : (steps, n) learning signals g
    eligibility : d arrays (n, synapses) int32, gradient : (n, synapses) int32; updated
    now : (steps, n) filled with round(B·C / 2^kc) g, what goes down to the layer below in the same step
    ring : (delay, n, synapses), gain_ring : (delay, n), what waits for its signal, step t in row (slot + t) mod delay
    entries, gains : room for a tile; lost, over : (synapses,) int32, room for counts
    clips : (3,) counts, added to. widths : `Widths`
    lanes, delayed : as in `eligibility_tile`. weights : False leaves out all but `now`
    """
    fill, advance = jacobian_tile(model_name), eligibility_tile(model_name, lanes, delayed)

    def kernel(
        pre,
        sent,
        states,
        currents,
        signal,
        per_neuron,
        constants,
        psi_table,
        eligibility,
        gradient,
        now,
        ring,
        gain_ring,
        slot,
        entries,
        gains,
        lost,
        over,
        clips,
        widths,
    ):
        n, steps, first = np.uintp(per_neuron.shape[1]), np.uintp(sent.shape[0]), np.uintp(slot)
        for start in range(np.uintp(0), steps, np.uintp(gains.shape[0])):
            stop = min(start + np.uintp(gains.shape[0]), steps)
            clips[JACOBIAN_CLIPS] += fill(
                sent, states, currents, per_neuron, constants, psi_table, entries, gains, start, stop, widths
            )
            for t in range(start, stop):
                gain, wait = gains[t - start], gain_ring[(first + t) % np.uintp(gain_ring.shape[0])]
                for i in range(n):
                    used = gain[i]
                    if delayed:
                        used = wait[i]
                        wait[i] = gain[i]
                    now[t, i] = np.int64(used) * signal[t, i]
            if weights:
                for i in range(n):
                    advance(
                        pre,
                        entries,
                        signal,
                        eligibility,
                        gradient,
                        ring,
                        first,
                        i,
                        start,
                        stop,
                        lost,
                        over,
                        clips,
                        widths,
                    )

    return compile_kernel(kernel, disjoint=True)


@cache
def parameter_kernel(model_name: str, parameter: int, delayed: bool) -> Callable[..., None]:
    """Kernel that learns one neuron parameter, the entry `parameter` of the model's `trainable`, over a block.

    eligibility : d arrays (n,) int32, gradient : (n,) int64; updated. ring : (delay, n). fp : fraction bits of the
    eligibility. Others as `learning_kernel`
    """
    model = get_model(model_name)
    d, jacobian = model.d, model.fixed_jacobian
    psi_index = model.psi_index or no_psi_index
    clamp_entries, dot, load_s, pick, put, clamp = CLAMP_ENTRIES[d], DOT[d], LOAD[d], PICK[d], PUT[d], CLAMP[d]
    rows, scaled, different = WIDE[d], SCALED[d], DIFFERENT[d]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]

    def kernel(
        sent,
        states,
        currents,
        signal,
        per_neuron,
        constants,
        psi_table,
        eligibility,
        gradient,
        ring,
        slot,
        clips,
        fp,
        widths,
    ):
        n, k, rounding = np.uintp(per_neuron.shape[1]), widths[0], widths[3]
        gs = max(widths[4] + widths[1] - fp, 0)
        top, most, limit = (1 << (widths[2] - 1)) - 1, (1 << (widths[5] - 1)) - 1, (1 << (widths[6] - 1)) - 1
        shared, lost, over, clipped = head(constants), 0, 0, 0
        for t in range(np.uintp(sent.shape[0])):
            before, after, fired, current, g = states[t], states[t + np.uintp(1)], sent[t], currents[t], signal[t]
            waiting = ring[(np.uintp(slot) + t) % np.uintp(ring.shape[0])]
            for i in range(n):
                p = load_p(per_neuron, i) + shared
                s_prev, s = load_s(before, i), load_s(after, i)
                psi = psi_table[np.uintp(psi_index(s_prev, s, p))]
                A, B, C, late, P, E, F = jacobian(s_prev, s, fired[i], (current[i],), p, psi)
                A, B, C, late, F, _ = clamp_entries(A, B, C, late, F, limit)
                direct = min(max(E[parameter], -limit), limit)
                add, old = scaled(P[parameter], fp - widths[7]), pick(eligibility, i)
                kept = clamp(rows(A, old, old, F, 0, 0, add, 0, rounding, k), top)
                full = shr_nearest(dot(C, kept) + dot(late, old) + (direct << fp), k)
                e = min(max(full, -top), top)
                whole = rows(A, old, old, F, e, e, add, 0, rounding, k)
                new = clamp(whole, top)
                put(eligibility, i, new)
                lost += 1 * ((different(new, whole) | (e ^ full)) != 0)
                clipped += 1 * (direct != E[parameter])
                effect = e
                if delayed:
                    effect = np.int64(waiting[i])
                    waiting[i] = e
                total = gradient[i] + shr_nearest(g[i] * effect, gs)
                gradient[i] = min(max(total, -most), most)
                over += 1 * (gradient[i] != total)
        clips[JACOBIAN_CLIPS] += clipped
        clips[ELIGIBILITY_CLIPS] += lost
        clips[ACCUMULATOR_CLIPS] += over

    return compile_kernel(kernel, disjoint=True)


def fits_lanes(model_name: str, widths: Widths, signal_bits: int, largest_pre: int) -> bool:
    """Whether every intermediate result of `eligibility_tile` fits 32 bits.

    Entries of 18 and eligibilities of 24 bits, split at 2^12: four products of 2^17 · 2^12, or 2^17 · 2^11, and half a
    unit stay below 2^31. What arrives, pre in 16 bits, and round(B 2^fe / 2^kc) · pre below 2^30.
    """
    w, found = widths, structure(get_model(model_name))
    most = max(sum(found.C) + sum(found.late), *(sum(row) + f for row, f in zip(found.A, found.F, strict=True)))
    return (
        most <= 4
        and largest_pre < 1 << 15
        and w.entry_bits <= 18
        and w.eligibility_bits <= 24
        and w.accumulator_bits <= 31
        and w.coefficient_fraction >= 12
        and w.eligibility_fraction <= 13
        and w.rounding != ZERO
        and signal_bits + w.eligibility_bits - 2 - w.gradient_shift <= 30
        and signal_bits - 1 + w.gradient_shift <= 29
        and largest_pre.bit_length() + w.entry_bits - 1 + w.eligibility_fraction - w.coefficient_fraction <= 29
    )

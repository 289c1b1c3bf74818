"""Compiled loops of learning in integers, batch 1: Jacobians, eligibilities and gradients of one layer.

They loop over the functions of `eligibility`, which has the equations. A block runs in tiles: Jacobians of all neurons
for a few steps first, vectors over neurons; then neuron by neuron, its eligibilities through these steps, vectors over
synapses, which stay in the first cache. Synapses run in 32 bits (`eligibility_lanes`) where their widths allow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.by_current import currents_at, jacobian_of
from hypr_neuro.neurons.structure import structure
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import ZERO, sat
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane32
from hypr_neuro.numbers.unrolled import HEAD, LOAD, PICK, PUT
from hypr_neuro.numbers.unrolling import unrolled
from hypr_neuro.sim.crossbar.eligibility import kept_eligibility
from hypr_neuro.sim.learning import eligibility, eligibility_lanes
from hypr_neuro.sim.learning.entries import masked_row, present, read_entries, write_entries
from hypr_neuro.sim.learning.widths import Widths

TILE = 32
"""Steps of a tile."""


JACOBIAN_CLIPS, ELIGIBILITY_CLIPS, ACCUMULATOR_CLIPS = range(3)


@jitable
def no_psi_index(s_prev: Any, s: Any, p: Any) -> int:
    """Stand for `psi_index` of a readout, which has no ψ: entry 0 of its table is 0."""
    return 0


@jitable
def same(x: Any) -> Any:
    """Stand for `lane32` where numbers need 64 bits."""
    return x


@jitable
def same_entries(A: Any, B: Any, C: Any, C_prev: Any, F: Any) -> Any:
    """Stand for `eligibility_lanes.entries_in_lanes` where numbers need 64 bits."""
    return A, B, C, C_prev, F


@cache
def jacobian_tile(model_name: str, input_current: int = 0) -> Callable[..., Any]:
    """Make the function that fills entries and gains B·C of the steps from `start` to `stop`, for one input current.

    It returns how many entries were clamped: of the second current and those behind it of B alone, as all else is that
    of the first.
    """
    model, mask = get_model(model_name), present(model_name, input_current)
    d, jacobian, psi_index = model.d, jacobian_of(model, input_current), model.psi_index or no_psi_index
    clamp = unrolled(eligibility.clamp_jacobian if input_current == 0 else eligibility.clamp_another, d)
    write, gain_of = unrolled(write_entries, d), unrolled(eligibility.gain, d)
    load_s, load_p, currents_of = LOAD[d], LOAD[len(model.fixed_per_neuron)], currents_at(model)
    head = HEAD[len(model.fixed_constants) + len(model.fixed_learning)]

    def fill(sent, states, currents, per_neuron, constants, psi_table, entries, gains, start, stop, widths):
        n = np.uintp(per_neuron.shape[1])
        shared = head(constants)
        clipped = 0
        for t in range(start, stop):
            u = t - start
            before, after, fired, current, gain = states[t], states[t + np.uintp(1)], sent[t], currents[t], gains[u]
            for i in range(n):
                p = load_p(per_neuron, i) + shared
                s_prev, s = load_s(before, i), load_s(after, i)
                psi = psi_table[np.uintp(psi_index(s_prev, s, p))]
                A, B, C, C_prev, _, _, F = jacobian(s_prev, s, fired[i], currents_of(current, i), p, psi)
                A, B, C, C_prev, F, count = clamp(A, B, C, C_prev, F, widths.entry_bits)
                clipped += count
                write(entries, u, i, A, B, C, C_prev, F, mask)
                gain[i] = gain_of(B, C, widths.coefficient_fraction)
        return clipped

    return jitable(fill)


@cache
def eligibility_tile(
    model_name: str,
    lanes: bool,
    delayed: bool,
    numbers: bool = False,
    input_current: int = 0,
    analog: bool = False,
) -> Callable[..., Any]:
    """Make the function that takes eligibilities and gradient of neuron i through the steps from `start` to `stop`.

    Row t - origin of `pre` is what arrives in step t.

    lanes : in 32 bits, for numbers that `fits_lanes` allows. delayed : e waits in `ring` for its signal
    numbers : messages of 2^scales[s] units arrive, not in lanes. input_current : to which the synapses belong
    analog : eligibilities are kept as `crossbar.eligibility` says, not in lanes, with `store` = (kept, amplitude,
    words of the steps); store is () of others
    """
    d, mask = get_model(model_name).d, present(model_name, input_current)
    pick, put, read, only = PICK[d], PUT[d], unrolled(read_entries, d), unrolled(masked_row, d)
    by_current, by_synapse = unrolled(eligibility.drive_of_current, d), unrolled(eligibility.drive_of_synapse, d)
    by_number = unrolled(eligibility.drive_of_number, d)
    arithmetic = eligibility_lanes if lanes else eligibility
    step, gradient_step = unrolled(arithmetic.eligibility_step, d), arithmetic.gradient_step
    lane = lane32 if lanes else same
    taken = unrolled(eligibility_lanes.entries_in_lanes, d) if lanes else same_entries
    with_current = mask[1]
    keep = unrolled(kept_eligibility, d)

    def advance(
        pre,
        origin,
        scales,
        entries,
        signal,
        eligibility,
        gradient,
        ring,
        slot,
        i,
        start,
        stop,
        lost,
        over,
        clips,
        widths,
        store,
    ):
        kc, fe, bits = widths.coefficient_fraction, widths.eligibility_fraction, widths.eligibility_bits
        rounding, gs, most, zero = widths.rounding, widths.gradient_shift, widths.accumulator_bits, lane(0)
        eligible, total, waiting = pick(eligibility, i), gradient[i], ring[0, i]
        for s in range(np.uintp(pre.shape[1])):
            lost[s], over[s] = 0, 0
        for t in range(start, stop):
            A, B, C, C_prev, F = read(entries, t - start, i, mask)
            A, B, C, C_prev, F = taken(A, B, C, C_prev, F)
            drive, g, arriving = only(by_current(B, fe, kc), with_current), lane(signal[t, i]), pre[t - origin]
            if delayed:
                waiting = ring[(slot + t) % np.uintp(ring.shape[0]), i]
            for s in range(np.uintp(pre.shape[1])):
                if numbers:
                    b = by_number(drive, np.int64(arriving[s]), scales[s])
                else:
                    b = by_synapse(drive, lane(arriving[s]))
                old = lane(pick(eligible, s))
                new, e, clipped = step(old, A, C, C_prev, F, b, zero, kc, rounding, bits)
                if analog:
                    shares, amplitude, words = store
                    number = np.int64(i) * pre.shape[1] + np.int64(s)
                    new = keep(new, drive, np.int64(shares[i, s]), amplitude, words[t], number, bits)
                put(eligible, s, new)
                # a sum in a variable would be gathered from its vector at every step
                lost[s] = lane32(lost[s]) + lane32(clipped)
                effect = e
                if delayed:
                    effect = lane(waiting[s])
                    waiting[s] = e
                total[s], clipped = gradient_step(lane(total[s]), g, effect, gs, most)
                over[s] = lane32(over[s]) + lane32(clipped)
        for s in range(np.uintp(pre.shape[1])):
            clips[ELIGIBILITY_CLIPS] += lost[s]
            clips[ACCUMULATOR_CLIPS] += over[s]

    return jitable(advance)


@jitable
def gather_rows(lines: Any, index: Any, start: Any, stop: Any, rows: Any) -> None:
    """Write what arrives at each synapse of a neuron in a tile: rows[u, s] = lines[start + u, index[s]]."""
    for t in range(start, stop):
        line, row = lines[t], rows[t - start]
        for s in range(np.uintp(index.shape[0])):
            row[s] = line[np.uintp(index[s])]


@cache
def learning_kernel(
    model_name: str,
    lanes: bool,
    delayed: bool,
    weights: bool,
    listed: bool = False,
    numbers: bool = False,
    input_current: int = 0,
    analog: bool = False,
) -> Callable[..., None]:
    """Make the kernel that learns in one layer over a block of steps, for one sample: synapses of one input current.

    pre : (steps, synapses) what arrives at each synapse; of neurons with a list each, (steps, sources), of which
    `index` (n, synapses) names one for each synapse. rows : (tile, synapses), room
    sent : (steps, n) the layer's outputs of the step before
    states : (steps + 1, d, n), row 0 before the block. currents : (steps, n), of several (steps, currents, n)
    signal : (steps, n) learning signals g
    eligibility : d arrays (n, synapses) int32, gradient : (n, synapses) int32; updated
    weighted_signal : (steps, n) filled with nearest(B·C / 2^kc) g, which the layer below receives in the same step
    ring : (delay, n, synapses), gain_ring : (delay, n), what waits for its signal, step t in row (slot + t) mod delay
    entries, gains : room for a tile; lost, over : (synapses,) int32, room for counts
    clips : (3,) counts, added to. widths : `Widths`
    lanes, delayed : as in `eligibility_tile`. weights : False leaves out all but `weighted_signal`
    listed : whether each neuron has a list of synapses of its own
    numbers, scales, analog, store : as in `eligibility_tile`
    constants : of the layer, then those of learning that the model asks for
    """
    fill = jacobian_tile(model_name, input_current)
    advance = eligibility_tile(model_name, lanes, delayed, numbers, input_current, analog)

    def kernel(
        pre,
        index,
        rows,
        scales,
        sent,
        states,
        currents,
        signal,
        per_neuron,
        constants,
        psi_table,
        eligibility,
        gradient,
        weighted_signal,
        ring,
        gain_ring,
        slot,
        entries,
        gains,
        lost,
        over,
        clips,
        widths,
        store,
    ):
        n, steps, first = np.uintp(per_neuron.shape[1]), np.uintp(sent.shape[0]), np.uintp(slot)
        zero = np.uintp(0)
        for start in range(zero, steps, np.uintp(gains.shape[0])):
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
                    weighted_signal[t, i] = np.int64(used) * signal[t, i]
            if weights:
                for i in range(n):
                    if listed:
                        gather_rows(pre, index[i], start, stop, rows)
                    arriving, origin = rows if listed else pre, start if listed else start - start
                    advance(
                        arriving,
                        origin,
                        scales,
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
                        store,
                    )

    return compile_kernel(kernel, disjoint=True)


@cache
def parameter_kernel(model_name: str, parameter: int, delayed: bool) -> Callable[..., None]:
    """Make the kernel that learns one neuron parameter, entry `parameter` of the model's `trainable`, over a block.

    eligibility : d arrays (n,) int32, gradient : (n,) int64; updated. ring : (delay, n). fp : fraction bits of the
    eligibility. Others as `learning_kernel`
    """
    model = get_model(model_name)
    d, jacobian, psi_index = model.d, jacobian_of(model), model.psi_index or no_psi_index
    load_s, pick, put, currents_of = LOAD[d], PICK[d], PUT[d], currents_at(model)
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants) + len(model.fixed_learning)]
    clamp, driven = unrolled(eligibility.clamp_jacobian, d), unrolled(eligibility.drive_of_parameter, d)
    step, gradient_step = unrolled(eligibility.eligibility_step, d), eligibility.gradient_step

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
        n, kc, rounding = np.uintp(per_neuron.shape[1]), widths.coefficient_fraction, widths.rounding
        bits, entry_bits, most = widths.eligibility_bits, widths.entry_bits, widths.accumulator_bits
        gs = max(widths.gradient_shift + widths.eligibility_fraction - fp, 0)
        shared, lost, over, clipped = head(constants), 0, 0, 0
        for t in range(np.uintp(sent.shape[0])):
            before, after, fired, current, g = states[t], states[t + np.uintp(1)], sent[t], currents[t], signal[t]
            waiting = ring[(np.uintp(slot) + t) % np.uintp(ring.shape[0])]
            for i in range(n):
                p = load_p(per_neuron, i) + shared
                s_prev, s = load_s(before, i), load_s(after, i)
                psi = psi_table[np.uintp(psi_index(s_prev, s, p))]
                A, B, C, C_prev, P, E, F = jacobian(s_prev, s, fired[i], currents_of(current, i), p, psi)
                A, B, C, C_prev, F, _ = clamp(A, B, C, C_prev, F, entry_bits)
                direct = sat(E[parameter], entry_bits)
                clipped += 1 * (direct != E[parameter])
                drive = driven(P[parameter], fp - widths.state_fraction)
                new, e, was_lost = step(pick(eligibility, i), A, C, C_prev, F, drive, direct << fp, kc, rounding, bits)
                put(eligibility, i, new)
                lost += 1 * was_lost
                effect = e
                if delayed:
                    effect = np.int64(waiting[i])
                    waiting[i] = e
                gradient[i], was_over = gradient_step(gradient[i], g[i], effect, gs, most)
                over += 1 * was_over
        clips[JACOBIAN_CLIPS] += clipped
        clips[ELIGIBILITY_CLIPS] += lost
        clips[ACCUMULATOR_CLIPS] += over

    return compile_kernel(kernel, disjoint=True)


def fits_lanes(model_name: str, widths: Widths, largest_pre: int) -> bool:
    """Tell whether every intermediate result of `eligibility_tile` fits 32 bits.

    Entries of 18 and eligibilities of 24 bits, split at 2^12: four products of 2^17 · 2^12, or 2^17 · 2^11, and half a
    unit stay below 2^31. What arrives, pre in 16 bits, and round(B 2^fe / 2^kc) · pre below 2^30.
    """
    w, pattern = widths, structure(get_model(model_name))
    most = max(
        sum(pattern.C) + sum(pattern.C_prev), *(sum(row) + f for row, f in zip(pattern.A, pattern.F, strict=True))
    )
    return (
        most <= 4
        and largest_pre < 1 << 15
        and w.entry_bits <= 18
        and w.eligibility_bits <= 24
        and w.accumulator_bits <= 31
        and w.coefficient_fraction >= 12
        and w.eligibility_fraction <= 13
        and w.rounding != ZERO
        and w.signal_bits + w.eligibility_bits - 2 - w.gradient_shift <= 30
        and w.signal_bits - 1 + w.gradient_shift <= 29
        and largest_pre.bit_length() + w.entry_bits - 1 + w.eligibility_fraction - w.coefficient_fraction <= 29
    )

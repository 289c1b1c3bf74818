"""Compiled sums of crossbars: what the columns of each tile give, through the ADC, to the currents of neurons.

In step t a column i of a tile, rows j with inputs z_j, weights w_ij in mantissas and variances v_ij of a reading, gives

    code = sat(⌊(Σ_j z_j w_ij + √(Σ_j z_j² v_ij) ξ) / 2^s + 1/2⌋, adc_bits)

where ξ is a standard normal number of the counter (seed, sample, tensor, t) and the column: the sum of independent
readings of cells. The codes of all tiles are added up in integers, and

    current += ⌊(Σ code 2^s + half) 2^exponent⌋

is what integers give, exactly, where weights are whole, nothing is noisy and no code is saturated. Sums run over j in
order, so that results do not depend on threads or blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32, mix32, sat, shift
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane32
from hypr_neuro.numbers.unrolled import HEAD, LOAD, PICK, PUT
from hypr_neuro.sim.crossbar.drawing import normal_of
from hypr_neuro.sim.kernels import anything, copy_row, count_events, record_rows, wide


class Tiles(NamedTuple):
    """A matrix of cells with its converters.

    Attributes
    ----------
    weights, variances : (rows, n) float64
        By input, the last row that of the bias axon, which is always on.
    tile : int
        Rows of a tile.
    noisy : bool
        Whether a variance is not 0.
    number : int
        Third word of the counter. `first_column` : the number of its first column under it.
    lsb : int
        s. `adc_bits` : of a code.
    half, exponent : int
        Added to the sum in units of 2^min(s, 0), and its exponent then.
    """

    weights: Array
    variances: Array
    tile: int
    noisy: bool
    number: int
    first_column: int
    lsb: int
    adc_bits: int
    half: int
    exponent: int


@jitable
def add_row(sums: Any, row: Any, z: Any) -> None:
    """Add sums += z · row."""
    for i in range(np.uintp(sums.shape[0])):
        sums[i] += z * row[i]


@jitable
def convert(total: Any, sums: Any, noise: Any, noisy: Any, word: Any, column: Any, scale: Any, bits: Any) -> Any:
    """Add the codes of a tile's columns to `total`, clear the sums; return how many were saturated."""
    saturated = 0
    for i in range(total.shape[0]):
        value = sums[i]
        if noisy and noise[i] > 0.0:
            value += np.sqrt(noise[i]) * normal_of(mix32(word ^ ((column + i) & 4294967295)))
        code: Any = np.int64(np.floor(value * scale + 0.5))
        kept = sat(code, bits)
        saturated += 1 * (kept != code)
        total[i] += kept
        sums[i], noise[i] = 0.0, 0.0
    return saturated


@jitable
def read_tiles(tiles: Any, sent: Any, base: Any, on: Any, seed: Any, sample: Any, t: Any, room: Any) -> Any:
    """Fill room[0] with the codes of one step, summed over tiles; return how many were saturated.

    sent : (batch·pre,), of which those of the sample start at `base`. on : 1 where the bias axon is. room : `total`
    (n,) int64, `sums` and `noise` (n,), zeros
    """
    weights, variances, tile, noisy, number, first, lsb, bits, _, _ = tiles
    total, sums, noise = room
    word, scale, saturated = draw32(seed, sample, number, t), 2.0 ** (-lsb), 0
    total[:] = 0
    rows, n = weights.shape
    for j in range(rows):
        z = on if j == rows - 1 else np.int64(sent[base + j])
        if z != 0:
            add_row(sums, weights[j], np.float64(z))
            if noisy:
                add_row(noise, variances[j], np.float64(z * z))
        if j % tile == tile - 1 or j == rows - 1:
            saturated += convert(total, sums, noise, noisy, word, first + (j // tile) * n, scale, bits)
    return saturated


@jitable
def add_codes(current: Any, at: Any, total: Any, tiles: Any) -> None:
    """Add the currents of summed codes, saturated to 32 bits."""
    lsb, half, exponent = tiles[6], tiles[8], tiles[9]
    for i in range(total.shape[0]):
        value: Any = shift(shift(total[i], max(lsb, 0)) + half, exponent)
        before: Any = np.int64(current[at + i])
        current[at + i] = sat(before + sat(value, 32), 32)


@jitable
def make_room(n: Any) -> Any:
    """Return zeros for `read_tiles`."""
    return np.zeros(n, np.int64), np.zeros(n), np.zeros(n)


@cache
def delivery_kernel() -> Callable[..., None]:
    """Make the kernel (tiles, sent, on, seed, samples, time, arriving, counts, first, stop) of one connection.

    sent : (steps, batch·pre), on : (steps,), samples : (batch,) their numbers, time : first step. arriving : (steps,
    batch·n) int32, added to. counts : (batch, 2) conversions and those saturated, added to
    """

    def kernel(tiles, sent, on, seed, samples, time, arriving, counts, first, stop):
        rows, n = tiles.weights.shape
        room = make_room(n)
        tiled = (rows - 1) // tiles.tile + 1
        for b in range(first, stop):
            for t in range(sent.shape[0]):
                counts[b, 1] += read_tiles(tiles, sent[t], b * (rows - 1), on[t], seed, samples[b], time + t, room)
                counts[b, 0] += tiled * n
                add_codes(arriving[t], b * n, room[0], tiles)

    return compile_kernel(kernel)


@cache
def population_kernel(model_name: str, groups: int) -> Callable[..., None]:
    """Make the kernel that runs one population of which so many crossbars bring its own spikes back.

    Its arguments are those of `sim.kernels.population_kernel`, in place of the dense and sparse groups

    feedback
        `Tiles` of each crossbar in a tuple; lags, targets : (groups,) steps from sending to arriving and input current.
    seed, samples, time, counts
        As of `delivery_kernel`.
    """
    model = get_model(model_name)
    step, d, bits, inputs = model.fixed_step, model.d, len(model.events), model.currents
    pick_s, put_s, load_i = PICK[d], PUT[d], LOAD[inputs]
    load_p, head = LOAD[len(model.fixed_per_neuron)], HEAD[len(model.fixed_constants)]
    lane = lane32 if model.lanes else wide

    def kernel(
        arriving,
        outputs,
        depth,
        feedback,
        lags,
        targets,
        seed,
        samples,
        time,
        counts,
        state,
        per_neuron,
        constants,
        states,
        currents,
        events,
        first,
        stop,
    ):
        n, before = np.uintp(per_neuron.shape[1]), np.uintp(depth)
        current, room = np.zeros((inputs, n), np.int32), make_room(n)
        padded = (n + np.uintp(7)) & ~np.uintp(7)
        z, happened = np.zeros(padded, outputs.dtype), np.zeros(padded, np.int8)
        masks = happened.view(np.uint64)
        shared = head(constants)
        for b in range(np.uintp(first), np.uintp(stop)):
            base = b * n
            copy_row(z, np.uintp(0), outputs[before - np.uintp(1)], base, n)
            for t in range(np.uintp(arriving.shape[1])):
                for c in range(np.uintp(inputs)):
                    copy_row(current[c], np.uintp(0), arriving[c, t], base, n)
                for g in range(groups):
                    then, tiles = outputs[before + t - np.uintp(lags[g])], feedback[g]
                    counts[b, 1] += read_tiles(
                        tiles, then, np.int64(base), 0, seed, samples[b], time + np.int64(t), room
                    )
                    counts[b, 0] += ((tiles.weights.shape[0] - 1) // tiles.tile + 1) * np.int64(n)
                    add_codes(current[targets[g]], 0, room[0], tiles)
                sent = outputs[before + t]
                for i in range(n):
                    p = lane(load_p(per_neuron, i)) + shared
                    s, spike, event = step(lane(pick_s(state, base + i)), lane(z[i]), lane(load_i(current, i)), p)
                    put_s(state, base + i, s)
                    z[i] = spike
                    sent[base + i] = spike
                    happened[i] = event
                if anything(masks):
                    count_events(events[b], happened, bits)
                record_rows(states, t, base, state, base, d, n)
                record_rows(currents, t, base, current, np.uintp(0), inputs, n)

    return compile_kernel(kernel)

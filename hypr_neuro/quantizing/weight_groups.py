"""Weights of one connection in groups by size, each with an exponent of its own.

A mantissa of b bits has room for weights up to 2^(b-1) steps; small weights beside one large weight lose most of their
bits. Loihi gives every list of synapses its own exponent, so large and small weights may go into different lists, each
weight into one of them: the memory is the same.

Groups are ranges of octaves below the largest weight. With the step 2^e that the largest weight of a group needs,

    error = Σ_groups Σ_w (round(w / 2^e) 2^e - w)²

is made smallest over all such ranges; a further group must divide it by LEAST_GAIN at least.

Or each neuron has an exponent of its own: the rows of the matrix whose largest weights need the same step form a group.
A weight that learns then keeps the room of its row, where one in a group of small weights ends at the group's largest.
"""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np

from hypr_neuro.numbers.arrays import Array

LEAST_GAIN = 2.0
OCTAVES = 10
"""Ends of groups lie at most so many halvings below the largest weight."""


def split_by_size(weights: Array, top: int, groups: int) -> list[Array]:
    """Return at most `groups` masks of the weights' shape, large weights first; each weight is in one.

    `top` is the largest mantissa.
    """
    magnitude = np.abs(weights)
    largest = float(magnitude.max()) if weights.size else 0.0
    if groups == 1 or largest == 0.0:
        return [np.ones(weights.shape, np.bool_)]
    with np.errstate(divide="ignore"):
        octave = np.clip(np.floor(np.log2(largest / magnitude)), 0, OCTAVES - 1).astype(np.int64)
    used = [int(k) for k in np.unique(octave)]
    error = {
        (a, b): rounding_error(weights[(octave >= a) & (octave < b)], top) for a, b in combinations([*used, OCTAVES], 2)
    }
    best = error[used[0], OCTAVES]
    ends: tuple[int, ...] = (used[0], OCTAVES)
    for count in range(2, groups + 1):
        partitions = [(used[0], *cuts, OCTAVES) for cuts in combinations(used[1:], count - 1)]
        if not partitions:
            break
        least = min(partitions, key=lambda candidate: sum(error[pair] for pair in pairwise(candidate)))
        total = sum(error[pair] for pair in pairwise(least))
        if total * LEAST_GAIN <= best and best > 0.0:
            best, ends = total, least
    return [(octave >= a) & (octave < b) for a, b in pairwise(ends)]


def split_by_row(weights: Array, rows: Array, top: int) -> list[Array]:
    """Return masks of the weights' shape, each of the rows that need one step, the largest step first.

    `rows` has the row of each weight; rows without weights are in no group. `top` is the largest mantissa.
    """
    magnitude = np.abs(weights).ravel()
    largest = np.zeros(int(rows.max(initial=0)) + 1)
    np.maximum.at(largest, rows.ravel(), magnitude)
    with np.errstate(divide="ignore"):
        step = np.ceil(np.log2(largest / top))
    steps = [s for s in np.unique(step)[::-1] if np.isfinite(s)]
    if len(steps) < 2:
        return [np.ones(weights.shape, np.bool_)]
    of_weight = step[rows].reshape(weights.shape)
    return [of_weight == s for s in steps]


def rounding_error(weights: Array, top: int) -> float:
    """Return the squared error of rounding to mantissas up to `top`, under the exponent of the largest weight."""
    room = float(np.abs(weights).max()) if weights.size else 0.0
    if room == 0.0:
        return 0.0
    step = 2.0 ** np.ceil(np.log2(room / top))
    return float(np.sum((np.rint(weights / step) * step - weights) ** 2))

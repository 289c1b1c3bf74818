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
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.levels import least_error_exponent, top_of

ROW = "row"
LEAST_GAIN = 2.0
EXPONENTS = 64
"""No step of a row is further from 1 than so many halvings."""
OCTAVES = 10
"""Ends of groups lie at most so many halvings below the largest weight."""


def groups_of(
    c: FloatSynapses, stored: Array, bits: int, groups: int | str, *, limit: float, scale: float | None
) -> list[Array]:
    """Return masks of a connection's stored weights, each of those that have an exponent together.

    Parameters
    ----------
    c, stored
        The connection and its weights.
    bits
        Of a mantissa.
    groups
        Most groups, or "row".
    limit
        Larger weights become the largest mantissa.
    scale
        Units of the sum for a weight of 1, where exponents are those of least squared error; None where they are those
        of the largest weight.
    """
    top = top_of(bits)
    if isinstance(groups, int):  # binary weights have no 0, so that every one has a size
        return split_by_size(stored, top, 1 if bits == 1 else groups)
    if isinstance(c.weights, Convolution):  # the weights of a kernel lead to many neurons
        return split_by_size(stored, top, 1)
    matrix: Any = c.weights
    rows = np.indices(stored.shape)[0] if c.dense else np.repeat(np.arange(c.shape[0]), np.diff(matrix.indptr))
    if scale is not None:
        return split_by_step(stored * scale, rows, bits)
    return split_by_row(np.minimum(np.abs(stored), limit), rows, top)


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


def split_by_step(weights: Array, rows: Array, bits: int) -> list[Array]:
    """Return masks as `split_by_row`, of the rows whose least squared error is at one exponent.

    `weights` are in units of the sum, so that steps are those of the chip; `bits` are those of a mantissa.
    """
    flat, of_row = weights.ravel(), rows.ravel()
    order = np.argsort(of_row, kind="stable")
    starts = np.flatnonzero(np.diff(of_row[order], prepend=-1))
    step = np.full(int(of_row.max(initial=0)) + 1, -EXPONENTS)
    for row in np.split(order, starts[1:]) if order.size else ():
        step[of_row[row[0]]] = least_error_exponent(flat[row], bits, -EXPONENTS, EXPONENTS)
    return [step[rows].reshape(weights.shape) == s for s in np.unique(step[of_row])[::-1]]


def rounding_error(weights: Array, top: int) -> float:
    """Return the squared error of rounding to mantissas up to `top`, under the exponent of the largest weight."""
    room = float(np.abs(weights).max()) if weights.size else 0.0
    if room == 0.0:
        return 0.0
    step = 2.0 ** np.ceil(np.log2(room / top))
    return float(np.sum((np.rint(weights / step) * step - weights) ** 2))

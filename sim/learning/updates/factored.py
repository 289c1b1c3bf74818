"""Gradients normalised by row and column.

    R_i ← R_i + ⌊(mean_j G_ij²/2^s - R_i) / 2^k⌋, C_j likewise over rows; both start at the first values seen
    D_ij = max(⌊√R_i⌋ ⌊√C_j⌋ / ⌊√(mean R)⌋, 1) · 2^(s/2),  s = `squares_dropped`, 10 up to 2047 synapses a row or column
    step = clip(G_ij · rate / D_ij, ± limit · rate)

R and C are n + m numbers for n·m synapses; in real numbers D_ij = √(R_i C_j / mean R). The factored second moment is
that of Shazeer & Stern 2018 (Adafactor).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import isqrt, quotient, shr_floor
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.updates.base import (
    StateArray,
    UpdateRule,
    averaged,
    clipped,
    mean_square_bits,
    real_averaged,
    real_normalised,
    squares_dropped,
)


@jitable
def steps(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    """See the module."""
    row, column = state
    n, m = gradient.shape
    dropped = squares_dropped(max(n, m))
    root = np.zeros(m, np.int64)
    mean = 0
    for i in range(n):
        total = 0
        for j in range(m):
            total += shr_floor(gradient[i, j] * gradient[i, j], dropped)
        row[i] = averaged(row[i], quotient(total, m), average_shift)
        mean += row[i]
    for j in range(m):
        total = 0
        for i in range(n):
            total += shr_floor(gradient[i, j] * gradient[i, j], dropped)
        column[j] = averaged(column[j], quotient(total, n), average_shift)
        root[j] = isqrt(column[j])
    mean_root = max(isqrt(quotient(mean, n)), 1)
    for i in range(n):
        row_root = isqrt(row[i])
        for j in range(m):
            if gradient[i, j] != 0:
                norm = max(quotient(row_root * root[j], mean_root), 1) << (dropped >> 1)
                step[i, j] = clipped(quotient(gradient[i, j] * rate, norm), limit * rate)


def real(gradient: Array, state: Any, rate: float, limit: float, average_shift: int, scale: float) -> Array:
    """See the module, in real numbers."""
    row, column = state
    square = gradient * gradient
    row[...] = real_averaged(row, square.mean(axis=1), average_shift)
    column[...] = real_averaged(column, square.mean(axis=0), average_shift)
    if not np.any(row):
        return np.zeros_like(gradient)
    norm = np.sqrt(row)[:, None] * np.sqrt(column)[None, :] / np.sqrt(row.mean())
    return real_normalised(gradient, norm, rate, limit)


def state(n: int, m: int, accumulator_bits: int) -> dict[str, StateArray]:
    """See the module."""
    bits = mean_square_bits(accumulator_bits, max(n, m))
    return {"row": StateArray((n,), bits), "column": StateArray((m,), bits)}


RULE = UpdateRule("factored", "gradients normalised by row and column", state, steps, real)

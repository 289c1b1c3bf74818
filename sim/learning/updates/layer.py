"""Gradients normalised by one number a connection.

R ← R + ⌊(mean G²/2^s - R) / 2^k⌋, starting at the first value seen,  s = `squares_dropped` of n·m
step = clip(G_ij · rate / (max(⌊√R⌋, 1) 2^(s/2)), ± limit · rate)
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
    mean = state[0]
    n, m = gradient.shape
    dropped = squares_dropped(n * m)
    total = 0
    for i in range(n):
        for j in range(m):
            total += shr_floor(gradient[i, j] * gradient[i, j], dropped)
    mean[0] = averaged(mean[0], quotient(total, n * m), average_shift)
    norm = max(isqrt(mean[0]), 1) << (dropped >> 1)
    for i in range(n):
        for j in range(m):
            step[i, j] = clipped(quotient(gradient[i, j] * rate, norm), limit * rate)


def real(gradient: Array, state: Any, rate: float, limit: float, average_shift: int, scale: float) -> Array:
    """See the module, in real numbers."""
    mean = state[0]
    mean[...] = real_averaged(mean, np.asarray(np.mean(gradient * gradient)), average_shift)
    return real_normalised(gradient, np.sqrt(mean), rate, limit)


def state(n: int, m: int, accumulator_bits: int) -> dict[str, StateArray]:
    """See the module."""
    return {"mean": StateArray((1,), mean_square_bits(accumulator_bits, n * m))}


RULE = UpdateRule("layer", "gradients normalised by connection", state, steps, real)

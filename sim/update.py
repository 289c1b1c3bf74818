"""The update rule in integers: gradients normalised by row and column, stochastic rounding, one draw a synapse.

For one connection with gradient G (n × m) and mantissas w, at update u:

    R_i ← R_i + ⌊(mean_j G_ij²/2^s - R_i) / 2^k⌋, C_j likewise over rows; both start at the first values seen
    D_ij = ⌊√R_i⌋ ⌊√C_j⌋ / ⌊√(mean R)⌋ · 2^(s/2),  s = `square_shift`, 10 up to 2047 synapses a row or column
    step = clip(G_ij · rate / D_ij, ± limit · rate),  rate with 16 fraction bits, in mantissa units
    w ← sat(w - stochastic_round(step / 2^16))

R and C are n + m numbers for n·m synapses. The factored second moment is that of Shazeer & Stern 2018 (Adafactor).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from hypr_neuro.fixed_point import draw32, isqrt, quotient, sat, shr_floor, shr_stochastic
from hypr_neuro.jit import compile_kernel, jitable

RATE_FRACTION = 16


def square_shift(n: int, m: int) -> int:
    """Bits dropped from squares of 32-bit gradients so that a sum of n or m of them fits 63 bits; even, at least 10."""
    return 10 + 2 * max(0, -(-(max(n, m).bit_length() - 11) // 2))


@jitable
def averaged(old: int, value: int, average_shift: int) -> int:
    """old + ⌊(value - old) / 2^shift⌋; an average that is still 0 takes the value."""
    return value if old == 0 else old + shr_floor(value - old, average_shift)


@jitable
def step_of(gradient: int, norm: int, rate: int, limit: int) -> int:
    """Normalised, clipped step with RATE_FRACTION fraction bits, in mantissa units."""
    full = quotient(gradient * rate, norm)
    return min(max(full, -limit * rate), limit * rate)


@cache
def update_kernel() -> Callable[..., None]:
    """Kernel (mantissa, gradient, row, column, rate, limit, average_shift, squares, bits, seed, update, tensor,
    counts); squares is `square_shift`.

    mantissa, gradient : (n, m) int64; gradient is left as it is. row : (n,), column : (m,) averages, updated
    counts : (3,) weights that saturated, weights that changed, synapses with a gradient; added to
    """

    def kernel(
        mantissa, gradient, row, column, rate, limit, average_shift, squares, bits, seed, update, tensor, counts
    ):  # fmt: skip
        n, m = gradient.shape
        column_root = np.zeros(m, np.int64)
        mean = 0
        for i in range(n):
            total = 0
            for j in range(m):
                total += shr_floor(gradient[i, j] * gradient[i, j], squares)
            row[i] = averaged(row[i], quotient(total, m), average_shift)
            mean += row[i]
        for j in range(m):
            total = 0
            for i in range(n):
                total += shr_floor(gradient[i, j] * gradient[i, j], squares)
            column[j] = averaged(column[j], quotient(total, n), average_shift)
            column_root[j] = isqrt(column[j])
        mean_root = max(isqrt(quotient(mean, n)), 1)
        for i in range(n):
            row_root = isqrt(row[i])
            for j in range(m):
                g = gradient[i, j]
                if g == 0:
                    continue
                counts[2] += 1
                norm = max(quotient(row_root * column_root[j], mean_root) << (squares >> 1), 1)
                step = step_of(g, norm, rate, limit)
                change = shr_stochastic(step, 16, draw32(seed, update, tensor, i * m + j))
                full = mantissa[i, j] - change
                kept = sat(full, bits)
                counts[0] += 1 * (kept != full)
                counts[1] += 1 * (kept != mantissa[i, j])
                mantissa[i, j] = kept

    return compile_kernel(kernel)


def tensor_number(layer: int, connection: str) -> int:
    """Word of the random counter for a connection: 2·layer, + 1 for recurrent ones."""
    return 2 * layer + int(connection == "recurrent")


def as_rate(rate: float) -> int:
    """A rate in mantissa units as the integer the update takes."""
    return round(rate * (1 << RATE_FRACTION))

"""Surrogate derivatives ψ(x) of the spike function Θ(x), as scalar functions.

slayer            ψ(x) = c α/2 e^{-α|x|}, α = 5, c = 0.2 (Shrestha & Orchard 2018, constants of Baronig et al. 2025)
double_gaussian   ψ(x) = ½ [1.15 N(x; 0, 0.5) - 0.30 N(x; 0, 3)] (Yin et al. 2021, constants of Higuchi et al. 2024)
exponential       ψ(x) = ½ e^{-|x|} (lava-dl 0.6, slayer.spike, its scale and width left to the argument and the model)
"""

from __future__ import annotations

from collections.abc import Callable

from hypr_neuro.numbers.jit import jitable


@jitable
def exp_neg(y: float) -> float:
    """Compute e^{-y} for y >= 0; y > 64 counts as 64.

    Relative error below 1e-14 in 64 bits and 4e-6 in 32 bits up to y = 10, below 2e-12 and 2e-5 up to y = 30.

    e^{-y} - 1 at y/512 by its series, five times doubled (m ← m(m + 2), which leaves small m exact), four times
    squared: additions and products alone, so that the compiler can vectorise it (a call of the C library's exp stops
    it) and every machine gets the same bits.
    """
    t = -0.001953125 * (64.0 if y > 64.0 else y)
    m = t * (
        1.0
        + t
        * (
            0.5
            + t
            * (
                0.16666666666666666
                + t
                * (
                    0.041666666666666664
                    + t * (0.008333333333333333 + t * (0.001388888888888889 + t * 0.0001984126984126984))
                )
            )
        )
    )
    m = m * (m + 2.0)
    m = m * (m + 2.0)
    m = m * (m + 2.0)
    m = m * (m + 2.0)
    e = 1.0 + m * (m + 2.0)
    e = e * e
    e = e * e
    e = e * e
    return e * e


@jitable
def slayer(x: float) -> float:
    """Compute ψ(x) = 0.2 · 5/2 · e^{-5|x|}."""
    return 0.5 * exp_neg(5.0 * abs(x))


@jitable
def double_gaussian(x: float) -> float:
    """Compute ψ(x) = ½ [1.15 N(x; 0, 0.5) - 0.30 N(x; 0, 3)], N with its standard deviation given."""
    narrow = 0.7978845608028654 * exp_neg(2.0 * x * x)
    wide = 0.1329807601338109 * exp_neg(x * x * 0.05555555555555555)
    return 0.5 * (1.15 * narrow - 0.3 * wide)


@jitable
def exponential(x: float) -> float:
    """Compute ψ(x) = ½ e^{-|x|}, whose integral is 1."""
    return 0.5 * exp_neg(abs(x))


SURROGATES: dict[str, Callable[[float], float]] = {
    "slayer": slayer,
    "double_gaussian": double_gaussian,
    "exponential": exponential,
}

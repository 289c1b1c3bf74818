"""Sums and products of floats rounded to one side, so that what is said of real numbers stays true.

Floats hold whole numbers up to 2^53 exactly. The error of a sum or product is computed exactly (Knuth's two-sum,
Dekker's product), and a result moves to its neighbour only where it is not 0: what is exact stays exact, and cancels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Reals = Any
EXACT = 2.0**53
_SPLIT = 134217729.0  # 2^27 + 1


def largest(x: Reals) -> float:
    """Return the largest magnitude."""
    return float(np.max(np.abs(x), initial=0.0))


def _moved(value: Reals, error: Reals, up: bool) -> Reals:
    wrong = error > 0.0 if up else error < 0.0
    if not np.any(wrong):
        return value
    return np.where(wrong, np.nextafter(value, np.inf if up else -np.inf), value)


def added(a: Reals, b: Reals, up: bool) -> Reals:
    """Return a + b, never below it where `up`, never above it otherwise."""
    with np.errstate(invalid="ignore"):
        total = a + b
        part = total - a
        error = (a - (total - part)) + (b - part)
    return _moved(total, np.where(np.isfinite(total), error, 0.0), up)


def multiplied(a: Reals, b: Reals, up: bool) -> Reals:
    """Return a b likewise; 0 times infinity is 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        product = np.where((a == 0.0) | (b == 0.0), 0.0, a * b)
        a1 = a * _SPLIT - (a * _SPLIT - a)
        b1 = b * _SPLIT - (b * _SPLIT - b)
        a2, b2 = a - a1, b - b1
        error = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
    return _moved(product, np.where(np.isfinite(error), error, 0.0), up)


def divided(a: Reals, b: Reals, up: bool) -> Reals:
    """Return a / b likewise, b > 0."""
    quotient = a / b
    inside = np.isfinite(quotient) & (multiplied(quotient, b, True) != a)
    return np.where(inside, np.nextafter(quotient, np.inf if up else -np.inf), quotient)


def sum_of(lo: Reals, hi: Reals, lo2: Reals, hi2: Reals) -> tuple[Reals, Reals]:
    """Add two intervals of real numbers."""
    return added(lo, lo2, False), added(hi, hi2, True)


def product_of(lo: Reals, hi: Reals, lo2: Reals, hi2: Reals) -> tuple[Reals, Reals]:
    """Multiply two intervals of real numbers."""
    ends = ((lo, lo2), (lo, hi2), (hi, lo2), (hi, hi2))
    low = np.minimum.reduce([multiplied(a, b, False) for a, b in ends])
    return low, np.maximum.reduce([multiplied(a, b, True) for a, b in ends])


def whole_ends(lo: Reals, hi: Reals) -> tuple[Reals, Reals]:
    """Return the ends of a sum or product of whole numbers, as floats give them, moved out where they are not exact."""
    if lo.min() > -EXACT and hi.max() < EXACT:
        return lo, hi
    low = np.where(np.isnan(lo), -np.inf, np.where(np.abs(lo) >= EXACT, np.nextafter(lo, -np.inf), lo))
    high = np.where(np.isnan(hi), np.inf, np.where(np.abs(hi) >= EXACT, np.nextafter(hi, np.inf), hi))
    return low, high


def whole_product(lo: Reals, hi: Reals, lo2: Reals, hi2: Reals) -> tuple[Reals, Reals]:
    """Multiply two intervals of whole numbers."""
    with np.errstate(invalid="ignore"):
        all_ends = np.stack([lo * lo2, lo * hi2, hi * lo2, hi * hi2])
    if np.isnan(all_ends.min()):  # 0 times infinity
        all_ends = np.where(np.isnan(all_ends), 0.0, all_ends)
    return whole_ends(all_ends.min(axis=0), all_ends.max(axis=0))

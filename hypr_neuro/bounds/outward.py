"""Sums and products of floats rounded to one side, so that what is said of real numbers stays true.

Floats hold whole numbers up to 2^53 exactly. The error of a sum or product is computed exactly (Knuth's two-sum,
Dekker's product), and a result moves to its neighbour only where it is not 0: what is exact stays exact, and cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def _added(a: Reals, b: Reals) -> tuple[Reals, Reals]:
    """Return a + b as floats give it, and its error."""
    total = a + b
    part = total - a
    error = (a - (total - part)) + (b - part)
    return total, np.where(np.isfinite(total), error, 0.0)


def _multiplied(a: Reals, b: Reals) -> tuple[Reals, Reals]:
    """Return a b likewise; 0 times infinity is 0."""
    product = np.where((a == 0.0) | (b == 0.0), 0.0, a * b)
    a1 = a * _SPLIT - (a * _SPLIT - a)
    b1 = b * _SPLIT - (b * _SPLIT - b)
    a2, b2 = a - a1, b - b1
    error = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
    return product, np.where(np.isfinite(error), error, 0.0)


def sum_of(lo: Reals, hi: Reals, lo2: Reals, hi2: Reals) -> tuple[Reals, Reals]:
    """Add two intervals of real numbers."""
    with np.errstate(invalid="ignore"):
        low, high = _added(lo, lo2), _added(hi, hi2)
    return _moved(*low, False), _moved(*high, True)


def product_of(lo: Reals, hi: Reals, lo2: Reals, hi2: Reals) -> tuple[Reals, Reals]:
    """Multiply two intervals of real numbers."""
    if lo2 is hi2:
        corners, others = np.array((lo, hi)), lo2
    else:
        corners, others = np.array((lo, lo, hi, hi)), np.array((lo2, hi2, lo2, hi2))
    with np.errstate(invalid="ignore", over="ignore"):
        products = _multiplied(corners, others)
    return _moved(*products, False).min(axis=0), _moved(*products, True).max(axis=0)


def whole_ends(lo: Reals, hi: Reals) -> tuple[Reals, Reals]:
    """Return the ends of a sum or product of whole numbers, as floats give them, moved out where they are not exact."""
    if lo.min() > -EXACT and hi.max() < EXACT:
        return lo, hi
    low = np.where(np.isnan(lo), -np.inf, np.where(np.abs(lo) >= EXACT, np.nextafter(lo, -np.inf), lo))
    high = np.where(np.isnan(hi), np.inf, np.where(np.abs(hi) >= EXACT, np.nextafter(hi, np.inf), hi))
    return low, high


def whole_product(lo: Reals, hi: Reals, lo2: Reals, hi2: Reals) -> tuple[Reals, Reals]:
    """Multiply two intervals of whole numbers; where one is infinite, numpy's warnings are to be off."""
    products = (lo * lo2, hi * lo2) if lo2 is hi2 else (lo * lo2, lo * hi2, hi * lo2, hi * hi2)
    low, high = _extremes(products)
    if np.isnan(low).any():  # 0 times infinity
        low, high = _extremes([np.where(np.isnan(p), 0.0, p) for p in products])
    return whole_ends(low, high)


def _extremes(rows: Sequence[Reals]) -> tuple[Reals, Reals]:
    low = high = rows[0]
    for row in rows[1:]:
        low, high = np.minimum(low, row), np.maximum(high, row)
    return low, high

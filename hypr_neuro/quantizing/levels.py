"""Integers of weights in few bits, and the exponent that their values are best told with.

b bits hold the mantissas ±(2^(b-1) - 1); 2 bits hold -1, 0, 1 (ternary), 1 bit holds -1 and 1 (binary), without 0.
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.numbers.arrays import Array


def top_of(bits: int) -> int:
    """Return the largest magnitude of a mantissa of so many bits, sign included: 2^(bits - 1) - 1, of 1 bit 1."""
    return max((1 << (bits - 1)) - 1, 1)


def to_mantissas(exact: Array, bits: int) -> Array:
    """Clip whole numbers to mantissas; of 1 bit the sign is left, that of 0 is positive."""
    if bits == 1:
        return np.where(exact >= 0, 1, -1).astype(np.int64)
    top = top_of(bits)
    return np.clip(exact, -top, top).astype(np.int64)


def least_error_exponent(values: Array, bits: int, low: int, high: int) -> int:
    """Return the exponent e for which mantissas of so many bits miss the values by least.

        min over e of Σ (w - 2^e m)²,   m = the mantissa nearest to w / 2^e

    Parameters
    ----------
    values
        Weights in units of the sum, those that are not 0 count; of 1 bit all.
    bits
        Of a mantissa.
    low, high
        Exponents that there are.

    Notes
    -----
    For 1 bit this is the criterion of XNOR-Net (Rastegari et al. 2016, arXiv 1603.05279), whose scale is mean |w|, and
    for 2 bits that of ternary weight networks (Li et al. 2016, arXiv 1605.04711), whose scale is the mean of the |w|
    above 0.7 mean |w|. Here the scale is a power of two, of which the best one is found by trying all.
    """
    magnitude = np.abs(np.asarray(values, np.float64)).ravel()
    if bits > 1:
        magnitude = magnitude[magnitude > 0]
    if not magnitude.size or not magnitude.any():
        return low
    top = top_of(bits)
    largest = int(np.ceil(np.log2(magnitude.max() / top)))
    # 12 halvings below the largest weight's the error is that of values that are cut almost to 0
    candidates = range(max(min(largest, high) - 12, low), max(min(largest, high), low) + 1)
    return min(candidates, key=lambda e: (_squared_error(magnitude, bits, 2.0**e), -e))


def _squared_error(magnitude: Array, bits: int, step: float) -> float:
    least = 1 if bits == 1 else 0
    kept = np.clip(np.rint(magnitude / step), least, top_of(bits)) * step
    return float(np.sum((kept - magnitude) ** 2))

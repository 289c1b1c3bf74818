"""Helpers that several models' `to_fixed` share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons.base import PSI_ENTRIES, FixedFormat
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in


def shared_value(model: str, name: str, values: Array) -> float:
    """Return the one value that all neurons of a layer share; InputError for a layer where they differ."""
    first = float(values.flat[0])
    if np.any(values != first):
        other = float(values[values != first][0])
        raise InputError(
            f"neuron '{model}': {name} differs within a layer ({first} and {other}), rule: in integers it is one "
            "constant of the layer; split the layer"
        )
    return first


TARGET_EXPONENT = 4
"""Exponent given to the largest weight: small weights of other connections still get one above the lower limit."""


def input_shift(gain: float, fraction: int, fmt: FixedFormat) -> int:
    """Choose the left shift that aligns weighted sums with the state, so that weight exponents stay small; at least 0.

    Parameters
    ----------
    gain : float
        Factor between current and state (BRF's δ).
    fraction : int
        The state's fraction bits.
    fmt : FixedFormat
        Widths and ranges.
    """
    top = largest_in(fmt.weight_bits)
    exponent = int(np.ceil(np.log2(max(fmt.weight_range, 1e-9) * gain / top))) + fraction
    return int(np.clip(exponent - TARGET_EXPONENT, 0, fraction))


CURRENT_BITS = 46
"""Width at which a current, in the state's units, is clipped before a coefficient multiplies it.

A sum of 31 bits shifted left by up to 30 would outgrow 64 bits there; 2^45 · 2^16 (17-bit coefficient) and a state's
2^31 · 2^16 beside it stay below 2^62. So large a current saturates a state of up to 28 bits whatever its gain, so that
the clip counts as the state's saturation.
"""


def large_fraction(largest: float, fraction: int) -> int:
    """Choose the fraction bits m of coefficients up to `largest`, in the width of those with `fraction` bits.

    The largest m <= fraction with largest · 2^m < 2^fraction. At least 2 · fraction - 30: two coefficients and a state
    of 32 bits then give products below 2^62; larger coefficients are clipped.
    """
    room = ((1 << fraction) - 1) / max(abs(largest), 1e-9)
    return int(np.clip(np.floor(np.log2(room)), max(2 * fraction - 30, 0), fraction))


def threshold_table(
    surrogate: Callable[[float], float], range_bits: int, fraction: int, fmt: FixedFormat
) -> tuple[int, Array]:
    """Make (shift, table) of ψ(x) for x within ±2^range_bits, or more where x has so few fraction bits that shift is 0.

    Entry 256 + ⌊x / 2^shift⌋, x an integer with `fraction` fraction bits, holds ψ in the middle of its interval.
    """
    # 2^8 entries on either side of the threshold
    shift = max(fraction + range_bits - 8, 0)
    return shift, table_of_shift(surrogate, shift, fraction, fmt)


def table_of_shift(surrogate: Callable[[float], float], shift: int, fraction: int, fmt: FixedFormat) -> Array:
    """Make the table of `threshold_table` for a shift that is given."""
    x = (np.arange(PSI_ENTRIES) - 256 + 0.5) * 2.0 ** (shift - fraction)
    return psi_table(surrogate, x, np.ones_like(x), fmt)


def psi_table(surrogate: Callable[[float], float], x: Array, gain: Array, fmt: FixedFormat) -> Array:
    """Round ψ(x)·gain to `psi_bits` bits, aligned to the coefficients' fraction; (len(x),) int64; both ends are 0.

    One bit of a ψ entry is the sign, the others are fraction: ψ stays below 1 for every surrogate here.
    """
    fraction = fmt.psi_bits - 1
    real = np.array([surrogate(float(v)) for v in x]) * gain
    top = (1 << fraction) - 1
    entries: Array = np.clip(np.rint(real * (1 << fraction)), -top, top).astype(np.int64)
    entries[[0, -1]] = 0  # what lies beyond the table
    up = fmt.coefficient_fraction - fraction
    return entries << up if up >= 0 else entries >> -up

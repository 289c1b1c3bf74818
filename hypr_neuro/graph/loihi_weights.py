"""Weights and biases on the grids of Loihi's synapses and neurons, as Lava puts them there before it runs.

A connection has a sign mode and a width of its mantissas. Weights are clipped, then their low bits are cleared:

=============  =========  ==========================================================
sign mode      clipped    cleared, for num_weight_bits = b
=============  =========  ==========================================================
mixed          -256..255  the lowest 9 - b bits, toward minus infinity: 3 and -3 give 2 and -4 for b = 8
excitatory     0..255     the lowest 8 - b bits, toward zero
inhibitory     -255..0    the lowest 8 - b bits of the magnitude, toward zero
null           0..255     as excitatory: that is what Lava's functions do with it
=============  =========  ==========================================================

Where Lava is not told the sign mode it takes one from the values, so that a matrix of a mixed connection which
happens to have no negative entry changes its grid: here the mode is always said.

Source: lava-nc 0.10.0, lava.utils.weightutils (clip_weights to 8 bits, then truncate_weights) and lava.proc.lif.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.numbers.arrays import Array

Integers = int | Sequence[int] | Array
W = TypeVar("W")

SIGN_MODES = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0), "null": (0, 255)}
"""Lowest and highest weight of each sign mode."""
WEIGHT_BITS = 8
BIAS_MANTISSA, BIAS_EXPONENT = (-4096, 4095), (0, 7)


def on_grid(weights: W, sign_mode: str, num_weight_bits: int = WEIGHT_BITS) -> tuple[W, int]:
    """Return the weights that Loihi's synapses hold, int32, and how many entries had to be clipped.

    Parameters
    ----------
    weights
        Integers, numpy of any shape or scipy.sparse CSR, which keeps its pattern (Lava drops entries that become 0).
    sign_mode
        Of `SIGN_MODES`.
    num_weight_bits
        1..8.

    Raises
    ------
    InputError
        For weights that are no integers, an unknown sign mode or width, and CSR with repeated entries.
    """
    if sign_mode not in SIGN_MODES:
        raise InputError(f"sign mode {among(sign_mode, SIGN_MODES)}")
    if not 1 <= num_weight_bits <= WEIGHT_BITS:
        raise InputError(f"num_weight_bits = {num_weight_bits}, rule: 1..{WEIGHT_BITS}")
    given: Any = weights
    if given.dtype.kind not in "iu":
        raise InputError(f"weights of type {given.dtype}, rule: integers; round them first")
    if isinstance(given, np.ndarray):
        integers: Any
        integers, clipped = _values_on_grid(given, sign_mode, num_weight_bits)
        return integers, clipped
    if given.format != "csr" or not given.has_canonical_format:
        raise InputError(
            f"sparse weights in format '{given.format}', rule: CSR without repeated entries; convert "
            "with tocsr(), then sum_duplicates()"
        )
    data, clipped = _values_on_grid(given.data, sign_mode, num_weight_bits)
    return type(given)((data, given.indices, given.indptr), shape=given.shape, copy=True), clipped


def _values_on_grid(values: Array, sign_mode: str, bits: int) -> tuple[Array, int]:
    type_range = np.iinfo(values.dtype)
    low, high = SIGN_MODES[sign_mode]
    inside = np.clip(values, max(low, type_range.min), min(high, type_range.max))
    clipped = int(np.count_nonzero(inside != values))
    sign = -1 if sign_mode == "inhibitory" else 1
    cleared = WEIGHT_BITS - bits + (sign_mode == "mixed")
    return sign * (((sign * inside.astype(np.int32)) >> cleared) << cleared), clipped


def bias(mantissa: Integers, exponent: Integers) -> Array:
    """Return mantissa · 2^exponent, int64: what a step of `lif` adds to v.

    Both are integers, one number or one for each neuron: mantissas -4096..4095, exponents 0..7. Raise InputError for
    others.
    """
    for name, values, (low, high) in (("mantissa", mantissa, BIAS_MANTISSA), ("exponent", exponent, BIAS_EXPONENT)):
        array = np.asarray(values)
        if array.dtype.kind not in "iu" or np.any((array < low) | (array > high)):
            raise InputError(f"bias {name} {values}, rule: integers {low}..{high}")
    result: Array = np.left_shift(np.asarray(mantissa, np.int64), np.asarray(exponent, np.int64))
    return result

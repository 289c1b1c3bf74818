"""The one name for numpy arrays in annotations; shapes and integer widths stand in docstrings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""A numpy array of any type of number."""


def common_power(*arrays: Array, most: int) -> int:
    """Return the largest k up to `most` so that 2^k divides every integer of the arrays, 0 where all are 0."""
    bits = 0
    for array in arrays:
        bits |= int(np.bitwise_or.reduce(array, axis=None)) if array.size else 0
    return min((bits & -bits).bit_length() - 1, most) if bits else 0


def stack_rows(rows: Sequence[Array], n: int, dtype: type = np.float64) -> Array:
    """Stack rows (n,) to (rows, n); without one (0, n) of `dtype`, where numpy's `stack` refuses."""
    return np.stack(rows) if rows else np.zeros((0, n), dtype)

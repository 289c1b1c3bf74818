"""The one name for numpy arrays in annotations; shapes and integer widths stand in docstrings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""A numpy array of any type of number."""


def stack_rows(rows: Sequence[Array], n: int, dtype: type = np.float64) -> Array:
    """Stack rows (n,) to (rows, n); without one (0, n) of `dtype`, where numpy's `stack` refuses."""
    return np.stack(rows) if rows else np.zeros((0, n), dtype)

"""The one name for numpy arrays in annotations; shapes and integer widths stand in docstrings."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""A numpy array of any type of number."""

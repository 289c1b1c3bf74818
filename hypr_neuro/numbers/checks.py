"""Checks of what a call is told: numbers, names, masks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array


def whole(name: str, value: Any, lowest: int | None = None) -> int:
    """Return a whole number as Python's, of numpy's kinds too; InputError naming it for anything else or below."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or (lowest is not None and value < lowest):
        least = "" if lowest is None else f", at least {lowest}"
        raise InputError(f"{name} = {value!r:.60}, rule: a whole number{least}")
    return int(value)


def optional_whole(name: str, value: Any, lowest: int) -> int | None:
    """Return None, or a whole number as `whole` does."""
    return None if value is None else whole(name, value, lowest)


def require_number(name: str, value: Any) -> None:
    """Raise InputError, naming it, unless a value is a real number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"{name} = {value!r:.60}, rule: a number")


def names(option: str, value: Any) -> tuple[str, ...]:
    """Return several names in a tuple; InputError for a single text, and for what holds no texts."""
    given = () if isinstance(value, str | bytes) or not isinstance(value, Iterable) else tuple(value)
    if isinstance(value, str | bytes) or not isinstance(value, Iterable) or not all(isinstance(v, str) for v in given):
        raise InputError(f"{option} = {value!r:.60}, rule: several names, such as ('spikes',)")
    return given


def as_mask(where: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Return a mask as truth values; InputError for another shape, and for numbers that are neither 0 nor 1."""
    mask = np.asarray(value)
    if mask.shape != shape:
        raise InputError(f"{where} of shape {mask.shape}, rule: {shape}")
    if mask.dtype.kind != "b" and not (mask.dtype.kind in "iuf" and np.all((mask == 0) | (mask == 1))):
        raise InputError(f"{where} of type {mask.dtype}, rule: True or False, or 0 and 1; a step counts or does not")
    return mask.astype(bool)

"""Checks of what a call is told: numbers, names, masks, paths, functions."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

BLOCK = 1 << 22
"""Numbers of an array that are looked at at a time."""


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


def said(name: str, value: object) -> str:
    """Name an argument and its value, or the type of one that is long."""
    if isinstance(value, type):
        return f"{name} is the class {value.__name__} itself"
    if value is None or isinstance(value, (str, bool, int, float, PathLike)):
        return f"{name} = {value!r:.80}"
    return f"{name} is of type {type(value).__name__}"


def require_path(name: str, value: object, files: str) -> None:
    """Raise InputError unless the argument `name` is a path; `files` says in words to which files."""
    if not isinstance(value, (str, PathLike)):
        raise InputError(f"{said(name, value)}, rule: the path of {files}, as text or a Path")


def require_functions(**given: object) -> None:
    """Raise InputError, naming the argument, unless each is a function or None."""
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InputError(f"{said(name, value)}, rule: a function, or None")


def optional_truth(name: str, value: Any) -> bool | None:
    """Return True, False or None; InputError for anything else."""
    if value is not None and not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{said(name, value)}, rule: True, False or None")
    return None if value is None else bool(value)


def first_not_finite(array: Array) -> tuple[int, ...] | None:
    """Return the index of the first value that is NaN or infinite, None if there is none.

    A block of samples is read at a time, so that the array may be a file longer than memory.
    """
    if array.dtype.kind != "f" or not array.size:
        return None
    rows = max(1, BLOCK * len(array) // array.size)
    for start in range(0, len(array), rows):
        finite = np.isfinite(array[start : start + rows])
        if not finite.all():
            first = np.argwhere(~finite)[0]
            return (start + int(first[0]), *(int(i) for i in first[1:]))
    return None


def require_finite(name: str, array: Array) -> None:
    """Raise InputError, naming the first number that is NaN or infinite."""
    index = first_not_finite(array)
    if index is not None:
        raise InputError(f"{name}{list(index)} = {array[index]}, rule: finite numbers; repair or drop it")


def precision(dtype: object) -> type[np.float32] | type[np.float64]:
    """Return float32 or float64, whichever a type or its name says; InputError for anything else."""
    kinds: tuple[type[np.float32] | type[np.float64], ...] = (np.float32, np.float64)
    for kind in kinds:
        if dtype is not None and dtype in (kind, np.dtype(kind), kind.__name__):
            return kind
    shown = dtype.__name__ if isinstance(dtype, type) else repr(dtype)
    raise InputError(f"dtype = {shown:.60}, rule: float64 or float32")


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

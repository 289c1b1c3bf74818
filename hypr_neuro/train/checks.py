"""Checks of numbers that training is told."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import InputError


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

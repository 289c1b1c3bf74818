"""Plain values: what JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

PLAIN = "rule: a finite number, a text, true or false, or lists and mappings of them; other values in quotes"


def check_plain(name: str, value: object) -> None:
    """Raise ValueError, naming the key, for what JSON cannot hold: dates, bytes, sets, numbers without end."""
    inner: list[object] = []
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple)):
        inner = list(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"key '{name:.80}' = {value}, {PLAIN}")
    elif not isinstance(value, (int, float, str, type(None))):
        raise ValueError(f"key '{name:.80}' = {value!r:.60}, {PLAIN}")
    for one in inner:
        check_plain(name, one)

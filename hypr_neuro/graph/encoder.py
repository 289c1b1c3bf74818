"""What a network remembers of the encoder of its data: `method` and its options, numbers in range.

Whoever writes files or reads numbers of it relies on this check. Options of other names, and methods of a user's own,
are kept as they are and are never written into a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Integral, Real
from typing import Any

from hypr_neuro.errors import InputError

AFFINE = "affine"
"""Method of an encoder that gives a network scale · data + offset."""
MOST = 1 << 15
"""Rows, steps of each and levels of one value; their products fit 32 bits."""
LARGEST = (1 << 31) - 1
WHOLE: dict[str, dict[str, tuple[int, int]]] = {
    "rate": {"steps": (1, LARGEST), "seed": (0, (1 << 64) - 1)},
    "latency": {"steps": (1, LARGEST)},
    "thermometer": {"levels": (1, MOST), "steps": (1, LARGEST)},
    "scan": {"rows": (1, MOST), "hold": (1, MOST), "levels": (1, MOST)},
    "level_crossing": {},
    AFFINE: {"scale": (-LARGEST, LARGEST), "offset": (-LARGEST, LARGEST)},
}
"""Options that are whole numbers, with their ends, by method."""
REAL: dict[str, tuple[str, ...]] = {
    "rate": ("maximum", "low", "high"),
    "latency": ("threshold", "low", "high"),
    "thermometer": ("low", "high"),
    "scan": ("low", "high"),
    "level_crossing": ("threshold",),
}
"""Options that are finite numbers, by method."""
NEEDED: dict[str, tuple[str, ...]] = {"scan": ("rows",), AFFINE: ("scale", "offset")}
"""Options without which a method means nothing."""
REMEDY = "give encoder=None, or the options of hypr_neuro.encode"


def check_encoder(encoder: object) -> None:
    """Raise InputError unless this is None or a mapping as this module states; names the option and its rule."""
    if encoder is None:
        return
    if not isinstance(encoder, Mapping):
        raise InputError(f"encoder = {encoder!r:.60}, rule: None or a mapping with 'method'; {REMEDY}")
    method = encoder.get("method", "")
    if not isinstance(method, str):
        raise InputError(f"encoder: method = {method!r:.60}, rule: a name; {REMEDY}")
    for key in NEEDED.get(method, ()):
        if key not in encoder:
            raise InputError(f"encoder '{method}': no '{key}', rule: it is needed; {REMEDY}")
    for key, (low, high) in WHOLE.get(method, {}).items():
        value = encoder.get(key, low)
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
            rule = f"a whole number, {low}..{high}"
            raise InputError(f"encoder '{method}': {key} = {value!r:.60}, rule: {rule}; {REMEDY}")
    for key in REAL.get(method, ()):
        value = encoder.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
            raise InputError(f"encoder '{method}': {key} = {value!r:.60}, rule: a finite number; {REMEDY}")


def known_options(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return method and the options that the check holds to numbers, by name; nothing else of a checked encoder."""
    method = str(encoder["method"])
    known = {"method", *WHOLE.get(method, {}), *REAL.get(method, ())}
    return {key: encoder[key] for key in sorted(known & set(encoder))}

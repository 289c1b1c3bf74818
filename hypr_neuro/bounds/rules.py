"""The functions of `fixed_point` on values of known ends, and step functions that call them.

Roundings are monotone, so their ends are those of the functions themselves. Rules of overflow, `sat` and the wraps,
either do what they do or, where widths are asked for, let a number through and note what they were given.
"""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.bounds.outward import whole_product
from hypr_neuro.bounds.paths import Need, Paths
from hypr_neuro.bounds.values import Value, everywhere
from hypr_neuro.errors import InputError
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.fixed_point import FLOOR, NEAREST, ROUNDING, ZERO
from hypr_neuro.numbers.twins import twin

ROUNDINGS = {code: name for name, code in ROUNDING.items()}


def _errors(x: Value, unit: float, rounding: int) -> tuple[Any, Any]:
    """Return the ends of what rounding x / unit adds."""
    part = 1.0 - 1.0 / unit
    if rounding == FLOOR:
        return -part, 0.0
    if rounding == NEAREST:
        return -(0.5 - 1.0 / unit), 0.5
    return np.where(x.hi > 0, -part, 0.0), np.where(x.lo < 0, part, 0.0)


def _shr(x: Any, n: Any, rounding: Any) -> Any:
    n = int(n)
    if n == 0:
        return x
    unit = 2.0**n
    if x.multiple is not None and x.multiple[1] == unit:
        return x.multiple[0]
    if rounding == FLOOR:
        ends = np.floor(x.lo / unit), np.floor(x.hi / unit)
    elif rounding == NEAREST:
        ends = np.floor(x.lo / unit + 0.5), np.floor(x.hi / unit + 0.5)
    elif rounding == ZERO:
        ends = np.trunc(x.lo / unit), np.trunc(x.hi / unit)
    else:
        raise InputError(f"rounding {rounding}, rule: {', '.join(ROUNDINGS.values())}")
    if not x.terms:
        return x.rounded(ends)
    return x.scaled(everywhere(1.0 / unit, len(x.lo)), ends, _errors(x, unit, rounding))


def _scale_zero(x: Any, factor: Any, n: Any) -> Any:
    if not isinstance(x, Value):
        x = factor.of(x)
    f = x.of(factor)
    if not f.constant or np.any(f.lo < 0):
        raise InputError("scale_zero by a number of the state, or one below 0, rule: a constant from 0 on")
    unit = 2.0 ** int(n)
    lo, hi = whole_product(x.lo, x.hi, f.lo, f.lo)
    ends = np.trunc(lo / unit), np.trunc(hi / unit)
    return x.scaled(f.lo / unit, ends, _errors(x, unit, ZERO)) if x.terms else x.rounded(ends)


def _shift(x: Any, exponent: Any) -> Any:
    e = int(exponent)
    return x * (1 << e) if e >= 0 else _shr(x, -e, FLOOR)


def _shift_nearest(x: Any, exponent: Any) -> Any:
    e = int(exponent)
    return x * (1 << e) if e >= 0 else _shr(x, -e, NEAREST)


def _assigned(paths: Paths) -> str:
    """Name the variable that the step function gives the result to: `u` of ``u = sat(u_full, bits)``.

    Of several that a line assigns, the first call is of the first.
    """
    frame = sys._getframe(3)
    place = (frame.f_code.co_filename, frame.f_lineno)
    call = paths.calls[place] = paths.calls.get(place, 0) + 1
    names = _assigned_names(*place) or (frame.f_code.co_name,)
    return names[min(call, len(names)) - 1]


@cache
def _assigned_names(file: str, line: int) -> tuple[str, ...]:
    """Return the variables that a line of a file assigns to."""
    found = re.match(r"\s*([\w, ]+?)\s*=[^=]", linecache.getline(file, line))
    return tuple(found.group(1).split(", ")) if found else ()


def _noted(x: Value, name: str, bits: int, low: float, high: float) -> None:
    x.tight()
    x.paths.needs.append(Need(name, bits, low, high, x, x.lo, x.hi))


def _sat(x: Any, bits: Any) -> Any:
    top = (1 << (int(bits) - 1)) - 1
    _noted(x, _assigned(x.paths), int(bits), -top, top)
    return min(max(x, -top), top) if x.paths.clipping else x


def _wrap(x: Any, bits: Any) -> Any:
    half = 1 << (int(bits) - 1)
    _noted(x, _assigned(x.paths), int(bits), -half, half - 1)
    if x.paths.clipping and not (x >= -half and x <= half - 1):
        everything = everywhere(float(half), len(x.lo))
        return Value(x.paths, -everything, everything - 1.0, x.base)
    return x


def _wrap24_lava(x: Any) -> Any:
    _noted(x, _assigned(x.paths), 24, -8388607, 8388608)
    if x.paths.clipping:
        if x > 8388608:
            return x - 16777216
        return x + 16777216 if x <= -8388608 else x
    return x


RULES: dict[str, Callable[..., Any]] = {
    "shr_floor": lambda x, n: _shr(x, n, FLOOR),
    "shr_zero": lambda x, n: _shr(x, n, ZERO),
    "shr_nearest": lambda x, n: _shr(x, n, NEAREST),
    "shr": _shr,
    "scale_zero": _scale_zero,
    "shift": _shift,
    "shift_nearest": _shift_nearest,
    "sat": _sat,
    "wrap": _wrap,
    "wrap24_lava": _wrap24_lava,
    "quotient": lambda x, y: x // y,
}
"""By name of the function, of values."""


def _rule(function: Callable[..., Any]) -> Callable[..., Any]:
    known = RULES.get(function.__name__)

    def on_values(*arguments: Any) -> Any:
        first = next((a for a in arguments if isinstance(a, Value)), None)
        if first is None:
            return function(*arguments)
        if known is None:
            raise InputError(f"{function.__name__} of a number that is not known, rule: one of {', '.join(RULES)}")
        return known(first.of(arguments[0]), *arguments[1:])

    return on_values


def fixed_point_on_values(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return names with the functions of `fixed_point` among them as they run on values."""
    return {
        key: _rule(value) if getattr(value, "__module__", "") == fixed_point.__name__ and callable(value) else value
        for key, value in names.items()
    }


def on_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, and all tagged ones that it calls, as they run on values."""
    return twin(function, _rule)

"""Integer functions that run on something else than numbers: twins with other functions in place of `fixed_point`'s."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CellType, FunctionType
from typing import Any

from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.jit import tagged_functions

Function = Callable[..., Any]


def twin(
    function: Function,
    rule: Callable[[Function], Function],
    names: Mapping[str, Any] | None = None,
    done: dict[Function, Function] | None = None,
) -> Function:
    """Return a function that calls, for each function of `fixed_point`, what `rule` makes of it.

    Parameters
    ----------
    function
        An integer function. Tagged functions that it calls, and that these call, get twins, too.
    rule
        Makes the other function of one of `fixed_point`.
    names
        What takes the place of built-in functions.
    done
        Twins that are there already.
    """
    done = {} if done is None else done
    if function in done:
        return done[function]
    if function.__module__ == fixed_point.__name__:
        done[function] = rule(function)
        return done[function]
    if not isinstance(function, FunctionType):
        return function
    known = set(tagged_functions())
    globals_ = {**(names or {}), **function.__globals__}
    cells = tuple(CellType() for _ in function.__closure__ or ())
    done[function] = FunctionType(function.__code__, globals_, function.__name__, function.__defaults__, cells)

    def replaced(value: Any) -> Any:
        return twin(value, rule, names, done) if isinstance(value, FunctionType) and value in known else value

    globals_ |= {name: replaced(globals_[name]) for name in function.__code__.co_names if name in globals_}
    for cell, original in zip(cells, function.__closure__ or (), strict=True):
        cell.cell_contents = replaced(original.cell_contents)
    return done[function]

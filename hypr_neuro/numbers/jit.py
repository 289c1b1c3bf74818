"""Plain functions that can also be compiled.

A step function is written once, as ordinary Python on scalars and tuples. `jitable` only puts it on a list, so
importing neuron files needs no compiler; `compiling` hands the list to numba before the first kernel is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CellType, FunctionType
from typing import Any, TypeVar, cast

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

_tagged: dict[Callable[..., Any], None] = {}
_unregistered: list[Callable[..., Any]] = []


def jitable(function: F) -> F:
    """Tag a scalar function as one that kernels may call; the function itself is returned unchanged."""
    _tagged[function] = None
    _unregistered.append(function)
    return function


def tagged_functions() -> tuple[Callable[..., Any], ...]:
    """Return every function tagged so far, in order of definition."""
    return tuple(_tagged)


def take_unregistered() -> Iterator[Callable[..., Any]]:
    """Yield, once each, the tagged functions and twins that the compiler has not been told of."""
    while _unregistered:
        yield _unregistered.pop()


def is_tagged(function: Any) -> bool:
    """Tell whether the function is tagged or the 32-bit twin of one that is."""
    return function in _tagged or function in _twins


_singles: dict[Callable[..., Any], Callable[..., Any]] = {}
_twins: set[Callable[..., Any]] = set()


def single_precision(function: F) -> F:
    """Return the function with every float literal in 32 bits, the tagged functions that it calls likewise.

    To numba a literal is a 64-bit number, and float32 · float64 is float64: without this, kernels on float32 arrays
    would compute in 64 bits, with half the vector lanes.
    """
    if function in _singles:
        return cast(F, _singles[function])
    code = function.__code__.replace(co_consts=tuple(_narrow(c) for c in function.__code__.co_consts))
    used = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    names = function.__globals__ | {name: _twin(value) for name, value in used.items()}
    cells = tuple(CellType(_twin(cell.cell_contents)) for cell in function.__closure__ or ())
    twin = FunctionType(code, names, function.__name__, function.__defaults__, cells)
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    if function in _tagged:
        twin.__qualname__ = twin.__name__ = f"{function.__name__}__float32"
        _twins.add(twin)
        _unregistered.append(twin)
    _singles[function] = twin
    return cast(F, twin)


def _twin(value: Any) -> Any:
    return single_precision(value) if isinstance(value, FunctionType) and value in _tagged else _narrow(value)


def _narrow(literal: Any) -> Any:
    if isinstance(literal, tuple):
        return tuple(_narrow(entry) for entry in literal)
    return np.float32(literal) if type(literal) is float else literal

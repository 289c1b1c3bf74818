"""Say in one line what in a step function the compiler cannot take, and where.

numba tells it in a hundred lines: each kernel that calls the function, each candidate that it tried. What counts is the
innermost part, the reason and the place behind it.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.numbers import jit

RULE = "scalar code on numbers and tuples that calls abs, sqrt, min, max and tagged functions (CONTRIBUTING.md)"
_PLACE = re.compile(r"\b(?:at|from) (\S[^\n]*?\.py) \((\d+)\)")
_STAGE = "Failed in nopython mode pipeline"
_LONGEST = 160


def tell_failures(compiled: Any, kernel: Callable[..., Any]) -> None:
    """Let a compiled function's first call raise InputError where its code, or what it calls, cannot be compiled."""
    from numba.core.errors import NumbaError, UnsupportedBytecodeError

    # AttributeError: a name that a module lacks
    refusals = NumbaError, UnsupportedBytecodeError, AttributeError
    first_call = compiled._compile_for_args

    def compile_for(*args: Any, **named: Any) -> Any:
        try:
            return first_call(*args, **named)
        except refusals as error:
            raise InputError(one_line(str(error), kernel)) from error

    compiled._compile_for_args = compile_for


def one_line(message: str, kernel: Callable[..., Any]) -> str:
    """Return function, file, line, construct and reason from what numba says of a kernel."""
    for found in _PLACE.finditer(message):
        path, line = found.group(1), int(found.group(2))
        if "numba" not in Path(path).parts:
            name, code = _function_at(path, line), linecache.getline(path, line).strip()
            return f"{name} ({path}:{line}), `{code}`: {_reason(message[: found.start()])}, rule: {RULE}"
    called = ", ".join(f"{f.__name__.removesuffix('__float32')} ({f.__code__.co_filename})" for f in _called(kernel))
    return f"one of {called}: {_reason(message)}, rule: {RULE}"


def _reason(message: str) -> str:
    """Return the reason that stands behind the last stage which numba names."""
    inner = message.rpartition(_STAGE)
    text = inner[2].partition("\n")[2] if inner[1] else inner[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = lines[0] if lines else message.strip()
    if reason.endswith("signature:") and len(lines) > 1:
        reason += " " + lines[1].removeprefix(">>> ")
    reason = re.sub(r"\.? Raised$|\.? Raised from .*$", "", reason).rstrip(". ")
    return reason if len(reason) <= _LONGEST else reason[:_LONGEST] + "…"


def _function_at(path: str, line: int) -> str:
    """Return the name of the tagged function that a line belongs to, the file's name where there is none."""
    above = [
        (f.__code__.co_firstlineno, f.__name__)
        for f in jit.tagged_functions()
        if f.__code__.co_filename == path and f.__code__.co_firstlineno <= line
    ]
    return max(above)[1] if above else Path(path).stem


def _called(kernel: Callable[..., Any]) -> Iterator[FunctionType]:
    """Yield the functions that a kernel was made for, itself if for none."""
    cells = [cell.cell_contents for cell in kernel.__closure__ or ()]
    chosen: list[Any] = [f for f in cells if isinstance(f, FunctionType) and Path(f.__code__.co_filename).is_file()]
    yield from chosen or [kernel]

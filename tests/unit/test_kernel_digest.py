"""A kernel is cached under a digest of exactly what it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from fractions import Fraction
from functools import partial
from math import exp, log
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np
import pytest

from hypr_neuro.numbers import lanes, surrogates
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import jitable, single_precision, tagged_functions
from hypr_neuro.numbers.kernel_digest import kernel_digest


def kernel_of(value: Any) -> Callable:
    def kernel(x):
        return x, value

    return kernel


def digest(function: Callable, options: Any = (), modules: tuple[ModuleType, ...] = ()) -> str:
    return kernel_digest(
        function, options, modules, lambda f: f in tagged_functions() or f.__module__ == lanes.__name__
    )


@jitable
def scaled(x: Any, by: int = 2) -> Any:
    return x * by


@jitable
def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


@jitable
def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


class Colour(IntEnum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    a: int
    b: int


PLAIN = [
    None,
    1,
    2,
    True,
    1.0,
    0.0,
    -0.0,
    "1",
    "a",
    b"a",
    (1, 2),
    (1, (2,)),
    [1, 2],
    ("12",),
    (),
    Pair(1, 2),
    Pair(2, 1),
]
KEYED = [{"a": 1}, {"a": 2}, {"b": 1}, {1, 2}, {1, 3}, Colour.RED, Colour.BLUE]
TYPES = [np.int32, np.uintp, np.dtype("i4"), np.dtype("i8"), numba.int32, numba.int64, Colour, Pair, float]
SCALARS = [np.int32(1), np.int64(1), np.float32(1)]
ARRAYS = [
    np.arange(3),
    np.arange(1, 4),
    np.arange(3, dtype=np.int32),
    np.repeat(np.arange(3), 2)[::2],
    np.arange(6).reshape(2, 3),
    np.arange(6).reshape(3, 2),
    np.arange(6).reshape(2, 3, order="F"),
]
FUNCTIONS_OF_LIBRARIES = [np.zeros, np.add, min, max, log, exp, np, math]
OWN_FUNCTIONS = [lanes.lane16, lanes.lane32, scaled, even, odd, surrogates.exp_neg]
VALUES = [*PLAIN, *KEYED, *TYPES, *SCALARS, *ARRAYS, *FUNCTIONS_OF_LIBRARIES, *OWN_FUNCTIONS]


def compiled_functions() -> list[Any]:
    plain, disjoint = compile_kernel(scaled), compile_kernel(scaled, disjoint=True)
    return [single_precision(surrogates.exp_neg), plain, disjoint, numba.njit(scaled)]


def test_each_value_gives_a_digest_of_its_own() -> None:
    known = {*tagged_functions(), single_precision(surrogates.exp_neg), lanes.lane16, lanes.lane32}
    values = VALUES + compiled_functions()
    found = [kernel_digest(kernel_of(value), (), (), known.__contains__) for value in values]
    assert found == [kernel_digest(kernel_of(value), (), (), known.__contains__) for value in values]
    same = [(values[i], values[j]) for j in range(len(found)) for i in range(j) if found[i] == found[j]]
    assert not same


def test_a_set_counts_without_its_order() -> None:
    assert digest(kernel_of({"a", "b"})) == digest(kernel_of({"b", "a"}))


@pytest.mark.parametrize("value", [object(), np.array([None]), Fraction(1, 2), partial(scaled, by=3), [].append, Path])
def test_what_has_no_digest_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"kernel_of.<locals>.kernel names .*could not be told from another's; use "):
        digest(kernel_of(value))


def test_a_function_that_is_not_tagged_is_refused() -> None:
    with pytest.raises(TypeError, match=r"names the function .*kernel_of, which is not tagged.*put @jitable before it"):
        digest(kernel_of((1, kernel_of)))


def variant(text: str, **names: Any) -> str:
    """Digest of the function f of this source."""
    space = {"__name__": "variant", "scaled": scaled, "np": np, **names}
    exec(text, space)
    return digest(space["f"])


BASE = "def f(x, n=1):\n    y = scaled(x) + A\n    return [y * 2 + i for i in range(n)]"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* 2", "* 3"),
        ("* 2", "* 2.0"),
        ("n=1", "n=2"),
        ("n=1", "*, n=1"),
        ("+ i", "- i"),
        ("range", "list"),
        ("A", "B"),
        ("scaled(x)", "x"),
        ("scaled(x)", "scaled(x, 2)"),
    ],
)
def test_an_edit_inside_changes_the_digest(old: str, new: str) -> None:
    assert old in BASE
    assert variant(BASE.replace(old, new), A=1, B=1) != variant(BASE, A=1, B=1)


def test_globals_count_where_they_are_read() -> None:
    assert variant(BASE, A=1) != variant(BASE, A=2)
    assert variant(BASE, A=1, B=1) == variant(BASE, A=1, B=2)
    inside = "def f(x):\n    def g(y):\n        return y + A\n    return g(x)"
    assert variant(inside, A=1) != variant(inside, A=2)


def test_attributes_of_modules_count() -> None:
    def module(step: int) -> ModuleType:
        made = ModuleType("parts")
        made.__dict__.update(STEP=step, UNUSED=step)
        return made

    text = "def f(x):\n    return x + parts.{}"
    assert variant(text.format("STEP"), parts=module(1)) != variant(text.format("STEP"), parts=module(2))
    assert variant(text.format("OTHER"), parts=module(1)) == variant(text.format("OTHER"), parts=module(2))


def test_every_reader_of_a_module_counts() -> None:
    def with_step(step: int) -> str:
        parts = ModuleType("parts")
        parts.__dict__.update(FIRST=0, STEP=step)
        space = {"__name__": "variant", "parts": parts}
        exec("def stepped(x):\n    return x + parts.STEP", space)
        return variant("def f(x):\n    return parts.FIRST + stepped(x)", parts=parts, stepped=jitable(space["stepped"]))

    assert with_step(1) != with_step(2)


@pytest.mark.parametrize(
    "text",
    [BASE.replace("    y =", "    'A docstring.'\n    y ="), "# a comment\n\n" + BASE, BASE.replace("n=1", "n: int=1")],
)
def test_comments_docstrings_and_annotations_do_not_count(text: str) -> None:
    assert text != BASE
    assert variant("from __future__ import annotations\n" + text, A=1) == variant(
        "from __future__ import annotations\n" + BASE, A=1
    )


def test_a_text_that_is_docstring_and_value_counts() -> None:
    text = "def f(x):\n    'one'\n    return 'one'"
    assert variant(text) != variant(text.replace("one", "two"))


def test_options_versions_and_extensions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    base = digest(kernel_of(1))
    assert digest(kernel_of(1), ("disjoint",)) != base
    assert digest(kernel_of(1), (), (lanes,)) != base
    for where, name in ((numba, "__version__"), (np, "__version__"), (llvmlite, "__version__"), (numba.config, "OPT")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, "another")
            assert digest(kernel_of(1)) != base
    assert digest(kernel_of(1)) == base

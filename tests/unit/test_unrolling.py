"""Functions of tuples and their twins without loops: the same results, for any number of entries."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import tagged_functions
from hypr_neuro.numbers.unrolling import over_tuples, unrolled


@over_tuples
def products(a: Any, b: Any) -> Any:
    return sum(x * y for x, y in zip(a, b, strict=True))


@over_tuples
def rows(A: Any, b: Any, start: Any) -> Any:
    first = tuple(products(row, b) for row in A)
    second = tuple(sum((x * y for x, y in zip(row, b, strict=True)), s) for row, s in zip(A, start, strict=True))
    return (
        first,
        second,
        tuple(tuple(x - 1 for x in row) for row in A),
        any(x != y for x, y in zip(b, start, strict=True)),
    )


@over_tuples
def fill(array: Any, row: Any, extra: Any) -> None:
    for place, x in zip(array, row, strict=True):
        value = x + extra
        place[0] = value * 2


def drawn(d: int, seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng([seed, d])
    numbers = rng.integers(-9, 10, (d + 2, d)).tolist()
    return tuple(map(tuple, numbers[:d])), tuple(numbers[d]), tuple(numbers[d + 1])


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_a_twin_computes_what_the_function_computes(d: int) -> None:
    twin = unrolled(rows, d)
    for seed in range(20):
        arguments = drawn(d, seed)
        assert twin(*arguments) == rows(*arguments)
    same = drawn(d, 0)
    assert twin(same[0], same[1], same[1])[3] is False
    filled: list[list[list[int]]] = [[[0] for _ in range(d)] for _ in range(2)]
    for function, arrays in zip((fill, unrolled(fill, d)), filled, strict=True):
        function(tuple(arrays), same[1], 3)
    assert filled[0] == filled[1] == [[2 * (x + 3)] for x in same[1]]


def test_a_start_comes_first_in_a_sum_of_floats() -> None:
    A, b, start = ((1e16, 1.0),) * 2, (1.0, 1.0), (-1e16, 1.0)
    # Python's own `sum` carries what floats lose from 3.12 on, so only a chain of additions tells the order
    assert unrolled(rows, 2)(A, b, start)[1] == (-1e16 + 1e16 + 1.0, 1.0 + 1e16 + 1.0) == (1.0, 1e16)


def test_twins_stand_in_their_module_once_and_show_their_source() -> None:
    twin = unrolled(rows, 2)
    assert unrolled(rows, 2) is twin is globals()["rows2"]
    assert twin in tagged_functions()
    assert unrolled(products, 2) is globals()["products2"]
    assert inspect.getsource(twin) == inspect.getsource(rows)
    assert not [c for c in twin.__code__.co_consts if inspect.iscode(c)], "a generator is left"


def test_kernels_call_twins() -> None:
    twin = unrolled(products, 3)

    def kernel(a, b):
        total = 0
        for i in range(a.shape[0]):
            total += twin((a[i, 0], a[i, 1], a[i, 2]), (b[0], b[1], b[2]))
        return total

    a, b = np.arange(12).reshape(4, 3), np.array([1, -2, 5])
    assert compile_kernel(kernel)(a, b) == (a @ b).sum()


@over_tuples
def with_condition(a: Any) -> Any:
    return tuple(x for x in a if x > 0)


@over_tuples
def over_a_call(a: Any) -> Any:
    return sum(x for x in reversed(a))


@over_tuples
def in_a_list(a: Any) -> Any:
    return [x for x in a]  # noqa: C416  (the comprehension is the test)


@over_tuples
def in_pairs(a: Any) -> Any:
    return sum(x for x, _ in a)


@pytest.mark.parametrize("function", [with_condition, over_a_call, in_a_list, in_pairs])
def test_what_cannot_be_written_out_is_refused(function: Any) -> None:
    line = inspect.getsourcelines(function)[1] + 2
    with pytest.raises(
        InputError, match=rf"test_unrolling\.{function.__name__}, line {line}: .*rule: tuple, sum or any"
    ):
        unrolled(function, 2)

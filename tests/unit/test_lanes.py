"""Lanes: in kernels, 16- and 32-bit integers that wrap in two's complement; in Python, nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import (
    draw32,
    isqrt,
    mix32,
    quotient,
    sat,
    scale_zero,
    shift,
    shr_zero,
    wrap,
    wrap24_lava,
)
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.numbers.lanes import lane16, lane32, lowest_bit, plain


@jitable
def arithmetic(x: Any, y: Any) -> Any:
    return x + y, x - y, x * y, -x, x & y, x | y, x ^ y, min(x, y), max(x, y)


@jitable
def shifts(x: Any, y: Any) -> Any:
    return x << 3, x >> 5, x + 1, 7 - x, x * (y > 0), (x < y) * y, shift(x, 2), shift(x, -2), min(x, 100)


@jitable
def choices(x: Any, y: Any) -> Any:
    total = x >> 2
    total += y
    total -= 3
    total |= 1
    kept, other = x if y else y, -1 if x >= y else x
    less, least = 1 if x < y else 0, 1 if x <= y else 2
    return less, least, 1 if x == y else 0, 1 if x != y else 0, total, kept, other, x > y, y >> 1


@jitable
def quotients(x: Any, y: Any) -> Any:
    below = -abs(y >> 1) - 2
    return abs(x), x // (y | 1), quotient(x, (y & 127) + 1), x // below, 1000 // (y | 1), x // 3, x // -1, abs(-3), 7


@jitable
def halved(x: Any) -> Any:
    """How often a number can be halved before it is 3 or less, and what is left."""
    found = 0
    while x > 3:
        x = quotient(x, 2)
        found += 1
    return x, found


@jitable
def loops(x: Any, y: Any) -> Any:
    left, found = halved((y & 31) + 8)
    total = x >> 2
    for k in range(3):
        if total > k:
            total = total - (y >> (k + 2))
    return left, found, total, isqrt(abs(x >> 1)), abs(total >> 1), found * left, x, y, -abs(-3)


COUNT = 9
"""Results of each of the functions above; kernels cannot loop over tuples of several types."""


def signed(value: int, bits: int) -> int:
    """The two's complement of `value`."""
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def run_in_lanes(function: Callable[..., Any], lane: Callable[[Any], Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`function` on lanes of every pair, in a kernel; (results, pairs)."""

    def kernel(x, y, out):
        for i in range(x.size):
            r = function(lane(x[i]), lane(y[i]))
            out[0, i], out[1, i], out[2, i] = lane(r[0]), lane(r[1]), lane(r[2])
            out[3, i], out[4, i], out[5, i] = lane(r[3]), lane(r[4]), lane(r[5])
            out[6, i], out[7, i], out[8, i] = lane(r[6]), lane(r[7]), lane(r[8])

    out = np.zeros((COUNT, x.size), x.dtype)
    import numba

    from hypr_neuro.numbers.compiling import prepare

    prepare()
    numba.njit(kernel)(x, y, out)
    return out


@pytest.mark.parametrize("function", [arithmetic, shifts, choices, quotients, loops])
@pytest.mark.parametrize(("lane", "dtype"), [(lane16, np.int16), (lane32, np.int32)])
def test_an_expression_of_lanes_wraps_in_its_own_width(
    function: Callable[..., Any], lane: Callable[[Any], Any], dtype: type[Any]
) -> None:
    bits, info = np.dtype(dtype).itemsize * 8, np.iinfo(dtype)
    rng = np.random.default_rng(0)
    ends = [info.min, info.min + 1, -1, 0, 1, info.max - 1, info.max]
    x = np.array([a for a in ends for _ in ends] + rng.integers(info.min, info.max, 200).tolist(), dtype)
    y = np.array([b for _ in ends for b in ends] + rng.integers(info.min, info.max, 200).tolist(), dtype)
    got = run_in_lanes(function, lane, x, y)
    for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        expected = [signed(int(v), bits) for v in function(a, b)]
        assert got[:, i].tolist() == expected, f"{function.__name__}({a}, {b}) in {bits} bits"


def test_rules_of_running_numbers_keep_to_32_bits() -> None:
    """scale_zero, wraps and saturations of 32-bit lanes equal the same functions on Python's unbounded integers."""

    def kernel(x, f, out):
        for i in range(x.size):
            u = lane32(x[i])
            out[0, i] = scale_zero(u, lane32(f[i]), 12)
            out[1, i] = wrap(u, 24)
            out[2, i] = wrap24_lava(u)
            out[3, i] = sat(u, 24)
            out[4, i] = wrap(shift(u, 6), 32)

    rng = np.random.default_rng(1)
    top = (1 << 31) - 1
    x = np.concatenate(
        [np.array([-top, top, 1 << 23, -(1 << 23), (1 << 23) + 1, 0, -1, 4095, -4096]), rng.integers(-top, top, 2000)]
    ).astype(np.int32)
    f = np.concatenate([np.array([4096, 4096, 0, 1, 4095, 7, 4095, 1, 4096]), rng.integers(0, 4096, 2000)]).astype(
        np.int32
    )
    out = np.zeros((5, x.size), np.int32)
    compile_kernel(kernel)(x, f, out)
    for i, (a, b) in enumerate(zip(x.tolist(), f.tolist(), strict=True)):
        wide = shr_zero(a * b, 12)
        assert scale_zero(a, b, 12) == wide
        assert out[:, i].tolist() == [wide, wrap(a, 24), wrap24_lava(a), sat(a, 24), wrap(shift(a, 6), 32)]


def test_rules_with_wide_constants_are_those_of_python_on_lanes() -> None:
    def kernel(x, out):
        for i in range(x.size):
            u = lane32(x[i])
            out[0, i] = isqrt(u & 2147483647)
            out[1, i] = mix32(u)
            out[2, i] = draw32(u, 3, u + 1, 7) & 4095
            out[3, i] = isqrt(lane32(100)) + isqrt(lane32(i))

    top = (1 << 31) - 1
    x = np.concatenate([[0, 1, -1, top, -top], np.random.default_rng(3).integers(-top, top, 500)]).astype(np.int32)
    out = np.zeros((4, x.size), np.int32)
    compile_kernel(kernel)(x, out)
    for i, a in enumerate(x.tolist()):
        expected = [isqrt(a & top), signed(mix32(a % (1 << 32)), 32), draw32(a, 3, a + 1, 7) & 4095, 10 + isqrt(i)]
        assert out[:, i].tolist() == expected, a


def test_the_lowest_bit_of_every_word() -> None:
    def kernel(words, out):
        for i in range(words.size):
            out[i] = lowest_bit(words[i])

    rng = np.random.default_rng(2)
    numbers = [1 << k for k in range(64)] + [
        int(rng.integers(1, 1 << 63)) << int(rng.integers(0, 2)) for _ in range(200)
    ]
    numbers = [n & ((1 << 64) - 1) for n in numbers]
    out = np.zeros(len(numbers), np.int64)
    compile_kernel(kernel)(np.array(numbers, np.uint64), out)
    assert out.tolist() == [lowest_bit(n) for n in numbers]
    assert out[:64].tolist() == list(range(64))


@pytest.mark.parametrize("lane", [lane16, lane32, plain])
def test_in_python_a_lane_is_the_number_itself(lane: Callable[[Any], Any]) -> None:
    assert lane(1 << 40) == 1 << 40
    assert lane((1, 2)) == (1, 2)

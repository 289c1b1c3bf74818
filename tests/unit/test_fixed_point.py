"""Rounding and overflow rules against their definitions in exact rational arithmetic, in Python and compiled."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, isqrt, trunc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypr_neuro.numbers import fixed_point as fp
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import tagged_functions

small = settings(deadline=None, derandomize=True, max_examples=60, database=None)
integers = st.integers(-(1 << 40), 1 << 40)
shifts = st.integers(0, 24)
words = st.integers(0, (1 << 32) - 1)


@small
@given(integers, shifts)
def test_shifts_round_as_their_names_say(x: int, n: int) -> None:
    exact = Fraction(x, 1 << n)
    assert fp.shr_floor(x, n) == floor(exact)
    assert fp.shr_zero(x, n) == trunc(exact)
    assert fp.shr_nearest(x, n) == floor(exact + Fraction(1, 2))
    for code, rule in ((fp.FLOOR, fp.shr_floor), (fp.ZERO, fp.shr_zero), (fp.NEAREST, fp.shr_nearest)):
        assert fp.shr(x, n, code) == rule(x, n), (x, n, code)


def test_shifts_at_their_edges() -> None:
    assert [fp.shr_floor(-1, n) for n in (0, 1, 30)] == [-1, -1, -1]
    assert [fp.shr_zero(-1, n) for n in (0, 1, 30)] == [-1, 0, 0]
    assert [fp.shr_nearest(x, 1) for x in (-3, -2, -1, 0, 1, 2, 3)] == [-1, -1, 0, 0, 1, 1, 2]
    assert {fp.shr(x, 0, rule) for x in (7,) for rule in (0, 1, 2)} == {7}


@small
@given(integers, shifts)
def test_stochastic_rounding_goes_up_with_the_dropped_fraction(x: int, n: int) -> None:
    """Over all draws, exactly the dropped fraction of them round up (tried on every draw where these are few)."""
    n = n % 9
    exact = Fraction(x, 1 << n)
    found = [fp.shr_stochastic(x, n, draw) for draw in range(1 << n)]
    assert set(found) <= {floor(exact), ceil(exact)}
    assert Fraction(sum(found), 1 << n) == exact


@small
@given(integers, st.integers(-30, 30))
def test_shifts_are_powers_of_two_that_floor_or_round_to_nearest(x: int, exponent: int) -> None:
    assert fp.shift(x, exponent) == floor(x * Fraction(2) ** exponent)
    assert fp.shift_nearest(x, exponent) == floor(x * Fraction(2) ** exponent + Fraction(1, 2))


def test_shift_nearest_sends_ties_up() -> None:
    assert [fp.shift_nearest(x, -1) for x in (-3, -2, -1, 0, 1, 2, 3)] == [-1, -1, 0, 0, 1, 1, 2]
    assert [fp.shift_nearest(x, 0) for x in (-3, 0, 3)] == [-3, 0, 3]
    assert [fp.shift_nearest(x, 2) for x in (-3, 0, 3)] == [-12, 0, 12]


@small
@given(integers, st.integers(2, 40))
def test_saturation_and_wrap_stay_in_their_width(x: int, bits: int) -> None:
    top = (1 << (bits - 1)) - 1
    assert fp.sat(x, bits) == max(-top, min(top, x))
    wrapped = fp.wrap(x, bits)
    assert -top - 1 <= wrapped <= top
    assert (wrapped - x) % (1 << bits) == 0


@small
@given(st.integers(-(1 << 25), 1 << 25))
def test_lavas_wrap_is_one_addition(x: int) -> None:
    half, full = 1 << 23, 1 << 24
    assert fp.wrap24_lava(x) == (x - full if x > half else x + full if x <= -half else x)


def test_wraps_at_their_edges() -> None:
    assert [fp.wrap24_lava(x) for x in (1 << 23, -(1 << 23), (1 << 23) + 1, 3 << 23)] == [
        1 << 23,
        1 << 23,
        1 - (1 << 23),
        1 << 23,
    ]
    assert [fp.wrap(x, 24) for x in (1 << 23, -(1 << 23), (1 << 23) - 1)] == [-(1 << 23), -(1 << 23), (1 << 23) - 1]
    assert [fp.sat(x, 8) for x in (-200, -128, -127, 127, 128)] == [-127, -127, -127, 127, 127]


@small
@given(st.integers(0, (1 << 62) - 1))
def test_isqrt_is_the_floor_of_the_root(x: int) -> None:
    assert fp.isqrt(x) == isqrt(x)


@small
@given(st.integers(0, (1 << 31) - 1))
def test_isqrt_is_exact_around_squares(root: int) -> None:
    for x in (root * root - 1, root * root, root * root + 1):
        if 0 <= x < 1 << 62:
            assert fp.isqrt(x) == isqrt(x)


@small
@given(integers, st.integers(1, 1 << 40))
def test_quotient_floors(x: int, y: int) -> None:
    assert fp.quotient(x, y) == floor(Fraction(x, y))


def test_mix32_gives_known_values() -> None:
    """The published constants of this finaliser, computed apart with 32-bit unsigned arithmetic."""
    assert [fp.mix32(x) for x in (0, 1, 0xFFFFFFFF, 0xDEADBEEF)] == [mixed(x) for x in (0, 1, 0xFFFFFFFF, 0xDEADBEEF)]
    assert fp.mix32(0) == 0
    assert fp.mix32(1) == 824515495


def mixed(x: int) -> int:
    word = np.array([x], np.uint32)
    for _ in range(2):
        word ^= word >> np.uint32(16)
        word *= np.uint32(0x045D9F3B)
    return int((word ^ (word >> np.uint32(16)))[0])


def test_draw32_gives_known_values() -> None:
    """Frozen: learned weights depend on them, on every target."""
    found = [fp.draw32(*key) for key in ((0, 0, 0, 0), (0, 0, 0, 1), (1, 2, 3, 4), (2**32 - 1, 2**31, 7, 10**6))]
    assert found == [0, 824515495, 891991037, 3020546334]
    word = 0
    for part in (1, 2, 3, 4):
        word = mixed(word ^ part)
    assert word == found[2]


@small
@given(words, words, st.integers(0, 100), st.integers(0, 1 << 24))
def test_draws_are_32_bit_words_that_change_with_every_part_of_the_key(s: int, u: int, t: int, k: int) -> None:
    draw = fp.draw32(s, u, t, k)
    assert 0 <= draw < 1 << 32
    assert draw != fp.draw32(s ^ 1, u, t, k)
    assert draw != fp.draw32(s, u ^ 1, t, k)
    assert draw != fp.draw32(s, u, t + 1, k)
    assert draw != fp.draw32(s, u, t, k + 1)


def test_draws_are_uniform_and_independent() -> None:
    """Each of 32 bits is on in half of 20,000 draws; low 4 bits of neighbours fill all 256 pairs evenly."""
    draws = np.array([fp.draw32(7, u, 3, k) for u in range(20) for k in range(1000)], np.int64)
    share = ((draws[:, None] >> np.arange(32)) & 1).mean(axis=0)
    assert np.abs(share - 0.5).max() < 5 * 0.5 / np.sqrt(draws.size), share
    pairs = np.bincount((draws[:-1] & 15) * 16 + (draws[1:] & 15), minlength=256)
    expected = (draws.size - 1) / 256
    chi_square = float(((pairs - expected) ** 2 / expected).sum())
    assert 255 - 5 * np.sqrt(510) < chi_square < 255 + 5 * np.sqrt(510), chi_square


ARGUMENTS: dict[str, tuple[st.SearchStrategy[int], ...]] = {
    "shr_floor": (integers, shifts),
    "shr_zero": (integers, shifts),
    "scale_zero": (st.integers(-(1 << 31) + 1, (1 << 31) - 1), st.integers(0, 1 << 12), st.integers(12, 15)),
    "shr_nearest": (integers, shifts),
    "shr_stochastic": (integers, shifts, words),
    "shr": (integers, shifts, st.integers(0, 2)),
    "shift": (integers, st.integers(-20, 20)),
    "shift_nearest": (integers, st.integers(-20, 20)),
    "sat": (integers, st.integers(2, 40)),
    "wrap": (integers, st.integers(2, 40)),
    "wrap24_lava": (integers,),
    "mix32": (words,),
    "draw32": (words, words, words, words),
    "isqrt": (st.integers(0, (1 << 62) - 1),),
    "quotient": (integers, st.integers(1, 1 << 40)),
}


@small
@given(st.integers(-(1 << 31) + 1, (1 << 31) - 1), st.integers(1, 15), st.data())
def test_scale_zero_is_the_product_shifted_toward_zero(x: int, n: int, data: st.DataObject) -> None:
    factor = data.draw(st.integers(0, 1 << n))
    assert fp.scale_zero(x, factor, n) == fp.shr_zero(x * factor, n)
    assert abs(fp.scale_zero(x, factor, n)) <= abs(x)


def test_every_rule_is_compared_with_its_compiled_form() -> None:
    assert ARGUMENTS.keys() == {f.__name__ for f in tagged_functions() if f.__module__ == fp.__name__}


def compiled(function: Callable[..., int]) -> Callable[..., int]:
    """The rule inside a kernel, as the engine uses it, with 64-bit ints for arguments."""
    count = len(ARGUMENTS[function.__name__])
    kernels = {
        1: lambda a: function(a[0]),
        2: lambda a: function(a[0], a[1]),
        3: lambda a: function(a[0], a[1], a[2]),
        4: lambda a: function(a[0], a[1], a[2], a[3]),
    }
    return compile_kernel(kernels[count])


@pytest.mark.parametrize("name", ARGUMENTS)
def test_compiled_rules_equal_python(name: str) -> None:
    function = getattr(fp, name)
    kernel = compiled(function)

    @small
    @given(st.tuples(*ARGUMENTS[name]))
    def compare(arguments: tuple[int, ...]) -> None:
        assert int(kernel(np.array(arguments, np.int64))) == function(*arguments)

    compare()

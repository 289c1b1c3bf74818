"""What the translator to C refuses, by function, line and reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest
from c_functions import branching

from hypr_neuro.compilers.c.translate import module, translate
from hypr_neuro.errors import InputError
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.fixed_point import quotient, shr_floor
from hypr_neuro.numbers.jit import jitable

FAR = 70


# --- what is refused


def loops(x):
    while x > 0:
        break
    return x


def no_default(x):
    return branching(x)


def divides(x):
    return x / 2


def true(x):
    return True


def two_forms(x):
    if x > 0:
        return x
    return x, x


def outside(x):
    return np.int64(x)


def unknown(x):
    return x + UNKNOWN  # noqa: F821  (a name that nothing defines is the test)


def either(x):
    return x or 5


def raised(x):
    return (not (x < 3)) + x or x == 2


def whole(s):
    t = s
    return t


def indexed(s, i):
    return s[i]


def by_less_than_one(x):
    return quotient(x, -3)


def by_zero(x):
    return x // 0


def too_far(x):
    return shr_floor(x, FAR)


def backwards(x):
    return x << -1


def keyword(double, double_):
    return double + double_


def kept_apart(x):
    pair = (x, 1)
    pair_0 = x + 1
    return pair[0] + pair_0


@pytest.mark.parametrize(
    ("function", "line", "fault"),
    [
        (keyword, 0, "double, double_: cannot become C, rule: both are 'double_' in C; rename one of the two"),
        (kept_apart, 0, r"pair\[0\], pair_0: cannot become C, rule: both are 'pair_0' in C; rename one of the two"),
        (by_less_than_one, 1, r"quotient\(x, -3\): cannot become C, rule: division by 1 or more"),
        (by_zero, 1, r"x // 0: cannot become C, rule: division by 1 or more"),
        (too_far, 1, r"shr_floor\(x, FAR\): cannot become C, rule: shifts by 0 to 63"),
        (backwards, 1, r"x << -1: cannot become C, rule: shifts by 0 to 63"),
        (loops, 2, "Break: cannot become C, rule: assignments, if, while, for over range, return"),
        (no_default, 1, "an argument for each name without an integer as default"),
        (divides, 1, "Div: cannot become C"),
        (true, 1, "True: cannot become C, rule: only integers"),
        (two_forms, 0, "every way through the function returns the same number of values"),
        (outside, 1, r"np.int64\(\): cannot become C"),
        (unknown, 1, "UNKNOWN: cannot become C"),
        (either, 1, "x or 5: cannot become C, rule: and, or of comparisons"),
        (raised, 1, r"not x < 3\) \+ x or x == 2: cannot become C, rule: and, or of comparisons"),
        (whole, 1, "s: cannot become C, rule: a tuple argument is taken apart or indexed"),
        (indexed, 1, r"s\[i\]: cannot become C, rule: an entry of a tuple has a constant index"),
    ],
)
def test_what_is_outside_the_subset_is_refused(function: Callable, line: int, fault: str) -> None:
    first = inspect.getsourcelines(function)[1]
    with pytest.raises(InputError, match=rf"\.{function.__name__}, line {first + line}: .*{fault}|{fault}"):
        translate(function)


def test_what_has_no_source_or_no_def_is_refused() -> None:
    namespace: dict[str, Callable] = {}
    exec("def typed_in(x):\n    return x\n", namespace)
    with pytest.raises(InputError, match="has no source, rule: a function that stands in a file"):
        translate(namespace["typed_in"], "typed_in")
    expression = lambda x: x  # noqa: E731  (a lambda with a name is the test)
    with pytest.raises(InputError, match="is no definition, rule: a function written with def"):
        translate(expression, "expression")


def test_two_functions_of_one_c_name_are_refused() -> None:
    @jitable
    def sat(x):
        return x

    with pytest.raises(InputError, match="'hn_sat' is the C name of a function of"):
        module([fixed_point.sat, sat])

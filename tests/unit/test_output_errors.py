"""Errors of the readout: a record whose integers cannot be the same everywhere is refused when it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.fixed_point import sat, shift_nearest, shr_floor
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.errors.base import OutputError

SIZES = np.array([5, 6, 7, 8])


def made(value: Callable[..., Any], table: Any = SIZES) -> OutputError:
    """Make an error of which each entry is a function of the distance to the label, the table and the bits."""

    def integer(output, label, table, fraction, bits, error):
        for k in range(output.shape[0]):
            error[k] = value(
                shift_nearest(output[k], bits - 1 - fraction) - (1 << (bits - 1)) * (k == label), table, bits
            )

    return OutputError("another", "made up", integer, ERRORS["linear"].real, table=table)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (np.array([0.0, 1.0]), r"table is float64 of shape \(2,\)"),
        (np.array([[0, 1], [2, 3]]), r"table is int64 of shape \(2, 2\)"),
        (np.array([1, 2], np.int32), r"table is int32 of shape \(2,\)"),
        (np.array([1, 2], np.uint64), r"table is uint64 of shape \(2,\)"),
        ([1, 2], r"table is list of shape \(2,\)"),
    ],
)
def test_a_table_is_one_row_of_words(table: Any, told: str) -> None:
    with pytest.raises(InputError, match=rf"error 'another': {told}, rule: int64 of shape \(entries,\); give np.array"):
        made(lambda off, table, bits: sat(off, bits), table)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (lambda off, table, bits: sat(table[min(max(shr_floor(off, bits - 3), -4), 3)], bits), r"table: no entry \[-"),
        (lambda off, table, bits: sat(table[min(max(off, 0), 4)], bits), r"table: no entry \[4\] in shape \[4\]"),
        (lambda off, table, bits: off, r"error \[\d\] = -?\d+ leaves its (8|16) bits"),
        (lambda off, table, bits: sat(off * off * off * off, bits), r"leaves its 64 bits"),
        (lambda off, table, bits: 0.5, r"integer"),
    ],
)
def test_integers_stay_in_their_table_and_width(value: Callable[..., Any], told: str) -> None:
    with pytest.raises(
        InputError, match=rf"error 'another': of outputs .* and label \d, .*{told}.*; rule: integers, ind"
    ):
        made(value)


def test_what_keeps_to_the_rules_is_made() -> None:
    assert made(lambda off, table, bits: sat(off * table[0], bits)).name == "another"
    assert made(lambda off, table, bits: sat(off, bits), np.zeros(0, np.int64)).table.size == 0

"""Intervals and paired tests against closed forms, and sentences that say no more than seeds show."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from hypr_neuro.comparing.statistics import interval, paired, permuted
from hypr_neuro.errors import InputError


def test_students_interval_is_that_of_the_table() -> None:
    told = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451 * math.sqrt(2.5 / 5)  # t for 4 degrees of freedom
    assert told.mean == 3.0
    assert told.low == pytest.approx(3 - half, rel=1e-6)
    assert told.high == pytest.approx(3 + half, rel=1e-6)
    assert 1.0 <= told.bootstrap_low < 3.0 < told.bootstrap_high <= 5.0
    assert told == interval([1.0, 2.0, 3.0, 4.0, 5.0])


def test_too_few_seeds_have_no_interval() -> None:
    assert math.isnan(interval([1.0]).deviation)
    assert math.isnan(interval([1.0, 2.0]).low)
    assert interval([1.0, math.nan, 3.0]).n == 2
    assert interval([]).n == 0


def test_permutations_are_counted() -> None:
    differences = np.array([1.0, 2.0, -0.5, 3.0])
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=4)]
    assert permuted(differences) == np.mean([s >= 5.5 for s in sums])
    assert permuted(np.zeros(3)) == 1.0
    assert permuted(np.full(20, 1.0)) < 0.001


def test_sentences() -> None:
    assert "cannot tell" in paired([0.5], [0.6], "sim", "float").sentence
    assert "equal in each of 3 seeds" in paired([1, 2, 3], [1, 2, 3], "sim", "c").sentence
    assert "too much alike" in paired([1, 2, 3], [0, 1, 2], "sim", "float, Adam").sentence
    no = paired([0.5, 0.6, 0.7], [0.6, 0.5, 0.72], "sim", "float")
    assert "covers 0" in no.sentence
    assert "does not cover" not in no.sentence
    yes = paired([0.5, 0.61, 0.7, 0.8, 0.9], [0.4, 0.5, 0.6, 0.7, 0.8], "sim", "float")
    assert "does not cover 0" in yes.sentence
    assert "cannot go below 0.05" in yes.sentence
    assert yes.permutation == 2 / 32
    assert yes.t < 0.001
    with pytest.raises(InputError, match="a pair for each seed"):
        paired([1.0], [1.0, 2.0], "sim", "float")

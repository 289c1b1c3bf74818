"""The shifted sensor of the Braille example: what is swapped, thinned and doubled, and that the seed decides it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData

EXAMPLE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "examples" / "braille_shifted_sensor.py"))


def letters(samples: int = 40) -> SequenceData:
    rng = np.random.default_rng(1)
    # so that channels can be told apart by their number of events
    x = (rng.random((samples, 100, 12)) < np.linspace(0.1, 0.8, 12)).astype(np.int8)
    return SequenceData("braille", x, rng.integers(0, 7, samples), np.repeat(["train", "test"], samples // 2), 7)


def described(text: str) -> tuple[int, int, list[int]]:
    """The two taxels, and how many taxels have each gain."""
    numbers = re.search(r"taxels (\d+) and (\d+) swapped", text)
    assert numbers is not None
    return int(numbers[1]), int(numbers[2]), [int(n) for n in re.findall(r"× (\d+)", text)]


@pytest.mark.parametrize("seed", range(6))
def test_two_taxels_are_swapped_and_each_has_one_gain(seed: int) -> None:
    data = letters()
    worn, text = EXAMPLE["shifted"](data, seed)
    one, other, counts = described(text)
    order = np.arange(12)
    order[[one, other]] = order[[other, one]]
    before, after = data.x[:, :, order].astype(np.int64), worn.x.astype(np.int64)
    assert worn.x.dtype == np.int8
    gains = []
    for a, b in zip(np.moveaxis(before, 2, 0), np.moveaxis(after, 2, 0), strict=True):
        if np.array_equal(b, 2 * a):
            gains.append(2.0)
        elif np.array_equal(b, a):
            gains.append(1.0)
        else:
            assert np.all((b == 0) | (b == a))
            # of 400 events or more, half
            assert b.sum() / a.sum() == pytest.approx(0.5, abs=0.1)
            gains.append(0.5)
    assert [gains.count(g) for g in EXAMPLE["GAINS"]] == counts
    assert one != other


def test_labels_and_parts_stay_and_the_data_given_are_not_touched() -> None:
    data = letters()
    kept = data.x.copy()
    worn, _ = EXAMPLE["shifted"](data, 0)
    assert np.array_equal(data.x, kept)
    assert np.array_equal(worn.y, data.y)
    assert np.array_equal(worn.split, data.split)


def test_the_seed_decides_the_shift() -> None:
    data = letters()
    again: list[Any] = [EXAMPLE["shifted"](data, 3)[0].x for _ in range(2)]
    assert np.array_equal(*again)
    assert not np.array_equal(again[0], EXAMPLE["shifted"](data, 4)[0].x)

"""Augmented training data."""

from __future__ import annotations

import numpy as np
import pytest

from hypr_neuro.data.augment import augment
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.testing.networks import random_spikes


def samples() -> SequenceData:
    split = np.array(["train", "validation", "train", "test"])
    return SequenceData("few", random_spikes(3, 4, 50, 3), np.array([0, 1, 2, 0]), split, 3)


def test_copies_stand_behind_the_samples_they_come_from() -> None:
    data = samples()
    more = augment(data, 2, shift=3, stretch=0.1, drop=0.2, seed=1)
    assert np.array_equal(more.x[:4], data.x)
    assert more.y.tolist() == [0, 1, 2, 0, 0, 2, 0, 2]
    assert more.split.tolist() == [*data.split, "train", "train", "train", "train"]
    assert np.array_equal(more.x, augment(data, 2, shift=3, stretch=0.1, drop=0.2, seed=1).x)
    assert not np.array_equal(more.x, augment(data, 2, shift=3, stretch=0.1, drop=0.2, seed=2).x)
    assert not np.array_equal(more.x[4], more.x[6])
    assert np.array_equal(augment(data, 1, shift=3, seed=1).x[4:6], augment(data, 2, shift=3, seed=1).x[4:6])


def test_each_change_does_what_it_says() -> None:
    data = samples()
    assert np.array_equal(augment(data, 1).x[4], data.x[0])
    moved = augment(data, 1, shift=5).x[4]
    assert any(np.array_equal(moved, np.roll(data.x[0], k, axis=0)) for k in range(-5, 6))
    thinned = augment(data, 1, drop=0.5).x[4]
    assert np.all(thinned <= data.x[0])
    assert 0.3 < thinned.sum() / data.x[0].sum() < 0.7
    ramp = np.arange(100, dtype=np.int16)[None, :, None]
    slow = augment(SequenceData("ramp", ramp, np.zeros(1, int), np.array(["train"]), 1), 1, stretch=0.2).x[1, :, 0]
    assert np.all(np.diff(slow) >= 0)
    assert 80 <= slow[-1] <= 99


@pytest.mark.parametrize(
    "options", [{"copies": -1}, {"shift": -1}, {"stretch": 1.0}, {"drop": 1.0}, {"drop": float("nan")}]
)
def test_bad_options_are_named(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"rule: 0 <= copies"):
        augment(samples(), **({"copies": 1} | options))


def test_labels_of_single_steps_are_refused() -> None:
    data = SequenceData("steps", random_spikes(3, 1, 5, 3), np.zeros((1, 5), int), np.array(["train"]), 3)
    with pytest.raises(InputError, match="one label a sample"):
        augment(data, 1)


def test_what_was_warned_of_once_is_so_no_second_time() -> None:
    y, split = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array(["train", "train", "test", "train"])
    with pytest.warns(HyprWarning, match="one-hot"):
        data = SequenceData("hot", random_spikes(3, 4, 5, 3), y, split, 3)
    grown = augment(data, 2, shift=1)  # a warning is an error here
    assert np.array_equal(grown.y, y[[0, 1, 2, 3, 0, 1, 3, 0, 1, 3]])
    assert np.array_equal(grown.x[:4], data.x)

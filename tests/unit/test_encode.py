"""Encoders: what their spikes say about the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hypr_neuro.data.encode import ENCODERS, encode
from hypr_neuro.errors import InputError

modest = settings(deadline=None, derandomize=True, max_examples=40, database=None)
unit_values = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(0, 1))
signals = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 3), st.integers(2, 30), st.integers(1, 3)), elements=st.floats(-0.2, 0.2)
).map(lambda steps: steps.cumsum(axis=1))


@modest
@given(unit_values, st.integers(2, 40))
def test_latency_gives_one_spike_earlier_for_larger_values(values: np.ndarray, steps: int) -> None:
    spikes = encode(values, "latency", steps=steps)
    assert spikes.shape == (len(values), steps, values.shape[1])
    assert np.array_equal(spikes.sum(axis=1), values > 0)
    time = np.where(values > 0, spikes.argmax(axis=1), steps)
    order = values[:, :, None] > values[:, None, :]
    assert not np.any(order & (time[:, :, None] > time[:, None, :]))
    back = 1 - spikes.argmax(axis=1) / (steps - 1)
    assert np.abs((back - values)[values > 0]).max(initial=0) <= 0.5 / (steps - 1) + 1e-12


@modest
@given(unit_values, st.integers(1, 9), st.integers(1, 5))
def test_thermometer_counts_the_value(values: np.ndarray, levels: int, steps: int) -> None:
    spikes = encode(values, "thermometer", levels=levels, steps=steps)
    assert spikes.shape == (len(values), steps, values.shape[1] * levels)
    assert (spikes == spikes[:, :1]).all()
    channels = spikes[:, 0].reshape(*values.shape, levels).astype(int)
    assert (np.diff(channels, axis=2) <= 0).all(), "lower levels are on wherever higher ones are"
    assert np.abs(channels.sum(axis=2) / levels - values).max() <= 0.5 / levels + 1e-12


def test_rate_spikes_with_the_value_as_probability() -> None:
    values = np.tile([0.0, 0.2, 0.7, 1.0], (50, 1))
    spikes = encode(values, "rate", steps=400, seed=3)
    assert np.array_equal(spikes, encode(values, "rate", steps=400, seed=3))
    assert not np.array_equal(spikes, encode(values, "rate", steps=400, seed=4))
    found = spikes.mean(axis=(0, 1))
    assert found[0] == 0
    assert found[3] == 1
    assert np.abs(found - values[0]).max() < 5 * 0.5 / np.sqrt(20000)
    assert encode(values, "rate", steps=400, seed=3, maximum=0.5).mean(axis=(0, 1))[3] == pytest.approx(0.5, abs=0.02)


def test_scan_shows_an_image_row_by_row() -> None:
    image = np.array([[0.0, 1.0, 0.6, 0.3]])
    spikes = encode(image, "scan", rows=2, hold=3, levels=2)
    assert np.array_equal(spikes[0], [[0, 0, 1, 1]] * 3 + [[1, 0, 1, 0]] * 3)


@modest
@given(signals)
def test_level_crossing_follows_a_signal_that_moves_by_less_than_two_thresholds(signal: np.ndarray) -> None:
    threshold = 0.2
    events = encode(signal, "level_crossing", threshold=threshold).astype(int)
    up, down = np.split(events, 2, axis=2)
    assert not np.any(up & down)
    assert not events[:, 0].any()
    level = signal[:, :1] + threshold * np.cumsum(up - down, axis=1)
    assert np.abs(level - signal).max() <= threshold * (1 + 1e-6)


def test_level_crossing_gives_the_known_events() -> None:
    signal = np.array([0.0, 0.05, 0.11, 0.22, 0.15, 0.05])[None, :, None]
    events = encode(signal, "level_crossing", threshold=0.1)
    assert events[0].tolist() == [[0, 0], [0, 0], [1, 0], [1, 0], [0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("method", "signal", "options", "message"),
    [
        ("morse", np.zeros((2, 3)), {}, "unknown encoder 'morse'.*, known: latency, level_crossing, rate"),
        ("rate", np.zeros((2, 3, 4)), {}, r"encoder 'rate': signal of shape \(2, 3, 4\), rule: \(sample, feature\)"),
        ("rate", np.full((2, 3), 1.5), {}, r"encoder 'rate': values 1.5\.\.1.5, rule: 0 <= value <= 1"),
        ("latency", np.full((2, 3), np.nan), {}, r"encoder 'latency': signal\[0, 0\] = nan, rule: finite numbers"),
        ("thermometer", np.full((2, 3), -0.1), {}, r"encoder 'thermometer': values -0.1"),
        (
            "rate",
            np.zeros((2, 3)),
            {"stpes": 4},
            r"encoder 'rate': unknown option 'stpes' \(did you mean 'steps'\?\), known: steps",
        ),
        ("scan", np.zeros((2, 7)), {"rows": 2}, "encoder 'scan': 7 features do not divide into 2 rows"),
        ("scan", np.zeros((2, 7)), {}, "encoder 'scan': rows is missing; give rows=N"),
        ("level_crossing", np.zeros((2, 3)), {}, r"signal of shape \(2, 3\)"),
        ("level_crossing", np.zeros((2, 3, 1)), {"threshold": 0.0}, "threshold = 0.0, rule: a finite number above 0"),
        ("rate", np.zeros((2, 3)), {"steps": 0}, "encoder 'rate': steps = 0, rule: a whole number, at least 1"),
        ("rate", np.zeros((2, 3)), {"steps": 2.5}, r"encoder 'rate': steps = 2\.5, rule: a whole number"),
        ("latency", np.zeros((2, 3)), {"threshold": "x"}, "encoder 'latency': threshold = 'x', rule: a number"),
    ],
)
def test_what_an_encoder_cannot_take_is_named(method: str, signal: np.ndarray, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        encode(signal, method, **options)
    assert "\n" not in str(raised.value)


def test_level_crossing_refuses_a_signal_that_is_not_finite() -> None:
    with pytest.raises(InputError, match="level_crossing"):
        encode(np.full((1, 5, 1), np.nan), "level_crossing")


def test_every_encoder_gives_binary_arrays_of_bytes() -> None:
    for method in ENCODERS:
        signal = np.random.default_rng(0).random((2, 6, 3) if method == "level_crossing" else (2, 6))
        spikes = encode(signal, method, **({"rows": 2} if method == "scan" else {}))
        assert spikes.dtype == np.uint8
        assert spikes.ndim == 3
        assert set(np.unique(spikes)) <= {0, 1}

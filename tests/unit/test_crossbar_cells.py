"""Analog cells against the published formulas, evaluated here once more, over 10^5 cells; pulses, defects, refresh."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.analog import SWITCHES, Analog
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.sim.crossbar.cells import STEP_UNITS, Cells

CELLS = 100_000
TOP = 20
DRAWS = (0, 0, 0)
DAY = 86_400.0
ALL_OFF = {f"analog.{name}": False for name in SWITCHES}


def analog(profile: str, *on: str, **values: Any) -> Analog:
    changes = {**ALL_OFF, "analog.levels": 0, **{f"analog.{name}": True for name in on}}
    found = load_profile(profile, changes | {f"analog.{name}": value for name, value in values.items()}).analog
    assert found is not None
    return found


def cells(kind: Analog, mantissa: int, count: int = CELLS) -> Cells:
    return Cells(kind, TOP, 3, np.full(count, mantissa, np.int64))


def positive(held: Cells, now: float = 0.0) -> Array:
    return np.asarray(held.conductance(now)[0])


def horner(coefficients: list[float], g: float) -> float:
    return sum(c * g**k for k, c in enumerate(coefficients))


@pytest.mark.parametrize("mantissa", [5, 10, 15, 19])
@pytest.mark.parametrize(
    ("profile", "largest", "fit"),
    [
        ("pcm_crossbar", 25.0, [0.26348, 1.9650, -1.1731]),
        ("reram", 40.0, [0.348, 16.030, -43.853, 45.393, -16.815]),
    ],
)
def test_programming_noise_is_that_of_the_fit(profile: str, largest: float, fit: list[float], mantissa: int) -> None:
    g = mantissa / TOP
    programmed = positive(cells(analog(profile, "programming_noise"), mantissa))
    assert programmed.mean() == pytest.approx(g, rel=0.01)
    assert programmed.std() * largest == pytest.approx(horner(fit, g), rel=0.01)


def test_a_cell_at_zero_is_programmed_to_the_positive_half_of_its_noise() -> None:
    programmed = positive(cells(analog("pcm_crossbar", "programming_noise"), 0))
    sigma = 0.26348 / 25.0
    assert programmed.min() == 0.0
    assert programmed.mean() == pytest.approx(sigma / np.sqrt(2 * np.pi), rel=0.02)
    assert (programmed == 0.0).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("mantissa", [2, 6, 20])
@pytest.mark.parametrize("seconds", [1.0, 3600.0, DAY, 365 * DAY])
def test_drift_follows_the_law_at_all_times(mantissa: int, seconds: float) -> None:
    g = mantissa / TOP
    mean = np.clip(-0.0155 * np.log(g) + 0.0244, 0.049, 0.1)
    sigma = np.clip(-0.0125 * np.log(g) - 0.0059, 0.008, 0.045)
    nu = np.abs(np.random.default_rng(1).normal(mean, sigma, 10 * CELLS))
    law = ((seconds + 20.0) / 20.0) ** -nu
    held = positive(cells(analog("pcm_crossbar", "drift"), mantissa), seconds) / g
    assert held.mean() == pytest.approx(law.mean(), rel=0.01)
    # a spread of a spread: both sides are estimates
    assert held.std() == pytest.approx(law.std(), rel=0.015)
    measured = -np.log(held) / np.log((seconds + 20.0) / 20.0)
    assert measured.std() == pytest.approx(nu.std(), rel=0.015)


@pytest.mark.parametrize(("mantissa", "kept"), [(20, 0.66), (2, 0.60)])
def test_after_a_day_large_conductances_keep_66_and_small_ones_60_percent(mantissa: int, kept: float) -> None:
    held = positive(cells(analog("pcm_crossbar", "drift"), mantissa), DAY) / (mantissa / TOP)
    assert float(np.median(held)) == pytest.approx(kept, abs=0.006)


@pytest.mark.parametrize(("mantissa", "seconds"), [(20, 20.0), (10, DAY), (1, 60.0)])
def test_reading_has_the_variance_of_the_fit(mantissa: int, seconds: float) -> None:
    g = mantissa / TOP
    quality = min(0.2, 0.0088 / g**0.65)
    sigma = g * quality * np.sqrt(np.log((seconds + 250e-9) / 500e-9))
    _, variance = cells(analog("pcm_crossbar", "read_noise"), mantissa, 10).weights(seconds)
    assert np.sqrt(variance) / TOP == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize("mantissa", [4, 10, 16])
def test_relaxation_ends_at_the_fit_of_a_day_and_begins_at_that_of_a_second(mantissa: int) -> None:
    g, kind = mantissa / TOP, analog("reram", "programming_noise", "relaxation")
    first, last = [0.348, 16.030, -43.853, 45.393, -16.815], [0.701, 22.086, -50.773, 47.095, -16.458]
    spread = cells(kind, mantissa)
    # σ follows each cell's own conductance: near to that of the aimed one, which the fits are over
    for seconds, fit in ((1.0, first), (DAY, last)):
        sigma = horner(fit, g) / 40.0
        assert positive(spread, seconds).std() == pytest.approx(sigma, rel=0.03 if seconds == DAY else 0.01)


@pytest.mark.parametrize(("stuck", "corrupt"), [(0.02, 0.0), (0.0, 0.135), (0.05, 0.1)])
def test_so_many_cells_are_stuck_as_a_binomial_says(stuck: float, corrupt: float) -> None:
    held = positive(cells(analog("reram", "defects", stuck=stuck, corrupt=corrupt), 9))
    broken = held != 9 / TOP
    p = stuck + corrupt
    assert abs(int(broken.sum()) - p * CELLS) < 4 * np.sqrt(CELLS * p * (1 - p))
    ends = np.isin(held, (0.0, 1.0))
    assert abs(int(ends.sum()) - stuck * CELLS) < 4 * np.sqrt(CELLS * max(stuck, 1e-9) * (1 - stuck)) + 1
    random = held[broken & ~ends]
    if corrupt:
        assert random.mean() == pytest.approx(0.5, abs=0.02)
        assert random.std() == pytest.approx(np.sqrt(1 / 12), abs=0.02)


def test_broken_cells_take_neither_pulses_nor_programming() -> None:
    held = cells(analog("reram", "defects", corrupt=0.2), 9, 1000)
    before = held.conductance(0.0)
    broken = before != np.array([[9 / TOP], [0.0]])
    held.write(np.full(1000, -3 * STEP_UNITS), 0.0, 1, DRAWS)
    held.mantissa[...] = 2
    held.take_over(0.0)
    after = held.conductance(0.0)
    assert np.array_equal(after[broken], before[broken])
    whole = ~broken.any(axis=0)
    assert np.allclose(after[:, whole], [[2 / TOP], [0.0]])


@pytest.mark.parametrize("levels", [2, 8, 16])
def test_programming_tells_so_many_levels_apart(levels: int) -> None:
    mantissa = np.arange(-TOP, TOP + 1)
    held = Cells(analog("reram", levels=levels), TOP, 0, mantissa)
    g = held.conductance(0.0)
    assert len(np.unique(g)) == levels
    assert np.abs(g[0] - g[1] - mantissa / TOP).max() <= 0.5 / (levels - 1) + 1e-12


def test_pulses_have_the_published_size_and_noise() -> None:
    """One pulse of PCM is 0.01 of Gmax, 60 % from cycle to cycle and 20 % between cells."""
    step = round(0.01 * TOP * STEP_UNITS)
    for on, spread in ((("write_noise",), 0.6), (("device_spread",), 0.2)):
        held = cells(analog("pcm_crossbar", *on), 10)
        held.write(np.full(CELLS, -step), 0.0, 7, DRAWS)
        moved = positive(held) - 0.5
        assert moved.mean() == pytest.approx(0.01, rel=0.01)
        assert moved.std() == pytest.approx(0.01 * spread, rel=0.01)


def test_noise_of_many_pulses_grows_with_their_root() -> None:
    held = cells(analog("reram", "write_noise"), 2)
    held.write(np.full(CELLS, -9 * held.pulse_units), 0.0, 7, DRAWS)
    moved = positive(held) - 0.1
    assert moved.mean() == pytest.approx(9 / 21, rel=0.01)
    assert moved.std() == pytest.approx(3 * 0.42 / 21, rel=0.01)


def test_steps_below_a_pulse_are_rounded_right_on_average_or_add_up() -> None:
    third = round(0.01 * TOP * STEP_UNITS / 3)
    at_random = cells(analog("pcm_crossbar"), 10)
    written = at_random.write(np.full(CELLS, -third), 0.0, 7, DRAWS)
    assert abs(written.pulsed - CELLS / 3) < 4 * np.sqrt(CELLS * 2 / 9)
    waiting = cells(analog("pcm_crossbar", update="accumulated"), 10, 10)
    pulsed = [waiting.write(np.full(10, -third - 1), 0.0, 7, DRAWS).pulsed for _ in range(6)]
    assert pulsed == [0, 0, 10, 0, 0, 10]
    assert positive(waiting) == pytest.approx(0.52)


def test_pairs_of_one_sided_cells_are_refreshed_and_keep_their_weight() -> None:
    held = cells(analog("pcm_crossbar"), 0, 4)
    for _ in range(60):  # up by 8 pulses, down by 8: both cells grow
        for sign in (-1, 1):
            held.write(np.full(4, sign * 8 * held.pulse_units), 0.0, 7, DRAWS)
    g = held.conductance(0.0)
    assert g.max() <= 0.9 + 0.08 + 1e-9
    assert np.abs(g[0] - g[1]).max() < 0.09


def test_what_refreshing_rounds_off_goes_to_digital_memory() -> None:
    held = cells(analog("pcm_crossbar", update="accumulated", levels=8), 0, 3)
    total = 0
    for k in range(200):
        step = (-1) ** k * 9 * held.pulse_units + 100
        total += step
        held.write(np.full(3, step), 0.0, 7, DRAWS)
    g, refreshed = held.conductance(0.0), int(held.state["writes"][0]) - 201
    assert refreshed > 3
    whole = (g[0] - g[1]) * TOP * STEP_UNITS - held.state["pending"]
    assert whole == pytest.approx(np.full(3, -total), abs=200.0 + held.pulse_units * 1e-3)


def test_cells_depend_on_chip_place_and_number_alone() -> None:
    kind = analog("pcm_crossbar", "programming_noise", "drift", "device_spread")
    few, many = (Cells(kind, TOP, 2, np.full(n, 9, np.int64)) for n in (50, 50))
    assert np.array_equal(few.conductance(5.0), many.conductance(5.0))
    elsewhere = Cells(kind, TOP, 1, np.full(50, 9, np.int64))
    another = Cells(analog("pcm_crossbar", "programming_noise", chip=1), TOP, 2, np.full(50, 9, np.int64))
    for other in (elsewhere, another):
        assert not np.array_equal(few.conductance(0.0), other.conductance(0.0))


def test_mantissas_that_somebody_else_writes_are_programmed() -> None:
    held = cells(analog("pcm_crossbar", "programming_noise", "drift"), 5, 6)
    before = held.conductance(100.0)
    held.mantissa[2] = -20
    held.take_over(100.0)
    after = held.conductance(100.0)
    assert after[1, 2] == pytest.approx(1.0, abs=0.3)
    others = np.arange(6) != 2
    assert np.array_equal(after[:, others], before[:, others])

"""The arithmetic of learning: against its equations in fractions, and its 32-bit twin against it at the extremes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hypr_neuro.numbers.fixed_point import FLOOR, NEAREST, ZERO
from hypr_neuro.numbers.unrolling import unrolled
from hypr_neuro.numbers.words import held_to
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.sim.learning import eligibility, eligibility_lanes, kernels
from hypr_neuro.sim.learning.kernels import fits_lanes
from hypr_neuro.sim.learning.widths import layer_widths

Rng = np.random.Generator


def rounded(x: Fraction, rounding: int) -> int:
    if rounding == NEAREST:
        return floor(x + Fraction(1, 2))
    return floor(x) if rounding == FLOOR or x >= 0 else ceil(x)


def clip(x: int, bits: int) -> int:
    top = 2 ** (bits - 1) - 1
    return max(-top, min(top, x))


def expected_step(
    old: Any, A: Any, C: Any, late: Any, F: Any, drive: Any, direct: int, kc: int, rounding: int, bits: int
) -> Any:
    """The equations, row by row."""
    d, unit, clips = len(old), Fraction(1, 2**kc), []

    def row(j: int, e: int) -> int:
        total = rounded((sum(A[j][k] * old[k] for k in range(d)) + F[j] * e) * unit, rounding) + drive[j]
        clips.append(clip(total, bits) != total)
        return clip(total, bits)

    new = [row(j, 0) if F[j] == 0 else 0 for j in range(d)]
    total = rounded((sum(C[j] * new[j] + late[j] * old[j] for j in range(d)) + direct) * unit, NEAREST)
    e = clip(total, bits)
    clips.append(e != total)
    new = [row(j, e) if F[j] != 0 else new[j] for j in range(d)]
    return tuple(new), e, any(clips)


def extremes(rng: Rng, top: int, shape: Any) -> Any:
    """Half of them at ±top or next to it, 0 or ±1, the others anywhere inside."""
    ends = rng.choice([-top, 1 - top, -1, 0, 1, top - 1, top], shape)
    return np.where(rng.random(shape) < 0.5, ends, rng.integers(-top, top, shape, endpoint=True))


def jacobians(rng: Rng, d: int, entry_bits: int, count: int) -> Any:
    """A (count, d, d), C, C', F (count, d): as models have them, C 0 where F is not."""
    top = 2 ** (entry_bits - 1) - 1
    by_spike = (np.arange(d) == d - 1) & (d in (2, 3))
    A, C, late = (extremes(rng, top, (count, d, *more)) for more in ((d,), (), ()))
    if d > 2:  # four products in a sum at most
        late[:, : d - 2] = 0
        C[:, d - 2 :] = 0
    return A, np.where(by_spike, 0, C), late, np.where(by_spike, extremes(rng, top, (count, d)), 0)


def as_tuples(*arrays: Any) -> Iterator[Any]:
    yield from zip(*(a.tolist() for a in arrays), strict=True)


def nested(x: Any) -> Any:
    return tuple(map(nested, x)) if isinstance(x, list) else x


@pytest.mark.parametrize("rounding", [FLOOR, ZERO, NEAREST])
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_a_step_follows_its_equations(d: int, rounding: int) -> None:
    rng = np.random.default_rng([d, rounding])
    for kc, bits, entry_bits in ((0, 10, 6), (11, 10, 14), (15, 24, 18)):
        A, C, late, F = jacobians(rng, d, entry_bits, 60)
        top = 2 ** (bits - 1) - 1
        old, drive, direct = (extremes(rng, top, shape) for shape in ((60, d), (60, d), 60))
        clipped = 0
        for case in as_tuples(old, A, C, late, F, drive, direct):
            arguments = (*map(nested, case), kc, rounding, bits)
            wanted = expected_step(*arguments)
            assert eligibility.eligibility_step(*arguments) == wanted
            assert unrolled(eligibility.eligibility_step, d)(*arguments) == wanted
            clipped += wanted[2]
        assert clipped > 0
    for _ in range(200):
        g, e, before = (int(extremes(rng, 2**bits, ())) for bits in (15, 23, 30))
        for gs in (0, 1, 8):
            full = before + floor(Fraction(g * e, 2**gs) + Fraction(1, 2))
            assert eligibility.gradient_step(before, g, e, gs, 31) == (clip(full, 31), clip(full, 31) != full)


def test_what_drives_and_what_is_clamped() -> None:
    A, B, C, late, F = ((9, -300), (127, -127)), (128, -5), (0, 1), (-129, 127), (2, 2000)
    wanted = (((9, -127), (127, -127)), (127, -5), (0, 1), (-127, 127), (2, 127), 4)
    assert eligibility.clamp_jacobian(A, B, C, late, F, 8) == wanted
    assert unrolled(eligibility.clamp_jacobian, 2)(A, B, C, late, F, 8) == wanted
    assert eligibility.gain((3, 4), (-5, 2), 1) == -3  # -7 / 2, ties upward
    assert eligibility.drive_of_current((3, -3), 4, 5) == (2, -1)
    assert eligibility.drive_of_synapse((2, -1), -7) == (-14, 7)
    assert eligibility.drive_of_parameter((3, -3), -1) == (2, -1)
    assert eligibility.drive_of_parameter((3, -3), 2) == (12, -12)


@held_to(32)
class Lane(int):
    """An integer whose sums, products and shifts must fit 32 bits, as those of a lane."""


def words(x: Any) -> Any:
    return tuple(map(words, x)) if isinstance(x, (list, tuple)) else Lane(x)


@pytest.mark.parametrize("rounding", [FLOOR, NEAREST])
@pytest.mark.parametrize(("model", "d"), [("li", 1), ("lif", 2), ("brf", 3), ("alif", 2), ("se_adlif", 2)])
def test_32_bits_do_at_the_widths_that_they_are_used_for(model: str, d: int, rounding: int) -> None:
    """Every result inside fits and the last ones are the same, at the ends of widths that `fits_lanes` allows."""
    rng, lost, over = np.random.default_rng([d, rounding]), 0, 0
    for kc, fe, bits, entry_bits, signal_bits, pre in (
        (15, 12, 24, 18, 16, 1),
        (15, 13, 24, 18, 8, 255),
        (12, 8, 24, 18, 16, 16),
        (17, 13, 20, 18, 16, 2**14),
        (13, 4, 10, 15, 6, 2**15 - 1),
    ):
        gs = max(signal_bits - 1 + fe - 19, 0)
        fixed = layer_widths(load_profile("loihi2"), readout=False)._replace(
            coefficient_fraction=kc,
            eligibility_fraction=fe,
            eligibility_bits=bits,
            rounding=rounding,
            entry_bits=entry_bits,
            signal_bits=signal_bits,
        )
        while not fits_lanes(model, widths := fixed._replace(gradient_shift=gs), pre):
            gs += 1
            assert gs < 31, f"no shift lets {widths} fit"
        A, C, late, F = jacobians(rng, d, entry_bits, 150)
        B = extremes(rng, 2 ** (entry_bits - 1) - 1, (150, d))
        old, arrived = extremes(rng, 2 ** (bits - 1) - 1, (150, d)), extremes(rng, pre, 150)
        signal, gradient = extremes(rng, 2 ** (signal_bits - 1) - 1, 150), extremes(rng, 2**30 - 1, 150)
        for o, a, b, c, at_late, f, x, g, total in as_tuples(old, A, B, C, late, F, arrived, signal, gradient):
            found = []
            for arithmetic, number in ((eligibility, nested), (eligibility_lanes, words)):
                drive = eligibility.drive_of_synapse(eligibility.drive_of_current(number(b), fe, kc), number(x))
                entries = (number(v) for v in (a, c, at_late, f))
                new, e, clipped = arithmetic.eligibility_step(number(o), *entries, drive, 0, kc, rounding, bits)
                found.append((new, e, clipped, *arithmetic.gradient_step(number(total), number(g), e, gs, 31)))
            assert found[0] == found[1], (o, a, b, c, at_late, f, x, g, total)
            lost, over = lost + found[0][2], over + found[0][4]
    assert lost > 100
    assert over > 100


LANES = layer_widths(load_profile("loihi2"), readout=False)._replace(
    coefficient_fraction=12,
    eligibility_fraction=8,
    eligibility_bits=20,
    entry_bits=18,
    signal_bits=8,
    gradient_shift=12,
    accumulator_bits=24,
    rounding=FLOOR,
)
"""Widths that leave a lane room for the largest number that 16 bits hold."""


def test_what_arrives_in_lanes_fits_16_bits() -> None:
    assert fits_lanes("lif", LANES, (1 << 15) - 1)
    assert not fits_lanes("lif", LANES, 1 << 15)


@pytest.mark.parametrize("entries", ["A", "A and F", "C"])
def test_lanes_hold_a_sum_of_four_products_and_no_more(entries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row with k and with k + 1 entries that are not 0, for k = 4."""

    def pattern(products: int) -> SimpleNamespace:
        row, none = (True,) * products, (False,) * products
        rows = {"A": row, "A and F": row[1:], "C": none}[entries]
        late, own = (row, none) if entries == "C" else (none, none)
        return SimpleNamespace(A=(rows,), F=(entries == "A and F",), C=late, C_prev=own)

    for products, fits in ((4, True), (5, False)):
        monkeypatch.setattr(kernels, "structure", lambda model, products=products: pattern(products))
        assert fits_lanes("lif", LANES, 1) is fits


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_without_rounding_or_limits_integers_are_real_numbers(d: int) -> None:
    """Spikes of the own step stand in F and e there, and in A, C and b here."""
    rng = np.random.default_rng(d)
    A, C, late, F = jacobians(rng, d, 5, 40)
    old, drive, direct = (rng.integers(-9, 10, shape) for shape in ((40, d), (40, d), 40))
    for o, a, c, at_late, f, b, direct_ in as_tuples(old, A, C, late, F, drive, direct):
        new, e, lost = eligibility.eligibility_step(o, a, c, at_late, f, b, direct_, 0, NEAREST, 60)
        assert not lost
        # e = C (A ε + b) + C' ε + o, which the rows with F take up
        by_state = [sum(c[j] * a[j][k] for j in range(d)) + at_late[k] for k in range(d)]
        by_drive = sum(x * y for x, y in zip(c, b, strict=True)) + direct_
        whole = tuple(tuple(x + y * by_state[k] for k, x in enumerate(row)) for row, y in zip(a, f, strict=True))
        driven = tuple(x + y * by_drive for x, y in zip(b, f, strict=True))
        for function in (eligibility.float_eligibility_step, unrolled(eligibility.float_eligibility_step, d)):
            assert function(o, whole, c, at_late, driven, direct_) == (new, e)

"""alif_reset: the authors' neuron, whose spike takes the threshold off at once, against their form of it."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.fixed_point import ROUNDING, shift, shr
from hypr_neuro.profiles.profile import load_profile

MODEL, ALIF = get_model("alif_reset"), get_model("alif")
STEPS = 500


def drawn(seed: int) -> dict[str, float]:
    rng = np.random.default_rng([seed, 20])
    return {
        "tau_u": rng.uniform(5, 30),
        "tau_a": rng.uniform(2, 60),
        "b0": rng.uniform(0.005, 0.2),
        "beta": rng.uniform(0.5, 3.0),
    }


def currents(seed: int) -> list[float]:
    return np.random.default_rng([seed, 21]).normal(0.4, 1.5, STEPS).tolist()


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_authors_neuron(seed: int) -> None:
    """Their state is the potential after the reset. With the same decays every number is the same, to the last bit."""
    params = drawn(seed)
    p = MODEL.with_coefficients(tuple(params.values()))
    alpha, gain_u, rho, gain_a = (p[4 + MODEL.coefficients.index(k)] for k in ("alpha", "gain_u", "rho", "gain_a"))
    assert alpha == exp(-1 / params["tau_u"])
    assert rho == exp(-1 / params["tau_a"])
    u = a = z = theirs = 0.0
    s, spikes = (0.0, 0.0), 0
    for t, current in enumerate(currents(seed)):
        a = rho * a + gain_a * theirs
        theta = params["b0"] + params["beta"] * a
        before = alpha * u + gain_u * current
        theirs = 1.0 if before - theta > 0 else 0.0
        u = before - theta * theirs
        s, z = MODEL.float_step(s, z, (current,), p)
        assert (s, z) == ((before, a), theirs), f"seed {seed}, step {t}"
        spikes += int(z)
    assert 0.05 < spikes / STEPS < 0.7


def test_the_reset_is_that_of_the_spike_s_own_step() -> None:
    """Decays of 1/2, threshold 1 and no adaptation: a spike at u = 3 leaves 2, half of it a step later."""
    half = -1 / np.log(0.5)
    p = MODEL.with_coefficients((half, half, 1.0, 0.0))
    (u, _), z = MODEL.float_step((3.0, 0.0), 1.0, (0.0,), p)
    assert (u, z) == (pytest.approx(1.0), 0.0)
    (of_alif, _), _ = ALIF.float_step((3.0, 0.0), 1.0, (0.0,), p)
    assert of_alif == pytest.approx(0.5), "alif takes the threshold off after the leak"


def test_the_threshold_taken_off_is_the_one_before_it_rose() -> None:
    half = -1 / np.log(0.5)
    p = MODEL.with_coefficients((half, half, 1.0, 4.0))
    (u, a), _ = MODEL.float_step((3.0, 0.25), 1.0, (0.0,), p)
    assert (u, a) == (pytest.approx(0.5 * (3.0 - 2.0)), pytest.approx(0.625))


def integers(params: dict[str, float], reach: float, rounding: str) -> tuple[tuple[int, ...], float]:
    form = replace(load_profile("loihi2").fixed_format(reach, 4.0), rounding=ROUNDING[rounding])
    fixed = MODEL.to_fixed({name: np.array([value]) for name, value in params.items()}, form)
    own = tuple(int(fixed.per_neuron[name][0]) for name in MODEL.fixed_per_neuron)
    return own + tuple(fixed.constants[name] for name in MODEL.fixed_constants), fixed.current_scale


@pytest.mark.parametrize("rounding", ROUNDING)
@pytest.mark.parametrize("seed", range(4))
def test_integers_are_the_authors_neuron_too(seed: int, rounding: str) -> None:
    """Their form with the state after the reset, in Python's ints, which never wrap."""
    params = drawn(seed)
    p, scale = integers(params, 12.0, rounding)
    names = MODEL.fixed_per_neuron + MODEL.fixed_constants
    own = dict(zip(names, p, strict=True))
    k, how = own["k"], own["rounding"]
    u = a = theirs = z = 0
    s, spikes = (0, 0), 0
    for t, current in enumerate(np.rint(np.array(currents(seed)) * scale).astype(int).tolist()):
        a = shr(own["rho"] * a + ((1 << k) - own["rho"]) * (theirs << own["f"]), k, how)
        theta = own["b0"] + shr(own["beta"] * a, own["m"], how)
        before = shr(own["alpha"] * u + ((1 << k) - own["alpha"]) * shift(current, own["i_shift"]), k, how)
        theirs = int(before > theta)
        u = before - theta * theirs
        s, z, events = MODEL.fixed_step(s, z, (current,), p)
        assert (s, z, events) == ((before, a), theirs, 0), f"seed {seed}, step {t}"
        assert not theirs or 0 <= u <= before
        assert 0 <= a <= 1 << own["f"]
        spikes += z
    assert 0.05 < spikes / STEPS < 0.7


def test_a_potential_beyond_its_width_is_clipped_and_counted() -> None:
    p, _ = integers(drawn(0), 1.0, "nearest")
    top = (1 << 23) - 1
    (u, _), z, events = MODEL.fixed_step((top, 0), 0, (1 << 30,), p)
    assert (u, z, events) == (top, 1, 1)
    (u, _), z, events = MODEL.fixed_step((-top, 0), 0, (-(1 << 30),), p)
    assert (u, z, events) == (-top, 0, 1)


def test_constants_are_those_of_the_source() -> None:
    """And ψ is the source's double Gaussian at the threshold's distance."""
    assert [p.default for p in MODEL.params] == [20.0, 7.0, 0.01, 1.8]
    assert MODEL.surrogate == "double_gaussian"
    p = MODEL.with_coefficients((20.0, 7.0, 0.01, 1.8))
    assert MODEL.float_psi_arg((0.0, 0.0), (0.7, 0.25), p) == pytest.approx(0.7 - 0.01 - 0.45)


def test_an_update_leaves_time_constants_at_one_step_or_more() -> None:
    params = {
        "tau_u": np.array([0.2, 30.0]),
        "tau_a": np.array([-1.0, 7.0]),
        "b0": np.array([-0.1, 0.1]),
        "beta": np.array([-1.0, 2.0]),
    }
    assert MODEL.constrain is not None
    MODEL.constrain(params)
    assert {name: values.tolist() for name, values in params.items()} == {
        "tau_u": [1.0, 30.0],
        "tau_a": [1.0, 7.0],
        "b0": [-0.1, 0.1],
        "beta": [-1.0, 2.0],
    }

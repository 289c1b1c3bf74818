"""Bounds that hold because a neuron spikes: damping by its own spikes, an adaptation that its threshold holds."""

from __future__ import annotations

import numpy as np
import pytest

from hypr_neuro.bounds.population import PopulationBounds, population_bounds
from hypr_neuro.graph.integer import Population

pytestmark = pytest.mark.once

STEPS = 1500


def bounds_of(p: Population, current: int) -> PopulationBounds:
    ends = np.full(p.size, -float(current)), np.full(p.size, float(current))
    return population_bounds(p, [ends])


def resonator(wd: int, cd: int, **values: int) -> Population:
    """Return one BRF neuron; without spikes |λ| is |1 + (cd + i wd) / 2^15|."""
    plain = {"wd": wd, "cd": cd, "dp": -1312, "gamma": 29491, "theta": 1 << 17, "dlt": 10486, "qs": 23, "k": 15}
    plain |= {"one": 1 << 18, "i_shift": 0, "bits": 31, "rounding": 2, "psi_shift": 14}
    return Population.of("p", "brf", 1, **(plain | values))


def driven(p: Population, current: int, rule: int) -> list[tuple[int, ...]]:
    """Run the first neuron on the current that pushes it outwards, by one of four rules, some of which avoid spikes."""
    own = (*map(int, p.per_neuron[:, 0]), *map(int, p.constants))
    state, z, seen = (0,) * p.model.d, 0, []
    for _ in range(STEPS):
        outwards = current if (state[0] > 0 if rule != 1 else state[1] < 0) else -current
        if rule == 2:
            outwards = current
        if rule >= 2 and p.model.fixed_step(state, z, (outwards,), own)[1]:
            outwards = -current
        state, z, events = p.model.fixed_step(state, z, (outwards,), own)
        assert not events
        seen.append(state)
    return seen


def least_and_most(p: Population, current: int) -> tuple[np.ndarray, np.ndarray]:
    runs = np.array([driven(p, current, rule) for rule in range(4)]).reshape(-1, p.model.d)
    return runs.min(axis=0), runs.max(axis=0)


# the third is undamped to the last bit, the fourth and fifth gain without spikes
RESONATORS = {
    "slow": (200, -1),
    "fast": (8000, -1000),
    "undamped": (1311, -26),
    "gaining": (1311, 4),
    "more": (200, 60),
}


@pytest.mark.parametrize("name", RESONATORS)
@pytest.mark.parametrize("current", [800, 200_000])
def test_spikes_that_damp_bound_a_resonator(name: str, current: int) -> None:
    p = resonator(*RESONATORS[name])
    b = bounds_of(p, current)
    assert np.isfinite(b.free_hi).all()
    low, high = least_and_most(p, current)
    assert (b.free_lo[:, 0] <= low).all()
    assert (b.free_hi[:, 0] >= high).all()
    reached = np.maximum(-low, high)[:2] / b.free_hi[:2, 0]
    assert reached.max() > 1 / 64


@pytest.mark.parametrize("values", [{"dlt": 0}, {"cd": 3000}], ids=["no damping", "too little"])
def test_a_resonator_that_spikes_do_not_damp_enough_has_no_bound(values: dict[str, int]) -> None:
    b = bounds_of(resonator(**({"wd": 1311, "cd": 4} | values)), 800)
    assert np.isinf(b.free_hi[:2]).all()
    assert np.isfinite(b.free_hi[2]).all()


def adaptive(bits: int = 31) -> Population:
    """Return one SE-adLIF neuron, u kept by 0.9, w by 0.99, k a = 5, k b = 10, θ = 1."""
    values = {"alpha": 29491, "beta": 32440, "ka": 5 << 8, "kb": 10 << 8, "theta": 1 << 16, "n": 15, "m": 8}
    return Population.of("p", "se_adlif", 1, **values, f=16, i_shift=0, bits=bits, rounding=2, psi_shift=9)


@pytest.mark.parametrize("current", [30_000, 300_000])
def test_the_threshold_bounds_an_adaptation(current: int) -> None:
    """A silent step adds k a θ to w at most, a spike k b; that holds u from below, u then w, and w u from above."""
    p = adaptive()
    b = bounds_of(p, current)
    assert b.sound.all()
    low, high = least_and_most(p, current)
    assert (b.lo[:, 0] <= low).all()
    assert (b.hi[:, 0] >= high).all()
    one = 1 << 16
    # roundings are a few units
    assert b.hi[1, 0] <= (5 + 10) * one * 1.01
    assert b.lo[0, 0] >= -(current + (5 + 10) * one) * 1.01


def test_an_adaptation_that_its_threshold_bounds_may_overflow() -> None:
    b = bounds_of(adaptive(18), 30_000)
    assert not b.sound.any()
    assert np.isfinite(b.free_hi).all()

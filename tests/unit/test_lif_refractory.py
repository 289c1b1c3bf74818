"""LIF with a refractory period: ordered as Lava's floating-point LIFRefractory, computed as `lif`."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_lava

from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.compiling import compile_kernel

SEED = int(os.environ.get("HYPR_SEED", "0"))
LAVA: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "lava_oracle.py"))
STEP, LIF_STEP = get_model("lif_refractory").fixed_step, get_model("lif").fixed_step
U_WRAPPED, V_SATURATED, CURRENT_WRAPPED = 1, 2, 4
TOP = (1 << 23) - 1


def neuron(**changes: int) -> tuple[int, ...]:
    """p of one neuron: no memory but v's, threshold 10, no bias."""
    values = {"du1": 4096, "dv": 0, "vth": 10 << 6, "bias": 0, "refractory": 2, "lava": 1} | changes
    population = Population.of("a", "lif_refractory", 1, **values)
    return (*population.per_neuron[:, 0].tolist(), *population.constants.tolist())


def lif(p: tuple[int, ...]) -> tuple[int, ...]:
    """The same neuron without a refractory period, as `lif` takes it."""
    du1, dv, vth, bias, _, lava = p
    unused = {"inv_vth": 0, "subtract": 0, "k": 0, "scale_log2": 0}
    population = Population.of("a", "lif", 1, du1=du1, dv=dv, vth=vth, bias=bias, lava=lava, **unused)
    return (*population.per_neuron[:, 0].tolist(), *population.constants.tolist())


def run(p: tuple[int, ...], currents: np.ndarray) -> np.ndarray:
    """(T,) -> (T, 5): spike, u, v, r and events of every step."""
    s, z, rows = (0, 0, 0), 0, []
    for current in currents.tolist():
        s, z, events = STEP(s, z, (current,), p)
        rows.append((z, *s, events))
    return np.array(rows)


def run_lif(p: tuple[int, ...], currents: np.ndarray) -> np.ndarray:
    """The same of `lif`, without r."""
    s, z, rows = (0, 0), 0, []
    for current in currents.tolist():
        s, z, events = LIF_STEP(s, z, (current,), lif(p))
        rows.append((z, *s, events))
    return np.array(rows)


# ---------------------------------------------------------------- Lava

CASES = {
    # (du, dv, vth, bias, refractory period, largest current), unit, steps
    "integrates": ((1.0, 0.0, 10, 0, 1, 7), 0, 160),
    "nothing decays": ((0.0, 0.0, 100, -2, 5, 3), 0, 160),
    "no memory": ((1.0, 1.0, 3, -1, 62, 6), 0, 160),
    "current decays": ((0.5, 0.0, 20, 1, 3, 9), 10, 16),
    "potential decays": ((1.0, 0.5, 6, 2, 4, 6), 10, 16),
    "both decay": ((0.5, 0.5, 7, 0, 2, 6), 10, 16),
}
"""Threshold, bias and currents are multiples of 2^unit, u and v have 6 bits more: 16 steps of halving drop nothing."""
NEURONS = 8


@needs_lava
def test_random_currents_as_in_lava(tmp_path: Path) -> None:
    """Every spike, u and v of every step where floating point is exact: decays of 0, 1/2 and 1."""
    orders, rng = [], np.random.default_rng([SEED, 1])
    for (du, dv, vth, bias, period, size), unit, steps in CASES.values():
        arguments = {"du": du, "dv": dv, "vth": vth << unit, "bias_mant": bias << unit, "refractory_period": period}
        x = rng.integers(-size // 2, size + 1, (steps, NEURONS)) << unit
        orders.append(
            {
                "process": "lif_refractory",
                "arguments": arguments,
                "tag": "floating_pt",
                "inputs": {"a_in": x},
                "states": ["u", "v"],
            }
        )
    for name, order, lava in zip(CASES, orders, LAVA["neurons"](tmp_path, orders), strict=True):
        du, dv, vth, bias, period = order["arguments"].values()
        p = neuron(du1=int(du * 4096), dv=int(dv * 4096), vth=vth << 6, bias=bias << 6, refractory=period)
        x = order["inputs"]["a_in"]
        for i in range(NEURONS):
            compare_with_lava(f"{name}, seed {SEED}, neuron {i}", run(p, np.append(0, x[:-1, i])), lava, i)
        assert 0.01 < lava["s_out"].mean() < 0.5, f"{name}: the case shows nothing"


def compare_with_lava(what: str, ours: np.ndarray, lava: dict[str, Any], i: int) -> None:
    """Lava's v is the value after the reset; its units are ours divided by 2^6."""
    seen = np.stack([ours[:, 0], ours[:, 1], np.where(ours[:, 0], 0, ours[:, 2])], axis=1)
    theirs = np.stack([lava["s_out"][:, i], lava["u"][:, i] * 64, lava["v"][:, i] * 64], axis=1)
    for step in np.flatnonzero((seen != theirs).any(axis=1))[:1]:
        pytest.fail(f"{what}, first step {step}: spike, u, v {seen[step]}, Lava {theirs[step]}")


def test_a_stored_run_of_lava() -> None:
    """Constant current of 96, threshold 330, rests of two steps; u halves, v keeps."""
    found = run(neuron(du1=2048, vth=330 << 6), np.full(11, 96))
    assert found[:, 0].tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert found[:, 1].tolist() == [6144, 9216, 10752, 11520, 11904, 12096, 12192, 12240, 12264, 12276, 12282]
    assert np.where(found[:, 0], 0, found[:, 2]).tolist() == [6144, 15360, 0, 0, 0, 12096, 0, 0, 0, 12276, 0]


# ---------------------------------------------------------------- against lif


def random_case(seed: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Any decays, thresholds and biases, currents up to those that wrap u and saturate v; both overflow modes."""
    rng = np.random.default_rng([SEED, 2, seed])
    p = neuron(
        du1=int(rng.integers(1, 4097)),
        dv=int(rng.integers(0, 4096)),
        vth=int(rng.integers(1, 1 << 17)) << 6,
        bias=int(rng.integers(-4095, 4096)) << int(rng.integers(0, 8)),
        refractory=int(rng.integers(0, 9)),
        lava=seed % 2,
    )
    size = 1 << int(rng.integers(8, 20))
    return p, rng.integers(-size, size, 200) + size // 4


def test_without_a_period_it_is_lif() -> None:
    events = rate = 0
    for seed in range(40):
        p, currents = random_case(seed)
        p = (*p[:4], 0, p[5])
        ours, theirs = run(p, currents), run_lif(p, currents)
        assert np.array_equal(ours[:, [0, 1, 2, 4]], theirs), f"seed {SEED}, {seed}"
        assert not ours[:, 3].any()
        events |= int(np.bitwise_or.reduce(ours[:, 4]))
        rate += ours[:, 0].mean() / 40
    assert events == U_WRAPPED | V_SATURATED | CURRENT_WRAPPED
    assert 0.01 < rate < 0.9


def test_the_potential_rests_for_the_period_and_starts_anew() -> None:
    """u is that of `lif` throughout. From the end of a rest to the next spike, v is that of a `lif` started with it."""
    spikes = 0
    for seed in range(40):
        p, currents = random_case(seed)
        ours, plain, period = run(p, currents), run_lif(p, currents), p[4]
        assert np.array_equal(ours[:, 1], plain[:, 1])
        end = -1  # last step of the rest: kept as a time, where the neuron counts down
        s, z = (0, 0), 0
        for t, current in enumerate(currents.tolist()):
            s, z, events = LIF_STEP((int(ours[t - 1, 1]) if t else 0, s[1]), z, (current,), lif(p))
            if t <= end:
                s, z = (s[0], 0), 0
            if z:
                end = t + period
            wanted = (z, *s, max(end - t, 0), events)
            assert tuple(ours[t]) == wanted, f"seed {SEED}, {seed}, step {t}"
            spikes += z
    assert spikes > 100


# ---------------------------------------------------------------- single steps


def test_a_spike_starts_the_count_and_a_rest_cannot_fire() -> None:
    p = neuron(refractory=62)
    assert STEP((0, 0, 0), 0, (11,), p) == ((704, 704, 62), 1, 0)
    assert STEP((704, 704, 62), 1, (100,), p) == ((6400, 0, 61), 0, 0)
    assert STEP((704, 0, 1), 0, (100,), p) == ((6400, 0, 0), 0, 0)
    assert STEP((704, 0, 0), 0, (11,), p) == ((704, 704, 62), 1, 0)
    assert STEP((0, 0, 0), 0, (10,), p) == ((640, 640, 0), 0, 0), "the threshold itself does not fire"


def test_a_rest_counts_wraps_of_u_and_saturations_of_what_would_be_v() -> None:
    p = neuron(du1=0, vth=TOP, bias=TOP)
    assert STEP((0, TOP, 0), 0, (1,), p) == ((64, TOP, 0), 0, V_SATURATED)
    assert STEP((0, 0, 2), 0, (1,), p) == ((64, 0, 1), 0, V_SATURATED)
    assert STEP((TOP, 0, 2), 0, (1,), p) == ((TOP + 64 - (1 << 24), 0, 1), 0, U_WRAPPED)


@pytest.mark.parametrize("lava", [0, 1])
def test_overflow_of_u_is_lifs(lava: int) -> None:
    """At 2^23 the two modes part."""
    p = neuron(lava=lava, du1=0)
    (u, _, _), _, events = STEP(((1 << 23) - 64, 0, 0), 0, (1,), p)
    (u_lif, _), _, events_lif = LIF_STEP(((1 << 23) - 64, 0), 0, (1,), lif(p))
    assert (u, events) == (u_lif, events_lif) == ((1 << 23, V_SATURATED) if lava else (-(1 << 23), 3))


@pytest.mark.parametrize("lava", [0, 1])
def test_the_current_wraps_at_22_bits_or_as_lavas_at_32(lava: int) -> None:
    p = neuron(lava=lava, du1=0)
    assert STEP((0, 0, 0), 0, ((1 << 15) - 1,), p)[2] == 0
    (u, _, _), _, events = STEP((0, 0, 0), 0, (1 << 15,), p)
    assert (u, events) == ((1 << 21, 0) if lava else (-(1 << 21), CURRENT_WRAPPED))
    (u, _, _), _, events = STEP((0, 0, 0), 0, (1 << 25,), p)
    assert (u, events & CURRENT_WRAPPED) == (-(1 << 31) + (1 << 24) if lava else 0, CURRENT_WRAPPED)


def test_compiled_steps_give_what_python_gives() -> None:
    def kernel(currents, p, out):
        s, z = (0, 0, 0), 0
        for t in range(len(currents)):
            s, z, events = STEP(s, z, (currents[t],), (p[0], p[1], p[2], p[3], p[4], p[5]))
            out[t, 0], out[t, 1], out[t, 2], out[t, 3], out[t, 4] = z, s[0], s[1], s[2], events

    compiled = compile_kernel(kernel)
    for seed in range(20):
        p, currents = random_case(seed)
        out = np.empty((len(currents), 5), np.int64)
        compiled(currents, np.array(p), out)
        assert np.array_equal(out, run(p, currents)), f"seed {SEED}, {seed}"


def test_states_and_events_are_named() -> None:
    model = get_model("lif_refractory")
    assert model.state_names == ("u", "v", "r")
    assert model.events == get_model("lif").events == ("u wrapped", "v saturated", "current wrapped")

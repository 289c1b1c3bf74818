"""Resonate-and-fire neurons: equal to Lava's fixed-point RF and RF_IZ, to their equations, and compiled to Python."""

from __future__ import annotations

import os
import runpy
from fractions import Fraction
from math import trunc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_lava

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.numbers.compiling import compile_kernel

SEED = int(os.environ.get("HYPR_SEED", "0"))
LAVA: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "lava_oracle.py"))
MODELS = ("rf", "rf_iz")
TOP = (1 << 23) - 1
RE_SATURATED, IM_SATURATED, CURRENT_WRAPPED = 1, 2, 4


def run(model: str, p: tuple[int, ...], currents: np.ndarray) -> np.ndarray:
    """One neuron from rest; currents (T, 2) -> (T, 4): spike, re, im and events of every step."""
    step, s, z = get_model(model).fixed_step, (0, 0), 0
    rows = []
    for row in currents.tolist():
        s, z, events = step(s, z, tuple(row), p)
        rows.append((z, *s, events))
    return np.array(rows)


def parameters(population: Population) -> list[tuple[int, ...]]:
    """p of every neuron."""
    constants = tuple(population.constants.tolist())
    return [(*column, *constants) for column in population.per_neuron.T.tolist()]


# ---------------------------------------------------------------- Lava

PARAMETERS = {"period": 10.0, "alpha": 0.07, "vth": 0.9, "state_exp": 6, "decay_bits": 12}
TABLE = {
    "rf": (
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [192, 144, 52, -46, -113, -129, -98, -36, 29, 74, 86, 65, 23, -20, -49, -56, -42, -15, 13, 31, 35, 26, 9],
        [0, 104, 156, 145, 84, 2, -69, -104, -97, -57, -2, 46, 69, 63, 37, 1, -30, -44, -41, -23, -1, 19, 28],
    ),
    "rf_iz": (
        [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [192, 0, -30, -44, -41, -23, -1, 19, 28, 25, 14, 0, -11, -16, -14, -8, -1, 6, 8, 7, 4, 1, -2],
        [0, 56, 42, 15, -13, -31, -35, -26, -9, 9, 19, 21, 15, 5, -5, -10, -11, -8, -3, 2, 4, 5, 3],
    ),
}
"""(spikes, re, im) of Lava's RF and RF_IZ with PARAMETERS after a real current of 3 in the first step."""


@pytest.mark.parametrize("model", MODELS)
def test_a_stored_run_of_lava(model: str) -> None:
    (p,) = parameters(Population.of("a", model, 1, **rf_parameters(**PARAMETERS)))
    assert p == (3081, 2239, 57, 6, 12)
    currents = np.zeros((23, 2), np.int64)
    currents[0, 0] = 3
    assert run(model, p, currents)[:, :3].T.tolist() == list(TABLE[model])


CASES: dict[str, dict[str, Any]] = {
    # size: largest current; events: those that the case is there for
    "turns of 2.1 to 60 steps": {
        "period": [2.1, 3.0, 4.0, 7.3, 10.0, 60.0],
        "alpha": 0.07,
        "vth": 1.3,
        "state_exp": 6,
        "decay_bits": 12,
        "size": 6,
    },
    "backwards": {
        "period": [1.1, 1.3, 1.5, 1.9],
        "alpha": 0.2,
        "vth": 4.0,
        "state_exp": 3,
        "decay_bits": 12,
        "size": 20,
    },
    "no shift, few bits": {
        "period": [5.0, 12.0, 30.0],
        "alpha": 0.1,
        "vth": 30.7,
        "state_exp": 0,
        "decay_bits": 5,
        "size": 60,
    },
    "saturates": {
        "period": [9.0, 20.0],
        "alpha": 0.01,
        "vth": 100.0,
        "state_exp": 10,
        "decay_bits": 12,
        "size": 7000,
        "events": RE_SATURATED | IM_SATURATED,
    },
    "wraps": {
        "period": [9.0, 20.0],
        "alpha": 0.3,
        "vth": 40.0,
        "state_exp": 12,
        "decay_bits": 15,
        "size": 1 << 30,
        "events": RE_SATURATED | IM_SATURATED | CURRENT_WRAPPED,
    },
    "a loss a neuron": {
        "period": 12.0,
        "alpha": [0.0, 0.001, 0.5, 1.0],
        "vth": 2.0,
        "state_exp": 4,
        "decay_bits": 12,
        "size": 10,
    },
}
STEPS = 150


def case(name: str, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """(arguments of rf_parameters, currents (T, n, 2)); currents are off in two steps of three."""
    arguments = {k: v for k, v in CASES[name].items() if k not in ("size", "events")}
    n = max(len(v) for v in arguments.values() if isinstance(v, list))
    rng = np.random.default_rng([seed, list(CASES).index(name)])
    size = CASES[name]["size"]
    return arguments, rng.integers(-size, size + 1, (STEPS, n, 2)) * (rng.random((STEPS, n, 2)) < 1 / 3)


@needs_lava
def test_random_currents_as_in_lava(tmp_path: Path) -> None:
    """Every state and spike of every step, in all cases and both models; parameters as Lava's processes hold them."""
    made = {(model, name): case(name, SEED) for model in MODELS for name in CASES}
    answers = LAVA["neurons"](
        tmp_path,
        [
            {
                "process": model,
                "arguments": arguments,
                "tag": "fixed_pt",
                "states": ["real", "imag"],
                "variables": ["cos_decay", "sin_decay", "vth"],
                "inputs": {"a_real_in": x[:, :, 0], "a_imag_in": x[:, :, 1]},
            }
            for (model, _), (arguments, x) in made.items()
        ],
    )
    for ((model, name), (arguments, x)), lava in zip(made.items(), answers, strict=True):
        population = Population.of("a", model, x.shape[1], **rf_parameters(**arguments))
        theirs = np.stack([lava["cos_decay"], lava["sin_decay"], np.trunc(lava["vth"])])
        assert np.array_equal(population.per_neuron, theirs), name
        met = compare_with_lava(f"{model}, {name}, seed {SEED}", parameters(population), x, lava)
        assert met == CASES[name].get("events", 0), f"{model}, {name}: events"
        assert 0.005 < lava["s_out"].mean() < 0.6, f"{model}, {name}: the case shows nothing"


def compare_with_lava(what: str, p: list[tuple[int, ...]], x: np.ndarray, lava: dict[str, Any]) -> int:
    """Every spike and state equal; the events of all neurons and steps, as one mask. `what` begins with the model."""
    late, met = np.concatenate([np.zeros_like(x[:1]), x[:-1]]), 0
    for neuron, own in enumerate(p):
        ours = run(what.split(",", maxsplit=1)[0], own, late[:, neuron])
        theirs = np.stack([lava[name][:, neuron] for name in ("s_out", "real", "imag")], axis=1)
        for step in np.flatnonzero((ours[:, :3] != theirs).any(axis=1))[:1]:
            pytest.fail(
                f"{what}, neuron {neuron}, first step {step}: spike, re, im {ours[step, :3]}, Lava {theirs[step]}"
            )
        met |= int(np.bitwise_or.reduce(ours[:, 3]))
    return met


@needs_lava
def test_parameters_as_lava_computes_them(tmp_path: Path) -> None:
    """The last bit of a sine decides where a product is nearly whole: periods that divide 360 are among them."""
    rng = np.random.default_rng([SEED, 1])
    periods = np.concatenate([np.arange(1, 361, dtype=float), rng.uniform(1.0, 500.0, 640)])
    for decay_bits, state_exp, vth in ((12, 6, 0.3), (1, 0, 0.7), (30, 15, 3.3)):
        arguments = {
            "period": periods.tolist(),
            "alpha": 0.0 if decay_bits == 12 else 0.07,
            "vth": vth,
            "state_exp": state_exp,
            "decay_bits": decay_bits,
        }
        x = np.zeros((1, periods.size), np.int64)
        (lava,) = LAVA["neurons"](
            tmp_path,
            [
                {
                    "process": "rf",
                    "arguments": arguments,
                    "tag": "fixed_pt",
                    "inputs": {"a_real_in": x, "a_imag_in": x},
                    "states": [],
                    "variables": ["cos_decay", "sin_decay", "vth"],
                }
            ],
        )
        ours = rf_parameters(**arguments)
        for name in ("cos_decay", "sin_decay"):
            assert np.array_equal(ours[name], lava[name]), (name, decay_bits)
        assert ours["vth"] == np.trunc(lava["vth"][0])
        one_by_one = [int(rf_parameters(**arguments | {"period": p})["sin_decay"]) for p in periods]
        assert one_by_one == ours["sin_decay"].tolist(), "an array of periods gives what each of them gives"


# ---------------------------------------------------------------- equations


def equation(s: tuple[int, int], a: tuple[int, int], p: tuple[int, ...]) -> tuple[int, int]:
    """re', im' in exact arithmetic, currents inside 32 bits."""
    cos, sin, _, state_exp, decay_bits = p
    re, im = (Fraction(v, 1 << decay_bits) for v in s)
    full = (
        trunc(cos * re) - trunc(sin * im) + a[0] * 2**state_exp,
        trunc(sin * re) + trunc(cos * im) + a[1] * 2**state_exp,
    )
    return max(-TOP, min(TOP, full[0])), max(-TOP, min(TOP, full[1]))


@pytest.mark.parametrize("decay_bits", [1, 8, 12, 30])
def test_a_step_is_the_equation(decay_bits: int) -> None:
    rng, one = np.random.default_rng([SEED, 2, decay_bits]), 1 << decay_bits
    seen = set()
    for _ in range(400):
        s = tuple(int(v) for v in rng.integers(-TOP, TOP + 1, 2) >> rng.integers(0, 23))
        p = (
            *(int(v) for v in rng.integers(-one, one + 1, 2)),
            int(rng.integers(0, TOP)),
            int(rng.integers(0, 9)),
            decay_bits,
        )
        a = tuple(int(v) for v in rng.integers(-(1 << 22), 1 << 22, 2) >> rng.integers(0, 22))
        re, im = equation(s, a, p)
        assert get_model("rf").fixed_step(s, 0, a, p)[:2] == ((re, im), int(re >= p[2] and im >= 0 and s[1] < 0))
        z = int(im >= p[2])
        assert get_model("rf_iz").fixed_step(s, 0, a, p)[:2] == ((0, p[2] - 1) if z else (re, im), z)
        seen.add((re == TOP, z))
    assert len(seen) == 4, "saturated or not, spike or not"


STILL = (2, 0, 100, 0, 1)
"""A neuron that does not turn: c = 2 / 2^1, threshold 100, no shift."""


@pytest.mark.parametrize(
    ("s", "current", "spike"),
    [
        ((100, -1), (0, 1), 1),
        ((99, -1), (0, 1), 0),
        ((99, -1), (1, 1), 1),
        ((100, -2), (0, 1), 0),
        ((100, 0), (0, 1), 0),
        ((100, -1), (0, 500), 1),
        ((-100, -1), (0, 1), 0),
    ],
)
def test_rf_fires_on_the_way_up_through_the_positive_axis(
    s: tuple[int, int], current: tuple[int, int], spike: int
) -> None:
    """At a real part of vth or more, an imaginary part of 0 or more, and one below 0 before; nothing is reset."""
    after, z, events = get_model("rf").fixed_step(s, 0, current, STILL)
    assert (after, z, events) == ((s[0] + current[0], s[1] + current[1]), spike, 0)


def test_rf_iz_is_reset_to_where_it_does_not_fire_again() -> None:
    step = get_model("rf_iz").fixed_step
    assert step((7, 99), 0, (5, 0), STILL) == ((12, 99), 0, 0)
    assert step((7, 99), 0, (5, 1), STILL) == ((0, 99), 1, 0)
    assert step((0, 99), 1, (0, 0), STILL) == ((0, 99), 0, 0)


@pytest.mark.parametrize("model", MODELS)
def test_saturations_and_wraps_are_counted(model: str) -> None:
    step, high = get_model(model).fixed_step, (2, 0, TOP, 0, 1)
    assert get_model(model).events == ("re saturated", "im saturated", "current wrapped")
    assert step((TOP, 0), 0, (1, 0), high) == ((TOP, 0), 0, RE_SATURATED)
    assert step((-TOP, 0), 0, (-1, 0), high) == ((-TOP, 0), 0, RE_SATURATED)
    assert step((0, -TOP), 0, (0, -1), high) == ((0, -TOP), 0, IM_SATURATED)
    shifted = (*high[:3], 8, 1)
    assert step((0, 0), 0, (1 << 24, 0), shifted)[::2] == ((0, 0), CURRENT_WRAPPED)
    assert step((0, 0), 0, (0, (1 << 24) - 3), shifted)[::2] == ((0, -768), CURRENT_WRAPPED)
    assert step((0, 0), 0, (1 << 23, 0), shifted)[2] == RE_SATURATED | CURRENT_WRAPPED, "2^31 is -2^31 in 32 bits"
    assert step((0, 0), 0, (1 << 22, 0), shifted)[2] == RE_SATURATED


@pytest.mark.parametrize("model", MODELS)
def test_compiled_steps_give_what_python_gives(model: str) -> None:
    """At the ends of every range: 64 bits hold what a step computes on the way."""
    step = get_model(model).fixed_step

    def kernel(rows, out):
        for i in range(len(rows)):
            r = rows[i]
            s, z, events = step((r[0], r[1]), 0, (r[2], r[3]), (r[4], r[5], r[6], r[7], r[8]))
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = s[0], s[1], z, events

    rng = np.random.default_rng([SEED, 3])
    rows = np.stack(
        [
            *(rng.choice([-TOP, -1, 0, 1, TOP, 12345], 3000) for _ in range(2)),
            *(rng.choice([-(1 << 31) + 1, (1 << 31) - 1, -3, 0, 7, 1 << 20], 3000) for _ in range(2)),
            *(rng.choice([-(1 << 30), -777, 0, 1, 1 << 30], 3000) for _ in range(2)),
            rng.choice([-5, 1, 500, TOP], 3000),
            rng.choice([0, 6, 31], 3000),
            rng.choice([1, 12, 30], 3000),
        ],
        axis=1,
    )
    out = np.empty((len(rows), 4), np.int64)
    compile_kernel(kernel)(rows, out)
    for r, found in zip(rows.tolist(), out.tolist(), strict=True):
        s, z, events = step(tuple(r[:2]), 0, tuple(r[2:4]), tuple(r[4:]))
        assert found == [*s, z, events], r


# ---------------------------------------------------------------- parameters


def test_parameters_have_one_number_or_one_a_neuron() -> None:
    made = rf_parameters([4.0, 8.0], 0.5, vth=[1.5, 2.0], state_exp=2, decay_bits=4)
    assert made["cos_decay"].tolist() == [0, 5]
    assert made["sin_decay"].tolist() == [8, 5]
    assert made["vth"].tolist() == [6, 8]
    population = Population.of("a", "rf", 2, **made)
    assert population.per_neuron.tolist() == [[0, 5], [8, 5], [6, 8]]
    assert population.constants.tolist() == [2, 4]
    assert population.model.currents == 2
    assert Population.of("a", "rf_iz", 3, **rf_parameters(6.0, 0.1)).per_neuron.shape == (3, 3)


def test_the_largest_threshold_leaves_room_for_the_reset() -> None:
    assert rf_parameters(6.0, 0.1, vth=[8388606.9, -8388606.9])["vth"].tolist() == [8388606, -8388606]
    with pytest.raises(InputError, match="vth = 8388607"):
        rf_parameters(6.0, 0.1, vth=8388607)


def test_parameters_are_cut_toward_zero() -> None:
    assert rf_parameters(12, 0, 0.99, 1, 12)["sin_decay"] == 2047, "the sine of a twelfth turn is just below 1/2"
    assert rf_parameters(12, 0, 0.99, 1, 12)["vth"] == 1
    assert rf_parameters(2.7, 0.01, -0.99, 1, 12)["vth"] == -1
    assert rf_parameters(2.7, 0.01)["cos_decay"] == trunc(0.99 * np.cos(2 * np.pi / 2.7) * 4096) == -2782


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period": 0.0}, r"period = 0.0, rule: above 0 and finite"),
        ({"period": [3.0, -1.0]}, r"period = \[3.0, -1.0\], rule: above 0"),
        ({"period": float("inf")}, "period = inf"),
        ({"period": float("nan")}, "period = nan"),
        ({"alpha": 1.01}, r"alpha = 1.01, rule: 0..1"),
        ({"alpha": [0.5, -0.1]}, r"alpha = \[0.5, -0.1\]"),
        ({"alpha": float("nan")}, "alpha = nan"),
        ({"state_exp": -1}, r"state_exp = -1, rule: 0..31"),
        ({"state_exp": 32}, "state_exp = 32"),
        ({"decay_bits": 0}, r"decay_bits = 0, rule: 1..30"),
        ({"decay_bits": 31}, "decay_bits = 31"),
        ({"vth": 131072.0}, r"vth = 131072.0, rule: magnitude of vth · 2\^state_exp below 8388607; lower state_exp"),
        ({"vth": [1.0, -131072.0]}, "vth = "),
        ({"vth": float("nan")}, "vth = nan"),
    ],
)
def test_wrong_parameters_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"neuron 'rf': {message}"):
        rf_parameters(**PARAMETERS | change)


@pytest.mark.parametrize("model", ["rf", "rf_iz", "lif_refractory"])
def test_a_neuron_that_is_no_layer_is_refused_as_one(model: str) -> None:
    message = f"neuron '{model}' has no float form, it runs in integer networks only; build the layer of a neuron that"
    if model in MODELS:
        message = f"layer: neuron '{model}' has 2 input currents, rule: one in a layer; make the network of populations"
    with pytest.raises(InputError, match=message):
        Layer(get_model(model), np.ones((2, 1)), None, None, {}, ())
    with pytest.raises(InputError, match=message):
        Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": model, "size": 2}], "readout": {}})


def test_a_neuron_that_rests_has_no_jacobian() -> None:
    with pytest.raises(InputError, match="layer: neuron 'lif_refractory' has no integer Jacobian"):
        get_model("lif_refractory").require_learning("layer")

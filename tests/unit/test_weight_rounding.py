"""Weights are rounded to the nearest or stochastically: right on average, the same for a seed, on both routes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.weights import rounded
from hypr_neuro.workflow.stages_fixed import quantize_start
from hypr_neuro.workflow.tasks import TASKS, for_width

here, refused = partial(answer, run=called), partial(refusal, run=called)
X = (np.random.default_rng(1).random((6, 20, 6)) < 0.4).astype(np.int8)
ROUTES: dict[str, dict[str, Any]] = {"by layer": {}, "in groups": {"weight_groups": 1}}


def network() -> hn.Network:
    """Recurrent weights are a fifth of a step and less, but for one that sets the step."""
    net = hn.Network.build(
        {"inputs": 6, "outputs": 2, "layers": [{"neuron": "alif", "size": 20, "recurrent": True}]}, 0
    )
    net.layers[0].recurrent[...] = np.random.default_rng(2).uniform(-1.6e-3, 1.6e-3, (20, 20))
    net.layers[0].recurrent[0, 0] = 1.0
    return net


def recurrent(qnet: hn.QuantizedNetwork) -> tuple[np.ndarray, float]:
    """Mantissas, and steps for a weight of 1."""
    (c,) = [c for c in qnet.connections if c.source == c.target]
    return c.mantissa, qnet.population(c.target).current_scale / 2.0**c.exponent


def test_numbers_become_one_of_their_neighbours_as_often_as_they_lie_near() -> None:
    values = np.array([0.0, 0.2, -0.2, 1.75, -3.5, 4.0])
    draws = np.stack([rounded(values, seed, "a") for seed in range(4000)])
    assert np.all((draws == np.floor(values)) | (draws == np.ceil(values)))
    assert np.allclose(draws.mean(axis=0), values, atol=4 * 0.5 / np.sqrt(4000))
    assert not draws[:, 0].any()
    assert np.array_equal(rounded(values, None, "a"), [0, 0, 0, 2, -4, 4])
    one, same, other = (rounded(np.full(99, 0.5), seed, name) for seed, name in ((1, "a"), (1, "a"), (1, "b")))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("route", ROUTES)
def test_small_weights_are_kept_on_average(route: str) -> None:
    net = network()
    with pytest.warns(hn.errors.HyprWarning, match="became 0"):
        nearest, steps = recurrent(hn.quantize(net, "loihi2", calibration=X, **ROUTES[route]))
    assert np.count_nonzero(nearest) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = [
            recurrent(hn.quantize(net, "loihi2", calibration=X, rounding="stochastic", seed=seed, **ROUTES[route]))[0]
            for seed in range(200)
        ]
    exact = net.layers[0].recurrent * steps
    assert np.abs(np.mean(drawn, axis=0) - exact).max() < 5 * 0.5 / np.sqrt(200)
    assert not np.array_equal(drawn[0], drawn[1])


def test_the_record_names_the_rounding() -> None:
    qnet = hn.quantize(network(), "loihi2", calibration=X, rounding="stochastic", seed=7)
    weights = [r for r in qnet.record if r["rule"].startswith("weight")]
    assert {r["rounding"] for r in weights} == {"stochastic, seed 7"}
    assert sum(r["zeroed"] for r in weights) > 100


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounding": "up"}, "rounding = 'up', rule: nearest or stochastic"),
        ({"rounding": "stochastic", "seed": -1}, "seed = -1, rule: a whole number, at least 0"),
    ],
)
def test_other_roundings_are_refused(route: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        hn.quantize(network(), "loihi2", calibration=X, **options, **ROUTES[route])


def test_the_command_rounds_by_its_seed(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_train=X, y_train=np.arange(6) % 2, x_test=X, y_test=np.arange(6) % 2)
    network().save(tmp_path / "network.h5")
    run = ("quantize", tmp_path / "network.h5", "--data", tmp_path / "d.npz", "--rounding", "stochastic")
    made = hn.load(here(*run, "--seed", "5", "--out", tmp_path)["file"])
    expected = hn.quantize(
        network(), "loihi2", calibration=hn.load_data(str(tmp_path / "d.npz"), seed=5), rounding="stochastic", seed=5
    )
    assert np.array_equal(recurrent(made)[0], recurrent(expected)[0])
    message = refused(*run[:-1], "up", "--out", tmp_path)
    assert "'--rounding': 'up'" in message
    assert "nearest, stochastic" in message


@pytest.mark.parametrize("bits", [2, 4, 6])
def test_narrow_weights_start_with_some_that_are_not_0(bits: int) -> None:
    data, task = hn.load_data("digits"), TASKS["digits"]
    chip = hn.load_profile("loihi2", {"precision.weight_bits": bits})
    net = hn.Network.build(task.spec(data), 0)
    start = quantize_start(net, task, chip)
    for name, weights in start.weights().items():
        assert np.count_nonzero(weights) > 5, name
    assert for_width(task.fixed, chip).rate < task.fixed.rate
    assert for_width(task.fixed, hn.load_profile("loihi2")) == task.fixed


def test_finer_weight_steps_are_taken_as_many_times() -> None:
    """16 bits have 2^8 steps where tasks state one: a weight moves as far; no rate leaves what options take."""
    task = TASKS["digits"]
    assert for_width(task.scratch, hn.load_profile("ideal")).rate == task.scratch.rate * 256
    fast = replace(task.scratch, rate=64.0)
    for_width(fast, hn.load_profile("ideal")).check_values()

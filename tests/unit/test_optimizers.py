"""Optimizers: steps worked out by hand, settings by name, that `state` is all they remember; clipping and schedules."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.loop import train
from hypr_neuro.train.optimizers import OPTIMIZERS, SGD, Adam, OnChip, RMSprop, clip_norm, make_optimizer
from hypr_neuro.train.options import SCHEDULES


def test_adam_takes_the_known_steps() -> None:
    """Kingma & Ba 2015: g = 2 twice from w = 1 gives two steps of rate·m̂/(√v̂ + ε) with m̂ = 2, v̂ = 4."""
    values = {"w": np.array([1.0, -3.0])}
    adam = Adam(0.1)
    for step in (1, 2):
        adam.update(values, {"w": np.array([2.0, 0.0])})
        np.testing.assert_allclose(values["w"], [1.0 - step * 0.1 * 2.0 / (2.0 + 1e-8), -3.0], rtol=1e-14)
    adam.update(values, {"w": np.array([-4.0, 0.0])})
    m = (0.9 * (0.9 * 0.2 + 0.2) - 0.4) / (1 - 0.9**3)
    v = (0.999 * (0.999 * 0.004 + 0.004) + 0.016) / (1 - 0.999**3)
    np.testing.assert_allclose(values["w"][0], 0.8 - 0.1 * m / (np.sqrt(v) + 1e-8), rtol=1e-7)


def test_adam_takes_its_settings() -> None:
    """β₁ = 0: m̂ = g. β₂ = 0: v̂ = g². One step of rate · 2 / (2 + 2)."""
    values = {"w": np.array([1.0])}
    Adam(0.1, beta1=0.0, beta2=0.0, epsilon=2.0).update(values, {"w": np.array([2.0])})
    np.testing.assert_allclose(values["w"], [0.95], rtol=1e-14)


def test_sgd_takes_the_known_steps() -> None:
    """Momentum 0.5, g = 2, 2, -1: m = 2, 3, 0.5; with rate 0.1, w = 1 - 0.2 - 0.3 - 0.05."""
    values, sgd = {"w": np.array([1.0, 5.0])}, SGD(0.1, momentum=0.5)
    for g, expected in ((2.0, 0.8), (2.0, 0.5), (-1.0, 0.45)):
        sgd.update(values, {"w": np.array([g, 0.0])})
        np.testing.assert_allclose(values["w"], [expected, 5.0], rtol=1e-14)


def test_sgd_without_momentum_follows_the_gradient() -> None:
    values, sgd = {"w": np.array([1.0])}, SGD(0.1, momentum=0.0)
    for g, expected in ((2.0, 0.8), (-1.0, 0.9)):
        sgd.update(values, {"w": np.array([g])})
        np.testing.assert_allclose(values["w"], [expected], rtol=1e-14)
    assert SGD(0.1).momentum == 0.9


def test_rmsprop_takes_the_known_steps() -> None:
    """Decay 0.75, g = 4, then 6: v = 4, then 12; steps of rate · 4/(2 + ε) and rate · 6/(√12 + ε), ε = 1."""
    values, rmsprop = {"w": np.array([1.0, 5.0])}, RMSprop(0.3, decay=0.75, epsilon=1.0)
    rmsprop.update(values, {"w": np.array([4.0, 0.0])})
    np.testing.assert_allclose(values["w"], [1.0 - 0.4, 5.0], rtol=1e-14)
    rmsprop.update(values, {"w": np.array([6.0, 0.0])})
    np.testing.assert_allclose(values["w"], [0.6 - 1.8 / (np.sqrt(12.0) + 1.0), 5.0], rtol=1e-14)


def test_the_factored_optimizer_takes_the_known_step() -> None:
    """|g| constant along rows and columns: ĝ = ±1, every weight moves by rate · lsb; a zero gradient moves none."""
    g = np.array([[3.0, -3.0], [3.0, 3.0]])
    values = {"w": np.zeros((2, 2)), "frozen": np.ones(2)}
    optimizer = OnChip(0.5, {"w": 0.25})
    optimizer.update(values, {"w": g, "frozen": np.ones(2)})
    np.testing.assert_allclose(values["w"], -0.125 * np.sign(g))
    assert np.array_equal(values["frozen"], np.ones(2))
    before = values["w"].copy()
    optimizer.update(values, {"w": np.zeros((2, 2))})
    assert np.array_equal(values["w"], before)


def test_the_factored_optimizer_clips_large_steps() -> None:
    g = np.ones((8, 8))
    optimizer = OnChip(1.0, {"w": 1.0}, limit=2.0)
    values = {"w": np.zeros((8, 8))}
    optimizer.update(values, {"w": g})
    values["w"][...] = 0.0
    optimizer.update(values, {"w": 1000.0 * g})
    assert np.all(values["w"] == -2.0)


def test_an_average_that_is_0_takes_the_first_value() -> None:
    """Row 0 has its first gradient in the second update: its average is 4, not 4/2; that of row 1 is 1 + (4 - 1)/2."""
    optimizer = OnChip(1.0, {"w": 1.0}, average_shift=1, limit=64.0)
    optimizer.step("w", np.array([[0.0, 0.0], [1.0, 1.0]]))
    optimizer.step("w", np.full((2, 2), 2.0))
    assert optimizer.state["row/w"].tolist() == [4.0, 2.5]
    assert optimizer.state["column/w"].tolist() == [0.5 + (4.0 - 0.5) / 2] * 2


def test_the_rule_of_layers_divides_by_one_norm() -> None:
    """mean g² = 4 of (0, 0, 0, ±4): norm 2, steps r (0, 0, 0, ±2); then mean g² = 4 + (16 - 4)/4 = 7."""
    values = {"w": np.zeros((2, 2))}
    rule = OnChip(0.5, {"w": 0.25}, rule="layer", average_shift=2)
    rule.update(values, {"w": np.array([[0.0, 0.0], [0.0, -4.0]])})
    np.testing.assert_allclose(values["w"], [[0.0, 0.0], [0.0, 0.25 * 0.5 * 2.0]], rtol=1e-14)
    np.testing.assert_allclose(rule.step("w", np.full((2, 2), 4.0)), 0.5 * 4.0 / sqrt(7.0), rtol=1e-14)
    slow = OnChip(0.5, {"w": 0.25}, rule="layer", average_shift=6)
    slow.step("w", np.ones((2, 2)))
    assert slow.step("w", np.full((2, 2), 1e6)).max() == 0.5 * 4.0, "clipped at limit · rate"


def test_sgd_on_chip_takes_the_size_of_integer_gradients() -> None:
    """r 2^-19 scale g: 0.5 · 2^-19 · 2^21 · 0.75 = 1.5 mantissas, clipped at the limit alone."""
    rule = OnChip(0.5, {"w": 0.25}, rule="sgd", scale={"w": 2.0**21}, limit=4.0)
    assert rule.step("w", np.array([[0.75, -100.0]])).tolist() == [[1.5, -4.0]]


def test_signs_on_chip() -> None:
    values = {"w": np.zeros((1, 3))}
    OnChip(0.5, {"w": 0.25}, rule="sign").update(values, {"w": np.array([[7.0, 0.0, -1e-9]])})
    assert values["w"].tolist() == [[-0.125, 0.0, 0.125]]


def test_momentum_on_chip_averages_steps() -> None:
    """M ← M + (step - M)/4 from 0, signs with rate 1: 1/4, 7/16, and on without a gradient 21/64."""
    rule = OnChip(1.0, {}, rule="sign", momentum=2)
    steps = [float(rule.step("w", np.array([[g]]))[0, 0]) for g in (3.0, 5.0, 0.0)]
    assert steps == [0.25, 0.4375, 0.328125]


def test_an_unknown_rule_on_chip_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"unknown rule 'nonsense'.*, known: {', '.join(sorted(UPDATES))}"):
        OnChip(1.0, {}, rule="nonsense")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_changes_arrays_in_place_and_leaves_gradients_alone(name: str) -> None:
    w, g = np.array([[1.0, 2.0]]), np.array([[0.5, -0.5]])
    given, gradient = w, g.copy()
    make_optimizer(name, 0.1).update({"w": w}, {"w": gradient})
    assert w is given
    assert np.array_equal(gradient, g)
    assert np.array_equal(np.sign(w - np.array([[1.0, 2.0]])), -np.sign(g))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_is_all_that_an_optimizer_remembers(name: str) -> None:
    """A second one that takes over after two steps ends at the same bits; a third without the state does not."""
    gradients = [{"w": g, "b": g[:1]} for g in np.random.default_rng(0).standard_normal((4, 3))]
    start = {"w": np.ones(3), "b": np.zeros(1)}

    def after(first: Any, second: Any, hand_over: bool = True) -> dict[str, Any]:
        values = {k: v.copy() for k, v in start.items()}
        for g in gradients[:2]:
            first.update(values, g)
        if hand_over:
            second.state = {k: np.array(v) for k, v in first.state.items()}
        for g in gradients[2:]:
            second.update(values, g)
        return values

    one = make_optimizer(name, 0.1)
    expected = after(one, one)
    fresh = after(make_optimizer(name, 0.1), make_optimizer(name, 0.1))
    assert all(np.array_equal(fresh[k], expected[k]) for k in start)
    forgetful = after(make_optimizer(name, 0.1), make_optimizer(name, 0.1), hand_over=False)
    assert all(not np.array_equal(forgetful[k], expected[k]) for k in start)


def test_optimizers_are_found_by_name_with_their_settings() -> None:
    assert {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD} == OPTIMIZERS
    made = make_optimizer({"name": "sgd", "momentum": 0.25}, 0.1)
    assert isinstance(made, SGD)
    assert (made.rate, made.momentum) == (0.1, 0.25)
    assert make_optimizer({"name": "adam", "epsilon": 3, "beta1": 0}, 1.0).epsilon == 3
    given = {"name": "rmsprop", "decay": 0.5}
    assert make_optimizer(given, 0.1).decay == 0.5
    assert given == {"name": "rmsprop", "decay": 0.5}, "what was given is left alone"


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("adamw", "unknown optimizer 'adamw'.*, known: adam, rmsprop, sgd"),
        ({"momentum": 0.5}, "unknown optimizer 'None'.*, known: adam, rmsprop, sgd"),
        ({"name": "sgd", "decay": 0.5}, "optimizer 'sgd': unknown setting 'decay'.*, known: momentum"),
        ({"name": "adam", "rate": 0.5}, "optimizer 'adam': unknown setting 'rate'.*, known: beta1, beta2, epsilon"),
        ({"name": "adam", "beta1": "0.9"}, "optimizer 'adam': beta1 = '0.9', rule: a number"),
        ({"name": "adam", "beta1": True}, "optimizer 'adam': beta1 = True, rule: a number"),
        ({"name": "adam", "beta2": 1.0}, "optimizer 'adam': beta2 = 1.0, rule: a number, 0 <= beta2 < 1"),
        ({"name": "sgd", "momentum": 1.5}, "optimizer 'sgd': momentum = 1.5, rule: a number, 0 <= momentum < 1"),
        ({"name": "rmsprop", "decay": -0.1}, "optimizer 'rmsprop': decay = -0.1"),
        ({"name": "rmsprop", "epsilon": float("nan")}, "optimizer 'rmsprop': epsilon = nan"),
        ({"name": "adam", "epsilon": float("inf")}, "optimizer 'adam': epsilon = inf"),
    ],
)
def test_bad_settings_are_named(chosen: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_optimizer(chosen, 0.1)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bad_rate_is_named(rate: float) -> None:
    with pytest.raises(InputError, match=f"rate = {rate}, rule: positive and finite"):
        make_optimizer("sgd", rate)


def test_clipping_scales_all_arrays_together() -> None:
    """The norm over both is √(9 + 16 + 144) = 13."""
    gradient = {"w": np.array([[3.0, 0.0], [0.0, -4.0]]), "b": np.array([12.0])}
    clip_norm(gradient, 13.0)
    assert np.array_equal(gradient["b"], [12.0]), "at the limit nothing changes"
    clip_norm(gradient, 6.5)
    np.testing.assert_allclose(gradient["w"], [[1.5, 0.0], [0.0, -2.0]], rtol=1e-15)
    np.testing.assert_allclose(gradient["b"], [6.0], rtol=1e-15)
    clip_norm(gradient, 100.0)
    np.testing.assert_allclose(gradient["b"], [6.0], rtol=1e-15)


def test_clipping_leaves_a_zero_gradient_alone() -> None:
    gradient = {"w": np.zeros(3)}
    clip_norm(gradient, 1e-3)
    assert np.array_equal(gradient["w"], np.zeros(3))


# --- in the training loop


def task(model: str = "lif") -> tuple[Network, SequenceData]:
    """Eight samples to train on, none held out."""
    net = random_network(model, 1, outputs=2)
    return net, SequenceData("random", random_spikes(1, 8, 20, 4), np.arange(8) % 2, np.full(8, "train"), 2)


def test_schedules_by_hand() -> None:
    assert SCHEDULES.keys() == {"constant", "cosine", "linear"}
    at = {name: [factor(done) for done in (0.0, 1 / 3, 0.5, 1.0)] for name, factor in SCHEDULES.items()}
    np.testing.assert_allclose(at["constant"], [1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(at["cosine"], [1.0, 0.75, 0.5, 0.0], atol=1e-15)
    np.testing.assert_allclose(at["linear"], [1.0, 2 / 3, 0.5, 0.0])


@pytest.mark.parametrize(("schedule", "last"), [("linear", 0.25), ("constant", 1.0), ("cosine", (1 - sqrt(0.5)) / 2)])
def test_an_epoch_records_the_rate_of_its_last_update(schedule: str, last: float) -> None:
    """Four updates in two epochs: the last one starts when three quarters are done."""
    net, data = task()
    history = train(net, data, epochs=2, batch_size=4, rate=0.01, schedule=schedule)
    assert history.epochs[-1].rate == pytest.approx(0.01 * last)


def moved(clip: float | None) -> float:
    """Length of one update by the plain gradient, at a rate that keeps clear of parameters' bounds."""
    net, data = task("alif")
    before = {k: v.copy() for k, v in net.arrays().items()}
    plain = {"name": "sgd", "momentum": 0.0}
    train(net, data, epochs=1, batch_size=8, rate=0.1, schedule="constant", optimizer=plain, clip=clip)
    return float(np.sqrt(sum(np.sum((v - before[k]) ** 2) for k, v in net.arrays().items())))


def test_clipping_bounds_the_length_of_an_update() -> None:
    free = moved(None)
    assert free > 0.1 * 1e-2
    assert moved(1e-2) == pytest.approx(0.1 * 1e-2, rel=1e-9)
    assert moved(1e3) == free

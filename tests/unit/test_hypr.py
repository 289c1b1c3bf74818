"""Gradients of the HYPR rule: the fast path equals the definition, explicit eligibilities; bad input is named."""

from __future__ import annotations

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.losses import LOSSES
from hypr_neuro.train.reference import reference_gradients
from hypr_neuro.train.rules import RULES

SAMPLES, STEPS = 2, 25
CASES = {
    "one layer": {},
    "no bias, not recurrent": {"recurrent": False, "bias": False},
    "two layers": {"hidden": (4, 3)},
}


def problem(model: str, seed: int = 7, **options: object):
    """(network, x, y, mask)."""
    net = random_network(model, seed, **options)
    rng = np.random.default_rng([seed, 5])
    y, mask = rng.integers(0, net.output_size, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.6
    return net, random_spikes(seed, SAMPLES, STEPS, net.inputs), y, mask


def assert_close(expected: dict, got: dict, relative: float) -> None:
    """Each array within `relative` of its largest entry, which is not 0."""
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        size = np.abs(value).max()
        worst = np.abs(got[name] - value).max()
        assert worst <= relative * size, f"{name}: off by {worst:.3g}, largest entry {size:.3g}"


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", spiking_models())
def test_gradients_equal_the_definition_for_every_chunk(model: str, case: str, chunk: int | None) -> None:
    net, x, y, mask = problem(model, **CASES[case])
    expected, loss = reference_gradients(net, x, y, mask)
    got, got_loss = gradients(net, x, y, mask, chunk=chunk)
    assert_close(expected, got, 1e-9)
    assert got_loss == pytest.approx(loss, rel=1e-12)
    assert expected.keys() == net.arrays().keys()
    assert all(np.any(value) for value in expected.values())


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize("model", spiking_models())
def test_late_learning_signals_equal_the_definition(model: str, chunk: int | None) -> None:
    net, x, y, mask = problem(model, hidden=(4, 3))
    expected, _ = reference_gradients(net, x, y, mask, signal_delay=(1, 9))
    got, _ = gradients(net, x, y, mask, chunk=chunk, signal_delay=(1, 9))
    assert_close(expected, got, 1e-9)
    in_time, _ = gradients(net, x, y, mask, chunk=chunk)
    assert not np.allclose(in_time["layers.0.weight"], got["layers.0.weight"])
    assert np.array_equal(in_time["readout.weight"], got["readout.weight"])


def test_a_subtractive_reset_equals_the_definition() -> None:
    net, x, y, mask = problem("lif", params={"subtract": 1.0})
    assert_close(reference_gradients(net, x, y, mask)[0], gradients(net, x, y, mask, chunk=7)[0], 1e-9)


def test_one_label_a_sample_stands_for_every_step() -> None:
    net, x, y, _ = problem("lif")
    every_step = np.repeat(y[:, :1], STEPS, axis=1)
    assert_close(gradients(net, x, every_step)[0], gradients(net, x, y[:, 0])[0], 0.0)
    assert_close(reference_gradients(net, x, y[:, 0])[0], gradients(net, x, y[:, 0])[0], 1e-9)


def test_unscored_steps_carry_no_gradient() -> None:
    net, x, y, mask = problem("brf")
    other = np.where(mask, y, (y + 1) % net.output_size)
    assert_close(gradients(net, x, y, mask)[0], gradients(net, x, other, mask)[0], 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((SAMPLES, STEPS, 9))}, r"x of shape \(2, 25, 9\), rule: \(sample, T, 4\)"),
        ({"x": np.zeros((SAMPLES, STEPS))}, r"x of shape \(2, 25\)"),
        ({"y": np.zeros((SAMPLES, STEPS + 1), int)}, r"y of shape \(2, 26\)"),
        ({"y": np.full((SAMPLES, STEPS), 3)}, "label 3, rule: 0 <= y < 3"),
        ({"y": np.full((SAMPLES, STEPS), -1)}, "label -1, rule: 0 <= y < 3"),
        ({"mask": np.zeros((SAMPLES, STEPS), bool)}, "no scored step"),
        ({"mask": np.ones((SAMPLES, STEPS + 1), bool)}, r"mask of shape \(2, 26\)"),
        (
            {"y": np.zeros((SAMPLES, STEPS))},
            "loss 'per_step_cross_entropy' is for integer classes; real targets take 'squared_error'",
        ),
        ({"y": np.zeros((SAMPLES, STEPS), bool)}, "y of type bool"),
        (
            {"y": np.zeros((SAMPLES, STEPS), int), "loss": "mean_cross_entropy"},
            r"y of shape \(2, 25\), rule: \(2,\) for loss 'mean_cross_entropy'",
        ),
        ({"loss": "squared_error"}, r"y int64 of shape \(2, 25\), rule: numbers \(2, 3\) or \(2, 25, 3\)"),
        ({"y": np.zeros((SAMPLES, 2)), "loss": "squared_error"}, r"y float64 of shape \(2, 2\)"),
        ({"y": np.zeros((SAMPLES, 3), complex), "loss": "squared_error"}, "y complex128"),
        ({"y": np.full((SAMPLES, 3), np.inf), "loss": "squared_error"}, "y holds a number that is not finite"),
        ({"rule": "backprop"}, f"unknown rule 'backprop'.*, known: {', '.join(sorted(RULES))}"),
        ({"loss": "squared"}, f"unknown loss 'squared'.*, known: {', '.join(sorted(LOSSES))}"),
        ({"chunk": 0}, "chunk = 0, rule: a whole number, at least 1"),
        ({"chunk": -3}, "chunk = -3"),
    ],
)
def test_bad_input_of_gradients_is_named(change: dict, message: str) -> None:
    net, x, y, mask = problem("lif")
    arguments = {"x": x, "y": y, "mask": mask} | change
    with pytest.raises(InputError, match=message):
        gradients(net, **arguments)

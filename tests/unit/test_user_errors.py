"""Errors and losses that the user supplies, and signals that a rule makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_rules import SAMPLES, STEPS, DirectFeedback, assert_close, assert_equal, data_of, flat, problem

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.loop import train
from hypr_neuro.train.losses import LOSSES, cross_entropy
from hypr_neuro.train.stream import stream_gradients

Array = Any


@pytest.mark.parametrize("rule", ["hypr", "ostl", "eprop", "bptt"])
def test_given_errors_are_those_of_the_built_in_loss(rule: str) -> None:
    from hypr_neuro.run.forward import readout

    net, x, y, mask = problem()
    expected, _ = gradients(net, x, y, mask, rule=rule)
    output = readout(net, x, dtype=np.float64)
    chance = np.exp(output - output.max(axis=2, keepdims=True))
    chance /= chance.sum(axis=2, keepdims=True)
    errors = (chance - np.eye(net.output_size)[y]) * mask[:, :, None] / mask.sum()
    for chunk in (None,) if rule == "bptt" else (None, 5):
        found, value = gradients(net, x, errors=errors, rule=rule, chunk=chunk)
        assert_close(expected, found, 1e-9)
        assert value == pytest.approx(np.sum(errors * output))
    masked, _ = gradients(net, x, errors=errors + 1.0 - mask[:, :, None], mask=mask, rule=rule)
    assert_close(expected, masked, 1e-9)


def own_cross_entropy(output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
    """A user's loss."""
    return cross_entropy(output, target, weight)


def own_squares(output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
    """A user's loss with real targets."""
    return LOSSES["squared_error"].step(output, target, weight)


@pytest.mark.parametrize("chunk", [None, 5])
@pytest.mark.parametrize(
    ("own", "name"), [(own_cross_entropy, "per_step_cross_entropy"), (own_squares, "squared_error")]
)
def test_a_loss_of_the_users_is_as_good_as_a_built_in_one(own: Any, name: str, chunk: int | None) -> None:
    net, x, y, mask = problem()
    if name == "squared_error":
        y = np.random.default_rng(0).standard_normal((SAMPLES, STEPS, net.output_size))
    expected, loss = gradients(net, x, y, mask, loss=name, chunk=chunk)
    found, again = gradients(net, x, y, mask, loss=own, chunk=chunk)
    assert again == loss
    assert_equal(expected, found)
    parts = [(x[:, :9], y[:, :9], mask[:, :9]), (x[:, 9:], y[:, 9:], mask[:, 9:])]
    assert_equal(stream_gradients(net, parts, loss=name)[0], stream_gradients(net, parts, loss=own)[0])


def test_training_takes_a_loss_of_the_users(tmp_path: Path) -> None:
    net, data = data_of()
    by_name, by_function = net.copy(), net.copy()
    train(by_name, data, epochs=2)
    train(by_function, data, epochs=2, loss=own_cross_entropy, checkpoint=tmp_path)
    assert_equal(by_name.arrays(), by_function.arrays())
    with pytest.raises(FileFormatError, match=r"another run \(code of the loss, loss differ: loss .* there, .* here\)"):
        train(net, data, epochs=2, loss=flat, checkpoint=tmp_path)


def test_what_a_loss_of_the_users_returns_is_checked() -> None:
    net, x, y, _ = problem()

    def wrong(output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
        return np.zeros(1), output[0]

    with pytest.raises(InputError, match=r"loss '.*wrong' returned arrays \(1,\) and .*, rule: the loss of each"):
        gradients(net, x, y, loss=wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "y is missing; give labels or targets, or errors="),
        ({"errors": np.zeros((SAMPLES, STEPS, 1))}, r"errors of shape .*, rule: \(6, 24, \d+\), one a step and output"),
        ({"errors": np.full((SAMPLES, STEPS, 3), np.inf)}, "errors holds a number that is not finite"),
        ({"errors": np.zeros((SAMPLES, STEPS, 3)), "y": np.zeros(SAMPLES, int)}, "errors go without y and loss"),
        ({"errors": np.zeros((SAMPLES, STEPS, 3)), "loss": "last_step"}, "errors go without y and loss"),
        ({"y": np.zeros(SAMPLES, int), "loss": 3}, "loss = 3, rule: a name, a Loss or a function"),
    ],
)
def test_bad_errors_and_losses_are_named(options: dict[str, Any], message: str) -> None:
    net, x, _, _ = problem()
    assert net.output_size == 3
    with pytest.raises(InputError, match=message):
        gradients(net, x, **options)


@pytest.mark.parametrize("chunk", [None, 5])
def test_a_rule_gives_the_learning_signals_of_each_layer(chunk: int | None) -> None:
    """Direct feedback to the only hidden layer is HYPR with that way down, past the readout's 1 - κ."""
    net, x, y, mask = problem(hidden=(5,))
    matrix = np.random.default_rng(0).standard_normal((net.output_size, 5))
    expected, _ = gradients(net, x, y, mask, feedback_weights=[matrix])
    keeps = np.exp(-1.0 / net.layers[-1].params["tau"])
    rows = tuple(map(tuple, (1.0 - keeps)[:, None] * matrix))
    found, _ = gradients(net, x, y, mask, rule=DirectFeedback("direct", "here", matrix=rows), chunk=chunk)
    assert_close(expected, found, 1e-9)

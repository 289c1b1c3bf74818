"""Updates inside a sequence: against a loop written by hand, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from learning_rules import assert_close, data_of, problem, reward_modulated

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.loop import train
from hypr_neuro.train.losses import RatePenalty
from hypr_neuro.train.online import online_gradients
from hypr_neuro.train.optimizers import SGD
from hypr_neuro.train.reference import _LayerReference

Array = Any


def hand_written(net: Network, x: Array, y: Array, every: int, rate: float) -> None:
    """One sample, HYPR by its definition, with a step of gradient descent after every so many steps."""
    layers = [_LayerReference(layer, 0) for layer in net.layers]
    for t in range(len(x)):
        values = x[t].astype(float)
        for layer in layers:
            values = layer.forward(values)
        chance = np.exp(values - values.max())
        signal = (chance / chance.sum() - np.eye(net.output_size)[y[t]]) / len(x)
        for layer in reversed(layers):
            signal = layer.learn(signal)
        if (t + 1) % every and t + 1 < len(x):
            continue
        for i, layer in enumerate(layers):
            for name, gradient in layer.gradients().items():
                net.arrays()[f"{net.name(i)}.{name}"][...] -= rate * gradient
            fresh = _LayerReference(net.layers[i], 0)
            layer.matrix, layer.params = fresh.matrix, fresh.params
            layer.by_weight[...], layer.by_param[...] = 0.0, 0.0


@pytest.mark.parametrize(("model", "rate"), [("lif", 0.05), ("alif", 2.0), ("brf", 2.0)])
@pytest.mark.parametrize("chunk", [None, 3])
def test_updates_inside_a_sequence_are_those_of_a_hand_written_loop(model: str, rate: float, chunk: int | None) -> None:
    net, x, y, _ = problem(model)
    by_hand, start = net.copy(), net.copy()
    hand_written(by_hand, x[0], y[0], 7, rate)
    optimizer = SGD(rate, momentum=0.0)
    for found in online_gradients(net, x[:1], y[:1], update_every=7, chunk=chunk):
        optimizer.update(net.arrays(), found.gradients)
    once = gradients(start, x[:1], y[:1])[0]
    for name, value in by_hand.arrays().items():
        moved = np.abs(value - start.arrays()[name]).max()
        assert np.abs(net.arrays()[name] - value).max() <= 1e-5 * moved, name
        assert np.abs(start.arrays()[name] - rate * once[name] - value).max() > 1e-3 * moved, "one update differs"


def test_training_inside_sequences_is_that_of_a_hand_written_loop() -> None:
    net, x, y, _ = problem()
    data = SequenceData("toy", x[:1], y[:1], np.array(["train"]), net.output_size)
    by_hand = net.copy()
    for _ in range(2):
        hand_written(by_hand, x[0], y[0], 7, 0.05)
    options = {"optimizer": {"name": "sgd", "momentum": 0.0}, "schedule": "constant", "dtype": np.float64}
    train(net, data, epochs=2, update_every=7, rate=0.05, **options)
    assert_close(by_hand.arrays(), net.arrays(), 1e-9)


@pytest.mark.parametrize("rule", ["hypr", "ostl", "eprop"])
def test_shares_of_intervals_add_up_to_the_gradient(rule: str) -> None:
    net, x, y, mask = problem()
    expected, loss = gradients(net, x, y, mask, rule=rule)
    found = list(online_gradients(net, x, y, mask, rule=rule, update_every=5))
    assert len(found) == 5
    total = {name: sum(f.gradients[name] for f in found) for name in expected}
    assert_close(expected, total, 1e-10)
    assert sum(f.loss for f in found) == pytest.approx(loss)


def test_symmetric_feedback_follows_the_weights_inside_a_sequence() -> None:
    net, x, y, _ = problem()
    run = online_gradients(net, x, y, rule="eprop", update_every=12)
    next(run)
    net.layers[-1].weight[...] = 0.0
    silent = next(run)
    assert not np.any(silent.gradients["layers.1.weight"])
    assert np.any(silent.gradients["readout.weight"])


REFUSED_ONLINE = {
    "bptt": ({"rule": "bptt"}, "update_every with rule 'bptt', which goes back through the whole sequence"),
    "whole sequence": (
        {"loss": "sum_of_softmax"},
        "update_every with loss 'sum_of_softmax', which is known at the end of the sequence only",
    ),
    "penalty": ({"penalty": RatePenalty(0.1, 1.0)}, "update_every with a RatePenalty, which takes the rates of the"),
    "reward": ({"rule": reward_modulated()}, "update_every with rule 'reward_modulated', whose reward is known at the"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED_ONLINE.values(), ids=REFUSED_ONLINE)
def test_what_needs_the_whole_sequence_is_refused_inside_it(options: dict[str, Any], message: str) -> None:
    net, data = data_of()
    with pytest.raises(InputError, match=message):
        train(net, data, update_every=5, **options)
    if "penalty" not in options:
        with pytest.raises(InputError, match=message):
            online_gradients(net, data.x, data.y, update_every=5, **options)


def test_parameters_that_leave_their_range_inside_a_sequence_are_named() -> None:
    net, x, y, _ = problem()
    run = online_gradients(net, x, y, update_every=12)
    next(run)
    net.layers[0].params["du"][1] = 1.5
    with pytest.raises(InputError, match=r"du\[1\] = 1.5, rule: 0.0 <= du <= 1.0"):
        next(run)


@pytest.mark.parametrize("every", [0, -1, 2.0])
def test_an_interval_is_a_whole_number_of_steps(every: float) -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match=f"update_every = {every}, rule: a whole number of steps, at least 1"):
        online_gradients(net, x, y, update_every=every)

"""Penalties of a rule that sees weights and running means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from learning_rules import HOMEOSTATIC, MEAN_RATE, SAMPLES, assert_close, data_of, problem, some_means

from hypr_neuro.train.gradients import batch_gradients, gradients
from hypr_neuro.train.loop import train
from hypr_neuro.train.losses import RatePenalty

Array = Any


def test_the_regulariser_adds_the_derivative_of_its_penalty() -> None:
    """Finite differences of the penalty at means that are held."""
    net, x, y, mask = problem()
    means = some_means(HOMEOSTATIC, net)
    plain, loss = gradients(net, x, y, mask)
    found, with_penalty = gradients(net, x, y, mask, rule=HOMEOSTATIC, means=means)
    assert with_penalty == pytest.approx(loss + HOMEOSTATIC.regularizer(net.arrays(), means).value)
    for name, array in net.arrays().items():
        by_weight = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            values = []
            for step in (1e-5, -1e-5):
                moved = net.copy()
                moved.arrays()[name][place] += step
                values.append(HOMEOSTATIC.regularizer(moved.arrays(), means).value)
            by_weight[place] = (values[0] - values[1]) / 2e-5
        assert np.allclose(found[name] - plain[name], by_weight, rtol=1e-6, atol=1e-9), name
    assert np.any(found["layers.0.weight"] != plain["layers.0.weight"])


@pytest.mark.parametrize("chunk", [None, 5])
def test_a_penalty_on_rates_reaches_the_weights_over_eligibilities(chunk: int | None) -> None:
    """Of one sample, at the means that it has itself, it is the rate penalty."""
    net, x, y, _ = problem()
    expected, _ = gradients(net, x[:1], y[:1], penalty=RatePenalty(0.1, 3.0))
    rates = batch_gradients(net, x[:1], y[:1], rule=MEAN_RATE).rates
    means = MEAN_RATE.start(net) | rates
    assert_close(expected, gradients(net, x[:1], y[:1], rule=MEAN_RATE, means=means, chunk=chunk)[0], 1e-10)


def test_running_means_follow_weights_rates_and_loss() -> None:
    net, x, y, mask = problem()
    rule, means = replace(HOMEOSTATIC, decay=0.75), HOMEOSTATIC.start(net)
    seen = []
    for _ in range(3):
        found = batch_gradients(net, x, y, mask, rule=rule, means=means)
        net.layers[0].weight *= 1.3
        rule.move(means, net.arrays() | found.rates | {"loss": np.array(found.loss)}, found.gradients)
        seen.append((found.rates["layers.0.rate"], found.loss, net.layers[0].weight.copy()))
    rate, loss, weight = seen[0][0], seen[0][1], seen[0][2] / 1.3
    for i, (new_rate, new_loss, new_weight) in enumerate(seen):
        if i:
            rate, loss = 0.75 * rate + 0.25 * new_rate, 0.75 * loss + 0.25 * new_loss
        weight = 0.75 * weight + 0.25 * new_weight
    assert np.allclose(means["layers.0.rate"], rate)
    assert np.any(rate > 0)
    assert means["loss"] == pytest.approx(loss)
    assert np.allclose(means["layers.0.weight"], weight)
    assert means["updates"] == 3


def test_rates_are_spikes_a_step() -> None:
    from hypr_neuro.traces.float_trace import float_trace

    net, x, y, _ = problem()
    found = batch_gradients(net, x, y, rule=HOMEOSTATIC, chunk=7, dtype=np.float64)
    spikes = float_trace(net, x, ("spikes",), dtype=np.float64).spikes
    for name, rate in found.rates.items():
        assert np.allclose(rate, np.asarray(spikes[name.removesuffix(".rate")]).mean(axis=(0, 1)))
    assert found.rates.keys() == {"layers.0.rate", "layers.1.rate"}


def test_homeostasis_brings_rates_down_in_training() -> None:
    net, data = data_of()
    data = replace(data, split=np.array(["train"] * SAMPLES))
    start = batch_gradients(net, data.x, data.y, rule=MEAN_RATE).rates["layers.0.rate"].mean()
    target = start / 2
    train(net, data, rule=replace(MEAN_RATE, target=target, strength=500.0, decay=0.5), epochs=40, rate=0.01)
    end = batch_gradients(net, data.x, data.y, rule=MEAN_RATE).rates["layers.0.rate"].mean()
    assert abs(end - target) < 0.5 * (start - target)

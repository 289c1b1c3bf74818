"""A reward as the third factor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from learning_rules import SAMPLES, STEPS, assert_close, flat, problem, reward_modulated

from hypr_neuro.errors import InputError
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.losses import RatePenalty

Array = Any


@pytest.mark.parametrize("rule", ["hypr", "ostl", "eprop", "bptt"])
def test_a_reward_multiplies_the_gradient_of_its_sample(rule: str) -> None:
    net, x, y, mask = problem()
    reward = np.random.default_rng(1).standard_normal(SAMPLES)
    found, loss = gradients(net, x, y, mask, rule=rule, reward=reward)
    expected = {name: np.zeros_like(g) for name, g in found.items()}
    for b in range(SAMPLES):
        own, _ = gradients(net, x[b : b + 1], y[b : b + 1], mask[b : b + 1], rule=rule)
        share = reward[b] * mask[b].sum() / mask.sum()
        expected = {name: expected[name] + share * own[name] for name in own}
    assert_close(expected, found, 1e-10)
    assert loss == gradients(net, x, y, mask, rule=rule)[1]


def test_a_reward_of_each_step_meets_that_steps_eligibility() -> None:
    """Gradient = Σ_t R_t · (signal_t · eligibility_t), the eligibilities from the definition of e-prop's trace."""
    net, x, y, mask = problem()
    reward = np.random.default_rng(1).standard_normal((SAMPLES, STEPS))
    expected = {name: np.zeros_like(a) for name, a in net.arrays().items()}
    for t in range(STEPS):
        only = np.zeros_like(mask)
        only[:, t] = mask[:, t]
        if not only.any():
            continue
        for b in np.flatnonzero(only[:, t]):
            own, _ = gradients(net, x[b : b + 1], y[b : b + 1], only[b : b + 1], rule="eprop")
            expected = {name: expected[name] + reward[b, t] / mask.sum() * own[name] for name in own}
    for chunk in (None, 5):
        assert_close(expected, gradients(net, x, y, mask, rule="eprop", reward=reward, chunk=chunk)[0], 1e-9)


@pytest.mark.parametrize("chunk", [None, 5])
@pytest.mark.parametrize("loss", ["per_step_cross_entropy", "sum_of_softmax"])
def test_a_rule_makes_its_reward_of_the_loss(loss: str, chunk: int | None) -> None:
    net, x, y, mask = problem()
    y = y[:, 0] if loss == "sum_of_softmax" else y
    rule = reward_modulated()
    means = rule.start(net) | {"loss": np.array(0.9)}
    own = [gradients(net, x[b : b + 1], y[b : b + 1], mask[b : b + 1], loss=loss)[1] for b in range(SAMPLES)]
    share = np.ones(SAMPLES) if loss == "sum_of_softmax" else mask.sum(axis=1) * SAMPLES / mask.sum()
    reward = 0.9 - np.array(own) * share
    expected, _ = gradients(net, x, y, mask, rule="eprop", loss=loss, reward=reward, chunk=chunk)
    assert_close(expected, gradients(net, x, y, mask, rule=rule, loss=loss, means=means, chunk=chunk)[0], 1e-9)


def test_a_reward_leaves_penalties_alone() -> None:
    net, x, y, _ = problem()
    penalty = RatePenalty(0.1, 3.0)
    found, _ = gradients(net, x, y, penalty=penalty, reward=np.zeros(SAMPLES))
    alone, _ = gradients(net, x, y, penalty=penalty, loss=flat)
    assert_close(alone, found, 1e-12)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (np.zeros(SAMPLES + 1), rf"reward float64 of shape \(7,\), rule: numbers \({SAMPLES},\) or"),
        (np.full(SAMPLES, np.nan), "reward holds a number that is not finite"),
        (np.array(["good"] * SAMPLES), "rule: numbers"),
    ],
)
def test_bad_rewards_are_named(reward: Array, message: str) -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match=message):
        gradients(net, x, y, reward=reward)


def test_one_reward_is_enough() -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match="reward with rule 'reward_modulated', which takes it from the loss"):
        gradients(net, x, y, rule=reward_modulated(), reward=np.ones(SAMPLES))

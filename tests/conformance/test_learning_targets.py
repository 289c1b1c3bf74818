"""Errors and rewards that the user gives, in integers: kernels and definition agree bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.sim.learning.targets import FULL_REWARD, LARGEST_REWARD, as_reward
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes, varied

Array = Any
STEPS, RATE = 30, 60000
CHIPS = {
    "loihi2": varied("loihi2"),
    "no delay": varied("ideal"),
    "late errors": varied("loihi1", time__error_latency=5),
    "delayed eligibilities": varied("loihi2", learning__eligibility_alignment="delayed", time__error_latency=3),
    "linear error": varied("loihi2", learning__error="linear"),
}
TOLD = ("errors", "reward", "errors and reward", "one reward")


def problem(model: str = "lif", chip: str = "loihi2", seed: int = 1) -> tuple[QuantizedNetwork, Array, Array, Array]:
    """(network, x, label, scored) of one sample."""
    qnet, rng = random_quantized(model, seed, CHIPS[chip], hidden=(4, 3)), np.random.default_rng([seed, 5])
    x = random_spikes(seed, 1, STEPS, qnet.inputs)[0].astype(np.int32)
    return qnet, x, rng.integers(0, qnet.output_size, STEPS), rng.random(STEPS) < 0.8


def told(qnet: QuantizedNetwork, what: str, steps: int = STEPS, seed: int = 2) -> dict[str, Array]:
    """Errors and rewards, some of them as large as they may be."""
    rng, top = np.random.default_rng(seed), (1 << (qnet.profile.learning.error_bits.value - 1)) - 1
    errors = rng.integers(-top, top + 1, (steps, qnet.output_size))
    errors[3] = top
    reward = rng.integers(-3 * FULL_REWARD, 3 * FULL_REWARD, steps)
    reward[4:6] = LARGEST_REWARD, -LARGEST_REWARD
    found = {"errors": errors, "reward": reward}
    if what == "one reward":
        return {"reward": np.full(steps, -200)}
    return {name: array for name, array in found.items() if name in what}


def assert_same(slow: LearningReference, fast: Learner) -> None:
    for name, weights in slow.qnet.weights().items():
        assert np.array_equal(weights, fast.qnet.weights()[name]), name
    assert slow.clips() == fast.clips()


@pytest.mark.parametrize("what", TOLD)
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("model", ["lif", "brf"])
def test_what_is_told_is_learned_as_defined(model: str, chip: str, what: str) -> None:
    qnet, x, label, scored = problem(model, chip)
    options = LearnOptions(parameters=("all",))
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    more = told(qnet, what)
    slow_gradients, fast_gradients = slow.gradients(x, label, scored, **more), fast.gradients(x, label, scored, **more)
    for name, gradient in slow_gradients.items():
        assert np.array_equal(np.ravel(gradient), np.ravel(fast_gradients[name])), name
    plain = fast.gradients(x, label, scored)
    assert any(not np.array_equal(plain[name], g) for name, g in fast_gradients.items())
    one = {"reward": -200} if what == "one reward" else more
    for _ in range(2):
        expected = slow.sample(x, label, scored, RATE, RATE, **more)
        found = fast.sample(x, None if "errors" in what else label, scored, RATE, RATE, **one)
        assert np.array_equal(expected, found)
        assert_same(slow, fast)
    assert any(not np.array_equal(w, qnet.weights()[name]) for name, w in fast.qnet.weights().items())


@pytest.mark.parametrize("model", integer_models())
def test_errors_that_are_those_of_the_labels_change_no_bit(model: str) -> None:
    """And a reward of 1 neither."""
    qnet, x, label, scored = problem(model)
    learner = Learner(qnet.copy())
    seen: list[Array] = []
    own = learner._errors

    def spy(readout: Array, due: Any) -> dict[int, Array]:
        found = own(readout, due)
        seen.append(found[learner.plan.last])
        return found

    learner._errors = spy
    expected = learner.gradients(x, label, scored)
    errors = np.concatenate(seen)[qnet.tail :][:STEPS]
    plain = Learner(qnet.copy())
    for more in ({"errors": errors}, {"reward": FULL_REWARD}, {"errors": errors, "reward": np.full(STEPS, 256)}):
        found = plain.gradients(x, None if "errors" in more else label, scored, **more)
        for name, gradient in expected.items():
            assert np.array_equal(gradient, found[name]), (name, more)
    assert any(np.any(g) for g in expected.values())


def test_a_reward_scales_the_gradient() -> None:
    qnet, x, label, scored = problem("brf", "no delay")
    learner = Learner(qnet)
    one = learner.gradients(x, label, scored)["readout.input"]
    assert not any(np.any(g) for g in learner.gradients(x, label, scored, reward=0).values())
    half = learner.gradients(x, label, scored, reward=as_reward(-0.5))["readout.input"]
    assert np.abs(half + one / 2).max() <= 0.01 * np.abs(one).max()


def test_one_reward_is_that_of_every_step() -> None:
    qnet, x, label, scored = problem()
    full = LearningReference(qnet.copy(), LearnOptions())
    full.sample(x, label, scored, RATE, reward=[-179] * STEPS)
    for learner in (LearningReference, Learner):
        one = learner(qnet.copy(), LearnOptions())
        one.sample(x, label, scored, RATE, reward=-179)
        for name, weights in full.qnet.weights().items():
            assert np.array_equal(weights, one.qnet.weights()[name]), name
    plain = LearningReference(qnet.copy(), LearnOptions())
    plain.sample(x, label, scored, RATE)
    assert any(not np.array_equal(w, full.qnet.weights()[name]) for name, w in plain.qnet.weights().items())


@pytest.mark.parametrize("chip", ["loihi2", "delayed eligibilities"])
def test_a_stream_is_told_what_belongs_to_its_steps_wherever_it_is_cut(chip: str, tmp_path: Path) -> None:
    """Parts with and without errors and rewards follow each other, with a file between them."""
    qnet, x, label, scored = problem("lif", chip)
    options = LearnOptions(update_on="step", update_every=7)
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    cuts = [(0, 9, ""), (9, 10, "errors"), (10, 17, "errors and reward"), (17, 24, ""), (24, 30, "reward")]
    for i, (first, stop, what) in enumerate(cuts):
        part, more = slice(first, stop), told(qnet, what, stop - first, seed=i) if stop - first > 5 else {}
        if what == "errors":
            more = {"errors": np.full((1, qnet.output_size), 5)}
        expected = slow.stream(x[part], label[part], scored[part], RATE, **more)
        assert np.array_equal(expected, fast.stream(x[part], label[part], scored[part], RATE, **more))
        save_learner(fast, tmp_path / f"{i}.h5")
        fast = Learner(qnet.copy(), options)
        restore_learner(fast, tmp_path / f"{i}.h5")
        for name, weights in slow.qnet.weights().items():
            assert np.array_equal(weights, fast.qnet.weights()[name]), name
    assert fast.updates == slow.updates == 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"errors": np.zeros((STEPS, 1), int)}, r"errors is int64 of shape .*, rule: integers of shape \(30, "),
        ({"errors": np.zeros((STEPS, 3))}, "errors is float64"),
        ({"errors": np.full((STEPS, 3), 1 << 40)}, "errors holds magnitudes up to 1099511627776, rule: at most"),
        ({"reward": np.zeros(STEPS)}, r"reward is float64 of shape \(30,\), rule: integers of shape \(30,\)"),
        ({"reward": 0.5}, r"as_reward\(0.5\) gives 128"),
        ({"reward": LARGEST_REWARD + 1}, f"reward holds magnitudes up to 32769, rule: at most {LARGEST_REWARD}"),
        ({}, "label is object of shape"),
    ],
)
def test_what_cannot_be_told_is_named(more: dict[str, Any], message: str) -> None:
    qnet, x, _, scored = problem()
    assert qnet.output_size == 3
    label = None if "errors" in more or not more else np.zeros(STEPS, int)
    with pytest.raises(InputError, match=message):
        Learner(qnet).sample(x, label, scored, RATE, **more)


def test_sums_that_free_errors_could_make_too_large_are_refused() -> None:
    qnet, x, label, scored = problem()
    learner = Learner(qnet)
    learner.plan.__dict__["free_errors_fit"] = False
    learner.sample(x, label, scored, RATE)
    with pytest.raises(InputError, match="errors, targets or reward with 3 outputs: feedback sums could leave 63 bits"):
        learner.sample(x, label, scored, RATE, reward=100)


@pytest.mark.parametrize("reward", [128.1, -200.0, float("nan")])
def test_rewards_out_of_range_are_named(reward: float) -> None:
    with pytest.raises(InputError, match="rule: magnitudes up to 128"):
        as_reward(reward)
    assert as_reward(-128.0) == -LARGEST_REWARD

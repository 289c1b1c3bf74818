"""A penalty in integers that sees weights and mean rates: kernels and definition agree bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.networks import random_quantized, random_spikes, varied

Array = Any
STEPS, RATE = 30, 1 << 23
TARGET = 6554  # 0.1 spikes a step


def homeostasis(name: str, weights: Array, rate: Array) -> Array:
    """Weights of neurons above the target rate decay, those below grow."""
    return weights * ((rate - TARGET) >> 4)[:, None]


def problem(model: str, chip: str = "loihi2", seed: int = 1) -> tuple[QuantizedNetwork, Array, Array, Array]:
    """(network, x (sample, T, channel), label, scored)."""
    qnet, rng = random_quantized(model, seed, varied(chip), hidden=(4, 3)), np.random.default_rng([seed, 5])
    x = random_spikes(seed, 3, STEPS, qnet.inputs).astype(np.int32)
    return qnet, x, rng.integers(0, qnet.output_size, (3, STEPS)), rng.random((3, STEPS)) < 0.8


def assert_same_weights(expected: QuantizedNetwork, found: QuantizedNetwork) -> None:
    for name, weights in expected.weights().items():
        assert np.array_equal(weights, found.weights()[name]), name


@pytest.mark.parametrize("options", [{}, {"update_every": 2}, {"update_on": "step", "update_every": 7}], ids=str)
@pytest.mark.parametrize(("model", "chip"), [("lif", "loihi2"), ("brf", "ideal")])
def test_a_penalty_is_added_as_defined(model: str, chip: str, options: dict[str, Any]) -> None:
    qnet, x, label, scored = problem(model, chip)
    chosen = LearnOptions(rule="sgd", average_shift=1, **options)
    slow = LearningReference(qnet.copy(), chosen, homeostasis)
    fast, plain = Learner(qnet.copy(), chosen, homeostasis), Learner(qnet.copy(), chosen)
    for i in range(3):
        slow.sample(x[i], label[i], scored[i], RATE)
        fast.sample(x[i], label[i], scored[i], RATE)
        plain.sample(x[i], label[i], scored[i], RATE)
        assert_same_weights(slow.qnet, fast.qnet)
        assert fast.regularization is not None
        for mean, expected in zip(fast.regularization.means, slow.means, strict=False):
            assert mean.tolist() == expected
    assert any(np.any(mean) for mean in fast.regularization.means)
    assert any(not np.array_equal(w, plain.qnet.weights()[name]) for name, w in fast.qnet.weights().items())


def test_the_term_is_that_of_the_weights_and_of_the_means_before_the_update() -> None:
    qnet, x, label, scored = problem("lif")
    seen: list[tuple[str, Array, Array]] = []

    def spy(name: str, weights: Array, rate: Array) -> Array:
        seen.append((name, weights, rate))
        weights[...] = 0  # a copy: the network keeps its own
        return np.ones_like(weights)

    learner = Learner(qnet, LearnOptions(average_shift=1), spy)
    gradients: list[dict[str, Array]] = []
    learner.before_update = lambda it: gradients.append({k: g.copy() for k, g in it.updater.gradients().items()})
    alone = learner.gradients(x[0], label[0], scored[0])
    assert not seen, "a gradient that is asked for has no penalty"
    spikes = learner.sample(x[0], label[0], scored[0], RATE)
    for name, gradient in gradients[0].items():
        assert np.array_equal(gradient, alone[name] + 1), name
    assert spikes.shape == (STEPS, qnet.output_size)
    assert not any(np.any(rate) for _, _, rate in seen)
    count = len(seen)
    learner.sample(x[1], label[1], scored[1], RATE)
    later = {name: rate for name, _, rate in seen[count:]}
    assert np.any(later["layers.0.input"])
    assert not np.any(later["readout.input"])
    assert later["layers.0.input"].max() <= 1 << 16


def test_sums_saturate_at_the_width_of_a_gradient() -> None:
    qnet, x, label, scored = problem("lif")
    learner = Learner(qnet, None, lambda name, weights, rate: np.full(weights.shape, 1 << 60))
    gradients: list[dict[str, Array]] = []
    learner.before_update = lambda it: gradients.append({k: g.copy() for k, g in it.updater.gradients().items()})
    learner.sample(x[0], label[0], scored[0], RATE)
    bits = qnet.profile.learning.accumulator_bits.value
    assert all(np.all(g == (1 << (bits - 1)) - 1) for g in gradients[0].values())


def test_mean_rates_go_on_from_a_file(tmp_path: Path) -> None:
    qnet, x, label, scored = problem("lif")
    options = LearnOptions(rule="sgd", update_every=2, average_shift=1)
    whole, cut = (Learner(qnet.copy(), options, homeostasis) for _ in range(2))
    for i in range(3):
        whole.sample(x[i], label[i], scored[i], RATE)
        cut.sample(x[i], label[i], scored[i], RATE)
        save_learner(cut, tmp_path / f"{i}.h5")
        cut = Learner(qnet.copy(), options, homeostasis)
        restore_learner(cut, tmp_path / f"{i}.h5")
    assert_same_weights(whole.qnet, cut.qnet)
    with pytest.raises(InputError, match="its regularizer differ"):
        restore_learner(Learner(qnet.copy(), options), tmp_path / "2.h5")


def test_learning_takes_a_regulariser() -> None:
    qnet, x, label, scored = problem("lif")
    data = SequenceData("toy", x, label, np.array(["train"] * 3), qnet.output_size, scored)
    plain, found = learn(qnet, data, rate=0.5), learn(qnet, data, rate=0.5, regularizer=homeostasis, average_shift=1)
    assert any(not np.array_equal(w, plain.qnet.weights()[name]) for name, w in found.qnet.weights().items())


@pytest.mark.parametrize("term", [np.zeros((1, 1), int), 0.5])
def test_a_term_of_another_kind_is_named(term: Any) -> None:
    qnet, x, label, scored = problem("lif")
    learner = Learner(qnet, None, lambda name, weights, rate: term)
    with pytest.raises(InputError, match=r"regularizer: layers.0.input got .*, rule: integers of the weights' shape"):
        learner.sample(x[0], label[0], scored[0], RATE)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (np.uint64(2**64 - 5), "18446744073709551611"),
        (np.uint64(2**63), "9223372036854775808"),
        (np.int64(2**63 - 1), "9223372036854775807"),
        (np.int64(-(2**62)), "-4611686018427387904"),
    ],
    ids=str,
)
@pytest.mark.parametrize("executor", [Learner, LearningReference])
def test_a_term_that_no_sum_has_room_for_is_refused(executor: Any, entry: Any, told: str) -> None:
    qnet, x, label, scored = problem("lif")
    learner = executor(qnet, LearnOptions(rule="sgd"), lambda name, weights, rate: np.full(weights.shape, entry))
    with pytest.raises(InputError, match=rf"regularizer: layers.0.input got {told}, rule: -2\^62 < R < 2\^62; clip"):
        learner.sample(x[0], label[0], scored[0], RATE)


def test_unsigned_terms_and_large_ones_are_those_numbers() -> None:
    qnet, x, label, scored = problem("lif")
    for entry in (np.uint64(5), np.int64(2**62 - 1), np.int64(1 - 2**62)):
        learners = [
            kind(qnet.copy(), LearnOptions(rule="sgd"), lambda name, weights, rate, e=entry: np.full(weights.shape, e))
            for kind in (Learner, LearningReference)
        ]
        for learner in learners:
            learner.sample(x[0], label[0], scored[0], RATE)
        assert_same_weights(learners[0].qnet, learners[1].qnet)

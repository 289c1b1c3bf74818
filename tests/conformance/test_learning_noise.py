"""Noise on the currents of a network that learns, in integers: kernels and definition agree bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from currents import network as two_currents

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.fixed_point import draw32
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning import learner as learner_module
from hypr_neuro.sim.learning.counter import NOISE_TENSORS
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.noise import noise_kernel, noise_of
from hypr_neuro.sim.learning.options import LARGEST_NOISE, LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.networks import random_network, random_quantized, random_spikes, varied

Array = Any
STEPS, RATE = 30, 60000


def problem(model: str, chip: str = "loihi2", seed: int = 1) -> tuple[QuantizedNetwork, Array, Array, Array]:
    """(network, x, label, scored) of one sample."""
    qnet, rng = random_quantized(model, seed, varied(chip), hidden=(4, 3)), np.random.default_rng([seed, 5])
    x = random_spikes(seed, 1, STEPS, qnet.inputs)[0].astype(np.int32)
    return qnet, x, rng.integers(0, qnet.output_size, STEPS), rng.random(STEPS) < 0.8


def noisy(qnet: QuantizedNetwork, x: Array, label: Array, scored: Array, **more: Any) -> LearnOptions:
    """Options with noise on the first layer and the readout, of the size of the largest current."""
    learner = Learner(qnet.copy())
    learner.gradients(x, label, scored)
    sizes = [int(np.abs(p.currents).max()) for p in learner.simulator.populations]
    return LearnOptions(noise=(sizes[0], 0, max(sizes[2] // 4, 1)), seed=9, **more)


def assert_same_weights(expected: QuantizedNetwork, found: QuantizedNetwork) -> None:
    for name, weights in expected.weights().items():
        assert np.array_equal(weights, found.weights()[name]), name


@pytest.mark.parametrize("chip", ["loihi2", "ideal"])
@pytest.mark.parametrize("model", ["lif", "brf"])
def test_noise_is_that_of_the_definition(model: str, chip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    qnet, x, label, scored = problem(model, chip)
    options = noisy(qnet, x, label, scored)
    slow, fast, silent = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options), Learner(qnet.copy())
    monkeypatch.setattr(learner_module, "BLOCK", 7)
    for _ in range(2):
        expected = slow.sample(x, label, scored, RATE)
        found = fast.sample(x, label, scored, RATE)
        assert np.array_equal(expected, found)
        assert_same_weights(slow.qnet, fast.qnet)
        assert not np.array_equal(silent.sample(x, label, scored, RATE), found)


@pytest.mark.parametrize("model", ["rf", "rf_iz"])
def test_noise_reaches_every_current(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each current its own, as the definition draws it; without a delay the first step is all that is looked at."""
    net = two_currents(model)
    qnet = quantize(net, "ideal", calibration=random_spikes(0, 4, STEPS, net.inputs))
    options = LearnOptions(noise=(300, 0), seed=9)
    x = random_spikes(1, 1, STEPS, qnet.inputs)[0].astype(np.int32)
    label, scored = np.zeros(STEPS, int), np.ones(STEPS, bool)
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    monkeypatch.setattr(learner_module, "BLOCK", 7)
    for _ in range(2):
        assert np.array_equal(slow.sample(x, label, scored, RATE), fast.sample(x, label, scored, RATE))
        assert_same_weights(slow.qnet, fast.qnet)
    silent, noisy = (LearningReference(qnet.copy(), replace(options, noise=a)) for a in ((0, 0), (300, 0)))
    added = []
    for executor in (silent, noisy):
        executor.gradients(x[:1], label[:1], scored[:1])
        added.append(np.array(executor.layers[0].currents))
    n, word = qnet.population("a").size, draw32(9, 0, NOISE_TENSORS, 0)
    wanted = [[noise_of(word, k * n + i, 300) for k in range(2)] for i in range(n)]
    assert np.array_equal(added[1] - added[0], wanted)
    assert len(set(map(tuple, wanted))) == n
    assert all(a != b for a, b in wanted)


def test_each_sample_has_noise_of_its_own_and_gradients_do_not_use_it_up() -> None:
    qnet, x, label, scored = problem("lif")
    options = noisy(qnet, x, label, scored, rate=1e-9)
    learner = Learner(qnet.copy(), options)
    first = learner.gradients(x, label, scored)
    assert all(np.array_equal(g, first[name]) for name, g in learner.gradients(x, label, scored).items())
    outputs = [learner.sample(x, label, scored, 0) for _ in range(2)]
    assert not np.array_equal(*outputs)
    again = Learner(qnet.copy(), options)
    assert np.array_equal(again.sample(x, label, scored, 0), outputs[0])


def test_a_noisy_stream_goes_on_from_a_file(tmp_path: Path) -> None:
    qnet, x, label, scored = problem("brf")
    options = noisy(qnet, x, label, scored, update_on="step", update_every=7)
    whole, cut = Learner(qnet.copy(), options), Learner(qnet.copy(), options)
    expected = whole.stream(x, label, scored, RATE)
    found = [cut.stream(x[:11], label[:11], scored[:11], RATE)]
    save_learner(cut, tmp_path / "state.h5")
    cut = Learner(qnet.copy(), options)
    restore_learner(cut, tmp_path / "state.h5")
    found.append(cut.stream(x[11:], label[11:], scored[11:], RATE))
    assert np.array_equal(expected, np.concatenate(found))
    assert_same_weights(whole.qnet, cut.qnet)
    with pytest.raises(InputError, match="its options differ"):
        restore_learner(Learner(qnet.copy(), LearnOptions(update_on="step", update_every=7)), tmp_path / "state.h5")


def test_noise_of_amplitude_0_changes_no_bit() -> None:
    qnet, x, label, scored = problem("lif")
    plain, quiet = Learner(qnet.copy()), Learner(qnet.copy(), LearnOptions(noise=(0, 0, 0)))
    assert np.array_equal(plain.sample(x, label, scored, RATE), quiet.sample(x, label, scored, RATE))
    assert_same_weights(plain.qnet, quiet.qnet)


def test_the_distribution_of_noise() -> None:
    """160,000 numbers: five standard errors each."""
    amplitude = 3000

    def drawn(steps: int, *words: int) -> Array:
        arriving = np.zeros((1, steps, 400), np.int32)
        noise_kernel()(arriving, amplitude, *words)
        return arriving[0]

    found = drawn(400, 1, 2, 3, 0)
    values = found / (amplitude / np.sqrt(3))
    assert np.abs(found).max() < 2 * amplitude
    assert abs(values.mean()) < 0.0125
    assert abs(values.var() - 1.0) < 0.018
    assert abs((values**4).mean() - 2.7) < 0.1, "that of four uniform numbers"
    assert np.array_equal(drawn(100, 1, 2, 3, 300), found[300:])
    for words in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        other = drawn(400, *words, 0)
        assert abs(np.corrcoef(other.ravel(), found.ravel())[0, 1]) < 0.0125


def test_room_for_noise_is_taken_from_the_input() -> None:
    qnet, *_ = problem("lif")
    assert Learner(qnet, LearnOptions(noise=(LARGEST_NOISE, 0, 0))).largest < Learner(qnet).largest


@pytest.mark.parametrize("noise", [(1,), (1, 2, -3), (1, 2, LARGEST_NOISE + 1), (0.5, 0, 0), [1, 2, 3]])
def test_noise_that_does_not_fit_is_named(noise: Any) -> None:
    qnet, *_ = problem("lif")
    with pytest.raises(InputError, match=r"noise = .*, rule: (an integer from 0|integers in a tuple|tuple)"):
        Learner(qnet, LearnOptions(noise=noise))


def test_executors_without_noise_refuse_it(tmp_path: Path) -> None:
    from hypr_neuro.comparing.twin import FloatTwin

    qnet, *_ = problem("lif")
    options = LearnOptions(noise=(5, 0, 0))
    rule = r"noise = \(5, 0, 0\), but {} adds none; leave noise out, or learn in the simulator"
    with pytest.raises(InputError, match=rule.format("Lava")):
        check_learning(qnet, options)
    with pytest.raises(InputError, match=rule.format("C")):
        compile_network(
            random_quantized("lif", 1, varied("cortex_m4"), hidden=(4, 3)), target="c", out=tmp_path, learn=options
        )
    with pytest.raises(InputError, match=rule.format("the float side of a comparison")):
        FloatTwin(random_network("lif", 1, hidden=(4, 3)), qnet, options)

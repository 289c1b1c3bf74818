"""Noise in the forward pass: what it depends on, its distribution, and node perturbation."""

from __future__ import annotations

from math import exp, pi, sqrt
from typing import Any

import numpy as np
import pytest
from learning_rules import Noisy, assert_equal, node_perturbation, problem

from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.noise import LayerNoise
from hypr_neuro.train.rules.base import Rule

Array = Any


def drawn(steps: int = 40, batch: int = 8, n: int = 50, **changed: int) -> Array:
    words = {"seed": 1, "layer": 0, "sample": 0} | changed
    out = np.empty((steps, batch * n))
    LayerNoise(2.0, words["seed"], words["layer"], words["sample"], batch).fill(out)
    return out.reshape(steps, batch, n)


def test_noise_depends_on_seed_sample_layer_step_and_neuron_alone() -> None:
    whole = drawn()
    later = LayerNoise(2.0, 1, 0, 0, 8)
    later.time = 30
    part = np.empty((10, 8 * 50))
    later.fill(part)
    assert np.array_equal(part.reshape(10, 8, 50), whole[30:])
    assert np.array_equal(drawn(batch=3, sample=5), whole[:, 5:])
    assert np.array_equal(drawn(n=20), whole[:, :, :20])
    for other in (drawn(seed=2), drawn(layer=1), drawn(sample=8)):
        assert abs(np.corrcoef(other.ravel(), whole.ravel())[0, 1]) < 0.03  # 16000 numbers: 0.008 by chance


def test_noise_is_gaussian() -> None:
    values = drawn(steps=400).ravel() / 2.0  # 160000 numbers
    assert abs(values.mean()) < 0.0125  # five standard errors each
    assert abs(values.var() - 1.0) < 0.018
    assert abs((values**3).mean()) < 0.05
    assert abs((values**4).mean() - 3.0) < 0.13
    neurons = drawn(steps=400)
    assert abs(np.corrcoef(neurons[:, :, 0].ravel(), neurons[:, :, 1].ravel())[0, 1]) < 0.09
    assert abs(np.corrcoef(neurons[1:, :, 0].ravel(), neurons[:-1, :, 0].ravel())[0, 1]) < 0.09


@pytest.mark.parametrize("paths", [{}, {"own_spike": True, "recurrent": True, "above": True}], ids=["hypr", "bptt"])
def test_noise_of_deviation_0_changes_no_bit(paths: dict[str, bool]) -> None:
    net, x, y, mask = problem()
    expected = gradients(net, x, y, mask, rule="bptt" if paths else "hypr")
    found = gradients(net, x, y, mask, rule=Noisy("noisy", "here", deviation=0.0, **paths))
    assert found[1] == expected[1]
    assert_equal(expected[0], found[0])
    other = gradients(net, x, y, mask, rule=Noisy("noisy", "here", deviation=0.3, **paths))
    assert other[1] != expected[1]


def estimates(net: Network, rule: Rule, x: Array, y: Array, name: str, batches: int = 24) -> tuple[Array, Array]:
    """Mean of the rule's estimates of one array's gradient, and its standard error, over batches of 256 samples."""
    means = rule.start(net) | {"loss": np.array(gradients(net, x, y, loss="squared_error")[1])}
    x, y = np.repeat(x, 256, axis=0), np.repeat(y, 256, axis=0)
    found = np.stack(
        [
            gradients(net, x, y, rule=rule, loss="squared_error", means=means, seed=11, sample=256 * i)[0][name]
            for i in range(batches)
        ]
    )
    return found.mean(axis=0), found.std(axis=0, ddof=1) / sqrt(batches)


def test_node_perturbation_estimates_the_gradient_of_the_readout() -> None:
    """The loss is quadratic in the readout's currents, so the smoothed loss has the same gradient."""
    net, x, _, _ = problem(hidden=(4,))
    x = x[:1, :10]
    y = np.random.default_rng(5).standard_normal((1, 10, net.output_size))
    expected = gradients(net, x, y, loss="squared_error")[0]["readout.weight"]
    mean, error = estimates(net, node_perturbation(0.0, 0.5), x, y, "readout.weight")
    seen = error > 0  # neurons that never spike have no estimate, and no gradient
    assert np.array_equal(seen, expected != 0)
    assert np.abs((mean - expected)[seen] / error[seen]).max() < 5, "standard errors"
    assert np.abs(expected).max() > 10 * error.max(), "an estimate of twice the size would be noticed"


def one_neuron() -> Network:
    """A LIF neuron and a readout that hears it, both without memory of use in one step."""
    hidden = Layer(get_model("lif"), np.array([[0.8]]), None, None, {"vth": np.ones(1)}, ())
    readout = Layer(get_model("li"), np.array([[2.0]]), None, None, {"tau": np.full(1, 3.0)}, ())
    return Network.from_layers([hidden, readout])


def test_node_perturbation_estimates_the_gradient_of_the_smoothed_loss() -> None:
    """One neuron, one step: the current is Gaussian around 0.8, the threshold 1, so the loss is L_1 or L_0.

    d/dw of P(spike) L_1 + P(no spike) L_0 is the density at the threshold times L_1 - L_0.
    """
    net, deviation, target = one_neuron(), 0.5, 3.0
    x, y = np.ones((1, 1, 1)), np.full((1, 1, 1), target)
    spiking = (1 - exp(-1 / 3)) * 2.0
    density = exp(-0.5 * ((1.0 - 0.8) / deviation) ** 2) / (deviation * sqrt(2 * pi))
    expected = density * ((spiking - target) ** 2 - target**2)
    mean, error = estimates(net, node_perturbation(deviation, 0.0), x, y, "layers.0.weight", batches=60)
    assert abs(mean[0, 0] - expected) < 5 * error[0, 0]
    assert abs(expected) > 10 * error[0, 0]

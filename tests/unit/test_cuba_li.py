"""The readout with a synaptic current: gradients, integers and learning as those of any readout."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.learn import LearnOptions
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.gradients import gradients

CONFORMANCE = Path(__file__).resolve().parents[1] / "conformance"
MODEL = get_model("cuba_li")


def network(seed: int, hidden: str = "alif", **fixed: float) -> Network:
    """A random network with this readout in place of li; fixed : parameters that are not drawn"""
    net, rng = random_network(hidden, seed), np.random.default_rng([seed, 5])
    old = net.layers[-1]
    ranges = {"du": (0.1, 1.0), "dv": (0.02, 0.3), "bias": (-0.1, 0.1)} | {k: (v, v) for k, v in fixed.items()}
    params = {name: rng.uniform(*ends, old.size) for name, ends in ranges.items()}
    last = Layer(MODEL, old.weight, None, None, params, MODEL.trainable)
    net = Network.from_layers([*net.layers[:-1], last], net.dt, net.encoder, net.notes)
    return net


def quantized(net: Network, seed: int, profile: str) -> QuantizedNetwork:
    return quantize(net, profile, calibration=random_spikes(seed, 4, 60, net.inputs))


def test_gradients_equal_finite_differences_of_the_loss() -> None:
    """Weights and all three parameters of the readout; no spike depends on them."""
    net = network(3)
    x, y = random_spikes(3, 2, 25, net.inputs).astype(float), np.random.default_rng(3).integers(0, 3, (2, 25))
    mask = np.ones((2, 25), bool)
    found = {rule: gradients(net, x, y, mask, rule=rule)[0] for rule in ("bptt", "hypr")}
    names = [f"readout.{name}" for name in ("weight", "du", "dv", "bias")]
    for name in names:
        array = net.arrays()[name].reshape(-1)
        wanted = np.empty(array.size)
        for i in range(array.size):
            losses = []
            for change in (1e-6, -2e-6):
                array[i] += change
                losses.append(gradients(net, x, y, mask)[1])
            array[i] += 1e-6
            wanted[i] = (losses[0] - losses[1]) / 2e-6
        for rule, gradient in found.items():
            np.testing.assert_allclose(
                gradient[name].reshape(-1), wanted, rtol=1e-5, atol=1e-8, err_msg=f"{rule}, {name}"
            )
        assert np.abs(wanted).max() > 1e-4


@pytest.mark.parametrize("profile", ["loihi2", "ideal"])
@pytest.mark.parametrize("fixed", [{}, {"du": 1.0, "dv": 0.0}], ids=["drawn", "integrator"])
def test_integers_equal_the_reference(profile: str, fixed: dict[str, float]) -> None:
    simulation: Any = runpy.run_path(str(CONFORMANCE / "test_simulation.py"))
    for seed in range(3):
        qnet = quantized(network(seed, **fixed), seed, profile)
        simulation["assert_equals_reference"](qnet, random_spikes(seed, 2, 40, qnet.inputs), seed)


def test_an_integrator_adds_up_exactly() -> None:
    """du = 1 and dv = 0 have no rounding: v is the sum of what arrived."""
    qnet = quantized(network(1, du=1.0, dv=0.0, bias=0.0), 1, "loihi2")
    own = qnet.layers[-1].per_neuron[:, 0].tolist() + qnet.layers[-1].constants.tolist()
    state, total, up = (0, 0), 0, qnet.layers[-1].constant("i_shift")
    for current in np.random.default_rng(0).integers(-50, 50, 200).tolist():
        state, shown, events = MODEL.fixed_step(state, 0, (current,), tuple(own))
        total += current << up
        assert (shown, events) == (total, 0)


@pytest.mark.parametrize("profile", ["loihi2", "ideal"])
def test_learning_equals_its_definition(profile: str) -> None:
    """All weights and parameters, of all layers."""
    learning: Any = runpy.run_path(str(CONFORMANCE / "test_learning.py"))
    options = LearnOptions(seed=2, parameters=("all",))
    for seed in range(2, 8):
        qnet = quantized(network(seed), seed, profile)
        if not learning["unlearned"](qnet, learning["assert_learns_as_defined"](qnet, seed, options)):
            return
    raise AssertionError("something kept its value with every seed, so its update was never compared")

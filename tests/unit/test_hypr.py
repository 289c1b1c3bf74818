"""Gradients of the HYPR rule: the fast path equals the definition, and both the authors' numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.forward import readout
from hypr_neuro.network import Layer, Network
from hypr_neuro.neurons import get_model
from hypr_neuro.testing import random_network, random_spikes, spiking_models
from hypr_neuro.train.hypr import gradients
from hypr_neuro.train.reference import reference_gradients

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
    y, mask = rng.integers(0, net.outputs, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.6
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
    other = np.where(mask, y, (y + 1) % net.outputs)
    assert_close(gradients(net, x, y, mask)[0], gradients(net, x, other, mask)[0], 0.0)


def test_readout_gradients_are_the_derivative_of_the_loss() -> None:
    net, x, y, mask = problem("lif")
    got, _ = gradients(net, x, y, mask)
    rng, h = np.random.default_rng(0), 1e-4
    for name in ("readout.weight", "readout.bias", "readout.tau"):
        direction = rng.standard_normal(net.arrays()[name].shape)
        losses = []
        for sign in (1.0, -1.0):
            moved = net.copy()
            moved.arrays()[name][...] += sign * h * direction
            losses.append(gradients(moved, x, y, mask)[1])
        expected = float((got[name] * direction).sum())
        assert (losses[0] - losses[1]) / (2 * h) == pytest.approx(expected, rel=1e-6, abs=1e-10), name


def authors_network(content: dict) -> Network:
    """The network of a file of the HYPR authors' numbers: BRF layers and an LI readout."""
    layers, index = [], 0
    while f"param.layers.{index}.linear.kernel" in content:
        own = f"param.layers.{index}"
        params = {k: content[f"{own}.params.{k}"] for k in ("omega", "b_offset")}
        layers.append(Layer(
            get_model("brf"), content[f"{own}.linear.kernel"].T, content[f"{own}.recurrent.kernel"].T,
            content[f"{own}.linear.bias"], params, ("omega", "b_offset"),
        ))  # fmt: skip
        index += 1
    out = "param.output_layer"
    layers.append(Layer(get_model("li"), content[f"{out}.linear.kernel"].T, None, content[f"{out}.linear.bias"],
                        {"tau": content[f"{out}.params.tau_u"]}, ("tau",)))  # fmt: skip
    return Network(layers)


@pytest.mark.parametrize("name", ["brf_1layer", "brf_2layer"])
def test_spikes_readout_loss_and_readout_gradients_equal_the_authors(name: str, shared_data: Path) -> None:
    with np.load(shared_data / "hypr_reference" / f"{name}.npz", allow_pickle=False) as file:
        content = dict(file)
    net = authors_network(content)
    spikes = {}

    def visit(start: int, layers: list) -> None:
        for i, run in enumerate(layers[:-1]):
            spikes[i] = run.outputs[1:].reshape(-1, len(content["x"]), run.n).transpose(1, 0, 2)

    output = readout(net, content["x"], dtype=np.float64, visit=visit)
    for i, found in spikes.items():
        assert np.array_equal(found, content[f"spikes.{i}"]), f"layer {i}"
        assert found.any()
    np.testing.assert_allclose(output, content["readout"], rtol=1e-9, atol=1e-12)
    found, loss = gradients(net, content["x"], content["y"].astype(int), content["mask"])
    assert loss == pytest.approx(float(content["loss_hypr"]), rel=1e-9)
    own = "grad_hypr.output_layer"
    theirs = {"readout.weight": content[f"{own}.linear.kernel"].T, "readout.bias": content[f"{own}.linear.bias"],
              "readout.tau": content[f"{own}.params.tau_u"]}  # fmt: skip
    assert_close(theirs, {key: found[key] for key in theirs}, 1e-9)


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
        ({"rule": "backprop"}, "unknown rule 'backprop', known: hypr"),
        ({"loss": "squared"}, "unknown loss 'squared', known: per_step_cross_entropy"),
        ({"chunk": 0}, "chunk = 0, rule: at least 1"),
        ({"chunk": -3}, "chunk = -3"),
    ],
)
def test_bad_input_of_gradients_is_named(change: dict, message: str) -> None:
    net, x, y, mask = problem("lif")
    arguments = {"x": x, "y": y, "mask": mask} | change
    with pytest.raises(InputError, match=message):
        gradients(net, **arguments)

"""Comparison of networks that are no chain of layers: the float form, its gradients, probes and what is scored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.comparing.compare import compare, compare_inference, disturb, spike_agreement
from hypr_neuro.comparing.float_device import FloatDevice
from hypr_neuro.comparing.probes import probe
from hypr_neuro.comparing.twin import FloatTwin, arrays_of, in_sub_sequences
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import with_output_traces
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.run.graph_forward import state_ranges
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import random_spikes, varied

STEPS = 40
SPIKING = ("alif", "brf", "lif", "se_adlif")
EVERYTHING = LearnOptions(parameters=("all",))
PROFILES = {
    "loihi2": varied("loihi2"),
    "ideal": varied("ideal"),
    "late errors": varied("loihi2", time__error_latency=3),
    "delayed eligibilities": varied("loihi2", learning__eligibility_alignment="delayed"),
    "delayed, no delay of spikes": varied("ideal", learning__eligibility_alignment="delayed", time__error_latency=2),
}


def problem(seed: int, profile: str) -> tuple[Network, QuantizedNetwork, SequenceData]:
    """A random graph, its integers in groups of weights where that is worth it, and samples."""
    net = random_graph(seed, spiking=SPIKING)
    x = random_spikes(seed, 4, STEPS, net.inputs)
    ranges = state_ranges(net, x)
    ranges |= dict.fromkeys(net.outputs, max(ranges[name] for name in net.outputs))
    qnet = quantize_graph(net, PROFILES[profile], calibration=ranges, weight_groups=1 + seed % 3)
    return net, qnet, samples(x, net.output_size)


def samples(x: Any, classes: int) -> SequenceData:
    split = np.array(["train"] * (len(x) - 2) + ["test"] * 2)
    return SequenceData("spikes", x.astype(np.int8), np.arange(len(x)) % classes, split, classes)


@pytest.mark.parametrize("seed", range(12))
def test_the_float_form_has_the_weights_and_the_time_of_the_chip(seed: int) -> None:
    """Its spikes are those of the integers but for rounding, also where loops arrive later than they did in float."""
    net, qnet, data = problem(seed, "loihi2")
    form = FloatForm(net, with_output_traces(qnet))
    for (name, weights), c in zip(form.weights().items(), form.qnet.connections, strict=True):
        np.testing.assert_allclose(weights, c.entries() * form.steps[name], rtol=1e-12)
    changed = {name: 2.0 * w for name, w in form.weights().items()}
    form.write(changed)
    for name, weights in form.weights().items():
        np.testing.assert_array_equal(weights, changed[name])
    assert form.seen.outputs == net.outputs
    if not form.early:
        assert min(spike_agreement(dequantize(net, qnet), qnet, data.x).values()) > 0.98


@pytest.mark.parametrize("seed", [4, 8, 9, 13, 14])
def test_step_after_step_gives_the_gradients_of_training(seed: int) -> None:
    net, qnet, data = problem(seed, list(PROFILES)[seed % len(PROFILES)])
    twin, sample = FloatTwin(net, qnet, EVERYTHING), data.take(np.array([0]))
    assert in_sub_sequences(twin.form, twin.plan)
    device = FloatDevice(twin.form, twin.plan)
    device.sample(*arrays_of(sample))
    expected, found = twin.gradients(sample), device.gradients()
    assert any(np.any(g) for g in found.values())
    for name in expected.keys() & found.keys():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name].reshape(found[name].shape), rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 8, 9])
def test_integer_gradients_point_along_floats(seed: int) -> None:
    net, qnet, data = problem(seed, list(PROFILES)[seed % len(PROFILES)])
    options = replace(EVERYTHING, feedback="random" if seed % 2 else "symmetric")
    found = probe(net, qnet, data.take(np.arange(1)), options, forms=("along", "exact"))
    known = [value for value in found.cosine.values() if not np.isnan(value)]
    assert len(known) > 3
    assert min(known) > 0.95, found.cosine
    assert all(0.8 < ratio < 1.25 for ratio in found.norm_ratio.values() if not np.isnan(ratio)), found.norm_ratio
    assert found.hypr_cosine.keys() == found.bptt_cosine.keys() == found.cosine.keys()
    if qnet.clock.aligned and options.feedback == "symmetric":
        exact = [value for value in found.hypr_cosine.values() if not np.isnan(value)]
        assert min(exact) > 0.9, found.hypr_cosine


@pytest.mark.parametrize(("seed", "update_on"), [(3, "sample"), (8, "sample"), (0, "step")])
def test_both_sides_of_a_graph_learn(seed: int, update_on: str) -> None:
    net, qnet, data = problem(seed, "loihi2")
    options = LearnOptions(rate=0.5, update_on=update_on, update_every=1 if update_on == "sample" else 15)
    found = compare(net, qnet, data, options=options)
    assert found.epochs[0].weight_distance == 0.0
    assert found.epochs[0].float_accuracy == found.epochs[0].device_accuracy
    assert 0.0 < found.epochs[1].weight_distance < 0.5
    assert found.gap == found.epochs[1].device_accuracy - found.epochs[1].float_accuracy
    assert found.as_dict()["gap"] == found.gap
    spiking = {p.name for p in net.populations if not p.model.readout}
    assert found.epochs[1].spike_agreement.keys() == spiking
    assert found.float_net.outputs == net.outputs
    inference = compare_inference(net, qnet, data)
    assert inference.rates.keys() == inference.float_rates.keys() == spiking


def test_one_connection_learns_alone_on_both_sides() -> None:
    net, qnet, data = problem(8, "loihi2")
    name = next(n for n, c in zip(qnet.connection_names(), qnet.connections, strict=True) if c.target in net.outputs)
    twin = FloatTwin(net, qnet, LearnOptions(layers=(name,)))
    before = twin.form.weights()
    twin.sample(data.take(np.array([1])))
    changed = {key for key, w in twin.form.weights().items() if not np.array_equal(w, before[key])}
    assert changed == {name}
    assert probe(net, qnet, data.take(np.arange(1)), LearnOptions(layers=(name,))).cosine.keys() == {name}


def through_numbers(seed: int, profile: str) -> tuple[Network, QuantizedNetwork, SequenceData]:
    """Integrators between two spiking populations, which hear themselves and feed the output too."""
    rng = np.random.default_rng(seed)

    def population(name: str, model: str, n: int, **params: float) -> FloatPopulation:
        return FloatPopulation(name, get_model(model), dict(params), shape=(n,))

    def link(source: str, target: str, n: int, m: int, spread: float, mean: float = 0.0) -> FloatSynapses:
        return FloatSynapses(source, target, rng.normal(mean, spread / np.sqrt(m), (n, m)))

    populations = (
        population("a", "lif", 6, dv=0.2),
        population("m", "li", 4, tau=5.0),
        population("b", "lif", 6, dv=0.2),
        population("out", "li", 3, tau=8.0),
    )
    links = (
        link("input", "a", 6, 4, 1.5, 0.4),
        link("a", "m", 4, 6, 1.0),
        link("m", "b", 6, 4, 2.0, 0.2),
        link("b", "out", 3, 6, 2.0),
        link("m", "m", 4, 4, 0.3),
        link("m", "out", 3, 4, 1.0),
    )
    net = Network(4, populations, links, 1e-3, ("out",))
    x = random_spikes(seed, 6, STEPS, 4)
    return net, quantize_graph(net, PROFILES[profile], calibration=state_ranges(net, x)), samples(x, 3)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", [1, 3])
def test_integer_gradients_through_numbers_point_along_floats(seed: int, profile: str) -> None:
    net, qnet, data = through_numbers(seed, profile)
    found = probe(net, qnet, data.take(np.arange(1)), EVERYTHING, forms=("along", "exact"))
    assert {"a -> m", "m -> m", "m -> b", "m.tau"} <= found.cosine.keys()
    known = {name: value for name, value in found.cosine.items() if not np.isnan(value)}
    assert len(known) > 12
    assert min(known.values()) > 0.995, found.cosine
    assert all(0.95 < found.norm_ratio[name] < 1.05 for name in known), found.norm_ratio
    if qnet.clock.aligned:
        assert min(value for value in found.hypr_cosine.values() if not np.isnan(value)) > 0.99


def test_both_sides_learn_through_numbers() -> None:
    net, qnet, data = through_numbers(3, "delayed eligibilities")
    found = compare(net, qnet, data, options=LearnOptions(rate=0.5, update_every=1))
    assert found.epochs[0].weight_distance == 0.0
    assert 0.0 < found.epochs[1].weight_distance < 0.2
    twin, sample = FloatTwin(net, qnet, EVERYTHING), data.take(np.array([0]))
    device = FloatDevice(twin.form, twin.plan)
    device.sample(*arrays_of(sample))
    assert in_sub_sequences(twin.form, twin.plan)
    for name, wanted in twin.gradients(sample).items():
        scale = np.abs(wanted).max()
        got = device.gradients()[name]
        np.testing.assert_allclose(got, wanted.reshape(got.shape), rtol=0, atol=2e-5 * scale, err_msg=name)


def convolutional() -> Network:
    """A convolution over 4 x 4 pixels, pooled by a sparse matrix, and spiking outputs."""
    rng = np.random.default_rng(3)
    kernel = Convolution(rng.normal(0.5, 1.0, (2, 1, 3, 3)), (4, 4), Taps((3, 3), (1, 1), (1, 1), (1, 1), (1, 1)))
    maps = FloatPopulation("maps", get_model("lif"), {"dv": 0.2}, shape=(2, 4, 4))
    out = FloatPopulation("out", get_model("lif"), {"dv": 0.2}, shape=(3,))
    connections = (
        FloatSynapses("input", "maps", kernel),
        FloatSynapses("maps", "out", rng.normal(0.0, 0.6, (3, 32))),
        FloatSynapses("input", "out", rng.normal(0.0, 0.3, (3, 16)), delay=2),
    )
    return Network(16, (maps, out), connections, 1e-3, ("out",))


def test_a_frozen_convolution_and_spiking_outputs() -> None:
    net, x = convolutional(), (np.random.default_rng(1).random((6, STEPS, 16)) < 0.3).astype(np.int8)
    qnet = hn.quantize(net, "loihi2", calibration=x, weight_groups=1)
    options = LearnOptions(layers=("out",), rate=0.3)
    found = compare(net, qnet, samples(x, 3), options=options)
    last = found.epochs[-1]
    assert last.cosine.keys() == {"maps -> out", "input -> out"}
    assert min(last.cosine.values()) > 0.99
    assert min(last.spike_agreement.values()) > 0.98
    assert found.float_net.output_size == 3
    assert found.connections["input -> maps"] == "convolution, 18 weights, frozen"
    assert found.connections["maps -> out"] == "96 dense weights"
    kernel: Any = found.float_net.connections[0].weights
    assert isinstance(kernel, Convolution)
    step = qnet.population("maps").weight_step(qnet.connections[0])
    np.testing.assert_allclose(kernel.data, qnet.connections[0].entries() * step)


def test_a_disturbance_of_any_network_hits_what_hears_the_input() -> None:
    net = convolutional()
    x = (np.random.default_rng(1).random((6, STEPS, 16)) < 0.3).astype(np.int8)
    qnet = hn.quantize(net, "loihi2", calibration=x)
    damaged, rewired, what = disturb(qnet, samples(x, 3), share=0.5)
    assert "50% of the weights" in what
    assert not np.array_equal(rewired.x, x)
    assert all(np.count_nonzero(w) < np.count_nonzero(qnet.weights()[k]) for k, w in damaged.weights().items())


def test_another_network_than_the_quantized_one_is_refused() -> None:
    net, qnet, _ = problem(3, "loihi2")
    with pytest.raises(InputError, match="differ; give the one that was quantized"):
        FloatForm(convolutional(), qnet)
    with pytest.raises(InputError, match="differ; give the one that was quantized"):
        dequantize(Network(net.inputs, net.populations[:-1], (), net.dt, (net.populations[0].name,)), qnet)

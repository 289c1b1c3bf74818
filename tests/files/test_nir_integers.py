"""Integer networks in NIR: the integers come back equal, standard nodes carry the weights, damage is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from model_records import record_of

from hypr_neuro.cli.networks import get_quantized
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.loading import load
from hypr_neuro.exchange.nir import holds_integers, read_nir, read_quantized_nir, to_graph, write_nir
from hypr_neuro.exchange.nir.nodes import KEY, graph_digest
from hypr_neuro.exchange.nir.stands_for import float_network
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize, quantize, weight_ranges
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_network, random_quantized, random_spikes

LEARNING = sorted(n for n, m in MODELS.items() if m.learned is not None and not m.readout and not m.most_spikes)
"""Neurons that make a chain of layers; those of several spikes a step are among the graphs of another test."""
PROFILES = ("loihi2", "ideal")


def assert_equal(a: QuantizedNetwork, b: QuantizedNetwork) -> None:
    """Every integer, every scale and everything that `save` keeps."""
    assert (a.dt, a.encoder, a.record, a.profile) == (b.dt, b.encoder, b.record, b.profile)
    assert len(a.layers) == len(b.layers)
    for x, y in zip(a.layers, b.layers, strict=True):
        assert (x.model, x.bias_axon, x.trainable) == (y.model, y.bias_axon, y.trainable)
        assert (x.state_scale, x.current_scale) == (y.state_scale, y.current_scale)
        assert x.connections().keys() == y.connections().keys()
        pairs = [(getattr(x, k), getattr(y, k)) for k in ("per_neuron", "constants", "psi_table")]
        for key, connection in x.connections().items():
            assert connection.exponent == y.connections()[key].exponent
            pairs.append((connection.mantissa, y.connections()[key].mantissa))
        for one, other in pairs:
            assert other.dtype == np.int64
            assert np.array_equal(one, other)


def moved(qnet: QuantizedNetwork, seed: int) -> QuantizedNetwork:
    """As after learning: other mantissas up to the ends of their width, and other neuron parameters."""
    rng = np.random.default_rng([seed, 21])
    found = qnet.copy()
    top = (1 << (qnet.profile.precision.weight_bits.value - 1)) - 1
    for weights in found.weights().values():
        weights[...] = np.clip(weights + rng.integers(-top, top, weights.shape, endpoint=True), -top, top)
    for layer in found.layers:
        assert layer.model.learned is not None
        constants = tuple(map(int, layer.constants))
        for j, column in enumerate(layer.per_neuron.T):
            change = tuple(map(int, rng.integers(-40, 40, len(layer.model.trainable), endpoint=True)))
            layer.per_neuron[:, j] = layer.model.learned.change(tuple(map(int, column)) + constants, change)
    return found


# ---------------------------------------------------------------- round trip


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", LEARNING)
def test_every_model_comes_back_equal(model: str, profile: str, tmp_path: Path) -> None:
    for seed in range(3):
        qnet = random_quantized(model, seed, profile, hidden=(5, 4), recurrent=seed != 1, bias=seed != 2)
        for case in (qnet, moved(qnet, seed)):
            write_nir(case, tmp_path / "net.nir")
            assert_equal(case, read_quantized_nir(tmp_path / "net.nir"))
            assert_equal(case, read_quantized_nir(nir.read(tmp_path / "net.nir")))


def test_a_learned_network_runs_as_before(tmp_path: Path) -> None:
    qnet = moved(random_quantized("brf", 5, "loihi2", hidden=(6, 5)), 5)
    write_nir(qnet, tmp_path / "net.nir")
    x = random_spikes(1, 3, 40, qnet.inputs)
    record = ("spikes", "u")
    one, other = simulate(qnet, x, record), simulate(read_quantized_nir(tmp_path / "net.nir"), x, record)
    assert np.array_equal(one.readout, other.readout)
    for name, spikes in one.spikes.items():
        assert spikes.any()
        assert np.array_equal(spikes, other.spikes[name])


def test_encoder_and_time_step_come_back(tmp_path: Path) -> None:
    net = random_network("lif", 3)
    net.dt, net.encoder = 2e-4, {"method": "level_crossing", "labels": ["ü", 1.5]}
    qnet = quantize(net, "loihi2", calibration={"layers.0": 3.0, "readout": 2.0})
    write_nir(qnet, tmp_path / "net.nir")
    assert_equal(qnet, read_quantized_nir(tmp_path / "net.nir"))


# ---------------------------------------------------------------- what other readers see


@pytest.mark.parametrize("model", LEARNING)
def test_the_float_network_has_the_weights_of_the_integers(model: str, tmp_path: Path) -> None:
    qnet = random_quantized(model, 7, "loihi2")
    write_nir(qnet, tmp_path / "net.nir")
    net = read_nir(tmp_path / "net.nir")
    assert [layer.model for layer in net.layers] == [layer.model for layer in qnet.layers]
    twin = dequantize(net, qnet)
    for layer, wanted in zip(net.layers, twin.layers, strict=True):
        assert np.array_equal(layer.weight, wanted.weight)
        assert layer.weight.any()
    node = nir.read(tmp_path / "net.nir").nodes["layers_0_from_layers_0"]
    rec = qnet.layers[0].recurrent
    assert rec is not None
    assert np.array_equal(np.rint(node.weight / qnet.layers[0].weight_step(rec)), rec.mantissa)


@pytest.mark.parametrize("model", LEARNING)
def test_parameters_are_those_that_were_quantized_up_to_a_rounding(model: str) -> None:
    net = random_network(model, 9, hidden=(8,))
    x = random_spikes(9, 4, 60, net.inputs)
    stands_for = float_network(quantize(net, "ideal", calibration=x))
    for layer, found in zip(net.layers, stands_for.layers, strict=True):
        for name, values in layer.params.items():
            factor = record_of(layer.model.name).read_back.get(name, 1.0)
            if factor is None:
                continue
            rate = 1.0 / values if name.startswith("tau") else values
            got = 1.0 / found.params[name] if name.startswith("tau") else found.params[name]
            assert np.abs(got - rate).max() <= 2 * factor * 2.0**-16, name


@pytest.mark.parametrize("model", LEARNING)
def test_quantizing_what_the_integers_stand_for_gives_the_same_weights(model: str) -> None:
    qnet = random_quantized(model, 4, "loihi2")
    net = float_network(qnet)
    ranges = {qnet.name(i): 2.0 for i in range(2)}
    again = quantize(net, "loihi2", calibration=ranges, weight_range=weight_ranges(net))
    for name, weights in qnet.weights().items():
        step = {
            n: layer.weight_step(layer.connections()[k])
            for q in (qnet, again)
            for n, layer, k in [(id(q), q.layers[-1 if name.startswith("readout") else 0], name.rsplit(".", 1)[1])]
        }
        ratio = step[id(qnet)] / step[id(again)]
        # the new exponent may leave more bits, never fewer
        assert ratio >= 1.0
        assert np.array_equal(again.weights()[name], np.rint(weights * ratio)), name


def test_standard_nodes_pass_the_type_check_of_nir(tmp_path: Path) -> None:
    summary = write_nir(random_quantized("lif", 1, "loihi2"), tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    assert graph.check_types()
    assert any("integers" in line for line in summary.approximations)
    assert holds_integers(graph)
    assert not holds_integers(to_graph(random_network("lif", 1))[0])


def test_commands_open_either_kind_of_network(tmp_path: Path) -> None:
    net, qnet = random_network("lif", 6), random_quantized("lif", 6, "loihi2")
    for content, name in ((net, "float"), (qnet, "integers")):
        content.save(tmp_path / f"{name}.h5")
        write_nir(content, tmp_path / f"{name}.nir")
        for path in (tmp_path / f"{name}.h5", tmp_path / f"{name}.nir"):
            assert type(load(path)) is type(content)
    for path in (tmp_path / "integers.h5", tmp_path / "integers.nir"):
        assert_equal(qnet, get_quantized(path))
    with pytest.raises(InputError, match=r"float\.nir.*holds a float network.*quantize"):
        get_quantized(tmp_path / "float.nir")
    (tmp_path / "none.h5").write_bytes(b"nothing")
    with pytest.raises(FileFormatError, match=r"none\.h5"):
        load(tmp_path / "none.h5")


# ---------------------------------------------------------------- refusals


def test_a_file_without_integers_is_refused(tmp_path: Path) -> None:
    write_nir(random_network("lif", 1), tmp_path / "net.nir")
    with pytest.raises(InputError, match=r"net\.nir.*no integer network.*hn\.load"):
        read_quantized_nir(tmp_path / "net.nir")


def test_a_neuron_that_does_not_learn_is_refused_by_layer() -> None:
    qnet = random_quantized("lif", 1, "loihi2")
    model, n = get_model("lif_refractory"), qnet.layers[0].size
    rows, constants = len(model.fixed_per_neuron), len(model.fixed_constants)
    integers = {"per_neuron": np.zeros((rows, n), np.int64), "constants": np.zeros(constants, np.int64)}
    qnet = qnet.with_layers({0: replace(qnet.layers[0], model=model, **integers)})
    with pytest.raises(InputError, match=r"'layers\.0': neuron 'lif_refractory' has no float form"):
        to_graph(qnet)


def test_mantissas_wider_than_the_profile_are_refused() -> None:
    qnet = random_quantized("lif", 1, "loihi2")
    qnet.weights()["readout.input"][0, 0] = 200
    with pytest.raises(InputError, match=r"readout\.input: mantissas .*200.*±127.*weight_bits"):
        to_graph(qnet)


def off_grid(graph: nir.NIRGraph) -> None:
    graph.nodes["layers_0_from_input"].weight[1, 2] *= 1.003


def too_large(graph: nir.NIRGraph) -> None:
    node = graph.nodes["layers_0_from_layers_0"]
    node.weight[0, 1] = 128 * node.metadata[KEY]["integers"]["step"]


def other_step(graph: nir.NIRGraph) -> None:
    graph.nodes["readout_from_layers_0"].metadata[KEY]["integers"]["step"] *= 2


def other_exponent(graph: nir.NIRGraph) -> None:
    graph.nodes["layers_0_from_input"].metadata[KEY]["integers"]["exponent"] += 1


def without_integers(graph: nir.NIRGraph) -> None:
    del graph.nodes["layers_0_from_layers_0"].metadata[KEY]["integers"]


def without_scale(graph: nir.NIRGraph) -> None:
    del graph.nodes["readout"].metadata[KEY]["integers"]["current_scale"]


def other_neuron(graph: nir.NIRGraph) -> None:
    graph.nodes["layers_0"].metadata[KEY]["integers"]["per_neuron"][2, 3] += 64


def short_table(graph: nir.NIRGraph) -> None:
    entry = graph.nodes["layers_0"].metadata[KEY]["integers"]
    entry["psi_table"] = entry["psi_table"][:-1]


def other_time_constant(graph: nir.NIRGraph) -> None:
    graph.nodes["layers_0"].tau_mem[0] *= 1.5


def other_parameter(graph: nir.NIRGraph) -> None:
    graph.nodes["layers_0"].metadata[KEY]["params"]["dv"][0] *= 1.5


def no_profile(graph: nir.NIRGraph) -> None:
    graph.nodes["input"].metadata[KEY]["integers"]["network"] = "{"


DAMAGE = [
    (off_grid, "layers_0_from_input.*weight .1, 2.*multiple of its step"),
    (too_large, "layers_0_from_layers_0.*128.*±127"),
    (other_step, "readout_from_layers_0.*step"),
    (other_exponent, "layers_0_from_input.*step"),
    (without_integers, "layers_0_from_layers_0.*integers"),
    (without_scale, "readout.*current_scale"),
    (other_neuron, "layers_0"),
    (short_table, "layers.0.*psi_table.*511"),
    (other_time_constant, "layers_0.*tau_mem"),
    (other_parameter, "layers_0.*dv"),
    (no_profile, "integers is not what hypr-neuro writes"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGE, ids=[d.__name__ for d, _ in DAMAGE])
def test_a_file_that_contradicts_itself_is_refused_by_node(
    damage: Callable[[nir.NIRGraph], None], words: str, tmp_path: Path
) -> None:
    write_nir(random_quantized("lif", 2, "loihi2"), tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    damage(graph)
    with pytest.raises(FileFormatError, match="does not match its sha256"):
        read_quantized_nir(graph)
    graph.nodes["input"].metadata[KEY]["sha256"] = graph_digest(graph)
    with pytest.raises(FileFormatError, match=words):
        read_quantized_nir(graph)


def test_truncated_and_flipped_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    write_nir(random_quantized("brf", 2, "loihi2"), path)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    for damaged in (content[:1000], content[: len(content) // 2], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"net\.nir"):
            read_quantized_nir(path)


def test_the_chain_is_that_of_the_integer_network() -> None:
    qnet = random_quantized("alif", 2, "loihi2", hidden=(4, 3))
    graph, _ = to_graph(qnet)
    forward: dict[str, Any] = {c.source: c.target for c in qnet.integer().synapses if c.source != c.target}
    name, seen = INPUT, []
    while name in forward:
        name = forward[name]
        seen.append(name.replace(".", "_"))
    assert [n for n in graph.nodes if n in seen] == seen

"""Which networks are a chain of layers, and the layers as a view of one."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.neurons import get_model


def chain() -> hn.Network:
    layers = [{"neuron": "brf", "size": 5}, {"neuron": "lif", "size": 4, "recurrent": False}]
    return hn.Network.build({"inputs": 3, "outputs": 2, "layers": layers}, seed=1)


def population(net: hn.Network, index: int, **changes: Any) -> hn.Network:
    found = list(net.populations)
    found[index] = replace(found[index], **changes)
    return replace(net, populations=tuple(found))


def connection(net: hn.Network, index: int, **changes: Any) -> hn.Network:
    found = list(net.connections)
    found[index] = replace(found[index], **changes)
    return replace(net, connections=tuple(found))


def more(net: hn.Network, source: str, target: str) -> hn.Network:
    sizes = {"input": net.inputs} | {p.name: p.size for p in net.populations}
    added = hn.FloatSynapses(source, target, np.ones((sizes[target], sizes[source])))
    return replace(net, connections=(*net.connections, added))


def spiking_end(net: hn.Network) -> hn.Network:
    return hn.Network(3, net.populations[:2], net.connections[:3], 1e-3, ("layers.1",))


def readout_alone(net: hn.Network) -> hn.Network:
    last = net.populations[-1]
    return hn.Network(3, (last,), (hn.FloatSynapses("input", last.name, np.ones((2, 3))),), 1e-3, (last.name,))


def without(net: hn.Network, index: int) -> hn.Network:
    return replace(net, connections=net.connections[:index] + net.connections[index + 1 :])


FAULTS: dict[str, tuple[Any, str]] = {
    "spiking output": (spiking_end, "the last population 'layers.1' spikes ('lif')"),
    "no hidden layer": (readout_alone, "the readout 'readout' is the only population"),
    "readout inside": (
        lambda net: population(without(net, 1), 0, model=get_model("li"), params={}, biases={}, trainable=()),
        "population 'layers.0' is a readout ('li') and not the last one",
    ),
    "two outputs": (
        lambda net: replace(net, outputs=("layers.1", "readout")),
        "the outputs are those of layers.1, readout, not of the last population 'readout' alone",
    ),
    "skip": (lambda net: more(net, "input", "layers.1"), "population 'layers.1' hears 'input'"),
    "way back": (lambda net: more(net, "layers.1", "layers.0"), "population 'layers.0' hears 'layers.1'"),
    "recurrent readout": (lambda net: more(net, "readout", "readout"), "population 'readout' hears 'readout'"),
    "twice": (
        lambda net: more(net, "layers.0", "layers.1"),
        "population 'layers.1' hears 'layers.0' over two connections",
    ),
    "delay": (lambda net: connection(net, 0, delay=2), "connection input -> layers.0 has a delay of 2"),
    "sparse": (
        lambda net: connection(net, 2, weights=csr_array(np.eye(4, 5))),
        "connection layers.0 -> layers.1 has sparse weights",
    ),
    "gap": (lambda net: without(net, 2), "population 'layers.1' does not hear 'layers.0'"),
    "late current": (
        lambda net: population(net, 0, biases={0: np.ones(5), 3: np.ones(5)}),
        "population 'layers.0' has a constant current from step 3 on",
    ),
    "two biases": (
        lambda net: population(net, 1, biases={0: np.ones(4)}),
        "population 'layers.1' has a constant current beside the bias of 'lif'",
    ),
}


def test_a_built_network_is_a_chain() -> None:
    net = chain()
    assert net.is_chain
    assert not net.chain_fault
    assert [p.name for p in net.populations] == ["layers.0", "layers.1", "readout"]
    assert [c.name for c in net.connections] == [
        "input -> layers.0",
        "layers.0 -> layers.0",
        "layers.0 -> layers.1",
        "layers.1 -> readout",
    ]
    assert (net.outputs, net.output_size, net.inputs) == (("readout",), 2, 3)


@pytest.mark.parametrize("case", FAULTS)
def test_what_keeps_a_network_from_being_a_chain_is_said(case: str) -> None:
    change, fault = FAULTS[case]
    net = change(chain())
    assert net.chain_fault == fault
    assert not net.is_chain
    with pytest.raises(InputError) as refused:
        _ = net.layers
    assert str(refused.value).startswith(f"{fault}, rule: a chain of layers; net.populations and net.connections")


@pytest.mark.parametrize("case", FAULTS)
def test_the_fault_decides_how_arrays_are_named(case: str) -> None:
    arrays = FAULTS[case][0](chain()).arrays()
    assert any(" -> " in name for name in arrays)
    assert not any(name.endswith(".weight") for name in arrays)


def test_a_chain_by_other_names_is_a_chain_and_runs_alike() -> None:
    net = chain()
    names = {"layers.0": "a", "layers.1": "b", "readout": "out", "input": "input"}
    populations = tuple(replace(p, name=names[p.name]) for p in net.populations)
    links = tuple(replace(c, source=names[c.source], target=names[c.target]) for c in net.connections)
    other = hn.Network(3, populations, links[::-1], net.dt, ("out",))
    assert other.is_chain
    assert other.arrays().keys() == net.arrays().keys()
    x = (np.random.default_rng(0).random((2, 15, 3)) < 0.5).astype(np.int8)
    np.testing.assert_array_equal(hn.run_float(other, x).readout, hn.run_float(net, x).readout)
    assert hn.float_trace(other, x, ["spikes"]).spikes.keys() == {"a", "b"}


def test_layers_are_the_numbers_of_the_network() -> None:
    net = chain()
    layer = net.layers[0]
    assert net.layers is net.layers
    layer.weight[0, 0] = 7.0
    layer.bias[...] = 2.0
    layer.params["omega"][...] = 9.0
    layer.recurrent *= 0.0
    layer.trainable = ("omega",)
    assert net.connections[0].weights[0, 0] == 7.0
    assert not net.connections[1].weights.any()
    assert net.populations[0].biases[0].tolist() == [2.0] * 5
    assert net.populations[0].params["omega"].tolist() == [9.0] * 5
    assert [k for k in net.arrays() if k.startswith("layers.0")] == [
        f"layers.0.{k}" for k in ("weight", "recurrent", "bias", "omega")
    ]
    net.layers[1].weight = np.full((4, 5), 3.0)
    assert net.connections[2].weights.tolist() == [[3.0] * 5] * 4
    net.layers[-1].bias = np.ones(2)
    assert net.arrays()["readout.bias"].tolist() == [1.0, 1.0]


def test_layers_cannot_be_exchanged_behind_the_network() -> None:
    net = chain()
    with pytest.raises(TypeError, match="does not support item assignment"):
        net.layers[0] = net.layers[1]
    with pytest.raises(InputError, match="recurrent weights of a layer that has none"):
        net.layers[1].recurrent = np.ones((4, 4))


@pytest.mark.parametrize("how", [hn.Network.copy, copy.deepcopy])
def test_a_copy_has_arrays_and_layers_of_its_own(how: Any) -> None:
    net = chain()
    digest, other = net.digest(), how(net)
    assert other.digest() == digest
    for layer in other.layers:
        layer.weight += 1.0
        layer.trainable = ()
    assert net.digest() == digest
    assert other.digest() != digest
    assert net.layers[0].trainable


def test_a_network_of_layers_copies_them() -> None:
    first = Layer(get_model("lif"), np.ones((3, 2)), None, None, {}, ())
    net = hn.Network.from_layers([first, Layer(get_model("li"), np.ones((1, 3)), None, None, {}, ())], 2e-3, None, {})
    first.weight[...] = 5.0
    assert net.layers[0].weight.tolist() == [[1.0, 1.0]] * 3
    assert net.dt == 2e-3


def test_names_of_0_1_warn() -> None:
    net = chain()
    with pytest.warns(DeprecationWarning, match=r"'hypr_neuro\.FloatGraph' is now 'Network'"):
        old = hn.FloatGraph
    assert old is hn.Network
    with pytest.warns(DeprecationWarning, match="'FloatGraph.from_network"):
        assert old.from_network(net).digest() == net.digest()
    with pytest.warns(DeprecationWarning, match="'FloatGraph.synapses' is now 'Network.connections'"):
        assert net.synapses is net.connections
    with pytest.warns(DeprecationWarning, match="'FloatGraph.size' is now 'Network.output_size'"):
        assert net.size == 2
    for name, new in (("graph_trace", hn.float_trace), ("run_graph", hn.run_float)):
        with pytest.warns(DeprecationWarning, match=f"'hypr_neuro.{name}' is now"):
            assert getattr(hn, name) is new

"""Float graphs: what they compute, their file, and their integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from float_graphs import SPIKING, lif, random_graph, small_net, spikes
from scipy.sparse import csc_array, csr_array

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir import read_nir
from hypr_neuro.files.store import load_arrays, save_arrays, sealed
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.graph_forward import run_graph


@pytest.mark.parametrize("neuron", SPIKING)
def test_a_chain_runs_like_the_network(neuron: str) -> None:
    net = small_net(neuron, bias=True)
    x = spikes(1)
    record = ["spikes", "current", *net.layers[0].model.state_names]
    expected, found = hn.run_float(net, x, record), run_graph(net, x, record)
    assert found.spikes["layers.0"].any()
    np.testing.assert_array_equal(found.spikes["layers.0"], expected.spikes["layers.0"])
    np.testing.assert_allclose(found.readout, expected.readout, rtol=1e-12, atol=1e-12)
    for name, states in found.states.items():
        for state, values in states.items():
            np.testing.assert_allclose(values, expected.states[name][state], rtol=1e-9, atol=1e-9)
    assert {k: v.tolist() for k, v in found.counts.items()} == {k: v.tolist() for k, v in expected.counts.items()}


def test_delays_loops_and_biases_arrive_when_the_docstring_says() -> None:
    """Memoryless neurons that relay: each connection's lag can be read off the spikes."""
    one = np.ones((1, 1))
    populations = (
        lif("a", 1),
        lif("b", 1),
        FloatPopulation("c", get_model("lif"), {"du": 1.0, "dv": 1.0, "vth": 0.5}, {3: np.array([0.7])}, (1,)),
    )
    synapses = (
        FloatSynapses("input", "a", one, delay=2),
        FloatSynapses("a", "b", csr_array(one)),
        FloatSynapses("b", "a", one, delay=1),  # from a later population: lag 2
    )
    graph = Network(1, populations, synapses, 1e-3, ("b", "c"))
    x = np.zeros((1, 8, 1))
    x[0, 0] = 1
    run = run_graph(graph, x)
    assert run.spikes["a"][:, 0, 0].tolist() == [0, 0, 1, 0, 1, 0, 1, 0]
    assert run.spikes["b"][:, 0, 0].tolist() == [0, 0, 1, 0, 1, 0, 1, 0]
    assert run.spikes["c"][:, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert run.readout.shape == (1, 8, 2)


def test_results_do_not_depend_on_the_batch() -> None:
    graph, x = small_net("alif"), spikes(2, samples=70)
    together = run_graph(graph, x, ["spikes", "u"])
    for i in (0, 63, 64, 69):
        alone = run_graph(graph, x[i : i + 1], ["spikes", "u"])
        np.testing.assert_array_equal(together.readout[i], alone.readout[0])
        np.testing.assert_array_equal(together.states["layers.0"]["u"][:, i], alone.states["layers.0"]["u"][:, 0])


@pytest.mark.parametrize("seed", range(4))
def test_a_file_gives_the_graph_back(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed)
    graph.save(tmp_path / "graph.h5")
    found = Network.load(tmp_path / "graph.h5")
    assert found.digest() == graph.digest()
    assert found.notes == graph.notes
    np.testing.assert_array_equal(run_graph(found, spikes(seed)).readout, run_graph(graph, spikes(seed)).readout)


@pytest.mark.parametrize("seed", range(4))
def test_nir_gives_the_graph_back(seed: int, tmp_path: Path) -> None:
    """In the order of the connections, too, which is that of the sums."""
    graph = random_graph(seed)
    order = np.random.default_rng(seed).permutation(len(graph.connections))
    graph = replace(graph, connections=tuple(graph.connections[i] for i in order))
    hn.write_nir(graph, tmp_path / "graph.nir")
    found = hn.import_nir(tmp_path / "graph.nir").graph
    assert [c.name for c in found.connections] == [c.name for c in graph.connections]
    assert found.digest() == graph.digest()
    assert found.notes == graph.notes


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a/b", "..", "", "ü\n", "input_flat", "x" * 70_000])
def test_any_name_of_a_population_goes_through_nir(name: str, tmp_path: Path) -> None:
    """Nodes have names that HDF5 can hold, all different; the exact ones are in the metadata, and so are the notes."""
    populations = (lif("a_b_2", 1), lif("a_b", 1), lif(name, 2), lif(f"{name}/", 1), lif("out", 1))
    synapses = (
        FloatSynapses("input", name, np.ones((2, 4))),
        FloatSynapses(name, name, np.ones((2, 2))),
        FloatSynapses(name, "out", np.ones((1, 2))),
    )
    graph = Network(4, populations, synapses, 1e-3, ("out",), (2, 2), notes={name: [name]})
    hn.write_nir(graph, tmp_path / "graph.nir")
    found = hn.import_nir(tmp_path / "graph.nir").graph
    assert [p.name for p in found.populations] == [p.name for p in populations]
    assert found.digest() == graph.digest()
    assert found.notes == graph.notes


def test_notes_of_layers_go_through_nir(tmp_path: Path) -> None:
    net = small_net("lif")
    net.notes["a\0\ud800"] = "\ud800\0"
    hn.write_nir(net, tmp_path / "net.nir")
    assert read_nir(tmp_path / "net.nir").notes == net.notes


def test_neurons_that_hear_nothing_get_no_input_of_their_own(tmp_path: Path) -> None:
    """nir gives one to each node without an edge; the graph would then have other inputs than the network."""
    populations = (lif("a", 1), FloatPopulation("deaf", get_model("brf"), {}), lif("out", 1))
    synapses = (
        FloatSynapses("input", "a", np.ones((1, 2))),
        FloatSynapses("a", "out", np.ones((1, 1))),
        FloatSynapses("deaf", "out", np.ones((1, 1))),
    )
    graph = Network(2, populations, synapses, 1e-3, ("out",))
    hn.write_nir(graph, tmp_path / "graph.nir")
    nodes = nir.read(tmp_path / "graph.nir").nodes
    assert [name for name, node in nodes.items() if isinstance(node, nir.Input)] == ["input"]
    assert hn.import_nir(tmp_path / "graph.nir").graph.digest() == graph.digest()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.h5"
    random_graph(0).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.h5").write_bytes(data)
    with pytest.raises(FileFormatError, match="sha256"):
        Network.load(tmp_path / "bad.h5")
    with pytest.raises(FileFormatError, match="expected 'hypr-neuro quantized network'"):
        QuantizedNetwork.load(path)


def of(key: str, name: str, value: Any) -> Any:
    """A change of what a file says of population a, or of the connection into it."""
    return lambda meta, arrays: meta[key][0].__setitem__(name, value)


def put(name: str, value: Any) -> Any:
    """A change of one array of the file."""
    return lambda meta, arrays: arrays.__setitem__(name, value)


FORGED = {
    "column outside": (put("c0/indices", np.array([0, 2], np.int32)), r"input -> a: sparse weights, .*\(1, 2\)"),
    "column below 0": (put("c0/indices", np.array([0, -1], np.int32)), "input -> a: sparse weights, "),
    "rows of others": (put("c0/indptr", np.array([0, 9], np.int32)), "ndex pointer"),
    "complex weights": (put("c0/data", np.array([1.0, 1j])), "input -> a: weights of type complex128, rule: real"),
    "weights of text": (put("c0/data", np.array([b"1", b"2"])), "train or import it again"),
    "complex parameter": (put("p0/params/vth", np.array([1j])), "population 'a': vth of type complex128, rule: real"),
    "complex bias": (put("p0/biases/0", np.array([1j])), "population 'a': bias of type complex128, rule: real"),
    "huge shape": (of("populations", "shape", [1 << 40]), r"'a': du of shape \(1,\) for neurons \(1099511627776,\)"),
    "shape beyond int64": (of("populations", "shape", [1 << 40, 1 << 40]), r"'a': du of shape \(1,\) for neurons"),
    "negative shape": (of("populations", "shape", [-1, -1]), r"shape \(-1, -1\), rule"),
    "huge rows": (of("synapses", "shape", [1 << 40, 2]), "index pointer size"),
    "huge columns": (of("synapses", "shape", [1, 1 << 40]), r"rule: \(1, 2\)"),
    "negative input": (lambda meta, arrays: meta.update(input_shape=[-1, -2]), "input_shape"),
}


@pytest.mark.parametrize("case", FORGED)
def test_sealed_files_that_say_what_cannot_be_are_refused(case: str, tmp_path: Path) -> None:
    """Neither followed outside of an array, nor made room for, nor cut down to their real part."""
    change, match = FORGED[case]
    population = FloatPopulation("a", get_model("lif"), {}, {0: np.ones(1)})
    synapses = FloatSynapses("input", "a", csr_array(np.ones((1, 2))))
    Network(2, (population,), (synapses,), 1e-3, ("a",)).save(tmp_path / "g.h5")
    meta, arrays = load_arrays(tmp_path / "g.h5", "hypr-neuro network")
    change(meta, arrays)
    save_arrays(tmp_path / "g.h5", "hypr-neuro network", meta, arrays)
    with pytest.raises(FileFormatError, match=match):
        Network.load(tmp_path / "g.h5")


def test_a_sealed_file_cannot_ask_for_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "g.h5"
    random_graph(0).save(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("arrays/more", (1 << 20,), "f8", chunks=True, compression="gzip")
    path.write_bytes(sealed(path.read_bytes()))
    with pytest.raises(FileFormatError, match="entry 'more' declares more data than the file holds"):
        Network.load(path)


@pytest.mark.parametrize("form", [csr_array, csc_array])
def test_sparse_weights_with_indices_outside_are_refused(form: Any) -> None:
    matrix = form(np.ones((3, 3)))
    matrix.indices[4] = 1 << 20
    with pytest.raises(InputError, match=r"input -> a: sparse weights, .*, rule: indices inside \(3, 3\)"):
        FloatSynapses("input", "a", matrix)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"source": "x"}, "unknown 'x'.*, known: input, a, b, c"),
        ({"weights": np.ones((6, 5))}, r"weights of shape \(6, 5\), rule: \(6, 4\)"),
        ({"weights": np.full((6, 4), np.nan)}, "finite"),
        ({"weights": np.full((6, 4), 1j)}, "input -> a: weights of type complex128, rule: real numbers"),
        ({"weights": csr_array(np.full((6, 4), 1j))}, "input -> a: weights of type complex128, rule: real numbers"),
        ({"weights": [[1.0], [1.0, 2.0]]}, "input -> a: weights is no array"),
        ({"delay": 64}, "delay of 64 steps, rule: 0..63"),
        ({"current": 1}, r"current 1, 'lif' has 1 input current"),
    ],
)
def test_connections_are_checked_by_name(change: dict[str, Any], match: str) -> None:
    graph = random_graph(0)
    given = {"source": "input", "target": "a", "weights": np.ones((6, 4))} | change
    with pytest.raises(InputError, match=match):
        Network(4, graph.populations, (FloatSynapses(**given),), 1e-3, ("c",))


def test_populations_are_checked_by_name() -> None:
    model = get_model("lif")
    with pytest.raises(InputError, match=r"population 'a': parameters of sizes \[2, 3\]"):
        FloatPopulation("a", model, {"du": np.ones(2), "dv": np.ones(3)})
    with pytest.raises(InputError, match=r"population 'a': vth\[1\] = -1.0"):
        FloatPopulation("a", model, {"vth": np.array([1.0, -1.0])})
    with pytest.raises(InputError, match="bias of shape"):
        FloatPopulation("a", model, {"vth": np.ones(2)}, {0: np.ones(3)})
    with pytest.raises(InputError, match="population 'a': vth of type complex128, rule: real numbers"):
        FloatPopulation("a", model, {"vth": np.ones(2) + 0j})
    with pytest.raises(InputError, match=r"population 'a': 1099511627776 neurons, rule: at most 67108864"):
        FloatPopulation("a", model, {}, shape=(1 << 40,))
    with pytest.raises(InputError, match="outputs"):
        Network(1, (lif("a", 1),), (), 1e-3, ("b",))
    with pytest.raises(InputError, match="record: unknown 'w'"):
        run_graph(random_graph(0), spikes(0), ["w"])
    with pytest.raises(InputError, match=r"x is int8 of shape \(5, 40, 3\)"):
        run_graph(random_graph(0), spikes(0)[:, :, :3])

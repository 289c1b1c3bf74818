"""NIR files that version 0.1 wrote: chains of layers in a layout of their own, graphs, integers; in tests/golden."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir import is_own, read_nir, read_quantized_nir, to_graph
from hypr_neuro.exchange.nir.nodes import KEY, graph_digest
from hypr_neuro.workflow.equal import require_equal_integers, require_equal_networks

GOLDEN = Path(__file__).parents[1] / "golden"
TRUTH: dict[str, Any] = json.loads((GOLDEN / "networks_0_1.json").read_text(encoding="utf-8"))
CHAIN, INTEGERS = GOLDEN / "network_0_1.nir", GOLDEN / "quantized_network_0_1.nir"


def test_a_chain_is_what_its_own_file_holds() -> None:
    net, wanted = read_nir(CHAIN), hn.Network.load(GOLDEN / "network_0_1.h5")
    require_equal_networks(wanted, net)
    assert (net.encoder, net.notes, net.dt) == (wanted.encoder, wanted.notes, wanted.dt)
    assert [p.trainable for p in net.populations] == [p.trainable for p in wanted.populations]
    assert net.digest() == TRUTH["network"]
    assert hn.load(CHAIN).digest() == TRUTH["network"]
    assert hn.import_nir(CHAIN).graph.digest() == TRUTH["network"]


def test_a_graph_is_what_its_own_file_holds() -> None:
    """Written with one output, since 0.1 wrote no more."""
    net, wanted = read_nir(GOLDEN / "float_graph_0_1.nir"), hn.Network.load(GOLDEN / "float_graph_0_1.h5")
    require_equal_networks(replace(wanted, outputs=("out0",)), net)
    assert net.notes == {"made by": "0.1"}


def test_integers_are_what_their_own_file_holds() -> None:
    qnet, wanted = hn.load(INTEGERS), hn.QuantizedNetwork.load(GOLDEN / "quantized_network_0_1.h5")
    assert isinstance(qnet, hn.QuantizedNetwork)
    require_equal_integers(wanted, qnet)
    assert read_nir(INTEGERS).is_chain


@pytest.mark.parametrize("path", [CHAIN, INTEGERS], ids=["floats", "integers"])
def test_a_chain_is_written_in_the_layout_of_today(path: Path, tmp_path: Path) -> None:
    net = hn.load(path)
    hn.write_nir(net, tmp_path / "n.nir")
    graph = nir.read(tmp_path / "n.nir")
    assert {"layers_0", "layers_0_from_input", "layers_0_from_layers_0", "readout"} <= set(graph.nodes)
    assert graph.nodes["input"].metadata[KEY]["version"] == 2
    again = hn.load(tmp_path / "n.nir")
    if isinstance(net, hn.QuantizedNetwork):
        require_equal_integers(net, again)
    else:
        require_equal_networks(net, again)


def test_choices_that_a_file_contradicts_are_refused() -> None:
    with pytest.raises(InputError, match=r"dt = 0.5 s was passed, the file says .* leave dt out"):
        read_nir(CHAIN, dt=0.5)
    with pytest.raises(InputError, match=r"layers\.1: reset = 'subtract' was passed, the file says 'zero'"):
        read_nir(CHAIN, reset="subtract")


def bias(graph: nir.NIRGraph) -> None:
    graph.nodes["layer0"].metadata[KEY]["bias"] = not graph.nodes["layer0"].metadata[KEY]["bias"]


def layers(graph: nir.NIRGraph) -> None:
    graph.nodes["input"].metadata[KEY]["layers"] = 10**9


def grid(graph: nir.NIRGraph) -> None:
    graph.nodes["layer0_weight"].weight[0, 0] *= 1.003


def scale(graph: nir.NIRGraph) -> None:
    del graph.nodes["readout"].metadata[KEY]["integers"]["current_scale"]


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        (CHAIN, bias, r"node 'layer0'.*bias = False|node 'layer0'"),
        (CHAIN, layers, r"node 'layer2' is missing"),
        (INTEGERS, grid, r"layer0_weight.*weight \[0, 0\].*multiple of its step"),
        (INTEGERS, scale, r"'readout'.*current_scale' is missing"),
    ],
)
def test_what_was_altered_is_refused(path: Path, change: Any, words: str) -> None:
    graph = nir.read(path)
    assert is_own(graph)
    change(graph)
    read = read_quantized_nir if path == INTEGERS else read_nir
    with pytest.raises(FileFormatError, match="does not match its sha256"):
        read(graph)
    graph.nodes["input"].metadata[KEY]["sha256"] = graph_digest(graph, 1)
    with pytest.raises(FileFormatError, match=words):
        read(graph)


def test_the_digest_of_today_covers_every_array() -> None:
    """That of version 1 left out those of IF, I and Delay."""
    net = hn.Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": "lif", "size": 3}]}, 1)
    net.layers[0].params |= {"du": np.ones(3), "dv": np.zeros(3)}
    graph, _ = to_graph(net)
    assert isinstance(graph.nodes["layers_0"], nir.IF)
    graph.nodes["layers_0"].v_threshold[1] *= 2.0
    with pytest.raises(FileFormatError, match="does not match its sha256"):
        read_nir(graph)

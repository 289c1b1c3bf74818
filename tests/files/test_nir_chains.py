"""NIR chains of other programs: what they become, and refusals by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from nir_networks import DT, Change, assert_equal, euler, foreign_graph, forward, li_node, lif_net, node, put, small_net

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import read_nir, to_graph
from hypr_neuro.graph.network import Network


def foreign(net: Network) -> nir.NIRGraph:
    """The standard nodes of a network without our metadata."""
    graph, _ = to_graph(net)
    for written in graph.nodes.values():
        written.metadata = {"other_program": "1.0"}
    return graph


@pytest.mark.parametrize("subtract", [0.0, 1.0])
def test_standard_nodes_alone_give_the_network_back(subtract: float) -> None:
    net = lif_net(1, subtract)
    back = read_nir(foreign(net), dt=net.dt, reset="subtract" if subtract else "zero")
    for a, b in zip(net.layers, back.layers, strict=True):
        assert a.model is b.model
        np.testing.assert_allclose(b.weight, a.weight, rtol=1e-12)
        for name, values in a.params.items():
            np.testing.assert_allclose(b.params[name], values, rtol=1e-10, atol=1e-14, err_msg=name)
        if a.recurrent is not None:
            np.testing.assert_allclose(b.recurrent, a.recurrent, rtol=1e-12)
        if a.bias is not None:
            np.testing.assert_allclose(b.bias, a.bias, rtol=1e-12)


def in_double(graph: nir.NIRGraph) -> nir.NIRGraph:
    """The same numbers in float64, so that the integrator of this file does not round to float32."""
    for item in graph.nodes.values():
        for field in dataclasses.fields(item):
            value = getattr(item, field.name)
            if isinstance(value, np.ndarray) and value.dtype == np.float32:
                setattr(item, field.name, value.astype(np.float64))
    return graph


@pytest.mark.parametrize("cuba", [True, False])
@pytest.mark.parametrize("readout", ["LI", "CubaLI"])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_import_reproduces_forward_euler_of_the_graph(cuba: bool, readout: str, reset: str, tmp_path: Path) -> None:
    graph = foreign_graph(4, cuba, readout)
    nir.write(tmp_path / "other.nir", graph)
    net = read_nir(tmp_path / "other.nir", dt=DT, reset=reset)
    x = (np.random.default_rng(9).random((150, 12)) < 0.3).astype(float)
    theirs = euler(in_double(graph), x, DT, reset)
    hidden, out = forward(net, x)
    assert np.array_equal(hidden[1], theirs["lif"][1])
    assert 0.02 < hidden[1].mean() < 0.98
    np.testing.assert_allclose(hidden[0][:, :, 1], theirs["lif"][0], atol=1e-9)
    np.testing.assert_allclose(out[1], theirs["li"][0], atol=1e-9)
    assert net.dt == DT
    assert ("du" in net.layers[0].trainable) == cuba


def test_synaptic_current_is_scaled_into_the_weights() -> None:
    graph = foreign_graph(4, True, "LI")
    graph.nodes["lif"].tau_syn = np.linspace(DT, 3 * DT, 6)
    for name in ("fc1", "lif.rec"):
        graph.nodes[name].bias = np.zeros(6)
    net = read_nir(graph, dt=DT, reset="zero")
    x = (np.random.default_rng(9).random((150, 12)) < 0.3).astype(float)
    v, z = euler(in_double(graph), x, DT)["lif"]
    states, output = forward(net, x)[0]
    assert np.array_equal(output, z)
    np.testing.assert_allclose(states[:, :, 1], v, atol=1e-9)


def test_readout_of_one_step_has_no_memory() -> None:
    graph = foreign_graph(4, False, "LI")
    graph.nodes["li"].tau = np.full(3, DT)
    net = read_nir(graph, dt=DT, reset="zero")
    x = np.ones((5, 12))
    np.testing.assert_allclose(forward(net, x)[1][1], euler(in_double(graph), x, DT)["li"][0], atol=1e-9)


def at(node: str, field: str, index: Any, value: float) -> Change:
    return lambda graph: getattr(graph.nodes[node], field).__setitem__(index, value)


def edge(*pairs: tuple[str, str]) -> Change:
    return lambda graph: graph.edges.extend(pairs)


def cut(*pairs: tuple[str, str]) -> Change:
    return lambda graph: [graph.edges.remove(pair) for pair in pairs]


def both(*changes: Change) -> Change:
    return lambda graph: [change(graph) for change in changes]


def lif_node(n: int) -> nir.LIF:
    return nir.LIF(tau=np.full(n, 1e-3), r=np.ones(n), v_leak=np.zeros(n), v_threshold=np.ones(n), v_reset=np.zeros(n))


REFUSED: list[tuple[str, Change, list[str]]] = [
    ("nan weight", at("fc1", "weight", (2, 3), np.nan), ["'fc1' (Affine)", "weight[2, 3] = nan", "finite"]),
    ("inf threshold", at("lif", "v_threshold", 1, np.inf), ["'lif' (CubaLIF)", "v_threshold[1] = inf"]),
    (
        "negative threshold",
        at("lif", "v_threshold", 1, -1.0),
        ["'lif' (CubaLIF)", "v_threshold[1] = -1.0", "above v_reset"],
    ),
    ("negative tau", at("lif", "tau_mem", 1, -1e-3), ["'lif' (CubaLIF)", "tau_mem[1]", "at least dt"]),
    ("zero tau", at("li", "tau", 0, 0.0), ["'li' (LI)", "tau[0] = 0.0 s", "at least dt"]),
    ("tau below dt", at("lif", "tau_mem", 0, DT / 2), ["'lif' (CubaLIF)", "tau_mem[0]", f"dt = {DT} s"]),
    ("v_reset", at("lif", "v_reset", 3, 9.0), ["'lif' (CubaLIF)", "v_threshold[3]", "above v_reset = 9.0"]),
    ("bias on current", at("lif", "tau_syn", 2, 3 * DT), ["'lif' (CubaLIF)", "bias[2]", "dt/tau_syn < 1"]),
    ("complex weight", put("fc1", "weight", np.ones((6, 12), complex)), ["'fc1' (Affine)", "complex128"]),
    ("text weight", put("fc1", "weight", "heavy"), ["'fc1' (Affine)", "real numbers"]),
    ("ragged weight", put("fc1", "weight", [[1.0], [1.0, 2.0]]), ["'fc1' (Affine)", "real numbers"]),
    ("3-d weight", put("fc1", "weight", np.ones((2, 6, 12))), ["'fc1' (Affine)", "shape [2, 12]", "'in' (Input)"]),
    ("empty weight", put("fc1", "weight", np.ones((6, 0))), ["'fc1' (Affine)", "(6, 0)", "both positive"]),
    ("wrong bias", put("fc1", "bias", np.ones(5)), ["'fc1' (Affine)", "bias of shape (5,)"]),
    (
        "wrong columns",
        put("fc2", "weight", np.ones((3, 5))),
        ["'fc2' (Affine)", "shape [5]", "'lif' (CubaLIF) sends [6]"],
    ),
    ("wrong rows", put("fc1", "weight", np.ones((5, 12))), ["'lif' (CubaLIF)", "'fc1' (Affine) sends [5]"]),
    ("wrong feedback", put("lif.rec", "weight", np.ones((6, 5))), ["'lif.rec' (Affine)", "shape [5]", "sends [6]"]),
    ("wrong tau", put("lif", "tau_mem", np.ones(5)), ["'lif' (CubaLIF)", "tau_mem of shape (5,)", "(6,)"]),
    ("two numbers r", put("lif", "r", np.ones(2)), ["'lif' (CubaLIF)", "r of shape (2,)"]),
    ("input shape", node("in", nir.Input(np.array([11]))), ["'in' (Input)", "[11]", "[12]"]),
    ("output shape", node("out", nir.Output(np.array([3, 2]))), ["'out' (Output)", "[3, 2]", "[3]"]),
    ("two inputs", node("in2", nir.Input(np.array([12]))), ["'in2' (Input) leads to no node"]),
    ("no output", lambda g: g.nodes.pop("out"), ["edge ('li', 'out')", "'out' does not exist"]),
    ("dangling edge", edge(("lif", "ghost")), ["edge ('lif', 'ghost')", "does not exist"]),
    ("double edge", edge(("in", "fc1")), ["('in', 'fc1') stands twice"]),
    ("missing edge", cut(("fc2", "li")), ["'fc2' (Affine) leads to no node"]),
    ("dead feedback", cut(("lif.rec", "lif")), ["'lif.rec' (Affine) leads to no node"]),
    ("loop over layers", edge(("li", "fc1")), ["'fc1' (Affine)", "shape [12]", "'li' (LI) sends [3]"]),
    (
        "skip",
        both(node("s", nir.Linear(np.ones((3, 12)))), edge(("in", "s"), ("s", "li"))),
        ["'li' (LI)", "hears 'input'", "hn.import_nir"],
    ),
    ("island", node("lost", nir.Linear(np.ones((2, 2)))), ["'lost' (Linear) hears no node"]),
    ("spiking end", node("li", lif_node(3)), ["'li' (LIF)", "ends with a readout"]),
    ("readout inside", node("lif", li_node(6)), ["'lif' (LI)", "only the last layer"]),
    (
        "slow CubaLI",
        node("li", nir.CubaLI(*(np.full(3, 5e-4),) * 4)),
        ["'li' (CubaLI)", "bias[0]", "bias of cuba_li acts on v", "hn.import_nir"],
    ),
    ("unsupported", node("fc2", nir.Scale(np.ones(6))), ["'li' (LI)", "'fc2' (Scale) sends [6]"]),
    ("nested", node("lif", nir.NIRGraph({}, [], type_check=False)), ["'lif' (NIRGraph)", "flatten"]),
    ("weight twice", both(node("w", nir.Linear(np.ones((6, 6)))), cut(("fc1", "lif")), edge(("fc1", "w"))), ["'w'"]),
    ("line break", node("a\nb", nir.Scale(np.ones(2))), [r"'a\nb' (Scale)"]),
]


@pytest.mark.parametrize(("change", "parts"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refuses_by_name(change: Change, parts: list[str]) -> None:
    graph = foreign_graph(4, True, "LI")
    change(graph)
    with pytest.raises(InputError) as caught:
        read_nir(graph, dt=DT, reset="zero")
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_feedback_on_several_ways_adds_up() -> None:
    """A second recurrent node, an edge of the neurons to themselves, and a second way from the input."""
    plain, more = foreign_graph(4, True, "LI"), foreign_graph(4, True, "LI")
    half = plain.nodes["lif.rec"].weight / 2
    more.nodes["lif.rec"].weight = half - np.eye(6)
    more.nodes |= {"rec2": nir.Linear(half), "fc1b": nir.Linear(plain.nodes["fc1"].weight)}
    more.nodes["fc1"].weight = np.zeros((6, 12))
    more.edges += [("lif", "rec2"), ("rec2", "lif"), ("lif", "lif"), ("in", "fc1b"), ("fc1b", "lif")]
    a, b = (read_nir(graph, dt=DT, reset="zero") for graph in (plain, more))
    for name, array in a.arrays().items():
        np.testing.assert_allclose(b.arrays()[name], array, rtol=1e-6, atol=1e-6, err_msg=name)


def test_shapes_may_carry_axes_of_length_one() -> None:
    graph = foreign_graph(4, True, "LI")
    graph.nodes["out"] = nir.Output(np.array([1, 1, 3]))
    assert read_nir(graph, dt=DT, reset="zero").output_size == 3


def test_recurrent_readout_and_lone_readout_are_refused() -> None:
    graph = foreign_graph(4, True, "LI")
    graph.nodes["back"] = nir.Linear(np.ones((3, 3)))
    graph.edges += [("li", "back"), ("back", "li")]
    with pytest.raises(InputError, match=r"'li' \(LI\): feedback to itself"):
        read_nir(graph, dt=DT, reset="zero")
    alone = nir.NIRGraph.from_list(nir.Linear(np.ones((3, 2))), li_node(3))
    with pytest.raises(InputError, match="the only neurons"):
        read_nir(alone, dt=DT, reset="zero")
    empty = nir.NIRGraph({"i": nir.Input(np.array([1])), "o": nir.Output(np.array([1]))}, [("i", "o")])
    with pytest.raises(InputError, match=r"'o' \(Output\): the only neurons"):
        read_nir(empty, dt=DT, reset="zero")


def test_asks_for_dt_and_reset() -> None:
    graph = foreign_graph(4, True, "LI")
    with pytest.raises(InputError, match=r"pass dt \(--dt\), in seconds"):
        read_nir(graph, reset="zero")
    with pytest.raises(InputError, match=r"'lif' \(CubaLIF\).*pass reset \(--reset\), zero, subtract, "):
        read_nir(graph, dt=DT)
    for dt in (0.0, -1.0, np.nan, np.inf, "fast"):
        with pytest.raises(InputError, match=r"dt = .*, rule: seconds a step, positive"):
            read_nir(graph, dt=dt, reset="zero")
    with pytest.raises(InputError, match="reset = 'soft', rule: one of zero, subtract"):
        read_nir(graph, dt=DT, reset="soft")
    with pytest.raises(InputError, match="a int was given, rule: the path of a NIR file"):
        read_nir(3)


def test_own_file_keeps_its_dt_and_reset() -> None:
    net = small_net(subtract=0.0)
    graph, _ = to_graph(net)
    assert_equal(net, read_nir(graph, dt=net.dt, reset="zero"))
    with pytest.raises(InputError, match=r"dt = 0.5 s was passed, the file says .* leave dt out"):
        read_nir(graph, dt=0.5)
    with pytest.raises(InputError, match=r"layers\.0: reset = 'subtract' was passed, the file says 'zero'"):
        read_nir(graph, reset="subtract")


def published(shared_data: Path, name: str) -> Path:
    return shared_data / "nir_paper" / name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("01_lif/lif_norse.nir", r"node '1' \(LIF\): the last neurons spike"),
        ("01_lif/lif_rockpool.nir", r"node '1_LIFNeuronTorch' \(LIF\): the last neurons spike"),
        ("01_lif/debug_spike_representation/two_lif_neurons.nir", r"node 'lif2' \(LIF\): the last neurons spike"),
        (
            "03_rnn/braille_noDelay_bias_zero.nir",
            r"node 'lif2' \(CubaLIF\): the last neurons spike.*ends with a readout",
        ),
        (
            "03_rnn/extras/braille_noDelay_bias_zero_subgraph.nir",
            r"node 'lif1' \(NIRGraph\): inner edge \('input', 'lif'\): node 'lif' does not exist",
        ),
    ],
)
def test_published_graphs_are_refused_with_a_reason(name: str, message: str, shared_data: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_nir(published(shared_data, name), dt=1e-4, reset="zero")
    assert str(caught.value).startswith("file '")
    assert "\n" not in str(caught.value)


def test_published_braille_layer_with_our_readout(shared_data: Path) -> None:
    """The hidden layer of the paper's recurrent network, biases on the current removed, spikes as Euler has them."""
    graph = nir.read(published(shared_data, "03_rnn/braille_noDelay_bias_zero.nir"))
    graph.nodes["lif2"] = li_node(7)
    with pytest.raises(InputError, match=r"node 'lif1.lif' \(CubaLIF\): bias\[0\].*bias of lif acts on v"):
        read_nir(graph, dt=1e-4, reset="zero")
    for name in ("fc1", "lif1.w_rec"):
        graph.nodes[name].bias[...] = 0.0
    net = read_nir(graph, dt=1e-4, reset="zero")
    x = np.load(published(shared_data, "03_rnn/ds_test_first_sample.npy")).astype(float)
    assert (net.inputs, net.layers[0].size, net.output_size) == (12, 38, 7)
    assert np.array_equal(forward(net, x)[0][1], euler(graph, x, 1e-4)["lif1.lif"][1])

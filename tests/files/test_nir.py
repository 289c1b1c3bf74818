"""NIR: exact round trip of our files, standard nodes that reproduce our dynamics, import, refusals by name."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir import files, read_nir, to_graph, write_nir
from hypr_neuro.exchange.nir.neurons_out import MIN_RATE
from hypr_neuro.files.store import SEAL_LENGTH
from hypr_neuro.graph.network import Layer, Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.base import NeuronModel

DT = 1e-4
HIDDEN = sorted(name for name, model in MODELS.items() if model.has_float and not model.readout)
READOUTS = sorted(name for name, model in MODELS.items() if model.has_float and model.readout)


# ---------------------------------------------------------------- networks


def random_params(model: NeuronModel, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Every parameter around its default, inside its range; switches keep 0 or 1."""
    params = {}
    for p in model.params:
        if p.name == "subtract":
            params[p.name] = np.full(n, float(rng.integers(2)))
            continue
        spread = rng.uniform(0.5, 1.5, n) * p.default if p.default else rng.uniform(-0.2, 0.2, n)
        params[p.name] = np.clip(spread, p.low, p.high)
    return params


def random_layer(name: str, n: int, inputs: int, recurrent: bool, bias: bool, rng: np.random.Generator) -> Layer:
    model = get_model(name)
    return Layer(
        model,
        rng.normal(size=(n, inputs)),
        rng.normal(size=(n, n)) if recurrent and not model.readout else None,
        rng.normal(size=n) if bias and model.bias_on == "current" else None,
        random_params(model, n, rng),
        tuple(t for t in model.trainable if rng.random() < 0.7),
    )


def random_net(hidden: list[tuple[str, int, bool, bool]], readout: str, seed: int) -> Network:
    rng = np.random.default_rng(seed)
    layers, inputs = [], int(rng.integers(1, 5))
    for name, n, recurrent, bias in hidden:
        layers.append(random_layer(name, n, inputs, recurrent, bias, rng))
        inputs = n
    layers.append(random_layer(readout, int(rng.integers(1, 4)), inputs, False, bool(rng.integers(2)), rng))
    encoder = {"method": "level_crossing", "threshold": 0.1, "labels": ["ü", "\x00"]} if rng.integers(2) else None
    return Network(layers, float(rng.uniform(1e-4, 1e-2)), encoder, {"seed": seed, "nested": {"x": [1.5, None]}})


def small_net(name: str = "lif", **changes: Any) -> Network:
    net = random_net([(name, 4, True, True)], "li", 3)
    for key, value in changes.items():
        net.layers[0].params[key][...] = value
    return net


def assert_equal(a: Network, b: Network) -> None:
    """Every array equal and float64, everything else equal."""
    assert (a.dt, a.encoder, a.notes, len(a.layers)) == (b.dt, b.encoder, b.notes, len(b.layers))
    for i, (x, y) in enumerate(zip(a.layers, b.layers, strict=True)):
        assert x.model is y.model, i
        assert x.trainable == y.trainable, i
        assert list(x.params) == list(y.params), i
        pairs = [(x.weight, y.weight), (x.recurrent, y.recurrent), (x.bias, y.bias)]
        for u, v in [*pairs, *((x.params[k], y.params[k]) for k in x.params)]:
            assert (u is None) == (v is None), i
            if u is not None and v is not None:
                assert v.dtype == np.float64
                assert np.array_equal(u, v), i


# ---------------------------------------------------------------- round trip


layer_specs = st.tuples(st.sampled_from(HIDDEN), st.integers(1, 6), st.booleans(), st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(layer_specs, min_size=1, max_size=3), st.sampled_from(READOUTS), st.integers(0, 2**32))
def test_round_trip_is_exact(hidden: list[tuple[str, int, bool, bool]], readout: str, seed: int) -> None:
    net = random_net(hidden, readout, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.nir"
        write_nir(net, path)
        assert_equal(net, read_nir(path))
        assert_equal(net, read_nir(nir.read(path)))


@pytest.mark.parametrize("name", HIDDEN)
def test_round_trip_of_each_model(name: str, tmp_path: Path) -> None:
    net = random_net([(name, 5, True, True), (name, 3, False, False)], "li", 11)
    summary = hn.write_nir(net, tmp_path / "net.nir")
    assert_equal(net, hn.read_nir(str(tmp_path / "net.nir")))
    assert (summary.nodes, summary.edges) == (2 + 3 * 2 + 1, 1 + 2 * 3 + 2)
    assert [path.name for path in tmp_path.iterdir()] == ["net.nir"]
    nir.write(tmp_path / "net.nir", nir.read(tmp_path / "net.nir"))  # a tool that reads and writes drops the last line
    assert_equal(net, read_nir(tmp_path / "net.nir"))


@pytest.mark.parametrize("name", HIDDEN)
def test_round_trip_at_the_edges_of_parameters(name: str, tmp_path: Path) -> None:
    net = small_net(name)
    extremes = [1e-300, 5e-324, np.pi, np.nextafter(1.0, 0.0)]
    for p in net.layers[0].model.params:
        allowed = [x for x in (p.low, p.default, *extremes) if x > p.low or (x == p.low and not p.open_low)]
        net.layers[0].params[p.name][...] = np.resize([x for x in allowed if x <= min(p.high, max(p.low, 10.0))], 4)
        if p.low < -10:
            net.layers[0].params[p.name][...] = np.resize([-0.0, -np.pi, 5e-324, 0.1], 4)
    write_nir(net, tmp_path / "net.nir")
    assert_equal(net, read_nir(tmp_path / "net.nir"))


def test_loads_with_plain_nir_and_passes_its_type_check(tmp_path: Path) -> None:
    net = random_net([(name, 4, True, True) for name in HIDDEN], "li", 5)
    write_nir(net, tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    assert graph.check_types()
    assert {type(node).__name__ for node in graph.nodes.values()} <= {
        "Input",
        "Output",
        "Linear",
        "Affine",
        "CubaLIF",
        "LIF",
        "LI",
    }
    for name in ("layer0", "readout"):
        assert (f"{name}_weight", name) in graph.edges
    assert ("layer0", "layer0_recurrent") in graph.edges


def test_every_field_of_network_and_layer_is_written() -> None:
    """A new field must be added to the file format (and to this list)."""
    assert [f.name for f in dataclasses.fields(Network)] == ["layers", "dt", "encoder", "notes"]
    assert [f.name for f in dataclasses.fields(Layer)] == [
        "model",
        "weight",
        "recurrent",
        "bias",
        "params",
        "trainable",
    ]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_nir(small_net(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_graph_shares_no_memory_with_the_network() -> None:
    net = small_net()
    graph, _ = to_graph(net)
    for array in net.arrays().values():
        array[...] = 0.5
    assert not np.array_equal(graph.nodes["layer0_weight"].weight, net.layers[0].weight)
    assert not np.array_equal(graph.nodes["layer0"].v_threshold, net.layers[0].params["vth"])
    read_nir(graph)  # its sha256 still holds


# ---------------------------------------------------------------- standard nodes


def euler(graph: nir.NIRGraph, x: np.ndarray, dt: float, reset: str = "zero") -> dict[str, tuple[np.ndarray, ...]]:
    """Forward Euler of a chain of NIR nodes as another program would do it; per neuron node (v, z) over time.

    Written from NIR's equations alone: S = sum of the incoming nodes' output, recurrent ones of the step before.
    """
    chain = [n for n in topological(graph) if hasattr(graph.nodes[n], "v_leak")]
    size = {n: graph.nodes[n].v_leak.shape[0] for n in chain}
    current, v = ({n: np.zeros(size[n]) for n in chain} for _ in range(2))
    z_old, record = {n: np.zeros(size[n]) for n in chain}, {n: ([], []) for n in chain}

    def linear(name: str, y: np.ndarray) -> np.ndarray:
        node = graph.nodes[name]
        return node.weight @ y + getattr(node, "bias", 0.0)

    for row in x:
        y = row
        for n in chain:
            node = graph.nodes[n]
            sources = [a for a, b in graph.edges if b == n]
            arriving = sum(linear(a, z_old[n] if (n, a) in graph.edges else y) for a in sources)
            if hasattr(node, "tau_syn"):
                current[n] = current[n] + dt / node.tau_syn * (-current[n] + node.w_in * arriving)
                tau = node.tau_mem
            else:
                current[n], tau = arriving, node.tau
            v[n] = v[n] + dt / tau * (node.v_leak - v[n] + node.r * current[n])
            record[n][0].append(v[n].copy())
            y = (v[n] > node.v_threshold).astype(float) if hasattr(node, "v_threshold") else v[n]
            record[n][1].append(y)
            z_old[n] = y
            if hasattr(node, "v_threshold"):
                v[n] = np.where(y > 0, node.v_reset if reset == "zero" else v[n] - node.v_threshold, v[n])
    return {n: (np.array(a), np.array(b)) for n, (a, b) in record.items()}


def topological(graph: nir.NIRGraph) -> list[str]:
    """Nodes in the order from Input, feedback left out."""
    order = [n for n, node in graph.nodes.items() if isinstance(node, nir.Input)]
    for name in order:
        order += [b for a, b in graph.edges if a == name and b not in order]
    return order


def forward(net: Network, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The network by its models' own float_step; per layer (states, output), each over time."""
    s = [[(0.0,) * layer.model.d] * layer.size for layer in net.layers]
    z = [np.zeros(layer.size) for layer in net.layers]
    record: list[tuple[list[Any], list[Any]]] = [([], []) for _ in net.layers]
    for row in x:
        y = row
        for i, layer in enumerate(net.layers):
            total = layer.weight @ y
            if layer.recurrent is not None:
                total = total + layer.recurrent @ z[i]
            if layer.bias is not None:
                total = total + layer.bias
            p = layer.float_matrix()
            steps = [layer.model.float_step(s[i][j], z[i][j], (total[j],), p[:, j]) for j in range(layer.size)]
            s[i], z[i] = [step[0] for step in steps], np.array([step[1] for step in steps])
            record[i][0].append(s[i])
            record[i][1].append(z[i])
            y = z[i]
    return [(np.array(a), np.array(b)) for a, b in record]


def lif_net(seed: int, subtract: float = 0.0) -> Network:
    rng = np.random.default_rng(seed)
    hidden = [random_layer("lif", 6, 4, True, True, rng), random_layer("lif", 5, 6, bool(seed % 2), True, rng)]
    for layer in hidden:
        layer.params |= {
            "du": rng.uniform(0.05, 1.0, layer.size),
            "dv": rng.uniform(0.02, 1.0, layer.size),
            "bias": rng.uniform(-0.1, 0.5, layer.size),
            "subtract": np.full(layer.size, subtract),
        }
    return Network([*hidden, random_layer("li", 3, 5, False, True, rng)], 2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_lif_and_li_nodes_under_forward_euler_are_our_dynamics(seed: int, tmp_path: Path) -> None:
    net = lif_net(seed)
    summary = write_nir(net, tmp_path / "net.nir")
    assert summary.approximations == ()
    x = (np.random.default_rng([seed, 1]).random((120, net.inputs)) < 0.4).astype(float)
    other = euler(nir.read(tmp_path / "net.nir"), x, net.dt)
    ours = forward(net, x)
    for name, (states, output) in zip(("layer0", "layer1", "readout"), ours, strict=True):
        v, z = other[name]
        np.testing.assert_allclose(v, states[:, :, -1], rtol=0, atol=1e-9, err_msg=f"{name}, seed {seed}")
        if name != "readout":
            assert np.array_equal(z, output), f"{name}, seed {seed}"
    assert 0.01 < ours[0][1].mean() < 0.99


@pytest.mark.parametrize("name", [n for n in HIDDEN if n != "lif"])
def test_other_models_are_written_as_a_lif_with_equal_onset(name: str) -> None:
    """The written threshold is the smallest impulse that fires the real neuron from rest."""
    net = random_net([(name, 5, False, False)], "li", 2)
    layer = net.layers[0]
    graph, approximations = to_graph(net)
    node = graph.nodes["layer0"]
    assert isinstance(node, nir.LIF)
    assert bool(node.metadata["hypr_neuro"]["approximate"])
    assert approximations[0].startswith(f"layers.0 ({name})")
    np.testing.assert_allclose(node.r * net.dt / node.tau, 1.0, rtol=1e-12)
    assert np.all(node.tau >= net.dt)
    p = layer.float_matrix()
    for j in range(layer.size):
        for factor, fires in ((0.99, False), (1.01, True)):
            s, z, fired = (0.0,) * layer.model.d, 0.0, False
            for t in range(200):
                impulse = factor * node.v_threshold[j] if t == 0 else 0.0
                s, z = layer.model.float_step(s, z, (impulse,) * layer.model.currents, p[:, j])
                fired = fired or z > 0
            assert fired == fires, f"neuron {j}, impulse {factor} times the threshold"


def test_summary_names_what_other_readers_lose(tmp_path: Path) -> None:
    text = " ".join(write_nir(small_net(subtract=1.0), tmp_path / "a.nir").approximations)
    assert "reset is by subtraction" in text
    text = " ".join(write_nir(small_net(du=0.0), tmp_path / "a.nir").approximations)
    assert f"du below {MIN_RATE}" in text
    assert write_nir(small_net(subtract=0.0), tmp_path / "a.nir").approximations == ()


# ---------------------------------------------------------------- graphs of other programs


def foreign(net: Network) -> nir.NIRGraph:
    """The standard nodes of a network without our metadata."""
    graph, _ = to_graph(net)
    for node in graph.nodes.values():
        node.metadata = {"other_program": "1.0"}
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


def foreign_graph(seed: int, cuba: bool, readout: str) -> nir.NIRGraph:
    """12-6-3 in float32 as other programs write it: gains other than 1, biases, v_leak, feedback with bias."""
    rng = np.random.default_rng(seed)

    def draw(low: float, high: float, *shape: int) -> np.ndarray:
        return rng.uniform(low, high, shape).astype(np.float32)

    n = 6
    shared = {"r": draw(1, 3, n), "v_leak": draw(-0.1, 0.2, n), "v_threshold": draw(0.3, 1, n), "v_reset": np.zeros(n)}
    if cuba:
        hidden = nir.CubaLIF(tau_syn=np.full(n, DT), tau_mem=draw(3e-4, 2e-3, n), w_in=draw(1, 2, n), **shared)
    else:
        hidden = nir.LIF(tau=draw(3e-4, 2e-3, n), **shared)
    last = {"r": draw(1, 3, 3), "v_leak": draw(-0.1, 0.2, 3)}
    if readout == "CubaLI":
        out = nir.CubaLI(tau_syn=np.full(3, DT), tau_mem=draw(3e-4, 2e-3, 3), w_in=draw(1, 2, 3), **last)
    else:
        out = nir.LI(tau=draw(3e-4, 2e-3, 3), **last)
    nodes = {
        "in": nir.Input(np.array([12])),
        "fc1": nir.Affine(draw(-1, 2, n, 12), draw(-0.2, 0.2, n)),
        "lif.rec": nir.Affine(draw(-1, 1, n, n), draw(-0.2, 0.2, n)),
        "lif": hidden,
        "fc2": nir.Affine(draw(-1, 1, 3, n), draw(-0.2, 0.2, 3)),
        "li": out,
        "out": nir.Output(np.array([3])),
    }
    edges = [("li", "out"), ("in", "fc1"), ("fc2", "li"), ("lif", "lif.rec"), ("lif.rec", "lif"), ("fc1", "lif")]
    return nir.NIRGraph(nodes, [*edges, ("lif", "fc2")])


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


Change = Callable[[nir.NIRGraph], Any]


def put(node: str, field: str, value: Any) -> Change:
    return lambda graph: setattr(graph.nodes[node], field, value)


def at(node: str, field: str, index: Any, value: float) -> Change:
    return lambda graph: getattr(graph.nodes[node], field).__setitem__(index, value)


def edge(*pairs: tuple[str, str]) -> Change:
    return lambda graph: graph.edges.extend(pairs)


def cut(*pairs: tuple[str, str]) -> Change:
    return lambda graph: [graph.edges.remove(pair) for pair in pairs]


def node(name: str, value: Any) -> Change:
    return lambda graph: graph.nodes.__setitem__(name, value)


def both(*changes: Change) -> Change:
    return lambda graph: [change(graph) for change in changes]


def lif_node(n: int) -> nir.LIF:
    return nir.LIF(tau=np.full(n, 1e-3), r=np.ones(n), v_leak=np.zeros(n), v_threshold=np.ones(n), v_reset=np.zeros(n))


def li_node(n: int) -> nir.LI:
    return nir.LI(tau=np.full(n, 1e-3), r=np.ones(n), v_leak=np.zeros(n))


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
    assert read_nir(graph, dt=DT, reset="zero").outputs == 3


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
    with pytest.raises(InputError, match=r"'lif' \(CubaLIF\).*pass reset \(--reset\), 'zero' or 'subtract'"):
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
    assert (net.inputs, net.layers[0].size, net.outputs) == (12, 38, 7)
    assert np.array_equal(forward(net, x)[0][1], euler(graph, x, 1e-4)["lif1.lif"][1])


# ---------------------------------------------------------------- damaged and hostile files


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "net.nir"
    write_nir(small_net(), path)
    return path


def refused(path: Path, match: str, error: type[InputError] = FileFormatError) -> str:
    with pytest.raises(error, match=match) as caught:
        read_nir(path, dt=DT, reset="zero")
    message = str(caught.value)
    assert message.startswith(f"file '{path}'")
    assert "\n" not in message
    return message


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    refused(tmp_path / "none.nir", "does not exist")
    refused(tmp_path, "is a folder; give the path of a NIR file")
    for name, content in (("empty", b""), ("text", b"Hello, NIR\n"), ("zeros", bytes(5000))):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "damaged or no HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(3)
    refused(tmp_path / "other.h5", "holds no NIR graph")
    nir.write(tmp_path / "node.nir", li_node(2))
    refused(tmp_path / "node.nir", "holds no NIR graph")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_files(share: float, own_file: Path, tmp_path: Path) -> None:
    content = own_file.read_bytes()
    (tmp_path / "cut.nir").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "cut.nir", "damaged or no HDF5 file")


def test_without_the_last_line_the_file_is_still_whole(own_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.nir").write_bytes(own_file.read_bytes()[:-SEAL_LENGTH])
    assert_equal(small_net(), read_nir(tmp_path / "cut.nir"))


def test_flipped_bytes_are_refused(own_file: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    """Also the ones in places that HDF5 does not use, and those on which HDF5 itself would crash."""
    content = own_file.read_bytes()
    path = tmp_path / "flipped.nir"
    for position in rng.integers(0, len(content) - SEAL_LENGTH, 200):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        refused(path, "does not match its sha256")
    for position in (-1, -2, -30, -70):  # in the seal itself
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        try:
            assert_equal(small_net(), read_nir(path))
        except FileFormatError as error:
            assert "sha256" in str(error)  # noqa: PT017  (a flip may also leave the file readable)


def all_arrays(graph: nir.NIRGraph) -> list[tuple[str, np.ndarray]]:
    """Every array of weights, neuron parameters and our metadata."""
    found = []
    for name, item in graph.nodes.items():
        for holder in (vars(item), item.metadata["hypr_neuro"].get("params", {})):
            found += [(f"{name}.{key}", value) for key, value in holder.items() if isinstance(value, np.ndarray)]
    return found


def test_each_altered_array_is_refused() -> None:
    names = [name for name, _ in all_arrays(to_graph(small_net())[0])]
    assert {"layer0_weight.weight", "layer0.tau_syn", "layer0.du", "readout_weight.bias", "readout.tau"} <= set(names)
    for k, name in enumerate(names):
        graph, _ = to_graph(small_net())
        array = all_arrays(graph)[k][1]
        array.reshape(-1).view(np.uint8)[0] ^= 1
        with pytest.raises(FileFormatError, match=r"does not match its sha256.*remove the metadata"):
            read_nir(graph)
        assert name


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda g: g.nodes["layer0"].metadata["hypr_neuro"].update(neuron="brf"), "sha256"),
        (lambda g: g.nodes["layer0"].metadata["hypr_neuro"].update(trainable="[]"), "sha256"),
        (lambda g: g.nodes["layer0"].metadata["hypr_neuro"].update(more=np.ones(2)), "sha256"),
        (lambda g: g.nodes["layer0"].metadata["hypr_neuro"].update(more=object()), "sha256"),
        (lambda g: g.nodes["layer0"].metadata.clear(), "sha256"),
        (lambda g: g.nodes["input"].metadata["hypr_neuro"].update(dt=0.5), "sha256"),
        (lambda g: g.nodes["input"].metadata["hypr_neuro"].pop("sha256"), "sha256"),
        (lambda g: g.nodes["input"].metadata["hypr_neuro"].update(version=2), "format version 2, this program reads 1"),
        (lambda g: g.nodes["input"].metadata.clear(), r"node 'input' \(Input\): metadata 'hypr_neuro' is missing"),
        (lambda g: g.nodes.pop("input"), "node 'input' is missing"),
        (lambda g: g.nodes.pop("layer0_recurrent"), "sha256"),
        (lambda g: g.nodes.update(extra=nir.Linear(np.ones((1, 1)))), "sha256"),
        (lambda g: g.edges.pop(), "sha256"),
        (lambda g: g.edges.append(("layer0", "output")), "sha256"),
    ],
)
def test_altered_metadata_is_refused(change: Change, match: str) -> None:
    graph, _ = to_graph(small_net())
    change(graph)
    with pytest.raises(FileFormatError, match=match):
        read_nir(graph)


def forged(change: Change) -> nir.NIRGraph:
    """A graph altered on purpose, sha256 and all."""
    from hypr_neuro.exchange.nir.nodes import graph_digest

    graph, _ = to_graph(small_net())
    change(graph)
    graph.nodes["input"].metadata["hypr_neuro"]["sha256"] = graph_digest(graph)
    return graph


def entry(name: str, **changes: Any) -> Change:
    return lambda graph: graph.nodes[name].metadata["hypr_neuro"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (entry("layer0", neuron="quantum"), r"node 'layer0' \(CubaLIF\): unknown neuron 'quantum', known: "),
        (entry("layer0", neuron=3), "is not what version 1 writes|unknown neuron"),
        (entry("layer0", trainable='["mass"]'), r"node 'layer0'.*unknown parameter 'mass'"),
        (entry("layer0", trainable="[" * 100_000), "is not what version 1 writes"),
        (entry("layer0", params={}), r"node 'layer0'.*parameter 'bias' of neuron 'lif' is missing"),
        (entry("layer0", params="none"), "parameter|is not what version 1 writes"),
        (entry("layer0", bias=True), r"node 'layer0'.*its bias acts on the state"),
        (entry("layer0", role="weight"), "role 'weight'"),
        (entry("input", layers=10**12), "node 'layer0'|node 'layer1' is missing"),
        (entry("input", layers=0), "at least one layer"),
        (entry("input", layers="many"), "is not what version 1 writes"),
        (entry("input", dt=-1.0), "dt = -1.0"),
        (entry("input", encoder="{"), "is not what version 1 writes"),
        (put("layer0_weight", "weight", np.full((4, 2), np.nan)), r"node 'layer0'.*nan, rule: weights are finite"),
        (put("layer0_weight", "weight", np.ones((5, 2))), r"node 'layer0'.*recurrent of shape \(4, 4\)"),
        (lambda g: g.nodes["layer0"].metadata["hypr_neuro"]["params"]["du"].fill(7.0), r"node 'layer0'.*du\[0\] = 7.0"),
    ],
)
def test_forged_graphs_are_refused(change: Change, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_nir(forged(change))
    assert "\n" not in str(caught.value)


def third_party_file(path: Path) -> Path:
    nir.write(path, foreign_graph(4, True, "LI"))
    return path


def replace(file: h5py.File, path: str, value: Any) -> None:
    del file[path]
    file[path] = value


def cycle(file: h5py.File) -> None:
    file["node/nodes/lif/again"] = file["node/nodes"]


def bushy_cycle(file: h5py.File) -> None:
    for k in range(20):
        file[f"node/nodes/lif/a{k}"] = file["node/nodes/lif"]


def bomb(file: h5py.File) -> None:
    file.create_dataset("node/nodes/fc1/extra", shape=(10**6, 10**6), dtype="f8", chunks=(1000, 1000))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: replace(f, "node/nodes/lif/type", "Hologram"), r"node 'lif' \('Hologram'\): unknown to NIR"),
        (lambda f: replace(f, "node/nodes/lif/type", 7), "node 'lif' has no type"),
        (lambda f: f.__delitem__("node/nodes/lif/type"), "node 'lif' has no type"),
        (lambda f: replace(f, "node/nodes/lif", 7.0), "node 'lif' has no type"),
        (lambda f: f.__delitem__("node/nodes/lif/tau_mem"), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/nodes/lif/tau_mem", "slow"), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/nodes/lif/tau_mem", np.ones(5)), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/nodes/fc1/weight", np.ones(5)), r"node 'fc1' \(Affine\) cannot be built"),
        (lambda f: replace(f, "node/nodes/in/shape", "wide"), r"node 'in' \(Input\)"),
        (lambda f: f.__setitem__("node/nodes/lif/surprise", 1.0), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/edges", "li -> out"), "node/edges is no list of pairs"),
        (lambda f: replace(f, "node/edges", 3), "node/edges is no list of pairs"),
        (lambda f: replace(f, "node/edges", np.ones((2, 2))), "node/edges is no list of pairs"),
        (lambda f: replace(f, "node/edges", [["in", "fc1", "lif"]]), "node/edges is no list of pairs"),
        (lambda f: f.__delitem__("node/edges"), "holds no NIR graph"),
        (lambda f: f.__delitem__("node"), "holds no NIR graph"),
        (lambda f: replace(f, "node/nodes/lif/r", h5py.SoftLink("/node/nodes/lif/tau_mem")), "link to elsewhere"),
        (lambda f: replace(f, "node/nodes/lif/r", h5py.ExternalLink("/etc/x.h5", "/r")), "link to elsewhere"),
        (lambda f: replace(f, "node/nodes/lif/r", h5py.Empty("f8")), "'/node/nodes/lif/r' holds no data"),
        (lambda f: f.__setitem__("node/nodes/lif/t", np.dtype("f8")), "'/node/nodes/lif/t' holds no data"),
        (cycle, "deeper than 48 levels, rule: no cycles, at most 16 graphs inside each other"),
        (bushy_cycle, "deeper than 48 levels|more than 100000 entries"),
        (bomb, "'/node/nodes/fc1/extra': the file declares more data than it can hold"),
    ],
)
def test_hostile_hdf5(damage: Callable[[h5py.File], Any], match: str, tmp_path: Path) -> None:
    path = third_party_file(tmp_path / "other.nir")
    with h5py.File(path, "r+") as file:
        damage(file)
    refused(path, match, InputError)


def test_a_file_that_crashes_hdf5_or_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = third_party_file(tmp_path / "other.nir")
    script = tmp_path / "child.py"
    monkeypatch.setattr(files, "SCRIPT", script)
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    refused(path, "HDF5 crashes on it")
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(files, "TRIAL_SECONDS", 0.5)
    refused(path, "HDF5 does not finish reading it")
    script.write_text("raise SystemExit(1)")  # an ordinary failure of the child is met again here, or is its own
    monkeypatch.setattr(files, "TRIAL_SECONDS", 30.0)
    assert read_nir(path, dt=DT, reset="zero").inputs == 12


def test_the_child_reads_the_same_tree(tmp_path: Path) -> None:
    """The trial must do what the reader does; here it is seen to fail on the same file."""
    import subprocess
    import sys

    path = third_party_file(tmp_path / "other.nir")
    run = [sys.executable, str(files.SCRIPT), str(path)]
    assert subprocess.run(run, check=False).returncode == 0
    with h5py.File(path, "r+") as file:
        cycle(file)
    assert b"deeper than 48 levels" in subprocess.run(run, check=False, stderr=subprocess.PIPE).stderr


# ---------------------------------------------------------------- writing


def test_write_refuses_what_it_cannot_store(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    net = small_net()
    net.layers[0].weight[1, 1] = np.nan
    with pytest.raises(InputError, match=r"layers\.0: weight\[1, 1\] = nan"):
        write_nir(net, path)
    net = small_net()
    net.encoder = {"table": np.ones(3)}
    with pytest.raises(InputError, match="encoder cannot be stored"):
        write_nir(net, path)
    for dt in (float("inf"), 1e-300, float("nan")):
        net = small_net()
        net.dt = dt
        with pytest.raises(InputError, match="dt = "):
            write_nir(net, path)
    net = small_net("brf")
    net.layers[0].params["delta"][...] = 1.0
    with pytest.raises(InputError, match=r"layers\.0: neuron 'brf': δ.* rule: below 1"):
        write_nir(net, path)
    assert list(tmp_path.iterdir()) == []


def test_write_to_a_bad_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*choose a folder that exists"):
        write_nir(small_net(), tmp_path / "none" / "net.nir")
    with pytest.raises(InputError, match="cannot write"):
        write_nir(small_net(), tmp_path)


def test_failed_write_keeps_the_old_file(own_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(own_file, tmp_path / "net.nir")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_nir(small_net("brf"), tmp_path / "net.nir")
    assert_equal(small_net(), read_nir(tmp_path / "net.nir"))
    assert [p.name for p in tmp_path.iterdir()] == ["net.nir"]


# ---------------------------------------------------------------- documentation


def test_the_examples_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "nir.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == 4
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert_equal(hn.read_nir("m.nir"), names["same"])
    assert [line.split(":")[0] for line in names["summary"].approximations] == ["layers.1 (brf)"]
    assert (names["net"].inputs, names["net"].outputs) == (4, 3)

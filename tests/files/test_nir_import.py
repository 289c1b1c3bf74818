"""Any NIR graph as a Network: the same spikes and values as the graph itself, all choices said, faults named."""

from __future__ import annotations

import re
import runpy
from itertools import pairwise
from math import comb
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import import_nir, is_own, read_nir, to_graph, write_nir
from hypr_neuro.exchange.nir.order import population_order
from hypr_neuro.graph.network import Network
from hypr_neuro.run.graph_forward import run_graph

GRAPHS: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "nir_graphs.py"))
ORACLE: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "nir_interpreter.py"))
DT: float = GRAPHS["DT"]
lif, li, chain = (GRAPHS[name] for name in ("lif", "li", "chain"))
STEPS = 12
CLOSES = re.compile(r"connection (.+) -> (.+) closes a loop")


def outputs(graph: Network, x: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Spikes (steps, n) of each population that spikes, and the graph's outputs (steps, n), of x (steps, …)."""
    spiking = any(not p.model.readout for p in graph.populations)
    run = run_graph(graph, x[None], record=["spikes"] if spiking else [])
    return {name: z[:, 0] for name, z in run.spikes.items()}, run.readout[0]


def ends(graph: nir.NIRGraph, cls: type) -> list[str]:
    return sorted(name for name, node in graph.nodes.items() if isinstance(node, cls))


# ---------------------------------------------------------------- the same network


options = st.fixed_dictionaries(
    {
        "reset": st.sampled_from(["zero", "subtract", "zero_delayed", "subtract_delayed"]),
        "floor": st.sampled_from([None, -1.5]),
        "integrator": st.sampled_from(["euler", "exact"]),
        "order": st.sampled_from(["current_first", "membrane_first"]),
        "recurrent_delay": st.integers(1, 3),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), options)
def test_random_graphs_give_their_own_spikes_and_values(seed: int, chosen: dict[str, Any]) -> None:
    """Against an interpreter that runs node by node: spikes equal, values to 1e-9 of the largest."""
    graph, shapes = GRAPHS["random_graph"](seed)
    rng = np.random.default_rng([seed, 1])
    x = {name: (rng.random((STEPS, *shapes[name])) < 0.5).astype(float) for name in ends(graph, nir.Input)}
    found = import_nir(graph, dt=DT, **chosen)
    closing = {m.groups() for line in found.summary.became if (m := CLOSES.fullmatch(line))}
    wanted = ORACLE["Interpreter"](graph, shapes, x, closing, DT, **chosen).run(STEPS)
    spikes, values = outputs(found.graph, np.concatenate([v.reshape(STEPS, -1) for v in x.values()], axis=1))
    for name, z in spikes.items():
        assert np.array_equal(z, wanted[name]), f"seed {seed}, {chosen}: {name}"
    shown = np.concatenate([wanted[name] for name in ends(graph, nir.Output)], axis=1)
    np.testing.assert_allclose(values, shown, rtol=0, atol=1e-9 * max(1.0, np.abs(shown).max()))


loops = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from(["input", *"abcdefg"]), max_size=4))


@given(loops)
def test_connections_lead_forward_but_those_that_close_a_loop(sources: dict[str, list[str]]) -> None:
    heard = {t: [s for s in dict.fromkeys(ss) if s in sources or s == "input"] for t, ss in sources.items()}
    order, closing = population_order(heard)
    assert sorted(order) == sorted(sources)
    reach = {name: {name} for name in sources}
    for _ in sources:
        for target, names in heard.items():
            for source in names:
                for seen in reach.values():
                    if source in seen:
                        seen.add(target)
    for target, names in heard.items():
        for source in (s for s in names if s != "input"):
            forward = order.index(source) < order.index(target)
            assert forward != ((source, target) in closing)
            assert forward or source in reach[target], "no loop goes through it"


def test_a_deep_chain_of_loops_needs_no_recursion() -> None:
    names = [f"{i:05}" for i in range(3000)]
    sources = {b: [a, b] for a, b in pairwise(["input", *names])}
    assert population_order(sources) == (names, {(n, n) for n in names})


# ---------------------------------------------------------------- published graphs


def published(shared_data: Path, name: str) -> Path:
    return shared_data / "nir_paper" / name


def test_braille_network_gives_the_published_spikes(shared_data: Path) -> None:
    """Those of snnTorch for the paper's first test sample, and 96.4 % of the samples that are here."""
    found = import_nir(published(shared_data, "03_rnn/braille_noDelay_bias_zero.nir"), dt=1e-4, reset="zero")
    assert found.summary.nodes == {"Affine": 3, "CubaLIF": 2, "Input": 1, "Output": 1}
    spikes, shown = outputs(found.graph, np.load(published(shared_data, "03_rnn/ds_test_first_sample.npy")))
    theirs = np.load(published(shared_data, "03_rnn/snntorch_activity_noDelay_bias_zero.npy"))
    assert theirs.size == 9728
    assert np.array_equal(spikes["lif1.lif"], theirs)
    assert shown.sum(axis=0).tolist() == [10, 160, 112, 113, 103, 68, 121]
    samples = np.load(shared_data / "braille" / "braille_7class.npz")
    counts = run_graph(found.graph, np.unpackbits(samples["x"], axis=1), record=()).readout.sum(axis=1)
    assert int(np.sum(counts.argmax(axis=1) == samples["y"])) == 1116
    assert len(counts) == 1158


@pytest.mark.parametrize(
    ("graph", "csv", "rows"),
    [("lif_norse", "lif_exact", [460, 510, 710, 760]), ("lif_rockpool", "lif_rockpool", [460, 520, 720, 780])],
)
def test_single_neurons_of_the_paper(graph: str, csv: str, rows: list[int], shared_data: Path) -> None:
    found = import_nir(published(shared_data, f"01_lif/{graph}.nir"), dt=1e-4, reset="zero")
    table = np.loadtxt(published(shared_data, f"01_lif/{csv}.csv"), delimiter=",")
    _, shown = outputs(found.graph, table[:, :1])
    assert np.flatnonzero(shown[:, 0]).tolist() == rows
    if csv == "lif_exact":
        assert np.array_equal(shown[:, 0], table[:, 2])
    text = "node 'output' (Output): shape [1, 1, 1], but node '1_LIFNeuronTorch' (LIF) sends [1]"
    assert any(w.startswith(text) for w in found.summary.warnings) == (graph == "lif_rockpool")


def test_neurons_that_fire_by_their_leak(shared_data: Path) -> None:
    found = import_nir(
        published(shared_data, "01_lif/debug_spike_representation/two_lif_neurons.nir"), dt=1e-4, reset="zero"
    )
    spikes, _ = outputs(found.graph, np.zeros((1000, 1)))
    assert np.flatnonzero(spikes["lif1"][:, 0])[:3].tolist() == [178, 357, 536]  # 0.01 ln 6 s each
    assert not spikes["lif2"].any()


def test_faulty_subgraph_is_named(shared_data: Path) -> None:
    path = published(shared_data, "03_rnn/extras/braille_noDelay_bias_zero_subgraph.nir")
    match = r"node 'lif1' \(NIRGraph\): inner edge \('input', 'lif'\): node 'lif' does not exist"
    with pytest.raises(InputError, match=match):
        import_nir(path, dt=1e-4, reset="zero")
    graph = nir.read(published(shared_data, "03_rnn/braille_noDelay_bias_zero.nir"))
    repaired = nested_braille(graph)
    x = np.load(published(shared_data, "03_rnn/ds_test_first_sample.npy"))
    plain = import_nir(graph, dt=1e-4, reset="zero")
    inside = import_nir(repaired, dt=1e-4, reset="zero")
    assert np.array_equal(outputs(plain.graph, x)[0]["lif1.lif"], outputs(inside.graph, x)[0]["lif1.cell"])


def nested_braille(graph: nir.NIRGraph) -> nir.NIRGraph:
    """The paper's network with its recurrent layer as a graph inside."""
    ends = {"input": nir.Input(np.array([38])), "output": nir.Output(np.array([38]))}
    inner = nir.NIRGraph(
        {**ends, "cell": graph.nodes["lif1.lif"], "rec": graph.nodes["lif1.w_rec"]},
        [("input", "cell"), ("cell", "rec"), ("rec", "cell"), ("cell", "output")],
    )
    outer = {k: v for k, v in graph.nodes.items() if not k.startswith("lif1")} | {"lif1": inner}
    edges = [("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "output")]
    return nir.NIRGraph(outer, edges)


# ---------------------------------------------------------------- small graphs


def test_a_large_convolution_stays_sparse() -> None:
    """65,536 neurons that each hear 9 inputs: 0.6 million weights, which written out would take 4 GB."""
    conv = nir.Conv2d((64, 64), np.ones((16, 1, 3, 3)), 1, "same", 1, 1, np.zeros(16))
    fields = {"tau": 4 * DT, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0}
    cells = nir.LIF(**{k: np.full((16, 64, 64), v) for k, v in fields.items()})
    pool = nir.SumPool2d(np.array([64, 64]), np.array([64, 64]), np.array([0, 0]))
    graph = chain(conv, cells, pool, outs=16)
    graph.nodes["in"], graph.nodes["out"] = nir.Input(np.array([1, 64, 64])), nir.Output(np.array([16, 1, 1]))
    found = import_nir(graph, dt=DT, reset="zero")
    assert [c.weights.nnz for c in found.graph.connections] == [16 * (3 * 64 - 2) ** 2, 16 * 64 * 64]
    assert found.graph.population("n1").shape == (16, 64, 64)
    assert found.network() is None
    with pytest.raises(InputError, match=r"'n1' \(LIF\): sparse weights of shape \(65536, 4096\)"):
        read_nir(graph, dt=DT, reset="zero")
    _, shown = outputs(found.graph, np.ones((1, 1, 64, 64)))
    assert shown.tolist() == [[4096.0] * 16]


def test_a_bias_acts_once_and_as_late_as_its_delays() -> None:
    """W2 (W1 x + b1), late by 2 steps, + b2: both biases are constant currents, none is lost."""
    rng = np.random.default_rng(3)
    W1, W2, b1, b2 = rng.normal(size=(3, 2)), rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=2)
    graph = chain(nir.Affine(W1, b1), nir.Delay(np.full(3, 2 * DT)), nir.Affine(W2, b2))
    found = import_nir(graph, dt=DT).graph
    x = rng.normal(size=(6, 2))
    _, shown = outputs(found, x)
    wanted = np.array([b2 + (W2 @ (W1 @ x[t - 2] + b1) if t >= 2 else 0) for t in range(6)])
    np.testing.assert_allclose(shown, wanted, rtol=1e-12)
    (readout,) = found.populations
    assert {first: bias.round(9).tolist() for first, bias in readout.biases.items()} == {
        0: b2.round(9).tolist(),
        2: (W2 @ b1).round(9).tolist(),
    }
    assert [(c.source, c.delay) for c in found.connections] == [("input", 2)]


def test_delays_of_each_channel_become_connections_of_their_own() -> None:
    graph = chain(nir.Delay(np.array([0.0, 3 * DT])), lif(2, tau=DT))
    found = import_nir(graph, dt=DT, reset="zero").graph
    assert [(c.delay, np.asarray(c.weights).tolist()) for c in found.connections] == [
        (0, [[1.0, 0.0], [0.0, 0.0]]),
        (3, [[0.0, 0.0], [0.0, 1.0]]),
    ]
    spikes, _ = outputs(found, np.eye(6)[:, :1] * [1.0, 1.0])
    assert spikes["n1"].T.tolist() == [[1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]


def test_several_inputs_and_outputs_stand_side_by_side_by_name() -> None:
    nodes = {
        "right": nir.Input(np.array([2])),
        "left": nir.Input(np.array([1])),
        "w": nir.Linear(np.array([[2.0]])),
        "a": nir.Output(np.array([1])),
        "b": nir.Output(np.array([2])),
    }
    edges = [("right", "b"), ("left", "w"), ("w", "a")]
    found = import_nir(nir.NIRGraph(nodes, edges, type_check=False))
    _, shown = outputs(found.graph, np.array([[1.0, 10.0, 20.0]]))
    assert shown.tolist() == [[2.0, 10.0, 20.0]]
    assert found.graph.outputs == ("a", "b")
    text = "\n".join(found.summary.lines())
    assert "input: node 'left' (Input), node 'right' (Input), side by side" in text
    assert "dt = 0.001 (default, nothing depends on it)" in text


def test_v_reset_is_where_v_starts_and_returns() -> None:
    """v from -0.5 to 0.5 in steps of 1/4 of the way to 1."""
    graph = chain(lif(1, v_leak=1.0, v_reset=-0.5), inputs=1, outs=1)
    found = import_nir(graph, dt=DT, reset="zero")
    run = run_graph(found.graph, np.zeros((1, 9, 1)), record=["spikes", "v"])
    v = run.states["n0"]["v"][:, 0, 0] - 0.5
    wanted = [1 - 1.5 * 0.75 ** (k % 4 + 1) for k in range(9)]
    np.testing.assert_allclose(v, wanted, rtol=1e-12)
    assert run.spikes["n0"][:, 0, 0].tolist() == [float(w > 0.5) for w in wanted]
    assert any("v is counted from v_reset" in r for r in found.summary.remarks)


def test_parameters_by_channel() -> None:
    conv = nir.Conv2d((4, 5), np.ones((2, 1, 2, 2)), 1, 0, 1, 1, np.zeros(2))
    scale = nir.Scale(np.array([1.0, 10.0]))
    flat = nir.Flatten(np.array([2, 3, 4]), 0, -1)
    nodes = {"in": nir.Input(np.array([1, 4, 5])), "c": conv, "s": scale, "f": flat, "out": nir.Output(np.array([24]))}
    found = import_nir(nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False))
    _, shown = outputs(found.graph, np.ones((1, 1, 4, 5)))
    assert shown[0].tolist() == [4.0] * 12 + [40.0] * 12
    assert any("scale of shape (2,) over (2, 3, 4): one number a channel" in r for r in found.summary.remarks)
    nodes["c"] = nir.Conv2d((4, 4), np.ones((3, 1, 2, 2)), 1, 0, 1, 1, np.zeros(3))
    nodes |= {"in": nir.Input(np.array([1, 4, 4])), "s": nir.Scale(np.ones(3)), "out": nir.Output(np.array([27]))}
    with pytest.raises(InputError, match=r"'s' \(Scale\): scale of shape \(3,\) over \(3, 3, 3\): by channel or"):
        import_nir(nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False))


@pytest.mark.parametrize(("node", "factor"), [(nir.AvgPool2d, 1 / 6), (nir.SumPool2d, 1.0)])
def test_pooling_over_windows_that_are_not_square(node: Any, factor: float) -> None:
    x = np.random.default_rng(4).normal(size=(2, 4, 3))
    window = np.array([2, 3])
    nodes = {
        "in": nir.Input(np.array([2, 4, 3])),
        "p": node(window, window, np.array([0, 0])),
        "out": nir.Output(np.array([2, 2, 1])),
    }
    _, shown = outputs(import_nir(nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)).graph, x[None])
    np.testing.assert_allclose(shown[0], factor * x.reshape(2, 2, 2, 3).sum(axis=(2, 3)).reshape(-1), rtol=1e-12)


def ran(last: Any, steps: int, **chosen: str) -> tuple[Network, np.ndarray, np.ndarray]:
    """The graph of a readout behind a Linear, its values over random input, and those of the interpreter."""
    graph = chain(nir.Linear(np.array([[1.0, -2.0], [0.5, 3.0]])), last)
    x = np.random.default_rng(5).normal(size=(steps, 2))
    found = import_nir(graph, dt=DT, **chosen).graph
    shapes = dict.fromkeys(graph.nodes, (2,))
    wanted = ORACLE["Interpreter"](graph, shapes, {"in": x}, set(), DT, **chosen).run(steps)["out"]
    return found, outputs(found, x)[1], wanted


@pytest.mark.parametrize(("tau", "model"), [(9e5, "li"), (4e6, "cuba_li")])
def test_a_readout_that_leaks_slowly_keeps_its_gain(tau: float, model: str) -> None:
    """li up to a time constant of 10^6 steps, cuba_li above."""
    found, values, wanted = ran(nir.LI(*(np.full(2, v) for v in (tau * DT, 3e5, 0.7))), 12)
    assert found.populations[-1].model.name == model
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("tau", "model"), [(9.0, "li"), (4e6, "cuba_li")])
@pytest.mark.parametrize("order", ["current_first", "membrane_first"])
def test_a_readout_whose_current_lasts_a_step(order: str, tau: float, model: str) -> None:
    """τ_syn = dt: no synaptic current is left, and still the membrane sees it a step later in one of the orders."""
    last = nir.CubaLI(*(np.full(2, v) for v in (DT, tau * DT, tau / 4, 0.1, 1.5)))
    found, values, wanted = ran(last, 12, order=order)
    assert found.populations[-1].model.name == model
    assert [c.delay for c in found.connections] == [int(order == "membrane_first")]
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-9)


def test_a_delay_is_the_nearest_whole_number_of_steps() -> None:
    """In floating point, 3e-4 / 1e-4 is below 3; float32, as many files hold it, is further off."""
    for seconds, steps in ((3e-4, 3), (np.float32(7e-4), 7), (np.float32(2e-4), 2)):
        found = import_nir(chain(nir.Delay(np.full(2, seconds)), lif(2, tau=4e-4)), dt=1e-4, reset="zero").graph
        assert [c.delay for c in found.connections] == [steps]


def parallel_delays(steps: list[int]) -> nir.NIRGraph:
    """One block for each: what arrives, plus the same so many steps later."""
    nodes: dict[str, Any] = {"in": nir.Input(np.array([2]))}
    edges, last = [], "in"
    for i, delay in enumerate(steps):
        nodes |= {f"d{i}": nir.Delay(np.full(2, delay * DT)), f"s{i}": nir.Scale(np.ones(2))}
        edges += [(last, f"s{i}"), (last, f"d{i}"), (f"d{i}", f"s{i}")]
        last = f"s{i}"
    nodes |= {"n": lif(2), "out": nir.Output(np.array([2]))}
    return nir.NIRGraph(nodes, [*edges, (last, "n"), ("n", "out")], type_check=False)


def test_ways_of_the_same_delay_are_one_connection() -> None:
    """2^40 ways through 40 blocks, 41 delays: how many ways there are of each stands in the weights."""
    found = import_nir(parallel_delays([1] * 40), dt=DT, reset="zero").graph
    assert [c.delay for c in found.connections] == list(range(41))
    gain = found.connections[0].weights[0, 0]
    assert [round(c.weights[0, 0] / gain) for c in found.connections] == [comb(40, k) for k in range(41)]
    found = import_nir(parallel_delays([1, 2, 4, 8, 16, 32]), dt=DT, reset="zero").graph
    assert [c.delay for c in found.connections] == list(range(64))


def test_weights_with_leading_axes_are_one_matrix_for_each_index() -> None:
    rng = np.random.default_rng(2)
    weight, bias, x = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    nodes = {
        "in": nir.Input(np.array([2, 4])),
        "w": nir.Affine(weight, bias),
        "s": nir.Scale(np.array([[2.0], [5.0]])),
        "out": nir.Output(np.array([2, 3])),
    }
    _, shown = outputs(import_nir(nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)).graph, x[None])
    wanted = (np.einsum("kij,kj->ki", weight, x) + bias) * [[2.0], [5.0]]
    np.testing.assert_allclose(shown, wanted.reshape(1, -1), rtol=1e-12)


def test_a_graph_from_a_file_is_the_same(tmp_path: Path) -> None:
    ends = {"i": nir.Input(np.array([6])), "o": nir.Output(np.array([6]))}
    inner = nir.NIRGraph(
        {**ends, "c": lif(6), "d": nir.Delay(np.full(6, DT))}, [("i", "c"), ("c", "d"), ("d", "c"), ("c", "o")]
    )
    conv = nir.Conv1d(7, np.ones((1, 2, 2)), 1, "valid", 1, 1, np.full(1, 0.2))
    flat = nir.Flatten(np.array([1, 6]), 0, -1)
    graph = chain(conv, flat, inner, nir.Affine(np.ones((2, 6)), np.ones(2)), li(2))
    graph.nodes["in"] = nir.Input(np.array([2, 7]))
    graph.infer_types()
    nir.write(tmp_path / "g.nir", graph)
    with h5py.File(tmp_path / "g.nir", "a") as file:
        file["node"].create_group("metadata")["dt"] = DT  # of the graph: some versions of nir drop it
        del file["node/nodes/n0/input_shape"]  # as where it is None
    found = import_nir(tmp_path / "g.nir", reset="zero")
    again = import_nir(graph, dt=DT, reset="zero")
    x = (np.random.default_rng(0).random((STEPS, found.graph.inputs)) < 0.5).astype(float)
    assert outputs(found.graph, x)[0]["n2.c"].any()
    assert np.array_equal(outputs(found.graph, x)[1], outputs(again.graph, x)[1])
    assert "dt = 0.001 (metadata of graph)" in map(str, found.summary.choices)
    found.graph.save(tmp_path / "g.h5")
    back = Network.load(tmp_path / "g.h5")
    assert np.array_equal(outputs(back, x)[1], outputs(again.graph, x)[1])
    assert back.notes["nir"]["became"] == list(found.summary.became)


@pytest.mark.parametrize("levels", [1, 7, 16])
def test_graphs_inside_each_other_are_the_same_from_a_file(levels: int, tmp_path: Path) -> None:
    graph = chain(lif(2))
    for _ in range(levels):
        graph = chain(graph)
    graph.nodes["in"].metadata = {"dt": DT}
    nir.write(tmp_path / "g.nir", graph)
    name = "n0." * levels + "n0"
    for what in (graph, tmp_path / "g.nir"):
        assert [p.name for p in import_nir(what, reset="zero").graph.populations] == [name]


def test_more_graphs_inside_each_other_are_refused_in_the_same_words(tmp_path: Path) -> None:
    graph = chain(lif(2))
    for _ in range(17):
        graph = chain(graph)
    nir.write(tmp_path / "g.nir", graph)
    for what in (graph, tmp_path / "g.nir"):
        with pytest.raises(InputError, match="graphs nested more than 16 deep, rule: no cycles; flatten it"):
            import_nir(what, dt=DT, reset="zero")


def own_net() -> Network:
    layers = [{"neuron": "lif", "size": 4, "recurrent": True}, {"neuron": "alif", "size": 3, "bias": True}]
    net = Network.build({"inputs": 2, "outputs": 2, "dt": DT, "layers": layers}, 5)
    for layer in net.layers:
        layer.weight *= 5.0
    return net


def test_a_file_of_hypr_neuro_is_exact(tmp_path: Path) -> None:
    from hypr_neuro.run.forward import readout

    net = own_net()
    write_nir(net, tmp_path / "own.nir")
    assert is_own(tmp_path / "own.nir")
    found = import_nir(tmp_path / "own.nir", dt=DT)
    x = (np.random.default_rng(0).random((1, 40, 2)) < 0.5).astype(float)
    expected = readout(net, x, dtype=np.float64)[0]
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(outputs(found.graph, x[0])[1], expected, rtol=1e-12, atol=1e-12)
    assert found.network() is not None
    assert [p.name for p in found.graph.populations] == ["layers.0", "layers.1", "readout"]
    for wrong in ({"dt": 1.0}, {"integrator": "exact"}, {"recurrent_delay": 2}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} = .* was passed, .*leave"):
            import_nir(tmp_path / "own.nir", **wrong)


@pytest.mark.parametrize("readout", ["CubaLI", "I"])
def test_chains_with_other_readouts_train(readout: str) -> None:
    """A readout with a synaptic current, or without leak, is cuba_li."""
    rng = np.random.default_rng(1)
    last: Any = nir.I(np.full(2, 0.3 / DT))
    if readout == "CubaLI":
        last = nir.CubaLI(*(np.full(2, v) for v in (3 * DT, 9 * DT, 2.0, 0.1, 1.5)))
    graph = chain(nir.Linear(rng.normal(size=(4, 2))), lif(4), nir.Linear(rng.normal(size=(2, 4))), last)
    found = import_nir(graph, dt=DT, reset="zero")
    net = found.network()
    assert net is not None
    assert [layer.model.name for layer in net.layers] == ["lif", "cuba_li"]
    assert net.layers[1].trainable == (() if readout == "I" else ("du", "dv")) + ("bias",)
    again = read_nir(to_graph(net)[0])
    x = (rng.random((1, 30, 2)) < 0.5).astype(float)
    from hypr_neuro.run.forward import readout as forward

    np.testing.assert_allclose(
        forward(again, x, dtype=np.float64)[0], outputs(found.graph, x[0])[1], rtol=1e-12, atol=1e-12
    )

"""One quantized network for chains and graphs: its view of layers, outputs anywhere, files of version 0.1."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from needed import needs

import hypr_neuro as hn
from hypr_neuro.compilers.c import build
from hypr_neuro.errors import InputError
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.integer import random_integer_input, random_integer_network, run_of_reference
from hypr_neuro.testing.networks import random_quantized, random_spikes

GOLDEN = Path(__file__).parents[1] / "golden"


def of_graph(seed: int, profile: str = "loihi2") -> QuantizedNetwork:
    graph = random_graph(seed)
    return quantize_graph(graph, profile, calibration=random_spikes(seed, 2, 30, graph.inputs))


SEEDS = list(islice((seed for seed in range(200) if all(p.model.integer for p in random_graph(seed).populations)), 8))


@pytest.mark.parametrize("profile", ["loihi2", "ideal"])
@pytest.mark.parametrize("seed", SEEDS)
def test_outputs_anywhere_come_in_float_time(seed: int, profile: str) -> None:
    qnet = of_graph(seed, profile)
    assert qnet.outputs == random_graph(seed).outputs
    integer, x = qnet.integer(), random_spikes(seed, 1, 40, qnet.inputs).astype(np.int64)
    runs = run_of_reference(integer, np.concatenate([x, np.zeros((1, qnet.tail, qnet.inputs), np.int64)], axis=1))
    late = qnet.clock.latencies
    wanted = [runs[integer.index(name)][late[name] : late[name] + 40, -1] for name in qnet.outputs]
    assert np.array_equal(hn.simulate(qnet, x).readout[0], np.concatenate(wanted, axis=1))


def test_c_gives_the_outputs_side_by_side(tmp_path: Path) -> None:
    needs(build.HOST)
    tried = 0
    for seed in SEEDS:
        qnet, x = of_graph(seed), random_spikes(seed, 1, 30, random_graph(seed).inputs).astype(np.int64)
        if len(qnet.outputs) == 1 and qnet.outputs == (qnet.populations[-1].name,):
            continue
        hn.compile(qnet, target="c", out=tmp_path / str(seed))
        program = build.build(tmp_path / str(seed), build.HOST)
        (printed,) = build.outputs(build.run(program, list(x)), [30 + qnet.tail])
        padded = np.concatenate([x, np.zeros((1, qnet.tail, qnet.inputs), np.int64)], axis=1)
        runs = run_of_reference(qnet.integer(), padded)
        wanted = np.concatenate([runs[qnet.integer().index(name)][:, -1] for name in qnet.outputs], axis=1)
        assert np.array_equal(printed, wanted), f"seed {seed}"
        tried += 1
    assert tried > 1


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_a_quantized_graph_comes_back_from_its_file_equal(seed: int, tmp_path: Path) -> None:
    qnet = of_graph(seed)
    qnet.save(tmp_path / "q.h5")
    back = QuantizedNetwork.load(tmp_path / "q.h5")
    assert back.integer().digest() == qnet.integer().digest()
    assert (back.outputs, back.clock, back.record, back.notes) == (qnet.outputs, qnet.clock, qnet.record, qnet.notes)
    for p, q in zip(back.populations, qnet.populations, strict=True):
        assert (p.name, p.state_scale, p.current_scale, p.trainable) == (
            q.name,
            q.state_scale,
            q.current_scale,
            q.trainable,
        )
        assert np.array_equal(p.psi_table, q.psi_table)


def test_files_of_version_0_1_are_read() -> None:
    layers = QuantizedNetwork.load(GOLDEN / "quantized_network_0_1.h5")
    assert layers.integer().digest() == "321d2f9b7fe8694f91aceb9f1edde1c80e7ade234e2ea048c223fa0b2a1b9419"
    assert [layer.model.name for layer in layers.layers] == ["alif", "li"]
    assert np.array_equal(
        layers.layers[0].psi_table,
        random_quantized("alif", 1, "loihi2", hidden=(4,), inputs=3, outputs=2).layers[0].psi_table,
    )
    graph = QuantizedNetwork.load(GOLDEN / "quantized_graph_0_1.h5")
    assert graph.integer().digest() == "0dc3794afc2d7b131f2ca697998c4db009218c5f67eaa9c10c05c06a7fca4910"
    assert {p.name: p.state_scale for p in graph.populations} == {"a": 1048576.0, "b": 524288.0, "c": 262144.0}
    # such a file has no ψ tables: those that quantizing makes at these scales
    for p in graph.populations:
        params = {q.name: np.array([q.default]) for q in p.model.params}
        room = 0.75 * (1 << 23) / (graph.profile.precision.state_headroom.value * p.state_scale)
        assert np.array_equal(p.psi_table, p.model.to_integers(params, graph.profile.fixed_format(room, 0.0)).psi_table)


def test_layers_are_a_view() -> None:
    qnet = random_quantized("lif", 3, "loihi2", hidden=(4, 3))
    assert qnet.is_chain
    assert qnet.connection_names() == (
        "layers.0.input",
        "layers.0.recurrent",
        "layers.1.input",
        "layers.1.recurrent",
        "readout.input",
    )
    qnet.layers[1].input.mantissa[0, 0] += 1
    assert qnet.connections[2].mantissa[0, 0] == qnet.layers[1].input.mantissa[0, 0]
    changed = qnet.with_layers({0: replace(qnet.layers[0], recurrent=None)})
    assert len(changed.connections) == len(qnet.connections) - 1
    assert changed.layers[1].input.mantissa is qnet.layers[1].input.mantissa


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"delays": 1}, r"connection layers\.0 -> layers\.1, rule: dense, without delay"),
        ({"source": "layers.1", "mantissa": np.zeros((3, 3), np.int64), "bias_axon": False}, "the only one from"),
        (
            {"source": "input", "mantissa": np.zeros((3, 4), np.int64), "bias_axon": False},
            r"connection input -> layers\.1",
        ),
    ],
)
def test_what_is_no_chain_says_why(change: dict[str, object], rule: str) -> None:
    qnet = random_quantized("lif", 3, "loihi2", hidden=(4, 3))
    connections = list(qnet.connections)
    connections[2] = replace(connections[2], **change)
    graph = replace(qnet, connections=tuple(connections))
    assert not graph.is_chain
    with pytest.raises(InputError, match=rf"{rule}.*; this network is no chain of layers"):
        _ = graph.layers


def test_wrong_parts_are_refused() -> None:
    qnet = random_quantized("lif", 3, "loihi2")
    wrong = replace(qnet.connections[0], mantissa=np.zeros((5, 2), np.int64))
    with pytest.raises(
        InputError, match=r"connection input -> layers\.0: weights is int64 of shape \(5, 2\), rule: int64"
    ):
        replace(qnet, connections=(wrong,))
    with pytest.raises(
        InputError, match=r"outputs \('x',\), rule: populations of the network, known: layers\.0, readout"
    ):
        replace(qnet, outputs=("x",))
    with pytest.raises(InputError, match="connection a -> readout: unknown end, known: input"):
        replace(qnet, connections=(replace(qnet.connections[-1], source="a"),))


@pytest.mark.parametrize("seed", range(12))
def test_connections_of_integers_come_back(seed: int) -> None:
    """What executors run, made of connections that may learn: the same sums in every step."""
    network = random_integer_network(seed)
    sizes = {"input": network.inputs} | {p.name: p.size for p in network.populations}
    again = replace(
        network, synapses=tuple(QuantizedConnection.of(c).synapses(sizes[c.source]) for c in network.synapses)
    )
    x = random_integer_input(network, seed)
    for a, b in zip(run_of_reference(network, x), run_of_reference(again, x), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("second", ["lif", "li"])
def test_outputs_of_different_units_are_compared_in_real_ones(second: str) -> None:
    """A readout's state and spikes, or states of two scales: answers are those of the float network."""
    rng, two = np.random.default_rng(0), np.ones(2)
    x = (rng.random((60, 30, 4)) < 0.3).astype(np.int8)
    params = {
        "li": {"tau": 5 * two},
        "lif": {"du": two, "dv": 0.2 * two, "vth": two, "bias": 0 * two, "subtract": 0 * two},
    }
    populations = tuple(
        hn.FloatPopulation(name, get_model(model), params[model], {}) for name, model in (("a", "li"), ("b", second))
    )
    sizes = {"lif": (0.1, 1.0), "li": (0.35, 0.5)}[second]
    connections = tuple(
        hn.FloatSynapses("input", name, np.abs(rng.normal(size, 0.2 * size, (2, 4))))
        for name, size in zip("ab", sizes, strict=True)
    )
    net = hn.Network(4, populations, connections, 1e-3, ("a", "b"))
    qnet = hn.quantize(net, "loihi2", calibration={"a": 1.0, "b": 4.0})
    answers = hn.run_float(net, x).readout.sum(axis=1).argmax(axis=1)
    data = hn.SequenceData("made", x, answers, np.repeat(["train", "test"], 30), 4)
    assert hn.evaluate(net, data).accuracy == 1.0
    assert hn.evaluate(qnet, data).accuracy > 0.9
    one = random_quantized("lif", 0, "loihi2")
    readout = hn.simulate(one, random_spikes(0, 2, 20, one.inputs)).readout
    assert one.in_one_unit(readout) is readout

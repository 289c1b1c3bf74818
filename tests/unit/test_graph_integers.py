"""Integers of networks of any shape: delays, biases, exponents, groups of weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from float_graphs import SPIKING, Array, lif, random_graph, small_net, spikes
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import state_ranges
from hypr_neuro.quantizing.weight_groups import LEAST_GAIN, rounding_error, split_by_size
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.reference import simulate_reference

# ---------------------------------------------------------------- integers


# several spikes are messages, whose chains the graph's way alone converts
BY_LAYER = [name for name in SPIKING if MODELS[name].integer and not MODELS[name].most_spikes]


@pytest.mark.parametrize("neuron", BY_LAYER)
def test_a_chain_without_bias_has_the_integers_of_the_network(neuron: str) -> None:
    """Both ways to integers are one where they can be: one group, no constant current."""
    net = small_net(neuron)
    ranges = state_ranges(net, spikes(3))
    expected = hn.quantize(net, "loihi2", calibration=ranges).integer()
    found = quantize_graph(net, "loihi2", calibration=ranges, weight_groups=1)
    assert found.integer().digest() == expected.digest()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("profile", ["loihi2", "ideal"])
def test_the_simulator_equals_the_reference_on_graphs(profile: str, seed: int) -> None:
    quantized = quantize_graph(random_graph(seed), profile, calibration=spikes(seed))
    x = spikes(seed + 10, samples=2)
    names = [p.name for p in quantized.integer().populations]
    trace = simulate(quantized, x, ["spikes"])
    for name, found in zip(names, simulate_reference(quantized, x), strict=True):
        np.testing.assert_array_equal(trace.spikes[name], found["spikes"])


@pytest.mark.parametrize("seed", range(4))
def test_skips_and_biases_stay_in_step_with_float_time(seed: int) -> None:
    """Loihi's connections take a step each; relays show that every path still arrives in the same float step."""
    rng = np.random.default_rng(seed)

    def relay(name: str, n: int, biases: dict[int, Array]) -> FloatPopulation:
        return FloatPopulation(name, get_model("lif"), {"du": 1.0, "dv": 1.0, "vth": 0.9}, biases, (n,))

    def binary(post: int, pre: int) -> Array:
        return (rng.random((post, pre)) < 0.3).astype(float)

    populations = (relay("a", 6, {}), relay("b", 5, {}), relay("c", 4, {0: np.full(4, 0.25), 5: np.full(4, 0.5)}))
    synapses = (
        FloatSynapses("input", "a", binary(6, 4)),
        FloatSynapses("a", "b", binary(5, 6)),
        FloatSynapses("b", "c", 0.25 * binary(4, 5)),
        FloatSynapses("input", "c", 0.5 * binary(4, 4), delay=1),
        FloatSynapses("a", "a", 0.5 * binary(6, 6)),
    )
    graph = Network(4, populations, synapses, 1e-3, ("c",))
    x = spikes(seed)
    expected = run_graph(graph, x)
    quantized = quantize_graph(graph, "loihi2", calibration=x)
    assert quantized.clock.latencies == {"a": 1, "b": 2, "c": 3}
    trace = simulate(quantized, x, ["spikes"])
    assert expected.spikes["c"].any()
    np.testing.assert_array_equal(trace.readout, expected.readout)
    for name, late in quantized.clock.latencies.items():
        np.testing.assert_array_equal(trace.spikes[name][late : late + 40], expected.spikes[name])


def test_feedback_that_comes_late_is_said() -> None:
    graph = random_graph(1)
    looped = Network(4, graph.populations, (*graph.connections, FloatSynapses("c", "a", np.ones((6, 3)))), 1e-3, ("c",))
    notes = quantize_graph(looped, "loihi2", calibration=spikes(0)).notes
    assert notes == ["c -> a: arrives 2 step(s) later than in float, since 'c' runs so many behind 'a' on this chip"]
    assert quantize_graph(looped, "ideal", calibration=spikes(0)).notes == []


def test_a_bias_on_the_membrane_settles_to_the_same_current() -> None:
    model = get_model("lif")
    population = FloatPopulation(
        "a", model, {"du": np.full(2, 0.5), "dv": 0.25, "vth": 100.0}, {0: np.array([0.5, -1])}
    )
    graph = Network(1, (population,), (FloatSynapses("input", "a", np.ones((2, 1))),), 1e-3, ("a",))
    x = np.zeros((1, 60, 1), np.int8)
    lines = quantize_graph(graph, "loihi2", calibration=x + 1)
    membrane = quantize_graph(graph, "loihi2", calibration=x + 1, bias="membrane")
    assert membrane.notes == ["a: constant currents act on the membrane, at once instead of building up"]
    v = [simulate(q, x, ["v"]).states["a"]["v"][-1, 0] / q.population("a").state_scale for q in (lines, membrane)]
    np.testing.assert_allclose(v[0], v[1], rtol=1e-3)
    np.testing.assert_allclose(v[0], [4.0, -8.0], rtol=1e-3)  # b / (du dv)
    with pytest.raises(InputError, match=r"population 'b' \(alif\): bias='membrane'"):
        quantize_graph(random_graph(0), "loihi2", calibration=spikes(0), bias="membrane")


def four_currents() -> Network:
    """Four neurons, each with a constant current that no mantissa of 8 bits holds exactly."""
    currents = {0: np.array([0.7313, -0.2511, 0.01937, 0.4477])}
    population = FloatPopulation("a", get_model("lif"), {"du": 0.5, "dv": 0.25, "vth": 100.0}, currents, (4,))
    return Network(1, (population,), (FloatSynapses("input", "a", np.ones((4, 1))),), 1e-3, ("a",))


def test_two_lines_carry_a_constant_current_to_half_a_unit() -> None:
    """What the rounding of the first leaves adds up step after step, so a second one brings it."""
    quantized = quantize_graph(four_currents(), "loihi2", calibration=np.ones((1, 60, 1), np.int8))
    scale = quantized.population("a").current_scale
    lines = [c.always_on * 2.0**c.exponent for c in quantized.integer().synapses if c.always_on is not None]
    wanted = four_currents().populations[0].biases[0] * scale
    assert len(lines) == 2
    assert np.abs(lines[0] - wanted).max() > 2.0
    assert np.abs(sum(lines) - wanted).max() <= 0.5


def test_a_bias_of_netx_is_the_nearest_multiple() -> None:
    quantized = quantize_graph(four_currents(), "loihi2", calibration=np.ones((1, 60, 1), np.int8), target="netx")
    bias = quantized.integer().populations[0].named()["bias"]
    wanted = four_currents().populations[0].biases[0] / 0.5 * quantized.population("a").state_scale
    assert (bias % 64 == 0).all()
    assert bias.any()
    assert np.abs(bias - wanted).max() <= 32.5  # half of 64, and of the rounding to whole numbers before


def test_each_group_of_weights_has_the_exponent_that_it_needs() -> None:
    """Small weights keep their bits beside a large one."""
    small = np.array([[0.031, -0.017, 0.029, 0.011]])
    weights = np.concatenate([small, [[4.0]]], axis=1)
    graph = Network(5, (lif("a", 1),), (FloatSynapses("input", "a", weights),), 1e-3, ("a",))
    quantized = quantize_graph(graph, "loihi2", calibration={"a": 8.0})
    large, rest = quantized.integer().synapses
    assert large.exponent > rest.exponent
    dense = [c.weights.toarray() * 2.0**c.exponent / quantized.population("a").current_scale for c in (large, rest)]
    np.testing.assert_allclose(dense[0], [[0, 0, 0, 0, 4.0]], rtol=0.01)
    step = 2.0**rest.exponent / quantized.population("a").current_scale
    assert step <= np.abs(small).max() / 32
    np.testing.assert_allclose(dense[1][:, :4], small, rtol=0, atol=step / 2)
    assert dense[1][0, 4] == 0.0


def test_quantized_graphs_are_saved_whole(tmp_path: Path) -> None:
    quantized = quantize_graph(random_graph(2), "loihi2", calibration=spikes(2))
    quantized.save(tmp_path / "q.h5")
    found = QuantizedNetwork.load(tmp_path / "q.h5")
    assert found.integer().digest() == quantized.integer().digest()
    for key in ("clock", "outputs", "record", "notes", "dt"):
        assert getattr(found, key) == getattr(quantized, key), key
    for p, q in zip(found.populations, quantized.populations, strict=True):
        assert (p.state_scale, p.current_scale, p.trainable) == (q.state_scale, q.current_scale, q.trainable)
        assert np.array_equal(p.psi_table, q.psi_table)
    assert found.explain() == quantized.explain()


def test_what_has_no_integers_is_refused() -> None:
    graph = random_graph(0)
    with pytest.raises(InputError, match="calibration lacks 'b', has: a"):
        quantize_graph(graph, "loihi2", calibration={"a": 1.0})
    with pytest.raises(InputError, match="bias = 'x'"):
        quantize_graph(graph, "loihi2", calibration=spikes(0), bias="x")
    with pytest.raises(InputError, match="target = 'lava', rule: 'netx', or none given"):
        quantize_graph(graph, "loihi2", calibration=spikes(0), target="lava")


# ---------------------------------------------------------------- groups of weights


@pytest.mark.parametrize("seed", range(5))
def test_groups_part_the_weights_and_lower_the_error(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=400) ** 5
    errors = []
    for groups in (1, 2, 3, 4):
        masks = split_by_size(weights, 127, groups)
        assert len(masks) <= groups
        assert np.array_equal(np.sum(masks, axis=0), np.ones(400))
        largest = [np.abs(weights[m]).max() for m in masks]
        assert largest == sorted(largest, reverse=True)
        errors.append((len(masks), sum(rounding_error(weights[m], 127) for m in masks)))
    for (few, more), (many, less) in pairwise(errors):
        assert less * LEAST_GAIN <= more if many > few else less == more
    assert errors[1][0] == 2


def test_a_group_that_gains_less_than_half_is_not_made() -> None:
    """Apart, the three smallest weights would lower the squared error by 1.48: not worth a list of synapses."""
    weights = np.array([0.723, 0.834, 0.41, 0.14, 0.614, 0.232, 0.747, 0.411, 0.511, 0.978, 0.803, 0.859])
    octaves = np.floor(np.log2(weights.max() / weights)).astype(int)
    apart = [sum(rounding_error(weights[part], 127) for part in (octaves < k, octaves >= k)) for k in (1, 2)]
    gain = rounding_error(weights, 127) / min(apart)
    assert 1.4 < gain < 1.6
    assert [mask.all() for mask in split_by_size(weights, 127, 2)] == [True]


@pytest.mark.parametrize("weights", [np.ones(4), np.zeros(3), np.zeros(0), np.array([3.0])])
def test_nothing_to_part_is_one_group(weights: Array) -> None:
    assert len(split_by_size(weights, 127, 4)) == 1


def entries(c: Any) -> Any:
    """Post, pre and value of every stored weight."""
    matrix = c.mantissa if hasattr(c, "mantissa") else c.weights
    at = csr_array(matrix).tocoo() if hasattr(matrix, "indptr") else None
    post, pre = np.indices(matrix.shape).reshape(2, -1) if at is None else (at.row, at.col)
    return post, pre, np.asarray(matrix.ravel() if at is None else at.data)


@pytest.mark.parametrize("sparse", [False, True])
def test_each_row_has_an_exponent_of_its_own(sparse: bool) -> None:
    """Every weight stands once, zeros too, a row in one connection, and closer to its float than under one exponent."""
    rng = np.random.default_rng(int(sparse))
    weights = rng.normal(size=(9, 7)) * 2.0 ** -rng.permutation(9)[:, None]
    weights[rng.random((9, 7)) < 0.2] = 0.0
    kept: Any = csr_array(weights) if sparse else weights
    lif = {"du": 1.0, "dv": 0.1, "vth": 1.0, "bias": 0.0, "subtract": 0.0}
    neurons = FloatPopulation("a", MODELS["lif"], {k: np.full(9, v) for k, v in lif.items()})
    graph = Network(7, (neurons,), (FloatSynapses("input", "a", kept),), 1e-3, ("a",))
    error, places = {}, {}
    for groups in (1, "row"):
        qnet, error[groups], places[groups] = (
            quantize_graph(graph, "loihi2", calibration={"a": 2.0}, weight_groups=groups),
            0.0,
            [],
        )
        scale = qnet.populations[0].current_scale
        for c in qnet.connections:
            post, pre, mantissa = entries(c)
            error[groups] += float(np.abs(mantissa * 2.0**c.exponent / scale - weights[post, pre]).sum())
            places[groups] += list(zip(post.tolist(), pre.tolist(), strict=True))
    post, pre, _ = entries(graph.connections[0])
    assert sorted(places["row"]) == sorted(zip(post.tolist(), pre.tolist(), strict=True))
    rows = [set(entries(c)[0].tolist()) for c in qnet.connections]
    assert len(rows) > 5
    assert sum(map(len, rows)) == 9
    assert error["row"] < error[1] / 3
    with pytest.raises(InputError, match="weight_groups = 'column', rule: 1 to 4, or 'row'"):
        quantize_graph(graph, "loihi2", calibration={"a": 2.0}, weight_groups="column")

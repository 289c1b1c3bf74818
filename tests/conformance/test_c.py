"""Generated C equals the simulator, bit for bit: with gcc's sanitizers, optimised, and on an emulated Cortex-M4."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from c_programs import assert_c_equals, compiled
from currents import network as two_currents
from needed import needs
from scipy import sparse

from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import CORTEX_M4, HOST, SANITIZERS, Toolchain
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import (
    ALL_MODELS,
    any_population,
    random_integer_input,
    random_integer_network,
    run_of_reference,
)
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes

READOUTS = tuple(name for name, model in MODELS.items() if model.integer and model.readout)


def firing_seeds(model: str) -> Iterator[int]:
    """Seeds whose networks of that model fire."""
    for seed in range(100):
        network = random_integer_network(seed, [model])
        if any(run[:, -1].any() for run in run_of_reference(network, random_integer_input(network, seed))):
            yield seed


@pytest.mark.parametrize("model", ALL_MODELS)
def test_networks_of_every_model(model: str, tmp_path: Path) -> None:
    seeds = list(islice(firing_seeds(model), 2))
    assert len(seeds) == 2
    for seed in seeds:
        network = random_integer_network(seed, [model])
        samples = [random_integer_input(network, seed + k)[0] for k in range(3)]
        assert assert_c_equals(network, samples, tmp_path, SANITIZERS, seed=seed) > 0


@pytest.mark.once
@pytest.mark.parametrize("seed", range(100, 112))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    network = random_integer_network(seed, ALL_MODELS)
    samples = [random_integer_input(network, seed + k)[0] for k in range(2)]
    assert_c_equals(network, samples, tmp_path, SANITIZERS if seed % 3 else HOST, seed=seed)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(200, 204))
def test_random_networks_on_a_cortex_m4(seed: int, tmp_path: Path) -> None:
    network = random_integer_network(seed, ALL_MODELS)
    assert_c_equals(network, [random_integer_input(network, seed)[0]], tmp_path, CORTEX_M4, seed=seed)


@pytest.mark.parametrize("model", READOUTS)
def test_readouts_of_hand_made_networks(model: str, tmp_path: Path, rng: np.random.Generator) -> None:
    parameters = lif_parameters(du=4095, dv=0, vth=3)
    hidden = Population.of("hidden", "lif", 4, **parameters)
    network = IntegerNetwork(
        2,
        (hidden, any_population(rng, "out", model, 3)),
        (
            Synapses("input", "hidden", np.array([[4, 0], [0, 5], [3, 3], [1, 1]])),
            Synapses("hidden", "out", rng.integers(-100, 100, (3, 4)), exponent=2),
            # bias as an input line without weights, late and with an exponent of its own
            Synapses("input", "out", sparse.csr_array((3, 2), dtype=np.int64), 1, 3, np.array([5, 0, -7])),
        ),
    )
    samples = [rng.integers(0, 2, (steps, 2)) for steps in (1, 700)]
    assert assert_c_equals(network, samples, tmp_path, SANITIZERS, seed=0) > 0


def lif(name: str, size: int, bias: int = 0) -> Population:
    return Population.of(name, "lif", size, **lif_parameters(du=4095, dv=100, vth=2, bias=bias))


NOTHING = np.zeros((2, 2), np.int64)
RF = Population.of("a", "rf", 2, **rf_parameters(9, 0.1, 20, state_exp=6))
EVEN, ODD = np.array([[254, -4], [6, 0]]), np.array([5, -3])
EDGES = {
    "no connection": ((lif("a", 2), lif("b", 1, 200)), (), 1),
    "line at once": ((lif("a", 2),), (Synapses("input", "a", NOTHING, always_on=np.array([3, 1])),), 0),
    "latest line": ((lif("a", 2),), (Synapses("input", "a", NOTHING, -1, 63, np.array([5, -3])),), 1),
    "exponent -32": ((lif("a", 1),), (Synapses("input", "a", np.array([[-(1 << 29), 1 << 29]]), -32),), 1),
    "exponent 20": ((lif("a", 1),), (Synapses("input", "a", np.array([[-2, 1]]), 20, message_bits=0),), 1),
    "odd line beside even weights": ((lif("a", 2),), (Synapses("input", "a", EVEN, always_on=ODD),), 1),
    "line of the second current": ((RF,), (Synapses("input", "a", EVEN, 0, 0, ODD, current=1),), 1),
    "names": ((lif("/*ψ??/*/", 1), lif("'\"\n\\", 1)), (Synapses("/*ψ??/*/", "'\"\n\\", np.array([[2]])),), 1),
}


@pytest.mark.parametrize("case", EDGES)
def test_edges(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    populations, synapses, delay = EDGES[case]
    network = IntegerNetwork(2, populations, synapses, delay)
    assert_c_equals(network, [rng.integers(0, 2, (80, 2))], tmp_path, SANITIZERS, seed=0)


PROFILES = ("ideal", "loihi1", "loihi2")


@pytest.mark.parametrize("model", integer_models())
def test_quantized_networks(model: str, tmp_path: Path) -> None:
    profile = PROFILES[integer_models().index(model) % len(PROFILES)]
    qnet = random_quantized(model, 3, profile, hidden=(5, 4))
    samples = list(random_spikes(5, 3, 60, qnet.inputs).astype(np.int64))
    assert assert_c_equals(qnet, samples, tmp_path, HOST, seed=3) > 0


@pytest.mark.parametrize("model", ["rf", "rf_iz"])
def test_a_quantized_network_of_two_currents(model: str, tmp_path: Path) -> None:
    """From floats: constant currents on both, the neurons' own spikes on one."""
    net = two_currents(model)
    x = random_spikes(5, 3, 60, net.inputs).astype(np.int64)
    assert assert_c_equals(quantize(net, "loihi2", calibration=x), list(x), tmp_path, HOST, seed=5) > 0


def test_a_quantized_graph(tmp_path: Path, rng: np.random.Generator) -> None:
    """Two populations in a loop, a delay, and biases that start at different steps."""
    hidden = {"du": np.full(8, 0.5), "dv": np.full(8, 0.1)}
    late = {0: rng.uniform(0.0, 0.1, 8), 2: rng.uniform(0.0, 0.1, 8)}
    graph = Network(
        4,
        (
            FloatPopulation("a", get_model("lif"), hidden, late),
            FloatPopulation("b", get_model("lif"), hidden),
            FloatPopulation("out", get_model("li"), {"tau": np.full(3, 10.0)}),
        ),
        (
            FloatSynapses("input", "a", rng.normal(0.2, 0.6, (8, 4))),
            FloatSynapses("a", "b", rng.normal(0.2, 0.6, (8, 8)), delay=3),
            FloatSynapses("b", "a", rng.normal(0.0, 0.6, (8, 8))),
            FloatSynapses("b", "out", rng.normal(0.0, 1.0, (3, 8))),
        ),
        1e-3,
        ("out",),
    )
    x = random_spikes(0, 2, 50, 4, 0.4).astype(np.int64)
    qgraph = quantize_graph(graph, "loihi2", calibration=x.astype(np.float64))
    assert assert_c_equals(qgraph, list(x), tmp_path, HOST, seed=0) > 0
    assert json.loads((tmp_path / "manifest.json").read_text())["profile"] == "loihi2"


def test_the_program_prints_readout_and_events(tmp_path: Path) -> None:
    needs(HOST)
    qnet = random_quantized("brf", 2, "loihi1")
    x = random_spikes(1, 2, 40, qnet.inputs).astype(np.int64)
    # so large an input saturates the states
    network = replace_input(qnet, 60)
    program = build.build(compiled(network, tmp_path), HOST, events=True)
    lines = [list(map(int, line.split())) for line in build.run(program, list(x)).splitlines()]
    expected = simulate_reference(network, x)
    assert len(lines) == 2 * (40 + network.tail + 1)
    for sample in range(2):
        rows = lines[sample * (41 + network.tail) :][: 41 + network.tail]
        np.testing.assert_array_equal(rows[:-1], expected[-1]["spikes"][:, sample])
        assert rows[-1] == [int(n) for run in expected for n in run["events"][sample]]
        assert sum(rows[-1]) > 0


def replace_input(qnet: QuantizedNetwork, factor: int) -> QuantizedNetwork:
    """The network with the input weights of its first layer `factor` times as large, still in 16 bits."""
    other = qnet.copy()
    other.layers[0].input.mantissa[...] *= factor
    return other


def published_ecg_network(folder: Path) -> QuantizedNetwork:
    """36 BRF neurons of Higuchi et al. for QTDB, in loihi2's integers; ranges of the states as calibration finds."""
    arrays = np.load(folder / "brf_checkpoints" / "ecg_brf.npz")
    weights = arrays["hidden_linear_weight"].astype(np.float64)
    params = {"omega": arrays["hidden_omega"], "b_offset": arrays["hidden_b_offset"]}
    hidden = Layer(get_model("brf"), weights[:, :4], weights[:, 4:], None, params, ())
    tau = {"tau": np.abs(arrays["out_tau_mem"])}
    out = Layer(get_model("li"), arrays["out_linear_weight"], None, None, tau, ())
    return quantize(Network.from_layers([hidden, out]), "loihi2", calibration={"layers.0": 8.0, "readout": 20.0})


@pytest.mark.once
@pytest.mark.parametrize("toolchain", [SANITIZERS, CORTEX_M4], ids=lambda t: t.name)
def test_published_ecg_network(toolchain: Toolchain, shared_data: Path, tmp_path: Path) -> None:
    from hypr_neuro.data import load_data

    qnet = published_ecg_network(shared_data)
    x = load_data("ecg", shared_data / "ecg").part("test").x[:2]
    assert assert_c_equals(qnet, list(x.astype(np.int64)), tmp_path, toolchain, seed=0, fast=True) > 1000
    if toolchain is CORTEX_M4:
        assert 4000 < build.instructions_per_step(tmp_path, list(x[:1]), qnet.tail) < 16000
    memory = json.loads((tmp_path / "manifest.json").read_text())["memory"]["cortex-m4"]
    if memory["bytes"] is not None:
        assert memory["bytes"]["flash"] < 8192
        assert memory["bytes"]["ram"] < 2048

"""The programs of all cores, run in lockstep, equal the simulator; what a core cannot hold is refused."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
from needed import needs, needs_gcc, needs_make

from hypr_neuro.compilers import Artifact, compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import CORTEX_M4, SANITIZERS
from hypr_neuro.compilers.spinnaker2 import COPIED
from hypr_neuro.compilers.spinnaker2.cores import ALWAYS, HOST, cores_of, receivers
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.exchange.nir import read_quantized_nir
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.placement.place import Placement, place
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.integer import assert_same_run, run_of_reference
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes, varied

pytestmark = pytest.mark.once

PROFILE = "spinnaker2"


def assert_cores_equal(qnet: QuantizedNetwork, artifact: Artifact, x: np.ndarray, seed: int) -> int:
    """Samples x (sample, T, channel): states and outputs of every step; returns how many outputs are not 0."""
    # the sanitizers compile slowly, and one network in two tells as much
    toolchain = SANITIZERS if seed % 2 else build.HOST
    needs(toolchain)
    integer, tail = qnet.integer(), qnet.tail
    sources = ["network.c", *(name for name in artifact.manifest["files"] if re.fullmatch(r"core_\d+\.c", name))]
    program = build.build(artifact.folder, toolchain, trace=True, sources=sources)
    got = build.traces(build.run(program, list(x)), integer, [len(s) + tail for s in x])
    for sample, runs in zip(x, got, strict=True):
        padded = np.concatenate([sample, np.zeros((tail, qnet.inputs), np.int64)])[None]
        who = ("simulator", "cores in lockstep")
        assert_same_run(integer, padded, run_of_reference(integer, padded), runs, seed=seed, who=who)
    return sum(int(np.count_nonzero(run[:, -1])) for runs in got for run in runs[:-1])


def graded(seed: int, inputs: int) -> np.ndarray:
    spikes = random_spikes(seed, 2, 50, inputs).astype(np.int64)
    return spikes * np.random.default_rng(seed).integers(-1, 4, spikes.shape)


@pytest.mark.parametrize("model", integer_models())
def test_cores_in_lockstep_equal_the_simulator(model: str, tmp_path: Path) -> None:
    seed = integer_models().index(model)
    qnet = random_quantized(model, seed, PROFILE, hidden=(7, 5))
    artifact = compile_network(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=3)
    assert len(artifact.manifest["cores"]) == 3 + 2 + 1
    assert assert_cores_equal(qnet, artifact, random_spikes(seed, 2, 50, qnet.inputs).astype(np.int64), seed) > 0


def quantized_graph(seed: int) -> QuantizedNetwork:
    """Skips, loops, delays, sparse weights, biases that come late, outputs anywhere; neurons of several currents."""
    # SpiNNaker2 takes spikes of 0 and 1 alone
    graph = random_graph(seed, spiking=integer_models())
    return quantize_graph(
        graph, PROFILE, calibration=random_spikes(seed, 2, 40, graph.inputs), weight_groups=1 + seed % 2
    )


@pytest.mark.parametrize("seed", range(7))
def test_cores_of_graphs_equal_the_simulator(seed: int, tmp_path: Path) -> None:
    qnet = quantized_graph(seed)
    artifact = compile_network(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=1 + seed % 3)
    told = artifact.manifest
    assert {core["layer"] for core in told["cores"]} == {p.name for p in qnet.populations}
    assert told["nir"] == {"file": "network.nir", "reason": None}
    back = read_quantized_nir(tmp_path / "network.nir")
    for name, weights in qnet.weights().items():
        assert np.array_equal(back.weights()[name], weights), name
    x = random_spikes(seed, 2, 50, qnet.inputs).astype(np.int64)
    assert assert_cores_equal(qnet, artifact, x, seed) > 0


def test_graphs_of_these_tests_have_all_that_they_name() -> None:
    graphs = [quantized_graph(seed) for seed in range(7)]
    connections = [c for qnet in graphs for c in qnet.connections]
    assert any(c.largest_delay for c in connections)
    assert any(not c.dense for c in connections)
    assert any(c.bias_axon and c.columns == 1 for c in connections)
    assert any(len(qnet.outputs) > 1 for qnet in graphs)
    assert any(not qnet.population(name).model.readout for qnet in graphs for name in qnet.outputs)
    assert any(c.source == c.target for c in connections)


def test_a_convolution_and_delays_of_single_weights_are_cut_into_cores(tmp_path: Path) -> None:
    base = random_quantized("lif", 1, PROFILE, inputs=25, hidden=(18,), recurrent=True, bias=True, steps=10)
    rng = np.random.default_rng(1)
    kernel = Convolution(rng.integers(-20, 60, (2, 1, 3, 3)), (5, 5), Taps((3, 3), (1, 1), (0, 0), (0, 0), (1, 1)))
    first, loop, last = base.connections
    changed = (
        replace(first, mantissa=kernel, bias_axon=False, delays=2),
        replace(loop, delays=rng.integers(0, 5, loop.mantissa.shape)),
        last,
    )
    qnet = replace(base, connections=changed)
    artifact = compile_network(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=5)
    x = random_spikes(1, 2, 60, 25).astype(np.int64)
    assert assert_cores_equal(qnet, artifact, x, 0) > 0


REFRACTORY = lif_refractory_parameters(400, 300, 5, refractory=3, overflow="hardware")


@pytest.mark.parametrize("model", ["rf", "lif_refractory"])
def test_neurons_of_integers_alone_and_of_two_currents_are_cut_into_cores(model: str, tmp_path: Path) -> None:
    record, rng = MODELS[model], np.random.default_rng(2)
    values = rf_parameters(8.0, 0.1, 5) if model == "rf" else REFRACTORY
    populations = tuple(Population.of(name, model, 5, **values) for name in ("a", "b"))
    ends = [(INPUT, "a"), ("a", "b"), ("b", "a")]
    synapses = [
        Synapses(source, target, rng.integers(-20, 60, (5, 4 if source == INPUT else 5)), 3, delays=k, current=current)
        for k, (source, target) in enumerate(ends)
        for current in range(record.currents)
    ]
    qnet = quantize(IntegerNetwork(4, populations, tuple(synapses), outputs=("b", "a")), PROFILE)
    artifact = compile_network(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=2)
    x = random_spikes(2, 2, 60, 4).astype(np.int64)
    assert assert_cores_equal(qnet, artifact, x, 0) > 0


@pytest.mark.parametrize("bias", [True, False])
def test_graded_inputs_and_lines_arrive_a_step_later(bias: bool, tmp_path: Path) -> None:
    # without recurrence some cores get nothing but the line, or nothing at all
    qnet = random_quantized("brf", 5, PROFILE, hidden=(4,), recurrent=False, bias=bias)
    qnet.layers[0].input.mantissa[:2] = 0
    if bias:
        qnet.layers[0].input.mantissa[1, -1] = 100
    artifact = compile_network(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=1)
    assert [core["messages"] for core in artifact.manifest["cores"][:2]] == [1, 1]
    assert assert_cores_equal(qnet, artifact, graded(5, qnet.inputs), 5) > 0


def test_every_message_has_a_source_and_a_receiver() -> None:
    qnet = random_quantized("lif", 2, PROFILE, hidden=(6, 4))
    cores = cores_of(qnet, place(qnet))
    assert [core.layer for core in cores] == [0, 1, 2]
    assert {source for source, _ in cores[0].messages} <= {HOST, ALWAYS, 0}
    assert {source for source, _ in cores[1].messages} <= {ALWAYS, 0, 1}
    sent = {
        (core.number, neuron, *to)
        for core, row in zip(cores, receivers(cores), strict=True)
        for neuron, targets in enumerate(row)
        for to in targets
    }
    taken = {
        (source, index, core.number, channel)
        for core in cores
        for channel, (source, index) in enumerate(core.messages)
        if source >= 0
    }
    assert sent == taken
    assert sent


def test_a_core_that_is_too_full_is_refused(tmp_path: Path) -> None:
    needs(CORTEX_M4)
    qnet = random_quantized("lif", 0, PROFILE, hidden=(370,), inputs=4, bias=False, steps=10)
    rule = r"core 0 \(layers\.0, 370 neurons\): 1\d{5} bytes of code and data, limit 129024 .*neurons_per_core=(\d+)"
    with pytest.raises(DoesNotFitError, match=rule):
        compile_network(qnet, target="spinnaker2", out=tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    manifest = compile_network(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=185).manifest
    assert [core["neurons"] for core in manifest["cores"]] == [185, 185, 3]
    assert all(core["bytes"] < core["limit"] for core in manifest["cores"])
    assert manifest["placement"]["profile"] == PROFILE


def test_a_core_is_not_measured_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    manifest = compile_network(random_quantized("lif", 0, PROFILE), target="spinnaker2", out=tmp_path).manifest
    assert all((tmp_path / name).is_file() for name in COPIED)
    assert {core["bytes"] for core in manifest["cores"]} == {None}
    assert {core["reason"] for core in manifest["cores"]} == {"arm-none-eabi-gcc is not installed"}


@needs_gcc
@needs_make
def test_make_builds_anew_for_other_flags(tmp_path: Path) -> None:
    qnet = random_quantized("lif", 0, PROFILE)
    compile_network(qnet, target="spinnaker2", out=tmp_path)
    text = f"1 {'1 ' * qnet.inputs}\n2 0.5\n"

    def made(target: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "-s", target, *flags], cwd=tmp_path, input=text, capture_output=True, text=True, check=False
        )

    steps = 1 + qnet.tail
    values = [len(made("run", *flags).stdout.split()) // steps for flags in ((), ("CFLAGS=-DHN_TRACE",), ())]
    assert values == [
        qnet.output_size,
        sum((p.model.d + 1) * p.size for p in qnet.integer().populations),
        qnet.output_size,
    ]
    assert "sample 1, step 0: input value '0.5', rule: an integer of -" in made("run").stderr
    if not CORTEX_M4.missing():
        for flags, optimised in (((), False), (("CFLAGS=-O0",), True), ((), False)):
            made("cores", *flags)
            sizes = sum(build.section_sizes(tmp_path / "core_0.o", CORTEX_M4).values())
            assert (sizes > 2 * build.sizes(tmp_path, CORTEX_M4, ("core_0.c",))["text"]) == optimised


@pytest.mark.parametrize("subtract", [0.0, 1.0])
def test_nir_file_holds_what_py_spinnaker2_reads(subtract: float, tmp_path: Path) -> None:
    qnet = random_quantized("lif", 1, PROFILE, hidden=(6, 4), params={"subtract": subtract})
    artifact = compile_network(qnet, target="spinnaker2", out=tmp_path)
    told = json.loads((tmp_path / "manifest.json").read_text())["py_spinnaker2"]
    assert told["config"] == {
        "dt": qnet.dt,
        "output_record": ["spikes"],
        "conn_delay": 0,
        "scale_weights": True,
        "integrator": "IntegratorMethod.FORWARD",
        "reset": "ResetMethod.SUBTRACT" if subtract else "ResetMethod.ZERO",
    }
    assert told["left_out"] == ["readout"]
    graph = nir.read(tmp_path / told["file"])
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert set(kinds) <= {"Input", "Output", "LIF", "CubaLIF", "Affine", "Linear"}
    assert sum(kind in ("LIF", "CubaLIF") for kind in kinds) == 2
    (into,) = (a for a, b in graph.edges if isinstance(graph.nodes[b], nir.Output))
    assert graph.nodes[into].v_threshold.shape == (4,)
    assert len(graph.edges) == 1 + 4 + 4
    # the whole network, readout and integers included, stands in the other file
    back = read_quantized_nir(tmp_path / "network.nir")
    np.testing.assert_array_equal(back.layers[0].input.mantissa, qnet.layers[0].input.mantissa)
    assert "network.nir" in artifact.manifest["files"]


def test_nir_file_of_a_graph_records_what_is_an_output_or_leads_to_a_readout(tmp_path: Path) -> None:
    """Two populations in a row, one of them an output, both before the readout, and inputs to the readout, too."""
    lif = {"dv": np.full(4, 0.1), "vth": np.full(4, 0.5)}
    a, b = (FloatPopulation(name, MODELS["lif"], lif) for name in "ab")
    readout = FloatPopulation("y", MODELS["li"], {"tau": np.full(2, 10.0)})
    rng = np.random.default_rng(1)
    ends = [(INPUT, "a", (4, 3)), ("a", "b", (4, 4)), ("a", "y", (2, 4)), ("b", "y", (2, 4)), (INPUT, "y", (2, 3))]
    synapses = tuple(FloatSynapses(s, t, rng.normal(0.2, 0.3, shape)) for s, t, shape in ends)
    net = Network(3, (a, b, readout), synapses, 1e-3, ("y", "b"))
    qnet = quantize(net, PROFILE, calibration=random_spikes(1, 2, 40, 3), weight_groups=1)
    told = compile_network(qnet, target="spinnaker2", out=tmp_path).manifest["py_spinnaker2"]
    assert told["reason"] is None
    assert told["left_out"] == ["y"]
    graph = nir.read(tmp_path / told["file"])
    assert {n for n, node in graph.nodes.items() if isinstance(node, nir.CubaLIF | nir.LIF)} == {"a", "b"}
    assert sorted(x for x, y in graph.edges if isinstance(graph.nodes[y], nir.Output)) == ["a", "b"]
    assert sum(isinstance(node, nir.Affine | nir.Linear) for node in graph.nodes.values()) == 2
    late = replace(qnet, connections=(replace(qnet.connections[0], delays=2), *qnet.connections[1:]))
    told = compile_network(late, target="spinnaker2", out=tmp_path).manifest["py_spinnaker2"]
    assert (told["file"], told["reason"].split("; ")[0].split(" is of ")[1]) == (None, "type Delay")


def test_a_network_that_py_spinnaker2_has_no_neurons_for_gets_no_such_file(tmp_path: Path) -> None:
    told = compile_network(random_quantized("brf", 1, PROFILE), target="spinnaker2", out=tmp_path).manifest
    assert told["py_spinnaker2"]["file"] is None
    assert told["py_spinnaker2"]["reason"].startswith("layers.0: neuron 'brf'; py-spinnaker2's NIR reader takes LIF")
    assert "spinnaker2.nir" not in told["files"]


def test_faulty_placements_are_refused(tmp_path: Path) -> None:
    qnet = random_quantized("lif", 1, PROFILE)
    placement = place(qnet)
    given = {"target": "spinnaker2", "out": tmp_path}
    with pytest.raises(InputError, match="give one of the two"):
        compile_network(qnet, placement, neurons_per_core=2, **given)
    with pytest.raises(InputError, match="neurons_per_core = 0, rule: at least 1"):
        compile_network(qnet, neurons_per_core=0, **given)
    other = place(random_quantized("lif", 1, PROFILE, hidden=(3,)))
    with pytest.raises(InputError, match=r"placement: layers\.0 has 5 neurons, rule: each on one core"):
        compile_network(qnet, other, **given)
    with pytest.raises(InputError, match=r"target 'spinnaker2' takes a QuantizedNetwork .*has none; .*: c, lava, netx"):
        compile_network(qnet.integer(), **given)
    spiking = quantized_graph(0)
    trace = replace(place(spiking).cores[0], layer="x (trace)")
    with pytest.raises(InputError, match=r"placement: holds 'x \(trace\)', rule: populations of the network, "):
        compile_network(spiking, Placement(PROFILE, True, [*place(spiking).cores, trace]), **given)
    late = replace(qnet, profile=varied(PROFILE, time__connection_delay=0))
    with pytest.raises(InputError, match=r"time\.connection_delay = 0, rule for SpiNNaker2: 1"):
        compile_network(late, **given)

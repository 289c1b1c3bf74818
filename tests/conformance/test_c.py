"""Generated C equals the simulator, bit for bit: with gcc's sanitizers, optimised, and on an emulated Cortex-M4."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any

import numpy as np
import pytest
from commands import called
from scipy import sparse

from hypr_neuro import compilers
from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import CORTEX_M4, HOST, SANITIZERS, Toolchain
from hypr_neuro.compilers.c.learning import build as learn_build
from hypr_neuro.compilers.c.plan import DenseTable, Plan, SparseTable
from hypr_neuro.compilers.c.tables import signed_type, unsigned_type
from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_graph import FloatGraph, FloatPopulation, FloatSynapses
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, Population, Synapses, as_integer
from hypr_neuro.graph.network import Layer, Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.quantize import QuantizedNetwork, quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import (
    ALL_MODELS,
    any_population,
    assert_same_run,
    random_integer_input,
    random_integer_network,
    run_of_reference,
)
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes

READOUTS = tuple(name for name, model in MODELS.items() if model.integer and model.readout)


def needs(toolchain: Toolchain) -> None:
    """Skip the test, with a reason, where the compiler or the emulator is not installed."""
    reason = toolchain.missing()
    if toolchain is CORTEX_M4 and shutil.which(build.EMULATOR) is None:
        reason = f"{build.EMULATOR} is not installed"
    if reason is not None:
        pytest.skip(reason)


def compiled(network: IntegerNetwork | HasInteger, folder: Path) -> Path:
    return compile_network(network, target="c", out=folder).folder


def assert_c_equals(
    network: IntegerNetwork | HasInteger,
    samples: list[np.ndarray],
    folder: Path,
    toolchain: Toolchain,
    *,
    seed: int,
    fast: bool = False,
) -> int:
    """Samples (T, channel): states and outputs of every step equal the reference's, or the simulator's if `fast`.

    Returns the number of outputs that are not 0.
    """
    needs(toolchain)
    integer, tail = as_integer(network)
    program = build.build(compiled(network, folder), toolchain, trace=True)
    got = build.traces(build.run(program, samples), integer, [len(s) + tail for s in samples])
    fired = 0
    for sample, runs in zip(samples, got, strict=True):
        x = np.concatenate([sample, np.zeros((tail, integer.inputs), np.int64)])[None]
        expected = run_of_engine(integer, x) if fast else run_of_reference(integer, x)
        assert_same_run(integer, x, expected, runs, seed=seed, who=("simulator", f"C, {toolchain.name}"))
        fired += sum(int(np.count_nonzero(run[:, -1])) for run in runs)
    return fired


def run_of_engine(network: IntegerNetwork, x: np.ndarray) -> list[np.ndarray]:
    """The simulator's run of one sample, for long ones; a readout's output is its last state."""
    states = sorted({s for p in network.populations for s in p.model.state_names})
    trace, runs = simulate(network, x, ["spikes", *states]), []
    for p in network.populations:
        rows = [trace.states[p.name][s][:, 0] for s in p.model.state_names]
        runs.append(np.stack([*rows, rows[-1] if p.model.readout else trace.spikes[p.name][:, 0]], axis=1))
    return runs


# --- any network of integers


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


@pytest.mark.parametrize("seed", range(100, 112))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    network = random_integer_network(seed, ALL_MODELS)
    samples = [random_integer_input(network, seed + k)[0] for k in range(2)]
    assert_c_equals(network, samples, tmp_path, SANITIZERS if seed % 3 else HOST, seed=seed)


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


# --- quantized networks

PROFILES = ("ideal", "loihi1", "loihi2")


@pytest.mark.parametrize("model", integer_models())
def test_quantized_networks(model: str, tmp_path: Path) -> None:
    profile = PROFILES[integer_models().index(model) % len(PROFILES)]
    qnet = random_quantized(model, 3, profile, hidden=(5, 4))
    samples = list(random_spikes(5, 3, 60, qnet.inputs).astype(np.int64))
    assert assert_c_equals(qnet, samples, tmp_path, HOST, seed=3) > 0


def test_a_quantized_graph(tmp_path: Path, rng: np.random.Generator) -> None:
    """Two populations in a loop, a delay, and biases that start at different steps."""
    hidden = {"du": np.full(8, 0.5), "dv": np.full(8, 0.1)}
    late = {0: rng.uniform(0.0, 0.1, 8), 2: rng.uniform(0.0, 0.1, 8)}
    graph = FloatGraph(
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
    return quantize(Network([hidden, out]), "loihi2", calibration={"layers.0": 8.0, "readout": 20.0})


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


# --- what is written


def small(**changes: object) -> IntegerNetwork:
    hidden = Population.of("hidden", "lif", 3, **lif_parameters(du=1, dv=2, vth=3))
    given = {"weights": np.array([[2, 0], [4, 254], [-6, 8]])} | changes
    return IntegerNetwork(2, (hidden,), (Synapses("input", "hidden", **given),))


def test_files_hold_integers_and_static_memory_alone(tmp_path: Path) -> None:
    needs(HOST)
    folder = compiled(random_integer_network(4, ALL_MODELS), tmp_path)
    text = "".join((folder / name).read_text() for name in ("network.c", "network.h", "hn_fixed.h", "hn_neurons.h"))
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(float|double|malloc|alloca|printf)\b|\d\.\d", code)
    assert set(re.findall(r"#include (\S+)", code)) == {"<stdint.h>", '"network.h"', '"hn_neurons.h"', '"hn_fixed.h"'}
    more = ["-O3", "-Wshadow", "-Wsign-conversion", "-Wcast-qual", "-Wmissing-prototypes", "-Wlogical-op"]
    build.compile_c(HOST, [*more, "-c", "network.c", "-o", tmp_path / "network.o"], folder)
    told = subprocess.run(["nm", "-u", tmp_path / "network.o"], capture_output=True, text=True, check=True).stdout
    assert set(told.split()) - {"U"} <= {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}


def test_manifest_tells_flash_and_ram_or_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(HOST)
    first = compile_network(small(), target="c", out=tmp_path).manifest
    host = first["memory"]["host"]
    assert host["bytes"]["flash"] == sum(host["bytes"][key] for key in ("text", "rodata", "data"))
    assert host["bytes"]["ram"] == host["bytes"]["data"] + host["bytes"]["bss"] > 0
    assert first["profile"] is None
    assert set(first["files"]) >= {"network.h", "network.c", "main.c", "Makefile", "cortex_m4/startup.c"}
    monkeypatch.setenv("PATH", str(tmp_path))
    without = compile_network(small(), target="c", out=tmp_path).manifest
    for name, program in (("host", "gcc"), ("cortex-m4", "arm-none-eabi-gcc")):
        entry = without["memory"][name]
        assert (entry["bytes"], entry["compiler"], entry["reason"]) == (None, None, f"{program} is not installed")
    assert without["files"] == first["files"]


def test_weights_take_the_smaller_form_in_the_smallest_type(rng: np.random.Generator) -> None:
    # one factor 2 for all, which leaves 8 bits
    connection = Plan(small()).connections[0][0]
    assert isinstance(connection.weights, DenseTable)
    assert connection.weights.weights.tolist() == [[1, 2, -3], [0, 127, 4]]
    assert connection.exponent == 1
    assert connection.weights.bytes == 6
    # a line that is odd has no factor
    connection = Plan(small(always_on=np.array([4, 1, -2]))).connections[0][0]
    assert connection.bias is not None
    assert (connection.exponent, connection.bias.tolist()) == (0, [4, 1, -2])
    # no smaller type, no factor
    assert Plan(small(weights=np.full((3, 2), 4))).connections[0][0].exponent == 0
    few = np.zeros((50, 40), np.int64)
    few[rng.integers(0, 50, 30), rng.integers(0, 40, 30)] = 1000
    hidden = Population.of("hidden", "lif", 50, **lif_parameters(du=1, dv=2, vth=3))
    connection = Plan(IntegerNetwork(40, (hidden,), (Synapses("input", "hidden", few),))).connections[0][0]
    found = connection.weights
    assert isinstance(found, SparseTable)
    back = np.zeros((50, 40), np.int64)
    for j in range(40):
        here = slice(found.starts[j], found.starts[j + 1])
        back[found.post[here], j] = found.weights[here]
    # 1000 = 125 · 2^3
    assert connection.exponent == 3
    np.testing.assert_array_equal(back << 3, few)
    assert found.bytes < few.size


def test_types_are_the_smallest_that_hold_all_values() -> None:
    found = [
        signed_type(-128, 127),
        signed_type(-129, 0),
        signed_type(0, 128),
        signed_type(-32768, 32767),
        signed_type(0, 32768),
        signed_type(-(1 << 31), (1 << 31) - 1),
        signed_type(0, 1 << 31),
    ]
    assert found == ["int8_t", "int16_t", "int16_t", "int16_t", "int32_t", "int32_t", "int64_t"]
    assert [unsigned_type(n) for n in (0, 255, 256, 65535, 65536)] == ["uint8_t"] * 2 + ["uint16_t"] * 2 + ["uint32_t"]


def test_header_states_the_limit_of_the_input(tmp_path: Path) -> None:
    network = small()
    text = (compiled(network, tmp_path) / "network.h").read_text()
    assert f"#define HN_INPUT_LIMIT {network.largest_input('hidden')}\n" in text
    assert f"#define HN_INPUT_LOW (-{network.largest_input('hidden')})\n" in text
    few = small(message_bits=3)
    assert "#define HN_INPUT_LIMIT 7\n" in (compiled(few, tmp_path) / "network.h").read_text()


@pytest.mark.parametrize("bits", [(0,), (1,), (3,), (None,), (0, 3), (None, 0)], ids=str)
def test_programs_take_the_inputs_that_the_simulator_takes(bits: tuple[int | None, ...], tmp_path: Path) -> None:
    needs(HOST)
    network = small()
    network = replace(network, synapses=tuple(replace(network.synapses[0], message_bits=b) for b in bits))
    program = build.build(compiled(network, tmp_path), HOST)
    top = Plan(network).largest_input
    answers = set()
    for value in sorted({-top - 1, -top, -1, 0, 1, top, top + 1}):
        x = np.array([[[0, value]]])
        try:
            expected = " ".join(map(str, simulate(network, x, ["spikes"]).spikes["hidden"][0, 0])) + " \n"
        except InputError:
            expected = ""
        done = subprocess.run([str(program)], input=f"1 0 {value}", capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == (expected, 0 if expected else 2), (value, done.stderr)
        answers.add(done.returncode)
    assert answers == {0, 2}


@pytest.mark.parametrize("bits", [-3, 33, 10**9, 1.5, "x", True])
def test_message_bits_are_checked_when_a_connection_is_made(bits: Any) -> None:
    with pytest.raises(InputError, match=re.escape(f"input -> hidden: message_bits = {bits!r}, rule: None for any")):
        small(message_bits=bits)


def test_message_bits_of_a_numpy_integer_become_a_plain_one() -> None:
    found = [small(message_bits=bits).synapses[0].message_bits for bits in (np.int64(32), np.uint8(0), None)]
    assert [type(bits) for bits in found] == [int, int, type(None)]
    assert found == [32, 0, None]


FAULTS = {
    "abc": "sample 0: number of steps 'abc', rule: an integer of 0..2147483647",
    "-3": "sample 0: number of steps '-3', rule: an integer of 0..2147483647",
    "1 0.5 0": "sample 0, step 0: input value '0.5', rule: an integer of -7..7",
    "1 0 1 2 1 1 0 8": "sample 1, step 1: input value '8', rule: an integer of -7..7",
    "1 -8 0": "sample 0, step 0: input value '-8', rule: an integer of -7..7",
    "1 0 -": "sample 0, step 0: input value '-', rule: an integer of -7..7",
    "1 4294967296 1": "sample 0, step 0: input value '4294967296', rule: an integer of -7..7",
    "1 0 99999999999999999999999999": f"sample 0, step 0: input value '{'9' * 23}', rule: an integer of -7..7",
    "2 0 1 1": "sample 0, step 1: input value missing, the text ends, rule: an integer of -7..7",
}


def told_by(program: Path, text: str) -> tuple[int, str]:
    """Exit code and error output of a program, under qemu if it is for a board."""
    command = [*build.EMULATE, "-kernel", str(program)] if CORTEX_M4.name in program.name else [str(program)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("toolchain", [SANITIZERS, CORTEX_M4], ids=lambda t: t.name)
def test_text_that_is_no_sample_is_an_error(toolchain: Toolchain, tmp_path: Path) -> None:
    needs(toolchain)
    # inputs of 3 bits
    program = build.build(compiled(small(message_bits=3), tmp_path), toolchain)
    for text in ("1 0 1\n", "1 -7 \r\n\t0000000000000000000000007", "", "0 1 0 1"):
        assert told_by(program, text) == (0, ""), text
    for text, line in FAULTS.items():
        assert told_by(program, text) == (2, line + "\n"), text


def test_labels_and_inputs_of_a_program_that_learns_are_checked(tmp_path: Path) -> None:
    for toolchain in (SANITIZERS, CORTEX_M4):
        needs(toolchain)
        qnet = random_quantized("lif", 0, "loihi2", inputs=1)
        limit = compiled_to_learn(qnet, tmp_path)
        program = learn_build.build_learning(tmp_path, toolchain)
        last = qnet.outputs - 1
        assert told_by(program, f"2 0 {last} 1 0 -1 0") == (0, "")
        for text, line in (
            (f"2 0 {last} 1 0 {last + 1} 1", f"sample 0, step 1: label {last + 1}, rule: an integer of 0..{last}"),
            ("1 0 -1 1", f"sample 0, step 0: label -1, rule: an integer of 0..{last}"),
            ("1 0 0 2", "sample 0, step 0: scored '2', rule: an integer of 0..1"),
            (
                f"1 {limit + 1} 0 1",
                f"sample 0, step 0: input value '{limit + 1}', rule: an integer of -{limit}..{limit}",
            ),
        ):
            assert told_by(program, text) == (2, line + "\n"), text


def compiled_to_learn(qnet: QuantizedNetwork, folder: Path) -> int:
    """Compile the network as one that learns; the largest input that it takes."""
    compile_network(qnet, target="c", out=folder, learn=LearnOptions(rate=0.3))
    found = re.search(r"HN_LEARN_INPUT_LIMIT = (\d+)", (folder / "learn.h").read_text())
    assert found is not None
    return int(found.group(1))


def test_a_program_that_fails_is_reported(tmp_path: Path) -> None:
    needs(HOST)
    folder = compiled(small(), tmp_path)
    program = build.build(folder)
    with pytest.raises(InputError, match=r"program_host ended with 2:\nsample 0, step 1: input value missing"):
        build.run(program, [np.zeros((2, 1), np.int64)])
    (folder / "network.c").write_text("int x = y;\n")
    with pytest.raises(InputError, match=r"network\.c.* failed:\n.*error"):
        build.build(folder)


def test_makefile_builds_and_runs(tmp_path: Path) -> None:
    needs(HOST)
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    network = small()
    folder = compiled(network, tmp_path)
    x = np.array([[1, 0], [0, 1], [1, 1]])
    expected = simulate_reference(network, x[None])[0]["spikes"][:, 0]
    for target, toolchain in (("run", HOST), ("emulate", CORTEX_M4)):
        if toolchain is CORTEX_M4:
            needs(CORTEX_M4)
        done = subprocess.run(
            ["make", "-s", target], cwd=folder, input="3 1 0 0 1 1 1\n", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.array(done.stdout.split(), np.int64).reshape(3, 3), expected)


@pytest.mark.parametrize("target", ["run", "emulate"])
def test_make_builds_anew_for_other_flags(target: str, tmp_path: Path) -> None:
    needs(HOST)
    if target == "emulate":
        needs(CORTEX_M4)
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    folder = compiled(small(), tmp_path)

    def made(*flags: str) -> int:
        command = ["make", "-s", target, *flags]
        done = subprocess.run(command, cwd=folder, input="1 0 1\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return len(done.stdout.split())

    # outputs; states and outputs
    assert [made(), made("CFLAGS=-DHN_TRACE"), made(), made()] == [3, 9, 3, 3]
    program = folder / ("network" if target == "run" else "network.elf")
    before = program.stat().st_mtime_ns
    made()
    assert program.stat().st_mtime_ns == before


def files_of(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_what_an_earlier_target_wrote_is_removed(tmp_path: Path) -> None:
    qnet, folder = random_quantized("lif", 0, "loihi2"), tmp_path / "out"
    first = compile_network(qnet, target="c", out=folder, learn=LearnOptions(rate=0.3)).manifest["files"]
    assert {"learn.c", "cortex_m4/startup.c"} <= set(first)
    (folder / "hn_io.h").write_text("/* changed */\n")
    (folder / "mine.c").write_text("/* added */\n")
    second = compile_network(qnet, target="lava", out=folder).manifest["files"]
    assert files_of(folder) == {*second, "manifest.json", "hn_io.h", "mine.c"}
    assert not (folder / "cortex_m4").exists()
    compile_network(qnet, target="c", out=folder)
    assert "network.h5" not in files_of(folder)
    # what the manifest does not name belongs to someone else
    (folder / "cortex_m4" / "own.ld").write_text("")
    compile_network(qnet, target="lava", out=folder)
    assert files_of(folder) == {*second, "manifest.json", "mine.c", "cortex_m4/own.ld"}


def test_a_manifest_removes_nothing_outside_its_folder(tmp_path: Path) -> None:
    qnet, folder, outside = random_quantized("lif", 0, "loihi2"), tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    compile_network(qnet, target="lava", out=folder)
    (outside / "kept").write_text("")
    (folder / "link").symlink_to(outside)
    empty = hashlib.sha256(b"").hexdigest()
    names = dict.fromkeys(("../outside/kept", "link/kept", str(outside / "kept"), "link"), empty)
    for content in ("[]", "no JSON", json.dumps({"files": names})):
        (folder / "manifest.json").write_text(content)
        compile_network(qnet, target="c", out=folder)
        assert (outside / "kept").exists()
        assert (folder / "link").is_symlink()


def inconsistent(folder: Path) -> list[str]:
    """Files whose sha256 is another than the manifest says."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    return [
        name for name, digest in files.items() if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def test_calls_for_one_folder_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl", reason="no flock on this platform")
    barrier, order = Barrier(2, timeout=60), []

    def slowly(path: Path, write: Any) -> None:
        order.append(get_ident())
        time.sleep(0.01)
        write_atomically(path, write)

    write_atomically = compilers.write_atomically
    monkeypatch.setattr(compilers, "write_atomically", slowly)
    # the last that is done before files are moved
    monkeypatch.setattr(build, "memory", lambda folder: {"waited": barrier.wait() >= 0})
    networks = small(), small(exponent=1)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            order.clear()
            jobs = [pool.submit(compile_network, network, target="c", out=tmp_path / "out") for network in networks]
            found = [job.result().manifest for job in jobs]
            assert sum(a != b for a, b in pairwise(order)) == 1, "files of two calls alternate"
            kept = json.loads((tmp_path / "out" / "manifest.json").read_text())
            assert kept in found
            assert inconsistent(tmp_path / "out") == []
            assert files_of(tmp_path / "out") == {*kept["files"], "manifest.json"}


def test_a_manifest_tells_what_was_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others who write into the folder meanwhile, on a file system without locks, can be found out."""
    whole = compile_network(small(), target="c", out=tmp_path / "whole").manifest["files"]

    def interfere(path: Path, write: Any) -> None:
        write_atomically(path, write)
        if path.name == "network.c":
            path.write_text("/* of another network */\n")

    write_atomically = compilers.write_atomically
    monkeypatch.setattr(compilers, "write_atomically", interfere)
    assert compile_network(small(), target="c", out=tmp_path / "mixed").manifest["files"] == whole
    assert inconsistent(tmp_path / "whole") == []
    assert inconsistent(tmp_path / "mixed") == ["network.c"]


def test_an_interrupted_compile_leaves_no_manifest_and_can_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_network(small(), target="c", out=tmp_path / "out")
    whole = files_of(tmp_path / "out")

    def interrupted(path: Path, write: Any) -> None:
        if path.name == "network.c":
            raise KeyboardInterrupt
        write_atomically(path, write)

    write_atomically = compilers.write_atomically
    with monkeypatch.context() as patched:
        patched.setattr(compilers, "write_atomically", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compile_network(small(), target="c", out=tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists(), "the folder would count as complete"
    compile_network(small(), target="c", out=tmp_path / "out")
    assert files_of(tmp_path / "out") == whole
    assert inconsistent(tmp_path / "out") == []


def test_learn_options_given_twice_are_refused(tmp_path: Path) -> None:
    random_quantized("lif", 0, "loihi2").save(tmp_path / "quantized.h5")
    twice = ("--learn", "rate=0.3", "--learn", "rate=0.4")
    done = called("compile", tmp_path / "quantized.h5", "--out", tmp_path / "out", *twice)
    assert done.returncode == 2
    assert "--learn rate=0.4, rule: rate once" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_tells_flash_and_ram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(HOST)
    monkeypatch.setenv("COLUMNS", "200")
    random_quantized("lif", 0, "spinnaker2").save(tmp_path / "quantized.h5")
    compile_it = ("compile", tmp_path / "quantized.h5", "--out", tmp_path / "out")
    done = called(*compile_it, "--learn", "rate=0.3")
    assert done.returncode == 0, done.stderr
    memory = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for key, file in (("memory", "network.c"), ("learning", "learn.c")):
        of = memory[key]["host"]["bytes"]
        assert re.search(rf"{file}, host\s+│ flash {of['flash']}, RAM {of['ram']} bytes", done.stdout), done.stdout
    assert f"eligibilities {memory['learning']['purpose']['eligibilities']}" in done.stdout
    monkeypatch.setenv("PATH", str(tmp_path))
    why = "not checked: arm-none-eabi-gcc is not installed"
    assert f"129024 bytes {why}" in called(*compile_it, "--target", "spinnaker2").stdout
    assert "network.c, cortex-m4 │ not measured: arm-none-eabi-gcc is not installed" in called(*compile_it).stdout


def test_targets_refuse_what_they_do_not_take(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"takes a QuantizedNetwork .*no layers; .* take it: c, lava, netx"):
        compile_network(small(), target="spinnaker2", out=tmp_path)
    with pytest.raises(InputError, match=r"type IntegerNetwork, rule: .* a graph does not learn: .* --weight-groups"):
        compile_network(small(), target="c", out=tmp_path, learn=LearnOptions())
    with pytest.raises(InputError, match=r"target 'c' has no option 'colour', known: "):
        compile_network(small(), target="c", out=tmp_path, colour=1)
    qnet = random_quantized("lif", 0, "loihi2")
    other = replace(qnet, profile=qnet.profile.model_copy(update={"compilers": ("lava",)}))
    with pytest.raises(InputError, match=r"profile 'loihi2' takes lava \(compilers\), not 'c'"):
        compile_network(other, target="c", out=tmp_path)

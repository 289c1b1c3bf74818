"""Networks under Lava's CPU runtime: spikes and states of every step equal the simulator's, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_lava
from process_groups import assert_gone
from scipy.sparse import csr_array

from hypr_neuro.compilers import compile_network, targets
from hypr_neuro.compilers.lava.build import check_network, own_arguments
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import HyprError, InputError, MissingPackageError
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import integer_models
from hypr_neuro.traces.trace import Trace

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("HYPR_SEED", "0"))
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "make_golden.py"))
Recipe, random_network, random_input = TOOL["Recipe"], TOOL["random_network"], TOOL["random_input"]
RECIPES = {**TOOL["LIF_RECIPES"], **TOOL["BRF_RECIPES"]}
STEPS = 300


@pytest.fixture(scope="module")
def device() -> Iterator[LavaDevice]:
    with LavaDevice() as opened:
        yield opened


def all_states(qnet: QuantizedNetwork) -> list[str]:
    return sorted({state for layer in qnet.layers for state in layer.model.state_names})


def assert_same(what: str, expected: Trace, got: Trace) -> None:
    """Every spike, state and output; the message names the first step at which anything differs."""
    pairs = {"readout": (expected.readout.swapaxes(0, 1), got.readout.swapaxes(0, 1))}
    pairs |= {f"{name}.spikes": (z, got.spikes[name]) for name, z in expected.spikes.items()}
    pairs |= {
        f"{name}.{state}": (values, got.states[name][state])
        for name, states in expected.states.items()
        for state, values in states.items()
    }
    first: tuple[int, str] | None = None
    for name, (a, b) in pairs.items():
        assert a.shape == b.shape, f"{what}: {name} of shape {b.shape}, expected {a.shape}"
        for step, sample, neuron in np.argwhere(a != b)[:1]:
            if first is None or step < first[0]:
                first = (
                    step,
                    f"{what}: {name}, sample {sample}, neuron {neuron}, first step {step}: "
                    f"simulator {a[step, sample, neuron]}, Lava {b[step, sample, neuron]}",
                )
    assert first is None, first[1]
    assert got.rates == expected.rates
    assert got.synaptic_operations == expected.synaptic_operations
    assert {name: expected.events[name] for name in got.events} == got.events


def compare(device: LavaDevice, what: str, qnet: QuantizedNetwork, x: Any) -> Trace:
    record = ["spikes", *all_states(qnet)]
    expected = simulate(qnet, x, record)
    device.load(qnet)
    assert_same(what, expected, device.run(x, record))
    return expected


@needs_lava
@pytest.mark.parametrize("name", RECIPES)
def test_random_network_equals_lava(device: LavaDevice, name: str) -> None:
    recipe, seed = RECIPES[name], SEED * 1000 + list(RECIPES).index(name)
    qnet = random_network(recipe, seed)
    assert all((own_arguments(p) is not None) == (recipe.neuron == "lif") for p in qnet.integer().populations[:-1])
    expected = compare(device, f"{name}, seed {seed}", qnet, random_input(recipe, seed, 1, STEPS))
    assert any(0 < rate < 1 for rate in expected.rates.values()), "the network shows nothing"
    if SEED == 0:
        assert_edges_are_met(name, expected)


def assert_edges_are_met(name: str, trace: Trace) -> None:
    """The recipes that are there for an overflow have it."""
    events = trace.events["layers.0"]
    if name in ("current wraps", "sums leave 32 bits", "current never decays"):
        assert events["u wrapped"] > 0
    if name in ("potential saturates", "sums leave 32 bits"):
        assert events["v saturated"] > 0
    if name == "brf, saturated":
        assert events["u saturated"] > 0
    if name == "sums leave 32 bits":
        assert events["current wrapped"] > 0


@needs_lava
@pytest.mark.parametrize("neuron", integer_models())
def test_quantized_network_of_every_model_equals_lava(device: LavaDevice, neuron: str) -> None:
    qnet = quantized(neuron)
    x = np.random.default_rng(SEED).integers(0, 2, (2, 100, 4))
    compare(device, neuron, qnet, x)


def quantized(neuron: str) -> QuantizedNetwork:
    """A quantized network with the largest weights that fit the profile, biased and recurrent."""
    layer = {"neuron": neuron, "size": 12, "recurrent": True, "bias": True}
    for factor in (16, 8, 4, 2, 1, 0.5, 0.25):
        net = Network.build(
            {"inputs": 4, "outputs": 3, "dt": 1e-3, "layers": [layer], "readout": {"neuron": "li"}}, SEED
        )
        for each in net.layers:
            each.weight *= factor
        try:
            return quantize(net, "loihi2", calibration={"layers.0": 6.0, "readout": 6.0})
        except InputError:
            continue
    raise AssertionError(f"no weights of '{neuron}' fit")


@needs_lava
def test_lif_that_lava_has_not_built_in_equals_the_simulator(device: LavaDevice) -> None:
    recipe = RECIPES["plain"]
    decays, subtracts, wraps = (random_network(recipe, SEED) for _ in range(3))
    names = decays.layers[0].model.fixed_per_neuron
    decays.layers[0].per_neuron[names.index("du1")] = np.arange(20) * 200 + 1
    constants = decays.layers[0].model.fixed_constants
    subtracts.layers[0].constants[constants.index("subtract")] = 1
    wraps.layers[0].constants[constants.index("lava")] = 0
    for what, qnet in {"a decay a neuron": decays, "subtractive reset": subtracts, "24-bit wrap": wraps}.items():
        assert own_arguments(qnet.integer().populations[0]) is None
        compare(device, what, qnet, random_input(recipe, SEED, 1, 60))


@needs_lava
def test_samples_start_from_zero(device: LavaDevice) -> None:
    recipe = replace(RECIPES["two layers"], recurrent=True)
    qnet = random_network(recipe, SEED)
    x = random_input(recipe, SEED, samples=4, steps=40)
    compare(device, "four samples", qnet, np.concatenate([x, x[:1]]))
    mixed = random_network(replace(RECIPES["brf"], graded=50), SEED)
    compare(device, "brf samples", mixed, random_input(replace(RECIPES["brf"], graded=50), SEED, 3, 40))


@needs_lava
def test_compiled_folder_runs_on_its_own(tmp_path: Path) -> None:
    recipe = RECIPES["two layers"]
    qnet, x = random_network(recipe, SEED), random_input(recipe, SEED, 1, 40)
    artifact = compile_network(qnet, target="lava", out=tmp_path / "out")
    for name, digest in artifact.manifest["files"].items():
        assert hashlib.sha256((artifact.folder / name).read_bytes()).hexdigest() == digest
    np.save(tmp_path / "x.npy", x[0])
    command = [sys.executable, str(artifact.folder / "run_lava.py"), "x.npy", "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    expected = simulate(qnet, x, ["spikes"])
    with np.load(tmp_path / "out.npz") as out:
        assert np.array_equal(out["readout"], expected.readout[0])
        for name, spikes in expected.spikes.items():
            assert np.array_equal(out[name], spikes[:, 0])


def sparse_network() -> IntegerNetwork:
    """One delay for all weights of a connection, one for each of another, both sparse."""
    parameters = lif_parameters(4000, 100, 2)
    weights, delays = (csr_array(np.array(rows)) for rows in ([[9, 0, 4], [0, 12, 0]], [[1, 0, 3], [0, 2, 0]]))
    return IntegerNetwork(
        2,
        (Population.of("a", "lif", 3, **parameters), Population.of("b", "lif", 2, **parameters)),
        (
            Synapses("input", "a", csr_array(np.array([[9, 0], [0, 9], [8, 0]])), 0, 3),
            Synapses("a", "b", weights, 0, delays),
        ),
    )


@needs_lava
def test_sparse_connections_with_delays_run_without_warnings(tmp_path: Path) -> None:
    network, x = sparse_network(), np.random.default_rng(SEED).integers(0, 2, (40, 2))
    script = compile_network(network, target="lava", out=tmp_path).folder / "run_lava.py"
    np.save(tmp_path / "x.npy", x)
    done = subprocess.run(
        [sys.executable, script, "x.npy", "out.npz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = simulate(network, x[None], ["spikes"]).spikes
    with np.load(tmp_path / "out.npz") as out:
        for name, spikes in expected.items():
            assert spikes.any()
            assert np.array_equal(out[name], spikes[:, 0])


@pytest.mark.parametrize("kind", ["layers", "integers"])
def test_scripts_refuse_in_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = random_network(RECIPES["plain"], SEED) if kind == "layers" else sparse_network()
    script = compile_network(network, target="lava", out=tmp_path).folder / "run_lava.py"
    monkeypatch.chdir(tmp_path)

    def refused(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(script), run_name="__main__")
        told = capsys.readouterr()
        assert (end.value.code, told.out, told.err.count("\n")) == (2, "", 1)
        return told.err

    right = np.zeros((4, network.inputs), np.int8)
    large = np.full((4, network.inputs), 1 << 30)
    for name, x in {"wide": np.zeros((4, 99), int), "float": right + 0.5, "x": right, "large": large}.items():
        np.save(f"{name}.npy", x)
    Path("empty.npy").write_bytes(b"")
    for arguments in ((), ("x.npy",), ("x.npy", "out.npz", "more")):
        assert refused(*arguments) == "usage: python run_lava.py x.npy out.npz\n"
    reasons = {"none": "No such file", "empty": "No data", "wide": "int64 of shape (4, 99)", "float": "float64"}
    for name, why in reasons.items():
        line = refused(f"{name}.npy", "out.npz")
        assert line.startswith(f"run_lava.py: error: file '{name}.npy'")
        assert why in line
        assert f"rule: .npy with one sample of integers, (T, {network.inputs})" in line
    assert "can sum to" in refused("large.npy", "out.npz")
    assert "no/such' does not exist" in refused("x.npy", "no/such/out.npz")
    Path("network.h5").unlink()
    assert "network.h5' does not exist" in refused("x.npy", "out.npz")
    for package in ("numpy", "hypr_neuro.compilers.lava.script_files"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            assert "; Python 3.10: pip install hypr-neuro lava-nc==0.10.0" in refused("x.npy", "out.npz")


@needs_lava
def test_processes_end_with_the_device() -> None:
    recipe = RECIPES["plain"]
    device = LavaDevice()
    device.open()
    assert device._worker is not None
    group, folder = device._worker.process.pid, device._worker.folder
    device.load(random_network(recipe, SEED))

    def interrupt(done: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.run(random_input(recipe, SEED, 1, 20_000), on_block=interrupt)
    assert_gone(group, folder)
    assert device.run(random_input(recipe, SEED, 1, 5)).readout.shape == (1, 5, 5), "a new worker takes over"
    group, folder = device._worker.process.pid, device._worker.folder
    device.close()
    assert_gone(group, folder)


@needs_lava
def test_processes_end_with_the_program(tmp_path: Path) -> None:
    """The program is killed in the middle of a run."""
    code = f"""
import runpy
from hypr_neuro.devices import open_device
tool = runpy.run_path({str(ROOT / "tools" / "make_golden.py")!r})
recipe = tool["LIF_RECIPES"]["plain"]
device = open_device("lava")
device.load(tool["random_network"](recipe, 0))
say = lambda done, steps: print(device._worker.process.pid, device._worker.folder, flush=True)
device.run(tool["random_input"](recipe, 0, 1, 20_000), on_block=say)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as program:
        assert program.stdout is not None
        group, folder = program.stdout.readline().split()
        program.kill()
    assert_gone(int(group), Path(folder))


@needs_lava
def test_dead_or_silent_worker_is_reported() -> None:
    recipe = RECIPES["plain"]
    with LavaDevice(timeout=20) as device:
        device.load(random_network(recipe, SEED))
        assert device._worker is not None
        worker = device._worker.process

        def kill(done: int, steps: int) -> None:
            os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(HyprError, match="device 'lava': the worker process ended with code -9"):
            device.run(random_input(recipe, SEED, 1, 1000), on_block=kill)
        assert_gone(worker.pid, Path("/nonexistent"))

        assert device._worker is None
        device.run(random_input(recipe, SEED, 1, 2))
        assert device._worker is not None
        device._worker.timeout = 0.5
        worker = device._worker.process

        def stop(done: int, steps: int) -> None:
            os.killpg(worker.pid, signal.SIGSTOP)

        with pytest.raises(HyprError, match=r"device 'lava': no sign of life for 0\.5 s"):
            device.run(random_input(recipe, SEED, 1, 1000), on_block=stop)
        assert_gone(worker.pid, Path("/nonexistent"))


def test_without_lava_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypr_neuro.compilers.lava.rules.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"Python 3\.10 only: there, pip install lava-nc==0\.10\.0"):
        LavaDevice().open()


def test_networks_that_lava_cannot_run_are_refused() -> None:
    qnet = random_network(RECIPES["plain"], SEED)
    ideal = replace(qnet, profile=load_profile("ideal"))
    with pytest.raises(InputError, match=r"profile 'ideal': time\.connection_delay = 0, rule for Lava: 1 .*loihi2"):
        check_network(ideal)
    profile = qnet.profile.model_dump(mode="json")
    profile["precision"]["weight_bits"]["value"] = 9
    with pytest.raises(InputError, match=r"precision\.weight_bits = 9, rule for Lava: at most 8"):
        check_network(replace(qnet, profile=type(qnet.profile).model_validate(profile)))
    wide = qnet.copy()
    wide.layers[0].input.mantissa[0, :2] = -3, 129
    with pytest.raises(InputError, match=r"connection input -> layers\.0: weights -\d+\.\.129, rule for Lava: .*"):
        check_network(wide)
    with pytest.raises(InputError, match=r"layers\.0: inputs up to 100000000 can sum to \d+ in Lava"):
        check_network(qnet, 100_000_000)


def test_compiled_folder_is_complete_and_repeats(tmp_path: Path) -> None:
    qnet = random_network(RECIPES["brf"], SEED)
    first = compile_network(qnet, target="lava", out=tmp_path / "a")
    again = compile_network(qnet, target="lava", out=tmp_path / "b")
    assert first.manifest == again.manifest == json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["manifest.json", "network.h5", "run_lava.py"]
    assert first.manifest["profile"] == "loihi2"
    assert first.manifest["versions"]["numpy"] == np.__version__
    other = qnet.copy()
    other.layers[0].input.mantissa[0, 0] += 1
    changed = compile_network(other, target="lava", out=tmp_path / "a")
    assert changed.manifest["inputs"]["network"] != first.manifest["inputs"]["network"]
    assert changed.manifest["inputs"]["profile"] == first.manifest["inputs"]["profile"]


def test_targets_are_known_by_name(tmp_path: Path) -> None:
    assert "lava" in targets()
    qnet = random_network(RECIPES["plain"], SEED)
    with pytest.raises(InputError, match=r"unknown target 'loihi'.*, known: .*lava"):
        compile_network(qnet, target="loihi", out=tmp_path)
    other = replace(qnet, profile=qnet.profile.model_copy(update={"compilers": ()}))
    with pytest.raises(InputError, match=r"profile 'loihi2' takes no target format \(compilers\), not 'lava'"):
        compile_network(other, target="lava", out=tmp_path)

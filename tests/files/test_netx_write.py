"""Networks written as netx files: read back equal, and run by lava-dl itself with the simulator's spikes and states.

Tests that need lava-dl run in its own environment (make test-lava-dl).
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.netx import write_netx
from hypr_neuro.compilers.netx.write import NetxSummary
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_quantized, random_spikes, varied

LAVA_DL: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "netx_oracle.py"))
NETWORKS: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "netx_networks.py"))
ask, needs_lava_dl = LAVA_DL["ask"], LAVA_DL["needs_lava_dl"]
braille_like, normal_form, spikes_of, writable, STATES = (
    NETWORKS[name] for name in ("braille_like", "normal_form", "spikes_of", "writable", "STATES")
)
LAVA_NAMES = {"u": "u", "v": "v", "re": "real", "im": "imag"}
STEPS = 50
CHANNEL = {"always_on": "channel"}


# ---------------------------------------------------------------- round trip


def test_what_is_read_back_is_what_was_written(tmp_path: Path) -> None:
    hypothesis = pytest.importorskip("hypothesis")
    met: set[str] = set()

    @hypothesis.settings(max_examples=80, deadline=None, derandomize=True)
    @hypothesis.given(hypothesis.strategies.integers(0, 10_000))
    def check(seed: int) -> None:
        network, summary = writable(seed, tmp_path, lines=False)
        assert (summary.channels, summary.helpers, summary.inputs) == ((), {}, network.inputs)
        assert list(summary.layers) == [p.name for p in network.populations]
        found = read_netx(summary.path).network
        assert [p.name for p in found.populations] == list(summary.layers.values())
        assert normal_form(found) == normal_form(network)
        met.update({p.model.name for p in network.populations})
        met.update(
            {c.source == c.target and "recurrent" for c in network.synapses} | {c.exponent for c in network.synapses}
        )
        met.update({"sparse" for c in network.synapses if c.sparse})
        met.update({"delays" for c in network.synapses if not isinstance(c.delays, int)})

    check()
    assert met >= {"lif", "rf", "rf_iz", "recurrent", "sparse", "delays", -2, 0, 1}


@pytest.mark.parametrize("seed", range(25))
def test_constant_currents_become_lines_of_the_same_spikes(seed: int, tmp_path: Path) -> None:
    seed += 50
    network, summary = writable(seed, tmp_path)
    while all(c.always_on is None for c in network.synapses):
        seed += 1000
        network, summary = writable(seed, tmp_path)
    x = (np.random.default_rng(seed).random((STEPS, network.inputs)) < 0.3).astype(np.int64)
    ours, theirs = spikes_of(network, x), spikes_of(read_netx(summary.path).network, summary.input(x))
    assert summary.channels or summary.helpers
    for p in network.populations:
        group = summary.layers[p.name]
        assert np.array_equal(ours.spikes[p.name], theirs.spikes[group][..., : p.size])
        for state in STATES[p.model.name]:
            assert np.array_equal(ours.states[p.name][state], theirs.states[group][state][..., : p.size])
        if p.name in summary.helpers:
            assert summary.helpers[p.name][0] == p.size
            carried = theirs.spikes[group][:, 0, p.size :]
            assert np.array_equal(np.maximum.accumulate(carried), carried)
            assert carried[len(network.populations) :].all()


def test_a_threshold_that_no_bias_exceeds(tmp_path: Path) -> None:
    # the neuron that fires in every step then has a threshold of its own
    network = braille_like(3)
    hidden = network.population("hidden")
    high = Population.of("hidden", "lif", 38, **lif_parameters(1000, 200, 100_000))
    network = replace(network, populations=(high, network.population("output")))
    summary = write_netx(network, tmp_path / "a.net", **CHANNEL)
    read = read_netx(summary.path).network
    assert read.populations[0].named()["vth"].tolist() == [100_000 << 6] * hidden.size + [0]
    x = np.zeros((STEPS, 12), np.int64)
    assert spikes_of(read, summary.input(x)).spikes["layer/0"][..., 38].all()


# ---------------------------------------------------------------- quantized networks, compiled folders


def quantized(seed: int = 1) -> QuantizedNetwork:
    """Two recurrent layers of 'lif' at a scale whose numbers netx has, and a readout; biases on current and v."""
    qnet = random_quantized("lif", seed, "loihi2", hidden=(9, 6), params={"subtract": 0.0})
    for layer in qnet.layers[:-1]:
        assert layer.recurrent is not None
        coarser = layer.input.exponent - 1
        layer.input.exponent, layer.recurrent.exponent = 1, layer.recurrent.exponent - coarser
        for name in ("vth", "bias"):
            row = layer.per_neuron[layer.model.fixed_per_neuron.index(name)]
            row[...] = row >> (coarser + 6) << 6
    return qnet


def test_a_readout_stays_outside_and_computes_the_same(tmp_path: Path) -> None:
    qnet = quantized()
    with pytest.raises(InputError, match=r"population 'readout': neuron 'li' is a readout, .*; readout=\"outside\""):
        write_netx(qnet, tmp_path / "a.net", always_on="channel")
    options = {"always_on": "channel", "readout": "outside"}
    manifest = compile_network(qnet, target="netx", out=tmp_path, **options).manifest
    assert set(manifest["files"]) == {"netx.json", "network.net", "readout.h5", "run_netx.py"}
    assert manifest["options"] == options
    said = json.loads((tmp_path / "netx.json").read_text())
    assert manifest["netx"] == said
    x = random_spikes(1, 1, STEPS, qnet.inputs)
    expected = simulate(qnet, x, record=("spikes", "u"))
    fed = np.pad(x[0].astype(np.int64), ((0, said["tail"]), (0, 0)))
    fed = np.pad(fed, ((0, 0), (0, len(said["channels"]))), constant_values=1)
    inside = spikes_of(read_netx(tmp_path / "network.net").network, fed)
    last = inside.spikes[said["layers"]["layers.1"]][:, :, : said["neurons"]["layers.1"]]
    assert last.any()
    outside = simulate(IntegerNetwork.load(tmp_path / "readout.h5"), last.transpose(1, 0, 2))
    assert said["readout_outside"] == ["readout"]
    assert np.array_equal(outside.readout[:, said["tail"] :], expected.readout)


def test_the_summary_says_what_to_send(tmp_path: Path) -> None:
    summary = write_netx(braille_like(0), tmp_path / "a.net", **CHANNEL)
    assert (summary.inputs, summary.channels, summary.helpers, summary.tail) == (13, (12,), {"hidden": (38,)}, 0)
    text = "\n".join(summary.lines())
    assert "input channel 12 has to be 1 in every step" in text
    assert "neuron 38 of layer/0 fires in every step" in text
    assert summary.input(np.zeros((5, 12), np.int8)).tolist() == [[0] * 12 + [1]] * 5
    with pytest.raises(InputError, match=r"input of shape \(5, 13\), rule: \(…, 12\)"):
        summary.input(np.zeros((5, 13)))
    one = Population.of("a", "lif", 1, **lif_parameters(100, 100, 10))
    graded = IntegerNetwork(2, (one,), (Synapses(INPUT, "a", np.array([[3, -3]]), message_bits=7),))
    found = write_netx(graded, tmp_path / "b.net")
    assert (found.message_bits, found.largest_input) == (7, ((1 << 31) - 1) // 512)
    assert "input_message_bits=7" in "\n".join(found.lines())
    read = read_netx(tmp_path / "b.net", input_message_bits=7).network
    assert normal_form(read) == normal_form(graded)


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a.net", "b.net"):
        write_netx(braille_like(0), tmp_path / name, **CHANNEL)
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.net").read_bytes()


def test_constant_currents_go_up_through_recurrent_layers(tmp_path: Path) -> None:
    # lines from the input, as late as the layers run behind: each helper starts a step after that of the layer below
    rng = np.random.default_rng(4)
    sizes = (6, 5, 4)
    populations, synapses, below = [], [], (INPUT, 3)
    for i, n in enumerate(sizes):
        p = Population.of(f"p{i}", "lif", n, **lif_parameters(600, 200, 300))
        synapses += [
            Synapses(below[0], p.name, rng.integers(-60, 90, (n, below[1]))),
            Synapses(p.name, p.name, rng.integers(-60, 60, (n, n))),
            Synapses(INPUT, p.name, np.zeros((n, 3), int), delays=i, always_on=rng.integers(5, 60, n)),
        ]
        populations.append(p)
        below = p.name, n
    network = IntegerNetwork(3, tuple(populations), tuple(synapses))
    summary = write_netx(network, tmp_path / "a.net", **CHANNEL)
    assert (summary.channels, summary.helpers) == ((3,), {"p0": (6,), "p1": (5,)})
    x = (rng.random((STEPS, 3)) < 0.3).astype(np.int64)
    ours, theirs = spikes_of(network, x), spikes_of(read_netx(summary.path).network, summary.input(x))
    for i, n in enumerate(sizes):
        assert 0 < ours.spikes[f"p{i}"].mean() < 1
        assert np.array_equal(ours.spikes[f"p{i}"], theirs.spikes[f"layer/{i}"][..., :n])
        for state in ("u", "v"):
            assert np.array_equal(ours.states[f"p{i}"][state], theirs.states[f"layer/{i}"][state][..., :n])
    starts = [int(np.argmax(theirs.spikes[f"layer/{i}"][:, 0, n])) for i, n in enumerate(sizes[:2])]
    assert starts == [1, 2]


def braille(shared_data: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    """The NIR paper's recurrent network in numbers that netx has, biases on the current; samples and their classes."""
    from hypr_neuro.exchange.nir import import_nir
    from hypr_neuro.quantizing.graph_quantize import quantize_graph

    graph = import_nir(shared_data / "nir_paper/03_rnn/braille_noDelay_bias_zero.nir", dt=1e-4, reset="zero").graph
    with np.load(shared_data / "braille" / "braille_7class.npz") as file:
        x, classes = np.unpackbits(file["x"], axis=1).astype(np.int8), file["y"]
    profile = varied("loihi2", precision__weight_exponent_min=0, precision__weight_exponent_max=1)
    options = {"weight_groups": 1, "largest_weight": 0.7}
    return quantize_graph(graph, profile, calibration=x[:64].astype(np.float64), **options), x, classes


def test_the_braille_network_keeps_its_accuracy(shared_data: Path, tmp_path: Path) -> None:
    # 96.4 % in float
    network, x, classes = braille(shared_data)
    summary = write_netx(network, tmp_path / "a.net", **CHANNEL)
    assert (summary.inputs, summary.channels, summary.helpers) == (13, (12,), {"lif1.lif": (38,)})
    fed = summary.input(np.pad(x, ((0, 0), (0, summary.tail), (0, 0))))
    spikes = simulate(read_netx(summary.path), fed, record=("spikes",)).spikes
    expected = simulate(network, x, record=("spikes",)).spikes
    for name, group in summary.layers.items():
        assert np.array_equal(spikes[group][..., : summary.neurons[name]], expected[name])
    assert np.mean(spikes["layer/1"].sum(axis=0).argmax(axis=1) == classes) > 0.945


# ---------------------------------------------------------------- lava-dl itself


def truth_cases(folder: Path) -> dict[str, tuple[IntegerNetwork, NetxSummary]]:
    cases = {f"seed {seed}": writable(seed, folder) for seed in range(14)}
    for seed in range(2):
        network = braille_like(seed)
        cases[f"13-39-7, seed {seed}"] = network, write_netx(network, folder / f"braille{seed}.net", **CHANNEL)
    return cases


@needs_lava_dl
def test_lava_dl_runs_the_file_with_the_simulators_numbers(tmp_path: Path) -> None:
    cases, jobs, traces = truth_cases(tmp_path), {}, {}
    for i, (name, (network, summary)) in enumerate(cases.items()):
        x = (np.random.default_rng([i, 23]).random((STEPS, network.inputs)) < 0.3).astype(np.int64)
        traces[name] = spikes_of(network, x)
        jobs[name] = {"path": summary.path, "steps": STEPS, "names": list(summary.layers), "x": summary.input(x).T}
    met: set[Any] = set()
    fired = 0
    for name, theirs in ask(tmp_path, jobs).items():
        network, summary = cases[name]
        for p in network.populations:
            spikes = traces[name].spikes[p.name][:, 0]
            fired += bool(0 < spikes.mean() < 1)
            assert np.array_equal(theirs[f"{p.name}/spikes"][:, : p.size], spikes), f"{name}, {p.name}"
            for state in STATES[p.model.name]:
                found = traces[name].states[p.name][state][:, 0]
                if state == "v":  # ours is v before the reset, Lava's after it
                    found = np.where(spikes != 0, 0, found)
                assert np.array_equal(theirs[f"{p.name}/{LAVA_NAMES[state]}"][:, : p.size], found), f"{name}, {p.name}"
            if p.name in summary.helpers:
                assert theirs[f"{p.name}/spikes"][len(network.populations) :, p.size :].all(), name
            met |= {p.model.name, "helper" if p.name in summary.helpers else ""}
        met |= {"channel" if summary.channels else ""}
        met |= {"recurrent" for c in network.synapses if c.source == c.target}
        met |= {"delays" for c in network.synapses if not isinstance(c.delays, int)}
    assert met >= {"lif", "rf", "rf_iz", "helper", "channel", "recurrent", "delays"}
    assert fired >= len(cases)


@needs_lava_dl
def test_lava_dl_runs_the_braille_network(shared_data: Path, tmp_path: Path) -> None:
    network, x, _ = braille(shared_data)
    summary = write_netx(network, tmp_path / "a.net", **CHANNEL)
    steps, chosen = x.shape[1], [0, 500, 1000]
    jobs = {
        str(i): {"path": summary.path, "steps": steps, "names": list(summary.layers), "x": summary.input(x[i]).T}
        for i in chosen
    }
    expected = simulate(network, x[chosen], record=("spikes",)).spikes
    for k, theirs in enumerate(ask(tmp_path, jobs).values()):
        for name, n in summary.neurons.items():
            assert expected[name][:steps, k].any()
            assert np.array_equal(theirs[f"{name}/spikes"][:, :n], expected[name][:steps, k]), name


@needs_lava_dl
def test_the_compiled_folders_script_gives_the_spikes(tmp_path: Path) -> None:
    qnet = quantized()
    compile_network(qnet, target="netx", out=tmp_path, always_on="channel", readout="outside")
    x = random_spikes(1, 1, STEPS, qnet.inputs)
    np.save(tmp_path / "x.npy", x[0])
    command = [sys.executable, str(tmp_path / "run_netx.py"), "x.npy", "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    expected = simulate(qnet, x, record=("spikes",)).spikes
    with np.load(tmp_path / "out.npz") as out:
        assert sorted(out.files) == ["layers.0", "layers.1"]
        for name in out.files:
            assert expected[name].any()
            assert np.array_equal(out[name], expected[name][:, 0]), name


def test_the_compiled_folders_script_refuses_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compile_network(braille_like(0), target="netx", out=tmp_path, **CHANNEL)
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "run_netx.py"

    def refused(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(script), run_name="__main__")
        told = capsys.readouterr()
        assert (end.value.code, told.out, told.err.count("\n")) == (2, "", 1)
        return told.err

    for name, x in {"x": np.ones((4, 12), int), "wide": np.zeros((4, 13), int), "large": np.full((4, 12), 2)}.items():
        np.save(f"{name}.npy", x)
    assert refused() == refused("x.npy") == "usage: python run_netx.py x.npy out.npz\n"
    for name, why in (("none", "No such file"), ("wide", "int64 of shape (4, 13)"), ("large", "values 2..2")):
        line = refused(f"{name}.npy", "out.npz")
        assert why in line
        assert "rule: .npy with one sample of integers, (T, 12), up to 1 in magnitude" in line
    assert "folder of 'no/out.npz' does not exist" in refused("x.npy", "no/out.npz")
    for package in ("lava.lib.dl", "numpy"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            assert "; Python 3.10: pip install lava-dl==0.6.0" in refused("x.npy", "out.npz")
    (tmp_path / "network.net").unlink()
    assert "network.net'; compile the network again" in refused("x.npy", "out.npz")


LOADED = """
import sys
from pathlib import Path
from lava.lib.dl import netx
from hypr_neuro.compilers.lava.from_lava import from_lava

for path in sorted(Path(sys.argv[1]).glob("*.net")):
    from_lava(netx.hdf5.Network(str(path))).network.save(path.with_suffix(".h5"))
"""


@needs_lava_dl
def test_lava_dls_processes_hold_what_the_reader_says(tmp_path: Path) -> None:
    cases = truth_cases(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", LOADED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    for name, (_, summary) in cases.items():
        found = IntegerNetwork.load(summary.path.with_suffix(".h5"))
        assert normal_form(found) == normal_form(read_netx(summary.path).network), name

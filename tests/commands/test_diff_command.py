"""`hypr-neuro simulate --trace` and `hypr-neuro diff`: what they print, exit codes, bad files.

As a program where output and exit code are shown, otherwise in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import ENVIRONMENT, called, program
from needed import needs_lava

from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.traces.trace import Trace


def refusal(*arguments: str | Path) -> str:
    """The one line that a command prints to refuse bad input; exit code 2, nothing on standard output."""
    done = called(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("hypr-neuro: error:")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """A narrow terminal, for programs and for what is called here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "60")
        patch.setitem(ENVIRONMENT, "COLUMNS", "60")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float network, its integers, data, and traces of both: network.h5, quantized.h5, data.npz, float.h5, sim.h5."""
    path = tmp_path_factory.mktemp("diff")
    net = random_network("lif", 3, hidden=(6, 5), bias=False)
    x = random_spikes(3, 20, 30, 4)
    net.save(path / "network.h5")
    quantize(net, "loihi2", calibration=x).save(path / "quantized.h5")
    y = np.arange(20) % 3
    np.savez(path / "data.npz", x_train=x[:12], y_train=y[:12], x_test=x[12:], y_test=y[12:])
    for name, out in (("network", "float"), ("quantized", "sim")):
        done = called("simulate", path / f"{name}.h5", "--data", path / "data.npz", "--trace", path / f"{out}.h5")
        assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def altered(folder: Path) -> Path:
    """The integer trace with one state, 5 steps later one spike, and one readout value changed."""
    trace = Trace.load(folder / "sim.h5")
    trace.states["layers.1"]["u"][12, 3, 4] += 1
    trace.spikes["layers.0"][17, 3, 2] ^= 1
    trace.readout[5, 25, 1] -= 100
    trace.save(folder / "altered.h5")
    return folder / "altered.h5"


def test_simulate_writes_spikes_states_input_and_origin(folder: Path) -> None:
    fixed, real = Trace.load(folder / "sim.h5"), Trace.load(folder / "float.h5")
    for trace, device, late in ((fixed, "sim", 3), (real, "float", 0)):
        assert trace.origin.device == device
        assert {layer: list(kept) for layer, kept in trace.states.items()} == {
            "layers.0": ["u", "v"],
            "layers.1": ["u", "v"],
            "readout": ["u"],
        }
        assert [spikes.shape for spikes in trace.spikes.values()] == [(30 + late, 8, 6), (30 + late, 8, 5)]
        assert np.array_equal(trace.input, np.load(folder / "data.npz")["x_test"])


def test_a_float_network_is_simulated_in_float(folder: Path) -> None:
    done = called("simulate", folder / "network.h5", "--data", folder / "data.npz", "--json")
    found = json.loads(done.stdout)
    assert (found["device"], found["samples"]) == ("float", 8)
    both = called(
        "simulate", folder / "quantized.h5", "--network", folder / "network.h5", "--data", folder / "data.npz", "--json"
    )
    integers = json.loads(both.stdout)
    assert found["accuracy"] == integers["float_accuracy"]
    assert set(found["rates"]) == {"layers.0", "layers.1"}
    assert integers["float_rates"] == found["rates"]
    spikes = Trace.load(folder / "sim.h5").spikes
    in_float_time = {"layers.0": spikes["layers.0"][1:31], "layers.1": spikes["layers.1"][2:32]}
    assert integers["rates"] == {name: z.mean() for name, z in in_float_time.items()}
    assert any(z.mean() != spikes[name].mean() for name, z in in_float_time.items())


def test_a_trace_keeps_the_spikes_that_were_asked_for(folder: Path, tmp_path: Path) -> None:
    command = ["simulate", folder / "quantized.h5", "--data", folder / "data.npz", "--trace", tmp_path / "some.h5"]
    called(*command, "--record", "u", "--record", "layers.1/spikes")
    assert list(Trace.load(tmp_path / "some.h5").spikes) == ["layers.1"]
    called(*command, "--record", "u")
    assert Trace.load(tmp_path / "some.h5").spikes == {}


def test_equal_traces_give_exit_code_0(folder: Path) -> None:
    done = program("diff", folder / "sim.h5", folder / "sim.h5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "equal: layers.0 u, v, spikes; layers.1 u, v, spikes; readout u, output\n"


def test_the_table_says_where_and_how_many(folder: Path, altered: Path) -> None:
    done = program("diff", folder / "sim.h5", altered)
    assert (done.returncode, done.stderr) == (1, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    ours, theirs = Trace.load(folder / "sim.h5"), Trace.load(altered)
    u, output = ours.states["layers.1"]["u"], ours.readout
    assert lines[0] == "3 of 8 arrays differ; steps in device time"
    assert lines[2] == f"layers.1 u 12 3 4 {u[12, 3, 4]} {u[12, 3, 4] + 1} 1 of {u.size}"
    assert lines[3].startswith("layers.0 spikes 17 3 2 ")
    assert lines[4] == f"readout output 28 5 1 {output[5, 25, 1]} {output[5, 25, 1] - 100} 1 of {output.size}"
    at = lines.index("layers.1, neuron 4, sample 3; steps in device time")
    assert lines[at + 1] == "what step 9 10 11 12 13 14 15"
    for side, trace in (("expected", ours), ("got", theirs)):
        at += 1
        assert lines[at + 1] == " ".join(["u", side, *map(str, trace.states["layers.1"]["u"][9:16, 3, 4])])
    at = lines.index("spikes that arrive in the step of the first difference")
    fired = " ".join(str(i) for i in np.flatnonzero(ours.spikes["layers.0"][11, 3])) or "none"
    assert lines[at + 2] == f"layers.0 11 {fired} none none"


def test_json_holds_the_same(folder: Path, altered: Path) -> None:
    done = called("diff", folder / "sim.h5", altered, "--json", "--window", "1")
    found = json.loads(done.stdout)
    assert (done.returncode, found["equal"], found["time"]) == (1, False, "device")
    assert {k: found["first"][k] for k in ("layer", "what", "step", "sample", "neuron", "differing")} == {
        "layer": "layers.1",
        "what": "u",
        "step": 12,
        "sample": 3,
        "neuron": 4,
        "differing": 1,
    }
    assert found["first"] == found["differences"][0]
    assert [d["layer"] for d in found["differences"]] == ["layers.1", "layers.0", "readout"]
    assert found["window"]["steps"] == [11, 12, 13]


def test_float_and_integers_are_compared_by_spikes_or_within_a_tolerance(folder: Path) -> None:
    measured = called("diff", folder / "float.h5", folder / "sim.h5", "--json")
    found = json.loads(measured.stdout)
    assert found["time"] == "float"
    assert measured.returncode == (0 if found["equal"] else 1)
    assert {d["what"] for d in found["differences"]} <= {"spikes"}
    assert 0 < max(d["share"] for d in found["deviations"]) < 0.05, "weights have 8 bits"
    strict = called("diff", folder / "float.h5", folder / "sim.h5", "--tolerance", "1e-9")
    assert strict.returncode == 1
    assert "largest deviation before the sample's first different spike" in strict.stdout


@needs_lava
def test_lava_gives_the_simulators_trace(folder: Path) -> None:
    options = ["--device", "lava", "--samples", "2", "--trace", folder / "lava.h5"]
    made = program("simulate", folder / "quantized.h5", "--data", folder / "data.npz", *options)
    assert made.returncode == 0, made.stderr
    done = called("diff", folder / "sim.h5", folder / "lava.h5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "note: sample 2, 3, 4, 5, … (6 in all) only in the expected trace",
        "equal: layers.0 u, v, spikes; layers.1 u, v, spikes; readout u, output",
    ]


def test_record_chooses_what_the_trace_keeps(folder: Path, tmp_path: Path) -> None:
    command = ["simulate", folder / "quantized.h5", "--data", folder / "data.npz"]
    done = called(*command, "--record", "v", "--record", "spikes", "--trace", tmp_path / "v.h5")
    assert done.returncode == 0, done.stderr
    trace = Trace.load(tmp_path / "v.h5")
    assert ({k: list(v) for k, v in trace.states.items()}, list(trace.spikes)) == (
        {"layers.0": ["v"], "layers.1": ["v"]},
        ["layers.0", "layers.1"],
    )
    assert "--trace FILE" in refusal(*command, "--record", "v")
    assert "record: unknown 'w'" in refusal(*command, "--record", "w", "--trace", tmp_path / "w.h5")


def test_options_that_do_not_go_together_are_refused(folder: Path, tmp_path: Path) -> None:
    command = ["simulate", folder / "network.h5", "--data", folder / "data.npz"]
    assert "quantize it first" in refusal(*command, "--device", "lava")
    assert "quantize it first" in refusal(*command, "--network", folder / "network.h5")
    assert "does not exist; create it first" in refusal(*command, "--trace", tmp_path / "no" / "t.h5")
    assert "leave it out" in refusal("diff", folder / "sim.h5", folder / "sim.h5", "--tolerance", "0.1")


def test_bad_files_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    good, cut = folder / "sim.h5", tmp_path / "cut.h5"
    cut.write_bytes(good.read_bytes()[:2000])
    cases: list[tuple[Path, tuple[str, ...]]] = [
        (cut, ("cut.h5", "truncated")),
        (tmp_path / "gone.h5", ("gone.h5", "does not exist")),
        (folder / "quantized.h5", ("quantized.h5", "holds 'hypr-neuro quantized network'")),
    ]
    for path, words in cases:
        line = refusal("diff", good, path)
        assert all(word in line for word in (*words, "simulate NETWORK --trace FILE")), line
    assert "cut.h5" in refusal("diff", cut, good)
    assert "sim.h5" in refusal("simulate", good, "--data", folder / "data.npz")


def test_traces_that_do_not_go_together_are_refused(folder: Path, tmp_path: Path) -> None:
    train = ["--data", folder / "data.npz", "--part", "train", "--trace", tmp_path / "train.h5"]
    done: Any = called("simulate", folder / "quantized.h5", *train)
    assert done.returncode == 0, done.stderr
    assert "traces of different input: sample 0, step 0, channel" in refusal(
        "diff", folder / "sim.h5", tmp_path / "train.h5"
    )


# --- NIR's data format, and devices


def test_traces_in_nirs_data_format(folder: Path, altered: Path, tmp_path: Path) -> None:
    line = ("simulate", folder / "quantized.h5", "--data", folder / "data.npz", "--trace")
    assert called(*line, tmp_path / "sim.nir").returncode == 0
    done = called("diff", folder / "sim.h5", tmp_path / "sim.nir")
    assert done.returncode == 0, done.stderr
    assert "equal: layers.0 u, v, spikes; layers.1 u, v, spikes; readout u, output" in done.stdout
    first = json.loads(called("diff", tmp_path / "sim.nir", altered, "--json").stdout)["first"]
    assert [first[key] for key in ("layer", "what", "step", "sample", "neuron")] == ["layers.1", "u", 12, 3, 4]


def test_recorded_input_is_run(folder: Path, tmp_path: Path) -> None:
    import nir

    x = np.load(folder / "data.npz")["x_test"]
    events = nir.TimeGriddedData(x.astype(bool), 1e-3).to_event(1000)
    nir.write_data(tmp_path / "x.nir", nir.NIRGraphData({"input": nir.NIRNodeData({"spikes": events})}))
    out = ("--trace", tmp_path / "a.h5", "--predictions", tmp_path / "a.csv")
    done = called("simulate", folder / "quantized.h5", "--data", tmp_path / "x.nir", *out)
    assert done.returncode == 0, done.stderr
    assert called("diff", folder / "sim.h5", tmp_path / "a.h5").returncode == 0


def test_two_devices_on_one_network(folder: Path) -> None:
    line = ("diff", folder / "quantized.h5", "--data", folder / "data.npz", "--device", "sim", "--samples", "3")
    done = called(*line, "--device", "sim", "--json")
    assert done.returncode == 0, done.stderr
    assert ["layers.0", "spikes"] in json.loads(done.stdout)["equal_arrays"]


@needs_lava
def test_the_simulator_and_lava_on_one_network(folder: Path) -> None:
    line = ("diff", folder / "quantized.h5", "--data", folder / "data.npz", "--samples", "2")
    done = called(*line, "--device", "sim", "--device", "lava")
    assert (done.returncode, "equal: layers.0 u, v, spikes" in done.stdout) == (0, True), done.stderr


def test_options_that_do_not_go_together(folder: Path) -> None:
    trace, net = folder / "sim.h5", folder / "quantized.h5"
    assert "one trace is given" in refusal("diff", trace)
    assert "give --device twice" in refusal("diff", trace, trace, "--samples", "3")
    assert "leave out the second file" in refusal("diff", net, trace, "--device", "sim", "--device", "sim")
    assert "rule: two devices" in refusal("diff", net, "--device", "sim")
    assert "--dt is for traces in files" in refusal("diff", net, "--device", "sim", "--device", "sim", "--dt", "1")

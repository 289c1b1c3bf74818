"""From a file of another program to integers and to every target, on the command line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from commands import answer as answer_of
from commands import called
from commands import refusal as refusal_of
from foreign_graphs import CHANNELS, CLASSES, DT, foreign_graph

import hypr_neuro as hn
from hypr_neuro.neurons.lif import lif_parameters

answer, refusal = partial(answer_of, run=called), partial(refusal_of, run=called)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "net.nir"
    nir.write(path, foreign_graph())
    return path


@pytest.fixture(scope="module")
def quantized(foreign: Path, data: Path) -> Path:
    imported = answer("import", foreign, "--dt", DT, "--reset", "zero", "--out", foreign.parent)
    assert Path(imported["file"]).name == "network.h5"
    assert answer("quantize", imported["file"], "--data", data, "--out", foreign.parent)["record"]
    return foreign.parent / "quantized.h5"


def test_what_nir_leaves_open_is_printed_and_asked_for(foreign: Path, tmp_path: Path) -> None:
    line = refusal("import", foreign, "--reset", "zero", "--out", tmp_path / "a")
    assert "dt" in line
    assert not (tmp_path / "a").exists()
    done = called("import", foreign, "--dt", DT, "--reset", "zero", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    for choice in ("dt = 0.001", "reset = zero", "integrator = euler", "order = current_first", "recurrent_delay = 1"):
        assert choice in done.stdout, done.stdout


def test_a_graph_in_float_and_integers(quantized: Path, data: Path, tmp_path: Path) -> None:
    graph = quantized.with_name("network.h5")
    real = answer("simulate", graph, "--data", data, "--trace", tmp_path / "float.h5")
    fixed = answer("simulate", quantized, "--data", data, "--network", graph, "--trace", tmp_path / "integers.h5")
    assert fixed["float_accuracy"] == real["accuracy"]
    assert min(*fixed["rates"].values(), *real["rates"].values()) > 0.01
    compared = called("diff", tmp_path / "float.h5", tmp_path / "integers.h5", "--json")
    assert compared.returncode in (0, 1), compared.stderr
    assert "hidden" in compared.stdout
    assert "--out needs --network" in refusal("simulate", quantized, "--data", data, "--out", tmp_path)
    assert "holds a quantized network" in refusal("simulate", quantized, "--data", data, "--network", quantized)


def test_a_graph_is_compared_and_reported(quantized: Path, data: Path, tmp_path: Path) -> None:
    graph, out = quantized.with_name("network.h5"), tmp_path / "run"
    answer("quantize", graph, "--data", data, "--out", out)
    answer("simulate", out / "quantized.h5", "--data", data, "--network", graph, "--out", out)
    learns = hn.QuantizedNetwork.load(out / "quantized.h5").connection_names()[0]
    words = ("compare", graph, out / "quantized.h5", "--data", data, "--epochs", "1", "--rate", "0.2", "--out", out)
    everything = answer(*words)
    last = everything["epochs"][-1]
    assert last["cosine"].keys() == last["hypr_cosine"].keys() == last["bptt_cosine"].keys()
    assert set(everything["connections"]) >= set(last["cosine"])
    assert answer(*words, "--layer", learns)["epochs"][-1]["cosine"].keys() == {learns}
    sections = answer("report", out)["sections"]
    assert {"data", "network", "quantization", "accuracy", "raster", "learning", "commands"} <= set(sections)
    assert "Equal spikes of float and integers" in (out / "report.html").read_text()
    assert f"--layer '{learns}'" in json.loads((out / "report.json").read_text())["commands"][-1]


def test_a_graph_goes_through_nir(quantized: Path, data: Path, tmp_path: Path) -> None:
    graph = quantized.with_name("network.h5")
    written = answer("export", graph, "--out", tmp_path / "ours.nir")
    assert written["read_back"] == "equal"
    again = answer("import", tmp_path / "ours.nir", "--out", tmp_path)
    assert hn.Network.load(again["file"]).digest() == hn.Network.load(graph).digest()
    here, there = (answer("simulate", path, "--data", data) for path in (graph, tmp_path / "ours.nir"))
    assert here == there
    assert answer("export", quantized, "--out", tmp_path / "q.nir")["read_back"] == "equal"
    integers = answer("import", tmp_path / "q.nir", "--out", tmp_path)
    assert Path(integers["file"]).name == "quantized.h5"
    one, other = (hn.QuantizedNetwork.load(path) for path in (quantized, integers["file"]))
    assert other.integer().digest() == one.integer().digest()
    simulated = [answer("simulate", path, "--data", data) for path in (quantized, tmp_path / "q.nir")]
    assert simulated[0] == simulated[1]


def test_no_command_writes_over_what_it_reads(quantized: Path, data: Path, tmp_path: Path) -> None:
    graph, given = quantized.with_name("network.h5"), ("--data", data)
    link = tmp_path / "link.h5"
    link.symlink_to(quantized)
    before = [path.read_bytes() for path in (quantized, graph)]
    for words in (
        ("simulate", quantized, *given, "--trace", quantized),
        ("simulate", quantized, *given, "--trace", link),
        ("simulate", quantized, *given, "--network", graph, "--trace", graph),
        ("export", graph, "--out", graph),
    ):
        assert "would be overwritten" in refusal(*words)
    (tmp_path / "quantized.h5").write_bytes(graph.read_bytes())
    assert "would be overwritten" in refusal("quantize", tmp_path / "quantized.h5", *given)
    assert before == [path.read_bytes() for path in (quantized, graph)]


@pytest.mark.parametrize("target", ["c", "lava"])
def test_a_graph_for_targets(target: str, quantized: Path, tmp_path: Path) -> None:
    manifest = answer("compile", quantized, "--target", target, "--out", tmp_path)
    assert manifest["target"] == target
    assert manifest["inputs"]["network"] == hn.QuantizedNetwork.load(quantized).integer().digest()
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == {
        *manifest["files"],
        "manifest.json",
    }
    assert json.loads((tmp_path / "manifest.json").read_text())["files"] == manifest["files"]


def test_a_graph_for_netx(quantized: Path, data: Path, tmp_path: Path) -> None:
    graph = quantized.with_name("network.h5")
    answer("quantize", graph, "--target", "netx", "--data", data, "--out", tmp_path)
    assert answer("compile", tmp_path / "quantized.h5", "--target", "netx", "--out", tmp_path / "netx")["netx"]
    read = answer("import", tmp_path / "netx" / "network.net", "--out", tmp_path / "read")
    x = np.load(data)["x_test"][:4]
    expected = hn.simulate(hn.QuantizedNetwork.load(tmp_path / "quantized.h5").integer(), x, record=("spikes",)).spikes
    found = hn.simulate(hn.IntegerNetwork.load(read["file"]), x, record=("spikes",)).spikes
    assert [a.sum() > 0 for a in expected.values()] == [True, True]
    for a, b in zip(expected.values(), found.values(), strict=True):
        assert np.array_equal(a, b[..., : a.shape[-1]])


def test_layers_become_a_graph_for_more_groups(data: Path, tmp_path: Path) -> None:
    net = hn.Network.build({"inputs": CHANNELS, "outputs": CLASSES, "layers": [{"neuron": "lif", "size": 4}]}, seed=0)
    net.save(tmp_path / "network.h5")
    found = answer("quantize", tmp_path / "network.h5", "--data", data, "--weight-groups", "2", "--out", tmp_path)
    assert found["notes"] == []
    learned = answer("learn", found["file"], "--data", data, "--epochs", "1", "--out", tmp_path / "learned")
    assert learned["changes_of_weights"] > 0
    assert answer("simulate", found["file"], "--data", data, "--network", tmp_path / "network.h5")["float_accuracy"] > 0
    assert answer("compile", found["file"], "--learn", "rate=0.2", "--out", tmp_path / "c")["learning"]


def test_learning_in_c(data: Path, tmp_path: Path) -> None:
    net = hn.Network.build({"inputs": CHANNELS, "outputs": CLASSES, "layers": [{"neuron": "lif", "size": 4}]}, seed=0)
    net.save(tmp_path / "network.h5")
    quantized = answer("quantize", tmp_path / "network.h5", "--data", data, "--out", tmp_path)["file"]
    options = ("--learn", "rate=0.25", "--learn", "layers=readout,layers.0", "--learn", "update_every=2")
    found = answer("compile", quantized, "--out", tmp_path / "c", *options)
    assert found["learn"]["rate"] == 0.25
    assert {"learn.c", "learn.h", "network.c"} <= set(found["files"])
    for text, words in (
        ("rate=fast", "rule: a number, such as --learn rate=0.2"),
        ("speed=1", "known: rate, decay"),
        ("rule=none", "rule = 'none', known: "),
    ):
        assert words in refusal("compile", quantized, "--out", tmp_path / "d", "--learn", text)
    assert "no option 'always_on', known: learn" in refusal(
        "compile", quantized, "--always-on", "channel", "--out", tmp_path / "d"
    )
    assert not (tmp_path / "d").exists()


def test_bad_files_and_targets_leave_nothing(foreign: Path, quantized: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    damaged = tmp_path / "damaged.nir"
    damaged.write_bytes(foreign.read_bytes()[:-700])
    wrong = tmp_path / "wrong.nir"
    wrong.write_bytes(foreign.read_bytes())
    with h5py.File(wrong, "a") as file:
        file["node/nodes/hidden/tau_mem"][0] = np.nan
    text = tmp_path / "net.txt"
    text.write_text("no network")
    for file, words in ((damaged, "damaged.nir"), (wrong, "'hidden'"), (text, ".nir"), (tmp_path / "no.net", "no.net")):
        assert words in refusal(
            "import", file, *(("--dt", DT, "--reset", "zero") if file.suffix == ".nir" else ()), "--out", out
        )
    assert "'--target': 'fpga', known: " in refusal("compile", quantized, "--target", "fpga", "--out", out)
    assert "(compilers), not 'spinnaker2'" in refusal("compile", quantized, "--target", "spinnaker2", "--out", out)
    assert "holds floats" in refusal("compile", quantized.with_name("network.h5"), "--out", out)
    assert not out.exists()


def test_integers_get_a_profile_and_learn(data: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    network = hn.IntegerNetwork(
        CHANNELS,
        tuple(
            hn.Population.of(name, "lif", size, **lif_parameters(du=2000, dv=300, vth=200))
            for name, size in (("hidden", 9), ("classes", CLASSES))
        ),
        (
            hn.Synapses("input", "hidden", rng.integers(-40, 120, (9, CHANNELS))),
            hn.Synapses("hidden", "classes", rng.integers(-40, 120, (CLASSES, 9))),
        ),
        notes={"input": {"scale": 2, "offset": 0}},
    )
    network.save(tmp_path / "integer.h5")
    found = answer("quantize", tmp_path / "integer.h5", "--profile", "loihi2", "--out", tmp_path)
    assert {r["rule"] for r in found["record"] if r["name"] == "vth"} == {"integers as given"}
    bare, quantized = (answer("simulate", tmp_path / f"{name}.h5", "--data", data) for name in ("integer", "quantized"))
    assert bare["input"] == quantized["input"] == "2 · data + 0"
    assert bare["rates"]["hidden"] > 0
    before = hn.QuantizedNetwork.load(found["file"])
    learned = answer("learn", found["file"], "--data", data, "--epochs", "1", "--out", tmp_path / "learned")
    assert learned["changes_of_weights"] > 0
    after = hn.QuantizedNetwork.load(learned["network"])
    assert [p.per_neuron.tolist() for p in after.populations] == [p.per_neuron.tolist() for p in before.populations]
    line = refusal(
        "quantize", tmp_path / "integer.h5", "--profile", "loihi2", "--weight-groups", "2", "--out", tmp_path
    )
    assert "weight_groups: of float networks, rule: integers stay as they are; leave it out" in line
    assert "rule: hardware (precision.overflow)" in refusal(
        "quantize", tmp_path / "integer.h5", "--profile", "ideal", "--out", tmp_path
    )
    assert "is quantized already" in refusal("quantize", found["file"], "--out", tmp_path / "again")

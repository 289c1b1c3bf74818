"""NIR files that are damaged, changed or hostile: read as they were written, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from nir_networks import DT, Change, assert_equal, foreign_graph, li_node, put, small_net

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir import files, read_nir, to_graph
from hypr_neuro.files.store import SEAL_LENGTH


def refused(path: Path, match: str, error: type[InputError] = FileFormatError) -> str:
    with pytest.raises(error, match=match) as caught:
        read_nir(path, dt=DT, reset="zero")
    message = str(caught.value)
    assert message.startswith(f"file '{path}'")
    assert "\n" not in message
    return message


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    refused(tmp_path / "none.nir", "does not exist")
    refused(tmp_path, "is a folder; give the path of a NIR file")
    for name, content in (("empty", b""), ("text", b"Hello, NIR\n"), ("zeros", bytes(5000))):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "damaged or no HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(3)
    refused(tmp_path / "other.h5", "holds no NIR graph")
    nir.write(tmp_path / "node.nir", li_node(2))
    refused(tmp_path / "node.nir", "holds no NIR graph")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_files(share: float, own_file: Path, tmp_path: Path) -> None:
    content = own_file.read_bytes()
    (tmp_path / "cut.nir").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "cut.nir", "damaged or no HDF5 file")


def test_without_the_last_line_the_file_is_still_whole(own_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.nir").write_bytes(own_file.read_bytes()[:-SEAL_LENGTH])
    assert_equal(small_net(), read_nir(tmp_path / "cut.nir"))


def test_flipped_bytes_are_refused(own_file: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    """Also the ones in places that HDF5 does not use, and those on which HDF5 itself would crash."""
    content = own_file.read_bytes()
    path = tmp_path / "flipped.nir"
    for position in rng.integers(0, len(content) - SEAL_LENGTH, 200):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        refused(path, "does not match its sha256")
    for position in (-1, -2, -30, -70):  # in the seal itself
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        told = "sha256"  # a flip may also leave the file readable
        try:
            assert_equal(small_net(), read_nir(path))
        except FileFormatError as error:
            told = str(error)
        assert "sha256" in told


def all_arrays(graph: nir.NIRGraph) -> list[tuple[str, np.ndarray]]:
    """Every array of weights, neuron parameters and our metadata."""
    found = []
    for name, item in graph.nodes.items():
        for holder in (vars(item), item.metadata["hypr_neuro"].get("params", {})):
            found += [(f"{name}.{key}", value) for key, value in holder.items() if isinstance(value, np.ndarray)]
    return found


def test_each_altered_array_is_refused() -> None:
    names = [name for name, _ in all_arrays(to_graph(small_net())[0])]
    assert {
        "layers_0_from_input.weight",
        "layers_0.tau_syn",
        "layers_0.du",
        "readout_from_layers_0.bias",
        "readout.tau",
    } <= set(names)
    for k, name in enumerate(names):
        graph, _ = to_graph(small_net())
        array = all_arrays(graph)[k][1]
        array.reshape(-1).view(np.uint8)[0] ^= 1
        with pytest.raises(FileFormatError, match=r"does not match its sha256.*remove the metadata"):
            read_nir(graph)
        assert name


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda g: g.nodes["layers_0"].metadata["hypr_neuro"].update(neuron="brf"), "sha256"),
        (lambda g: g.nodes["layers_0"].metadata["hypr_neuro"].update(trainable="[]"), "sha256"),
        (lambda g: g.nodes["layers_0"].metadata["hypr_neuro"].update(more=np.ones(2)), "sha256"),
        (lambda g: g.nodes["layers_0"].metadata["hypr_neuro"].update(more=object()), "sha256"),
        (lambda g: g.nodes["layers_0"].metadata.clear(), "sha256"),
        (lambda g: g.nodes["input"].metadata["hypr_neuro"].update(dt=0.5), "sha256"),
        (lambda g: g.nodes["input"].metadata["hypr_neuro"].pop("sha256"), "sha256"),
        (lambda g: g.nodes["input"].metadata["hypr_neuro"].update(version=3), "version 3, this program reads 1 to 2"),
        (lambda g: g.nodes["input"].metadata.clear(), r"node 'input' \(Input\): metadata 'hypr_neuro' is missing"),
        (lambda g: g.nodes.pop("input"), "node 'input' is missing"),
        (lambda g: g.nodes.pop("layers_0_from_layers_0"), "sha256"),
        (lambda g: g.nodes.update(extra=nir.Linear(np.ones((1, 1)))), "sha256"),
        (lambda g: g.edges.pop(), "sha256"),
        (lambda g: g.edges.append(("layers_0", "output")), "sha256"),
    ],
)
def test_altered_metadata_is_refused(change: Change, match: str) -> None:
    graph, _ = to_graph(small_net())
    change(graph)
    with pytest.raises(FileFormatError, match=match):
        read_nir(graph)


def forged(change: Change) -> nir.NIRGraph:
    """A graph altered on purpose, sha256 and all."""
    from hypr_neuro.exchange.nir.nodes import graph_digest

    graph, _ = to_graph(small_net())
    change(graph)
    graph.nodes["input"].metadata["hypr_neuro"]["sha256"] = graph_digest(graph)
    return graph


def entry(name: str, **changes: Any) -> Change:
    return lambda graph: graph.nodes[name].metadata["hypr_neuro"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (entry("layers_0", neuron="quantum"), r"node 'layers_0' \(CubaLIF\): unknown neuron 'quantum'.*, known: "),
        (entry("layers_0", neuron=3), "is not what version 2 writes|unknown neuron"),
        (entry("layers_0", trainable='["mass"]'), r"node 'layers_0'.*unknown parameter 'mass'"),
        (entry("layers_0", trainable="[" * 100_000), "is not what version 2 writes"),
        (entry("layers_0", params={}), r"node 'layers_0'.*parameter 'bias' of neuron 'lif' is missing"),
        (entry("layers_0", params="none"), "parameter|is not what version 2 writes"),
        (entry("layers_0", biases={"0": np.ones(3)}), r"node 'layers_0'.*bias of shape \(3,\)"),
        (entry("layers_0", role="weight"), "role 'weight'"),
        (entry("layers_0", shape=np.array([2, 3])), r"node 'layers_0'.*shape \(2, 3\)"),
        (entry("input", populations="[]"), "unknown population|at least one"),
        (entry("input", populations='[["layers.0", "ghost"]]'), "node 'ghost' is missing"),
        (entry("input", synapses="many"), "is not what version 2 writes"),
        (entry("input", outputs='["x"]'), r"outputs \('x',\), rule: populations of the graph"),
        (entry("input", dt=-1.0), "dt = -1.0"),
        (entry("input", encoder="{"), "is not what version 2 writes"),
        (put("layers_0_from_input", "weight", np.full((4, 2), np.nan)), r"node 'layers_0_from_input'.*finite"),
        (put("layers_0_from_input", "weight", np.ones((5, 2))), r"input -> layers\.0: weights of shape \(5, 2\)"),
        (
            lambda g: g.nodes["layers_0"].metadata["hypr_neuro"]["params"]["du"].fill(7.0),
            r"node 'layers_0'.*du\[0\] = 7.0",
        ),
    ],
)
def test_forged_graphs_are_refused(change: Change, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_nir(forged(change))
    assert "\n" not in str(caught.value)


def third_party_file(path: Path) -> Path:
    nir.write(path, foreign_graph(4, True, "LI"))
    return path


def replace(file: h5py.File, path: str, value: Any) -> None:
    del file[path]
    file[path] = value


def cycle(file: h5py.File) -> None:
    file["node/nodes/lif/again"] = file["node/nodes"]


def bushy_cycle(file: h5py.File) -> None:
    for k in range(20):
        file[f"node/nodes/lif/a{k}"] = file["node/nodes/lif"]


def bomb(file: h5py.File) -> None:
    file.create_dataset("node/nodes/fc1/extra", shape=(10**6, 10**6), dtype="f8", chunks=(1000, 1000))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: replace(f, "node/nodes/lif/type", "Hologram"), r"node 'lif' \('Hologram'\): unknown to NIR"),
        (lambda f: replace(f, "node/nodes/lif/type", 7), "node 'lif' has no type"),
        (lambda f: f.__delitem__("node/nodes/lif/type"), "node 'lif' has no type"),
        (lambda f: replace(f, "node/nodes/lif", 7.0), "node 'lif' has no type"),
        (lambda f: f.__delitem__("node/nodes/lif/tau_mem"), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/nodes/lif/tau_mem", "slow"), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/nodes/lif/tau_mem", np.ones(5)), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/nodes/fc1/weight", np.ones(5)), r"node 'fc1' \(Affine\) cannot be built"),
        (lambda f: replace(f, "node/nodes/in/shape", "wide"), r"node 'in' \(Input\)"),
        (lambda f: f.__setitem__("node/nodes/lif/surprise", 1.0), r"node 'lif' \(CubaLIF\) cannot be built"),
        (lambda f: replace(f, "node/edges", "li -> out"), "node/edges is no list of pairs"),
        (lambda f: replace(f, "node/edges", 3), "node/edges is no list of pairs"),
        (lambda f: replace(f, "node/edges", np.ones((2, 2))), "node/edges is no list of pairs"),
        (lambda f: replace(f, "node/edges", [["in", "fc1", "lif"]]), "node/edges is no list of pairs"),
        (lambda f: f.__delitem__("node/edges"), "holds no NIR graph"),
        (lambda f: f.__delitem__("node"), "holds no NIR graph"),
        (lambda f: replace(f, "node/nodes/lif/r", h5py.SoftLink("/node/nodes/lif/tau_mem")), "link to elsewhere"),
        (lambda f: replace(f, "node/nodes/lif/r", h5py.ExternalLink("/etc/x.h5", "/r")), "link to elsewhere"),
        (lambda f: replace(f, "node/nodes/lif/r", h5py.Empty("f8")), "'/node/nodes/lif/r' holds no data"),
        (lambda f: f.__setitem__("node/nodes/lif/t", np.dtype("f8")), "'/node/nodes/lif/t' holds no data"),
        (cycle, "deeper than 48 levels, rule: no cycles, at most 16 graphs inside each other"),
        (bushy_cycle, "deeper than 48 levels|more than 100000 entries"),
        (bomb, "'/node/nodes/fc1/extra': the file declares more data than it can hold"),
    ],
)
def test_hostile_hdf5(damage: Callable[[h5py.File], Any], match: str, tmp_path: Path) -> None:
    path = third_party_file(tmp_path / "other.nir")
    with h5py.File(path, "r+") as file:
        damage(file)
    refused(path, match, InputError)


def test_a_file_that_crashes_hdf5_or_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = third_party_file(tmp_path / "other.nir")
    script = tmp_path / "child.py"
    monkeypatch.setattr(files, "SCRIPT", script)
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    refused(path, "HDF5 crashes on it")
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(files, "TRIAL_SECONDS", 0.5)
    refused(path, "HDF5 does not finish reading it")
    script.write_text("raise SystemExit(1)")  # an ordinary failure of the child is met again here, or is its own
    monkeypatch.setattr(files, "TRIAL_SECONDS", 30.0)
    assert read_nir(path, dt=DT, reset="zero").inputs == 12


def test_the_child_reads_the_same_tree(tmp_path: Path) -> None:
    """The trial must do what the reader does; here it is seen to fail on the same file."""
    import subprocess
    import sys

    path = third_party_file(tmp_path / "other.nir")
    run = [sys.executable, str(files.SCRIPT), str(path)]
    assert subprocess.run(run, check=False).returncode == 0
    with h5py.File(path, "r+") as file:
        cycle(file)
    assert b"deeper than 48 levels" in subprocess.run(run, check=False, stderr=subprocess.PIPE).stderr

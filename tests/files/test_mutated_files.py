"""Hundreds of mutated files: ours, netx files and checkpoints are refused by name, and so they are by the program.

What is read in spite of a change is what it was; no other exception ever comes, and the program leaves nothing behind.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from commands import Run, called, program
from mutated import ALIEN, DT, SAME, edited, entries, made, refusal, values

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.netx.neurons import UNUSED
from hypr_neuro.exchange.nir import read_nir, read_quantized_nir
from hypr_neuro.files.store import SEAL_LENGTH
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.testing.integer import random_integer_network
from hypr_neuro.testing.networks import random_network, random_quantized, random_spikes

Array = Any
Rng = np.random.Generator


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that HDF5 itself wrote, or refuses by their length, cannot crash it: no child process reads them first."""
    monkeypatch.setattr("hypr_neuro.exchange.nir.files.fault_in_child", lambda *_: "")


# ---------------------------------------------------------------- files of hypr-neuro


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """A file of each kind and its reader."""
    folder = tmp_path_factory.mktemp("own")
    net, graph = (
        random_network("lif", 1, hidden=(3,), inputs=2, outputs=2),
        hn.import_nir(made("recurrent"), dt=DT, reset="zero").graph,
    )
    qnet = random_quantized("lif", 1, "loihi2", hidden=(3,), inputs=2, outputs=2)
    qgraph = quantize_graph(graph, "loihi2", calibration=random_spikes(1, 2, 20, 2))
    for name, what in (("network", net), ("graph", graph), ("integers", qnet)):
        hn.write_nir(what, folder / f"{name}.nir")
    kinds: dict[str, Any] = {
        "network": net,
        "graph": graph,
        "quantized": qnet,
        "quantized_graph": qgraph,
        "integer": random_integer_network(5),
    }
    for name, what in kinds.items():
        what.save(folder / f"{name}.h5")
    readers = {"network.nir": read_nir, "graph.nir": hn.import_nir, "integers.nir": read_quantized_nir}
    readers |= {f"{name}.h5": type(what).load for name, what in kinds.items()}
    for name, read in readers.items():
        read(folder / name)
    return {name: (folder / name, read) for name, read in readers.items()}


OWN = [
    *(f"{name}.nir" for name in ("network", "graph", "integers")),
    *(f"{name}.h5" for name in ("network", "graph", "quantized", "quantized_graph", "integer")),
]


def damages(content: bytes, other: bytes, rng: Rng) -> Iterator[tuple[str, bytes]]:
    """Of a sealed file: bits flipped, bytes exchanged, cut, one file's head on another's tail, lengthened."""
    size = len(content) - SEAL_LENGTH
    for at in rng.integers(0, size, 14):
        yield f"flip {at}", content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
    numbers = np.frombuffer(content[: size - size % 8], np.uint64)
    for a, b in rng.permutation(np.unique(numbers, return_index=True)[1])[:16].reshape(-1, 2):
        swapped = numbers.copy()
        swapped[[a, b]] = swapped[[b, a]]
        yield f"exchange {a}, {b}", swapped.tobytes() + content[len(swapped) * 8 :]
    for at in rng.integers(0, size, 6):
        yield f"cut {at}", content[:at]
        yield f"splice {at}", content[:at] + other[-max(1, len(other) // 2) :]


@pytest.mark.usefixtures("no_trial")
@pytest.mark.parametrize("name", OWN)
def test_damaged_own_files_are_refused(name: str, own: dict[str, Any], tmp_path: Path) -> None:
    path, read = own[name]
    other = own[OWN[OWN.index(name) - 1]][0].read_bytes()
    for what, content in damages(path.read_bytes(), other, np.random.default_rng(OWN.index(name))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError, match=r"sha256|damaged|truncated") as raised:
            read(tmp_path / name)
        assert name in str(raised.value), what


def test_own_files_are_refused_by_the_readers_of_other_kinds(own: dict[str, Any]) -> None:
    for name, (path, _) in own.items():
        for other, (_, read) in own.items():
            if read == own[name][1] or (name.endswith(".nir") and other.endswith(".nir")):
                continue
            with pytest.raises(InputError, match=re.escape(name)):
                read(path)


# ---------------------------------------------------------------- netx files and checkpoints


def netx_layers(name: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    cuba = {"type": "CUBA", "iDecay": 1024, "vDecay": 400, "vThMant": 90, "refDelay": 1, "gradedSpike": False}
    weight = partial(rng.integers, -30, 40)
    dense = {"type": "dense", "shape": [4, 1, 1], "weight": weight((4, 60)), "neuron": cuba, "bias": weight(4)}
    if name == "image":
        conv = {
            "type": "conv",
            "shape": [3, 4, 5],
            "weight": weight((3, 2, 2, 2)),
            "neuron": cuba,
            "stride": [1, 1],
            "padding": [0, 0],
            "dilation": [1, 1],
            "groups": 1,
        }
        first = {"type": "input", "shape": [2, 5, 6], "neuron": cuba | {"iDecay": 4096}}
        return [first, conv, {"type": "flatten", "shape": [60, 1, 1]}, dense]
    rf = {"type": "RF_PHASE", "vThMant": 60, "sinDecay": np.array([1538, 900, 70]), "cosDecay": [1270, 3000, 3500]}
    loop = dense | {"type": "dense_rec", "weight": weight((4, 3)), "weight_rec": weight((4, 4))}
    both = {"real": weight((3, 4)), "imag": weight((3, 4))}
    return [loop, {"type": "dense", "shape": [3, 1, 1], "weight": both, "neuron": rf}]


@pytest.fixture(params=["image", "recurrent", "tiny"])
def netx_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "tiny":
        return Path(request.getfixturevalue("shared_data")) / "netx" / "tiny.net"

    def fill(group: h5py.Group, content: dict[str, Any]) -> None:
        for key, value in content.items():
            if isinstance(value, dict):
                fill(group.create_group(key), value)
            else:
                group[key] = value

    with h5py.File(tmp_path / "whole.net", "w") as file:
        for i, layer in enumerate(netx_layers(request.param)):
            fill(file.create_group(f"layer/{i}"), layer)
    return tmp_path / "whole.net"


NOT_NEEDED = (*UNUSED, "bias", "delay", "shape", "weight")
"""Entries that a layer of some type does without."""
UNREAD = ("theta", "tauRho", "scaleRho", "inFeatures", "outFeatures", "inChannels", "outChannels", "kernelSize")
"""Entries that change nothing."""
NO_NUMBERS = [np.nan, np.inf, 0.3, -(1 << 62), 1 << 40, 2.0 + 1j, np.zeros(0), np.zeros((2, 0)), np.zeros((1, 2) * 3)]


@pytest.mark.usefixtures("no_trial")
def test_entries_of_netx_files_are_refused_by_path(netx_file: Path, tmp_path: Path) -> None:
    rng, target, wanted = np.random.default_rng(5), tmp_path / "changed.net", hn.read_netx(netx_file)
    for entry in rng.permutation(entries(netx_file, "layer"))[:12]:
        with h5py.File(netx_file) as file:
            value = file[entry][()]
        bad = [(ALIEN + NO_NUMBERS)[i] for i in rng.permutation(len(ALIEN + NO_NUMBERS))[:4]]
        for other in bad + ([None] if entry.split("/")[-1] not in NOT_NEEDED else []):
            edited(netx_file, target, entry, other)
            line = refusal(lambda: hn.read_netx(target))
            if line is None:
                assert entry.split("/")[-1] in UNREAD, f"{entry} = {other!r} was read"
                assert hn.read_netx(target).network.digest() == wanted.network.digest()
            else:
                assert "changed.net" in line
                assert "layer" in line, line
        if getattr(value, "dtype", np.dtype("O")).kind in "if":
            for same_value in (value.astype(np.float64), value.astype(">i4"), np.asfortranarray(value)):
                edited(netx_file, target, entry, same_value)
                assert hn.read_netx(target).network.digest() == wanted.network.digest(), entry


def checkpoint(rng: Rng, neuron: str) -> dict[str, Array]:
    own = {"alif": ("tau_mem", "tau_adp"), "brf": ("omega", "b_offset")}[neuron]
    return {
        "hidden_linear_weight": rng.normal(size=(3, 5)),
        **{f"hidden_{k}": rng.uniform(1, 9, 3) for k in own},
        "out_linear_weight": rng.normal(size=(2, 3)),
        "out_tau_mem": rng.uniform(5, 20, 2),
    }


@pytest.mark.parametrize("neuron", ["alif", "brf"])
def test_mutated_checkpoints_are_refused_or_read_as_they_were(neuron: str, tmp_path: Path) -> None:
    rng, target = np.random.default_rng(6), tmp_path / "a.npz"
    arrays = checkpoint(rng, neuron)

    def contents() -> dict[str, bytes]:
        found = hn.import_file(target).network
        return {name: array.tobytes() for name, array in found.arrays().items()}

    np.savez(target, **arrays)
    whole, wanted = target.read_bytes(), contents()
    for name, array in arrays.items():
        for what, value, fate in values(array, rng):
            if (name, what) == ("hidden_linear_weight", "twice as long"):
                continue  # of a network with more inputs
            if not isinstance(value, np.ndarray) or value.dtype in ("f4", bool):
                continue  # no arrays, and numbers that float32 and bool change
            np.savez(target, **(arrays | {name: value}))
            line = refusal(contents)
            assert (line is None and fate == SAME) or "a.npz" in str(line), f"{name} {what}"
            assert line is not None or contents() == wanted
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        target.write_bytes(damaged)
        assert refusal(contents) is not None or contents() == wanted
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("out\n.npy", b"")
    assert "'out\\n.npy' is no array" in str(refusal(contents))


# ---------------------------------------------------------------- the command line


def damaged(kind: str, path: Path, k: int) -> list[str]:
    """Write such a file with its k-th fault; what else the command needs to be told."""
    whole = path.with_name("whole.nir")
    nir.write(whole, made("image"))
    if kind == "nir":
        edited(whole, path, "node/nodes/n5/v_threshold", ALIEN[k])
        return ["--dt", str(DT), "--reset", "zero"]
    if kind == "net":
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size // (k + 2)])
        return []
    arrays = checkpoint(np.random.default_rng(k), "brf")
    _, value, _ = list(values(np.ones(3), np.random.default_rng(k)))[k]
    np.savez(path, **(arrays | {sorted(arrays)[k % len(arrays)]: value}))
    return []


def refuse(run: Run, kind: str, k: int, folder: Path) -> None:
    path, out = folder / f"bad.{kind}", folder / "out"
    done = run("import", path, "--out", out, *damaged(kind, path, k))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("hypr-neuro: error: ")
    assert path.name in done.stderr
    assert not out.exists()


@pytest.mark.usefixtures("no_trial")
@pytest.mark.parametrize("kind", ["nir", "net", "npz"])
def test_the_command_line_refuses_on_one_line_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    for k in range(7):
        refuse(called, kind, k, tmp_path)


@pytest.mark.parametrize("kind", ["nir", "npz"])
def test_the_program_refuses_as_the_command_does(kind: str, tmp_path: Path) -> None:
    refuse(program, kind, 4, tmp_path)

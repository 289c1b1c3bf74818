"""Hundreds of mutated NIR graphs and files: each is refused by node or edge on one line, or read as what it was."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from mutated import ALIEN, DT, EITHER, MAKERS, REFUSED, SAME, Foreign, edited, entries, made, refusal, values

import hypr_neuro as hn
from hypr_neuro.exchange.nir.files import read_tree

CHOICES = {"dt": DT, "reset": "zero"}
SHAPES = ("Input", "Output", "Flatten")
NAMED = re.compile(r"node '|edge|connection|entry '| -> ")
"""What an error about a graph points at."""


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that HDF5 itself wrote, or refuses by their length, cannot crash it: no child process reads them first."""
    monkeypatch.setattr("hypr_neuro.exchange.nir.files.fault_in_child", lambda *_: "")


def imported(graph: Any) -> Any:
    return hn.import_nir(graph, **CHOICES)


def meaning(graph: Any) -> list[Any]:
    """All that decides what a Network computes; connections written out."""
    found: list[Any] = [graph.inputs, graph.dt, graph.outputs]
    for p in graph.populations:
        found += [p.name, p.model.name, sorted(p.biases), *p.params.values(), *p.biases.values()]
    for c in graph.connections:
        found += [c.source, c.target, c.delay, c.weights if isinstance(c.weights, np.ndarray) else c.weights.toarray()]
    return found


def same(found: Any, wanted: Any) -> bool:
    """To what float32 loses."""
    pairs = list(zip(meaning(found), meaning(wanted), strict=True))
    return all(
        np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6) if isinstance(b, np.ndarray) else a == b
        for a, b in pairs
    )


def fields(node: Any) -> list[str]:
    """Those that hold numbers."""
    numbers = (np.ndarray, int, tuple)
    return [key for key, value in vars(node).items() if isinstance(value, numbers)]


def settle(read: Callable[[], Any], wanted: Any, what: str, fate: str, label: str) -> None:
    """Read, and hold what becomes of it against what has to."""
    found: list[Any] = []
    line = refusal(lambda: found.append(read()))
    if line is None:
        assert fate != REFUSED, f"{what} was read"
        assert same(found[0].graph, wanted.graph), f"{what} changed the graph"
    else:
        assert fate != SAME, f"{what}: {line}"
        assert label in line if fate == REFUSED else NAMED.search(line), f"{what}: {line}"


# ---------------------------------------------------------------- graphs


@pytest.mark.parametrize("name", MAKERS)
def test_other_values_are_refused_by_node_or_mean_the_same(name: str) -> None:
    graph, rng, count = made(name), np.random.default_rng(1), 0
    wanted = imported(graph)
    for key, node in graph.nodes.items():
        for field in fields(node):
            for what, value, fate in values(getattr(node, field), rng):
                changed = copy.deepcopy(graph)
                setattr(changed.nodes[key], field, value)
                settle(partial(imported, changed), wanted, f"{key}.{field} {what}", fate, f"node {key!r} (")
                count += 1
        if type(node).__name__ in SHAPES:
            changed = copy.deepcopy(graph)
            changed.nodes[key].input_type = {"input": Foreign()}
            fate = EITHER if type(node).__name__ == "Flatten" else REFUSED  # its shape is that of what arrives
            settle(partial(imported, changed), wanted, f"{key} shape", fate, f"node {key!r} (")
    assert count >= 110


TAU, SIZE = (0.0, -DT, -1e300), (0, -1, -(1 << 40))
OUTSIDE: dict[str, tuple[float, ...]] = {
    "tau": TAU,
    "tau_mem": TAU,
    "tau_syn": TAU,
    "v_threshold": (-9.0, -1e300),
    "delay": (-DT, DT / 2, -1e300, 1e300),
    "stride": SIZE,
    "groups": (*SIZE, 1e300),
    "kernel_size": SIZE,
    "padding": (-1, -1e300, 1e300),
}
"""Numbers of each field that no node can have."""


@pytest.mark.parametrize("name", MAKERS)
def test_numbers_out_of_range_and_missing_fields_are_refused_by_node(name: str) -> None:
    graph = made(name)
    for key, node in graph.nodes.items():
        for field in fields(node):
            for bad in OUTSIDE.get(field, ()):
                changed = copy.deepcopy(graph)
                value = np.array(getattr(node, field), np.float64)
                value.reshape(-1)[-1] = bad
                setattr(changed.nodes[key], field, value)
                settle(partial(imported, changed), None, f"{key}.{field} = {bad}", REFUSED, f"node {key!r} (")
            if hasattr(type(node), field) or field in ("input_shape", "bias"):
                continue  # fields that NIR itself has a default for, and a convolution without bias
            changed = copy.deepcopy(graph)
            delattr(changed.nodes[key], field)
            settle(partial(imported, changed), None, f"{key}.{field} missing", REFUSED, f"node {key!r} (")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float16"])
def test_narrow_numbers_are_computed_in_wide_ones(dtype: str) -> None:
    """A difference, a product or a sum that overflows the type in the file."""
    top = int(np.iinfo(dtype).max) if dtype[0] in "iu" else 60_000
    low = int(np.iinfo(dtype).min) if dtype[0] in "iu" else -60_000
    numbers = {"v_threshold": top, "v_reset": low, "v_leak": top, "r": top, "w_in": top, "weight": top, "bias": low}
    for name in MAKERS:
        narrow, wide = made(name), made(name)
        for graph, kind in ((narrow, dtype), (wide, "float64")):
            for node in graph.nodes.values():
                for field in set(fields(node)) & set(numbers):
                    setattr(node, field, np.full(np.shape(getattr(node, field)), numbers[field], kind))
        assert same(imported(narrow).graph, imported(wide).graph)


NO_EDGES = [("in",), ("in", "out", "in"), None, 7, ("in", 3), (["in"], "out"), (b"in", b"out"), "in", ()]


@pytest.mark.parametrize("name", MAKERS)
def test_broken_structure_is_refused_by_node_or_edge(name: str) -> None:
    graph = made(name)
    cases: list[tuple[str, Callable[[Any], Any], str]] = [
        (f"edge {edge}", lambda g, e=edge: g.edges.append(e), "edge") for edge in NO_EDGES
    ]
    for a, b in graph.edges:
        cases += [
            ("twice", lambda g, e=(a, b): g.edges.append(e), f"edge ({a!r}, {b!r}) stands twice"),
            ("to nowhere", lambda g, e=(a, "x\ny"): g.edges.append(e), f"edge ({a!r}, 'x\\ny')"),
            ("from nowhere", lambda g, e=("x", b): g.edges.append(e), f"edge ('x', {b!r})"),
        ]
    for key in graph.nodes:
        cases += [
            ("removed", lambda g, k=key: g.nodes.pop(k), f"node {key!r} does not exist"),
            ("renamed", lambda g, k=key: g.nodes.update({"new": g.nodes.pop(k)}), f"node {key!r} does not exist"),
            ("other type", lambda g, k=key: g.nodes.update({k: type("Lif", (), {})()}), f"node {key!r} (Lif)"),
            ("no node", lambda g, k=key: g.nodes.update({k: None}), f"node {key!r} (NoneType)"),
        ]
    cases += [
        (f"{part} = {v}", lambda g, p=part, v=v: setattr(g, p, v), f"{part} = {v}")
        for part in ("nodes", "edges")
        for v in (None, 3)
    ]
    for what, change, label in cases:
        changed = copy.deepcopy(graph)
        change(changed)
        settle(partial(imported, changed), None, what, REFUSED, label)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("other", ["a\nb", "a.b", "a/b", "é☃", " ", "x" * 300, "n -> m"])
def test_any_name_is_read_and_shown_on_one_line(name: str, other: str) -> None:
    graph = made(name)
    wanted = meaning(imported(graph).graph)
    for key in graph.nodes:
        changed = copy.deepcopy(graph)
        changed.nodes = {other if k == key else k: node for k, node in changed.nodes.items()}
        changed.edges = [tuple(other if end == key else end for end in edge) for edge in changed.edges]
        found = imported(changed)
        assert not any("\n" in line for line in found.summary.lines())
        assert len(meaning(found.graph)) == len(wanted)


# ---------------------------------------------------------------- files


@pytest.fixture(params=[*MAKERS, "lif_norse"])
def nir_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "lif_norse":
        return Path(request.getfixturevalue("shared_data")) / "nir_paper" / "01_lif" / "lif_norse.nir"
    nir.write(tmp_path / "whole.nir", made(request.param))
    return tmp_path / "whole.nir"


@pytest.mark.usefixtures("no_trial")
def test_entries_of_nir_files_are_refused_by_node(nir_file: Path, tmp_path: Path) -> None:
    """Each node as each other type of nodes, and each of its numbers as what is no number."""
    rng, target = np.random.default_rng(2), tmp_path / "changed.nir"
    for key, node in read_tree(nir_file)["node"]["nodes"].items():
        for other in {"Affine", "NIRGraph", "Lif", "LIF", "LI"} - {node["type"]}:
            edited(nir_file, target, f"node/nodes/{key}/type", other)
            settle(partial(imported, target), None, f"{key} as {other}", REFUSED, f"{key!r}")
    for entry in entries(nir_file, "node/nodes"):
        key = entry.split("/")[2]
        for value in [ALIEN[i] for i in rng.permutation(len(ALIEN))[:2]]:
            edited(nir_file, target, entry, value)
            fate = EITHER if "Flatten" in str(key) or entry.endswith(("metadata", "input_type")) else REFUSED
            settle(partial(imported, target), imported(nir_file), f"{entry} = {value!r}", fate, key)


def test_a_child_process_reads_foreign_files_first(tmp_path: Path) -> None:
    """The whole way of a damaged file: bytes of its tables overwritten, and cut."""
    nir.write(tmp_path / "whole.nir", made("recurrent"))
    content, rng = (tmp_path / "whole.nir").read_bytes(), np.random.default_rng(3)
    for k in range(6):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 40):
            damaged[at] ^= int(rng.integers(1, 256))
        (tmp_path / "bad.nir").write_bytes(damaged if k < 4 else content[: int(rng.integers(len(content)))])
        line = refusal(lambda: imported(tmp_path / "bad.nir"))
        assert (line is None and k < 4) or "bad.nir" in str(line)

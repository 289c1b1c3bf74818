"""Reference and simulator replay what Lava computed of integer networks, on any Python, without Lava.

``tools/make_integer_golden.py`` made the files under Lava.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from hypr_neuro.errors import MismatchError
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.neurons import get_model
from hypr_neuro.testing.integer import assert_same_run, run_of_reference, run_of_simulator

FILES = sorted((Path(__file__).resolve().parents[1] / "golden").glob("integer_*.npz"))
EXECUTORS = {"reference": run_of_reference, "simulator": run_of_simulator}


def load(path: Path) -> dict[str, Any]:
    """ "meta", and each array by its name."""
    with np.load(path, allow_pickle=False) as file:
        meta, numbers = json.loads(str(file["meta"])), file["numbers"].astype(np.int64)
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in meta["arrays"].values()])
    parts = np.split(numbers, ends[:-1])
    assert ends[-1] == numbers.size
    arrays = {name: a.reshape(shape) for (name, shape), a in zip(meta["arrays"].items(), parts, strict=True)}
    return {"meta": meta, **arrays}


def networks(file: dict[str, Any]) -> list[tuple[IntegerNetwork, Any, list[Any]]]:
    """Each network of a file, its input (1, T, channel) and Lava's run."""
    found = []
    for i, entry in enumerate(file["meta"]["networks"]):
        populations = [
            Population(
                e["name"], get_model(e["neuron"]), *(file[f"{i}/p{j}/{key}"] for key in ("per_neuron", "constants"))
            )
            for j, e in enumerate(entry["populations"])
        ]
        sizes = {p.name: p.size for p in populations} | {"input": entry["inputs"]}
        synapses = [synapse(file, f"{i}/s{j}", e, sizes) for j, e in enumerate(entry["synapses"])]
        network = IntegerNetwork(entry["inputs"], tuple(populations), tuple(synapses))
        found.append((network, file[f"{i}/x"][None], [file[f"{i}/{p.name}"] for p in populations]))
    return found


def synapse(file: dict[str, Any], name: str, entry: dict[str, Any], sizes: dict[str, int]) -> Synapses:
    shape = sizes[entry["target"]], sizes[entry["source"]]
    delays = matrix(file, f"{name}/delays", shape) if entry["delay"] is None else entry["delay"]
    return Synapses(
        entry["source"],
        entry["target"],
        matrix(file, f"{name}/weights", shape),
        entry["exponent"],
        delays,
        file.get(f"{name}/always_on"),
        entry["current"],
        entry["message_bits"],
    )


def matrix(file: dict[str, Any], name: str, shape: tuple[int, int]) -> Any:
    if name in file:
        return file[name]
    parts = (file[f"{name}/data"], file[f"{name}/indices"], file[f"{name}/indptr"])
    return csr_array(parts, shape=shape)


def test_there_are_golden_files() -> None:
    runs = [run for path in FILES for _, _, run in networks(load(path))]
    assert len(runs) >= 20
    assert sum(path.stat().st_size for path in FILES) < 300_000
    assert all(any(0 < a[:, -1].mean() < 1 for a in run) for run in runs), "a network that shows nothing"


@pytest.mark.parametrize("who", EXECUTORS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_replays_lava(path: Path, who: str) -> None:
    for i, (network, x, expected) in enumerate(networks(load(path))):
        assert_same_run(network, x, expected, EXECUTORS[who](network, x), seed=i, who=(f"Lava, {path.stem}", who))


def test_first_difference_is_named_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    network, x, expected = networks(load(FILES[0]))[0]
    got = [a.copy() for a in expected]
    got[-1][5:, -1, 0] += 1
    got[0][7, 0, 0] += 1
    name = network.populations[-1].name
    with pytest.raises(
        MismatchError,
        match=rf"seed 3, population '{name}' \(lif\), neuron 0, first step 5, spikes: "
        r"Lava -?\d+, simulator -?\d+; case in ",
    ) as found:
        assert_same_run(network, x, expected, got, seed=3, who=("Lava", "simulator"))
    folder = Path(re.search(r"case in (\S+)$", str(found.value))[1])
    again = IntegerNetwork.load(folder / "network.h5")
    assert_same_run(
        again, x, expected, run_of_reference(again, np.load(folder / "x.npy")), seed=3, who=("Lava", "kept")
    )

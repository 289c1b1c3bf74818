"""`hypr-neuro train --from`: a network that is there goes on training, layers or a graph, ours or another program's."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import answer as answer_of
from commands import called, small_data
from commands import refusal as refusal_of
from foreign_graphs import foreign_convolutions, foreign_graph

import hypr_neuro as hn
from hypr_neuro.graph.convolution import Convolution

answer, refusal = partial(answer_of, run=called), partial(refusal_of, run=called)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A foreign graph with spiking outputs, imported."""
    import nir

    folder = tmp_path_factory.mktemp("graph")
    nir.write(folder / "foreign.nir", foreign_graph())
    return Path(answer("import", folder / "foreign.nir", "--dt", "1e-3", "--reset", "zero", "--out", folder)["file"])


def test_a_graph_learns_and_becomes_integers(graph: Path, data: Path, tmp_path: Path) -> None:
    before = hn.evaluate(hn.Network.load(graph), hn.load_data(str(data))).accuracy
    trained = answer("train", "--from", graph, "--data", data, "--epochs", 30, "--rate", 0.02, "--out", tmp_path)
    assert trained["network"] == str(tmp_path / "network.h5")
    assert trained["test_accuracy"] > max(before, 0.85)
    assert answer("quantize", tmp_path / "network.h5", "--data", data)["file"] == str(tmp_path / "quantized.h5")
    scored = answer("simulate", tmp_path / "quantized.h5", "--data", data)
    assert scored["accuracy"] > 0.6  # six neurons in 8 bits: less than in float, more than chance


@pytest.mark.parametrize("rule", ["hypr", "ostl", "eprop", "bptt"])
def test_imported_convolutions_learn_by_every_rule(rule: str, data: Path, tmp_path: Path) -> None:
    import nir

    nir.write(tmp_path / "foreign.nir", foreign_convolutions())
    start = answer("import", tmp_path / "foreign.nir", "--dt", "1e-3", "--reset", "zero", "--out", tmp_path)["file"]
    out = ("--out", tmp_path / "more")
    trained = answer("train", "--from", start, "--data", data, "--rule", rule, "--epochs", 15, "--rate", 0.02, *out)
    before, after = hn.Network.load(start), hn.Network.load(trained["network"])
    (kernel,) = (c for c in after.connections if isinstance(c.weights, Convolution))
    assert any(not np.array_equal(kernel.stored(), c.stored()) for c in before.connections if c.name == kernel.name)
    assert trained["test_accuracy"] > max(hn.evaluate(before, hn.load_data(str(data))).accuracy, 0.85)


def test_layers_go_on_from_their_weights(data: Path, tmp_path: Path) -> None:
    first = answer("train", "--data", data, "--epochs", 2, "--out", tmp_path / "a")
    answer("train", "--from", first["network"], "--data", data, "--epochs", 1, "--rate", 1e-9, "--out", tmp_path / "b")
    start, after = (hn.Network.load(tmp_path / run / "network.h5").arrays() for run in "ab")
    assert all(np.allclose(start[name], after[name], atol=1e-6) for name in start)
    assert any(not np.array_equal(start[name], after[name]) for name in start)


def test_what_cannot_go_on_is_refused(graph: Path, data: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "new")
    quantized = answer("quantize", graph, "--data", data, "--out", tmp_path)["file"]
    assert "a float network" in refusal("train", "--from", quantized, "--data", data, *out)
    assert "does not exist" in refusal("train", "--from", tmp_path / "none.h5", "--data", data, *out)
    assert "--spec" in refusal("train", "--from", graph, "--spec", "net.yaml", "--data", data, *out)
    assert "only with --arithmetic float" in refusal(
        "train", "--from", graph, "--arithmetic", "fixed", "--data", data, *out
    )
    assert "channels" in refusal("train", "--from", graph, "--data", "digits", *out)
    assert not (tmp_path / "new").exists()
    assert str(graph) in refusal("train", "--from", graph, "--data", data, "--out", graph.parent)

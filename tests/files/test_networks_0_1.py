"""Files of float networks that version 0.1 wrote: chains, graphs and checkpoints of training, in tests/golden."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError
from hypr_neuro.files.store import kind_of
from hypr_neuro.traces.trace import float_origin
from hypr_neuro.train.run import start_digest

GOLDEN = Path(__file__).parents[1] / "golden"
TRUTH: dict[str, Any] = json.loads((GOLDEN / "networks_0_1.json").read_text(encoding="utf-8"))
"""What 0.1 said of them: digests, outputs, losses of training."""


def data() -> hn.SequenceData:
    rng = np.random.default_rng(5)
    x = (rng.random((12, 10, 4)) < 0.4).astype(np.int8)
    split = np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2)
    return hn.SequenceData("stored", x, rng.integers(0, 3, 12), split, 3)


def chain() -> hn.Network:
    return hn.Network.load(GOLDEN / "network_0_1.h5")


def graph() -> hn.Network:
    return hn.Network.load(GOLDEN / "float_graph_0_1.h5")


def test_a_chain_is_what_it_was() -> None:
    net = chain()
    assert net.is_chain
    assert [(layer.model.name, layer.size, layer.recurrent is None) for layer in net.layers] == [
        ("brf", 6, False),
        ("lif", 5, True),
        ("li", 3, True),
    ]
    assert net.layers[0].trainable == ("omega",)
    assert (net.encoder, net.notes["made by"]) == ({"method": "scan", "rows": 8}, "0.1")
    assert float_origin(net).network == TRUTH["network"]
    assert start_digest(net, data()) == TRUTH["start"]
    found = hn.run_float(net, data().x).readout[0, -1]
    np.testing.assert_allclose(found, TRUTH["readout of the network"], rtol=1e-9)


def test_a_graph_is_what_it_was() -> None:
    net = graph()
    assert not net.is_chain
    assert [p.name for p in net.populations] == ["out1", "out0", "h0"]
    assert net.outputs == ("out0", "out1")
    assert net.notes["made by"] == "0.1"
    assert float_origin(net).network == TRUTH["graph"]
    x = (np.random.default_rng(2).random((2, 12, net.inputs)) < 0.4).astype(np.int8)
    np.testing.assert_allclose(hn.run_float(net, x).readout[0, -1], TRUTH["outputs of the graph"], rtol=1e-9)


@pytest.mark.parametrize("name", ["network_0_1.h5", "float_graph_0_1.h5"])
def test_both_kinds_are_written_as_the_one_of_today(name: str, tmp_path: Path) -> None:
    net = hn.load(GOLDEN / name)
    assert isinstance(net, hn.Network)
    net.save(tmp_path / "net.h5")
    again = hn.load(tmp_path / "net.h5")
    assert isinstance(again, hn.Network)
    assert kind_of(tmp_path / "net.h5") == "hypr-neuro network"
    assert again.digest() == net.digest()
    assert (again.notes, again.encoder, again.dt, again.outputs) == (net.notes, net.encoder, net.dt, net.outputs)
    assert [p.trainable for p in again.populations] == [p.trainable for p in net.populations]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """The checkpoint holds the first of two epochs."""
    shutil.copy(GOLDEN / "training_0_1.h5", tmp_path / "training.h5")
    epochs: list[int] = []
    history = hn.train(
        chain(), data(), epochs=2, batch_size=4, checkpoint=tmp_path, on_epoch=lambda e: epochs.append(e.epoch)
    )
    assert epochs == [1]
    np.testing.assert_allclose([e.loss for e in history.epochs], TRUTH["losses"], rtol=1e-5)


def test_the_run_of_another_network_does_not_go_on(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "training_0_1.h5", tmp_path / "training.h5")
    other = chain()
    other.layers[0].weight[0, 0] += 1.0
    with pytest.raises(FileFormatError, match="data or start weights"):
        hn.train(other, data(), epochs=2, batch_size=4, checkpoint=tmp_path)

"""Data that a network cannot answer, or that nothing can be learned from: the same words on every route."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import called, refusal

import hypr_neuro as hn
from hypr_neuro.comparing.inference import compare_inference
from hypr_neuro.data.score import score_readout
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.workflow.stages import baselines

refused = partial(refusal, run=called)
CHANNELS, OUTPUTS = 4, 3


def save(path: Path, y: Any, x: Any = None) -> Path:
    spikes = (np.random.default_rng(0).random((len(y), 6, CHANNELS)) < 0.4).astype(np.int8) if x is None else x
    np.savez(path, x_train=spikes, y_train=y, x_test=spikes, y_test=y)
    return path


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A float network and its integers, 3 outputs each."""
    folder = tmp_path_factory.mktemp("networks")
    spec = {"inputs": CHANNELS, "outputs": OUTPUTS, "layers": [{"neuron": "lif", "size": 5}]}
    net = hn.Network.build(spec, seed=1)
    x = np.ones((2, 6, CHANNELS), np.int8)
    net.save(folder / "network.h5")
    hn.quantize(net, hn.load_profile("loihi2"), calibration=x).save(folder / "quantized.h5")
    return {"float": folder / "network.h5", "integer": folder / "quantized.h5"}


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.arange(20) % 5, "5 classes"),
        (np.random.default_rng(1).random((20, 1)), "1 targets"),
        (np.random.default_rng(1).random((20, 4)), "4 targets"),
    ],
)
def test_data_that_outputs_cannot_answer_are_refused(
    y: Any, said: str, networks: dict[str, Path], tmp_path: Path
) -> None:
    path = save(tmp_path / "d.npz", y)
    wanted, data = f"data 'd' has {said}, the network {OUTPUTS} outputs", hn.load_data(path)
    loaded = {kind: hn.load(network) for kind, network in networks.items()}
    for kind, network in networks.items():
        assert wanted in refused("simulate", network, "--data", path)
        with pytest.raises(InputError, match=f"^{wanted}$"):
            hn.evaluate(loaded[kind], data)
    assert wanted in refused("simulate", networks["integer"], "--network", networks["float"], "--data", path)
    assert wanted in refused("learn", networks["integer"], "--data", path, "--out", tmp_path / "learned")
    compared = ("compare", networks["float"], networks["integer"], "--data", path, "--out", tmp_path / "compared")
    assert wanted in refused(*compared)
    with pytest.raises(InputError, match=f"^{wanted}$"):
        compare_inference(loaded["float"], loaded["integer"], data)
    with pytest.raises(InputError, match=f"^{wanted}$"):
        score_readout(np.ones((20, 6, OUTPUTS)), data.part("test"))


def test_one_class_alone_is_refused_for_training(networks: dict[str, Path], tmp_path: Path) -> None:
    path = save(tmp_path / "one.npz", np.zeros(20, int))
    wanted = "data 'one': all 18 labels of part 'train' are class 0, rule: two classes or more"
    out = tmp_path / "run"
    for command in (("train",), ("train", "--arithmetic", "fixed"), ("demo",), ("learn", networks["integer"])):
        assert wanted in refused(*command, "--data", path, "--out", out)
    data, qnet = hn.load_data(path), hn.load(networks["integer"])
    with pytest.raises(InputError, match=wanted):
        hn.train(hn.load(networks["float"]), data)
    with pytest.raises(InputError, match=wanted):
        hn.learn(qnet, data, rate=1.0)
    done = called("simulate", networks["integer"], "--data", path)
    assert done.returncode == 0, done.stderr
    assert baselines(data) == {"always the most frequent class": 1.0}


def test_a_network_that_knows_others_learns_one_class_with_a_warning(networks: dict[str, Path], tmp_path: Path) -> None:
    path = save(tmp_path / "two.npz", np.full(20, 2))
    data, qnet = hn.load_data(path, classes=OUTPUTS), hn.load(networks["integer"])
    with pytest.warns(HyprWarning, match="data 'two': all 18 labels of part 'train' are class 2"):
        hn.learn(qnet, data, rate=1.0)
    with pytest.raises(InputError, match="all 18 labels of part 'train' are class 2"):
        hn.train(hn.load(networks["float"]), data)

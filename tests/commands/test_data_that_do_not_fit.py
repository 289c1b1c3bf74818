"""Data that a network cannot answer, or that nothing can be learned from: the same words on every route."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import called, refusal

import hypr_neuro as hn
from hypr_neuro.comparing.inference import compare_inference
from hypr_neuro.data.fit import REMEDY
from hypr_neuro.data.score import score_readout
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.workflow.stages import baselines

refused = partial(refusal, run=called)
CHANNELS, OUTPUTS = 4, 3
STUDY = ("--vary", "weight_bits=4:6", "--out")


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
    wanted, data = f"data 'd' has {said}, the network {OUTPUTS} outputs; {REMEDY}", hn.load_data(path)
    loaded = {kind: hn.load(network) for kind, network in networks.items()}
    for kind, network in networks.items():
        assert wanted in refused("simulate", network, "--data", path)
        with pytest.raises(InputError, match=f"^{re.escape(wanted)}$"):
            hn.evaluate(loaded[kind], data)
    assert wanted in refused("simulate", networks["integer"], "--network", networks["float"], "--data", path)
    assert wanted in refused("learn", networks["integer"], "--data", path, "--out", tmp_path / "learned")
    compared = ("compare", networks["float"], networks["integer"], "--data", path, "--out", tmp_path / "compared")
    assert wanted in refused(*compared)
    with pytest.raises(InputError, match=f"^{re.escape(wanted)}$"):
        compare_inference(loaded["float"], loaded["integer"], data)
    with pytest.raises(InputError, match=f"^{re.escape(wanted)}$"):
        score_readout(np.ones((20, 6, OUTPUTS)), data.part("test"))
    assert wanted in refused("study", "run", "--network", networks["float"], "--data", path, *STUDY, tmp_path / "s")


def test_channels_that_inputs_cannot_take_are_refused_in_the_same_words(
    networks: dict[str, Path], tmp_path: Path
) -> None:
    x, y = np.ones((20, 6, CHANNELS + 1), np.int8), np.arange(20) % OUTPUTS
    path = tmp_path / "c.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    wanted = f"data 'c' has {CHANNELS + 1} channels, the network {CHANNELS} inputs; {REMEDY}"
    for words in (
        ("simulate", networks["integer"]),
        ("learn", networks["integer"], "--out", tmp_path / "l"),
        ("quantize", networks["float"], "--out", tmp_path / "q"),
        ("train", "--from", networks["float"], "--out", tmp_path / "t"),
        ("study", "run", "--network", networks["float"], *STUDY, tmp_path / "s"),
    ):
        assert wanted in refused(*words, "--data", path), words


@pytest.mark.filterwarnings("always")
def test_an_input_that_is_0_everywhere_is_named_and_not_the_weights(networks: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "zero.npz"
    x, y = np.zeros((20, 6, CHANNELS), np.int8), np.arange(20) % OUTPUTS
    np.savez(path, x_train=x + 1, y_train=y, x_test=x, y_test=y)
    for network in networks.values():
        told = called("simulate", network, "--data", path).stderr
        assert "x is 0 everywhere; give samples that drive the network" in told
        assert "larger weights" not in told


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

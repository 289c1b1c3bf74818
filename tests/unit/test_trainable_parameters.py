"""Which neuron parameters training changes, as a specification says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.testing.networks import random_spikes
from hypr_neuro.train.loop import train

LAYER = {"neuron": "lif", "size": 6, "bias": False, "params": {"du": 1.0}}


def _spec(**layer: object) -> dict[str, object]:
    return {"inputs": 4, "outputs": 2, "layers": [{**LAYER, **layer}]}


@pytest.fixture(scope="module")
def data() -> hn.SequenceData:
    """Two classes by chance; what is learned does not matter."""
    split = np.repeat(["train", "validation", "test"], [24, 8, 8])
    return hn.SequenceData("drawn", random_spikes(3, 40, 20, 4), np.arange(40) % 2, split, 2)


def test_training_changes_the_parameters_that_are_named(data: hn.SequenceData) -> None:
    net = hn.Network.build(_spec(trainable=["dv"]) | {"readout": {"trainable": []}}, seed=0)
    hn.scale_to_rate(net, data.x, 0.1)
    before = {name: a.copy() for name, a in net.arrays(frozen=True).items()}
    assert not any(name.endswith((".du", ".tau")) for name in net.arrays())
    train(net, data, epochs=2, rate=0.05)
    layer, readout = net.layers
    assert np.array_equal(layer.params["du"], np.ones(6))
    assert not np.array_equal(layer.params["dv"], before["layers.0.dv"])
    assert not np.array_equal(layer.weight, before["layers.0.weight"])
    fresh = hn.Network.build(_spec() | {"readout": {}}, seed=0)
    assert np.array_equal(readout.params["tau"], fresh.layers[-1].params["tau"])


def test_what_a_chip_wants_fixed_can_be_fixed(data: hn.SequenceData) -> None:
    """The remedy that the refusal names is one."""
    net = hn.Network.build(_spec(), seed=0)
    hn.scale_to_rate(net, data.x, 0.1)
    train(net, data, epochs=1, rate=0.05)
    remedy = r"give the layer of its spec params: \{du: 1\.0\} and, so that training leaves it, trainable: \[dv, vth\],"
    with pytest.raises(DoesNotFitError, match=remedy):
        hn.quantize(net, "reckon", calibration=data)
    net = hn.Network.build(_spec(trainable=["dv", "vth"]), seed=0)
    hn.scale_to_rate(net, data.x, 0.1)
    train(net, data, epochs=1, rate=0.05)
    assert hn.quantize(net, "reckon", calibration=data).profile.name == "reckon"


def test_it_is_kept_with_the_network(tmp_path: Path) -> None:
    net = hn.Network.build(_spec(trainable=["dv"]), seed=0)
    net.save(tmp_path / "n.h5")
    again = hn.Network.load(tmp_path / "n.h5")
    assert again.layers[0].trainable == net.layers[0].trainable == ("dv",)
    drawn = hn.Network.build(again.notes["spec"], seed=0)
    assert drawn.layers[0].trainable == ("dv",)
    assert "trainable" not in hn.Network.build(_spec(), seed=0).notes["spec"]["layers"][0]


def test_an_unknown_parameter_is_refused() -> None:
    for given in (["dw"], ["weight"]):
        with pytest.raises(InputError, match=rf"layers\.0\.trainable: unknown parameter '{given[0]}'.*known: .*dv"):
            hn.Network.build(_spec(trainable=given), seed=0)
    with pytest.raises(InputError, match=r"key 'layers\.0\.trainable' = 'dv', rule: a list"):
        hn.Network.build(_spec(trainable="dv"), seed=0)

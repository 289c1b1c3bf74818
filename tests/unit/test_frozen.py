"""Frozen connections: they keep every bit in training and on the chip, and change no gradient of the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convolutions import float_convolutional_network

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.initial import scale_to_rate
from hypr_neuro.train.losses import RatePenalty
from hypr_neuro.train.reference import reference_gradients
from hypr_neuro.train.rules import RULES

Array = Any
SAMPLES, STEPS = 3, 24
LAYERS = {
    "input": ["layers.0.input"],
    "recurrent": ["layers.1.recurrent"],
    "a whole layer": ["layers.0"],
    "all but the readout": ["layers.0", "layers.1"],
    "readout": ["layers.1 -> readout"],
}


def chain(model: str = "lif") -> Network:
    return random_network(model, 5, hidden=(5, 3), inputs=4, outputs=2)


NETWORKS: dict[str, tuple[Callable[[], Network], list[list[str]]]] = {
    "lif": (chain, list(LAYERS.values())),
    "se_adlif": (partial(chain, "se_adlif"), [LAYERS["input"], LAYERS["recurrent"]]),
    "convolution": (float_convolutional_network, [["input -> image"], ["hidden", "image -> out"]]),
    **{f"graph {seed}": (partial(random_graph, seed), []) for seed in range(6)},
}
CASES = [
    pytest.param(make, frozen, id=f"{name}, {i}")
    for name, (make, choices) in NETWORKS.items()
    for i, frozen in enumerate(choices or [make().connection_names()[::2], make().connection_names()[1::2]])
]


def weights(net: Network) -> list[Array]:
    return [c.stored().copy() for c in net.connections]


def frozen_of(net: Network) -> list[bool]:
    return [not c.trainable for c in net.connections]


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("make", "frozen"), CASES)
def test_gradients_of_all_others_keep_every_bit(make: Callable[[], Network], frozen: list[str], rule: str) -> None:
    whole, net = make(), make()
    net.freeze(*frozen)
    assert any(frozen_of(net))
    x = random_spikes(3, SAMPLES, STEPS, net.inputs)
    y = np.random.default_rng(3).integers(0, net.output_size, (SAMPLES, STEPS))
    for chunk in (None, 7) if RULES[rule].forward else (None,):
        expected, loss = gradients(whole, x, y, rule=rule, chunk=chunk)
        found, same_loss = gradients(net, x, y, rule=rule, chunk=chunk)
        assert same_loss == loss
        assert found.keys() == net.arrays().keys()
        assert len(found) == len(expected) - sum(frozen_of(net))
        assert all(np.array_equal(found[name], expected[name]) for name in found)
    if net.is_chain and rule == "hypr":
        of_definition, _ = reference_gradients(net, x, y)
        assert of_definition.keys() == found.keys()


def test_frozen_weights_still_pass_signals_down() -> None:
    net = chain()
    net.freeze("readout", "layers.1")
    x, y = random_spikes(3, SAMPLES, STEPS, net.inputs), np.zeros(SAMPLES, int)
    found, _ = gradients(net, x, y)
    assert np.any(found["layers.0.weight"])
    assert "readout.weight" not in found
    assert "layers.1.recurrent" not in found


# ---------------------------------------------------------------- training


def halves(inputs: int) -> hn.SequenceData:
    """Two classes: the first or the second half of the channels is busy."""
    rng = np.random.default_rng(5)
    y = np.arange(24) % 2
    busy = (np.arange(inputs) * 2 // inputs)[None, :] == y[:, None]
    x = (rng.random((24, 15, inputs)) < np.where(busy, 0.5, 0.05)[:, None]).astype(np.int8)
    split = np.array(["train"] * 16 + ["validation"] * 4 + ["test"] * 4)
    return hn.SequenceData("halves", x, y, split, 2)


WAYS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "rate": 0.05},
    "rmsprop": {"optimizer": "rmsprop", "clip": 0.5},
    "averaged": {"average": 0.9},
    "online": {"update_every": 5, "loss": "per_step_cross_entropy"},
    "sub-sequences": {"chunk": 4, "penalty": RatePenalty(0.1, 1.0)},
    "ostl": {"rule": "ostl"},
    "eprop": {"rule": "eprop", "feedback": "random"},
    "bptt": {"rule": "bptt"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("make", "frozen"), [CASES[i] for i in (0, 1, 4, 7, 9, 12)])
def test_training_leaves_every_bit(make: Callable[[], Network], frozen: list[str], way: str) -> None:
    net = make()
    net.freeze(*frozen)
    before, data = weights(net), halves(net.inputs)
    hn.train(net, data, **{"epochs": 2, "rate": 0.01, "loss": "mean_cross_entropy"} | WAYS[way])
    moved = [not np.array_equal(a, b) for a, b in zip(before, weights(net), strict=True)]
    stays = frozen_of(net)
    assert not any(m and s for m, s in zip(moved, stays, strict=True))
    assert any(moved) or all(stays)


def test_an_interrupted_run_goes_on_and_another_freeze_is_another_run(tmp_path: Path) -> None:
    data = halves(4)
    whole, parts, other = chain(), chain(), chain()
    for net in (whole, parts):
        net.freeze("layers.0.recurrent")
    hn.train(whole, data, epochs=3)
    hn.train(parts, data, epochs=1, schedule="constant", checkpoint=tmp_path / "a")
    again = chain()
    again.freeze("layers.0.recurrent")
    hn.train(again, data, epochs=3, checkpoint=tmp_path / "b")
    assert all(np.array_equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))
    with pytest.raises(FileFormatError, match=r"is of another run \(data or start weights differ\)"):
        hn.train(other, data, epochs=3, checkpoint=tmp_path / "b")


def test_what_cannot_be_frozen_is_named() -> None:
    net = chain()
    known = r"input -> layers\.0, .*, layers\.0\.input, layers\.0\.recurrent, .*, readout"
    with pytest.raises(
        InputError, match=rf"unknown connection 'layers\.7' \(did you mean 'layers\.1'\?\), known: {known}"
    ):
        net.freeze("layers.0", "layers.7")
    assert not any(frozen_of(net))
    with pytest.raises(InputError, match="input -> a: trainable = 1, rule: True or False"):
        FloatSynapses("input", "a", np.ones((1, 1)), trainable=1)  # type: ignore[arg-type]  (a wrong type is the test)
    alone = Network.build(
        {"inputs": 2, "outputs": 2, "layers": [{"neuron": "lif", "size": 2, "bias": False}], "frozen": ["layers.0"]}
    )
    alone.freeze("readout")
    for p in alone.populations:
        p.trainable = ()
    with pytest.raises(InputError, match="every connection is frozen, and no current or neuron parameter learns"):
        hn.train(alone, halves(2), epochs=1)


# ---------------------------------------------------------------- specification, start weights, files


def test_a_specification_freezes() -> None:
    spec = {"inputs": 3, "outputs": 2, "layers": [{"neuron": "lif", "size": 4}]}
    free, net = Network.build(spec, 1), Network.build(spec | {"frozen": ["layers.0.recurrent"]}, 1)
    assert [c.name for c in net.connections if not c.trainable] == ["layers.0 -> layers.0"]
    assert net.layers[0].frozen == ("recurrent",)
    assert all(np.array_equal(a, b) for a, b in zip(weights(free), weights(net), strict=True))
    assert "frozen" not in free.notes["spec"]
    assert net.notes["spec"]["frozen"] == ["layers.0.recurrent"]
    assert frozen_of(Network.build(net.notes["spec"], 1)) == frozen_of(net)
    with pytest.raises(InputError, match=r"unknown connection 'layers\.1\.input'"):
        Network.build(spec | {"frozen": ["layers.1.input"]})


@pytest.mark.parametrize("make", [chain, partial(random_graph, 1)])
def test_start_weights_that_are_frozen_are_not_scaled(make: Callable[[], Network]) -> None:
    net = make()
    names = [name for name, c in zip(net.connection_names(), net.connections, strict=True) if net.forward(c)]
    net.freeze(names[0])
    before = weights(net)
    scale_to_rate(net, random_spikes(1, 4, 20, net.inputs), 0.99)
    moved = [not np.array_equal(a, b) for a, b in zip(before, weights(net), strict=True)]
    assert any(moved)
    assert not any(m and s for m, s in zip(moved, frozen_of(net), strict=True))


@pytest.mark.parametrize("name", ["lif", "convolution", *(f"graph {seed}" for seed in range(6))])
def test_files_keep_what_is_frozen(name: str, tmp_path: Path) -> None:
    make, _ = NETWORKS[name]
    net, free = make(), make()
    net.freeze(net.connection_names()[0], net.connection_names()[-1])
    assert net.digest() == free.digest()
    net.save(tmp_path / "net.h5")
    hn.write_nir(net, tmp_path / "net.nir")
    for found in (Network.load(tmp_path / "net.h5"), hn.load(tmp_path / "net.nir"), net.copy()):
        assert frozen_of(found) == frozen_of(net)
        assert found.digest() == net.digest()
    assert frozen_of(Network.from_layers(net.layers)) == frozen_of(net) if net.is_chain else True


# ---------------------------------------------------------------- on the chip


def learned(net: Network) -> tuple[QuantizedNetwork, QuantizedNetwork]:
    """Before and after learning."""
    data = halves(net.inputs)
    qnet = hn.quantize(net, "loihi2", calibration=data.x[:8])
    return qnet, hn.learn(qnet, data, epochs=1, options=hn.LearnOptions(rate=2.0, update_every=4)).qnet


@pytest.mark.parametrize("name", ["lif", "convolution"])
def test_what_is_frozen_in_float_is_frozen_on_the_chip(name: str, tmp_path: Path) -> None:
    net = NETWORKS[name][0]()
    frozen = ["layers.0.recurrent", "readout"] if net.is_chain else ["input -> image", "hidden -> out"]
    net.freeze(*frozen)
    before, after = learned(net)
    moved = {name: not np.array_equal(a, after.weights()[name]) for name, a in before.weights().items()}
    stays = {name for name, c in zip(before.connection_names(), before.connections, strict=True) if not c.trainable}
    # a connection may have become several, one a group of weights
    wanted = {"layers.0.recurrent", "readout.input"} if net.is_chain else set(frozen)
    assert {stay.partition(" (")[0] for stay in stays} == wanted
    assert not any(moved[name] for name in stays)
    assert any(moved.values())
    before.save(tmp_path / "q.h5")
    assert [c.trainable for c in QuantizedNetwork.load(tmp_path / "q.h5").connections] == [
        c.trainable for c in before.connections
    ]
    if net.is_chain:
        again = before.with_layers({0: before.layers[0]})
        assert [c.trainable for c in again.connections] == [c.trainable for c in before.connections]
    frozen_again = {c.name for c in dequantize(net, before).connections if not c.trainable}
    assert frozen_again == {c.name for c in net.connections if not c.trainable}
    hn.write_nir(before, tmp_path / "q.nir")
    back = hn.load(tmp_path / "q.nir")
    assert [c.trainable for c in back.connections] == [c.trainable for c in before.connections]


def test_a_population_is_frozen_with_all_that_leads_to_it() -> None:
    net = Network.build({"inputs": 3, "outputs": 2, "layers": [{"neuron": "lif", "size": 4, "recurrent": True}]}, 0)
    net.freeze("layers.0")
    names = dict(zip(net.connection_names(), net.connections, strict=True))
    frozen = {name for name, c in names.items() if not c.trainable}
    assert frozen == {"input -> layers.0", "layers.0 -> layers.0"}

"""What a memory has room for: one neuron more does not fit, nor one connection; counted anew from a network."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

import hypr_neuro as hn
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.neurons import MODELS
from hypr_neuro.placement import budget
from hypr_neuro.placement.budget import LEARNS, largest_networks, learnable_within
from hypr_neuro.placement.learning_memory import learning_memory
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import varied

IN_LAYERS = [n for n, m in MODELS.items() if m.learns_on_chip and m.has_float and not m.readout and m.currents == 1]
AS_CHAINS = [n for n in IN_LAYERS if not MODELS[n].most_spikes]
"""Neurons of several spikes are converted as a graph, with two groups of weights a connection."""


def built(neuron: str, size: int, layers: int, profile: Any) -> QuantizedNetwork:
    layer = {"neuron": neuron, "size": size, "recurrent": True, "bias": MODELS[neuron].bias_on == "current"}
    net = hn.Network.build({"inputs": 7, "outputs": 4, "layers": [layer] * layers, "readout": {"bias": True}}, 0)
    states = {f"layers.{i}": 4.0 for i in range(layers)} | {"readout": 4.0}
    return hn.quantize(net, profile, calibration=states)


def bytes_of(qnet: QuantizedNetwork, learns: str, packed: bool) -> int:
    """Bytes of network and learning, of a network that is there."""
    chosen = {"all": (), "readout": ("readout",)}.get(learns)
    parts = learning_memory(qnet, options=LearnOptions(layers=chosen or ()))
    network = sum(m.network_bits for m in parts) if packed else 8 * sum(m.network_bytes for m in parts)
    learning = sum(m.bits for m in parts) if packed else 8 * sum(m.whole_bytes for m in parts)
    return -(-network // 8) + (0 if chosen is None else -(-learning // 8))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("neuron", "layers"), [*((name, 1) for name in AS_CHAINS), ("brf", 2), ("lif", 3)])
def test_one_neuron_more_does_not_fit(neuron: str, layers: int, packed: bool) -> None:
    bias = MODELS[neuron].bias_on == "current"
    shape = {"inputs": 7, "outputs": 4, "neuron": neuron, "layers": layers, "bias": bias, "packed": packed}
    found = largest_networks("6K", "loihi2", weight_bits=(4, 8), **shape)  # type: ignore[arg-type]
    assert [room.learns for room in found.rooms] == [*LEARNS, *LEARNS]
    for room in found.rooms:
        chip = load_profile("loihi2", {"precision.weight_bits": room.weight_bits})
        sizes = [
            bytes_of(built(neuron, n, layers, chip), room.learns, packed) for n in (room.neurons, room.neurons + 1)
        ]
        if bias:
            assert sizes[0] == room.bytes
        # the readout of the networks that are built has a bias, which those without biases have not
        assert sizes[0] - 4 * 40 <= 6 * 1024 < sizes[1]


def test_narrower_weights_are_of_use_only_where_they_are_packed() -> None:
    shape: dict[str, Any] = {"inputs": 10, "outputs": 3, "learns": ("nothing",), "weight_bits": (2, 8)}
    narrow, wide = largest_networks("4K", "loihi2", **shape).rooms
    assert narrow.neurons == wide.neurons
    narrow, wide = largest_networks("4K", "loihi2", packed=True, **shape).rooms
    assert narrow.neurons > 1.5 * wide.neurons


def test_nothing_fits_in_a_byte() -> None:
    assert {r.neurons for r in largest_networks(1, "loihi2", inputs=1, outputs=1).rooms} == {0}


@pytest.mark.parametrize("packed", [False, True])
def test_the_best_choice_of_connections_is_the_best_of_all(packed: bool) -> None:
    seen = 0
    for seed in range(14):
        qnet = random_learning_graph(seed, varied("loihi2"))
        whole = learnable_within(qnet, "1M", packed=packed)
        names = whole.choices[0].connections
        if len(names) > 6:
            continue
        assert whole.best == whole.choices[0]
        room = (whole.choices[0].bytes + whole.choices[-1].bytes) // 2
        found = learnable_within(qnet, room, packed=packed)
        assert found.best is not None
        for count in range(1, len(names) + 1):
            for chosen in combinations(names, count):
                try:
                    parts = learning_memory(qnet, options=LearnOptions(layers=chosen))
                except InputError:
                    continue
                seen += 1
                network = sum(m.network_bits for m in parts) if packed else sum(m.network_bytes for m in parts)
                learning = sum(m.bits for m in parts) if packed else sum(m.whole_bytes for m in parts)
                taken = -(-network // 8) - (-learning // 8) if packed else network + learning
                assert taken > room or sum(m.synapses for m in parts) <= found.best.synapses
    assert seen > 10


def test_of_many_connections_the_largest_that_fit_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = random_learning_graph(3, varied("loihi2"))
    every = learnable_within(qnet, "1M")
    monkeypatch.setattr(budget, "MOST_TRIED", 1)
    assert learnable_within(qnet, "1M").best == every.best
    some = learnable_within(qnet, every.choices[0].bytes - 1).best
    assert some is not None
    assert some.fits
    assert 0 < some.synapses < every.choices[0].synapses


def test_a_network_that_is_too_large_is_told() -> None:
    qnet = random_learning_graph(3, varied("loihi2"))
    found = learnable_within(qnet, 10)
    assert found.best is None
    assert "not even the network without learning fits" in repr(found)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"memory": "64Q"}, "memory = '64Q', rule: bytes from 1"),
        ({"memory": 0}, "memory = 0"),
        ({"memory": True}, "memory = True"),
        ({"inputs": 0}, "inputs = 0, rule: a whole number, at least 1"),
        ({"neuron": "brff"}, r"unknown.*|'brff' \(did you mean 'brf'\?\)"),
        ({"learns": ("some",)}, "learns: 'some'"),
        ({"neuron": "lif_refractory"}, "no integer Jacobian"),
        ({"weight_bits": (40,)}, "weight_bits"),
        ({"profile": "reckon"}, r"neuron 'brf', rule: lif, li \(profile 'reckon', runs\.models\); take one of these"),
        ({"profile": "pcm_crossbar"}, "keeps weights in analog cells .*, rule: bytes of memory"),
    ],
)
def test_bad_values_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(HyprError, match=words):
        largest_networks(**({"memory": "4K", "profile": "loihi2", "inputs": 3, "outputs": 2} | given))

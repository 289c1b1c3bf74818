"""Neurons that send several spikes in a step: definition, simulator, C and Lava give the same integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_programs import assert_c_equals
from defined_traces import all_states, assert_device_is_defined, assert_same
from needed import needs_lava

import hypr_neuro as hn
from hypr_neuro.compilers.c.build import HOST
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import integer_models, random_network, random_spikes, varied

Array = Any
SEVERAL = [name for name, model in MODELS.items() if model.most_spikes]
STEPS = 40
PROFILES = ("loihi2", "ideal", "cortex_m4")


@cache
def quantized(seed: int, profile: str = "loihi2") -> tuple[QuantizedNetwork, Array]:
    drawn = [*SEVERAL * 8, *integer_models()] if seed % 2 else SEVERAL
    graph = random_graph(seed, spiking=drawn)
    for p in graph.populations:
        if p.model.most_spikes:
            p.params[p.model.most_spikes][...] = (1.0, 3.0, 15.0, 127.0 if profile == "loihi2" else 7.0)[seed % 4]
    x = random_spikes(seed, 3, STEPS, graph.inputs)
    return hn.quantize(graph, profile, calibration=x), x.astype(np.int64)


def several(qnet: QuantizedNetwork) -> list[str]:
    return [p.name for p in qnet.populations if p.model.most_spikes]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(8))
def test_the_simulator_equals_the_definition(seed: int, profile: str) -> None:
    qnet, x = quantized(seed, profile)
    assert several(qnet)
    assert_same(qnet, x, hn.simulate(qnet, x, record=all_states(qnet)))


def test_what_is_drawn_meets_every_way() -> None:
    """Several spikes, up to the most; to itself, backward, over delays, from outputs, sparse weights."""
    drawn = [quantized(seed) for seed in range(8)]
    counts = [hn.simulate(q, x, record=["spikes"]).spikes[name] for q, x in drawn for name in several(q)]
    assert {int(z.max()) for z in counts} >= {1, 3, 15}
    assert any((z == 2).any() for z in counts)
    sends = [(q, c) for q, _ in drawn for c in q.connections if c.source in several(q)]
    assert all(c.message_shift == 0 and q.message_scale(c) == 1.0 for q, c in sends)
    assert any(c.source == c.target for _, c in sends)
    assert any(not q.clock.forward(c.source, c.target) and c.source != c.target for q, c in sends)
    assert any(c.largest_delay for _, c in sends)
    assert any(c.source in q.outputs for q, c in sends)
    assert any(not c.dense for _, c in sends)


@pytest.mark.parametrize("seed", range(8))
def test_c_equals_the_definition(seed: int, tmp_path: Path) -> None:
    qnet, x = quantized(seed, PROFILES[seed % 3])
    assert assert_c_equals(qnet, list(x), tmp_path, HOST, seed=seed) > 0


@pytest.fixture(scope="module")
def device() -> Iterator[LavaDevice]:
    with LavaDevice() as opened:
        yield opened


@needs_lava
@pytest.mark.parametrize("seed", range(4))
def test_lava_equals_the_definition(seed: int, device: LavaDevice) -> None:
    qnet, x = quantized(seed)
    assert_device_is_defined(device, qnet, x[:2])


@pytest.mark.parametrize("seed", range(4))
def test_files_change_nothing(seed: int, tmp_path: Path) -> None:
    qnet, x = quantized(seed)
    expected = hn.simulate(qnet, x)
    qnet.save(tmp_path / "net.h5")
    hn.write_nir(qnet, tmp_path / "net.nir")
    for back in (QuantizedNetwork.load(tmp_path / "net.h5"), hn.load(tmp_path / "net.nir")):
        assert back.integer().digest() == qnet.integer().digest()
        assert np.array_equal(hn.simulate(back, x).readout, expected.readout)
    qnet.integer().save(tmp_path / "integer.h5")
    integer = IntegerNetwork.load(tmp_path / "integer.h5")
    assert integer.digest() == qnet.integer().digest()
    scales = {p.name: p.state_scale for p in qnet.populations}
    if all(p.model.most_spikes or p.model.readout for p in qnet.populations):
        given = hn.quantize(integer, "loihi2", state_scale=scales)
        assert given.integer().digest() == integer.digest()


@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("seed", range(4))
def test_integers_are_close_to_float(model: str, seed: int) -> None:
    """Spikes of one layer on loihi2: measured at most 5.6 % of neuron-steps differ, their number by 0.8 %."""
    net = random_network(model, seed, hidden=(16,), recurrent=False)
    x = random_spikes(seed, 8, 60, net.inputs)
    qnet = hn.quantize(net, "loihi2", calibration=x)
    ours = hn.simulate(qnet, x.astype(np.int64), record=["spikes"]).spikes["layers.0"]
    ours = ours[qnet.latency(0) : qnet.latency(0) + 60]
    theirs = hn.run_float(net, x).spikes["layers.0"]
    assert theirs.max() > 1
    assert np.mean(ours != theirs) < 0.07
    assert abs(int(ours.sum()) - int(theirs.sum())) < 0.015 * theirs.sum()


@pytest.mark.parametrize("model", SEVERAL)
def test_what_cannot_take_several_spikes_says_so(model: str, tmp_path: Path) -> None:
    net, x = random_network(model, 1), random_spikes(1, 3, 20, 4)
    with pytest.raises(InputError, match=r"'layers\.0' sends numbers, rule: profile 'loihi1' sends spikes alone"):
        hn.quantize(net, "loihi1", calibration=x)
    with pytest.raises(InputError, match=r"'layers\.0' sends numbers, rule for netx: neurons send 0 and 1"):
        hn.quantize(net, "loihi2", calibration=x, target="netx")
    alone = Network(4, net.populations[:1], net.connections[:1], net.dt, ("layers.0",))
    with pytest.raises(InputError, match=r"'layers\.0' sends several spikes in a step, rule: profile 'loihi1'"):
        hn.quantize(alone, "loihi1", calibration=x)
    with pytest.raises(InputError, match="several spikes in a step, rule for SpiNNaker2: one"):
        hn.compile(hn.quantize(alone, "spinnaker2", calibration=x), target="spinnaker2", out=tmp_path / "alone")
    for profile, target in (("loihi2", "netx"), ("spinnaker2", "spinnaker2")):
        with pytest.raises(InputError, match=model):
            hn.compile(hn.quantize(net, profile, calibration=x), target=target, out=tmp_path / target)
    narrow = varied("loihi2", precision__message_bits=4)
    with pytest.raises(InputError, match=r"'layers\.0' sends up to 15 spikes in a step, rule: at most 7 on profile"):
        hn.quantize(net, narrow, calibration=x)


@pytest.mark.parametrize("model", SEVERAL)
def test_given_integers_are_held_to_their_messages(model: str) -> None:
    net, x = random_network(model, 1), random_spikes(1, 3, 20, 4)
    integer = hn.quantize(net, "loihi2", calibration=x).integer()
    for changed in ({"message_bits": 3}, {"message_shift": 1}):
        synapses = [c if c.message_shift is None else replace(c, **changed) for c in integer.synapses]
        with pytest.raises(InputError, match=r"rule: 0 and at least 4, those of the most spikes of a step of"):
            replace(integer, synapses=tuple(synapses))

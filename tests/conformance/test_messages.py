"""Populations whose output is a number feed others: definition, simulator, C and Lava give the same integers."""

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
from hypr_neuro.compilers.netx.write import write_netx
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.numbers.message import message_of, messages_of
from hypr_neuro.placement.estimate import estimate
from hypr_neuro.placement.place import place
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import integer_models, random_spikes

Array = Any


def population(name: str, model: str, n: int = 1) -> FloatPopulation:
    return FloatPopulation(name, get_model(model), {}, {}, (n,))


STEPS = 40
SPIKING = [name for name in integer_models() if MODELS[name].currents == 1]
PROFILES = ("loihi2", "ideal", "cortex_m4")


@cache
def drawn(seed: int) -> tuple[Network, Array]:
    graph = random_graph(seed, spiking=SPIKING, graded=True)
    return graph, random_spikes(seed, 3, STEPS, graph.inputs)


@cache
def quantized(seed: int, profile: str = "loihi2") -> tuple[QuantizedNetwork, Array]:
    graph, x = drawn(seed)
    return hn.quantize(graph, profile, calibration=x), x.astype(np.int64)


def senders(qnet: QuantizedNetwork) -> dict[str, tuple[int, int]]:
    return {c.source: (c.message_shift, c.message_bits) for c in qnet.connections if c.message_shift is not None}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(6))
def test_the_simulator_equals_the_definition(seed: int, profile: str) -> None:
    qnet, x = quantized(seed, profile)
    assert senders(qnet)
    assert_same(qnet, x, hn.simulate(qnet, x, record=all_states(qnet)))


def test_what_is_drawn_meets_every_way() -> None:
    """Other populations of numbers, themselves, backward, over delays; clamped messages and shifts of 0 and more."""
    links = [(q, c) for q in (quantized(seed)[0] for seed in range(6)) for c in q.connections]
    sends = [(q, c) for q, c in links if c.message_shift is not None]
    assert any(c.source == c.target for _, c in sends)
    assert any(not q.clock.forward(c.source, c.target) and c.source != c.target for q, c in sends)
    assert any(c.largest_delay for _, c in sends)
    assert any(c.source in q.outputs for q, c in sends)
    assert any(not c.dense for _, c in sends)
    assert {q.population(c.source).model.name for q, c in sends} == {"li", "cuba_li"}


@pytest.mark.parametrize("seed", range(6))
def test_c_equals_the_definition(seed: int, tmp_path: Path) -> None:
    qnet, x = quantized(seed, PROFILES[seed % 3])
    assert assert_c_equals(qnet, list(x), tmp_path, HOST, seed=seed) > 0


@pytest.fixture(scope="module")
def device() -> Iterator[LavaDevice]:
    with LavaDevice() as opened:
        yield opened


@needs_lava
@pytest.mark.parametrize("seed", range(4))
def test_lava_equals_the_simulator(seed: int, device: LavaDevice) -> None:
    qnet, x = quantized(seed)
    assert_device_is_defined(device, qnet, x[:2])


@pytest.mark.parametrize("seed", range(4))
def test_blocks_streams_and_files_change_nothing(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qnet, x = quantized(seed)
    expected = hn.simulate(qnet, x, tail=0)
    monkeypatch.setattr("hypr_neuro.sim.simulator.BLOCK", 7)
    assert np.array_equal(hn.simulate(qnet, x, tail=0).readout, expected.readout)
    qnet.save(tmp_path / "net.h5")
    hn.write_nir(qnet, tmp_path / "net.nir")
    for back in (QuantizedNetwork.load(tmp_path / "net.h5"), hn.load(tmp_path / "net.nir")):
        assert senders(back) == senders(qnet)
        assert back.integer().digest() == qnet.integer().digest()
        assert np.array_equal(hn.simulate(back, x, tail=0).readout, expected.readout)
    integer = qnet.integer()
    integer.save(tmp_path / "integer.h5")
    assert IntegerNetwork.load(tmp_path / "integer.h5").digest() == integer.digest()
    first, steps = Simulator(integer, 3), x.transpose(1, 0, 2)
    parts = [first.run(steps[:13])]
    first.save(tmp_path / "state.h5")
    second = Simulator(integer, 3)
    second.restore(tmp_path / "state.h5")
    parts.append(second.run(steps[13:]))
    assert np.array_equal(np.concatenate(parts).transpose(1, 0, 2), expected.readout)


def test_an_array_of_messages_is_made_as_one_is() -> None:
    values = np.array([0, 1, -1, 7, 8, -8, 9, 23, 24, -24, -25, 1 << 20, -(1 << 20), (1 << 31) - 1, -(1 << 31) + 1])
    for shift, bits in ((0, 1), (0, 31), (3, 2), (4, 5), (31, 4)):
        expected = [message_of(int(z), shift, bits) for z in values]
        assert messages_of(values, shift, bits).tolist() == expected
        assert max(map(abs, expected)) < 1 << bits
    assert [message_of(z, 4, 8) for z in (7, 8, -8, -9, 5000)] == [0, 1, 0, -1, 255]


def by_hand(shift: int | None = 4, bits: int | None = 6) -> IntegerNetwork:
    """An integrator of gain 1, whose state goes to another one."""
    li = {"kappa": 0, "gain": 1 << 8, "k": 8, "i_shift": 0, "bits": 24, "rounding": 0}
    a, b = (Population.of(name, "li", 1, **li) for name in "ab")
    links = (
        Synapses("input", "a", np.array([[1]])),
        Synapses("a", "b", np.array([[3]]), message_bits=bits, message_shift=shift),
    )
    return IntegerNetwork(1, (a, b), links, 0)


def test_by_hand() -> None:
    """Nearest, and clamped: 3 · min(round(x / 16), 63)."""
    x = np.array([[[0], [7], [8], [100], [-100], [5000], [-5000]]])
    trace = hn.simulate(by_hand(), x)
    assert trace.readout[0, :, 0].tolist() == [0, 0, 3, 18, -18, 189, -189]
    assert trace.synaptic_operations == 6 + 5


@pytest.mark.parametrize(
    ("shift", "bits", "message"),
    [
        (None, None, "'a' sends numbers, rule: what it sends has message_bits and message_shift"),
        (None, 6, "'a' sends numbers, rule: what it sends has message_bits and message_shift"),
        (-1, 6, "message_shift = -1, rule: None, or 0 to 31"),
        (4, 0, "message_bits = 0 with message_shift = 4, rule: 1 to 31"),
        (4, 32, "message_bits = 32 with message_shift = 4, rule: 1 to 31"),
        (0, 31, "its weighted sums can reach 2\\^31, rule: below; lower weights, exponents or message_bits"),
    ],
)
def test_messages_that_are_none_are_named(shift: int | None, bits: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        by_hand(shift, bits)


def test_what_a_source_sends_is_one_thing() -> None:
    network = by_hand()
    more = Synapses("a", "b", np.array([[1]]), message_bits=7, message_shift=4)
    with pytest.raises(InputError, match=r"'a' sends messages of .* rule: the same ones over all its connections"):
        IntegerNetwork(1, network.populations, (*network.synapses, more), 0)
    spikes = Synapses("input", "a", np.array([[1]]), message_bits=7, message_shift=4)
    with pytest.raises(InputError, match="message_shift = 4, rule: None, as 'input' sends no states"):
        IntegerNetwork(1, network.populations, (spikes,), 0)


def test_the_scale_follows_the_profile_and_is_told() -> None:
    graph, x = drawn(0)
    (name, (shift, bits)), *_ = senders(quantized(0)[0]).items()
    told = [line for line in quantized(0)[0].explain() if line.startswith(f"{name}.message:")]
    assert len(told) == 1
    assert f"message, {bits} bits and sign, output / 2^{shift}" in told[0]
    profile = hn.load_profile("loihi2")
    limit = profile.precision.message_bits
    assert limit is not None
    narrow = profile.precision.model_copy(update={"message_bits": limit.model_copy(update={"value": 5})})
    qnet = hn.quantize(graph, profile.model_copy(update={"precision": narrow}), calibration=x)
    assert {b for _, b in senders(qnet).values()} == {4}
    assert_same(qnet, x.astype(np.int64), hn.simulate(qnet, x, record=all_states(qnet)))


def test_routes_of_spikes_alone_refuse_by_name(tmp_path: Path) -> None:
    graph, x = drawn(0)
    name = next(iter(senders(quantized(0)[0])))
    rule = rf"connection {name} -> .*: '{name}' sends numbers, rule: profile 'loihi1' sends spikes alone .* as 'loihi2'"
    with pytest.raises(InputError, match=rule):
        hn.quantize(graph, "loihi1", calibration=x)
    with pytest.raises(InputError, match=f"'{name}' sends numbers, rule for netx: neurons send 0 and 1"):
        hn.quantize(graph, "loihi2", calibration=x, target="netx")
    lif = hn.Network(
        1,
        tuple(population(kind, model) for kind, model in (("a", "lif"), ("m", "li"), ("b", "lif"))),
        tuple(FloatSynapses(s, t, np.array([[2.0]])) for s, t in (("input", "a"), ("a", "m"), ("m", "b"))),
        1e-3,
        ("b",),
    )
    made = hn.quantize(lif, "loihi2", calibration={"a": 2.0, "m": 2.0, "b": 4.0})
    with pytest.raises(InputError, match="'m' sends numbers, rule for netx: neurons that send 0 and 1; leave 'm'"):
        write_netx(made, tmp_path / "net.net")
    qnet = hn.quantize(graph, "spinnaker2", calibration=x)
    with pytest.raises(InputError, match=rf"'{name}' sends numbers, rule for SpiNNaker2: spikes; compile for 'c'"):
        hn.compile(qnet, place(qnet), target="spinnaker2", out=tmp_path / "spinnaker2")


def test_placement_counts_axons_and_messages() -> None:
    """As many axons as of spikes; numbers travel in every step, spikes when they come."""
    qnet, x = quantized(0)
    placement = place(qnet)
    trace = hn.simulate(qnet, x)
    axons = dict.fromkeys(qnet.clock.populations, 0)
    for use in placement.cores:
        axons[use.layer] += use.out_axons
    spikes = sum(rate * axons[name] for name, rate in trace.rates.items())
    numbers = sum(axons[name] for name in senders(qnet))
    rounds = [c for c in qnet.connections if c.message_shift is not None and c.exponent < 0]
    plain = replace(qnet, connections=tuple(replace(c, exponent=max(c.exponent, 0)) for c in qnet.connections))
    assert rounds
    more = sum(use.memory_bits for use in placement.cores) - sum(use.memory_bits for use in place(plain).cores)
    assert more >= len(rounds) * 64  # the axon that rounds their sums
    assert numbers >= sum(qnet.size(name) for name in senders(qnet))
    found = estimate(placement, qnet, trace, STEPS, len(x)).spikes_between_cores
    assert found == pytest.approx(spikes + numbers)


def test_numbers_between_populations_are_those_of_float() -> None:
    """Two integrators in a row, of which the second hears itself: within a hundredth of the range."""
    populations = (population("a", "li", 4), population("b", "cuba_li", 3))
    rng = np.random.default_rng(1)
    links = (("input", "a", 4, 5), ("a", "b", 3, 4), ("b", "b", 3, 3))
    synapses = tuple(FloatSynapses(s, t, rng.normal(0.0, 0.3, (n, m)) / m) for s, t, n, m in links)
    populations[1].params["dv"][...] = 0.2
    net = hn.Network(5, populations, synapses, 1e-3, ("b",))
    x = random_spikes(2, 4, 100, 5)
    real = hn.run_float(net, x).readout
    for profile in ("loihi2", "ideal"):
        qnet = hn.quantize(net, profile, calibration=x)
        got = hn.simulate(qnet, x.astype(np.int64)).readout / qnet.population("b").state_scale
        assert np.abs(got - real).max() < np.abs(real).max() / 100, profile

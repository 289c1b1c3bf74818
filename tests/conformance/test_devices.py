"""One conformance suite for every device. What a device lacks (`missing`) is skipped with the reason it gives."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices_here import closed_device, opened

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import CAPABILITIES, Device, DeviceBase, device_names, open_device
from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("HYPR_SEED", "0"))
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "make_golden.py"))
RECIPE = TOOL["LIF_RECIPES"]["two layers"]
RECORD = ("spikes", "u", "v")


@pytest.fixture(scope="module", params=device_names())
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    try:
        device = opened(request.param)
        entered = device.__enter__()
    except MissingPackageError as error:  # Lava exists for Python 3.10 alone
        pytest.skip(str(error))
    try:
        yield entered
    finally:
        device.__exit__(None, None, None)


@pytest.fixture(scope="module")
def qnet() -> QuantizedNetwork:
    network: QuantizedNetwork = TOOL["random_network"](RECIPE, SEED)
    return network


@pytest.fixture(scope="module")
def x() -> Any:
    return TOOL["random_input"](RECIPE, SEED, samples=2, steps=30)


def need(device: Device, capability: str) -> None:
    """Skip what the device says it cannot do; `test_capabilities_are_all_or_explained` holds that it says why."""
    if capability not in device.capabilities:  # a device may lack what it gives a reason for
        pytest.skip(f"{device.name}: {capability}: {missing_of(device)[capability]}")


def missing_of(device: Device) -> dict[str, str]:
    assert isinstance(device, DeviceBase)
    return dict(device.missing)


def test_capabilities_are_all_or_explained(device: Device) -> None:
    missing = missing_of(device)
    assert device.capabilities | set(missing) == set(CAPABILITIES)
    assert not device.capabilities & set(missing)
    assert all(reason for reason in missing.values())
    assert "simulate" in device.capabilities


def test_run_equals_the_simulator(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    expected = simulate(qnet, x, ["spikes"])
    device.load(qnet)
    seen: list[tuple[int, int]] = []
    trace = device.run(x, ["spikes"], on_block=lambda done, steps: seen.append((done, steps)))
    assert trace.readout.dtype == expected.readout.dtype
    assert np.array_equal(trace.readout, expected.readout)
    assert trace.spikes.keys() == expected.spikes.keys()
    for name, spikes in expected.spikes.items():
        assert np.array_equal(trace.spikes[name], spikes), name
    assert trace.rates == expected.rates
    assert trace.synaptic_operations == expected.synaptic_operations
    assert seen, "no progress was reported"
    assert seen[-1][0] == seen[-1][1]


def test_nothing_is_kept_unless_asked_for(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    device.load(qnet)
    trace = device.run(x)
    assert trace.spikes == {}
    assert trace.states == {}


def test_states_equal_the_simulator(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    need(device, "states")
    expected = simulate(qnet, x, RECORD)
    device.load(qnet)
    trace = device.run(x, RECORD)
    read = device.read()["states"]
    assert trace.states.keys() == expected.states.keys()
    for name, states in expected.states.items():
        assert trace.states[name].keys() == states.keys() == read[name].keys()
        for state, values in states.items():
            assert np.array_equal(trace.states[name][state], values), f"{name}.{state}"
            assert np.array_equal(read[name][state], values[-1]), f"{name}.{state}"


def test_one_population_alone_is_recorded(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    need(device, "states")
    first = qnet.populations[0]
    state = first.model.state_names[0]
    record = [f"{first.name}/{state}", f"{first.name}/spikes"]
    expected = simulate(qnet, x, record)
    device.load(qnet)
    trace = device.run(x, record)
    assert list(trace.states) == list(expected.states) == [first.name]
    assert list(trace.states[first.name]) == [state]
    assert np.array_equal(trace.states[first.name][state], expected.states[first.name][state])
    assert list(trace.spikes) == list(expected.spikes) == [first.name]
    assert np.array_equal(trace.spikes[first.name], expected.spikes[first.name])


def test_events_equal_the_simulator(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    need(device, "events")
    device.load(qnet)
    trace = device.run(x)
    assert trace.events == simulate(qnet, x).events == device.read()["counters"]


def test_a_run_leaves_nothing_behind(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    device.load(qnet)
    first = device.run(x)
    again = device.run(x[::-1])
    assert np.array_equal(first.readout, again.readout[::-1])


def test_weights_are_read_as_copies(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    device.load(qnet)
    weights = device.read()["weights"]
    assert weights.keys() == qnet.weights().keys()
    for name, matrix in qnet.weights().items():
        assert np.array_equal(weights[name], matrix)
    weights["layers.0.input"][...] = 0
    assert np.array_equal(device.read()["weights"]["layers.0.input"], qnet.weights()["layers.0.input"])


def test_the_loaded_network_is_a_copy(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    mine = qnet.copy()
    device.load(mine)
    mine.layers[0].input.mantissa[...] = 0
    assert np.array_equal(device.run(x).readout, simulate(qnet, x).readout)


def test_what_was_prepared_is_loaded(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    prepared, other = device.prepare(qnet), device.prepare(learning_network())
    device.load(prepared)
    assert np.array_equal(device.run(x).readout, simulate(qnet, x).readout)
    four = x[:, :, :4]
    device.load(other)
    assert np.array_equal(device.run(four).readout, simulate(learning_network(), four).readout)
    with pytest.raises(InputError, match=rf"network prepared for device 'attic', rule: '{device.name}'"):
        device.load(replace(prepared, device="attic"))


def test_networks_of_integers_run(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    need(device, "integers")
    whole = qnet.integer()
    spiking = whole.populations[:-1]  # of networks without a profile Lava runs its own neurons, which spike
    names = {p.name for p in spiking}
    synapses = tuple(c for c in whole.synapses if c.target in names)
    network = replace(whole, populations=spiking, synapses=synapses, outputs=(spiking[-1].name,))
    device.load(network)
    expected = simulate(network, x, ["spikes"])
    trace = device.run(x, ["spikes"])
    assert np.array_equal(trace.readout, expected.readout)
    for name, spikes in expected.spikes.items():
        assert np.array_equal(trace.spikes[name], spikes), name


def test_weights_that_are_written_run(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    device.load(qnet)
    changed = qnet.copy()
    for weights in changed.weights().values():
        weights[...] = np.roll(weights, 1)
    device.write(changed.weights())
    for name, weights in device.read()["weights"].items():
        assert np.array_equal(weights, changed.weights()[name]), name
    assert np.array_equal(device.run(x).readout, simulate(changed, x).readout)
    assert not np.array_equal(simulate(changed, x).readout, simulate(qnet, x).readout)
    with pytest.raises(InputError, match="weights: unknown connection 'w'"):
        device.write({"w": np.zeros((1, 1), int)})
    with pytest.raises(InputError, match=r"weights of layers.0.input: magnitudes up to 1048576, rule: at most"):
        device.write({"layers.0.input": np.full_like(qnet.weights()["layers.0.input"], 1 << 20, dtype=np.int64)})
    assert np.array_equal(device.run(x).readout, simulate(changed, x).readout)


def test_bad_input_is_refused_and_the_device_goes_on(device: Device, qnet: QuantizedNetwork, x: Any) -> None:
    device.load(qnet)
    with pytest.raises(InputError, match=r"x of shape \(2, 30, 7\), rule: \(sample, T, 8\)"):
        device.run(x[:, :, :7])
    with pytest.raises(InputError, match="x holds fractions"):
        device.run(x * 0.5)
    with pytest.raises(InputError, match=r"record: unknown 'w'.*, known: "):
        device.run(x, ["w"])
    assert np.array_equal(device.run(x).readout, simulate(qnet, x).readout)


def test_learning_equals_the_simulator(device: Device) -> None:
    data = learning_data()
    qnet = learning_network()
    device.load(qnet)
    if "learn" not in device.capabilities:
        reason = missing_of(device)["learn"]
        with pytest.raises(InputError, match=f"device '{device.name}' cannot learn: ") as caught:
            device.learn(data)
        assert reason in str(caught.value)
        return  # a refusal that names its reason is what such a device owes
    from hypr_neuro.sim.learning.learn import learn

    options = {"epochs": 2, "rate": 2.0, "seed": SEED}
    run, expected = device.learn(data, **options), learn(qnet, data, **options)
    held = device.read()["weights"]
    for name, matrix in expected.qnet.weights().items():
        assert np.array_equal(run.qnet.weights()[name], matrix)
        assert np.array_equal(held[name], matrix), "the device holds what it learned"
    assert any(not np.array_equal(held[name], matrix) for name, matrix in qnet.weights().items())


def learning_data() -> SequenceData:
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 2, (8, 40, 4))
    split = np.array(["train"] * 6 + ["validation", "test"])
    return SequenceData("random", x, rng.integers(0, 3, 8), split, classes=3)


def learning_network() -> QuantizedNetwork:
    layer = {"neuron": "brf", "size": 10, "recurrent": True, "bias": True}
    net = Network.build({"inputs": 4, "outputs": 3, "dt": 1e-3, "layers": [layer], "readout": {"neuron": "li"}}, SEED)
    return quantize(net, "loihi2", calibration={"layers.0": 4.0, "readout": 4.0})


@pytest.mark.parametrize("name", device_names())
def test_order_of_calls(name: str, qnet: QuantizedNetwork, x: Any) -> None:
    closed = closed_device(name)
    for call in (
        lambda: closed.load(qnet),
        lambda: closed.run(x),
        closed.read,
        closed.learner,
        lambda: closed.write({}),
    ):
        with pytest.raises(
            InputError, match=f"device '{name}': (load|run|read|learner|write) on a closed|cannot learn"
        ):
            call()
    closed.close()


def test_run_without_a_network() -> None:
    with open_device("sim") as device:
        for call in (lambda: device.run(np.zeros((1, 1, 1))), device.read):
            with pytest.raises(InputError, match=r"device 'sim': (run|read) without a network; call load\(qnet\)"):
                call()


def test_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown device 'loihi9'.*, known: .*lava, .*sim"):
        open_device("loihi9")

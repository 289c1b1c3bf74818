"""Networks that are no chain of layers under Lava: everything that the device records equals the simulator's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from convolutions import quantized_convolutional_network, random_convolutional_network
from currents import network as two_currents
from needed import needs_lava
from resonators import with_resonators

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.lava.build import LavaNetwork, check_network, own_arguments
from hypr_neuro.compilers.lava.integers.batch import run_in_lava
from hypr_neuro.compilers.lava.integers.network import lava_arguments
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_spikes, varied

LOIHI2 = varied("loihi2")
RESONATORS = ("rf", "rf_iz", "rf, one period", "rf_iz, one period")
NETWORKS = ("two outputs", "spiking outputs", "resonators", *RESONATORS, "convolution")


def network(name: str) -> QuantizedNetwork:
    if name == "convolution":
        return quantized_convolutional_network()
    if name.startswith("rf"):
        net = two_currents(name.partition(",")[0])
        if "one period" in name:  # Lava's own processes have one for all neurons
            for key, value in (("period", 11.0), ("alpha", 0.05)):
                net.population("a").params[key][...] = value
        return quantize(net, LOIHI2, calibration=random_spikes(1, 2, 30, net.inputs))
    if name == "resonators":
        return with_resonators(random_learning_graph(33, LOIHI2))
    return random_learning_graph({"two outputs": 30, "spiking outputs": 7}[name], LOIHI2)


@pytest.fixture(scope="module")
def device() -> Iterator[LavaDevice]:
    with LavaDevice() as opened:
        yield opened


@needs_lava
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_runs_on_the_device(name: str, device: LavaDevice) -> None:
    qnet, record = network(name), ["spikes"]
    record += sorted({state for p in qnet.populations for state in p.model.state_names})
    x = random_spikes(1, 2, 30, qnet.inputs)
    expected = simulate(qnet, x, record)
    device.load(qnet)
    got = device.run(x, record)
    assert np.array_equal(got.readout, expected.readout)
    for population, spikes in expected.spikes.items():
        assert np.array_equal(got.spikes[population], spikes), population
    for population, states in expected.states.items():
        for state, values in states.items():
            assert np.array_equal(got.states[population][state], values), f"{population}, {state}"
    assert got.rates == expected.rates
    assert got.synaptic_operations == expected.synaptic_operations
    assert got.events == {population: expected.events[population] for population in got.events}
    assert any(spikes.any() for spikes in expected.spikes.values())


@needs_lava
def test_random_convolutions_are_written_out(tmp_path: Path) -> None:
    """Both orders of neurons, strides, groups, poolings, bias axons, delays, of a population with itself."""
    drawn = {str(seed): random_convolutional_network(np.random.default_rng(seed)) for seed in (2, 5)}
    for name, rows in run_in_lava(drawn, tmp_path).items():
        integer, x = drawn[name]
        expected = simulate(integer, x, ["spikes", "u", "v"])
        for p, values in zip(integer.populations, rows, strict=True):
            assert np.array_equal(values[:, -1], expected.spikes[p.name][:, 0]), f"{name}: {p.name}"
            assert np.array_equal(values[:, 0], expected.states[p.name]["u"][:, 0]), f"{name}: {p.name}, u"
            assert np.array_equal(values[:, 1], expected.states[p.name]["v"][:, 0]), f"{name}: {p.name}, v"


@needs_lava
def test_a_compiled_graph_runs_on_its_own(tmp_path: Path) -> None:
    qnet = network("two outputs")
    x = random_spikes(2, 1, 25, qnet.inputs)
    folder = compile_network(qnet, target="lava", out=tmp_path / "out").folder
    np.save(tmp_path / "x.npy", x[0])
    done = subprocess.run(
        [sys.executable, str(folder / "run_lava.py"), "x.npy", "out.npz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = simulate(qnet, x, ["spikes"])
    with np.load(tmp_path / "out.npz") as out:
        assert set(out.files) == {"readout", *expected.spikes}
        assert np.array_equal(out["readout"], expected.readout[0])
        for name, spikes in expected.spikes.items():
            assert np.array_equal(out[name], spikes[:, 0])


def test_single_ports_are_refused_where_there_are_several() -> None:
    built = LavaNetwork({}, [], [], [object(), object()], ("a", "b"), ())
    with pytest.raises(InputError, match=r"2 connections take the input, rule for s_in: one; call feed\(port\)"):
        _ = built.s_in
    with pytest.raises(InputError, match="outputs a, b, rule for readout: one; take them from readouts"):
        _ = built.readout


def test_resonators_that_lava_does_not_have_are_ours() -> None:
    """Lava's processes have one period for all neurons; a network for them alone is refused by name."""
    qnet = network("resonators")
    assert own_arguments(qnet.integer().population("aside")) is not None
    qnet.population("aside").per_neuron[0, 0] += 1
    check_network(qnet)
    assert own_arguments(qnet.integer().population("aside")) is None
    with pytest.raises(InputError, match=r"population 'aside', neuron 1: cos_decay = .* make a population of each"):
        lava_arguments(qnet.integer().population("aside"))

"""LIF with fewer than Loihi's 24 bits of state: chosen by the profile, the same in every executor, near to float."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_gcc, needs_lava

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c.build import SANITIZERS, build, run, traces
from hypr_neuro.compilers.c.learning.library import LIBRARY, LearnLibrary
from hypr_neuro.compilers.lava.build import own_arguments
from hypr_neuro.compilers.lava.learning.run import learn_in_lava
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import write_nir
from hypr_neuro.exchange.nir.read_integers import read_quantized_nir
from hypr_neuro.graph.integer import as_integer
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.structure import structure
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection
from hypr_neuro.quantizing.quantize import dequantize, quantize
from hypr_neuro.run.forward import readout
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import assert_same_run, run_of_reference
from hypr_neuro.testing.networks import assert_equal_traces, random_network, random_spikes, varied

Array = Any
SEED, STEPS = 6, 40
WIDTHS = (12, 16, 20)


def quantized(bits: int, **changed: Any) -> QuantizedNetwork:
    net = random_network("lif", SEED, hidden=(5, 4))
    profile = varied("loihi2", precision__state_bits=bits, **changed)
    return quantize(net, profile, calibration=random_spikes(SEED, 4, 60, net.inputs))


def assert_equals_reference(qnet: QuantizedNetwork, x: Array) -> dict[str, dict[str, int]]:
    """States, spikes and events of every step; returns the events."""
    trace, wanted = simulate(qnet, x, ["spikes", "u", "v"]), simulate_reference(qnet, x)
    for i in range(2):
        name = qnet.name(i)
        for j, state in enumerate("uv"):
            assert_equal_traces(wanted[i]["states"][:, j], trace.states[name][state], seed=SEED, layer=name, what=state)
        assert_equal_traces(wanted[i]["spikes"], trace.spikes[name], seed=SEED, layer=name, what="spikes")
        assert trace.events[name] == dict(
            zip(qnet.layers[i].model.events, wanted[i]["events"].sum(axis=0).tolist(), strict=True)
        )
        assert trace.spikes[name].any()
    return trace.events


@pytest.mark.parametrize("bits", WIDTHS)
def test_states_stay_inside_the_width_of_the_profile(bits: int) -> None:
    qnet = quantized(bits)
    assert [layer.model.name for layer in qnet.layers] == ["lif_narrow", "lif_narrow", "li"]
    assert [layer.model.neuron for layer in qnet.layers] == ["lif", "lif", "li"]
    x = random_spikes(SEED, 3, STEPS, qnet.inputs)
    assert_equals_reference(qnet, x)
    top = 1 << (bits - 1)
    for states in simulate(qnet, x, ["u", "v"]).states.values():
        assert max(int(np.abs(s).max()) for s in states.values()) < top


def test_from_24_bits_on_the_integers_are_loihis() -> None:
    for bits in (24, 32):
        assert [layer.model.name for layer in quantized(bits).layers] == ["lif", "lif", "li"]


def test_everything_that_can_overflow_does_and_equals_the_reference() -> None:
    qnet = quantized(12)
    for i, layer in enumerate(qnet.layers[:-1]):
        connection = layer.input
        qnet = qnet.with_layers({i: replace(layer, input=Connection(connection.mantissa, connection.exponent + 5))})
    events = assert_equals_reference(qnet, random_spikes(SEED, 3, STEPS, qnet.inputs))
    assert all(events["layers.0"].values()), events


def test_wide_enough_it_computes_what_float_computes() -> None:
    net, x = random_network("lif", SEED, hidden=(5,), recurrent=False), random_spikes(SEED, 3, STEPS, 4)
    exact = readout(net, x, dtype=np.float64)
    errors = []
    for bits in (12, 16, 20):
        profile = varied("ideal", precision__state_bits=bits)
        qnet = quantize(net, profile, calibration=x)
        errors.append(np.abs(simulate(qnet, x).readout / qnet.layers[-1].state_scale - exact).max())
    assert errors[2] < 0.02 * np.abs(exact).max(), errors
    assert errors[2] < errors[0], errors


@needs_gcc
@pytest.mark.parametrize("bits", WIDTHS[:2])
def test_c_equals_reference(bits: int, tmp_path: Path) -> None:
    qnet = quantized(bits)
    (integer, _), x = as_integer(qnet), random_spikes(SEED + 1, 1, STEPS, qnet.inputs).astype(np.int64)
    program = build(compile_network(qnet, target="c", out=tmp_path).folder, SANITIZERS, trace=True)
    padded = np.concatenate([x, np.zeros((1, qnet.tail, qnet.inputs), np.int64)], axis=1)
    got = traces(run(program, [x[0]]), integer, [padded.shape[1]])[0]
    assert_same_run(integer, padded, run_of_reference(integer, padded), got, seed=SEED, who=("reference", "C"))


@needs_gcc
@pytest.mark.parametrize("bits", WIDTHS[:2])
def test_learning_equals_its_definition_and_c(bits: int, tmp_path: Path) -> None:
    qnet, options = quantized(bits), LearnOptions(rate=4.0, parameters=("all",), parameter_rate=8.0)
    quick = replace(LIBRARY, flags=("-O1", *LIBRARY.flags[1:]))
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    chip = LearnLibrary(qnet, options, tmp_path, quick)
    rng = np.random.default_rng(SEED)
    for i in range(3):
        x = random_spikes(SEED + i, 1, STEPS, qnet.inputs)[0].astype(np.int32)
        sample = x, rng.integers(0, qnet.output_size, STEPS), np.ones(STEPS, bool), 4 << 16, 8 << 16
        wanted = np.array(slow.sample(*sample))
        assert np.array_equal(wanted, fast.sample(*sample))
        assert np.array_equal(wanted, chip.sample(*sample))
        for mine, theirs, before in zip(slow.qnet.layers, fast.qnet.layers, qnet.layers, strict=True):
            assert np.array_equal(mine.input.mantissa, theirs.input.mantissa)
            assert np.array_equal(mine.per_neuron, theirs.per_neuron)
            assert i < 2 or not np.array_equal(mine.per_neuron, before.per_neuron)
    assert slow.clips() == fast.clips() == chip.clips()


@needs_lava
def test_lava_runs_it_as_a_process_of_its_own_and_learns() -> None:
    """Not as Lava's built-in LIF, which has 24 bits."""
    qnet = quantized(16)
    assert all(own_arguments(p) is None for p in qnet.integer().populations)
    x = random_spikes(SEED + 1, 2, STEPS, qnet.inputs)
    wanted = simulate(qnet, x, ["spikes", "u", "v"])
    with LavaDevice() as device:
        device.load(qnet)
        got = device.run(x, record=("spikes", "u", "v"))
    assert np.array_equal(wanted.readout, got.readout)
    for name, spikes in wanted.spikes.items():
        assert np.array_equal(spikes, got.spikes[name]), name
        assert all(np.array_equal(wanted.states[name][s], got.states[name][s]) for s in "uv"), name
    options = LearnOptions(rate=4.0, parameters=("all",), parameter_rate=8.0)
    label, rates = np.array([0, 1]), [(4 << 16, 8 << 16)] * 2
    learned = learn_in_lava(qnet, x, label, options=options, rates=rates)
    learner = Learner(qnet.copy(), options)
    for sample, one in zip(x, label, strict=True):
        learner.sample(sample.astype(np.int32), np.full(STEPS, one), np.ones(STEPS, bool), *rates[0])
    for mine, theirs in zip(learner.qnet.layers, learned.qnet.layers, strict=True):
        assert np.array_equal(mine.input.mantissa, theirs.input.mantissa)
        assert np.array_equal(mine.per_neuron, theirs.per_neuron)


def test_it_goes_through_files_and_back_to_float(tmp_path: Path) -> None:
    qnet = quantized(16)
    qnet.save(tmp_path / "q.h5")
    again = QuantizedNetwork.load(tmp_path / "q.h5")
    x = random_spikes(SEED, 2, STEPS, qnet.inputs)
    assert np.array_equal(simulate(again, x).readout, simulate(qnet, x).readout)
    write_nir(qnet, tmp_path / "q.nir")
    back = read_quantized_nir(tmp_path / "q.nir")
    assert [layer.model.name for layer in back.layers] == ["lif_narrow", "lif_narrow", "li"]
    assert np.array_equal(simulate(back, x).readout, simulate(qnet, x).readout)
    net = random_network("lif", SEED, hidden=(5, 4))
    exact = dequantize(net, qnet)
    assert [layer.model.name for layer in exact.layers] == ["lif", "lif", "li"]
    for mine, theirs in zip(net.layers, exact.layers, strict=True):
        for name in mine.params:
            assert np.array_equal(mine.params[name], theirs.params[name]), "nothing has learned"


def test_targets_with_loihis_own_neuron_refuse_it(tmp_path: Path) -> None:
    qnet = quantized(16)
    for target in ("netx", "spinnaker2"):
        if target in qnet.profile.compilers:
            with pytest.raises(InputError, match="lif_narrow"):
                compile_network(qnet, target=target, out=tmp_path / target)


def test_its_jacobian_is_that_of_lif() -> None:
    assert structure(get_model("lif_narrow")) == structure(get_model("lif"))

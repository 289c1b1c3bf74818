"""Output neurons whose thresholds no state reaches are read as membranes: what v of the spiking neuron is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_learning import assert_c_learns_as_the_simulator, labelled_spikes
from c_programs import assert_c_equals, run_of_engine
from commands import answer
from needed import needs_gcc, needs_lava

from hypr_neuro.compilers.c.build import SANITIZERS
from hypr_neuro.compilers.lava.learning.run import learn_in_lava
from hypr_neuro.compilers.netx import write_netx
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.graph.membranes import read_as_membrane
from hypr_neuro.neurons.cuba_li_loihi import NEVER
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.given_integers import take_integers
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.integer import assert_same_run, run_of_reference

Array = Any
SEED, STEPS, UNREACHED = 8, 60, 1 << 23


def spiking(du: int = 300, dv: int = 100, *, exponent: int = 0, overflow: str = "lava", vth: int = UNREACHED) -> Any:
    """A network whose output is `lif` of that threshold."""
    rng = np.random.default_rng(SEED)
    hidden = Population.of("hidden", "lif", 6, **lif_parameters(900, 300, 40, 64 * rng.integers(-3, 4, 6)))
    values = lif_parameters(du, dv, 1, 64 * rng.integers(-8, 9, 3), overflow=overflow)
    out = Population.of("out", "lif", 3, **{**values, "vth": np.full(3, vth)})
    weights = [rng.integers(-120, 120, shape).astype(np.int32) for shape in ((6, 5), (3, 6))]
    synapses = Synapses("input", "hidden", weights[0]), Synapses("hidden", "out", weights[1], exponent)
    return IntegerNetwork(5, (hidden, out), synapses, 1)


def as_membrane(network: IntegerNetwork) -> IntegerNetwork:
    return replace(network, populations=tuple(read_as_membrane(p) for p in network.populations))


@pytest.mark.parametrize(("vth", "model"), [(NEVER - 1, "lif"), (NEVER, "cuba_li_loihi")])
def test_a_threshold_at_the_largest_state_is_never_passed(vth: int, model: str) -> None:
    """v saturates at the largest state, and a neuron fires above its threshold."""
    network = spiking(dv=0, exponent=12, vth=vth)
    x = spikes()
    trace = simulate(network, x, ["spikes", "v"])
    assert trace.states["out"]["v"].max() == (1 << 23) - 1
    assert trace.spikes["out"].any() == (model == "lif")
    assert [p.model.name for p in as_membrane(network).populations] == ["lif", model]


def spikes() -> Array:
    return (np.random.default_rng(SEED).random((2, STEPS, 5)) < 0.4).astype(np.int64)


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"du": 4095, "dv": 0},
        {"du": 0, "dv": 4095},
        {"exponent": 9},
        {"exponent": 12},
        {"exponent": 12, "overflow": "hardware"},
    ],
    ids=str,
)
def test_its_output_is_the_v_of_the_neuron_that_cannot_spike(made: dict[str, Any]) -> None:
    before, x = spiking(**made), spikes()
    network = as_membrane(before)
    assert [p.model.name for p in network.populations] == ["lif", "cuba_li_loihi"]
    trace, wanted = simulate(network, x, ["u", "v"]), simulate(before, x, ["spikes", "u", "v"])
    assert not wanted.spikes["out"].any()
    assert np.array_equal(trace.readout, wanted.states["out"]["v"].transpose(1, 0, 2))
    assert np.array_equal(trace.states["out"]["u"], wanted.states["out"]["u"])
    assert trace.events == wanted.events
    assert (max(trace.events["out"].values()) > 0) == ("exponent" in made)
    one = x[:1]
    assert_same_run(
        network, one, run_of_reference(network, one), run_of_engine(network, one), seed=SEED, who=("r", "s")
    )


@pytest.mark.parametrize("vth", [UNREACHED - 2, 64])
def test_a_threshold_that_can_be_reached_stays_one(vth: int) -> None:
    network = spiking(vth=vth)
    assert as_membrane(network).digest() == network.digest()


@needs_gcc
@pytest.mark.parametrize("exponent", [0, 12])
def test_c_equals_the_reference(exponent: int, tmp_path: Path) -> None:
    network = as_membrane(spiking(exponent=exponent))
    assert assert_c_equals(network, list(spikes()), tmp_path, SANITIZERS, seed=SEED) > 0


@needs_lava
@pytest.mark.parametrize("exponent", [0, 7])
def test_lava_equals_the_simulator(exponent: int) -> None:
    qnet, x = quantized(exponent), spikes()
    wanted = simulate(qnet, x, ["spikes", "u", "v"])
    with LavaDevice() as device:
        device.load(qnet)
        got = device.run(x, record=("spikes", "u", "v"))
    assert np.array_equal(wanted.readout, got.readout)
    for state in "uv":
        assert np.array_equal(wanted.states["out"][state], got.states["out"][state])


def quantized(exponent: int = 0) -> Any:
    return take_integers(as_membrane(spiking(exponent=exponent)), load_profile("loihi2"))


LEARNS = LearnOptions(rate=4.0, parameters=("all",), parameter_rate=8.0)


@needs_gcc
def test_it_learns_in_the_definition_the_simulator_and_c(tmp_path: Path) -> None:
    qnet = quantized()
    slow, fast = LearningReference(qnet.copy(), LEARNS), Learner(qnet.copy(), LEARNS)
    x, label, scored = labelled_spikes(SEED, qnet.inputs, 3, 3, 25)
    for sample in zip(x, label, scored, strict=True):
        assert np.array_equal(slow.sample(*sample, 3 << 16, 5 << 16), fast.sample(*sample, 3 << 16, 5 << 16))
        for mine, theirs in zip(slow.qnet.populations, fast.qnet.populations, strict=True):
            assert np.array_equal(mine.per_neuron, theirs.per_neuron)
    assert not np.array_equal(fast.qnet.population("out").per_neuron, qnet.population("out").per_neuron)
    assert_c_learns_as_the_simulator(qnet, LEARNS, SEED, tmp_path)


@needs_lava
def test_it_learns_in_lava() -> None:
    qnet, x, label = quantized(), spikes(), np.array([0, 2])
    rates = [(4 << 16, 8 << 16)] * 2
    learned, learner = learn_in_lava(qnet, x, label, options=LEARNS, rates=rates), Learner(qnet.copy(), LEARNS)
    for sample, one in zip(x, label, strict=True):
        learner.sample(sample.astype(np.int32), np.full(STEPS, one), np.ones(STEPS, bool), *rates[0])
    for mine, theirs in zip(learner.qnet.populations, learned.qnet.populations, strict=True):
        assert np.array_equal(mine.per_neuron, theirs.per_neuron)
    for name, weights in learner.qnet.weights().items():
        assert np.array_equal(weights, learned.qnet.weights()[name]), name


def test_netx_files_keep_it(tmp_path: Path) -> None:
    network = as_membrane(spiking())
    write_netx(network, tmp_path / "n.net")
    back = read_netx(tmp_path / "n.net").network
    assert [p.model.name for p in back.populations] == ["lif", "cuba_li_loihi"]
    x = spikes()
    assert np.array_equal(simulate(back, x).readout, simulate(network, x).readout)


def test_commands_score_the_membrane_and_encode_fractions(tmp_path: Path) -> None:
    """Data with fractions go through the file's own scale · data + offset, of which fractions are cut off."""
    network = as_membrane(spiking())
    network.notes["input"] = {"scale": 3, "offset": 1}
    network.save(tmp_path / "n.h5")
    real = np.random.default_rng(1).uniform(-1, 1, (12, STEPS, 5)).astype(np.float32)
    x = np.trunc(real.astype(np.float64) * 3 + 1).astype(np.int64)
    best = simulate(network, x).readout.sum(axis=1).argmax(axis=1)

    np.savez(tmp_path / "d.npz", x_train=real[:4], y_train=best[:4], x_test=real, y_test=best)
    said = answer("simulate", tmp_path / "n.h5", "--data", tmp_path / "d.npz", "--part", "test")
    assert said["accuracy"] == 1.0
    assert set(said["rates"]) == {"hidden"}

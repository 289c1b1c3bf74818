"""Float networks of neurons with several input currents: forward, gradients, noise, integers, files, refusals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from currents import INPUTS, N, network
from model_records import PLAIN, record_of

import hypr_neuro as hn
from hypr_neuro.comparing.compare import compare_inference
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.stands_for import float_network
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.networks import graph_models, random_spikes, varied
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.rules.base import Local, Rule
from hypr_neuro.workflow.equal import require_equal_integers, require_equal_networks

Array = Any
MODELS = [name for name in graph_models() if get_model(name).currents > 1]


@pytest.mark.parametrize("model", MODELS)
def test_a_run_is_the_equation_with_each_current_apart(model: str) -> None:
    net, x = network(model), random_spikes(3, 2, 80, INPUTS)
    names = ("re", "im", "current0", "current1")
    run = hn.run_float(net, x, ["spikes", *names])
    p, biases = net.population("a").params, net.population("a").biases[0]
    equation, own = record_of(model).equation, net.connections[2].weights
    for sample in range(2):
        s, z = (np.zeros(N), np.zeros(N)), np.zeros(N)
        for t in range(80):
            before = x[sample, t - 1] if t else np.zeros(INPUTS)
            currents = (
                net.connections[0].weights @ x[sample, t] + biases[0],
                net.connections[1].weights @ before + own @ z + biases[1],
            )
            s, z = equation(s, z, currents, p, PLAIN)
            assert np.array_equal(run.spikes["a"][t, sample], z), f"step {t}"
            held = s if model == "rf" else (np.where(z > 0, 0.0, s[0]), np.where(z > 0, p["vth"], s[1]))
            for name, wanted in zip(names, (*held, *currents), strict=True):
                found = run.states["a"][name][t, sample]
                np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12, err_msg=f"{name}, step {t}")
    assert 0.02 < run.spikes["a"].mean() < 0.5


@pytest.mark.parametrize("model", MODELS)
def test_integers_are_what_lava_computes_of_the_parameters(model: str) -> None:
    """Turns by the arithmetic of Lava's own processes; the threshold in the unit of the state."""
    net = network(model)
    qnet = hn.quantize(net, "loihi2", calibration=random_spikes(0, 4, 60, INPUTS))
    q, p = qnet.population("a"), net.population("a").params
    fraction, state_exp = int(np.log2(q.state_scale)), q.constant("state_exp")
    wanted = rf_parameters(p["period"], p["alpha"], p["vth"] * 2.0 ** (fraction - state_exp), state_exp)
    for name, values in zip(q.model.fixed_per_neuron, q.per_neuron, strict=True):
        assert np.array_equal(values, np.broadcast_to(wanted[name], N)), name
    assert (q.constant("decay_bits"), q.current_scale) == (12, 2.0 ** (fraction - state_exp))
    assert {(c.current, c.bias_axon) for c in qnet.connections if c.target == "a"} == {
        (k, axon) for k in (0, 1) for axon in (False, True)
    }


@pytest.mark.parametrize("model", MODELS)
def test_integers_follow_float_and_equal_the_definition(model: str) -> None:
    """No connection inside, so that a spike that differs changes no other. Measured: 0.9987 (rf), 0.9999 (rf_iz) equal,
    0.987 and 0.9994 of the spikes at the same step.
    """
    net = network(model)
    net = replace(net, connections=tuple(c for c in net.connections if c.source != c.target))
    x = random_spikes(7, 6, 120, INPUTS)
    qnet = hn.quantize(net, "ideal", calibration=x)
    assert qnet.clock.tail == 0
    found, real = hn.simulate(qnet, x, ["spikes"]), hn.run_float(net, x)
    ours, theirs = found.spikes["a"], real.spikes["a"]
    assert np.mean(ours == theirs) > 0.99
    assert np.sum(ours & theirs) > 0.95 * theirs.sum()
    wanted = simulate_reference(qnet, x[:2])
    assert np.array_equal(found.spikes["a"][:, :2], wanted[0]["spikes"])


@pytest.mark.parametrize("model", MODELS)
def test_integers_stand_for_parameters_that_give_them_again(model: str) -> None:
    """Every turn and loss of 200 neurons; through the float network that integers stand for."""
    rng = np.random.default_rng(5)
    values = rf_parameters(rng.uniform(2, 40, 200), rng.uniform(0, 1, 200), 3.0, state_exp=6)
    values["cos_decay"][:4], values["sin_decay"][:4] = [4096, -4096, 0, 0], [0, 0, 4096, -4096]
    p = Population.of("a", model, 200, **values)
    net = IntegerNetwork(1, (p,), tuple(Synapses(INPUT, "a", np.ones((200, 1), int), current=k) for k in (0, 1)))
    qnet = hn.quantize(net, "loihi2")
    params = float_network(qnet).population("a").params
    assert 1.0 <= params["vth"][0] < 2.0
    in_current = params["vth"] * qnet.population("a").state_scale / 2.0**6
    again = rf_parameters(params["period"], params["alpha"], in_current, 6)
    for name in ("cos_decay", "sin_decay", "vth"):
        assert np.array_equal(again[name], np.broadcast_to(values[name], 200)), name


def test_integers_without_a_float_form_are_named() -> None:
    for change, message in (
        ({"cos_decay": 4096, "sin_decay": 1}, r"population 'a': neuron 'rf': cos_decay\[0\], sin_decay\[0\] = 4096, 1"),
        ({"vth": 0}, r"population 'a': neuron 'rf': vth\[0\] = 0, rule for a float form: above 0"),
    ):
        p = Population.of("a", "rf", 2, **rf_parameters(9, 0.1, 20) | change)
        qnet = hn.quantize(IntegerNetwork(1, (p,), (Synapses(INPUT, "a", np.ones((2, 1), int)),)), "loihi2")
        with pytest.raises(InputError, match=message):
            float_network(qnet)


def tones() -> hn.SequenceData:
    """Two classes: trains of period 7 and of 13, other spikes among them."""
    rng = np.random.default_rng(1)
    x, y = (rng.random((240, 60, INPUTS)) < 0.03).astype(np.int8), np.arange(240) % 2
    for sample, label in zip(x, y, strict=True):
        sample[rng.integers(7) :: (7, 13)[label], :3] = 1
    return hn.SequenceData("tones", x, y, np.repeat(["train", "validation", "test"], (160, 40, 40)), 2)


@pytest.mark.parametrize("rule", ["hypr", "ostl", "eprop", "bptt"])
@pytest.mark.parametrize("model", MODELS)
def test_periods_are_told_apart_after_training(model: str, rule: str) -> None:
    """Measured, of 40 test samples: 0.85 to 1.0 in float; integers answer at most one in twenty otherwise."""
    net, data = network(model, 3, 16), tones()
    before = {name: array.copy() for name, array in net.arrays().items()}
    history = hn.train(net, data, rule=rule, epochs=12, rate=0.02, loss="sum_of_softmax")
    assert history.epochs[-1].loss < 0.5 * history.epochs[0].loss
    assert all(not np.array_equal(before[name], array) for name, array in net.arrays().items())
    found = compare_inference(net, hn.quantize(net, "loihi2", calibration=data), data)
    assert found.float_score.accuracy > 0.75
    assert found.integer_score.accuracy > found.float_score.accuracy - 0.1


# --- noise and penalties


@dataclass(frozen=True)
class Noisy(Rule):
    """HYPR with noise on every current."""

    deviation: float = 0.3

    def noise(self, net: Network) -> tuple[float, ...]:
        return tuple(self.deviation for _ in net.populations)


def test_every_current_has_noise_of_its_own() -> None:
    """Weights 0: states are noise alone; both currents, neurons and samples differ, sub-sequences change nothing."""
    net = network("rf")
    for array in net.arrays().values():
        if array.ndim == 2:
            array[...] = 0.0
    seen: list[Array] = []

    @dataclass(frozen=True)
    class Seen(Noisy):
        def error(self, local: Local) -> Array:
            seen.append(np.array(local.noise))
            return np.zeros_like(local.output)

    x, y = np.zeros((3, 40, INPUTS)), np.zeros(3, int)
    gradients(net, x, y, rule=Seen("seen", source="a test"), dtype=np.float64)
    noise = next(part for part in seen if part.ndim == 4)
    assert noise.shape == (40, 3, 2, N)
    assert np.std(noise) == pytest.approx(0.3, rel=0.05)
    flat = noise.reshape(40, -1).T
    assert np.abs(np.corrcoef(flat) - np.eye(len(flat))).max() < 0.8
    whole, parts = (
        gradients(network("rf"), random_spikes(1, 3, 40, INPUTS), y, rule=Noisy("noisy", source="a test"), chunk=chunk)[
            0
        ]
        for chunk in (None, 7)
    )
    quiet = gradients(network("rf"), random_spikes(1, 3, 40, INPUTS), y)[0]
    for name, gradient in whole.items():
        np.testing.assert_allclose(parts[name], gradient, rtol=0, atol=2e-4 * max(np.abs(gradient).max(), 1e-6))
    assert any(not np.allclose(whole[name], quiet[name], rtol=0.01) for name in whole)


def test_a_penalty_on_rates_reaches_every_current() -> None:
    net, x, y = network("rf"), random_spikes(1, 3, 40, INPUTS), np.zeros(3, int)
    without = gradients(net, x, y, dtype=np.float64)[0]
    with_penalty = gradients(net, x, y, penalty=RatePenalty(0.5, 10.0), dtype=np.float64)[0]
    for name in ("input -> a", "input -> a (2)", "a -> a", "a.bias"):
        assert not np.allclose(without[name], with_penalty[name]), name


# --- files


@pytest.mark.parametrize("model", MODELS)
def test_files_keep_currents_and_their_biases(model: str, tmp_path: Path) -> None:
    net = network(model)
    net.save(tmp_path / "net.h5")
    summary = hn.write_nir(net, tmp_path / "net.nir")
    for path in ("net.h5", "net.nir"):
        require_equal_networks(net, hn.load(tmp_path / path))
    assert f"a ({model}): its 2 input currents are one in other readers, their sum" in summary.approximations
    qnet = hn.quantize(net, "loihi2", calibration=random_spikes(0, 4, 60, INPUTS))
    hn.write_nir(qnet, tmp_path / "integers.nir")
    require_equal_integers(qnet, hn.load(tmp_path / "integers.nir"))


# --- what is refused


def test_wrong_currents_and_biases_are_named() -> None:
    neurons = FloatPopulation("a", get_model("rf"), {}, {}, (3,))
    with pytest.raises(InputError, match=r"connection input -> a: current 2, 'rf' has 2 input current\(s\)"):
        Network(1, (neurons,), (FloatSynapses(INPUT, "a", np.ones((3, 1)), current=2),), 1e-3, ("a",))
    with pytest.raises(
        InputError, match=r"bias of shape \(3,\) from step 0, rule: \(2, 3\), a row for each input curr"
    ):
        FloatPopulation("a", get_model("rf"), {}, {0: np.zeros(3)}, (3,))
    with pytest.raises(InputError, match=r"bias of shape \(2, 3\) from step 0, rule: \(3,\), finite"):
        FloatPopulation("a", get_model("lif"), {}, {0: np.zeros((2, 3))}, (3,))
    with pytest.raises(InputError, match=r"unknown 'a/current'.*, known: .*current0, current1"):
        hn.run_float(network("rf"), np.zeros((1, 2, INPUTS)), ["a/current"])


def test_what_meets_the_current_needs_one() -> None:
    @dataclass(frozen=True)
    class ByCurrent(Rule):
        def error(self, local: Local) -> Array:
            return np.zeros_like(local.output)

    rule = ByCurrent("by current", source="a test", eligibility="current")
    message = "population 'a': neuron 'rf' has 2 input currents, rule of 'by current', whose signals meet currents: one"
    with pytest.raises(InputError, match=message):
        gradients(network("rf"), np.zeros((1, 3, INPUTS)), np.zeros(1, int), rule=rule)


@pytest.mark.parametrize("model", MODELS)
def test_neurons_learn_on_chip_what_tells_periods_apart(model: str) -> None:
    """From random weights, in integers. Measured, of 40 test samples: 0.975, from 0.525 (rf) and 0.675 (rf_iz)."""
    net, data, rate = network(model, 3, 16), tones(), {"rf": 0.5, "rf_iz": 0.2}[model]
    learned = hn.learn(hn.quantize(net, "loihi2", calibration=data), data, epochs=6, rate=rate, decay=0.8)
    test = data.part("test")
    found = np.argmax(hn.simulate(learned.qnet, test.x).readout.sum(axis=1), axis=1)
    assert np.mean(found == test.y) > 0.8


def test_states_narrower_than_lavas_are_refused() -> None:

    with pytest.raises(InputError, match="states of 24 bits, and the profile's have 16"):
        hn.quantize(network("rf"), varied("loihi2", precision__state_bits=16), calibration={"a": 4.0, "out": 4.0})

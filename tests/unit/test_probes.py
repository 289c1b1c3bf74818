"""Probes: the float rule in the device's time against its definition, along given spikes, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_records import record_of
from probes_of import gradient_scales, gradients_along

from hypr_neuro.comparing.float_device import FloatDevice
from hypr_neuro.comparing.float_gradients import signal_delays
from hypr_neuro.comparing.probes import cosine_of, dead_share, probe, ratio_of, saturated_weights
from hypr_neuro.comparing.twin import arrays_of
from hypr_neuro.comparing.update_probe import UpdateProbe
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.quantize import dequantize, quantize
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import integer_models, varied
from hypr_neuro.traces.float_trace import float_trace
from hypr_neuro.train.initial import scale_to_rate
from hypr_neuro.train.reference import reference_gradients

Array = Any
STEPS, CLASSES = 60, 3
EVERYTHING = LearnOptions(parameters=("all",))


def data(samples: int = 2, steps: int = STEPS) -> SequenceData:
    rng = np.random.default_rng(5)
    x = (rng.random((samples, steps, 6)) < 0.2).astype(np.int8)
    return SequenceData("noise", x, rng.integers(0, CLASSES, samples), np.array(["train"] * samples), CLASSES)


def network(neuron: str, layers: int = 2) -> Network:
    hidden = {
        "neuron": neuron,
        "size": 8,
        "recurrent": True,
        "params": {k: list(v) for k, v in record_of(neuron).ranges.items()},
    }
    net = Network.build({"inputs": 6, "outputs": CLASSES, "layers": [hidden] * layers}, seed=1)
    scale_to_rate(net, data().x, 0.05)
    return net


def narrow(**learning: int) -> Profile:
    """loihi2 with these widths of learning."""
    plain = load_profile("loihi2").dump()
    for key, bits in learning.items():
        plain["learning"][key] = {"value": bits, "unit": "bit", "source": "test"}
    return parse_profile(plain, "test")


# --- the float rule in the device's time


@pytest.mark.parametrize("profile", ["ideal", "loihi2"])
@pytest.mark.parametrize("neuron", integer_models())
def test_the_float_device_gives_the_gradients_of_the_definition(neuron: str, profile: str) -> None:
    net = network(neuron)
    qnet = quantize(net, profile, calibration=data())
    sample = data(1, 30)
    sample = replace(sample, mask=np.random.default_rng(0).random((1, 30)) < 0.7)
    device = FloatDevice.of(net, qnet, EVERYTHING)
    device.sample(*arrays_of(sample))
    form, delays = device.form, signal_delays(device.plan)
    expected, _ = reference_gradients(form.net, sample.x, sample.y, sample.mask, signal_delay=delays)
    found = device.gradients()
    for name, g in form.by_connection(expected).items():
        if MODELS[neuron].learned is None and name.endswith(MODELS[neuron].trainable):
            assert name not in found  # these stay as they are
            continue
        np.testing.assert_allclose(found[name], g * sample.mask.sum(), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("neuron", integer_models())
def test_along_its_own_spikes_the_float_network_runs_freely(neuron: str) -> None:
    net = network(neuron)
    qnet, sample = quantize(net, "ideal", calibration=data()), data(1)
    spikes = float_trace(dequantize(net, qnet), sample.x, ("spikes",), dtype=np.float64).spikes
    assert min(int(s.sum()) for s in spikes.values()) > 0
    runs = []
    for given in (None, {name: s[:, 0] for name, s in spikes.items()}):
        device = FloatDevice.of(net, qnet, EVERYTHING)
        output = device.sample(*arrays_of(sample), spikes=given)
        runs.append((output, device.gradients()))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert all(np.array_equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1])


def test_a_given_spike_acts_on_the_state_of_its_own_step() -> None:
    """BRF: q rises by 1 with the spike; SE-adLIF: the membrane's drive of w is cut off."""
    x, silent = np.zeros((1, 6), np.int8), np.zeros((1, 8))
    for neuron, state, at_rest, after in (("brf", 2, 0.0, 1.0), ("se_adlif", 1, None, 0.0)):
        net = network(neuron, 1)
        net.layers[0].bias[...] = 3.0
        qnet, found = quantize(net, "ideal", calibration=data()), []
        for spikes in (silent, silent + 1.0):
            device = FloatDevice.of(net, qnet, LearnOptions())
            device.sample(x, np.zeros(1, int), np.ones(1, bool), spikes={"layers.0": spikes})
            found.append(device.populations[0].state[state])
            assert np.array_equal(device.populations[0].output, spikes[0])
        assert np.all(found[1] == after)
        assert np.all(found[0] == at_rest) if at_rest is not None else np.any(found[0] > 0)


def test_spikes_of_the_wrong_shape_are_refused() -> None:
    net = network("lif", 1)
    device = FloatDevice.of(net, quantize(net, "ideal", calibration=data()), LearnOptions())
    with pytest.raises(InputError, match=r"spikes of layers\.0: shape \(5, 7\), rule: at most 4 steps, 8 neurons"):
        device.sample(np.zeros((4, 6)), np.zeros(4, int), np.ones(4, bool), spikes={"layers.0": np.zeros((5, 7))})


# --- integer gradients against it


@pytest.mark.parametrize("neuron", integer_models())
def test_integer_gradients_point_along_floats_at_the_profiles_widths(neuron: str) -> None:
    net, given = network(neuron), data()
    for profile in ("loihi1", "loihi2", "ideal"):
        found = probe(net, quantize(net, profile, calibration=given), given, forms=("along",))
        assert min(found.cosine.values()) >= 0.999, (profile, found.cosine)
        assert all(0.97 < ratio < 1.03 for ratio in found.norm_ratio.values()), (profile, found.norm_ratio)


@pytest.mark.parametrize("neuron", integer_models())
def test_gradients_of_neuron_parameters_do_too(neuron: str) -> None:
    net, given = network(neuron), data()
    found = probe(net, quantize(net, "ideal", calibration=given), given, EVERYTHING, forms=("along",))
    model = MODELS[neuron]
    own = [f"layers.{i}.{p}" for i in range(2) for p in (model.trainable if model.learned is not None else ())]
    for name in [*own, "readout.tau"]:
        assert found.cosine[name] >= 0.999, (name, found.cosine)
        assert 0.97 < found.norm_ratio[name] < 1.03, (name, found.norm_ratio)


def test_narrow_words_turn_the_gradient() -> None:
    """Each width alone, down to where it hurts."""
    net, given = network("se_adlif"), data()
    worst = []
    for field, widths in (("psi_bits", (8, 5, 3)), ("error_bits", (16, 4, 2)), ("eligibility_fraction", (12, 8, 4))):
        qnets = (quantize(net, narrow(**{field: bits}), calibration=given) for bits in widths)
        cosines = [min(probe(net, qnet, given, forms=("along",)).cosine.values()) for qnet in qnets]
        assert 0.999 <= cosines[0] > cosines[1] > cosines[2], (field, cosines)
        worst.append(cosines[2])
    assert max(worst) < 0.95


def test_a_probe_changes_nothing_and_fills_every_field() -> None:
    net, given = network("brf"), data()
    qnet = quantize(net, "loihi2", calibration=given)
    before = qnet.copy()
    found = probe(net, qnet, given, EVERYTHING)
    assert all(np.array_equal(m, before.weights()[name]) for name, m in qnet.weights().items())
    assert all(np.array_equal(a.per_neuron, b.per_neuron) for a, b in zip(qnet.layers, before.layers, strict=True))
    names = found.cosine.keys()
    assert names >= {"layers.0.input", "layers.1.omega", "readout.tau"}
    for key, shares in found.as_dict().items():
        if key == "saturated":
            assert shares.keys() == qnet.weights().keys()
        elif key != "clipped":
            assert shares.keys() == names, key
    assert {"learning signals", "layers.0 Jacobians", "layers.1 accumulators", "layers.0 u saturated"} <= set(
        found.clipped
    )


def test_saturation_is_seen() -> None:
    """An accumulator of 12 bits overflows; a share is of all that were added to."""
    net, given = network("lif", 1), data()
    found = probe(net, quantize(net, narrow(accumulator_bits=12), calibration=given), given, forms=("along",))
    assert 0.0 < found.clipped["layers.0 accumulators"] < 1.0
    assert found.clipped["layers.0 eligibilities"] == 0.0
    assert found.cosine["layers.0.input"] < 0.99


def test_a_probe_of_nothing_is_refused() -> None:
    net = network("lif", 1)
    qnet = quantize(net, "loihi2", calibration=data())
    with pytest.raises(InputError, match="rule: at least one sample; 'along', 'free', 'exact'"):
        probe(net, qnet, data().take(np.arange(0)))
    with pytest.raises(InputError, match="forms"):
        probe(net, qnet, data(), forms=("alone",))


def test_scales_are_the_size_of_integer_gradients() -> None:
    """A fully known case: the readout alone, so that signal · ε is the error in 16 bits times ε in 12."""
    net, given = network("lif", 1), data(1)
    qnet = quantize(net, "loihi2", calibration=given)
    scales = gradient_scales(net, qnet, EVERYTHING)
    x, label, scored = arrays_of(given)
    found = Learner(qnet.copy(), EVERYTHING).gradients(x.astype(np.int32), label, scored)
    real = gradients_along(dequantize(net, qnet), qnet, given, EVERYTHING)
    assert scales.keys() >= found.keys()
    for name, g in found.items():
        ours = g.reshape(len(g), -1)
        largest = np.unravel_index(np.abs(ours).argmax(), ours.shape)
        assert ours[largest] == pytest.approx(scales[name] * real[name][largest], rel=0.02), name


# --- numbers by hand


def test_numbers_of_two_gradients_by_hand() -> None:
    a, b = np.array([[3.0, 0.0]]), np.array([[1.0, 1.0]])
    assert cosine_of(a, b) == pytest.approx(1 / np.sqrt(2))
    assert ratio_of(a, b) == pytest.approx(3 / np.sqrt(2))
    assert np.isnan(cosine_of(0 * a, b))
    assert np.isnan(cosine_of(a, b, 1.5)), "float's gradient is less than a unit of the integers"
    assert cosine_of(a, b, 1.4) == cosine_of(a, b)
    assert np.isnan(ratio_of(a, 0 * b))
    assert ratio_of(0 * a, b) == 0.0


def test_dead_entries_are_those_that_float_moves() -> None:
    integer, real = np.array([[0, 4, 0], [0, 0, 1]]), np.array([[1e-9, 2.0, 0.0], [-3.0, 5.0, 0.0]])
    assert dead_share(integer, real) == 3 / 4
    assert dead_share(integer, 0 * real) == 0.0


def test_weights_at_their_largest_magnitude() -> None:
    net = network("lif", 1)
    qnet = quantize(net, "loihi2", calibration=data())
    qnet.layers[0].input.mantissa[...] = 1
    qnet.layers[0].input.mantissa[0, :3] = (127, -127, 126)
    assert saturated_weights(qnet)["layers.0.input"] == 2 / qnet.layers[0].input.mantissa.size


# --- from update to update


@pytest.mark.parametrize("rule", ["factored", "sgd"])
def test_an_update_probe_follows_a_run(rule: str) -> None:
    net, given = network("lif", 1), data(6)
    qnet = quantize(net, "loihi2", calibration=given)
    options = LearnOptions(rule=rule, rate=0.3, parameters=("layers.0.vth",), decay=0.5)
    seen = UpdateProbe(qnet, options, per_epoch=6, every=2, bins=16)
    run = learn(qnet, given, epochs=2, options=options, before_update=seen)
    plain = learn(qnet, given, epochs=2, options=options)
    assert all(np.array_equal(m, plain.qnet.weights()[name]) for name, m in run.qnet.weights().items())
    assert [record.update for record in seen.records] == [0, 2, 4, 6, 8, 10]
    for record in seen.records:
        assert record.histogram.keys() == record.saturated.keys() == qnet.weights().keys()
        assert all(sum(counts) == qnet.weights()[name].size for name, counts in record.histogram.items())
        assert record.step.keys() == qnet.weights().keys() | {"layers.0.vth"}
    edges, first = seen.edges, seen.records[0]
    assert first.histogram["layers.0.input"] == np.histogram(qnet.weights()["layers.0.input"], edges)[0].tolist()
    assert seen.weights.rate == pytest.approx(0.15, abs=1e-4)


@pytest.mark.parametrize("residual_bits", [0, 2])
def test_the_share_of_small_steps_is_the_learners_own(residual_bits: int) -> None:
    """Worked out in float from integer gradients, against the learner's count of integer steps below half a unit."""
    net, given = network("lif", 1), data(6)
    chip = varied("loihi2", learning__residual_bits=residual_bits)
    qnet, options = quantize(net, chip, calibration=given), LearnOptions(rate=0.5 / (1 << residual_bits))
    shares, weights = [], []
    seen = UpdateProbe(qnet, options)

    def note(learner: Learner) -> None:
        seen(learner)
        record = seen.records[-1]
        for name, g in learner.updater.gradients().items():
            moving = float(g.size * (1.0 - record.zero[name]))
            shares.append(record.small[name] * moving)
            weights.append(moving)

    run = learn(qnet, given, options=options, before_update=note)
    assert 0.1 < run.epochs[0].dead_zone < 0.9
    assert sum(shares) / sum(weights) == pytest.approx(run.epochs[0].dead_zone, abs=0.02)

"""Comparison and stages on a tiny network: what differs is seen, what is counted is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.comparing.compare import (
    FloatTwin,
    compare,
    dequantize,
    disturb,
    float_spikes,
    gradient_fidelity,
    in_words,
)
from hypr_neuro.comparing.divergence import Divergence, first_divergence
from hypr_neuro.comparing.float_device import FloatDevice
from hypr_neuro.comparing.twin import arrays_of, parameter_units
from hypr_neuro.data.score import predict
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import DoesNotFitError, FileFormatError, InputError, MismatchError
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.network import Network
from hypr_neuro.placement.place import place
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.learned_values import values_of
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learn import LearnOptions, epoch_order
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.initial import scale_to_rate
from hypr_neuro.workflow import equal, stages, stages_learning


def data() -> SequenceData:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 12)
    x = (rng.random((12, 20, 4)) < np.where(np.arange(4)[None] // 2 == y[:, None], 0.8, 0.1)[:, None]).astype(np.int8)
    split = np.array(["train"] * 8 + ["test"] * 4)
    return SequenceData("tiny", x, y, split, 2)


def network() -> Network:
    net = Network.build({"inputs": 4, "outputs": 2, "layers": [{"neuron": "lif", "size": 6}]}, seed=2)
    net.layers[0].weight *= 2.0
    return net


def quantized(net: Network) -> QuantizedNetwork:
    return quantize(net, "loihi2", calibration=data())


def test_networks_that_differ_in_one_number_are_told_apart() -> None:
    net, other = network(), network()
    equal.require_equal_networks(net, other)
    other.layers[0].params["dv"][3] += 1e-12
    with pytest.raises(MismatchError, match=r"layers\.0"):
        equal.require_equal_networks(net, other)


def test_traces_that_differ_in_one_spike_are_told_apart() -> None:
    trace = simulate(quantized(network()), data().x, record=("spikes", "v"))
    equal.require_equal_traces(trace, trace)
    spikes = trace.spikes["layers.0"].copy()
    spikes[5, 2, 1] ^= 1
    with pytest.raises(MismatchError, match=r"layers\.0\.spikes.*step 5, sample 2, neuron 1"):
        equal.require_equal_traces(trace, replace(trace, spikes={"layers.0": spikes}))


def test_rates_of_float_and_integers_are_of_the_same_samples_and_steps(tmp_path: Path) -> None:
    """More samples than agreement takes, short ones, and layers that are late by 1 and 2 steps."""
    net = random_network("lif", 7, hidden=(5, 4))
    x = random_spikes(7, 20, 20, 4)
    given = SequenceData("short", x, np.arange(20) % 3, np.array(["train"] * 4 + ["test"] * 16), 3)
    qnet = quantize(net, "loihi2", calibration=x)
    stages.simulate_stage(RunFolder(tmp_path), net, qnet, given)
    rates = RunFolder(tmp_path).read("quantization")["rates"]
    chosen = given.part("test").x
    trace = simulate(qnet, chosen, record=("spikes",))
    for i, (name, spikes) in enumerate(float_spikes(net, chosen).items(), start=1):
        kept = trace.spikes[name][i : i + 20]
        assert rates[name] == pytest.approx({"float": spikes.mean(), "integer": kept.mean()})
        assert abs(rates[name]["float"] - rates[name]["integer"]) <= np.mean(spikes != kept) + 1e-9 < 0.1
        assert spikes.mean() > 0.02


def test_share_of_regained_points() -> None:
    assert stages_learning.regained(0.9, 0.5, 0.8) == pytest.approx(0.75)
    assert stages_learning.regained(0.9, 0.5, 0.4) < 0
    assert np.isnan(stages_learning.regained(0.5, 0.5, 0.6))


def test_baseline_of_labels_per_step_is_the_most_frequent_class() -> None:
    given = data()
    steps = replace(given, y=np.tile(np.array([0, 1, 1, 1]), (12, 5)), mask=None)
    assert stages.baselines(steps) == {"always the most frequent class": 0.75}


def test_disturbance_zeroes_weights_and_swaps_two_channels() -> None:
    qnet, given = quantized(network()), data()
    damaged, rewired, what = disturb(qnet, given, share=0.5, seed=0)
    one, other = (int(word) for word in what.split("channels")[1].split() if word.isdigit())
    assert one != other
    assert np.array_equal(rewired.x[:, :, one], given.x[:, :, other])
    assert np.array_equal(rewired.x[:, :, other], given.x[:, :, one])
    before, after = qnet.weights(), damaged.weights()
    zeroed = sum(int(np.sum((before[k] != 0) & (after[k] == 0))) for k in before)
    assert 0.3 < zeroed / sum(int(np.count_nonzero(v)) for v in before.values()) < 0.7
    assert all(np.all((after[k] == before[k]) | (after[k] == 0)) for k in before)


def test_prediction_counts_scored_steps_only() -> None:
    output = np.zeros((1, 4, 2))
    output[0, :, 0] = 10.0
    output[0, 3] = (0.0, 1.0)
    mask = np.array([[False, False, False, True]])
    given = SequenceData("one", np.zeros((1, 4, 1), np.int8), np.array([1]), np.array(["test"]), 2, mask)
    assert predict(output, given).tolist() == [1]
    assert predict(output, replace(given, mask=None)).tolist() == [0]


def test_both_sides_start_equal_and_part_as_they_learn() -> None:
    net = network()
    found = compare(net, quantized(net), data(), epochs=2, options=LearnOptions(rate=0.5, decay=0.5))
    assert [e.epoch for e in found.epochs] == [0, 1, 2]
    assert found.epochs[0].weight_distance == 0.0
    assert found.epochs[0].float_accuracy == found.epochs[0].device_accuracy
    for entry in found.epochs:
        assert entry.device_loss is not None
        assert entry.device_loss == pytest.approx(entry.float_loss, rel=0.1)
    assert 0.0 < found.epochs[2].weight_distance < 0.5
    assert found.updates == 16


def test_the_float_rule_follows_rate_and_decay() -> None:
    net = network()
    qnet, rates = quantized(net), []
    twin = FloatTwin(dequantize(net, qnet), qnet, LearnOptions(rate=0.5, decay=0.5))
    update = twin.optimizer.update
    twin.optimizer.update = lambda values, gradient: (rates.append(twin.optimizer.rate), update(values, gradient))
    twin.learn(data(), 2, "test")
    assert rates == [0.5] * 8 + [0.25] * 8


def chip(connection_delay: int = 1, **learning: str | int) -> Profile:
    """loihi2 with these fields of `learning`."""
    plain = load_profile("loihi2").dump()
    plain["time"]["connection_delay"]["value"] = connection_delay
    for key, value in learning.items():
        plain["learning"][key] = {"value": value, "unit": "-", "source": "test"}
    return parse_profile(plain, "test")


def two_layers(neuron: str = "se_adlif", seed: int = 2) -> Network:
    hidden = {"neuron": neuron, "size": 5, "recurrent": True}
    net = Network.build({"inputs": 4, "outputs": 3, "layers": [hidden, hidden | {"size": 4}]}, seed=seed)
    scale_to_rate(net, data().x, 0.05)
    return net


def twin_of(net: Network, profile: Profile, options: LearnOptions) -> FloatTwin:
    qnet = quantize(net, profile, calibration=data())
    return FloatTwin(dequantize(net, qnet), qnet, options)


def close(expected: dict[str, np.ndarray], got: dict[str, np.ndarray]) -> None:
    """Up to the 32 bits in which gradients of whole samples are computed."""
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=0, atol=2e-5 * np.abs(value).max() + 1e-12, err_msg=name)


ERRORS = [("softmax", "none", "symmetric"), ("linear", "none", "random"), ("sign", "delayed", "symmetric")]


@pytest.mark.parametrize(("error", "alignment", "feedback"), ERRORS)
def test_both_ways_to_the_float_gradient_agree(error: str, alignment: str, feedback: str) -> None:
    """Sub-sequences backwards, and eligibilities step by step in the device's time."""
    net = two_layers()
    qnet = quantize(net, chip(error=error, eligibility_alignment=alignment), calibration=data())
    options = LearnOptions(parameters=("all",), feedback=feedback)
    real, sample = dequantize(net, qnet), data().take(np.array([3]))
    device = FloatDevice.of(real, qnet, options)
    device.sample(*arrays_of(sample))
    found = FloatTwin(real, qnet, options).gradients(sample)
    stepped = device.gradients()
    assert all(np.any(g) for g in stepped.values())
    close(stepped, {name: found[name] for name in stepped})


def test_random_feedback_leaves_the_readout_alone() -> None:
    net, sample = two_layers(), data().take(np.array([0]))
    both = [twin_of(net, chip(), LearnOptions(feedback=f)).gradients(sample) for f in ("symmetric", "random")]
    for name in both[0]:
        assert np.array_equal(both[0][name], both[1][name]) == name.startswith("readout"), name


def test_other_matrices_on_the_way_down_by_hand() -> None:
    """Those equal to the weights change nothing; doubled for the readout alone they double what lies below."""
    net, sample = two_layers(), data().take(np.array([3]))
    weights = [layer.weight for layer in net.layers[1:]]
    ways = (None, weights, [weights[0], 2.0 * weights[1]], [0.0 * weights[0], weights[1]])
    plain, same, doubled, cut = (gradients(net, sample.x, sample.y, feedback_weights=way)[0] for way in ways)
    for name, g in plain.items():
        assert np.array_equal(same[name], g)
        np.testing.assert_allclose(doubled[name], g * (1.0 if name.startswith("readout") else 2.0), rtol=1e-12)
        assert np.array_equal(cut[name], 0.0 * g if name.startswith("layers.0") else g)


def test_checked_feedback_are_those_of_hypr_and_of_the_weights_shapes() -> None:
    net, sample = two_layers(), data().take(np.array([3]))
    weights = [layer.weight for layer in net.layers[1:]]
    with pytest.raises(InputError, match="feedback_weights with rule 'bptt', rule: 'hypr' only"):
        gradients(net, sample.x, sample.y, rule="bptt", feedback_weights=weights)
    with pytest.raises(InputError, match=r"feedback_weights of shapes \[\(4, 5\)\], rule: \[\(4, 5\), \(3, 4\)\]"):
        gradients(net, sample.x, sample.y, feedback_weights=weights[:1])


def test_delayed_eligibilities_undo_every_delay() -> None:
    """The same as on a device without delays."""
    net, sample = two_layers(), data().take(np.array([0]))
    plain = chip(0).dump()
    plain["time"]["error_latency"]["value"] = 0
    late, prompt, delayed = (
        twin_of(net, profile, LearnOptions()).gradients(sample)
        for profile in (chip(), parse_profile(plain, "test"), chip(eligibility_alignment="delayed"))
    )
    for name in prompt:
        assert np.array_equal(delayed[name], prompt[name])
        assert np.array_equal(late[name], prompt[name]) == name.startswith("readout"), name


def test_updates_by_steps_are_those_by_samples_where_both_fall_together() -> None:
    net, options = two_layers(), LearnOptions(parameters=("all",), rule="layer")
    # with a connection delay a bias line would fire in upper layers before float's first step
    profile = chip(0, eligibility_alignment="delayed")
    steps = quantize(net, profile, calibration=data()).clock.learning_steps(data().steps)
    by_sample = twin_of(net, profile, replace(options, update_every=2))
    by_step = twin_of(net, profile, replace(options, update_on="step", update_every=2 * steps))
    for index in range(5):
        for twin in (by_sample, by_step):
            twin.sample(data().take(np.array([index])))
    assert by_sample.updates == by_step.updates == 2
    start = twin_of(net, profile, options).form.weights()
    assert not np.allclose(start["layers.0.input"], by_sample.form.weights()["layers.0.input"])
    close(by_sample.form.weights(), by_step.form.weights())
    for one, other in zip(by_sample.net.layers, by_step.net.layers, strict=True):
        for a, b in zip(values_of(one), values_of(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_updates_inside_a_sample_act_from_the_next_step_on() -> None:
    """The first interval's gradient is that of a sample that ends there; later ones are not those of old weights."""
    net, sample = two_layers(), data().take(np.array([3]))
    found = []
    for shorter, steps in ((sample, 7), (replace(sample, x=sample.x[:, :7]), 7), (sample, 1000)):
        twin = twin_of(net, load_profile("ideal"), LearnOptions(update_on="step", update_every=steps, rate=4.0))
        update, seen = twin.optimizer.update, []
        twin.optimizer.update = lambda values, g, update=update, seen=seen: (seen.append(dict(g)), update(values, g))
        twin.sample(shorter)
        found.append(seen)
        left = twin.device.gradients()
    assert [len(seen) for seen in found] == [2, 1, 0]
    assert all(np.array_equal(found[0][0][name], g) for name, g in found[1][0].items())
    assert any(np.any(g) for g in found[1][0].values())
    rest = left["readout.input"] - found[0][0]["readout.input"]
    assert not np.allclose(found[0][1]["readout.input"], rest, atol=1e-3 * np.abs(rest).max())


@pytest.mark.parametrize("neuron", ["lif", "alif", "se_adlif", "brf"])
def test_parameters_move_in_the_units_of_their_integers(neuron: str) -> None:
    """Signs: every value with a gradient moves by rate · unit against it, parameters that were not chosen stay."""
    net = two_layers(neuron)
    place = 1 if neuron == "lif" else 0  # du is 1 here, the largest it can be
    first = net.layers[0].model.trainable[place]
    options = LearnOptions(rule="sign", parameters=(f"layers.0.{first}",), parameter_rate=2.0)
    qnet = quantize(net, chip(), calibration=data())
    twin = FloatTwin(dequantize(net, qnet), qnet, options)
    units = parameter_units(LearningPlan(qnet, options))
    unit = units[f"layers.0.{first}"]
    assert units.keys() == {f"layers.0.{first}"}
    before, kept = values_of(twin.net.layers[0])[place], twin.net.copy()
    by_parameter = twin.gradients(data().take(np.array([3])))[f"layers.0.{first}"]
    twin.sample(data().take(np.array([3])))
    moved = (values_of(twin.net.layers[0])[place] - before) / (2.0 * unit)
    assert np.any(moved)
    np.testing.assert_allclose(np.abs(moved[by_parameter != 0]), 1.0, atol=1e-6)
    steeper = values_of(kept.layers[0])[place]
    kept.layers[0].params[first] *= 1.001
    rising = np.sign(values_of(kept.layers[0])[place] - steeper)
    assert np.array_equal(np.sign(np.rint(moved)), -np.sign(by_parameter) * rising)
    for name in set(net.layers[0].model.trainable) - {first}:
        assert np.array_equal(twin.net.layers[0].params[name], kept.layers[0].params[name])


def test_a_sample_without_scored_steps_updates_with_gradient_0() -> None:
    given = replace(data(), mask=np.zeros((12, 20), bool))
    twin = twin_of(network(), chip(), LearnOptions())
    before = twin.form.weights()
    twin.sample(given.take(np.array([0])))
    assert twin.updates == 1
    close(before, twin.form.weights())


def test_comparison_follows_the_options() -> None:
    options = LearnOptions(rule="sgd", parameters=("layers.0.vth",), update_every=3, feedback="random")
    found = compare(network(), quantized(network()), data(), epochs=1, options=options)
    assert found.updates == 2
    assert 0.0 < found.epochs[1].parameter_distance["layers.0.vth"] < 1.0 or not found.epochs[1].weights_changed
    assert found.epochs[0].parameter_distance == {"layers.0.vth": pytest.approx(0.0, abs=1e-3)}
    assert found.epochs[1].cosine["layers.0.vth"] > 0.99
    assert found.rule == in_words(options)
    assert "gradients as they are" in found.rule
    assert "update after every 3 samples" in found.rule
    assert "random feedback" in found.rule


@pytest.mark.parametrize("neuron", ["lif", "alif", "se_adlif", "brf"])
def test_parameters_are_read_back_where_integers_changed(neuron: str) -> None:
    net = two_layers(neuron)
    qnet = quantize(net, chip(), calibration=data())
    back = dequantize(net, qnet)
    for one, other in zip(net.layers, back.layers, strict=True):
        assert all(np.array_equal(one.params[k], other.params[k]) for k in one.params)
    fixed, model = qnet.layers[0], net.layers[0].model
    p = (*map(int, fixed.per_neuron[:, 2]), *map(int, fixed.constants))
    changes = (3, *[0] * (len(model.trainable) - 1))
    fixed.per_neuron[:, 2] = model.learned.change(p, changes)
    changed = dequantize(net, qnet).layers[0]
    for name in model.trainable:
        same = changed.params[name] == net.layers[0].params[name]
        assert same.tolist() == [True, True, name != model.trainable[0], True, True]
    unit = parameter_units(LearningPlan(qnet, LearnOptions(parameters=("all",))))[f"layers.0.{model.trainable[0]}"]
    moved = (values_of(changed)[0] - values_of(net.layers[0])[0])[2] / unit
    assert abs(moved + 3.0) <= 0.5, "three units, and what rounding to integers was"


def test_an_epoch_visits_every_sample_once_in_an_order_of_its_own() -> None:
    orders = [epoch_order(seed, epoch, 50).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_integer_gradients_have_the_size_of_the_float_ones() -> None:
    net = network()
    _, ratio = gradient_fidelity(net, quantized(net), data().part("train").take(np.arange(4)), LearnOptions())
    assert all(0.9 < value < 1.1 for value in ratio.values()), ratio


def test_fan_in_is_a_limit() -> None:
    chip = load_profile("loihi2").dump()
    chip["core"]["fan_in"] = {"value": 9, "unit": "synapse", "source": "test"}
    with pytest.raises(DoesNotFitError, match=r"layers\.0: 10 synapses of one neuron .*limit 9 .*core\.fan_in"):
        place(quantized(network()), parse_profile(chip, "test"))


@pytest.mark.parametrize("value", [1e300, 2.0**63, -(2.0**40)])
def test_input_past_31_bits_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="rule: at most 31 bits"):
        simulate(quantized(network()), np.full((1, 5, 4), value))


@pytest.mark.parametrize("name", ["c1/mantissa", "p0/per_neuron", "p0/constants", "p0/psi_table", "c2/mantissa"])
def test_a_sealed_file_with_wrong_shapes_is_refused(name: str, tmp_path) -> None:
    path = tmp_path / "q.h5"
    quantized(network()).save(path)
    meta, arrays = load_arrays(path, "hypr-neuro quantized network")
    arrays[name] = arrays[name][..., :1]
    save_arrays(path, "hypr-neuro quantized network", meta, arrays)
    with pytest.raises(FileFormatError, match=r"q\.h5"):
        QuantizedNetwork.load(path)


def test_the_first_spike_that_differs_is_named() -> None:
    real = {"a": np.zeros((6, 2, 3), np.int8), "b": np.ones((6, 2, 3), np.int8)}
    ours = {name: spikes[:5].copy() for name, spikes in real.items()}
    ours["a"][4, 0, 0] = ours["a"][3, 1, 2] = 1
    assert first_divergence(real, ours) == {"a": Divergence(3, 1, 2), "b": None}


def test_epochs_tell_where_spikes_part_and_how_much_both_fire() -> None:
    net = network()
    qnet = quantized(net)
    last = compare(net, qnet, data(), options=LearnOptions(rate=0.3)).epochs[-1]
    assert set(last.divergence) == set(last.rates) == set(last.float_rates) == set(last.spike_agreement)
    for name, first in last.divergence.items():
        assert (first is None) == (last.spike_agreement[name] == 1.0)

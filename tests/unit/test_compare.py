"""Comparison and stages on a tiny network: what differs is seen, what is counted is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hypr_neuro import stages
from hypr_neuro.compare import FloatTwin, compare, dequantize, disturb, gradient_fidelity
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import DoesNotFitError, FileFormatError, InputError, MismatchError
from hypr_neuro.network import Network
from hypr_neuro.place import place
from hypr_neuro.profile import load_profile, parse_profile
from hypr_neuro.quantize import QuantizedNetwork, quantize
from hypr_neuro.score import predict
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learn import LearnOptions, epoch_order
from hypr_neuro.store import load_arrays, save_arrays


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
    stages.require_equal_networks(net, other)
    other.layers[0].params["dv"][3] += 1e-12
    with pytest.raises(MismatchError, match=r"layers\.0"):
        stages.require_equal_networks(net, other)


def test_traces_that_differ_in_one_spike_are_told_apart() -> None:
    trace = simulate(quantized(network()), data().x, record=("spikes", "v"))
    stages.require_equal_traces(trace, trace)
    spikes = trace.spikes["layers.0"].copy()
    spikes[5, 2, 1] ^= 1
    with pytest.raises(MismatchError, match=r"layers\.0\.spikes.*step 5, sample 2, neuron 1"):
        stages.require_equal_traces(trace, replace(trace, spikes={"layers.0": spikes}))


def test_share_of_regained_points() -> None:
    assert stages.regained(0.9, 0.5, 0.8) == pytest.approx(0.75)
    assert stages.regained(0.9, 0.5, 0.4) < 0
    assert np.isnan(stages.regained(0.5, 0.5, 0.6))


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
    with pytest.raises(DoesNotFitError, match=r"layers\.0: 10 synapses of one neuron, limit 9 .*core\.fan_in"):
        place(quantized(network()), parse_profile(chip, "test"))


@pytest.mark.parametrize("value", [1e300, 2.0**63, -(2.0**40)])
def test_input_past_31_bits_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="rule: at most 31 bits"):
        simulate(quantized(network()), np.full((1, 5, 4), value))


@pytest.mark.parametrize("name", ["0/recurrent", "0/per_neuron", "0/constants", "0/psi_table", "1/input"])
def test_a_sealed_file_with_wrong_shapes_is_refused(name: str, tmp_path) -> None:
    path = tmp_path / "q.h5"
    quantized(network()).save(path)
    meta, arrays = load_arrays(path, "hypr-neuro quantized network")
    arrays[name] = arrays[name][..., :1]
    save_arrays(path, "hypr-neuro quantized network", meta, arrays)
    with pytest.raises(FileFormatError, match=r"q\.h5"):
        QuantizedNetwork.load(path)

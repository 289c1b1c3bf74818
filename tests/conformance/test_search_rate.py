"""Without a rate one is found on training samples: learning with defaults does a good network no harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.data.score import Score
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints import import_checkpoint
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.search_rate import RATES, search_rate


def two_rates(samples: int) -> hn.SequenceData:
    """Two classes that differ in which half of the channels fires more; every second sample is a test sample."""
    rng = np.random.default_rng(9)
    y = np.arange(samples) // 2 % 2
    rate = np.where(y[:, None] == 1, [0.5] * 4 + [0.1] * 4, [0.1] * 4 + [0.5] * 4)
    x = (rng.random((samples, 30, 8)) < rate[:, None, :]).astype(np.int8)
    return hn.SequenceData("two", x, y, np.array(["train", "test"] * (samples // 2)), 2)


def network() -> hn.Network:
    net = hn.Network.build({"inputs": 8, "outputs": 2, "layers": [{"neuron": "lif", "size": 16}]}, 1)
    hn.scale_to_rate(net, two_rates(20).x, 0.2)
    return net


@pytest.fixture(scope="module")
def data() -> hn.SequenceData:
    return two_rates(160)


def test_an_untrained_network_gets_a_rate_at_which_it_learns(data: hn.SequenceData) -> None:
    qnet = hn.quantize(network(), "loihi2", calibration=data)
    for layer in qnet.layers[1:]:
        layer.input.mantissa[...] = -layer.input.mantissa
    found = search_rate(qnet, data)
    assert [rate for rate, _ in found.tried] == list(RATES)
    assert found.samples == 40
    assert max(accuracy for _, accuracy in found.tried) > found.before + 0.2
    best = max(accuracy for _, accuracy in found.tried)
    assert dict(found.tried)[found.rate] == best
    run = hn.learn(qnet, data, update_every=2)
    again = hn.learn(qnet, data, update_every=2, rate=run.search.rate if run.search else 0.0)
    assert run.search is not None
    assert again.search is None
    for name, weights in again.qnet.weights().items():
        assert np.array_equal(weights, run.qnet.weights()[name])


def test_test_samples_are_not_looked_at(data: hn.SequenceData) -> None:
    qnet = hn.quantize(network(), "loihi2", calibration=data)
    other = hn.SequenceData("two", data.x.copy(), data.y.copy(), data.split, 2)
    other.x[data.split == "test"] = 1
    assert search_rate(qnet, data) == search_rate(qnet, other)


def test_options_of_ones_own_are_taken_as_they_are(data: hn.SequenceData) -> None:
    qnet = hn.quantize(network(), "loihi2", calibration=data)
    run = hn.learn(qnet, data, options=LearnOptions())
    assert run.search is None
    assert run.epochs[0].rate == LearnOptions.rate


def test_a_single_training_sample_is_enough() -> None:
    data = two_rates(2)
    found = search_rate(hn.quantize(network(), "loihi2", calibration=data), data)
    assert found.samples == 1


@pytest.mark.parametrize("before", [0.25, 1.0])
def test_what_was_tried_is_told(before: float) -> None:
    from hypr_neuro.sim.learning.search_rate import RateSearch

    text = RateSearch(0.05, before, ((0.2, 0.25), (0.05, 0.5)), 40).told()
    assert text.startswith("rate 0.05, found by learning from 40 training samples and scoring 40 others (")
    assert "0.2: 25.0%, 0.05: 50.0%" in text
    assert ("none is better than not to learn" in text) == (before == 1.0)


def test_what_is_scored_was_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    data, met = two_rates(40), dict[str, Any]()
    qnet = hn.quantize(network(), "loihi2", calibration=data)

    def learned(given: hn.QuantizedNetwork, part: hn.SequenceData, options: LearnOptions) -> hn.QuantizedNetwork:
        met["seen"] = part.x
        return given

    def scored(output: np.ndarray, part: hn.SequenceData, *, learned: bool) -> Score:
        met["held"] = part.x
        return Score(0.5, 0.5)

    monkeypatch.setattr("hypr_neuro.sim.learning.learn.learned_in_silence", learned)
    monkeypatch.setattr("hypr_neuro.sim.learning.search_rate.score_readout", scored)
    found = search_rate(qnet, data)
    parts = [{x.tobytes() for x in met[name]} for name in ("seen", "held")]
    assert len(parts[0]) == len(parts[1]) == 10
    assert not parts[0] & parts[1]
    assert found.idle
    assert "in 10 training samples no rate changed a weight" in found.told()


def test_nothing_to_score_is_refused() -> None:
    data = two_rates(8)
    mask = np.zeros((8, 30), bool)
    y = np.repeat(data.y[:, None], 30, axis=1)
    masked = hn.SequenceData("empty", data.x, y, data.split, 2, mask)
    with pytest.raises(
        InputError, match=r"data 'empty': no step of the 2 training samples that would be scored counts"
    ):
        search_rate(hn.quantize(network(), "loihi2", calibration=data), masked)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(2))
def test_an_epoch_with_defaults_costs_a_published_ecg_network_less_than_a_point(shared_data: Path, seed: int) -> None:
    data = hn.load_data("ecg", shared_data / "ecg")
    net = import_checkpoint(shared_data / "brf_checkpoints" / "ecg_brf.npz")[0]
    qnet = hn.quantize(net, "loihi2", calibration=data)
    before = hn.evaluate(qnet, data).accuracy
    assert before > 0.85
    assert hn.evaluate(hn.learn(qnet, data, seed=seed).qnet, data).accuracy > before - 0.01


def test_of_equal_rates_the_smallest_that_changes_a_weight_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    data = two_rates(20)
    qnet = hn.quantize(network(), "loihi2", calibration=data)

    def learned(given: hn.QuantizedNetwork, part: hn.SequenceData, options: LearnOptions) -> hn.QuantizedNetwork:
        found = given.copy()
        if options.rate > 0.01:
            found.layers[0].input.mantissa[0, 0] += 1
        return found

    monkeypatch.setattr("hypr_neuro.sim.learning.learn.learned_in_silence", learned)
    monkeypatch.setattr("hypr_neuro.sim.learning.search_rate.score_readout", lambda *a, **k: Score(0.5, 0.5))
    assert search_rate(qnet, data).rate == min(rate for rate in RATES if rate > 0.01)

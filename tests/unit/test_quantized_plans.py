"""Quantization-aware training along plans of widths, under exponents of other methods, and under limits of sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.quantizing.width_plan import WidthPlan, described
from hypr_neuro.testing.networks import random_spikes
from hypr_neuro.train.loop import evaluate, train
from hypr_neuro.train.quantized import QuantizationAware

pytestmark = pytest.mark.filterwarnings("ignore:.*became 0:hypr_neuro.errors.HyprWarning")
RULES = {"layers.0.recurrent": {"weight_bits": 3}, "readout": {"weight_bits": 4, "state_bits": 16}}
PLANS = {
    "rules alone": WidthPlan(RULES),
    "least error": WidthPlan(RULES, {"calibration_method": "mse"}),
    "rows": WidthPlan(RULES, {"calibration_method": "mse", "weight_groups": "row"}),
    "percentile": WidthPlan(RULES, {"calibration_method": "percentile", "percentile": 99.0}),
    "room": WidthPlan(RULES, {"weight_headroom": 2.0}),
    "levels": WidthPlan({"*.input": {"weight_levels": "ternary"}, "layers.0.recurrent": {"weight_bits": 1}}),
}


@pytest.fixture(scope="module")
def halves() -> SequenceData:
    """Two classes: which half of a sample fires; 32 + 16 + 16 samples of 24 steps."""
    rng = np.random.default_rng(2)
    y = np.arange(64) % 2
    rates = np.full((64, 24, 4), 0.05)
    rates[y == 0, :12] = 0.4
    rates[y == 1, 12:] = 0.4
    split = np.repeat(["train", "validation", "test"], [32, 16, 16])
    return SequenceData("halves", (rng.random(rates.shape) < rates).astype(np.int8), y, split, 2)


def _net() -> Network:
    layer = {"neuron": "alif", "size": 8}
    net = Network.build({"inputs": 4, "outputs": 2, "layers": [layer], "readout": {"tau": 8.0}}, 1)
    hn.scale_to_rate(net, random_spikes(1, 16, 24, 4), 0.05)
    return net


@pytest.mark.parametrize("name", PLANS)
def test_what_was_scored_is_what_quantizing_by_the_plan_gives(name: str, halves: SequenceData, tmp_path: Path) -> None:
    net, plan = _net(), PLANS[name]
    history = train(net, halves, epochs=3, rate=0.02, quantized=QuantizationAware("loihi2", plan=plan))
    plan.save(tmp_path / "plan.yaml")
    qnet = quantize(net, "loihi2", calibration=halves, plan=tmp_path / "plan.yaml")
    assert evaluate(qnet, halves, "validation").figure == history.epochs[history.best].validation
    bits = {c.name: qnet.weight_bits(c) for c in qnet.connections}
    recurrent = [b for connection, b in bits.items() if "recurrent" in connection or connection.count("layers.0") == 2]
    assert set(recurrent) == ({1} if name == "levels" else {3}), bits


@pytest.mark.parametrize("bits", [6, 9])
def test_no_sum_leaves_the_accumulator_that_training_is_told_of(bits: int, halves: SequenceData) -> None:
    settings = QuantizationAware("loihi2", accumulator_bits=bits)
    net, free = _net(), _net()
    history = train(net, halves, epochs=3, rate=0.02, quantized=settings)
    qnet = quantize(net, "loihi2", calibration=halves, accumulator_bits=bits)
    assert evaluate(qnet, halves, "validation").figure == history.epochs[history.best].validation
    largest = max(_largest_sum(w) for w in qnet.weights().values())
    assert largest <= 2 ** (bits - 1) - 1
    train(free, halves, epochs=3, rate=0.02, quantized="loihi2")
    plain = quantize(free, "loihi2", calibration=halves)
    assert max(_largest_sum(w) for w in plain.weights().values()) > 2 ** (6 - 1) - 1  # so that the limit limits


def _largest_sum(weights: Any) -> int:
    return int(
        max(np.where(weights > 0, weights, 0).sum(axis=1).max(), np.where(weights < 0, -weights, 0).sum(axis=1).max())
    )


def test_a_checkpoint_belongs_to_its_plan(halves: SequenceData, tmp_path: Path) -> None:
    own = QuantizationAware("loihi2", plan=PLANS["least error"])
    train(_net(), halves, epochs=1, rate=0.02, quantized=own, checkpoint=tmp_path)
    others = (PLANS["rules alone"], {"readout": {"weight_bits": 4}}, None)
    for plan in others:
        with pytest.raises(FileFormatError, match="is of another run \\(quantized differ"):
            train(
                _net(),
                halves,
                epochs=1,
                rate=0.02,
                quantized=QuantizationAware("loihi2", plan=plan),
                checkpoint=tmp_path,
            )
    limited = QuantizationAware("loihi2", plan=PLANS["least error"], accumulator_bits=9)
    with pytest.raises(FileFormatError, match="is of another run \\(quantized differ"):
        train(_net(), halves, epochs=1, rate=0.02, quantized=limited, checkpoint=tmp_path)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another network": (
        {"plan": WidthPlan(RULES, network={"inputs": 5})},
        "made for a network whose inputs are 5, this one's are 4",
    ),
    "no such connection": ({"plan": {"layers.7": {"weight_bits": 3}}}, "layers.7"),
    "no such file": ({"plan": "nowhere.yaml"}, "plan file 'nowhere.yaml' does not exist; `hypr-neuro widths`"),
    "accuracy": ({"calibration_method": "accuracy"}, "calibration_method = 'accuracy' with quantized, rule: .*'mse'"),
    "accuracy in a plan": (
        {"plan": WidthPlan(RULES, {"calibration_method": "accuracy"})},
        "calibration_method = 'accuracy' with quantized",
    ),
    "no method": ({"calibration_method": "best"}, "calibration_method = 'best', rule: max, percentile, mse"),
    "narrow": ({"accumulator_bits": 3}, "accumulator_bits = 3, rule"),
    "wide": ({"accumulator_bits": 33}, "accumulator_bits = 33, rule: 4 to 32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_training_cannot_follow_is_refused(name: str, halves: SequenceData, tmp_path: Path) -> None:
    given, message = REFUSED[name]
    net = _net()
    before = {key: a.copy() for key, a in net.arrays().items()}
    with pytest.raises(InputError, match=message):
        train(net, halves, epochs=1, quantized=QuantizationAware("loihi2", **given), checkpoint=tmp_path / "c")
    assert not (tmp_path / "c").exists()
    for key, array in net.arrays().items():
        assert np.array_equal(array, before[key])


def test_a_plan_says_for_which_network_it_is(halves: SequenceData) -> None:
    net = _net()
    plan = WidthPlan(RULES, network=described(net))
    train(net, halves, epochs=1, rate=0.02, quantized=QuantizationAware("loihi2", plan=plan))

"""What makes a result worthless is said: in Python, on the command line's routes and in the report."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.data import doubts
from hypr_neuro.data.doubts import of_saturations
from hypr_neuro.data.score import majority
from hypr_neuro.errors import HyprWarning
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.report.doubts import doubts_of
from hypr_neuro.report.page import render_page

RNG = np.random.default_rng(3)
X = (RNG.random((12, 20, 6)) < 0.4).astype(np.int8)
Y = np.array([0] * 9 + [1] * 3)
DATA = hn.SequenceData("mine", X, Y, np.array((["train"] * 2 + ["test"]) * 4), 2)


def network(seed: int = 0) -> hn.Network:
    return hn.Network.build({"inputs": 6, "outputs": 2, "layers": [{"neuron": "lif", "size": 8}]}, seed)


@pytest.mark.parametrize(("accuracy", "says"), [(0.49, True), (0.5, True), (0.51, False), (float("nan"), False)])
def test_an_accuracy_is_held_against_the_most_frequent_class(accuracy: float, says: bool) -> None:
    told = doubts.of_score(accuracy, 0.5, 20)
    assert bool(told) == says
    assert all("always answering the most frequent class (50.0%)" in text for text in told)
    assert doubts.of_score(0.1, 0.5, 0) == []


def test_nothing_is_above_a_single_class() -> None:
    assert doubts.of_score(1.0, 1.0, 9) == []


def test_learning_may_cost_its_tolerance() -> None:
    assert doubts.of_learning(0.9, 0.89, 0.02) == []
    assert doubts.of_learning(0.9, 0.91, 0.0) == []
    (told,) = doubts.of_learning(0.9, 0.87, 0.02)
    assert told.startswith("learning took the accuracy from 90.0% to 87.0%: a smaller rate")


@pytest.mark.parametrize(("zeroed", "says"), [(49, False), (50, True)])
def test_half_of_the_weights_is_much(zeroed: int, says: bool) -> None:
    entry = {"layer": "a", "name": "input", "rule": "weight", "zeroed": zeroed, "nonzero": 100}
    assert bool(doubts.of_zeros([entry])) == says
    assert doubts.of_zeros([entry | {"rounding": "stochastic, seed 1", "zeroed": 99}]) == []


def test_the_majority_counts_labels_that_count() -> None:
    assert majority(DATA) == 9 / 12
    mask = np.zeros((2, 20), bool)
    mask[0, :4] = True
    y = np.ones((2, 20), int)
    y[0, 0] = 0
    assert majority(hn.SequenceData("m", X[:2], y, np.array(["train", "test"]), 2, mask)) == 3 / 4


def test_populations_that_are_silent_or_always_fire_are_named() -> None:
    silent, always = doubts.of_rates({"a": 0.0, "b": 0.2, "c": 1.0, "d": 0.0})
    assert silent.startswith("populations 'a', 'd' (each) never fired: nothing passes on; give larger weights")
    assert always.startswith("population 'c' fired in every step, whatever the input: give smaller weights")
    assert doubts.of_rates({"a": 1e-9, "b": 0.998}) == []
    (undriven,) = doubts.of_rates({"a": 0.0}, driven=False)
    assert undriven == "population 'a' never fired: x is 0 everywhere; give samples that drive the network"


def test_a_rate_that_rounding_changes_is_named() -> None:
    assert doubts.of_changed_rates({"a": 0.1, "b": 1e-5}, {"a": 0.06, "b": 0.0}) == []
    assert doubts.of_changed_rates({"a": 0.004}, {"a": 0.001})
    for after in (0.04, 0.21, 0.0):
        (told,) = doubts.of_changed_rates({"a": 0.1}, {"a": after})
        assert told.startswith(f"'a' fires at 0.1 spikes a neuron and step in float and at {after:.3g} in integers")


def coarse() -> hn.Network:
    """All recurrent weights but one are far below its step; biases are as well."""
    net = hn.Network.build({"inputs": 6, "outputs": 2, "layers": [{"neuron": "alif", "size": 8, "recurrent": True}]}, 0)
    net.layers[0].recurrent[...] = 1e-4
    net.layers[0].recurrent[0, 1] = 1.0
    return net


@pytest.mark.parametrize("route", [hn.quantize, lambda *a, **k: quantize_graph(*a, weight_groups=1, **k)])
def test_weights_that_became_0_are_counted_and_told(route: Any) -> None:
    with pytest.warns(HyprWarning, match=r"63 of 64 weights that are not 0 became 0.*weight_groups") as told:
        qnet = route(coarse(), "loihi2", calibration=X)
    assert len(told) == 1
    assert Path(told[0].filename).name != "doubts.py"
    (entry,) = [e for e in qnet.record if e.get("nonzero") == 64]
    assert (entry["zeroed"], entry["clipped"]) == (63, 0)
    assert "63 became 0" in "\n".join(qnet.explain())


def test_groups_count_together_and_keep_the_small_ones() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantize_graph(coarse(), "loihi2", calibration=X, weight_groups=2)


@pytest.mark.parametrize("kind", ["float", "integers"])
def test_an_evaluation_at_chance_says_so(kind: str) -> None:
    net = network()
    net.layers[-1].weight[0] = -5.0  # class 1 is always the answer, and class 0 the more frequent one
    net.layers[-1].weight[1] = 5.0
    hn.scale_to_rate(net, X, 0.2)
    scored = net if kind == "float" else hn.quantize(net, "loihi2", calibration=X)
    with pytest.warns(HyprWarning, match=r"accuracy 25.0% of 4 sample\(s\) is not above .* class \(75.0%\)") as told:
        assert hn.evaluate(scored, DATA).accuracy == 0.25
    assert len(told) == 1
    assert Path(told[0].filename) == Path(__file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hn.evaluate(scored, DATA, learned=False)


RESULTS: dict[str, Any] = {
    "data": {"test": 40},
    "accuracy": {"float": 0.9, "integer": 0.5, "majority": 0.5},
    "quantization": {
        "rates": {"a": {"float": 0.2, "integer": 0.01}, "b": {"float": 0.0, "integer": 0.0}},
        "record": [
            {"layer": "a", "name": "input", "rule": "weight, 8 bits", "zeroed": 9, "nonzero": 10},
            {"layer": "a"},
        ],
    },
    "learning": {"scratch": {"start_accuracy": 0.8, "epochs": [{"device_accuracy": 0.7}]}},
}


def test_the_report_says_what_to_doubt() -> None:
    told = doubts_of(RESULTS)
    assert [text.split(":")[0] for text in told] == [
        "In integers",
        "population 'b' never fired",
        "'a' fires at 0.2 spikes a neuron and step in float and at 0.01 in integers",
        "a.input",
        "Learning from random weights",
    ]
    page = render_page(RESULTS)
    assert page.count("What to doubt") == 2  # the box and its label
    assert "9 of 10 weights that are not 0 became 0" in page


def test_states_that_are_mostly_at_an_end_are_told_with_their_share() -> None:
    events = {"a": {"v saturated": 38, "sum wrapped": 1}, "b": {"v saturated": 9}, "c": {"v saturated": 5}}
    told = of_saturations(events, {"a": 100.0, "b": 100.0})
    assert len(told) == 1
    assert told[0].startswith("'a': v saturated in 38% of its neurons' steps")


def test_the_report_tells_of_saturations_and_of_learning_at_chance() -> None:
    results = {
        "data": {"test": 10, "steps": 20, "events_per_sample": 3.0},
        "network": {"layers": [{"name": "a", "size": 4}]},
        "quantization": {"events": {"a": {"v saturated": 400}}},
        "accuracy": {"majority": 0.2},
        "learning": {"scratch": {"start_accuracy": 0.1, "epochs": [{"device_accuracy": 0.2}]}},
    }
    told = doubts_of(results)
    assert [text.split(":")[0] for text in told] == ["'a'", "Learning from random weights"]
    assert "50% of its neurons' steps" in told[0]
    assert "accuracy 20.0% of 10 sample(s) is not above" in told[1]
    results["learning"]["scratch"]["epochs"][0]["device_accuracy"] = 0.3
    results["quantization"]["events"]["a"]["v saturated"] = 40
    assert doubts_of(results) == []


@pytest.mark.parametrize("results", [{}, {"accuracy": {"float": "x"}, "quantization": {"rates": [1], "record": "x"}}])
def test_a_report_without_figures_doubts_nothing(results: dict[str, Any]) -> None:
    assert doubts_of(results) == []
    assert "What to doubt" not in render_page(results)

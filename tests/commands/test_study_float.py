"""The float figures that stand beside what a study learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_cases import NETWORK, study, two_classes

import hypr_neuro as hn
from hypr_neuro.comparing.disturbance import disturb
from hypr_neuro.studies.spec import parse_study
from hypr_neuro.studies.work import Job, chip_of, run_trial, start_network

PARTS = ("validation", "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def job_of(data: Path, **more: Any) -> Job:
    constant = {"training.epochs": 2, "learn.epochs": 1, "learn.rate": 0.3}
    return Job.of(study(data, set=constant, vary={"weight_bits": [8]}, **more), {"precision.weight_bits": 8}, 1)


@pytest.mark.parametrize("start", ["disturbed", "scratch"])
def test_of_learning_float_is_the_trained_network_on_undisturbed_data(start: str, data: Path) -> None:
    job, loaded = job_of(data, run="learn", start=start), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    figures = run_trial(job, loaded, net)
    for part, prefix in zip(PARTS, ("", "test "), strict=True):
        assert figures[f"{prefix}float accuracy"] == hn.evaluate(net, loaded, part).accuracy
    assert "agreement" not in figures


def test_a_comparison_has_both_parts_of_both_sides(data: Path) -> None:
    job, loaded = job_of(data, run="compare", start="disturbed"), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    figures = run_trial(job, loaded, net)
    qnet, changed, _ = disturb(hn.quantize(net, chip_of(job), calibration=loaded, seed=1), loaded, seed=1)
    options = hn.LearnOptions(rate=0.3, decay=0.5, seed=1)
    beside = hn.compare(net, qnet, changed, epochs=1, options=options, progress=False)
    for part, prefix in zip(PARTS, ("", "test "), strict=True):
        assert figures[f"{prefix}accuracy"] == hn.evaluate(beside.device, changed, part).accuracy
        assert figures[f"{prefix}float accuracy"] == hn.evaluate(beside.float_net, changed, part).accuracy


def test_a_comparison_of_a_regression_tells_squared_errors() -> None:
    data = hn.load_data("adding", steps=20, samples=80, levels=16)
    made = {"run": "compare", "data": "adding", "network": NETWORK | {"inputs": 2, "outputs": 1}}
    made |= {"vary": {"weight_bits": [8]}, "set": {"training.epochs": 1, "learn.epochs": 1, "learn.rate": 0.1}}
    job = Job.of(parse_study(made, "study"), {"precision.weight_bits": 8}, 0)
    net = start_network(job, data)
    assert isinstance(net, hn.Network)
    figures = run_trial(job, data, net)
    assert figures["gap"] == pytest.approx(figures["squared error"] - figures["float squared error"], rel=1e-12)
    assert figures["test squared error"] > 0
    assert figures["test float squared error"] > 0


@pytest.mark.parametrize("kind", ["learn", "compare"])
def test_energy_and_time_are_of_what_was_learned(kind: str, data: Path) -> None:
    job, loaded = job_of(data, run=kind, start="disturbed"), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    figures = run_trial(job, loaded, net)
    qnet, changed, _ = disturb(hn.quantize(net, chip_of(job), calibration=loaded, seed=1), loaded, seed=1)
    options = hn.LearnOptions(rate=0.3, decay=0.5, seed=1)
    learned = hn.learn(qnet, changed, epochs=1, options=options).qnet
    shown = changed.part("validation").x[:32]
    cost, start = (hn.estimate(one, shown, learning=options) for one in (learned, qnet))
    assert (figures["energy nJ"], figures["time us"]) == (cost.energy_nj, cost.time_us)
    assert cost.energy_nj != start.energy_nj

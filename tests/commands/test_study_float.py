"""The float figures that stand beside what a study learned."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_cases import NETWORK, study, two_classes

import hypr_neuro as hn
from hypr_neuro.comparing.disturbance import disturb
from hypr_neuro.studies.spec import parse_study
from hypr_neuro.studies.work import Job, chip_of, doubts, run_trial, spec_of, start_network
from hypr_neuro.workflow.stages import build
from hypr_neuro.workflow.stages_fixed import integer_start
from hypr_neuro.workflow.stages_learning import from_scratch
from hypr_neuro.workflow.tasks import for_width, task_for

PARTS = ("validation", "test")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "studies"


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
    # outputs of a network that is drawn anew begin at 0, which is no warning of what it learned
    assert not [line for line in figures.get("warnings", ()) if "no output moved" in line]


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


@pytest.mark.parametrize("more", [{}, {"run": "learn", "start": "disturbed"}, {"run": "compare"}], ids=repr)
def test_scores_are_of_the_part_that_settings_are_chosen_on(more: dict[str, str], data: Path) -> None:
    """With the other part's in the place of its own the same figures stand under the other names."""
    constant = {"training.epochs": 1} | ({"learn.epochs": 1, "learn.rate": 0.3} if more else {})
    loaded, figures = hn.load_data(str(data)), {}
    rng = np.random.default_rng(1)
    noisy = rng.random(loaded.x.shape) < 0.4
    x = np.where((loaded.split == "test")[:, None, None] & noisy, 1 - loaded.x, loaded.x)
    loaded = replace(loaded, x=x)
    for part in PARTS:
        made = study(data, set=constant, vary={"weight_bits": [4]}, part=part, **more)
        job = Job.of(made, {"precision.weight_bits": 4}, 1)
        figures[part] = run_trial(job, loaded, start_network(job, loaded))
    mine, other = figures["validation"], figures["test"]
    assert (mine["accuracy"], mine["float accuracy"]) != (other["accuracy"], other["float accuracy"])
    for name in ("accuracy", "float accuracy"):
        assert mine[name] == other[f"validation {name}"]
        assert other[name] == mine[f"test {name}"]
    assert mine["energy nJ"] != other["energy nJ"]


def test_a_start_from_nothing_is_drawn_for_each_seed(data: Path) -> None:
    job, loaded = job_of(data, run="learn", start="scratch"), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    figures = run_trial(job, loaded, net)
    _, drawn = from_scratch(net, chip_of(job), loaded, 2)
    options = replace(for_width(task_for(loaded).scratch, chip_of(job)), seed=1, rate=0.3)
    learned = hn.learn(drawn, loaded, epochs=1, options=options).qnet
    assert figures["accuracy"] == hn.evaluate(learned, loaded, "validation").accuracy
    first = run_trial(replace(job, seed=0), loaded, net)
    assert first["energy nJ"] != figures["energy nJ"]


@pytest.mark.parametrize("kind", ["learn", "compare"])
def test_a_start_in_integers_trains_no_float_network(kind: str, data: Path) -> None:
    constant = {"learn.epochs": 1, "learning.residual_bits": 8}
    made = study(data, run=kind, start="integers", set=constant, vary={"weight_bits": [8]})
    job, loaded = Job.of(made, {"precision.weight_bits": 8}, 1), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    untrained = build(spec_of(job, loaded), loaded, 1, 0.0)
    pairs = zip(net.connections, untrained.connections, strict=True)
    assert all(np.array_equal(a.stored(), b.stored()) for a, b in pairs)
    figures = run_trial(job, loaded, net)
    task = task_for(loaded)
    drawn, qnet = integer_start(loaded, task, chip_of(job), 1, spec_of(job, loaded))
    options = replace(for_width(task.fixed, chip_of(job)), seed=1)
    learned = hn.learn(qnet, loaded, epochs=1, options=options).qnet
    assert figures["accuracy"] == hn.evaluate(learned, loaded, "validation").accuracy
    assert figures["rate"] == task.fixed.rate
    if kind == "learn":
        assert not [name for name in figures if "float" in name]
        return
    beside = hn.compare(drawn, qnet, loaded, epochs=1, options=options, part="validation", progress=False)
    assert figures["float accuracy"] == beside.epochs[-1].float_accuracy


def test_a_shadow_is_counted_as_memory_and_takes_other_steps(data: Path) -> None:
    loaded, figures = hn.load_data(str(data)), {}
    for file in ("weights_8", "weights_8_shadow_16", "weights_12_shadow_16"):
        chip = str(EXAMPLES / f"{file}.yaml")
        made = study(data, run="learn", start="integers", set={"learn.epochs": 1}, vary={"profile": [chip]})
        job = Job.of(made, {"profile": chip}, 0)
        figures[file] = run_trial(job, loaded, start_network(job, loaded)) | {"network": start_network(job, loaded)}
    alone, narrow, wide = figures.values()
    synapses = sum(c.stored().size for c in alone["network"].connections)
    assert narrow["memory bits"] - alone["memory bits"] == 8 * synapses
    assert wide["rate"] == 16 * narrow["rate"] == 16 * alone["rate"]
    assert narrow["energy nJ"] != alone["energy nJ"]


def test_cosines_are_of_the_last_epoch_and_warnings_are_kept(data: Path) -> None:
    job, loaded = job_of(data, run="compare"), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    figures = run_trial(job, loaded, net)
    qnet = hn.quantize(net, chip_of(job), calibration=loaded, seed=1)
    options = hn.LearnOptions(rate=0.3, decay=0.5, seed=1)
    cosines = hn.compare(net, qnet, loaded, epochs=1, options=options, progress=False).epochs[-1].cosine.values()
    known = [cosine for cosine in cosines if not math.isnan(cosine)]
    assert min(known) < max(known)
    assert (figures["least cosine"], figures["mean cosine"]) == (min(known), float(np.mean(known)))
    narrow = Job.of(study(data, vary={"weight_bits": [2]}), {"precision.weight_bits": 2}, 1)
    assert any("became 0" in line for line in run_trial(narrow, loaded, net)["warnings"])


def test_what_learns_was_rounded_with_its_seed(data: Path) -> None:
    constant = {"quantize.rounding": "stochastic", "learn.epochs": 1, "learn.rate": 0.3}
    made = study(data, run="learn", set=constant, vary={"weight_bits": [4]})
    job, loaded = Job.of(made, {"precision.weight_bits": 4}, 1), hn.load_data(str(data))
    net = start_network(job, loaded)
    assert isinstance(net, hn.Network)
    qnet = hn.quantize(net, chip_of(job), calibration=loaded, seed=1, rounding="stochastic")
    options = hn.LearnOptions(rate=0.3, decay=0.5, seed=1)
    learned = hn.learn(qnet, loaded, epochs=1, options=options).qnet
    figures = run_trial(job, loaded, net)
    assert figures["zeroed"] == sum(entry.get("zeroed", 0) for entry in qnet.record)
    cost = hn.estimate(learned, loaded.part("validation").x[:32], learning=options)
    assert (figures["accuracy"], figures["energy nJ"]) == (
        hn.evaluate(learned, loaded, "validation").accuracy,
        cost.energy_nj,
    )


def test_what_a_score_is_worth_stands_beside_it(data: Path) -> None:
    job, loaded = job_of(data, run="learn", start="trained"), hn.load_data(str(data))
    figures = {"accuracy": 0.5, "start accuracy": 0.9, "float accuracy": 0.4}
    assert [line.partition(" sample")[0] for line in doubts(job, loaded, figures)] == [
        "accuracy 50.0% of 8",
        "float accuracy 40.0% of 8",
        "learning took the accuracy from 90.0% to 50.0%: a smaller rate or a larger update_every changes less at once",
    ]
    assert doubts(job, loaded, {"accuracy": 0.9, "start accuracy": 0.9, "float accuracy": 1.0}) == []
    values = hn.load_data("adding", steps=20, samples=80, levels=16)
    told = doubts(job, values, {"squared error": 10.0, "start squared error": 1.0, "float squared error": 0.0})
    assert [line.partition(" of ")[0].partition(":")[0] for line in told] == [
        "squared error 10",
        "learning took the squared error from 1 to 10",
    ]


def test_a_trial_keeps_what_its_score_is_worth(data: Path) -> None:
    made = study(data, vary={"weight_bits": [8]})
    job, loaded = Job.of(made, {"precision.weight_bits": 8}, 1), hn.load_data(str(data))
    nets = (hn.Network.build(NETWORK, seed=seed) for seed in range(20))
    net = next(net for net in nets if hn.evaluate(net, loaded, "validation").accuracy < 0.4)
    figures = run_trial(job, loaded, net)
    assert doubts(job, loaded, figures)
    assert set(doubts(job, loaded, figures)) <= set(figures["warnings"])

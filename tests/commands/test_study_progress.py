"""How far a study is, and how long the rest takes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from commands import answer, called
from study_cases import study, two_classes

from hypr_neuro.studies.estimate import estimate_of
from hypr_neuro.studies.plan import prepare
from hypr_neuro.studies.progress import duration, mean_seconds, progress_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0412, "0.041 s"),
        (9.96, "10 s"),
        (40.4, "40 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7800, "2 h 10 min"),
        (3 * 86400 + 4 * 3600 + 59, "3 d 4 h"),
        (86400 + 120, "1 d"),
        (math.nan, "unknown"),
    ],
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_mean_is_of_what_is_known() -> None:
    assert mean_seconds([2.0, math.nan, 4.0]) == 3.0
    assert math.isnan(mean_seconds([math.nan]))


def test_trials_are_counted_by_state(tmp_path: Path) -> None:
    plan = prepare(study(two_classes(tmp_path), vary={"weight_bits": [2, 4, 8]}, seeds=3), tmp_path / "s")
    plan.folder.open(plan.study)
    told = " ".join(called("study", "status", tmp_path / "s").stdout.split())
    assert "nothing is finished: run two with --limit 2" in told
    kept = ((0, {"accuracy": 1.0}, 2.0), (1, {"accuracy": 0.5}, 4.0), (2, {"refused": "no"}, 0.1))
    for number, figures, seconds in kept:
        plan.folder.keep(plan.trials[number], figures, seconds)
    plan.folder.keep(plan.trials[3], {"accuracy": 1.0}, 50.0)
    (plan.folder.trial(plan.trials[3]) / "result.json").write_text('{"half')
    progress = progress_of(plan)
    assert (progress.with_figures, progress.refused, progress.unreadable, progress.waiting) == (2, 1, 1, 5)
    assert (progress.finished, progress.left, progress.not_chosen, progress.earlier) == (3, 6, 0, 0)
    assert progress.seconds == 3.0
    told = answer("study", "status", tmp_path / "s", "--workers", "2", run=called)
    counts = {name: told[name] for name in ("trials", "finished", "refused", "left", "seconds_a_trial")}
    assert counts == {"trials": 9, "finished": 3, "refused": 1, "left": 6, "seconds_a_trial": 3.0}
    # by the three finished ones, all of the nearest setting
    assert told["seconds_left"] == pytest.approx(6 * (2.0 + 4.0 + 0.1) / 3 / 2)
    assert "about 6.1 s on 2 workers" in called("study", "status", tmp_path / "s", "--workers", "2").stdout


def test_time_is_that_of_the_most_similar_trials_with_their_trainings(tmp_path: Path) -> None:
    vary = {"weight_bits": [2, 4, 8], "training.epochs": [1, 2]}
    plan = prepare(study(two_classes(tmp_path), vary=vary, set={}), tmp_path / "s")
    assert [tuple(t.settings.values()) for t in plan.trials[:3]] == [(2, 1), (2, 2), (4, 1)]
    for number, seconds, training in ((0, 1.0, 10.0), (5, 5.0, 20.0)):
        plan.folder.keep(plan.trials[number], {"accuracy": 1.0}, seconds, training)
    # (2, 2) is one span away from both, so 3 s in the mean; (4, 1) is a third of a span away from the first: 1 s
    estimate = estimate_of(plan, 2, limit=2)
    assert (estimate.trials, estimate.networks) == (2, 2)
    assert estimate.seconds == pytest.approx((3.0 + 1.0 + 2 * 15.0) / 2)
    assert estimate_of(plan, 9, limit=2).seconds == pytest.approx(estimate.seconds)
    assert estimate_of(plan, 1, limit=2).seconds == pytest.approx(2 * estimate.seconds)


def test_time_counts_what_a_sampler_has_not_chosen_yet(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    vary = {"weight_bits": {"from": 2, "to": 400}}
    made = study(two_classes(tmp_path), vary=vary, sampler="tpe", trials=12, generation=4)
    plan = prepare(made, tmp_path / "s")
    plan.folder.keep(plan.trials[0], {"accuracy": 1.0}, 2.0)
    assert (estimate_of(plan, 1).trials, estimate_of(plan, 1, limit=7).trials) == (11, 7)

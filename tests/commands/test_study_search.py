"""Combinations that follow from results: chosen by generations, the same after any interruption."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, refusal
from study_cases import ran, study, two_classes

from hypr_neuro.data import load_data
from hypr_neuro.errors import InputError
from hypr_neuro.studies.coordinator import run
from hypr_neuro.studies.objectives import figure_names, objectives_of
from hypr_neuro.studies.plan import StudyPlan, prepare
from hypr_neuro.studies.spec import Span, parse_study
from hypr_neuro.studies.table import as_csv, rows_of
from hypr_neuro.studies.trials import combinations

pytest.importorskip("optuna")
SAMPLERS = ("tpe", "nsga2")
VARY: dict[str, Any] = {
    "weight_bits": {"from": 2, "to": 16},
    "learn.rate": {"from": 1e-4, "to": 1e-1, "log": True},
    "quantize.rounding": ["nearest", "stochastic"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def searched(data: Path, sampler: str = "tpe", **more: Any) -> Any:
    return study(
        data, **({"run": "learn", "vary": VARY, "sampler": sampler, "trials": 24, "generation": 8, "seeds": 2} | more)
    )


def figures_of(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Figures of a landscape that is known: accuracy is best at 11 bits and a rate of 0.01, memory is of the bits."""
    bits, rate = settings["precision.weight_bits"], settings["learn.rate"]
    if rate < 2e-4:
        return {"refused": "too slow"}
    share = 1.0 - 0.01 * (bits - 11) ** 2 - abs(rate - 0.01) + 1e-3 * seed
    return {"accuracy": share, "memory bits": 1000 * bits, "energy nJ": None}


def finish(plan: StudyPlan, figures: Callable[[dict[str, Any], int], dict[str, Any]] = figures_of) -> StudyPlan:
    """Give every trial its figures, generation by generation."""
    more = True
    while more:
        for trial in plan.waiting():
            plan.folder.keep(trial, figures(trial.settings, trial.seed), 0.0)
        more = plan.grow()
    return plan


def chosen(plan: StudyPlan) -> list[tuple[int, dict[str, Any], int, str]]:
    return [(t.number, t.settings, t.seed, t.digest) for t in plan.trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("objectives", [{}, {"accuracy": "max", "memory bits": "min"}])
def test_what_is_chosen_is_of_the_results_alone(
    data: Path, tmp_path: Path, sampler: str, objectives: dict[str, str]
) -> None:
    made = searched(data, sampler, objectives=objectives)
    whole = finish(prepare(made, tmp_path / "whole"))
    assert len(whole.trials) == whole.total == len({t.digest for t in whole.trials}) > 40
    plan = prepare(made, tmp_path / "s")
    assert chosen(plan) == chosen(whole)[:16]
    assert not plan.grow()
    # killed after any number of trials, in any order, it is asked again
    for count in (5, 16, 17, 30, 40):
        for trial in list(reversed(plan.trials))[: max(0, count - (len(plan.trials) - len(plan.waiting())))]:
            plan.folder.keep(trial, figures_of(trial.settings, trial.seed), 0.0)
        plan = prepare(made, tmp_path / "s")
        assert chosen(plan) == chosen(whole)[: len(plan.trials)]
    assert as_csv(rows_of(finish(plan))) == as_csv(rows_of(whole))
    # more trials begin with the same ones, another result leads elsewhere
    larger = prepare(searched(data, sampler, objectives=objectives, trials=40), tmp_path / "whole")
    assert chosen(larger)[: len(whole.trials)] == chosen(whole)
    other = finish(
        prepare(made, tmp_path / "other"), lambda settings, seed: figures_of(settings, 1 - seed) | {"accuracy": seed}
    )
    assert chosen(other)[:16] == chosen(whole)[:16]
    assert chosen(other)[16:] != chosen(whole)[16:]


def test_a_search_finds_more_than_chance(data: Path, tmp_path: Path) -> None:
    best = {}
    for sampler in ("random", *SAMPLERS):
        plan = finish(prepare(searched(data, sampler, trials=60, generation=10, seeds=1), tmp_path / sampler))
        # the generations that are drawn are left out, so is what is tried twice
        best[sampler] = sum(sorted(row["accuracy"] for row in rows_of(plan)[20:] if "accuracy" in row)[-10:]) / 10
    assert best["tpe"] > best["random"]
    assert best["nsga2"] > best["random"]


def test_values_lie_where_the_study_says(data: Path, tmp_path: Path) -> None:
    vary = VARY | {
        "learning.error_bits": [12, 4, 8],
        "training.rate": {"from": 0.5, "to": "1e-2"},
        "network.layers.0.size": {"from": 32, "to": 2, "log": True},
        "precision.state_bits": {"from": 24, "to": 10, "step": 4},
    }
    for sampler in ("random", *SAMPLERS):
        plan = finish(prepare(searched(data, sampler, vary=vary), tmp_path / sampler))
        values = {name: [t.settings[name] for t in plan.trials] for name in plan.study.vary}
        assert set(values["learning.error_bits"]) == {4, 8, 12}
        assert set(values["quantize.rounding"]) == {"nearest", "stochastic"}
        assert set(values["precision.state_bits"]) <= {24, 20, 16, 12}
        for name, low, high, kind in (
            ("learn.rate", 1e-4, 1e-1, float),
            ("training.rate", 1e-2, 0.5, float),
            ("network.layers.0.size", 2, 32, int),
            ("precision.weight_bits", 2, 16, int),
        ):
            assert all(low <= value <= high and type(value) is kind for value in values[name]), (sampler, name)
            assert len(set(values[name])) > 4
        # by its logarithm: about a third of a draw in each decade
        if sampler == "random":
            assert 10 <= sum(value < 1e-2 for value in values["learn.rate"]) <= 42


def test_whole_numbers_are_drawn_evenly_by_their_logarithm_and_once(data: Path) -> None:
    vary = {"network.layers.0.size": {"from": 1, "to": 999, "log": True}}
    few, many = (combinations(searched(data, "random", vary=vary, trials=n)) for n in (9, 120))
    sizes = [one["network.layers.0.size"] for one in many]
    assert many[:9] == few
    assert len(set(sizes)) == 120
    # the numbers up to 31 are half of the span, of which there are no more than 31, and evenly there would be four
    assert sum(size <= 31 for size in sizes) > 20
    whole = combinations(searched(data, "random", vary=vary, trials=999))
    assert (whole[:120], {one["network.layers.0.size"] for one in whole}) == (many, set(range(1, 1000)))


def test_drawn_fractions_begin_alike(data: Path) -> None:
    few, many = (combinations(searched(data, "random", trials=n)) for n in (5, 30))
    assert many[:5] == few
    assert len({repr(one) for one in many}) == 30


@pytest.mark.parametrize("run", ["quantize", "learn", "compare"])
@pytest.mark.parametrize(("part", "start"), [("validation", "trained"), ("test", "disturbed"), ("test", "scratch")])
def test_objectives_are_the_columns_that_a_study_has(
    data: Path, client: Any, tmp_path: Path, run: str, part: str, start: str
) -> None:
    if run == "quantize":
        start = "trained"
    plan = prepare(study(data, run=run, part=part, start=start, vary={"weight_bits": [8]}), tmp_path / "s")
    ran(plan, client)
    (row,) = rows_of(plan)
    assert set(row) - {"precision.weight_bits", "seeds", "warnings"} == set(figure_names(plan.study, plan.data))


def test_of_a_regression_the_error_is_sought(client: Any, tmp_path: Path) -> None:
    fields = {"run": "quantize", "data": "adding", "data_options": {"samples": 40, "steps": 30, "levels": 16}}
    adding = parse_study(fields | {"vary": {"weight_bits": [8]}, "set": {"training.epochs": 1}}, "study")
    assert objectives_of(adding, load_data("adding", **adding.data_options)) == {"squared error": "min"}
    plan = prepare(adding, tmp_path / "s")
    ran(plan, client)
    (row,) = rows_of(plan)
    assert set(row) - {"precision.weight_bits", "seeds", "warnings"} == set(figure_names(adding, plan.data))


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "how many": ({"trials": None}, "sampler: tpe without trials, rule: how many combinations, such as trials: 50"),
    "all": (
        {"sampler": "grid", "vary": {"weight_bits": [4, 8]}},
        "sampler: grid with trials: 24, rule: all combinations, or sampler: random",
    ),
    "all of fractions": (
        {"sampler": None, "trials": None},
        "vary: 'learn.rate' has fractions without end, rule: a list of values; or draw some with trials: N",
    ),
    "another sampler": ({"sampler": "cma"}, "key 'sampler' = 'cma'"),
    "steps of fractions": ({"vary": {"learn.rate": {"from": 0.1, "to": 1.0, "step": 1}}}, "step = 1 of fractions"),
    "logarithm of 0": ({"vary": {"learn.rate": {"from": 0.0, "to": 1.0, "log": True}}}, "log with 0.0, rule: from and"),
    "no way to go": ({"vary": {"learn.rate": {"from": 0.1, "to": 0.1}}}, "from and to are both 0.1, rule: different"),
    "endless": ({"vary": {"learn.rate": {"from": 0.1, "to": float("inf")}}}, "vary.learn.rate"),
    "both": ({"vary": {"weight_bits": {"from": 2, "to": 8, "step": 2, "log": True}}}, "step = 2 with log, rule: one"),
    "a generation of one": ({"generation": 1}, "key 'generation' = 1"),
    "up": ({"objectives": {"accuracy": "up"}}, "'up'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_searched_is_refused(fault: str, data: Path) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(InputError, match=re.escape(message)):
        searched(data, **change)


def test_an_unknown_objective_is_refused_before_anything_runs(data: Path, tmp_path: Path) -> None:
    words = ("study", "run", "--data", data, "--out", tmp_path / "s", "--vary", "weight_bits=2:8", "--trials", "4")
    told = refusal(*words, "--sampler", "tpe", "--objective", "acuracy=max", run=called)
    assert "objectives: unknown 'acuracy' (did you mean 'accuracy'?)" in told
    assert "objectives.accuracy' = 'up'" in refusal(*words, "--objective", "accuracy=up", run=called)
    assert not (tmp_path / "s").exists()
    fields = searched(data, objectives={"weight_bits": "min", "energy nJ": "min"})
    assert objectives_of(fields, load_data(str(data))) == {"precision.weight_bits": "min", "energy nJ": "min"}


def test_what_no_generation_can_say_fails_and_the_search_goes_on(data: Path, tmp_path: Path) -> None:
    plan = finish(prepare(searched(data, objectives={"energy nJ": "min"}), tmp_path / "s"))
    assert len(plan.trials) == plan.total


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_chosen_twice_runs_once(data: Path, client: Any, tmp_path: Path, sampler: str) -> None:
    made = searched(data, sampler, run="quantize", vary={"weight_bits": [4, 8]}, trials=6, generation=5, seeds=1)
    plan = prepare(made, tmp_path / "s")
    assert sorted(t.settings["precision.weight_bits"] for t in plan.waiting()) == [4, 8]
    assert len(plan.trials) == 2
    assert len(ran(plan, client)) == 2
    assert len(plan.trials) == plan.total == 2
    assert [row["seeds"] for row in rows_of(plan)] == [1, 1]
    # generations of which all is known lead to the next
    longer = study(data, sampler=sampler, vary={"weight_bits": [4, 8, 6]}, trials=40, generation=2)
    plan = prepare(longer, tmp_path / "s")
    assert ran(plan, client) == [row for row, t in enumerate(plan.trials) if t.settings["precision.weight_bits"] == 6]
    assert len(plan.trials) == plan.total == 3


def test_spans_on_the_command_line_run_like_the_file(data: Path, tmp_path: Path) -> None:
    words = ("study", "run", "--data", data, "--run", "learn", "--set", "training.epochs=1", "--sampler", "nsga2")
    words += ("--vary", "learn.rate=0.001:0.1:log", "--vary", "weight_bits=4:8", "--trials", "4")
    words += ("--objective", "accuracy", "--objective", "memory bits=min", "--out", tmp_path / "s")
    rows = answer(*words)
    assert rows
    assert all(1e-3 <= row["learn.rate"] <= 1e-1 for row in rows)
    held = prepare(study_of(tmp_path / "s"), tmp_path / "s").study
    assert held.vary["learn.rate"] == Span.model_validate({"from": 0.001, "to": 0.1, "log": True})
    shutil.rmtree(next((tmp_path / "s" / "trials").iterdir()))
    assert answer(*words) == rows


def study_of(folder: Path) -> Any:
    from hypr_neuro.studies.store import StudyFolder

    return StudyFolder(folder).study()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_goes_where_the_objectives_say(data: Path, tmp_path: Path, sampler: str) -> None:
    means = []
    for direction in ("min", "max"):
        goals = {"weight_bits": direction} | ({"learn.rate": direction} if sampler == "nsga2" else {})
        vary = {"weight_bits": {"from": 2, "to": 400}, "learn.rate": {"from": 0.1, "to": 1.0}}
        made = searched(data, sampler, objectives=goals, vary=vary, trials=60, generation=6, seeds=1)
        plan = finish(prepare(made, tmp_path / direction), lambda settings, seed: {"accuracy": 0.5})
        means.append(sum(t.settings["precision.weight_bits"] for t in plan.trials[-20:]) / 20)
    assert means[0] < means[1] - 50


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_follows_the_mean_over_all_seeds(data: Path, tmp_path: Path, sampler: str) -> None:
    found = [
        finish(
            prepare(searched(data, sampler), tmp_path / f"s{sign}"),
            lambda settings, seed, sign=sign: {"accuracy": 0.5 + sign * seed * settings["precision.weight_bits"] / 100},
        )
        for sign in (-1, 1)
    ]
    assert chosen(found[0])[:16] == chosen(found[1])[:16]
    assert chosen(found[0])[16:] != chosen(found[1])[16:]


def test_a_limit_holds_over_generations(data: Path, client: Any, tmp_path: Path) -> None:
    made = searched(data, "tpe", run="quantize", vary={"weight_bits": {"from": 2, "to": 16}}, generation=2, seeds=1)
    plan = prepare(made, tmp_path / "s")
    plan.folder.open(plan.study)
    for finished in (3, 6):
        run(plan, client, lambda *told: None, 3)
        assert len(plan.folder.results(plan.trials)) == finished

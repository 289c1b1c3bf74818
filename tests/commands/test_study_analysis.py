"""Pareto front, knee, importance and sensitivity of tables whose answers were found by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.studies.choose import choose
from hypr_neuro.studies.columns import cell_text, direction_of
from hypr_neuro.studies.importance import importance
from hypr_neuro.studies.knee import knee_of
from hypr_neuro.studies.pareto import pareto_front
from hypr_neuro.studies.plot import picture_of
from hypr_neuro.studies.results import StudyResults
from hypr_neuro.studies.rows import row_of
from hypr_neuro.studies.sensitivity import sensitivity
from hypr_neuro.studies.spec import parse_study
from hypr_neuro.studies.table import as_csv, means_of
from hypr_neuro.studies.warned import by_kind

Rows = list[dict[str, Any]]
BITS, GROUP = "precision.weight_bits", "quantize.weight_groups"


def classified() -> Rows:
    """Memory against accuracy: 2, 4, 6 and 8 bits on the front, 5 and 7 are dominated."""
    figures = {2: (100, 0.5), 4: (200, 0.9), 5: (210, 0.85), 6: (300, 0.94), 7: (400, 0.94), 8: (500, 0.95)}
    rows: Rows = [{BITS: b, "memory bits": m, "accuracy": a, "accuracy sd": 0.01} for b, (m, a) in figures.items()]
    return [*rows, {BITS: 9, "refused": "too wide"}, {BITS: 10, "accuracy": 0.99, "memory bits": None}]


def test_the_front_of_memory_against_accuracy() -> None:
    front = pareto_front(classified(), fields=[BITS])
    assert [row[BITS] for row in front.rows] == [2, 4, 6, 8]
    assert (front.objectives, front.of) == ({"memory bits": "min", "accuracy": "max"}, 6)
    # scaled, from the chord: 4 bits at (0.25, 1/9), so 1 - 0.25 - 0.111 = 0.639; 6 bits at (0.5, 1/45): 0.478
    assert front.knee is not None
    assert front.knee[BITS] == 4
    assert "4 of 6 rows; knee: the point farthest from the line" in front.table().title
    assert list(front.table().rows[1]) == ["4", "200", "90.0%", "knee"]
    assert "90.0%" in repr(front)


def test_the_front_of_a_regression_takes_small_errors() -> None:
    rows: Rows = [
        {BITS: b, "memory bits": m, "squared error": e} for b, m, e in ((2, 1, 4.0), (4, 2, 1.0), (8, 9, 1.5))
    ]
    front = pareto_front(rows)
    assert front.objectives == {"memory bits": "min", "squared error": "min"}
    assert [row[BITS] for row in front.rows] == [2, 4]
    assert front.knee is None


def test_directions_and_three_columns() -> None:
    rows: Rows = [
        {"a": 1, "b": 1, "c": 1},
        {"a": 2, "b": 2, "c": 2},
        {"a": 1, "b": 1, "c": 1},
        {"a": 3, "b": 1, "c": 1},
    ]
    assert pareto_front(rows, ["a", "b", "c"]).rows == [rows[0], rows[2]]
    assert pareto_front(rows, {"a": "max", "b": "max"}).rows == [rows[3], rows[1]]
    assert pareto_front(rows, {"a": "max", "b": "min", "c": "max"}).rows == [rows[3], rows[1]]
    for goals, message in (
        (["a"], "objectives = ['a'], rule: two columns or more"),
        ("accuracy", "objectives = 'accuracy', rule: two columns or more"),
        (["a", "bb"], "objective 'bb' (did you mean 'b'?), known: a, b, c"),
        ({"a": "max", "b": "small"}, "objective 'b': direction 'small', known: max, min"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            pareto_front(rows, goals)
    with pytest.raises(InputError, match="no row of the table has figures yet"):
        pareto_front([{"a": 1, "refused": "no"}])


def test_the_front_is_that_of_every_pair_compared() -> None:
    """Against the definition, row by row."""
    rows: Rows = [{"a": (7 * i) % 13, "b": (5 * i) % 11, "c": (3 * i) % 7} for i in range(1, 200)]

    def dominated(row: dict[str, Any]) -> bool:
        return any(all(o[k] <= row[k] for k in "abc") and any(o[k] < row[k] for k in "abc") for o in rows)

    expected = [row for row in rows if not dominated(row)]
    front = pareto_front(rows, ["a", "b", "c"]).rows
    assert len(front) == len(expected) > 3
    assert all(row in expected for row in front)


@pytest.mark.parametrize(
    ("front", "place"),
    [
        ([(0.0, 10.0), (1.0, 1.0), (10.0, 0.0)], 1),
        ([(0.0, 10.0), (1.0, 5.0), (2.0, 1.0), (10.0, 0.0)], 2),
        ([(0.0, 10.0), (5.0, 5.0), (10.0, 0.0)], None),
        ([(0.0, 10.0), (9.0, 9.0), (10.0, 0.0)], None),
        ([(0.0, 1.0), (1.0, 0.0)], None),
        ([(3.0, 3.0)] * 4, None),
    ],
)
def test_the_knee_is_farthest_from_the_chord(front: list[tuple[float, float]], place: int | None) -> None:
    assert knee_of(front) == place
    assert knee_of([(1e6 * x - 5, 1e-3 * y + 7) for x, y in front]) == place


def by_seed() -> Rows:
    """Seeds move all settings alike; 4 to 3 bits costs 0.10 and 0.12, 4 to 6 gains 0.01 and 0.03."""
    return [
        {"trial": 0, BITS: 3, GROUP: "layer", "seed": 0, "accuracy": 0.70},
        {"trial": 1, BITS: 3, GROUP: "layer", "seed": 1, "accuracy": 0.78},
        {"trial": 2, BITS: 4, GROUP: "layer", "seed": 0, "accuracy": 0.80},
        {"trial": 3, BITS: 4, GROUP: "layer", "seed": 1, "accuracy": 0.90},
        {"trial": 4, BITS: 6, GROUP: "layer", "seed": 0, "accuracy": 0.81},
        {"trial": 5, BITS: 6, GROUP: "layer", "seed": 1, "accuracy": 0.93},
        {"trial": 6, BITS: 4, GROUP: "neuron", "seed": 0, "refused": "no such group"},
        {"trial": 7, BITS: 6, GROUP: "none", "seed": 0, "accuracy": 0.5},
    ]


def test_one_value_less_and_more_with_the_spread_of_pairs() -> None:
    trials = by_seed()
    rows = means_of(trials, [BITS, GROUP])
    assert rows[0]["accuracy"] == pytest.approx(0.74)
    assert rows[0]["accuracy sd"] == pytest.approx(math.sqrt(2) * 0.04)
    found = sensitivity(rows, [BITS, GROUP], trials=trials, row={BITS: 4, GROUP: "layer"})
    less, more, refused, absent = found.changes
    assert (less.value, less.seeds, more.value, more.seeds) == (3, 2, 6, 2)
    assert less.difference == pytest.approx(-0.11)
    assert less.spread == pytest.approx(math.sqrt(2) * 0.01)
    assert more.difference == pytest.approx(0.02)
    assert (refused.value, refused.difference, refused.reason) == ("neuron", None, "refused: no such group")
    assert (absent.value, absent.difference, absent.reason) == ("none", None, "not tried")
    assert [list(row)[2:] for row in found.table().rows] == [
        ["3", "−11 points", "1.41"],
        ["6", "+2 points", "1.41"],
        ["neuron", "refused: no such group", ""],
        ["none", "not tried", ""],
    ]


def test_sensitivity_starts_from_the_best_row() -> None:
    rows: Rows = [{"a": a, "squared error": e} for a, e in ((1, 3.0), (2, 1.0), (4, 2.0), (8, 9.0))]
    found = sensitivity(rows, ["a"])
    assert (found.row["a"], found.figure) == (2, "squared error")
    assert [(c.value, c.difference, c.spread, c.seeds) for c in found.changes] == [(1, 2.0, None, 0), (4, 1.0, None, 0)]
    with pytest.raises(InputError, match="sensitivity: row a = 3, rule: one of the table that has figures"):
        sensitivity(rows, ["a"], row={"a": 3})


def crossed() -> Rows:
    """What "a" sets moves the accuracy by 0.6, "b" by 0.1, "c" not at all."""
    return [
        {"a": a, "b": b, "c": c, "d": 1, "accuracy": 0.2 + 0.2 * a + (0.1 if b == "x" else 0.0)}
        for a in range(4)
        for b in ("x", "y")
        for c in (True, False)
    ]


def test_importance_is_the_share_of_variance() -> None:
    pytest.importorskip("optuna")
    found = importance(crossed(), ["c", "b", "a", "d"])
    assert list(found.shares) == ["a", "b", "c", "d"]
    assert math.fsum(found.shares.values()) == pytest.approx(1.0)
    # of the table: a's values vary by 0.05, b's by 0.0025
    assert found.shares["a"] > 0.85
    assert 0.01 < found.shares["b"] < 0.15
    assert found.shares["c"] < 0.01
    assert found.shares["d"] == 0.0
    assert importance(crossed(), ["c", "b", "a", "d"]) == found
    assert "fANOVA" in repr(found)


def test_importance_of_many_rows_draws_some(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr("hypr_neuro.studies.importance.MOST_ROWS", 12)
    found = importance(crossed(), ["a", "b", "c"])
    assert (found.rows, found.of) == (12, 16)
    assert "over 12 rows drawn from 16" in found.method
    assert found.shares["a"] > 0.5
    assert importance(crossed(), ["a", "b", "c"]) == found


def test_importance_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = crossed()
    for given, fields, message in (
        (rows, ["a"], "'a' alone has several values, rule: two fields or more"),
        (rows, ["d"], "no field has several values"),
        (rows[:3], ["b", "c"], "3 rows have figures, rule: 4 or more"),
        ([row | {"accuracy": 0.5} for row in rows], ["a", "b"], "every row has the same accuracy"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            importance(given, fields)
    monkeypatch.setattr("hypr_neuro.studies.search.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install optuna"):
        importance(rows, ["a", "b"])


def test_warnings_of_trials_stand_in_the_rows() -> None:
    silent = "no output moved from 0 in {} samples"
    trials = [
        {
            "trial": 0,
            "bits": 2,
            "seed": 0,
            "accuracy": 0.1,
            "warnings": [silent.format(360), silent.format(9), "3 of 9 became 0"],
        },
        {"trial": 1, "bits": 2, "seed": 1, "accuracy": 0.1, "warnings": [silent.format(359)]},
        {"trial": 2, "bits": 4, "seed": 0, "accuracy": 0.9},
        {"trial": 3, "bits": 4, "seed": 1, "accuracy": 0.8, "warnings": ["4 of 9 became 0"]},
        {"trial": 4, "bits": 8, "seed": 0, "accuracy": 0.9},
    ]
    rows = means_of(trials, ["bits"])
    assert [row.get("warnings") for row in rows] == [
        ["no output moved from 0 in 360 samples (in 2 of 2 seeds)", "3 of 9 became 0 (in 1 of 2 seeds)"],
        ["4 of 9 became 0 (in 1 of 2 seeds)"],
        None,
    ]
    kinds = by_kind(rows)
    assert [(text, [row["bits"] for row in warned]) for text, warned in kinds] == [
        ("3 of 9 became 0 (in 1 of 2 seeds)", [2, 4]),
        ("no output moved from 0 in 360 samples (in 2 of 2 seeds)", [2]),
    ]
    assert as_csv(rows).splitlines()[0].endswith(",warnings")
    assert "no output moved from 0 in 360 samples (in 2 of 2 seeds); 3 of 9" in as_csv(rows)
    # rows of different numbers of seeds are told
    assert choose(rows, 1.0, "bits").rule.endswith("; rows have 1 to 2 seeds, run the others before you choose")
    assert choose(rows[:2], 1.0, "bits").rule.endswith("85.0%")


def test_rounding_of_sums_is_no_spread() -> None:
    trials = [{"trial": k, "seed": k, "bits": 2, "energy": 410.9 + k * 1e-13} for k in range(3)]
    (row,) = means_of(trials, ["bits"])
    assert row["energy sd"] == 0.0
    (row,) = means_of([{**trial, "energy": 410.9 + trial["seed"]} for trial in trials], ["bits"])
    assert row["energy sd"] == pytest.approx(1.0)


def test_a_row_is_refused_with_one_seed_and_lacks_what_one_seed_lacks() -> None:
    assert row_of({"a": 1}, [{"accuracy": 0.5}, {"refused": "no"}]) == {"a": 1, "seeds": 2, "refused": "no"}
    row = row_of({"a": 1}, [{"accuracy": 0.5, "energy nJ": None}, {"accuracy": 0.7, "energy nJ": 3.0}])
    assert (row["accuracy"], row["energy nJ"]) == (pytest.approx(0.6), None)
    assert "energy nJ sd" not in row


def test_agreements_and_cosines_shall_be_large_and_costs_small() -> None:
    large = ("accuracy", "test accuracy", "float accuracy", "agreement", "least cosine", "mean cosine")
    small = ("squared error", "memory bits", "cores", "gap", "precision.weight_bits", "learning energy nJ")
    assert [direction_of(name) for name in (*large, *small)] == ["max"] * 6 + ["min"] * 6
    assert [cell_text(name, 0.0312) for name in ("gap", "agreement", "least cosine")] == ["3.1%", "3.1%", "0.0312"]


def test_importance_of_a_logarithmic_span_is_over_its_logarithm() -> None:
    pytest.importorskip("optuna")
    vary = {"learn.rate": {"from": 1e-6, "to": 1.0, "log": True}, "weight_bits": [2, 4, 8]}
    stated = parse_study({"run": "learn", "data": "digits", "vary": vary, "trials": 21}, "study")
    rows: Rows = [
        {"learn.rate": 10.0**-e, BITS: b, "accuracy": 0.1 * e + 0.02 * b, "seeds": 1}
        for e in range(7)
        for b in (2, 4, 8)
    ]
    found = StudyResults(stated, Path("s"), [], rows, {"accuracy": "max"}, 21).importance()
    fields = ["learn.rate", BITS]
    assert found == importance(rows, fields, logarithmic=["learn.rate"])
    assert found.shares["learn.rate"] > importance(rows, fields).shares["learn.rate"]
    axes = Figure().add_subplot()
    picture_of(rows, fields, "importance", logarithmic=["learn.rate"]).draw(axes)
    assert axes.patches[0].get_width() == pytest.approx(100 * max(found.shares.values()))

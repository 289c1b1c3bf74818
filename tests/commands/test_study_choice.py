"""The cheapest settings that are good enough, and figures of a study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from study_cases import study, two_classes

from hypr_neuro.errors import InputError
from hypr_neuro.studies.choose import choose, profile_of
from hypr_neuro.studies.plot import plotted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def made_rows() -> list[dict[str, Any]]:
    figures = {2: (0.5, 100), 4: (0.88, 200), 6: (0.9, 300), 8: (0.891, 400)}
    rows = [{"precision.weight_bits": b, "accuracy": a, "memory bits": m} for b, (a, m) in figures.items()]
    return [
        *rows,
        {"precision.weight_bits": 99, "refused": "too wide"},
        {"precision.weight_bits": 10, "memory bits": 50},
    ]


@pytest.mark.parametrize(("within", "bits"), [(0.0, 6), (1.0, 6), (2.0, 4), (40.0, 2), (39.0, 4)])
def test_the_cheapest_that_is_good_enough(within: float, bits: int) -> None:
    chosen = choose(made_rows(), within, "memory bits")
    assert chosen.row["precision.weight_bits"] == bits
    assert chosen.best["precision.weight_bits"] == 6
    assert "of the best mean accuracy, 90.0%" in chosen.rule


def test_of_a_regression_the_least_error_counts() -> None:
    rows = [{"weight_bits": b, "squared error": e, "cores": 1} for b, e in ((2, 4.0), (4, 1.05), (8, 1.0))]
    assert choose(rows, 10.0, "weight_bits").row["weight_bits"] == 4
    assert choose(rows, 1.0, "weight_bits").row["weight_bits"] == 8
    for arguments, message in (
        ((rows, 1.0, "cors"), "cost 'cors' (did you mean 'cores'?)"),
        ((rows, float("nan"), "cores"), "within = nan, rule: 0 or more"),
        (([], 1.0, "cores"), "no row of the table has figures yet"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            choose(*arguments)


def test_the_profile_of_a_row_is_the_chip_that_was_measured(data: Path) -> None:
    made = study(data, run="learn", vary={"weight_bits": [3, 5]}, set={"learning.error_bits": 6})
    profile = profile_of(made, {"precision.weight_bits": 3})
    assert (profile.precision.weight_bits.value, profile.learning.error_bits.value) == (3, 6)


@pytest.mark.parametrize("fields", [("a.b",), ("a.b", "kind"), ("a.b", "c.d")])
def test_a_figure_is_the_same_for_the_same_rows(fields: tuple[str, ...]) -> None:
    rows = [
        {"a.b": b, "kind": kind, "c.d": d, "accuracy": (b + d) / 20, "accuracy sd": 0.01, "float accuracy": 0.9}
        for b in (2, 4, 6)
        for d, kind in enumerate(("x", "y", "z"))
        if len(fields) == 2 or d == 0
    ]
    first, again = (plotted(rows, fields, "bits", "svg") for _ in range(2))
    assert first == again
    assert plotted(rows, fields, "bits", "png").startswith(b"\x89PNG")
    text = first.decode()
    assert "bits" in text
    assert ("c.d" in fields) == ("d</text>" in text)
    assert ("c.d" in fields) == ("float 90 %" in text)
    assert "float" in text
    with pytest.raises(InputError, match=r"a curve over a\.b, c\.d, kind, rule: over one or two of them"):
        plotted(rows, ("a.b", "c.d", "kind"), "", "svg", "curve")
    with pytest.raises(InputError, match="no row of the table has figures yet"):
        plotted([{"a.b": 2, "refused": "no"}], ("a.b",), "", "svg")


def test_equals_in_cost_are_told_apart_by_the_figure() -> None:
    rows = [{"a": i, "accuracy": x, "squared error": 1 - x, "cores": 1} for i, x in enumerate((0.91, 0.92, 0.915))]
    assert choose(rows, 5.0, "cores").row["a"] == 1
    errors = [{name: value for name, value in row.items() if name != "accuracy"} for row in rows]
    assert choose(errors, 50.0, "cores").row["a"] == 1


def test_a_row_exactly_so_much_worse_is_good_enough() -> None:
    """Some of these differences are rounded up, as 0.57 - 0.01 is."""
    for whole in range(10, 100):
        rows = [{"a": 1, "accuracy": whole / 100}, {"a": 0, "accuracy": (whole - 1) / 100}]
        assert choose(rows, 1.0, "a").row["a"] == 0, whole
        errors = [{"a": 1, "squared error": whole / 100}, {"a": 0, "squared error": round(whole / 100 * 1.1, 6)}]
        assert choose(errors, 10.0, "a").row["a"] == 0, whole


def test_the_profile_of_a_row_is_that_of_its_chip(data: Path) -> None:
    made = study(data, vary={"profile": ["loihi2", "spinnaker2"]}, set={"weight_bits": 5})
    profile = profile_of(made, {"profile": "spinnaker2"})
    assert (profile.name.split()[0], profile.precision.weight_bits.value) == ("spinnaker2", 5)
    assert profile_of(study(data, set={"profile": "ideal"}), {"precision.weight_bits": 3}).name.split()[0] == "ideal"

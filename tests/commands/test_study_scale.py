"""Studies of thousands of trials: what is read, and how it is laid out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_cases import study, two_classes

from hypr_neuro.cli import tables
from hypr_neuro.studies.plan import prepare


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def test_a_long_table_is_laid_out_as_a_short_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    words = ("a", "of", "chip", "weights", "–", "±", "0.25", "100.0%")
    headings = ["name", "accuracy", "what it is", "bits of memory", "refused because of"]
    rows: list[list[Any]] = []
    for number in range(150):
        texts = [" ".join(rng.choice(words, size=int(rng.integers(0, 12)))) for _ in range(2)]
        rows.append([f"row-{number}", float(rng.random()), texts[0], int(rng.integers(10**9)), texts[1]])
    tables.print_table(headings, rows, "a title")
    here = capsys.readouterr().out
    monkeypatch.setattr(tables, "LONG", 1000)
    tables.print_table(headings, rows, "a title")
    assert here == capsys.readouterr().out
    assert len(here.splitlines()) > 200


@pytest.mark.parametrize("figure", ["1e999", "-1e999", "1" + "0" * 400, '{"a": 1}', "NaN"])
def test_a_result_with_a_number_that_is_none_is_not_finished(figure: str, data: Path, tmp_path: Path) -> None:
    plan = prepare(study(data), tmp_path / "s")
    plan.folder.open(plan.study)
    for trial in plan.trials:
        plan.folder.keep(trial, {"accuracy": 0.5}, 0.1)
    assert plan.waiting() == []
    file = plan.folder.trial(plan.trials[1]) / "result.json"
    file.write_text(file.read_text().replace("0.5", figure))
    assert plan.waiting() == [plan.trials[1]]
    assert [plan.trials[1].digest not in plan.folder.results(plan.trials), len(plan.folder.results(plan.trials))] == [
        True,
        2,
    ]


def test_seconds_of_a_trial_are_those_that_were_kept(data: Path, tmp_path: Path) -> None:
    plan = prepare(study(data, vary={"learn.rule": ["sgd\nseconds: 7", "x"]}, run="learn"), tmp_path / "s")
    plan.folder.open(plan.study)
    first, second = plan.trials
    plan.folder.keep(first, {"accuracy": 0.5}, 12.3456, 4.0)
    assert (plan.folder.seconds(first), plan.folder.training_seconds(first)) == (12.346, 4.0)
    assert math.isnan(plan.folder.seconds(second))
    assert math.isnan(plan.folder.training_seconds(second))
    content = json.loads((plan.folder.trial(first) / "result.json").read_text())
    assert "seconds" not in content, "a result is the same whenever it is made"

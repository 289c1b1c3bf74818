"""A study handed on: export, the profile of the chosen row, and what `hn.study` returns."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, refusal
from study_cases import ran, study, two_classes, workers_here
from study_results import BITS, TRACE, made_results

from hypr_neuro.errors import InputError
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.studies.choose import choose
from hypr_neuro.studies.export import NAMES, export
from hypr_neuro.studies.plan import prepare
from hypr_neuro.studies.results import StudyResults
from hypr_neuro.studies.spec import load_study
from hypr_neuro.studies.study_table import StudyTable

FILES = ["chip.yaml", "study.yaml", "table.csv", "table.html", "table.json", "trials.csv"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_export_holds_everything_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    out = tmp_path / "widths"
    written = export(made_results(), out)
    figures = [
        f"figures/{name}.{e}" for name in ("curve", "importance", "pareto", "sensitivity") for e in ("png", "svg")
    ]
    assert written.files == sorted([*FILES, *figures]) == names_in(out)
    assert written.left_out == []
    assert set(written.files) <= NAMES
    assert load_study(out / "study.yaml").values() == made_results().study.values()
    assert json.loads((out / "table.json").read_text()) == made_results().rows
    with open(out / "trials.csv", newline="") as file:
        trials = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in trials] == list(range(16))
    assert trials[-1]["refused"] == "no room for <b>16</b> bits"
    before = (out / "table.html").read_bytes()
    export(made_results(), out)
    assert (out / "table.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["widths"], "no temporary folder is left"


def test_an_export_says_what_the_table_does_not_give(tmp_path: Path) -> None:
    results = made_results(vary={"weight_bits": [2, 4]})
    written = export(results, tmp_path / "e")
    assert [name for name, _ in written.left_out] == ["Importance"]
    assert "figures/importance.svg" not in written.files


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "e"
    out.mkdir()
    export(made_results(), out)
    (out / "notes.txt").write_text("mine")
    held = names_in(out)
    with pytest.raises(InputError, match=r"holds 'notes.txt', rule: empty or an earlier export; give a new folder"):
        export(made_results(), out)
    assert names_in(out) == held
    other = tmp_path / "o"
    other.mkdir()
    (other / "study.yaml").write_text("run: learn")
    with pytest.raises(InputError, match=r"holds 'study.yaml'"):
        export(made_results(), other)
    with pytest.raises(InputError, match="is a file, rule: a folder"):
        export(made_results(), out / "notes.txt")


def test_a_study_without_results_is_not_exported(tmp_path: Path) -> None:
    whole = made_results()
    empty = StudyResults(whole.study, whole.folder, [], [], whole.objectives, whole.total)
    with pytest.raises(InputError, match="no trial is finished yet, rule: one or more; run the study first"):
        export(empty, tmp_path / "e")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_earlier_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "e"
    export(made_results(), out)
    held = {name: (out / name).read_bytes() for name in names_in(out)}
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if self.name == "trials.csv":
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        export(made_results(), out)
    assert {name: (out / name).read_bytes() for name in names_in(out)} == held
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_of_several_costs_a_later_one_decides_among_equals() -> None:
    rows: list[dict[str, Any]] = [
        {"accuracy": 0.9, "cores": 1, "memory bits": 300},
        {"accuracy": 0.895, "cores": 1, "memory bits": 200},
        {"accuracy": 0.91, "cores": 2, "memory bits": 100},
    ]
    chosen = choose(rows, 2.0, ["cores", "memory bits"])
    assert chosen.row is rows[1]
    assert chosen.rule.startswith("least cores, then memory bits, among rows within 2 points")
    assert choose(rows, 2.0, "memory bits").row is rows[2]
    assert choose(rows, 2.0, "cores").row is rows[0]
    with pytest.raises(InputError, match=r"cost = \[\], rule: one column or more"):
        choose(rows, 1.0, [])


def test_what_a_study_returns_shows_itself() -> None:
    pytest.importorskip("optuna")
    table = StudyTable(made_results())
    assert (len(table.rows), len(table.trials), table.folder) == (8, 16, Path("runs/bits"))
    front = table.pareto()
    assert [(row[BITS], row[TRACE]) for row in front.rows] == [(2, 8), (2, 16), (4, 8), (4, 16), (6, 16)]
    assert table.pareto({BITS: "min", "accuracy": "max"}).objectives == {BITS: "min", "accuracy": "max"}
    change = table.sensitivity(table.choose().row).changes[0]
    assert (change.field, change.value, change.seeds) == (BITS, 2, 2)
    assert (change.difference, change.spread) == (pytest.approx(-0.4), pytest.approx(0.0, abs=1e-12))
    assert sum(table.importance().shares.values()) == pytest.approx(1.0)
    for shown in (table, front, table.importance(), table.sensitivity(), table.choose()):
        assert shown._repr_html_().count("<table>") == 1
        assert repr(shown)


def test_a_table_is_saved(tmp_path: Path) -> None:
    table = StudyTable(made_results())
    table.save(tmp_path / "t.csv")
    table.save(str(tmp_path / "t.html"), within=3.0)
    assert "within 3 points" in (tmp_path / "t.html").read_text()
    assert (tmp_path / "t.csv").read_text().count("\n") == 9
    assert table.profile().precision.weight_bits.value == 4


def test_the_commands_on_a_study_that_ran(tmp_path: Path) -> None:
    """The profile that is written is exactly the chip of the trials; an export is whole."""
    made = study(
        two_classes(tmp_path),
        run="learn",
        vary={"weight_bits": [3, 4, 6], "eligibility_bits": [8, 12]},
        set={"training.epochs": 1, "learn.epochs": 1, "learning.error_bits": 7},
    )
    folder = tmp_path / "s"
    plan = prepare(made, folder)
    with workers_here() as client:
        assert len(ran(plan, client)) == 6
    chip = tmp_path / "chip.yaml"
    best = answer("study", "best", folder, "--within", "100", "--least", "weight_bits", "--write", chip, run=called)
    assert best["settings"][BITS] == 3
    numbers = {"learning.error_bits": 7} | best["settings"]
    assert load_profile(chip) == overridden(load_profile("loihi2"), numbers)
    assert load_profile(chip).learning.error_bits.value == 7
    written = answer("study", "export", folder, "--out", tmp_path / "e", run=called)
    assert written["files"] == names_in(tmp_path / "e")
    assert {*FILES, "figures/pareto.svg", "figures/sensitivity.png"} <= set(written["files"])
    assert load_profile(tmp_path / "e" / "chip.yaml")
    assert "holds 'trials" in refusal("study", "export", folder, "--out", folder, run=called)
    assert "the folder to write is missing" in refusal("study", "export", folder, run=called)
    for kind in ("map", "pareto", "sensitivity"):
        figure = tmp_path / f"{kind}.svg"
        answer("study", "plot", folder, "--kind", kind, "--write", figure, run=called)
        assert figure.read_text().startswith("<?xml")
    goals = ("--objective", "weight_bits", "--objective", "accuracy=max", "--kind", "pareto")
    figure = Path(answer("study", "plot", folder, *goals, run=called)["figure"])
    assert figure.read_bytes().startswith(b"\x89PNG")
    one = ("--over", "eligibility_bits", "--others", "mean", "--write", tmp_path / "one.svg")
    answer("study", "plot", folder, *one, run=called)
    assert "mean over the rows of the other fields" in (tmp_path / "one.svg").read_text()
    assert "direction 'small'" in refusal(
        "study", "plot", folder, "--kind", "pareto", "--objective", "cores=small", "--objective", "accuracy", run=called
    )

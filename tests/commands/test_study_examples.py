"""The studies in examples/studies: each can be run, is documented, and says what it asks."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
from commands import answer, called

import hypr_neuro as hn
from hypr_neuro.profiles.profile import profile_names
from hypr_neuro.studies.spec import load_study

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
CHIPS = [file for file in FILES if "\nextends:" in file.read_text(encoding="utf-8")]
STUDIES = [file for file in FILES if file not in CHIPS]
SMALL = ("training.epochs=1", "learn.epochs=1", "network.layers.0.size=4")


def name_of(file: Path) -> str:
    return file.stem


def data_of(file: Path, request: pytest.FixtureRequest) -> tuple[object, ...]:
    """Return the option that says where data lie that do not come with the program."""
    if load_study(file).data != "ecg":
        return ()
    return "--data-dir", request.getfixturevalue("shared_data") / "ecg"


@pytest.mark.parametrize("file", STUDIES, ids=name_of)
def test_every_combination_is_listed(file: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    study = load_study(file)
    listed = answer("study", "run", file, "--dry-run", "--out", tmp_path / "s", *data_of(file, request), run=called)
    values = study.values()
    assert listed["would_run"] == len(listed["trials"]) == study.seeds * prod(map(len, values.values()))
    for name, wanted in values.items():
        assert list(dict.fromkeys(trial[name] for trial in listed["trials"])) == wanted


@pytest.mark.parametrize("file", STUDIES, ids=name_of)
def test_it_says_what_it_asks_and_the_docs_have_the_answer(file: Path) -> None:
    study = load_study(file)
    assert study.title
    assert study.seeds >= 3
    assert study.part == "validation"
    assert "?" in file.read_text(encoding="utf-8").split("\ntitle:")[0]
    assert f"examples/studies/{file.name}" in (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")


def test_chips_stand_side_by_side() -> None:
    compared = load_study(FOLDER / "chips.yaml").values()["profile"]
    # a template is no chip, and a chip of other neurons cannot run the network of digits
    chips = {n: hn.load_profile(n).runs.models for n in profile_names() if n != "fpga"}
    assert {name for name, models in chips.items() if models is None or "brf" in models.value} < set(compared)
    assert "spinnaker2" in compared
    assert {str(file) for file in CHIPS} & set(map(str, compared))
    for name in [*compared, *CHIPS]:
        assert hn.load_profile(str(name)).name


@pytest.mark.once
def test_one_runs(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    words = ("study", "run", FOLDER / "weight_and_eligibility_bits.yaml", "--trials", 2, "--seeds", 1, "--workers", 1)
    rows = answer(*words, "--out", tmp_path / "s", *(word for one in SMALL for word in ("--set", one)))
    assert len(rows) == 2
    for row in rows:
        assert {"start accuracy", "accuracy", "test accuracy", "float accuracy", "memory bits"} <= set(row)
        assert 0 <= row["accuracy"] <= 1

"""A run folder remembers its data, so that later commands need no --data; other data are said aloud."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal

here, refused = partial(answer, run=called), partial(refusal, run=called)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    here("train", "--data", data, "--epochs", "2", "--seed", "3", "--out", folder)
    return folder


def test_what_comes_after_training_needs_no_data(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)  # paths are kept absolute
    network, quantized = Path("network.h5"), Path("quantized.h5")
    said = f"data: --data {data}, as '.' was made with\n"
    for command in (
        ("quantize", network, "--profile", "loihi2"),
        ("simulate", quantized, "--network", network, "--out", "."),
        ("learn", quantized, "--rate", "0.2", "--out", "learned"),
        ("compare", network, quantized, "--epochs", "1", "--out", "."),
        ("train", "--from", network, "--epochs", "1", "--out", "further"),
        ("simulate", Path("learned") / "learned.h5"),
    ):
        done = called(*command, "--json")
        assert done.returncode == 0, done.stderr
        place = "learned" if str(command[1]).startswith("learned") else "."
        assert said.replace("'.'", f"'{place}'") in done.stderr, command
    here("report", ".")
    commands = json.loads((run / "results" / "commands.json").read_text())
    assert commands
    assert all(f"--data {data}" in line for line in commands)


def test_the_split_is_that_of_training(run: Path, data: Path) -> None:
    """The data of a folder are loaded with the seed that it was trained with, whatever --seed a command has."""
    stored = json.loads((run / "results" / "source.json").read_text())
    assert stored == {"name": str(data), "folder": None, "options": [], "seed": 3}
    by_folder = here("simulate", run / "network.h5", "--part", "validation")
    by_name = here("simulate", run / "network.h5", "--part", "validation", "--data", data, "--seed", "3")
    assert by_folder == by_name


def test_other_data_are_said_aloud_and_taken(run: Path, data: Path, tmp_path: Path) -> None:
    with np.load(data) as file:
        np.savez(tmp_path / "other.npz", **file)
    done = called("simulate", run / "network.h5", "--data", tmp_path / "other.npz", "--json")
    assert done.returncode == 0
    assert f"data: --data {tmp_path / 'other.npz'}; '{run}' was made with --data {data}\n" in done.stderr
    assert "was made with" not in called("simulate", run / "network.h5", "--data", data, "--json").stderr


def test_without_data_anywhere_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    for file in (run / "network.h5",):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    message = f"--data is missing: '{tmp_path}' does not say which data it was made with; give a data set"
    assert message in refused("simulate", tmp_path / "network.h5")
    assert "--data is missing; give a data set (`hypr-neuro data` lists them) or an .npz" in refused("train")
    assert "--encode say more of a data set; give --data, too" in refused(
        "simulate", run / "network.h5", "--data-dir", tmp_path
    )


@pytest.mark.parametrize("content", ["", "[]", '{"name": 3}', '{"name": "x", "options": 5}', '{"what": 1}'])
def test_a_damaged_note_is_as_none(content: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "source.json").write_text(content)
    (tmp_path / "network.h5").write_bytes((run / "network.h5").read_bytes())
    assert "--data is missing" in refused("simulate", tmp_path / "network.h5")


def test_a_simulation_is_remembered_with_its_part_and_says_what_the_report_holds(run: Path, tmp_path: Path) -> None:
    here("quantize", run / "network.h5", "--out", tmp_path)
    given = ("simulate", tmp_path / "quantized.h5", "--network", run / "network.h5", "--out", tmp_path)
    for more, told in (((), False), (("--part", "train"), True), (("--samples", "3"), True)):
        done = called(*given, *more)
        assert done.returncode == 0, done.stderr
        assert ("holds the figures of all test samples; these are of those asked for" in done.stderr) == told
    lines = json.loads((tmp_path / "results" / "commands.json").read_text())
    assert ["--part=test" in line for line in lines[1:]] == [True, False, True]
    assert "--part=train" in lines[2]
    assert "--samples=3" in lines[3]


def held(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_folders_of_another_kind_are_refused_and_stay_as_they_were(run: Path, data: Path, tmp_path: Path) -> None:
    """Studies, compiled networks, imported networks, runs of another network: named, before anything is written."""
    network, study, compiled, imported = run / "network.h5", tmp_path / "s", tmp_path / "c", tmp_path / "i"
    quantized, nir = tmp_path / "q" / "quantized.h5", tmp_path / "n.nir"
    here("quantize", network, "--out", quantized.parent)
    here("export", network, "--out", nir)
    (study / "trials").mkdir(parents=True)
    (study / "study.yaml").write_text("run: {}\n")
    here("compile", quantized, "--out", compiled)
    here("import", nir, "--out", imported)
    other = tmp_path / "o"
    here("train", "--data", data, "--epochs", "2", "--seed", "4", "--out", other)
    here("quantize", other / "network.h5")
    before = held(tmp_path)
    a_study, a_program, a_run = "holds a study", "holds a compiled network", "holds a run"
    for words, out, told in (
        (("train", "--data", data), study, f"{a_study} (study.yaml), rule: a run; choose another folder"),
        (("train", "--data", data), compiled, f"{a_program} (manifest.json), rule: a run"),
        (("train", "--data", data), imported, "network.h5' comes from no training; choose another --out"),
        (("quantize", network), study, a_study),
        (("quantize", network), other, f"holds another network (network.h5) than '{network}'; choose another --out"),
        (("place", quantized), other, "holds another network (quantized.h5)"),
        (("learn", quantized, "--rate", "0.2"), other, "holds another network (quantized.h5)"),
        (("compare", network, quantized), other, "holds another network (network.h5)"),
        (("simulate", quantized, "--network", network), other, "holds another network (quantized.h5)"),
        (("compile", quantized), study, a_study),
        (("compile", quantized), other, f"{a_run} (results), rule: a compiled network"),
        (("import", nir), study, a_study),
        (("import", nir), compiled, a_program),
        (("import", nir), other, "holds a training"),
    ):
        assert told in refused(*words, "--out", out), words
    assert held(tmp_path) == before
    here("quantize", nir, "--data", data, "--out", other.parent / "again")
    here("place", quantized, "--out", quantized.parent)

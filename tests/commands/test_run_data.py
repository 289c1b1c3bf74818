"""A run folder remembers its data, so that later commands need no --data; other data are said aloud."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal, small_data

here, refused = partial(answer, run=called), partial(refusal, run=called)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data"))


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

"""The same command given again into its folder, with more epochs, and with other settings."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, refusal

from hypr_neuro.quantizing.network import QuantizedNetwork

here, refused = partial(answer, run=called), partial(refusal, run=called)
FIXED = ("--arithmetic", "fixed", "--profile", "loihi2")


@pytest.fixture(scope="module")
def quantized(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantized")
    here("train", "--data", data, "--epochs", "3", "--out", folder)
    return Path(here("quantize", folder / "network.h5")["file"])


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def section(folder: Path, name: str) -> Any:
    return json.loads((folder / "results" / f"{name}.json").read_text())


def weights(path: Path) -> dict[str, Any]:
    return QuantizedNetwork.load(path).weights()


@pytest.mark.parametrize("more", [(), ("--patience", "2"), ("--optimizer", "rmsprop", "--rate", "0.001")])
def test_training_goes_on_to_what_all_epochs_at_once_give(more: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data, "--schedule", "constant", *more)
    here(*command, "--epochs", "5", "--out", tmp_path / "a")
    ran = len(section(tmp_path / "a", "training")["epochs"])
    seconds = section(tmp_path / "a", "seconds")["train"]
    done = called(*command, "--epochs", "8", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    here(*command, "--epochs", "8", "--out", tmp_path / "b")
    if ran == 5:
        assert f"'{tmp_path / 'a'}' held 5 epochs of this run, which went on from there" in done.stderr
        assert section(tmp_path / "a", "seconds")["train"] > seconds
    assert (tmp_path / "a/network.h5").read_bytes() == (tmp_path / "b/network.h5").read_bytes()
    for name in ("training", "accuracy", "network"):
        assert section(tmp_path / "a", name) == section(tmp_path / "b", name)


@pytest.mark.filterwarnings("always:schedule")
def test_a_schedule_of_the_whole_length_starts_again_and_says_so(data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data)
    here(*command, "--epochs", "2", "--out", tmp_path / "a")
    done = called(*command, "--epochs", "4", "--out", tmp_path / "a")
    lines = [line for line in done.stderr.splitlines() if "warning" in line]
    assert len(lines) == 1
    assert "schedule 'linear' goes by the number of epochs" in lines[0]
    assert "training starts again with those of 4; schedule 'constant' goes on" in lines[0]
    here(*command, "--epochs", "4", "--out", tmp_path / "b")
    assert (tmp_path / "a/network.h5").read_bytes() == (tmp_path / "b/network.h5").read_bytes()


@pytest.mark.parametrize("arithmetic", [(), FIXED])
def test_a_finished_training_has_nothing_to_do(arithmetic: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data, *arithmetic, "--epochs", "2", "--out", tmp_path)
    first = called(*command)
    before = files(tmp_path)
    again = called(*command)
    assert again.returncode == 0
    assert f"nothing to do: '{tmp_path}' holds this run, finished after 2 epochs" in again.stderr
    assert "━" not in again.stderr, "a bar that never moved"
    assert again.stdout == first.stdout
    assert files(tmp_path) == before


def test_what_is_missing_of_a_finished_training_is_written(data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data, "--epochs", "2", "--out", tmp_path)
    here(*command)
    network = (tmp_path / "network.h5").read_bytes()
    (tmp_path / "network.h5").write_bytes(b"another")
    here(*command)
    assert (tmp_path / "network.h5").read_bytes() == network


def test_integers_go_on_to_what_all_epochs_at_once_give(data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data, *FIXED)
    here(*command, "--epochs", "2", "--out", tmp_path / "a")
    done = called(*command, "--epochs", "4", "--out", tmp_path / "a")
    assert "held 2 epochs of this run" in done.stderr
    here(*command, "--epochs", "4", "--out", tmp_path / "b")
    for name in ("learned.h5", "learned.nir", "quantized.h5"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert section(tmp_path / "a", "training")["epochs"] == section(tmp_path / "b", "training")["epochs"]


def test_learning_remembers_its_rate_and_goes_on(
    quantized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("learn", quantized, "--out", tmp_path / "a")
    first = here(*command)
    before = files(tmp_path / "a")

    def never(*arguments: Any) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr("hypr_neuro.workflow.found_rate.search_rate", never)
    done = called(*command)
    assert done.returncode == 0, done.stderr
    assert "holds this run, finished after 1 epoch\n" in done.stderr
    assert files(tmp_path / "a") == before
    more = here(*command, "--epochs", "3")
    assert more["rate"] == first["rate"]
    assert more["rates_tried"] == first["rates_tried"]
    kept = tmp_path / "a" / "checkpoint" / "rate.json"
    (asked, search), *_ = json.loads(kept.read_text()).items()
    wrong = ([1], "x", search | {"rate": "x"}, search | {"rate": -1.0}, search | {"tried": [[1]]}, search | {"idle": 2})
    for text in ("damaged", "[" * 100_000, "[1]", *(json.dumps({asked: entry}) for entry in wrong)):
        kept.write_text(text)
        assert here(*command, "--epochs", "3")["rate"] == first["rate"], text[:80]
    message = refused(*command, "--epochs", "3", "--decay", "0.3")
    assert "is of another run (decay 0.5 there, 0.3 here); delete it or choose another folder" in message
    assert "holds 3 epochs, asked for 2; ask for at least as many" in refused(*command, "--epochs", "2")
    monkeypatch.undo()
    whole = ("learn", quantized, "--epochs", "3", "--out", tmp_path / "b")
    here(*whole)
    one, other = weights(tmp_path / "a/learned.h5"), weights(tmp_path / "b/learned.h5")
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.filterwarnings("always:schedule")
def test_a_finished_demo_has_nothing_to_do_and_a_longer_one_goes_on(data: Path, tmp_path: Path) -> None:
    command = ("demo", "--data", data, "--out", tmp_path)
    first = called(*command, "--epochs", "2")
    assert first.returncode == 0, first.stderr
    before = files(tmp_path)
    again = called(*command, "--epochs", "2")
    assert f"nothing to do: '{tmp_path}' holds this demonstration" in again.stderr
    assert again.stdout == first.stdout
    assert files(tmp_path) == before
    message = refused(*command, "--epochs", "2", "--profile", "loihi1")
    assert "another demonstration (profile loihi2 there, loihi1 here); choose another folder, or delete it" in message
    assert files(tmp_path) == before
    assert "seed 0 there, 4 here" in refused(*command, "--epochs", "2", "--seed", "4")
    (tmp_path / "report.html").unlink()
    assert "nothing to do" not in called(*command, "--epochs", "2").stderr
    assert (tmp_path / "report.html").is_file()
    longer = called(*command, "--epochs", "3")
    assert longer.returncode == 0, longer.stderr
    assert len(section(tmp_path, "training")["epochs"]) == 3


def test_both_sides_of_a_setting_are_told(data: Path, tmp_path: Path) -> None:
    command = ("train", "--data", data, "--epochs", "2", "--out", tmp_path)
    here(*command)
    before = files(tmp_path)
    message = refused(*command, "--rule", "bptt")
    assert "is of another run (rule differ: rule hypr there, bptt here); delete it or choose another folder" in message
    assert "holds 2 epochs, asked for 1; ask for 2 or more" in refused(*command, "--epochs", "1")
    assert files(tmp_path) == before


def test_other_settings_in_a_folder_are_said_aloud(data: Path, quantized: Path, tmp_path: Path) -> None:
    network = quantized.parent / "network.h5"
    here("quantize", network, "--out", tmp_path)
    done = called("quantize", network, "--profile", "loihi1", "--out", tmp_path)
    said = f"'{tmp_path}' held integers for 'loihi2', now for 'loihi1'; --out FOLDER keeps both"
    assert said in done.stderr
    assert "held integers" not in called("quantize", network, "--profile", "loihi1", "--out", tmp_path).stderr
    message = refused("train", "--data", data, *FIXED, "--out", quantized.parent)
    assert f"'{quantized.parent}' holds a training in --arithmetic float; choose another --out, or delete it" in message


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--rate", "-1"),
        ("train", "--layer", "brff:3"),
        ("train", "--freeze", "nothing"),
        ("train", *FIXED, "--rate", "0"),
        ("demo", "--profile", "loihi9"),
    ],
)
def test_a_refused_command_leaves_no_folder(words: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    refused(*words, "--data", data, "--epochs", "1", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "kept").mkdir()
    refused(*words, "--data", data, "--epochs", "1", "--out", tmp_path / "kept")
    assert (tmp_path / "kept").is_dir()


def test_a_folder_with_a_checkpoint_stays(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hypr_neuro.workflow.stages.describe_network", full)
    done = called("train", "--data", data, "--epochs", "1", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert (tmp_path / "run" / "checkpoint" / "training.h5").is_file()

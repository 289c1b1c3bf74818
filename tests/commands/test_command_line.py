"""The commands, one after the other on each other's files, the demo, bad input, and interruption.

Each command runs as a program once, so that all it needs is imported by itself; otherwise in this process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import ENVIRONMENT, PROGRAM, answer, called, kill_once_there, program, refusal, small_data

here, refused = partial(answer, run=called), partial(refusal, run=called)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    found = answer("train", "--data", data, "--epochs", "10", "--out", folder)
    assert found["test_accuracy"] > 0.85
    return folder


@pytest.fixture(scope="module")
def quantized(trained: Path, data: Path) -> Path:
    exported = answer("export", trained / "network.h5", "--out", trained / "network.nir")
    assert exported["read_back"] == "equal"
    made = answer("quantize", trained / "network.nir", "--data", data, "--profile", "loihi2", "--out", trained)
    assert {r["name"] for r in made["record"]} >= {"input", "recurrent", "κ", "θ"}
    return Path(made["file"])


def test_commands_work_on_each_others_files(trained: Path, data: Path, quantized: Path) -> None:
    placed = answer("place", quantized, "--out", trained)
    assert placed["fits"]
    assert sum(core["neurons"] for core in placed["per_core"]) == 64 + 2
    scored = answer("simulate", quantized, "--data", data, "--network", trained / "network.h5", "--out", trained)
    assert abs(scored["accuracy"] - scored["float_accuracy"]) <= 0.05
    learned = answer("learn", quantized, "--data", data, "--out", trained)
    assert Path(learned["network"]).is_file()
    assert learned["changes_of_weights"] > 0
    compared = answer(
        "compare", trained / "network.nir", quantized, "--data", data, "--disturb", "--epochs", "1", "--out", trained
    )
    assert [e["epoch"] for e in compared["epochs"]] == [0, 1]
    written = answer("report", trained)
    assert set(written["sections"]) >= {"training", "placement", "accuracy", "learning", "quantization", "raster"}
    numbers = json.loads((trained / "report.json").read_text())
    assert (
        numbers["learning"]["fine_tuning"]["epochs"][1]["device_accuracy"] == compared["epochs"][1]["device_accuracy"]
    )
    assert "<html" in (trained / "report.html").read_text()


def test_compare_learns_from_scratch(trained: Path, data: Path, quantized: Path, tmp_path: Path) -> None:
    found = here(
        "compare", trained / "network.h5", quantized, "--data", data, "--scratch", "--epochs", "3", "--out", tmp_path
    )
    assert found["epochs"][-1]["device_accuracy"] > 0.85
    assert found["epochs"][-1]["float_accuracy"] > 0.85


DEMO = ("--epochs", "4", "--seed", "5")


@pytest.fixture(scope="module")
def demo(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A demo's folder, and what the command printed."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    return folder, answer("demo", "--data", data, *DEMO, "--out", folder)


def test_demo_runs_on_own_data(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, found = demo
    assert found["nir"]["equal"]
    assert found["learning"]["scratch"]["epochs"]
    lava = found["lava"]
    assert lava.get("equal") is True or "3.10" in lava["skipped"]
    names = {p.name for p in folder.iterdir()}
    assert names >= {"report.html", "report.json", "network.h5", "network.nir", "quantized.h5"}


def test_the_same_seed_gives_the_same_numbers(demo: tuple[Path, dict[str, Any]], data: Path, tmp_path: Path) -> None:
    again = here("demo", "--data", data, *DEMO, "--out", tmp_path)
    for section in ("training", "accuracy", "learning", "quantization"):
        assert demo[1][section] == again[section], section


def test_a_killed_training_goes_on_bit_for_bit(data: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", str(data), "--epochs", "60", "--out"]
    kill_once_there(tmp_path / "a" / "checkpoint" / "training.h5", *arguments, tmp_path / "a")
    assert not (tmp_path / "a" / "network.h5").exists(), "the run was over before it could be killed"
    resumed = answer(*arguments, tmp_path / "a")
    undisturbed = here(*arguments, tmp_path / "b")
    assert resumed["test_accuracy"] == undisturbed["test_accuracy"]
    assert (tmp_path / "a/results/training.json").read_text() == (tmp_path / "b/results/training.json").read_text()


def test_profiles_are_listed_and_shown() -> None:
    assert set(answer("profiles")) >= {"loihi1", "loihi2", "ideal"}
    facts = here("profiles", "loihi2")["facts"]
    assert all(fact["unit"] and fact["source"] for fact in facts)
    assert "properties" in here("profiles", "--schema")


def test_help_names_every_command() -> None:
    text = program("--help").stdout
    first, rest = ("demo", "train", "export", "quantize", "place"), ("simulate", "learn", "compare", "report", "data")
    for name in (*first, *rest, "diff", "profiles"):
        assert f" {name} " in text


def bad_npz(folder: Path, **change: Any) -> Path:
    arrays = dict(np.load(small_data(folder)))
    arrays.update(change)
    path = folder / "bad.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_missing_folder_is_named(tmp_path: Path) -> None:
    assert "QTDB_train.mat" in refusal("demo", "--data", "ecg", "--data-dir", tmp_path / "nowhere")
    assert "--data-dir" in refused("demo", "--data", "ecg")
    assert "digits" in refusal("data", "no-such-data")


def test_unknown_profile_lists_the_known_ones(data: Path, tmp_path: Path) -> None:
    line = refused("demo", "--data", data, "--profile", "loihi9", "--out", tmp_path / "run")
    assert "loihi9" in line
    assert "loihi2" in line
    assert not (tmp_path / "run").exists()


def test_profile_errors_name_file_and_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: loihi2\nprecision: {weight_bitz: {value: 8, unit: bit, source: x}}\n")
    line = refused("profiles", path)
    assert "mine.yaml" in line
    assert "weight_bitz" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_train": None}, "y_train"),
        ({"x_test": np.zeros((24, 24, 7), np.uint8)}, "x_test"),
        ({"x_train": np.full((60, 24, 8), np.nan)}, "x_train[0, 0, 0] = nan"),
        ({"x_train": np.full((60, 24, 8), 0.5)}, "fractions"),
        ({"y_train": np.zeros((60, 23), np.int64)}, "y_train"),
        ({"y_train": np.zeros(60)}, "y_train float64"),
        ({"y_train": np.full(60, -1)}, "labels -1"),
    ],
)
def test_bad_data_is_refused_by_key(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    assert words in refused("demo", "--data", bad_npz(tmp_path, **change), "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "network.h5").exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 2000])
def test_truncated_files_are_refused(trained: Path, quantized: Path, data: Path, keep: int, tmp_path: Path) -> None:
    for source in (trained / "network.nir", trained / "network.h5", quantized):
        path = tmp_path / source.name
        path.write_bytes(source.read_bytes()[:keep])
        if source == quantized:
            line = refused("place", path, "--out", tmp_path / "run")
        else:
            line = refused("quantize", path, "--data", data, "--out", tmp_path / "run")
        assert path.name in line
    assert not list(tmp_path.glob("run/*.h5"))


def test_altered_files_are_caught(quantized: Path, tmp_path: Path) -> None:
    content = bytearray(quantized.read_bytes())
    at = len(content) // 2
    while content[at] == 0:
        at += 1
    content[at] ^= 0xFF
    path = tmp_path / "altered.h5"
    path.write_bytes(content)
    assert "altered.h5" in refused("place", path)


def test_data_that_does_not_fit_the_network_is_refused(quantized: Path) -> None:
    assert "64 channels, the network 8 inputs" in refused("simulate", quantized, "--data", "digits")
    assert "has 64 channels, the network 8 inputs" in refused("learn", quantized, "--data", "digits")


def test_fractions_train_a_float_network_and_are_refused_by_all_that_makes_or_runs_integers(
    data: Path, quantized: Path, tmp_path: Path
) -> None:
    """In the same words on every route, before anything is written."""
    with np.load(data) as file:
        content = dict(file)
    path, out = tmp_path / "real.npz", tmp_path / "out"
    np.savez(path, **content | {"x_train": 0.5 * content["x_train"], "x_test": 0.5 * content["x_test"]})
    found = here("train", "--data", path, "--epochs", "1", "--out", tmp_path / "float")
    encoder = "--encode level_crossing:threshold=0.05"
    assert found["input"] == f"fractions, which the float network alone takes; for a chip train with {encoder}"
    assert "input" not in here("train", "--data", data, "--epochs", "1", "--out", tmp_path / "spikes")
    words = "x holds fractions, rule: integers (spikes or graded values); encode it first (hn.encode): "
    words += f"{encoder}, or hn.load_data(file, encode='level_crossing:threshold=0.05')"
    network = tmp_path / "float" / "network.h5"
    for command in (["demo"], ["train", "--arithmetic", "fixed"], ["quantize", network]):
        again = "; train the network again on those integers" if command[0] == "quantize" else ""
        assert refused(*command, "--data", path, "--out", out).endswith(f"data 'real': {words}{again}"), command
        assert not (out / "network.h5").exists()
        assert not (out / "quantized.h5").exists()
    for command in (
        ["simulate", quantized],
        ["learn", quantized, "--out", out],
        ["compare", network, quantized, "--out", out],
    ):
        assert words.split(": --encode")[0] in refused(*command, "--data", path), command


def test_an_output_that_cannot_be_written_is_refused(data: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert "file" in refused("train", "--data", data, "--epochs", "1", "--out", blocked / "run")
    assert blocked.read_text() == "in the way"


def test_report_of_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "no run folder" in refused("report", tmp_path)


@pytest.mark.filterwarnings("ignore:squared error")
def test_a_regression_is_trained_and_reported(tmp_path: Path) -> None:
    command = ["train", "--data", "adding", "--set", "steps=20", "--set", "samples=40", "--epochs", "1", "--out"]
    done = called(*command, tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test_squared_error"] > 0
    assert json.loads((tmp_path / "run" / "results" / "data.json").read_text())["targets"] == 1
    assert called("report", tmp_path / "run").returncode == 0


@pytest.mark.parametrize(("option", "message"), [("delay", "KEY=VALUE"), ("dealy=3", "unknown option 'dealy'")])
def test_a_bad_data_option_is_one_line(option: str, message: str, tmp_path: Path) -> None:
    done = called("train", "--data", "cue", "--set", option, "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert message in done.stderr


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:.*squared error", "ignore:population")
def test_a_demonstration_of_a_regression_tells_squared_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((40, 20, 6)) < rng.random((40, 1, 6)) * 0.5).astype(np.int8)
    y = 4 * (x[:, :, :3].mean((1, 2)) - x[:, :, 3:].mean((1, 2)))[:, None].astype(np.float32)
    np.savez(tmp_path / "sums.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    done = called("demo", "--data", tmp_path / "sums.npz", "--epochs", "1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "Test squared error: float" in done.stderr
    assert "1 targets" in done.stderr
    assert "squared error on chip after fine-tuning" in done.stdout
    assert "%" not in done.stdout


def test_the_seed_of_data_can_be_set_on_its_own(tmp_path: Path) -> None:
    command = ["train", "--data", "cue", "--set", "delay=20", "--set", "seed=5", "--set", "samples=20", "--epochs", "1"]
    done = called(*command, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr


def test_the_program_names_itself_its_version_and_its_help() -> None:
    from importlib.metadata import version

    from hypr_neuro import cli
    from hypr_neuro.__main__ import main

    assert main is cli.main
    assert called("--version").stdout == f"hypr-neuro {version('hypr-neuro')}\n"
    for arguments in (("-h",), ("train", "-h"), ("--help",)):
        done = called(*arguments)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: ")
    done = subprocess.run([sys.executable, "-m", "hypr_neuro", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"hypr-neuro {version('hypr-neuro')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_every_shell(shell: str) -> None:
    environment = ENVIRONMENT | {"_HYPR_NEURO_COMPLETE": f"source_{shell}"}
    done = subprocess.run(PROGRAM, capture_output=True, text=True, env=environment, check=True)
    assert "_HYPR_NEURO_COMPLETE=complete_" in done.stdout.replace("complete_" + shell, "complete_")


def test_an_error_is_an_object_where_json_is_asked_for() -> None:
    done = called("learn", "nothing.h5", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"error": "file 'nothing.h5' does not exist; give the path of a network"}
    assert done.stderr == f"hypr-neuro: error: {json.loads(done.stdout)['error']}\n"


def test_keys_of_json_have_no_spaces(trained: Path, quantized: Path, data: Path) -> None:
    for command in (("simulate", quantized, "--data", data), ("place", quantized), ("profiles",), ("data",)):
        assert not [key for key in here(*command) if " " in key]


def test_a_misspelt_name_is_told_with_the_one_that_is_like_it(tmp_path: Path) -> None:
    for arguments, like in (
        (("train", "--data", "digit"), "unknown data 'digit' (did you mean 'digits'?), known: "),
        (("profiles", "lohi2"), "unknown profile 'lohi2' (did you mean 'loihi2'?), known: "),
        (("train", "--data", "cue", "--rule", "hipr", "--out", tmp_path), "(did you mean 'hypr'?), known: "),
    ):
        assert like in refused(*arguments)

"""`hypr-neuro train --arithmetic quantized`: from scratch, fine-tuning, resumed, and what it refuses."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, refusal

from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork

here, refused = partial(answer, run=called), partial(refusal, run=called)
QUANTIZED = ("--arithmetic", "quantized", "--override", "precision.weight_bits=4")
PLAN = """plan: 1
options: {calibration_method: mse}
rules:
  layers.0.input: {weight_bits: 5}
  layers.0.recurrent: {weight_bits: 3}
"""
SIX = ("precision.weight_bits=6",)
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:.*became 0:hypr_neuro.errors.HyprWarning")]


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A network trained along 4-bit integers from scratch, and what the command printed."""
    folder = tmp_path_factory.mktemp("quantized")
    return folder, here("train", "--data", data, *QUANTIZED, "--epochs", "6", "--out", folder)


def test_quantize_makes_the_integers_that_were_scored(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, found = trained
    assert found["test_accuracy"] > 0.8
    assert found["quantize_with"] == "--profile loihi2 --override precision.weight_bits=4"
    told = json.loads((folder / "results" / "training.json").read_text())
    assert (told["arithmetic"], told["profile"]) == ("quantized", "loihi2 with precision.weight_bits=4")
    quantized = here("quantize", folder / "network.h5", *found["quantize_with"].split())
    assert quantized
    scored = here("simulate", folder / "quantized.h5")
    assert scored["accuracy"] == found["test_accuracy"]
    assert set(here("report", folder)["sections"]) >= {"training", "accuracy", "quantization"}


def test_the_command_is_remembered(trained: tuple[Path, dict[str, Any]]) -> None:
    line = RunFolder(trained[0], create=False).read("command")
    assert "--arithmetic=quantized" in json.dumps(line)
    assert "--override=precision.weight_bits=4" in json.dumps(line)


def test_a_finished_run_has_nothing_to_do_and_a_longer_one_goes_on(data: Path, tmp_path: Path) -> None:
    words = ("train", "--data", data, *QUANTIZED, "--schedule", "constant", "--shadow-bits", "16")
    once = here(*words, "--epochs", "3", "--out", tmp_path / "once")
    here(*words, "--epochs", "1", "--out", tmp_path / "parts")
    parts = here(*words, "--epochs", "3", "--out", tmp_path / "parts")
    again = here(*words, "--epochs", "3", "--out", tmp_path / "parts")
    assert once["test_accuracy"] == parts["test_accuracy"] == again["test_accuracy"]
    nets = [Network.load(tmp_path / name / "network.h5").arrays() for name in ("once", "parts")]
    for name, array in nets[0].items():
        assert np.array_equal(array, nets[1][name]), name


def test_a_float_network_is_tuned_for_a_chip(data: Path, tmp_path: Path) -> None:
    here("train", "--data", data, "--epochs", "4", "--out", tmp_path / "float")
    start = tmp_path / "float" / "network.h5"
    words = ("train", "--from", start, "--arithmetic", "quantized", "--override", *SIX, "--no-limit-weights")
    found = here(*words, "--epochs", "2", "--out", tmp_path / "tuned")
    assert found["test_accuracy"] > 0.8
    assert "--no-limit-weights" in json.dumps(RunFolder(tmp_path / "tuned", create=False).read("command"))
    here("quantize", tmp_path / "tuned" / "network.h5", "--override", *SIX)
    assert QuantizedNetwork.load(tmp_path / "tuned" / "quantized.h5").profile.precision.weight_bits.value == 6


def test_a_network_is_trained_for_its_plan(data: Path, tmp_path: Path) -> None:
    (tmp_path / "my plan.yaml").write_text(PLAN)
    words = ("train", "--data", data, "--arithmetic", "quantized", "--plan", tmp_path / "my plan.yaml")
    found = here(*words, "--accumulator-bits", "10", "--epochs", "4", "--out", tmp_path / "run")
    told = f"--profile loihi2 '--plan={tmp_path / 'my plan.yaml'}' --accumulator-bits=10"
    assert found["quantize_with"] == told
    here("quantize", tmp_path / "run" / "network.h5", *shlex.split(found["quantize_with"]))
    qnet = QuantizedNetwork.load(tmp_path / "run" / "quantized.h5")
    assert [qnet.weight_bits(c) for c in qnet.connections if "readout" not in c.name] == [5, 3]
    assert here("simulate", tmp_path / "run" / "quantized.h5")["accuracy"] == found["test_accuracy"]
    over = ("--override", "precision.weight_bits@layers.0.input=6")  # what the command line says goes before the plan
    here(
        "quantize", tmp_path / "run" / "network.h5", "--plan", tmp_path / "my plan.yaml", *over, "--out", tmp_path / "o"
    )
    qnet = QuantizedNetwork.load(tmp_path / "o" / "quantized.h5")
    assert [qnet.weight_bits(c) for c in qnet.connections if "readout" not in c.name] == [6, 3]
    assert qnet.profile.name.endswith("precision.weight_bits@layers.0.input=6")
    found = here(*words, *over, "--epochs", "1", "--out", tmp_path / "wider")
    told = json.loads((tmp_path / "wider" / "results" / "training.json").read_text())
    assert told["profile"].endswith("precision.weight_bits@layers.0.input=6")
    message = refused(*words[:3], "--plan", tmp_path / "my plan.yaml", "--out", tmp_path / "float")
    assert f"--plan {tmp_path / 'my plan.yaml'}: only with --arithmetic quantized" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--shadow-bits", "16"),
            "--shadow-bits 16: only with --arithmetic quantized; leave it out, or train with that",
        ),
        (("--no-limit-weights",), "--no-limit-weights: only with --arithmetic quantized"),
        (("--profile", "loihi2"), "--profile loihi2: only with --arithmetic fixed or quantized"),
        ((*QUANTIZED, "--decay", "0.5"), "--decay 0.5: only with --arithmetic fixed"),
        ((*QUANTIZED, "--shadow-bits", "2"), "shadow_bits = 2, rule"),
        (("--arithmetic", "quantized", "--plan", "nowhere.yaml"), "plan file 'nowhere.yaml' does not exist"),
        ((*QUANTIZED, "--accumulator-bits", "3"), "accumulator_bits = 3, rule"),
        ((*QUANTIZED, "--update-every", "5"), "update_every = 5 with quantized, rule"),
        (("--arithmetic", "quantized", "--profile", "loihi9"), "loihi9"),
        (("--arithmetic", "fixed", "--rule", "hypr"), "--rule hypr: only with --arithmetic float or quantized"),
    ],
)
def test_what_does_not_go_is_refused(words: tuple[str, ...], message: str, data: Path, tmp_path: Path) -> None:
    assert message in refused("train", "--data", data, *words, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "network.h5").exists()


def test_a_folder_of_float_training_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    here("train", "--data", data, "--epochs", "1", "--out", tmp_path)
    message = refused("train", "--data", data, *QUANTIZED, "--epochs", "1", "--out", tmp_path)
    assert "holds a training in --arithmetic float; choose another --out" in message

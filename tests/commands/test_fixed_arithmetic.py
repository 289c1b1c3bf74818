"""Networks that are trained in integers alone, from random integers on, and regressions from data to report."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, kill_once_there, refusal

from hypr_neuro.exchange.nir import read_quantized_nir
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate

here, refused = partial(answer, run=called), partial(refusal, run=called)


@pytest.fixture(scope="module")
def fixed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A network trained in integers alone, and what the command printed."""
    folder = tmp_path_factory.mktemp("fixed")
    command = ["train", "--data", data, "--arithmetic", "fixed", "--profile", "loihi2", "--epochs", "6"]
    return folder, here(*command, "--out", folder)


def test_random_integers_learn_without_a_float_network(fixed: tuple[Path, dict[str, Any]]) -> None:
    folder, found = fixed
    assert found["test_accuracy"] > 0.85 > found["accuracy_at_the_start"]
    assert found["changes_of_weights"] > 0
    assert {p.name for p in folder.iterdir()} >= {"quantized.h5", "learned.h5", "learned.nir"}
    assert not (folder / "network.h5").exists()
    told = json.loads((folder / "results" / "training.json").read_text())
    assert [e["epoch"] for e in told["epochs"]] == list(range(6))
    assert json.loads((folder / "results" / "accuracy.json").read_text())["integer"] == found["test_accuracy"]
    assert set(here("report", folder)["sections"]) >= {"training", "accuracy", "network", "nir", "quantization"}


def test_the_start_network_fires_and_its_weights_changed_in_integers(fixed: tuple[Path, dict[str, Any]]) -> None:
    start, learned = (QuantizedNetwork.load(fixed[0] / name) for name in ("quantized.h5", "learned.h5"))
    x = np.ones((2, 24, 8), np.int8)
    assert simulate(start, x).rates["layers.0"] > 0
    for name, weights in start.weights().items():
        assert np.any(weights != learned.weights()[name]), name
    for one, other in zip(start.layers, learned.layers, strict=True):
        assert np.array_equal(one.constants, other.constants)
        assert {k: c.exponent for k, c in one.connections().items()} == {
            k: c.exponent for k, c in other.connections().items()
        }


def test_integers_go_to_nir_and_back(fixed: tuple[Path, dict[str, Any]], data: Path, tmp_path: Path) -> None:
    learned = fixed[0] / "learned.h5"
    exported = here("export", learned, "--out", tmp_path / "again.nir")
    assert (exported["holds"], exported["read_back"]) == ("integers", "equal")
    one, other = read_quantized_nir(tmp_path / "again.nir"), read_quantized_nir(fixed[0] / "learned.nir")
    for name, weights in QuantizedNetwork.load(learned).weights().items():
        assert np.array_equal(weights, one.weights()[name])
        assert np.array_equal(weights, other.weights()[name])
    assert here("export", tmp_path / "again.nir", "--out", tmp_path / "twice.nir")["holds"] == "integers"


def test_a_killed_fixed_training_goes_on_bit_for_bit(data: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", str(data), "--arithmetic", "fixed", "--epochs", "30", "--out"]
    kill_once_there(tmp_path / "a" / "checkpoint" / "learning.h5", *arguments, tmp_path / "a")
    assert not (tmp_path / "a" / "learned.h5").exists(), "the run was over before it could be killed"
    resumed, undisturbed = answer(*arguments, tmp_path / "a"), here(*arguments, tmp_path / "b")
    assert resumed["test_accuracy"] == undisturbed["test_accuracy"]
    one, other = (QuantizedNetwork.load(tmp_path / name / "learned.h5") for name in "ab")
    for name, weights in one.weights().items():
        assert np.array_equal(weights, other.weights()[name])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--arithmetic", "fixed", "--batch-size", "8"], "--batch-size 8: only with --arithmetic float"),
        (["--arithmetic", "fixed", "--rule", "hypr"], "--rule hypr: only with --arithmetic float"),
        (["--arithmetic", "fixed", "--clip", "1"], "--clip 1.0: only with --arithmetic float"),
        (["--profile", "loihi2"], "--profile loihi2: only with --arithmetic fixed"),
        (["--decay", "0.5"], "--decay 0.5: only with --arithmetic fixed"),
        (["--arithmetic", "double"], "'--arithmetic': 'double', known: float, fixed"),
        (["--arithmetic", "fixed", "--rate", "0"], "rate = 0.0"),
        (["--arithmetic", "fixed", "--profile", "loihi9"], "loihi9"),
    ],
)
def test_options_of_the_other_arithmetic_are_refused(
    words: list[str], message: str, data: Path, tmp_path: Path
) -> None:
    assert message in refused("train", "--data", data, *words, "--out", tmp_path / "run")
    assert not list(tmp_path.glob("run/*.h5"))


ADDING = ["--data", "adding", "--set", "steps=20", "--set", "samples=40"]


def test_fractions_are_refused_in_integers(tmp_path: Path) -> None:
    words = [*ADDING, "--arithmetic", "fixed", "--out", tmp_path / "run"]
    assert "'adding': x holds fractions, rule: integers" in refused("train", *words)


@pytest.mark.filterwarnings("ignore:squared error", "ignore:.*after the sample's end")  # few samples, one scored step
def test_a_regression_is_trained_in_integers(tmp_path: Path) -> None:
    words = [*ADDING, "--set", "levels=16", "--arithmetic", "fixed", "--epochs", "1", "--out", tmp_path / "run"]
    facts = here("train", *words)
    assert {"test_squared_error", "error_of_the_mean_answer", "R2", "squared_error_at_the_start"} <= facts.keys()
    assert facts["changes_of_weights"] > 0


@pytest.mark.once
@pytest.mark.filterwarnings(
    "ignore:squared error", "ignore:learning took the squared error", "ignore:.*after the sample's end"
)
def test_a_regression_goes_all_the_way(tmp_path: Path) -> None:
    """From float training to the report, each command with the squared error beside that of the mean answer."""
    run, mean = tmp_path / "run", "error_of_the_mean_answer"
    trained = here("train", *ADDING, "--set", "levels=16", "--epochs", "2", "--out", run)
    assert trained["R2"] == pytest.approx(1 - trained["test_squared_error"] / trained[mean])
    here("quantize", run / "network.h5")
    simulated = here("simulate", run / "quantized.h5", "--network", run / "network.h5", "--out", run)
    assert simulated[mean] == trained[mean]
    assert simulated["float_squared_error"] == pytest.approx(trained["test_squared_error"], rel=1e-4)
    assert "accuracy" not in simulated
    learned = here(
        "learn", run / "quantized.h5", "--rate", "0.3", "--error-exponent", "1", "--out", tmp_path / "learned"
    )
    assert learned["squared_error_before"] == simulated["squared_error"]
    assert learned["squared_error_while_learning"] > 0
    compared = here("compare", run / "network.h5", run / "quantized.h5", "--epochs", "1", "--out", run)
    assert compared["epochs"][0]["device_squared_error"] == simulated["squared_error"]
    here("report", run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Always the mean target" in page
    assert "Its mean squared error on the test part is" in page
    assert "Learning on the chip going on from the network takes the error from" in page

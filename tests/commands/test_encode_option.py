"""Real values: the error names the encoder's option, that option works, and the run folder remembers it."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.data.encoding import parse_encoding, suggestion
from hypr_neuro.errors import InputError

here, refused = partial(answer, run=called), partial(refusal, run=called)
STEPS, CHANNELS = 20, 3


def save(path: Path, make: Any) -> Path:
    rng = np.random.default_rng(1)
    y = {"train": rng.integers(0, 2, 40), "test": rng.integers(0, 2, 16)}
    x = {part: make(rng, labels) for part, labels in y.items()}
    np.savez(path, **{f"x_{p}": x[p] for p in y}, **{f"y_{p}": y[p] for p in y})
    return path


def waves(rng: Any, labels: Any) -> Any:
    """Slow or fast oscillations."""
    phase = rng.uniform(0, 6, (len(labels), 1, CHANNELS))
    return np.sin(np.where(labels == 1, 1.5, 0.3)[:, None, None] * np.arange(STEPS)[:, None] + phase)


def vectors(rng: Any, labels: Any) -> Any:
    """Features around -2 or 3."""
    return rng.normal(np.where(labels == 1, 3.0, -2.0)[:, None], 0.5, (len(labels), CHANNELS))


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("data") / "signals.npz", waves)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("data") / "features.npz", vectors)


def named(message: str) -> str:
    """The encoding that a message names."""
    found = re.search(r"--encode (\S*[^\s,.;`])", message)
    assert found, message
    return found[1]


def test_the_encoding_that_an_error_names_works_on_signals(signals: Path, tmp_path: Path) -> None:
    told = here("data", signals)
    encoding = named(told["input"])
    assert encoding == "level_crossing:threshold=0.2"
    assert f"`hypr-neuro data {signals} --encode {encoding}`" in told["input"]
    found = here("data", signals, "--encode", encoding)
    assert (found["steps"], found["channels"]) == (STEPS, 2 * CHANNELS)
    assert found["encoder"] == {"method": "level_crossing", "threshold": 0.2}
    assert "input" not in found
    for command in (("demo",), ("train", "--arithmetic", "fixed")):
        assert named(refused(*command, "--data", signals, "--out", tmp_path)) == encoding, command


def test_the_encoding_that_an_error_names_works_on_vectors(features: Path) -> None:
    encoding = named(refused("train", "--data", features))
    assert encoding.startswith("rate:steps=64,low=-")
    found = here("data", features, "--encode", encoding)
    assert (found["steps"], found["channels"]) == (64, CHANNELS)
    for method in ("latency", "thermometer"):
        low_high = encoding.partition("low=")[2]
        assert here("data", features, "--encode", f"{method}:steps=9,low={low_high}")["steps"] == 9
    limits = named(refused("data", features, "--encode", "rate:steps=8").replace(", as rate", " --encode rate"))
    assert here("data", features, "--encode", limits)["channels"] == CHANNELS


def test_a_run_folder_remembers_the_encoder(signals: Path, tmp_path: Path) -> None:
    encoding = "level_crossing:threshold=0.25"
    here("train", "--data", signals, "--encode", encoding, "--epochs", "2", "--seed", "5", "--out", tmp_path)
    stored = json.loads((tmp_path / "results" / "source.json").read_text())
    assert stored == {"name": str(signals), "folder": None, "options": [f"encode={encoding}"], "seed": 5}
    quantized = tmp_path / "quantized.h5"
    for command in (
        ("quantize", tmp_path / "network.h5"),
        ("simulate", quantized, "--network", tmp_path / "network.h5", "--out", tmp_path),
        ("learn", quantized, "--rate", "0.1", "--out", tmp_path / "l"),
        ("compare", tmp_path / "network.h5", quantized, "--epochs", "1", "--out", tmp_path),
        ("train", "--from", tmp_path / "network.h5", "--epochs", "1", "--out", tmp_path / "t"),
    ):
        done = called(*command, "--json")
        assert done.returncode == 0, (command, done.stderr)
        assert f"data: --data {signals} --encode {encoding}, as " in done.stderr
    assert f"--encode {encoding}" in json.loads((tmp_path / "results" / "command.json").read_text())
    assert hn.load(tmp_path / "network.h5").encoder == {"method": "level_crossing", "threshold": 0.25}


def test_python_takes_the_same(signals: Path, features: Path) -> None:
    by_text = hn.load_data(signals, encode="level_crossing:threshold=0.25")
    by_mapping = hn.load_data(signals, encode={"method": "level_crossing", "threshold": 0.25})
    assert np.array_equal(by_text.x, by_mapping.x)
    with np.load(signals) as file:
        expected = hn.encode(np.concatenate([file["x_train"], file["x_test"]]), "level_crossing", threshold=0.25)
    assert np.array_equal(by_text.x, expected)
    drawn = hn.load_data(features, encode="rate:steps=8,low=-5,high=6,seed=3")
    with np.load(features) as file:
        unit = (np.concatenate([file["x_train"], file["x_test"]]) + 5) / 11
    assert np.array_equal(drawn.x, hn.encode(unit, "rate", steps=8, seed=3))


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("rat", "unknown encoder 'rat' (did you mean 'rate'?), known: "),
        ("rate:steps", "'steps', rule: METHOD:KEY=VALUE,KEY=VALUE, as level_crossing:threshold=0.1"),
        ("rate:steps=8", "rule of encoder 'rate': (sample, feature), or one step a sample"),
        ("rate:step=64", "encoder 'rate': unknown option 'step' (did you mean 'steps'?), known: steps, seed, maximum"),
        ("rate:steps=abc", "encoder 'rate': steps = 'abc', rule: a whole number, at least 1"),
        ("rate:steps=0", "encoder 'rate': steps = 0, rule: a whole number, at least 1"),
        ("scan:hold=2", "encoder 'scan': rows is missing; give rows=N"),
        ("level_crossing:treshold=1", "unknown option 'treshold' (did you mean 'threshold'?), known: threshold"),
        ("level_crossing:threshold=-1", "'level_crossing': threshold = -1, rule: a finite number above 0"),
        ("level_crossing:threshold=x", "'level_crossing': threshold = 'x', rule: a number"),
        ("level_crossing:low=0", "no option low or high; they are of vectors"),
    ],
)
def test_a_wrong_encoding_is_refused(encoding: str, message: str, signals: Path) -> None:
    assert message in refused("data", signals, "--encode", encoding)


def test_limits_of_vectors_are_checked(features: Path) -> None:
    assert "low = 3.0, high = 1.0, rule: low < high" in refused("data", features, "--encode", "rate:low=3,high=1")
    assert "low = 'x', rule: a number" in refused("data", features, "--encode", "rate:low=x")
    assert "unknown option 'encode'" in refused("data", "digits", "--encode", "rate")


def test_what_is_suggested_takes_the_values() -> None:
    rng = np.random.default_rng(0)
    for scale in (1e-6, 1.0, 7e5):
        for x in (scale * rng.normal(size=(5, 9, 2)), scale * rng.normal(size=(5, 4)), np.full((3, 2), scale)):
            chosen = parse_encoding(suggestion(x))
            low, high = chosen.get("low", 0), chosen.get("high", 1)
            assert chosen["method"] == "level_crossing" or (low <= x.min() and x.max() <= high and low < high)
    with pytest.raises(InputError, match="unknown encoder"):
        parse_encoding({})


def test_an_encoder_alone_is_for_the_remembered_data(signals: Path, features: Path, tmp_path: Path) -> None:
    here("train", "--data", features, "--encode", "rate:steps=8,low=-9,high=9", "--epochs", "1", "--out", tmp_path)
    made = called(
        "quantize", tmp_path / "network.h5", "--encode", "rate:steps=9,low=-8,high=8", "--out", tmp_path / "q"
    )
    assert made.returncode == 0, made.stderr
    assert f"data: --data {features} --encode rate:steps=9,low=-8,high=8, as '{tmp_path}' was made with" in made.stderr
    here("train", "--data", signals, "--epochs", "1", "--out", tmp_path / "real")
    network = tmp_path / "real" / "network.h5"
    message = refused("quantize", network)
    assert message.endswith("; train the network again on those integers")
    other = refused("quantize", network, "--encode", named(message))
    assert "has 6 channels, the network 3 inputs" in other
    assert other.endswith(", or train it again on these data as they are encoded")
    here("train", "--data", signals, "--encode", named(message), "--epochs", "1", "--out", tmp_path / "spikes")
    assert called("quantize", tmp_path / "spikes" / "network.h5").returncode == 0


@pytest.mark.filterwarnings("ignore:squared error:hypr_neuro.errors.HyprWarning")
def test_generated_data_name_the_option_that_their_loader_takes(tmp_path: Path) -> None:
    made = ("--data", "adding", "--set", "samples=40")
    found = here("train", *made, "--epochs", "1", "--out", tmp_path / "float")
    option = "--set levels=16"
    assert found["input"] == f"fractions, which the float network alone takes; for a chip train with {option}"
    from_its_folder = ("quantize", tmp_path / "float" / "network.h5")
    for command in (from_its_folder, ("train", "--arithmetic", "fixed", *made), ("demo", *made)):
        said = refused(*command, "--out", tmp_path / "out")
        assert f"take {option} (hn.load_data('adding', levels=16))" in said
        assert "--encode" not in said
    again = re.search(r"`hypr-neuro (data adding .*)` shows", here("data", "adding")["input"])
    assert again is not None
    assert "input" not in here(*again[1].split())
    here("train", *made, *option.split(), "--epochs", "1", "--out", tmp_path / "whole")
    assert called("quantize", tmp_path / "whole" / "network.h5").returncode == 0
    assert hn.load_data("adding", samples=40, levels=16).x.dtype == np.int16

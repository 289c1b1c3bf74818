"""Crossbars on the command line: noise switched off by name, learning that goes on, devices that refuse."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.quantizing.network import QuantizedNetwork

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def quantized(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pcm")
    answer("quantize", run / "network.h5", "--profile", "pcm_crossbar", "--out", folder, run=called)
    return folder / "quantized.h5"


def test_one_term_is_switched_off_by_its_name(quantized: Path, run: Path, data: Path, tmp_path: Path) -> None:
    x = hn.load_data(data).part("test").x
    readouts = {"none": hn.simulate(QuantizedNetwork.load(quantized), x).readout}
    for change in ("read_noise=off", "drift=off", "age=2000000"):
        words = ("--profile", "pcm_crossbar", "--override", f"analog.{change}", "--out", tmp_path, "--data", data)
        answer("quantize", run / "network.h5", *words, run=called)
        qnet = QuantizedNetwork.load(tmp_path / "quantized.h5")
        term, value = change.split("=")
        assert qnet.profile.analog is not None
        assert float(getattr(qnet.profile.analog, term).value) == (0.0 if value == "off" else float(value))
        readouts[change] = hn.simulate(qnet, x).readout
        assert np.array_equal(readouts[change], hn.simulate(qnet, x).readout)
    for (one, a), (other, b) in combinations(readouts.items(), 2):
        assert not np.array_equal(a, b), (one, other)
    line = refusal("quantize", run / "network.h5", "--override", "analog.read_noise=off", "--out", tmp_path, run=called)
    assert "profile 'loihi2' has no section 'analog', rule: a profile that has one, such as pcm_crossbar" in line


@pytest.mark.filterwarnings("ignore:.*saturated in:hypr_neuro.errors.HyprWarning")  # so fast a rate
def test_simulate_and_learn_give_the_same_twice_and_keep_cells(quantized: Path, data: Path, tmp_path: Path) -> None:
    first, second = (answer("simulate", quantized, "--data", data, run=called) for _ in range(2))
    assert first == second
    learned = {}
    for name, epochs in (("whole", ("2",)), ("parts", ("1", "2"))):
        for count in epochs:
            answer(
                "learn", quantized, "--data", data, "--rate", "0.1", "--epochs", count, "--out", tmp_path / name,
                run=called,
            )  # fmt: skip
        learned[name] = QuantizedNetwork.load(tmp_path / name / "learned.h5")
    for a, b in zip(learned["whole"].connections, learned["parts"].connections, strict=True):
        assert a.cells is not None
        assert b.cells is not None
        assert all(np.array_equal(a.cells[key], b.cells[key]) for key in a.cells)
        assert np.array_equal(a.mantissa, b.mantissa)
    assert answer("simulate", tmp_path / "whole" / "learned.h5", "--data", data, run=called)


@pytest.mark.parametrize("device", ["c", "lava"])
def test_devices_without_crossbars_refuse_in_one_line(device: str, quantized: Path, data: Path, tmp_path: Path) -> None:
    for command in ("simulate", "learn"):
        where = ("--out", tmp_path / "out") if command == "learn" else ()
        line = refusal(command, quantized, "--data", data, "--device", device, *where, run=called)
        assert f"device '{device}': profile 'pcm_crossbar' has analog weights (section analog), rule: digital" in line
        assert not (tmp_path / "out" / "learned.h5").exists()


def test_a_study_varies_a_term(data: Path, tmp_path: Path) -> None:
    given = ("--data", data, "--run", "learn", "--start", "scratch", "--profile", "pcm_crossbar", "--seeds", "1")
    small = ("--set", "network.layers.0.size=4", "--set", "training.epochs=1", "--set", "learn.epochs=1")
    found = answer(
        "study", "run", *given, *small, "--vary", "analog.write_noise=true,false",
        "--vary", "analog.update=pulses,accumulated", "--out", tmp_path / "s", run=called,
    )  # fmt: skip
    rows = found["rows"] if isinstance(found, dict) else found
    assert len(rows) == 4
    assert all(row["accuracy"] is not None for row in rows)


def test_compare_sets_the_float_rule_beside_cells(quantized: Path, run: Path, data: Path, tmp_path: Path) -> None:
    found = answer(
        "compare", run / "network.h5", quantized, "--data", data, "--epochs", "1", "--rate", "0.05",
        "--out", tmp_path / "c", run=called,
    )  # fmt: skip
    first, last = found["epochs"][0], found["epochs"][-1]
    assert 0.0 < min(last["cosine"].values()) <= 1.0
    assert last["weight_distance"] > first["weight_distance"]
    assert last["device_accuracy"] > 0.6 < last["float_accuracy"]

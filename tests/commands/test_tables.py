"""What commands print for people: 80 columns, whole words, percentages of one decimal, sizes that are stored."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal
from netx_runs import networks, write

import hypr_neuro as hn
from hypr_neuro.cli.tables import emit, figure, print_table, show

here, refused = partial(answer, run=called), partial(refusal, run=called)
SHARE = re.compile(r"\d%")
ONE_DECIMAL = re.compile(r"\b\d+\.\d%")


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def table_of(printed: str) -> str:
    """The tables of an output: what stands between the empty lines around each."""
    return "\n\n".join(part for part in printed.split("\n\n") if "\n" in part.strip())


COMMANDS = {
    "quantize": ("quantize", "network.h5"),
    "place": ("place", "quantized.h5"),
    "simulate": ("simulate", "quantized.h5", "--network", "network.h5"),
    "learn": ("learn", "quantized.h5", "--rate", "0.1", "--out", "l"),
    "compare": ("compare", "network.h5", "quantized.h5", "--epochs", "1", "--out", "c"),
    "profile": ("profiles", "loihi2"),
    "profiles": ("profiles",),
    "data": ("data", "digits"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_tables_fit_80_columns_without_broken_words(name: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    done = called(*COMMANDS[name])
    assert done.returncode == 0, done.stderr
    table = table_of(done.stdout)
    assert max(map(len, table.splitlines())) <= 80
    words = set(table.replace("\n", " ").split())
    if name in ("place", "compare"):
        assert {"layers.0", "layers.0.recurrent", "readout.input"} - words <= {"layers.0"}
    if name == "quantize":
        assert {"layers.0.recurrent", "clipped", "readout.κ"} <= words
    if name == "profile":
        assert "precision.weight_exponent_min" in words
    assert all(ONE_DECIMAL.search(line) for line in table.splitlines() if SHARE.search(line))


def test_shares_have_one_decimal_and_counts_of_nothing_are_not_listed(run: Path) -> None:
    printed = called("simulate", run / "quantized.h5", "--network", run / "network.h5").stdout
    found = here("simulate", run / "quantized.h5", "--network", run / "network.h5")
    assert f" {found['accuracy']:.1%} " in printed
    assert f" {found['float_accuracy']:.1%} " in printed
    assert re.search(r"saturations and wraps +none", printed)
    assert "{" not in printed


def test_figures_as_text() -> None:
    assert figure("test accuracy", 0.91666) == "91.7%"
    assert figure("rate", 0.91666) == "0.9167"
    assert figure("accuracy", float("nan")) == "–"
    assert show({"a": {"x": 0, "y": 3}, "b": {"x": 0}}) == "a y: 3"
    assert show({"a": {"x": 0}}) == "none"
    assert show({"layers.0": 0.0, "layers.1": 0.25}) == "layers.0: 0\nlayers.1: 0.25"
    assert show({"method": "rate", "steps": 0}) == "method: rate\nsteps: 0"
    assert show([]) == "none"
    assert show(None) == "–"


def test_a_wide_table_cuts_names_in_front_alone(capsys: pytest.CaptureFixture[str]) -> None:
    long = "a_population_with_a_very_long_name_indeed"
    row = [f"{long} -> {long}", *[123456789] * 6]
    print_table(["connection", *"abcdef"], [row], "title")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("123456789" in line for line in lines) == 1
    emit({"key_of_it": "word " * 40}, False, "title")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(word == "word" for line in lines[3:] for word in line.split())


def test_the_demo_shows_points(data: Path, tmp_path: Path) -> None:
    printed = called("demo", "--data", data, "--epochs", "2", "--out", tmp_path).stdout
    found = here("demo", "--data", data, "--epochs", "2", "--out", tmp_path)["learning"]["fine_tuning"]
    lost = 100 * (found["reference_accuracy"] - found["start_accuracy"])
    won = 100 * (found["epochs"][-1]["device_accuracy"] - found["start_accuracy"])
    assert re.search(rf"points lost +{lost:.1f}\b", printed)
    assert re.search(rf"points won back +{won:.1f}\b", printed)


def test_an_error_leaves_no_bar(run: Path, data: Path, tmp_path: Path) -> None:
    done = called(
        "train", "--data", data, "--epochs", "1", "--loss", "squared_error", "--rate", "-1", "--out", tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [line for line in done.stderr.splitlines() if line.startswith("hypr-neuro:")]


def test_a_convolution_is_as_large_as_its_kernel(tmp_path: Path) -> None:
    case = networks(np.random.default_rng(0))["convolution"]
    path = write(tmp_path / "a.net", case["layers"])
    printed = called("import", path, "--out", tmp_path).stdout
    lines = [line for line in printed.splitlines() if " -> " in line]
    for line, c in zip(lines, hn.read_netx(path).network.synapses, strict=True):
        kernel = None if c.convolution is None else " × ".join(map(str, c.convolution.kernel.shape))
        size = "{} × {} weights".format(*c.shape) if kernel is None else f"convolution, kernel {kernel} over "
        assert f"{c.name}: {size}" in line
    assert any("convolution, kernel" in line for line in lines)
    shown = repr(hn.import_file(path)).splitlines()
    assert len(shown) <= 40
    assert max(map(len, shown)) <= 80


def test_import_names_all_that_is_missing_at_once(tmp_path: Path) -> None:
    import nir

    lif = nir.LIF(tau=np.full(2, 0.01), r=np.ones(2), v_leak=np.zeros(2), v_threshold=np.ones(2))
    graph = nir.NIRGraph(
        {"in": nir.Input({"input": np.array([2])}), "n": lif, "out": nir.Output({"output": np.array([2])})},
        [("in", "n"), ("n", "out")],
    )
    nir.write(tmp_path / "a.nir", graph)
    message = refused("import", tmp_path / "a.nir")
    assert "pass dt (--dt), in seconds; and reset (--reset): what a spike does to v, one of zero, subtract" in message
    assert "reset" not in refused("import", tmp_path / "a.nir", "--reset", "zero").partition("pass dt")[2]
    message = refused("import", tmp_path / "a.nir", "--dt", "1e-3")
    assert "pass reset (--reset)" in message
    assert "--dt" not in message
    here("import", tmp_path / "a.nir", "--dt", "1e-3", "--reset", "zero", "--out", tmp_path)


def test_the_report_of_compare_alone_says_what_compare_knows(run: Path, tmp_path: Path) -> None:
    here("compare", run / "network.h5", run / "quantized.h5", "--disturb", "--epochs", "1", "--out", tmp_path)
    here("report", tmp_path)
    known = here("simulate", run / "quantized.h5", "--network", run / "network.h5")
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["accuracy"]["integer"] == known["accuracy"]
    assert numbers["accuracy"]["float"] == known["float_accuracy"]
    assert [layer["neuron"] for layer in numbers["network"]["layers"]] == ["brf", "li"]
    assert numbers["profile"]["name"] == "loihi2"
    page = (tmp_path / "report.html").read_text()
    assert "not run" not in page
    assert "Not part of this run" not in page
    assert "In integers" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_keys_of_json_have_no_spaces(name: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)

    def keys(value: object) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(key for inner in value.values() for key in keys(inner))]
        return [key for inner in value for key in keys(inner)] if isinstance(value, list) else []

    found = keys(here(*COMMANDS[name]))
    assert found
    assert not [key for key in found if " " in key and " -> " not in key]

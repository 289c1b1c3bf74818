"""`hypr-neuro compare` with several devices, seeds and causes: what it prints, writes and refuses, and when killed."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, kill_once_there, refusal

here, refused = partial(answer, run=called), partial(refusal, run=called)
DEVICES = ["sim", "c"] if shutil.which("gcc") else ["sim"]
CHOSEN = [word for name in DEVICES for word in ("--device", name)]


def words(run: Path, data: Path, out: Path) -> tuple[Any, ...]:
    networks = (run / "network.h5", run / "quantized.h5")
    return ("compare", *networks, "--data", data, "--disturb", "--epochs", "2", "--out", out)


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k not in ("seconds", "link")}
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


def test_devices_seeds_and_causes_are_printed_and_reported(run: Path, data: Path, tmp_path: Path) -> None:
    told = words(run, data, tmp_path)
    found = here(*told, *CHOSEN, "--seeds", "3", "--causes")
    columns = {c["name"]: c for c in found["devices"]["columns"]}
    assert list(columns) == [*DEVICES, "float, same rule", "float, Adam"]
    # the first seed is the comparison itself
    assert columns["sim"]["epochs"][0] == [e["device_accuracy"] for e in found["epochs"]]
    assert columns["float, same rule"]["epochs"][0] == [e["float_accuracy"] for e in found["epochs"]]
    assert all("identical to sim bit for bit" in line for line in found["devices"]["identical"])
    assert [name for name, c in columns.items() if c["link"]] == [name for name in DEVICES if name == "c"]
    parts = found["causes"]["splits"][0]["parts"]
    rungs = found["causes"]["splits"][0]["rungs"]
    assert rungs["update"]["score"] == columns["sim"]["scores"][0]
    assert sum(p["added"]["score"] for p in parts) == pytest.approx(rungs["update"]["score"] - rungs["float"]["score"])
    shown = called(*told, *CHOSEN, "--seeds", "3", "--causes").stdout
    for text in ("float, Adam", "A seed is that of the order of samples", "whole gap", "noise: no noise"):
        assert text in " ".join(shown.split())
    here("report", tmp_path)
    page = (tmp_path / "report.html").read_text()
    for text in ("Devices side by side", "Gap by cause", "whole gap", "float, Adam"):
        assert text in page
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["causes"]["seeds"] == [0, 1, 2]
    cost = numbers["devices"]["cost"]
    assert cost["memory_bits"] > cost["of_it_learning_bits"] > 0
    assert cost["energy_per_sample_nj"] > 0
    assert "estimate after figures of Loihi 1, not of this chip" in cost["estimate_note"]


def test_a_killed_command_goes_on_and_ends_with_the_same_numbers(run: Path, data: Path, tmp_path: Path) -> None:
    more = ("--causes", "--seeds", "2", "--json")
    kept = tmp_path / "killed" / "compared" / "causes" / "seed_0"
    kill_once_there(kept / "unfinished", *words(run, data, tmp_path / "killed"), *more)
    resumed = here(*words(run, data, tmp_path / "killed"), *more[:-1])
    whole = here(*words(run, data, tmp_path / "whole"), *more[:-1])
    assert without_seconds(resumed) == without_seconds(whole)
    learned = [tmp_path / name / "learned_fine_tuning.h5" for name in ("killed", "whole")]
    assert learned[0].read_bytes() == learned[1].read_bytes()


def test_refusals(run: Path, data: Path, tmp_path: Path) -> None:
    told = words(run, data, tmp_path)
    assert "each of them once" in refused(*told, "--device", "sim", "--device", "sim")
    assert "'sam'" in refused(*told, "--device", "sim", "--device", "sam")

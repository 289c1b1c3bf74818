"""`hypr-neuro study` and `hn.study`: nothing is lost whatever is killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from commands import answer, called, refusal
from study_cases import NETWORK, two_classes

import hypr_neuro as hn
from hypr_neuro.studies.spec import load_study


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def test_a_study_from_python(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    script = f"""
import json
import hypr_neuro as hn

if __name__ == "__main__":
    what = {{"run": "quantize", "data": {str(data)!r}, "network": {NETWORK!r}, "vary": {{"weight_bits": [4, 8]}},
            "set": {{"training.epochs": 1}}}}
    first = hn.study(what, "s", workers=1)
    again = hn.study(what, "s")
    print(json.dumps([first.rows == again.rows, len(first.rows), first.choose(100.0).row["precision.weight_bits"]]))
    print(again)
"""
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert json.loads(lines[0]) == [True, 2, 4]
    assert lines[1].startswith("StudyTable: 2 rows, 's'")
    assert not done.stderr, done.stderr


def words(data: Path, out: Path) -> tuple[str, ...]:
    return (
        *("study", "run", "--data", str(data), "--vary", "weight_bits=2:11", "--set", "training.epochs=1"),
        *("--seeds", "2", "--workers", "2", "--out", str(out)),
    )


def test_the_command_runs_lists_and_tells(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    small = ("study", "run", "--data", data, "--vary", "weight_bits=4,8", "--set", "training.epochs=1", "--out", out)
    assert len(answer(*small, "--dry-run")["trials"]) == 2
    assert not out.exists()
    rows = answer(*small)
    assert [row["precision.weight_bits"] for row in rows] == [4, 8]
    done = called(*small)
    assert "nothing to do: all 2 trials" in done.stderr
    assert answer("study", "status", out)["finished"] == 2
    assert answer("study", "table", out, "--csv", tmp_path / "t.csv") == rows
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3
    assert answer("study", "table", out, "--write", tmp_path / "t.html") == rows
    assert "<table data-sorted>" in (tmp_path / "t.html").read_text()
    assert "ends in .html, .csv or .json" in refusal("study", "table", out, "--write", tmp_path / "t.txt")
    best = answer("study", "best", out, "--within", "100", "--write", tmp_path / "chip.yaml")
    assert best["settings"] == {"precision.weight_bits": 4}
    assert hn.load_profile(tmp_path / "chip.yaml").precision.weight_bits.value == 4
    figure = answer("study", "plot", out)["figure"]
    assert Path(figure).read_bytes().startswith(b"\x89PNG")
    assert "ends in .png or .svg" in refusal("study", "plot", out, "--write", tmp_path / "f.pdf")
    assert answer("study", "rerun", out, "1") == rows
    assert "trial 2, rule: 0..1" in refusal("study", "rerun", out, "2")
    assert load_study(out / "study.yaml").vary == {"precision.weight_bits": [4, 8]}


def started(data: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hypr_neuro", *words(data, out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def children(pid: int) -> list[int]:
    """Processes that descend from one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.sub(r"^.*\) . ", "", (entry / "stat").read_text()).split()[0])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found += [int(entry.name), *children(int(entry.name))]
    return found


def finished(out: Path) -> set[str]:
    return {path.parent.name for path in out.glob("trials/*/result.json")}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_whatever_is_killed_the_table_is_the_same(data: Path, tmp_path: Path) -> None:
    """Coordinator, workers, or both, at random moments; finished trials stay as they are."""
    whole = tmp_path / "whole"
    answer(*words(data, whole))
    out, rng = tmp_path / "s", random.Random(3)
    kept: dict[str, float] = {}
    for who in ("coordinator", "workers", "both"):
        process = started(data, out)
        deadline = time.monotonic() + 60
        while len(finished(out)) <= len(kept) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        below = children(process.pid)
        targets = {"coordinator": [process.pid], "workers": below, "both": [process.pid, *below]}[who]
        for pid in targets:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if who == "workers":
            process.wait(timeout=120)
        else:
            process.wait(timeout=20)
            for pid in below:  # they end by themselves, when the coordinator is gone
                ended = time.monotonic() + 40
                while Path(f"/proc/{pid}").exists() and time.monotonic() < ended:
                    time.sleep(0.1)
                assert not Path(f"/proc/{pid}").exists(), f"process {pid} outlives its coordinator"
        times = {name: (out / "trials" / name / "result.json").stat().st_mtime_ns for name in finished(out)}
        assert kept.items() <= times.items(), "a finished trial ran again"
        kept = times
    table = answer(*words(data, out))
    assert json.dumps(table) == json.dumps(answer("study", "table", whole))
    assert {p.name for p in (out / "trials").iterdir()} == {p.name for p in (whole / "trials").iterdir()}
    for path in sorted(whole.glob("trials/*/result.json")):
        assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()

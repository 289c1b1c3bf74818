"""Nothing of a study is lost or done twice, whatever is killed or interrupted.

Of the moments at which something is killed a run of the suite has few; HYPR_NEURO_STUDY_KILLS=30 has more.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from commands import answer
from study_cases import two_classes

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")

KILLS = int(os.environ.get("HYPR_NEURO_STUDY_KILLS", "3"))
TRIALS = 40
WHO = ("coordinator", "workers", "one worker", "both")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "search.yaml").write_text(SEARCH)
    return two_classes(folder)


SEARCH = """\
run: quantize
data: two.npz
sampler: nsga2
trials: 10
generation: 4
objectives: {accuracy: max, memory bits: min}
vary: {weight_bits: {from: 2, to: 16}, training.rate: {from: 0.001, to: 0.1, log: true}}
set: {training.epochs: 1}
seeds: 4
"""
GRID = ("--vary", "weight_bits=2:11", "--set", "training.epochs=1", "--seeds", "4")


def words(data: Path, out: Path, sampler: str = "grid") -> tuple[str, ...]:
    what = (str(data.parent / "search.yaml"),) if sampler == "nsga2" else ("--data", str(data), *GRID)
    return "study", "run", *what, "--workers", "2", "--out", str(out)


HEARS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "hypr_neuro", *sys.argv[1:]])
"""
"""A shell without job control starts what runs in the background with interrupts ignored, which would be inherited."""


def started(data: Path, out: Path, *more: str, sampler: str = "grid") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HEARS, *words(data, out, sampler), "--json", *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


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


def kept(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each result, which change when it is written again."""
    facts = {path.parent.name: path.stat() for path in out.glob("trials/*/result.json")}
    return {name: (found.st_ino, found.st_mtime_ns) for name, found in facts.items()}


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def are_gone(pids: list[int]) -> bool:
    return until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 60)


def killed(process: subprocess.Popen[str], who: str) -> None:
    """Kill them, and see that the others end by themselves, or go on where the coordinator lives."""
    below = children(process.pid)
    workers = {"workers": below, "one worker": below[-1:], "both": below}.get(who, [])
    for pid in [process.pid] * (who in ("coordinator", "both")) + workers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=180)
    assert are_gone(below), "a worker outlives its coordinator"


def killed_on_the_way(data: Path, out: Path, more: int, pause: float, who: str, sampler: str) -> None:
    """Start the study and kill it when so many more trials are finished, and a pause later."""
    process, aim = started(data, out, sampler=sampler), len(kept(out)) + more
    until(lambda: len(kept(out)) >= aim or process.poll() is not None, 120)
    time.sleep(pause)
    killed(process, who)


@pytest.mark.parametrize("sampler", ["grid", "nsga2"])
def test_whatever_is_killed_the_table_is_the_same(sampler: str, data: Path, tmp_path: Path) -> None:
    if sampler == "nsga2":
        pytest.importorskip("optuna")
    whole, rng, kills = tmp_path / "whole", random.Random(16), 0
    table = answer(*words(data, whole, sampler))
    # a genetic algorithm may choose a combination again, which runs once
    trials = len(kept(whole))
    assert trials == TRIALS or (sampler == "nsga2" and TRIALS > trials > TRIALS // 2)
    while kills < KILLS:
        out = tmp_path / f"s{kills}"
        before: dict[str, tuple[int, int]] = {}
        while len(before) < trials and kills < KILLS:
            more = rng.randrange(12)
            killed_on_the_way(data, out, more, rng.random() * (0.2 if more else 5.0), WHO[kills % len(WHO)], sampler)
            kills += 1
            after = kept(out)
            assert before.items() <= after.items(), "a finished trial ran again"
            before = after
        assert answer(*words(data, out, sampler)) == table
        assert before.items() <= kept(out).items(), "a finished trial ran again"
        files = {path.relative_to(out) for path in (out / "trials").rglob("*")}
        assert files == {path.relative_to(whole) for path in (whole / "trials").rglob("*")}, "leavings, or losses"
        for path in whole.glob("trials/*/result.json"):
            assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()
        for kind in ("--json", "--csv"):
            assert told(out, kind, tmp_path) == told(whole, kind, tmp_path)


def told(out: Path, kind: str, folder: Path) -> bytes:
    """The table byte for byte."""
    file = folder / "table.csv"
    more = ("--json",) if kind == "--json" else ("--csv", str(file))
    command = [sys.executable, "-m", "hypr_neuro", "study", "table", str(out), *more]
    done = subprocess.run(command, check=True, capture_output=True)
    return done.stdout if kind == "--json" else file.read_bytes()


@pytest.mark.parametrize("moment", ["at the start", "workers start", "they run"])
def test_ctrl_c_is_one_line_and_loses_nothing(moment: str, data: Path, tmp_path: Path) -> None:
    """A terminal sends it to the coordinator and to all that it started."""
    out = tmp_path / "s"
    process = started(data, out)
    moments: dict[str, Callable[[], bool]] = {
        "at the start": (out / "study.yaml").is_file,
        "workers start": lambda: len(children(process.pid)) >= 2,
        "they run": lambda: len(kept(out)) >= 2,
    }
    assert until(moments[moment], 120)
    below = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=120)
    # 130 to a shell either way: `python -m` ends by the signal itself where that came while a class was made of text
    assert process.returncode in (130, -signal.SIGINT), errors
    line = "interrupted; given again, the same command goes on from where it was last saved"
    assert errors.splitlines() == [line]
    assert json.loads(said) == {"error": line}
    assert are_gone(below)
    before = kept(out)
    assert 2 * (moment == "they run") <= len(before) < TRIALS
    assert len(answer(*words(data, out))) == 10
    assert before.items() <= kept(out).items()
    assert len(kept(out)) == TRIALS


def test_a_call_with_a_limit_ends_after_so_many_trials_and_the_next_goes_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    nothing = answer(*words(data, out), "--dry-run")
    assert (nothing["would_run"], nothing["seconds"]) == (TRIALS, None)
    assert "run two with --limit 2" in nothing["estimate"]
    assert not out.exists()
    assert [row["seeds"] for row in answer(*words(data, out), "--limit", "6")] == [4, 2]
    first = kept(out)
    later = answer(*words(data, out), "--dry-run", "--limit", "10")
    assert later["would_run"] == 10
    assert later["seconds"] > 0
    assert "on 2 workers, with 4 trainings of start networks, by the seconds of 6 finished" in later["estimate"]
    process = started(data, out, "--limit", "3")
    assert "9 of 40 trials are finished; the same command goes on" in process.communicate(timeout=180)[1]
    assert first.items() <= kept(out).items()
    assert len(kept(out)) == 9

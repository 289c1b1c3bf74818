"""Disks that are full or cannot be written, and things that stand where a study's files belong."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import called, program, refusal
from study_cases import ran, study, two_classes

from hypr_neuro.errors import InputError
from hypr_neuro.studies.coordinator import run
from hypr_neuro.studies.plan import prepare
from hypr_neuro.studies.table import as_csv, rows_of

FULL = "No space left on device; make room there, or choose a folder on another disk"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 KiB, which few but root may mount."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None or mounted("-t", "tmpfs", "-o", "size=120k", "tmpfs", place):
        # errors that are injected stand for it in the tests below, which run everywhere
        pytest.skip("no file system can be mounted here: that takes root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def mounted(*words: str | Path) -> int:
    return subprocess.run(["mount", *map(str, words)], check=False, capture_output=True).returncode


def kept(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each result, which change when it is written again."""
    files = {path.parent.name: path.stat() for path in out.glob("trials/*/result.json") if path.is_file()}
    return {name: (found.st_ino, found.st_mtime_ns) for name, found in files.items()}


def test_a_full_disk_is_one_line_and_loses_nothing(data: Path, disk: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    words = ("study", "run", "--data", data, "--vary", "weight_bits=2:21", "--set", "training.epochs=1")
    done = program(*words, "--out", disk / "s", "--json")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert FULL in done.stderr
    before = kept(disk / "s")
    assert 2 < len(before) < 20
    assert not list(disk.rglob(".*")), "a half-written file is left"
    assert called("study", "table", disk / "s").returncode == 0
    assert mounted("-o", "remount,ro", disk) == 0
    assert called("study", "status", disk / "s").returncode == 0, "a disk that is read only can be read"
    assert "is not writable; choose a writable place" in refusal(*words, "--out", disk / "s", run=called)
    assert mounted("-o", "remount,rw,size=9m", disk) == 0
    again = program(*words, "--out", disk / "s", "--limit", "3", "--json")
    assert again.returncode == 0, again.stderr
    after = kept(disk / "s")
    assert before.items() <= after.items()
    assert len(after) == len(before) + 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_whatever_the_disk_says_finished_trials_stay(
    number: int, data: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare(study(data, vary={"weight_bits": {"from": 2, "to": 7}}), tmp_path / "s")
    plan.folder.open(plan.study)
    replace, written = os.replace, []

    def failing(source: str | Path, target: str | Path) -> None:
        if Path(target).name == "result.json":
            written.append(target)
            if len(written) > 2:
                raise OSError(number, os.strerror(number))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(InputError, match=f"result.json': {os.strerror(number)}; ") as told:
        run(plan, client, lambda *_: None)
    assert "a folder that exists" not in str(told.value)
    monkeypatch.undo()
    before = kept(tmp_path / "s")
    assert len(before) == 2
    assert not list((tmp_path / "s").rglob(".*")), "a half-written file is left"
    assert len(ran(plan, client)) == 4
    assert before.items() <= kept(tmp_path / "s").items()
    whole = prepare(plan.study, tmp_path / "whole")
    ran(whole, client)
    assert as_csv(rows_of(plan)) == as_csv(rows_of(whole))


def test_what_stands_in_the_place_of_a_trial_is_told_before_anything_runs(
    data: Path, client: Any, tmp_path: Path
) -> None:
    plan = prepare(study(data), tmp_path / "s")
    plan.folder.open(plan.study)
    first, second, third = (plan.folder.trial(trial) for trial in plan.trials)
    for path, make, kind in (
        (first, Path.touch, "folder of trial 0"),
        (second, lambda p: p.symlink_to(tmp_path / "nowhere"), "folder of trial 1"),
        (third / "result.json", lambda p: p.mkdir(parents=True), "result of trial 2"),
    ):
        make(path)
        with pytest.raises(InputError, match=f"'{path}' stands where the {kind} belongs; move it away"):
            run(plan, client, lambda *_: None)
        assert kept(tmp_path / "s") == {}
        shutil.move(path, tmp_path / kind)
    assert ran(plan, client) == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("study.yaml", None, "study.yaml': it is a folder or a device"),
        ("study.yaml", "run: [", "remove that file: it is written anew, and finished trials stay"),
        ("study.yaml", "run: learn\n", "remove that file: it is written anew, and finished trials stay"),
        ("trials", "a file", "cannot create folder"),
    ],
)
def test_a_folder_that_is_damaged_is_told_in_one_line(
    name: str, content: str | None, message: str, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "s"
    out.mkdir()
    if content is None:
        (out / name).mkdir()
    else:
        (out / name).write_text(content)
    words = ("study", "run", "--data", data, "--vary", "weight_bits=2:5", "--out", out)
    assert message in refusal(*words, run=called)
    assert not kept(out)

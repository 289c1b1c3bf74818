"""Compiled programs are there as long as somebody needs them, and then they are gone."""

from __future__ import annotations

import gc
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from link_networks import link_network

from hypr_neuro.compilers.c import build
from hypr_neuro.devices import make_device, open_device, programs
from hypr_neuro.errors import HyprError
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    if build.HOST.missing() is not None:  # as on a machine without a compiler
        pytest.skip("no compiler of C")
    monkeypatch.setattr(programs, "KEPT", 1)


def test_what_was_prepared_runs_after_many_others() -> None:
    x = np.ones((1, 20, 4), np.int32)
    prepared = [make_device("c").prepare(link_network(seed)) for seed in range(3)]
    paths = [each.made.built.path for each in prepared]
    with open_device("c") as device:
        for seed, each in enumerate(prepared):
            device.load(each)
            assert np.array_equal(device.run(x).readout, simulate(link_network(seed), x).readout), seed
    del prepared, each, device
    gc.collect()
    assert [path.parent.is_dir() for path in paths] == [False, False, True]


def test_a_program_that_was_deleted_is_told_of() -> None:
    prepared = make_device("c").prepare(link_network(0))
    prepared.made.built.path.unlink()
    with open_device("c") as device:
        with pytest.raises(HyprError, match=r"device 'c': cannot start '.*link_host' .*; load it again"):
            device.load(prepared)
        device.load(link_network(0))
        assert device.run(np.ones((1, 2, 4), np.int32)).readout.shape == (1, 2, 3)


@pytest.mark.skipif(os.name != "posix", reason="numbers of processes are asked for as POSIX does")
def test_what_killed_processes_left_is_removed_a_day_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(programs, "_swept", [])
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = {"old": f"{ended.pid}-old", "new": f"{ended.pid}-new", "alive": f"{os.getpid()}-old"}
    folders = {name: tmp_path / f"hypr-neuro-c-{end}" for name, end in names.items()}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / "link_host").write_text("program")
        if name != "new":
            os.utime(folder, (0, 0))
    made = programs.new_folder()
    assert {name: folder.exists() for name, folder in folders.items()} == {"old": False, "new": True, "alive": True}
    assert made.name.startswith(f"hypr-neuro-c-{os.getpid()}-")


def test_rates_and_weights_that_learn_are_no_part_of_what_a_program_is() -> None:
    qnet, other = link_network(0), link_network(0)
    for weights in other.weights().values():
        weights[...] = np.roll(weights, 1)
    build_of = programs.built_program
    options = LearnOptions(rate=0.5)
    held = build_of(qnet, options, build.HOST)
    assert build_of(qnet, replace(options, rate=0.1, decay=0.5), build.HOST) == held
    assert build_of(other, options, build.HOST) == held
    for changed in (replace(options, seed=1), replace(options, rule="sgd"), replace(options, parameters=("all",))):
        assert build_of(qnet, changed, build.HOST)[1] != held[1], changed

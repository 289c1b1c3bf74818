"""What a server does when its disk is full, a call comes late, a state is foreign, or its device cannot resume."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_learning import OPTIONS, SEED, CountingDevice, CountingLearner, assert_equal, serving
from small_learning import learning_network, learning_samples

from hypr_neuro.devices import Device, open_device
from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.remote.learner import KIND
from hypr_neuro.serving.journal import ANSWERED, HEAD_SIZE, SENT, Journal
from hypr_neuro.serving.runs import NAME, ServedRun, tidy
from hypr_neuro.sim.learning.chip_learner import LearnSample

pytestmark = pytest.mark.once


class FullDisk:
    """Lets so many writes of a journal pass, then some fail, half-way, as on a full disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: str, passing: int, failing: int) -> None:
        self.plain: Callable[..., Any] = getattr(os, call)
        self.passing, self.failing, self.failed = passing, failing, 0
        monkeypatch.setattr(f"hypr_neuro.serving.journal.os.{call}", self)

    def __call__(self, handle: int, *arguments: Any) -> Any:
        self.passing -= 1
        if self.passing < 0 and self.failed < self.failing:
            self.failed += 1
            if arguments:  # some bytes are written
                self.plain(handle, arguments[0][:5], *arguments[1:])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.plain(handle, *arguments)


@pytest.mark.parametrize(("call", "passing"), [("pwrite", 6), ("pwrite", 7), ("fsync", 4)])
def test_a_full_disk_applies_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, passing: int
) -> None:
    samples, outputs, told = learning_samples(20, SEED), [], []
    with serving(tmp_path) as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        disk = FullDisk(monkeypatch, call, passing, 3)
        while len(outputs) < len(samples):
            try:
                outputs += learner.learn(samples[len(outputs) : len(outputs) + 4])
            except HyprError as error:
                told.append(str(error))
        assert len(told) == disk.failed == 3
        assert all("the server's disk: No space left on device" in words for words in told)
        assert_equal(learner, outputs, samples)
    with serving(tmp_path):
        again = ServedRun(next(path for path in tmp_path.iterdir() if path.is_dir()), "")
        assert again.step == len(samples)
        again.close()


class FailingLearner(CountingLearner):
    fails = 0

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        if FailingLearner.fails and len(samples) > 1:
            FailingLearner.fails -= 1
            super()._learn(samples[: len(samples) // 2])
            raise HyprError("the board was unplugged")
        return super()._learn(samples)


class FailingDevice(CountingDevice):
    learns = FailingLearner


class NoResume(CountingDevice):
    missing: Mapping[str, str] = {"resume": "it gives out no states"}


def test_a_device_that_fails_half_way_is_placed_anew(tmp_path: Path) -> None:
    samples, outputs, told, FailingLearner.fails = learning_samples(20, SEED), [], [], 3
    with serving(tmp_path, kind=FailingDevice) as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        while len(outputs) < len(samples):
            try:
                outputs += learner.learn(samples[len(outputs) : len(outputs) + 5])
            except HyprError as error:
                told.append(str(error))
        assert told == ["the board was unplugged"] * 3
        assert FailingLearner.fails == 0
        assert_equal(learner, outputs, samples)


def test_samples_that_are_handed_over_again_after_an_error_are_answered(tmp_path: Path) -> None:
    samples = learning_samples(70, SEED)
    with serving(tmp_path) as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        CountingLearner.applied = 0
        plain, calls = learner._call, []  # type: ignore[attr-defined]

        def interrupted(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return plain(*arguments)

        learner._call = interrupted  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            learner.learn(samples)
        outputs = learner.learn(samples)
        assert CountingLearner.applied == len(samples)
        assert_equal(learner, outputs, samples)


def test_turns_and_a_restart_of_a_device_that_cannot_resume(tmp_path: Path) -> None:
    samples, held = learning_samples(12, SEED), ([], [])
    with serving(tmp_path, kind=NoResume) as (_, port):
        address = f"grpc://127.0.0.1:{port}"
        with open_device(address) as one, open_device(address) as other:
            learners = []
            for device in (one, other):
                device.load(learning_network(SEED), OPTIONS)
                learners.append(device.learner())
            for i in range(0, 12, 4):
                for learner, outputs in zip(learners, held, strict=True):
                    outputs.extend(learner.learn(samples[i : i + 4]))
            for learner, outputs in zip(learners, held, strict=True):
                assert_equal(learner, outputs, samples)
            assert not list(tmp_path.rglob("state-*"))


def test_a_call_that_comes_late_changes_nothing(tmp_path: Path) -> None:
    samples = learning_samples(8, SEED)
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner, sent = device.learner(), []
        plain = learner.link.call  # type: ignore[attr-defined]

        def noting(method: str, meta: Any, arrays: Any = None) -> Any:
            sent.append((method, dict(meta), arrays))
            return plain(method, meta, arrays)

        learner.link.call = noting  # type: ignore[attr-defined]
        outputs = learner.learn(samples[:2])
        learner.save(tmp_path / "saved")
        learner.counts()
        learner.learn(samples[4:])
        learner.restore(tmp_path / "saved")
        outputs += learner.learn(samples[2:4])
        for method, meta, arrays in [call for call in sent if call[0] in ("Apply", "Look", "Save")][:-1]:
            with pytest.raises(HyprError, match="came after call"):
                plain(method, meta, arrays)
        outputs += learner.learn(samples[4:])
        assert_equal(learner, outputs, samples)


def test_two_learners_that_restore_one_checkpoint_do_not_mix(tmp_path: Path) -> None:
    samples = learning_samples(8, SEED)
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        first = device.learner()
        outputs = first.learn(samples[:2])
        first.save(tmp_path / "saved")
        first.learn(samples[4:6])
        second = device.learner()
        second.restore(tmp_path / "saved")
        outputs += second.learn(samples[2:5])
        with pytest.raises(HyprError, match="another learner has restored its checkpoint"):
            first.learn(samples[6:])
        outputs += second.learn(samples[5:])
        assert_equal(second, outputs, samples)
        first.restore(tmp_path / "saved")
        again = first.learn(samples[2:])
        assert all(np.array_equal(a, b) for a, b in zip(again, outputs[2:], strict=True))


def test_a_state_whose_run_is_gone_is_taken_up_and_a_foreign_one_is_not_read(tmp_path: Path) -> None:
    samples = learning_samples(10, SEED)
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        outputs = learner.learn(samples[:4])
        learner.save(tmp_path / "saved")
    for path in (tmp_path / "state").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        learner.learn(samples[5:])  # of a history that is given up
        meta, arrays = load_arrays(tmp_path / "saved", KIND)
        for other, state in (({"step": 3}, arrays), ({"seal": ""}, arrays), ({}, {"state": arrays["state"][::-1]})):
            save_arrays(tmp_path / "foreign", KIND, {**meta, **other}, state)
            with pytest.raises(InputError, match="its state was not saved by this server"):
                learner.restore(tmp_path / "foreign")
        learner.restore(tmp_path / "saved")
        outputs += learner.learn(samples[4:7])
        run = learner.run  # type: ignore[attr-defined]
        learner.save(tmp_path / "later")
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        learner.restore(tmp_path / "later")
        assert learner.run == run  # type: ignore[attr-defined]
        outputs += learner.learn(samples[7:])
        assert_equal(learner, outputs, samples)
    with serving(tmp_path / "other") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        with pytest.raises(InputError, match="restore it on the server that saved it"):
            device.learner().restore(tmp_path / "later")


def test_a_lease_that_ends_leaves_the_run_of_another_of_the_same_client_open(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, port):
        address = f"grpc://127.0.0.1:{port}"
        with open_device(address) as one:
            with open_device(address) as other:
                one.load(learning_network(SEED), OPTIONS)
                learner = one.learner()
                learner.learn(learning_samples(2, SEED))
                name = learner.run  # type: ignore[attr-defined]
                service.leases[other.line.lease].runs.add(name)  # type: ignore[attr-defined]
                service.resident, resident = None, service.resident
            assert service.runs[name] is resident
            assert resident.journal.handle >= 0


def test_above_the_cap_a_run_is_refused_until_a_checkpoint_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, outputs = learning_samples(60, SEED), []
    monkeypatch.setattr("hypr_neuro.serving.runs.TRIM", 5_000)
    monkeypatch.setattr("hypr_neuro.serving.runs.CAP", 12_000)
    with serving(tmp_path / "state") as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        outputs += learner.learn(samples[:1])
        learner.save(tmp_path / "saved")  # from here on the client may come back
        told: list[str] = []
        while len(outputs) < len(samples):
            try:
                outputs += learner.learn([samples[len(outputs)]])
            except InputError as error:
                told.append(str(error))
                learner.save(tmp_path / "saved")
        assert len(told) > 1
        assert all("save a checkpoint" in words for words in told)
        assert_equal(learner, outputs, samples)
    with serving(tmp_path / "b", kind=NoResume) as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        device.load(learning_network(SEED), OPTIONS)
        learner = device.learner()
        learner.learn(samples[:32])
        with pytest.raises(InputError, match="saves no state, begin a new run"):
            learner.learn(samples)


def test_runs_that_nobody_used_are_deleted(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, port), open_device(f"grpc://127.0.0.1:{port}") as device:
        for _ in range(2):
            device.load(learning_network(SEED), OPTIONS)
            device.learner().learn(learning_samples(1, SEED))
    old, new = sorted(path.parent for path in tmp_path.rglob(NAME))
    for path in old.iterdir():
        os.utime(path, (time.time() - 3 * 86_400,) * 2)
    (tmp_path / "of another").mkdir()
    assert tidy(tmp_path, 4) == 0
    assert tidy(tmp_path, 2) == 1
    assert not old.exists()
    assert (new / NAME).is_file()
    assert (tmp_path / "of another").is_dir()
    assert (tmp_path / "key").is_file()


def test_every_altered_byte_of_a_journal_but_the_last_record_is_told(tmp_path: Path) -> None:
    path = tmp_path / "steps.log"
    journal = Journal(path)
    for step in range(3):
        journal.add(SENT if step < 2 else ANSWERED, step, b"x" * 20)
    journal.close()
    whole = path.read_bytes()
    for place in range(2 * (HEAD_SIZE + 20)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        damaged = Journal(path)
        with pytest.raises(FileFormatError, match="damaged at byte"):
            list(damaged.records())
        damaged.close()
        assert path.stat().st_size == len(whole), "something was cut off"
    for end in (b"\0" * 100, whole[:7], whole[: HEAD_SIZE + 4]):
        path.write_bytes(whole + end)
        torn = Journal(path)
        assert len(list(torn.records())) == 3
        torn.close()
        assert path.read_bytes() == whole


def test_a_server_that_is_stopped_ends_a_long_run_and_a_client_closes_at_once(tmp_path: Path) -> None:
    x, errors = np.zeros((150, 60_000, 4), np.int8), []

    def run(device: Device) -> None:
        try:
            device.run(x)
        except HyprError as error:
            errors.append(str(error))

    with serving(tmp_path) as (service, port):
        device = open_device(f"grpc://127.0.0.1:{port}", patience=1.0)
        device.load(learning_network(SEED))
        thread = threading.Thread(target=run, args=(device,))
        thread.start()
        while not service.turns.busy:
            time.sleep(0.01)
        began = time.monotonic()
    while service.turns.busy:
        time.sleep(0.01)
    assert time.monotonic() - began < 3
    thread.join()
    assert "no answer for 1 s" in errors[0]
    began = time.monotonic()
    device.close()
    assert time.monotonic() - began < 0.9


def test_what_a_client_calls_itself_does_not_break_the_metrics(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, _):
        service.methods()["Enter"]("", {"name": '\ud800"\n' * 30}, {})
        (lease,) = service.leases.values()
        assert len(lease.client.encode()) < 100

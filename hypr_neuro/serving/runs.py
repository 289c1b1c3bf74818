"""A run that learns: each step is applied once, a repeated one is answered from the journal."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.devices import DeviceBase
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.files.store import write_atomically, write_text
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.remote.contents import network_in, numbers_in, sample_in
from hypr_neuro.remote.packing import Content, packed, unpacked
from hypr_neuro.serving.journal import ANSWERED, HEAD, SENT, Journal
from hypr_neuro.sim.learning.chip_learner import ChipLearner

PROGRAM, LOG, NAME = "program.msg", "steps.log", "run.json"
TRIM, CAP = 64 << 20, 2 << 30
"""Bytes of a journal from which it is written anew without what nobody needs, and above which it takes no more."""
SYNCING = ThreadPoolExecutor(2, "journal")


class Run:
    """One run and its folder.

    Attributes
    ----------
    step
        Steps that were applied: samples, parts of a stream, writes.
    chip
        What learns, while it is on the device.
    """

    def __init__(self, folder: Path, client: str, program: Content | None = None, fsync: bool = True) -> None:
        self.folder, self.client, self.name = folder, client, folder.name
        if program is not None:
            folder.mkdir(parents=True)
            write_atomically(folder / PROGRAM, lambda path: write_bytes(path, packed(program)))
            write_text(folder / NAME, json.dumps({"client": client}))
        else:
            self.client = str(json.loads((folder / NAME).read_text())["client"])
        self.journal, self.fsync, self.synced = Journal(folder / LOG), fsync, time.monotonic()
        self.digests: dict[int, bytes] = {}
        self.sent: dict[int, tuple[int, int]] = {}
        self.answers: dict[int, tuple[int, int]] = {}
        self.step, self.at = 0, 0
        self.chip: ChipLearner | None = None
        self.device: DeviceBase | None = None
        self.resumes = True
        self._take_up()

    def _take_up(self) -> None:
        """Read what the journal holds."""
        for kind, step, start, content in self.journal.records():
            place = (start, len(content))
            if kind == SENT:
                self.sent[step], self.digests[step] = place, hashlib.sha256(content).digest()
                self.step = step + 1
            elif kind == ANSWERED:
                self.answers[step] = place
        self.step = max(self.step, *self.saved(), 0)

    # --- on the device and off

    def place(self, device: DeviceBase) -> None:
        """Put the run on the device, at the step at which it is: the newest saved state, then what was sent since."""
        network, options = network_in(*unpacked((self.folder / PROGRAM).read_bytes()))
        device.load(network, options)
        self.chip, self.device, self.at = device.learner(), device, 0
        self.resumes = "resume" in device.capabilities
        saved = [step for step in self.saved() if step <= self.step]
        if saved and self.resumes:
            self.chip.restore(self.state(max(saved)))
            self.at = max(saved)
        while self.at < self.step:
            content = self.journal.read(*self.sent[self.at])
            output = self._apply_one(content)
            if self.at not in self.answers:
                self._answered(self.at, output)
            self.at += 1

    def suspend(self) -> None:
        """Take the run off the device; it goes on from here later."""
        if self.chip is not None:
            if self.resumes:
                self.keep()
            self.chip = None

    def keep(self) -> Path:
        """Save the state as it is and return its file."""
        assert self.chip is not None
        path = self.state(self.step)
        if not path.exists():
            self.chip.save(path)
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return path

    def state(self, step: int) -> Path:
        """Return the file of the state at a step."""
        return self.folder / f"state-{step}.h5"

    def saved(self) -> list[int]:
        """Return the steps at which a state was saved."""
        return sorted(int(path.stem.partition("-")[2]) for path in self.folder.glob("state-*.h5"))

    # --- steps

    def apply(self, first: int, contents: Sequence[bytes], noted: int) -> dict[str, Array]:
        """Apply the steps that were not applied yet and return the answers of all."""
        if first > self.step:
            raise HyprError(f"step {first} after step {self.step}: steps between are missing; restore a checkpoint")
        if first == self.step:  # the answers of a call that is repeated are not forgotten
            self.forget(min(noted, first))
        if self.journal.size > CAP:
            raise InputError(f"journal of {self.journal.size >> 20} MiB, rule: at most {CAP >> 20}; save a checkpoint")
        digests = [hashlib.sha256(content).digest() for content in contents]
        for i, digest in enumerate(digests):
            if first + i < self.step and self.digests.get(first + i) != digest:
                self.rewind(first + i)
                break
        done = min(max(self.step - first, 0), len(contents))
        fresh = list(contents[done:])
        if fresh:
            self._fresh(fresh, digests[done:])
        result: dict[str, Array] = {}
        for i in range(len(contents)):
            if first + i not in self.answers:
                raise InputError(f"step {first + i}: noted as received, its answer is no longer kept")
            arrays = unpacked(self.journal.read(*self.answers[first + i]))[1]
            if "output" in arrays:
                result[str(i)] = arrays["output"]
        return result

    def _fresh(self, contents: list[bytes], digests: list[bytes]) -> None:
        """Journal new steps while the device computes them; both are done at the end."""
        assert self.chip is not None
        start, first = self.journal.size, self.step
        places = [(self.journal.add(SENT, first + i, c), len(c)) for i, c in enumerate(contents)]
        syncing = SYNCING.submit(self._sync)
        try:
            outputs = self._outputs(contents)
        except BaseException:
            syncing.result()
            self.journal.cut(start)
            raise
        syncing.result()
        for i, output in enumerate(outputs):
            self.sent[first + i], self.digests[first + i] = places[i], digests[i]
            self._answered(first + i, output)
        self.journal.flush()
        self.step += len(contents)
        self.at = self.step

    def _sync(self) -> None:
        """Hand the journal to the disk: always, or once a second."""
        if self.fsync or time.monotonic() - self.synced > 1.0:
            self.journal.sync()
            self.synced = time.monotonic()
        else:
            self.journal.flush()

    def _answered(self, step: int, output: Array | None) -> None:
        content = packed(({}, {} if output is None else {"output": output}))
        self.answers[step] = (self.journal.add(ANSWERED, step, content), len(content))

    def _outputs(self, contents: list[bytes]) -> list[Array | None]:
        assert self.chip is not None
        parsed = [unpacked(content) for content in contents]
        if any(meta["what"] != "learn" for meta, _ in parsed):
            return [self._apply_one(content) for content in contents]
        samples = [sample_in(meta["rates"], arrays) for meta, arrays in parsed]
        for sample in samples:
            sample.checked(self.chip.plan, self.chip.network)
        return list(self.chip.learn(samples))

    def _apply_one(self, content: bytes) -> Array | None:
        assert self.chip is not None
        meta, arrays = unpacked(content)
        if meta["what"] == "write":
            self.chip.write(numbers_in(meta, arrays))
            return None
        sample = sample_in(meta["rates"], arrays)
        return self.chip.stream(sample) if meta["what"] == "stream" else self.chip.learn([sample])[0]

    def rewind(self, step: int) -> None:
        """Go back to an earlier step: a client that restored a checkpoint goes on from there with other steps."""
        device = self.device
        if device is None or step < min(self.sent, default=self.step):
            raise InputError(f"step {step}: this run cannot go back from step {self.step}; begin a new one")
        for later in [n for n in self.saved() if n > step]:
            self.state(later).unlink()
        self.journal.cut(self.sent[step][0] - HEAD.size)  # last: a crash before it leaves a run that can go back again
        tables: tuple[dict[int, Any], ...] = (self.sent, self.answers, self.digests)
        for table in tables:
            for later in [n for n in table if n >= step]:
                del table[later]
        self.step = step
        self.place(device)

    def forget(self, noted: int) -> None:
        """Forget states and answers that nobody comes back to; `noted` is the step to which the client may go back."""
        if self.journal.size > TRIM and noted == self.step and self.resumes:
            self.keep()
        saved = self.saved()
        base = max((step for step in saved if step <= noted), default=0)
        for step in saved[:-1]:
            if step != base:
                self.state(step).unlink(missing_ok=True)
        if self.journal.size > TRIM and base > min(self.sent, default=base):
            self._trim(base)

    def _trim(self, base: int) -> None:
        """Write the journal anew with the steps from `base` on, beside the old one, and put it in its place."""
        path = self.folder / f"{LOG}.new"
        path.unlink(missing_ok=True)
        fresh = Journal(path)
        sent, answers = {}, {}
        for step in range(base, self.step):
            content = self.journal.read(*self.sent[step])
            sent[step] = (fresh.add(SENT, step, content), len(content))
            if step in self.answers:
                answer = self.journal.read(*self.answers[step])
                answers[step] = (fresh.add(ANSWERED, step, answer), len(answer))
        fresh.sync()
        os.replace(path, self.folder / LOG)
        self.journal.close()
        fresh.path = self.folder / LOG
        self.journal, self.sent, self.answers = fresh, sent, answers
        self.digests = {step: digest for step, digest in self.digests.items() if step >= base}

    def digest(self, step: int) -> str:
        """Return the sha256 of the state at a step, "" where none was saved."""
        path = self.state(step)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file."""
    path.write_bytes(content)


def tidy(folder: Path, days: float) -> int:
    """Delete the runs of a folder that nobody has used for so many days; return how many."""
    old = [
        run
        for run in folder.iterdir()
        if (run / NAME).is_file() and time.time() - max(p.stat().st_mtime for p in run.iterdir()) > days * 86_400
    ]
    for run in old:
        shutil.rmtree(run, ignore_errors=True)
    return len(old)


def steps_of(meta: dict[str, Any], arrays: dict[str, Array]) -> list[bytes]:
    """Return the steps of a message, each by itself, as the journal keeps them."""
    if meta["what"] == "write":
        return [packed(({"what": "write", "names": meta["names"]}, arrays))]
    parts: list[dict[str, Array]] = [{} for _ in meta["rates"]]
    for name, array in arrays.items():
        number, _, field = name.partition("/")
        parts[int(number)][field] = np.asarray(array)
    return [
        packed(({"what": meta["what"], "rates": rates}, part)) for rates, part in zip(meta["rates"], parts, strict=True)
    ]

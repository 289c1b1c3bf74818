"""A run that learns: each step is applied once, a repeated one is answered from the journal."""

from __future__ import annotations

import hashlib
import json
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
from hypr_neuro.serving.journal import ANSWERED, SENT, Journal
from hypr_neuro.sim.learning.chip_learner import ChipLearner

PROGRAM, LOG, NAME = "program.msg", "steps.log", "run.json"
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
        digests = [hashlib.sha256(content).digest() for content in contents]
        for i, digest in enumerate(digests):
            if first + i < self.step and self.digests.get(first + i) != digest:
                self.rewind(first + i)
                break
        done = min(max(self.step - first, 0), len(contents))
        fresh = list(contents[done:])
        if fresh:
            self._fresh(fresh, digests[done:])
        self.forget(noted)
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
        if device is None or not self.resumes or step < min(self.sent, default=self.step):
            raise InputError(f"step {step}: this run cannot go back from step {self.step}; begin a new one")
        self.journal.cut(self.sent[step][0] - _head())
        tables: tuple[dict[int, Any], ...] = (self.sent, self.answers, self.digests)
        for table in tables:
            for later in [n for n in table if n >= step]:
                del table[later]
        for later in [n for n in self.saved() if n > step]:
            self.state(later).unlink()
        self.step = step
        self.place(device)

    def forget(self, noted: int) -> None:
        """Forget answers that the client has, and states before the newest of those that it may come back to."""
        kept = [step for step in self.saved() if step <= noted]
        for step in kept[:-1]:
            self.state(step).unlink(missing_ok=True)

    def digest(self, step: int) -> str:
        """Return the sha256 of the state at a step, "" where none was saved."""
        path = self.state(step)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()


def _head() -> int:
    from hypr_neuro.serving.journal import HEAD

    return HEAD.size


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file."""
    path.write_bytes(content)


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

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
from hypr_neuro.serving.journal import ANSWERED, HEAD_SIZE, SENT, Journal, sync_folder
from hypr_neuro.serving.log import log
from hypr_neuro.sim.learning.chip_learner import ChipLearner, LearnSample
from hypr_neuro.traces.trace import narrowed

PROGRAM, LOG, NAME = "program.msg", "steps.log", "run.json"
TRIM, CAP = 64 << 20, 2 << 30
"""Bytes of a journal from which it is written anew without what nobody needs, and above which it takes no more."""
SYNCING = ThreadPoolExecutor(2, "journal")


class ServedRun:
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
        self.writer, self.call = "", 0
        if program is not None:
            folder.mkdir(parents=True)
            write_atomically(folder / PROGRAM, lambda path: write_bytes(path, packed(program)))
            write_text(folder / NAME, json.dumps({"client": client}))
            sync_folder(folder.parent)
        else:
            told = json.loads((folder / NAME).read_text())
            self.client, self.writer = str(told["client"]), str(told.get("writer", ""))
        self.journal, self.fsync, self.synced = Journal(folder / LOG), fsync, time.monotonic()
        self.digests: dict[int, bytes] = {}
        self.sent: dict[int, tuple[int, int]] = {}
        self.answers: dict[int, tuple[int, int]] = {}
        self.step = 0
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

    # --- who goes on with it

    def admit(self, writer: str, call: int) -> None:
        """Let a learner's call act, unless another learner goes on with the run or a later call has acted."""
        self.writer = self.writer or writer
        if writer != self.writer:
            raise HyprError("run: another learner has restored its checkpoint and goes on with it; restore one, too")
        if call < self.call:
            raise HyprError(f"call {call} came after call {self.call}; it is of no use any more")
        self.call = call

    def hand_over(self, writer: str, call: int) -> None:
        """Let a learner go on with the run, and no other."""
        if writer != self.writer:
            write_text(self.folder / NAME, json.dumps({"client": self.client, "writer": writer}))
            self.writer, self.call = writer, call
        self.admit(writer, call)

    def begin_at(self, step: int, state: bytes) -> None:
        """Begin a new run with a state that was saved at a step."""
        write_atomically(self.state(step), lambda path: write_bytes(path, state))
        self.step = step

    def program(self) -> Content:
        """Return the network and how it learns."""
        return unpacked((self.folder / PROGRAM).read_bytes())

    # --- on the device and off

    def place(self, device: DeviceBase) -> None:
        """Put the run on the device, at the step at which it is: the newest saved state, then what was sent since."""
        network, options = network_in(*self.program())
        self.chip = None  # until all is applied again
        device.load(network, options)
        chip, at = device.learner(), 0
        self.device, self.resumes = device, "resume" in device.capabilities
        saved = [step for step in self.saved() if step <= self.step]
        if saved and self.resumes:
            at = max(saved)
            chip.restore(self.state(at))
        for step in range(at, self.step):
            output = _apply_one(chip, self.journal.read(*self.sent[step]))
            if step not in self.answers:
                self._answered(step, None if output is None else narrowed(output))
        self.chip = chip

    def suspend(self) -> None:
        """Take the run off the device; it goes on from here later."""
        if self.chip is not None:
            try:
                if self.resumes:
                    self.keep()
            except (OSError, HyprError) as error:  # the next client's turn begins all the same
                log("not saved", run=self.name, error=str(error))
            self.chip = None

    def keep(self) -> Path:
        """Save the state as it is and return its file."""
        assert self.chip is not None
        path = self.state(self.step)
        if not path.exists():
            self.journal.sync()  # a state on disk never knows more than the journal
            self.chip.save(path)
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            sync_folder(self.folder)
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
            raise InputError(
                f"journal of {self.journal.size >> 20} MiB, rule: at most {CAP >> 20}; "
                + ("save a checkpoint" if self.resumes else "this device saves no state, begin a new run")
            )
        digests = [hashlib.sha256(content).digest() for content in contents]
        for i, digest in enumerate(digests):
            if first + i < self.step and self.digests.get(first + i) != digest:
                self.rewind(first + i)
                break
        done = min(max(self.step - first, 0), len(contents))
        fresh = list(contents[done:])
        made = self._fresh(fresh, digests[done:]) if fresh else []
        result = {str(done + i): output for i, output in enumerate(made) if output is not None}
        for i in range(done):
            if first + i not in self.answers:
                raise InputError(f"step {first + i}: noted as received, its answer is no longer kept")
            arrays = unpacked(self.journal.read(*self.answers[first + i]))[1]
            if "output" in arrays:
                result[str(i)] = arrays["output"]
        return result

    def _fresh(self, contents: list[bytes], digests: list[bytes]) -> list[Array | None]:
        """Journal new steps while the device computes them, and return the outputs; both are done, or neither."""
        assert self.chip is not None
        samples = _checked(self.chip, contents)
        start, first = self.journal.size, self.step
        steps = range(first, first + len(contents))
        try:
            for i, step in enumerate(steps):
                self.sent[step] = (self.journal.add(SENT, step, contents[i]), len(contents[i]))
            syncing = SYNCING.submit(self._sync)
            try:
                outputs = [None if a is None else narrowed(a) for a in self._outputs(contents, samples)]
            finally:
                syncing.result()
            for i, step in enumerate(steps):
                self.digests[step] = digests[i]
                self._answered(step, outputs[i])
            self.journal.flush()
        except BaseException:
            self.chip = None  # it may have learned from some: it is placed anew, as the journal says
            self._forget_from(first)
            self.journal.cut(start)
            raise
        self.step += len(contents)
        return outputs

    def _forget_from(self, step: int) -> None:
        tables: tuple[dict[int, Any], ...] = (self.sent, self.answers, self.digests)
        for table in tables:
            for later in [n for n in table if n >= step]:
                del table[later]

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

    def _outputs(self, contents: list[bytes], samples: list[LearnSample]) -> list[Array | None]:
        assert self.chip is not None
        if samples:
            return list(self.chip.learn(samples))
        return [_apply_one(self.chip, content) for content in contents]

    def rewind(self, step: int) -> None:
        """Go back to an earlier step: a client that restored a checkpoint goes on from there with other steps."""
        device = self.device
        bases = [0, *(self.saved() if self.resumes else ())]
        reached = step in self.sent and any(
            base <= step and set(range(base, step)) <= self.sent.keys() for base in bases
        )
        if device is None or not reached:
            raise InputError(f"step {step}: this run cannot go back from step {self.step}; begin a new one")
        for later in [n for n in self.saved() if n > step]:
            self.state(later).unlink()
        self.journal.cut(self.sent[step][0] - HEAD_SIZE)  # last: a crash before it leaves a run that can go back again
        self._forget_from(step)
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
        sync_folder(self.folder)
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


def _checked(chip: ChipLearner, contents: Sequence[bytes]) -> list[LearnSample]:
    """Return the samples of steps that are all samples, else none; InputError before anything has changed."""
    parsed = [unpacked(content) for content in contents]
    samples = [sample_in(meta["rates"], arrays) for meta, arrays in parsed if meta["what"] != "write"]
    for sample in samples:
        sample.checked(chip.plan, chip.network)
    return samples if all(meta["what"] == "learn" for meta, _ in parsed) else []


def _apply_one(chip: ChipLearner, content: bytes) -> Array | None:
    meta, arrays = unpacked(content)
    if meta["what"] == "write":
        chip.write(numbers_in(meta, arrays))
        return None
    sample = sample_in(meta["rates"], arrays)
    return chip.stream(sample) if meta["what"] == "stream" else chip.learn([sample])[0]


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

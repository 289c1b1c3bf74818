"""What the server does for each call."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.devices import DeviceBase, Prepared
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.files.store import make_folder
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.remote.contents import counts_out, network_in, network_out, numbers_out, trace_out
from hypr_neuro.remote.packing import LARGEST, Content
from hypr_neuro.serving.credentials import secret_key
from hypr_neuro.serving.log import log
from hypr_neuro.serving.runs import ServedRun, steps_of
from hypr_neuro.serving.turns import QueuedError, Turns

MOST = 1024
"""Samples of one message."""
CLIENTS, OF_ONE = 1000, 100
"""Leases at once, of all and of one name."""
OPEN = 64
"""Runs whose journals stay open."""


class UnknownLeaseError(HyprError):
    """No such lease, or another client's."""


@dataclass
class Lease:
    """A client's right to call, until it expires."""

    client: str
    until: float
    programs: dict[str, Prepared] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)


class Service:
    """Lends one device.

    Parameters
    ----------
    device
        That is lent; the service opens it.
    folder
        For the runs' journals.
    seconds
        Until a lease that is not renewed expires.
    turn
        Seconds of a turn while others wait.
    fsync
        Whether the disk has a step before it is answered; else within a second.
    longest
        Seconds after which a run is stopped.
    """

    def __init__(
        self,
        device: DeviceBase,
        folder: Path,
        seconds: float = 120.0,
        turn: float = 30.0,
        fsync: bool = True,
        longest: float = 600.0,
    ) -> None:
        self.device, self.folder, self.seconds = device, make_folder(folder), seconds
        self.key = secret_key(folder)
        self.turns = Turns(turn)
        self.fsync, self.longest = fsync, longest
        self.answered, self.named = 0, False
        self.leases: dict[str, Lease] = {}
        self.runs: dict[str, ServedRun] = {}
        self.resident: ServedRun | None = None
        self.lock = threading.Lock()

    def methods(self) -> dict[str, Callable[[str, dict[str, Any], dict[str, Array]], Content]]:
        """Return what answers (client, plain data, arrays) of each call."""
        leased = {
            "Renew": self._renew,
            "Leave": self._leave,
            "Prepare": self._prepare,
            "Drop": self._drop,
            "Run": self._run,
            "Begin": self._begin,
            "Apply": self._apply,
            "Look": self._look,
            "Save": self._save,
            "Attach": self._attach,
            "End": self._end,
        }

        def with_lease(call: Callable[..., Content]) -> Callable[..., Content]:
            def answer(client: str, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
                return call(self._lease(client, meta), meta, arrays)

            return answer

        return {"Enter": self._enter} | {name: with_lease(call) for name, call in leased.items()}

    # --- leases

    def _enter(self, client: str, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        self.named = bool(client)
        name = str(meta.get("name", "client"))[:40].encode(errors="replace").decode()
        client = client or f"{name}/{secrets.token_hex(4)}"
        with self.lock:
            self._expire()
            if len(self.leases) >= CLIENTS:
                raise InputError(f"{CLIENTS} clients, rule: no more; come back later")
            if sum(lease.client == client for lease in self.leases.values()) >= OF_ONE:
                raise InputError(f"client '{client}' holds {OF_ONE} leases, rule: no more; close devices or wait")
            lease = secrets.token_hex(32)
            self.leases[lease] = Lease(client, time.monotonic() + self.seconds)
        log("entered", client=client)
        return {
            "lease": lease,
            "seconds": self.seconds,
            "device": self.device.name,
            "missing": dict(self.device.missing),
        }, {}

    def _lease(self, client: str, meta: dict[str, Any]) -> Lease:
        with self.lock:
            self._expire()
            lease = self.leases.get(str(meta.get("lease", "")))
            if lease is None or (client and lease.client != client):
                raise UnknownLeaseError("no such lease, it has expired or is another client's")
            return lease

    def _expire(self) -> None:
        now = time.monotonic()
        for secret in [secret for secret, lease in self.leases.items() if lease.until < now]:
            self._end_of(self.leases.pop(secret))

    def _end_of(self, lease: Lease) -> None:
        """Give back what a lease held; its runs stay on the disk."""
        self.turns.leave(lease.client)
        log("left", client=lease.client)
        for name in lease.runs:
            run = self.runs.get(name)
            if run is not None and run is not self.resident and not self._wanted(run):
                self.runs.pop(name).close()

    def _wanted(self, run: ServedRun) -> bool:
        return any(run.name in lease.runs for lease in self.leases.values())

    def _renew(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        lease.until = time.monotonic() + self.seconds
        return {}, {}

    def _leave(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        with self.lock:
            if self.leases.pop(str(meta["lease"]), None) is not None:
                self._end_of(lease)
        return {}, {}

    def close(self) -> None:
        """End what is under way and close the journals; runs go on when the server is started again."""
        self.turns.close()
        with self.lock:
            for run in self.runs.values():
                run.close()
            self.runs.clear()
            self.resident = None

    # --- networks

    def _prepare(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        network, options = network_in(meta, arrays)
        if len(lease.programs) >= 64:
            raise InputError("64 prepared networks, rule: no more; load or drop one")
        number = secrets.token_hex(8)
        lease.programs[number] = self.device.prepare(network, options)
        return {"program": number}, {}

    def _drop(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        lease.programs.pop(str(meta.get("program")), None)
        return {}, {}

    def _program(self, lease: Lease, meta: dict[str, Any]) -> Prepared:
        number = str(meta.get("program"))
        if number not in lease.programs:
            raise InputError(f"program '{number:.40}' is none of this lease; load the network again")
        return lease.programs[number]

    def _run(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        program, x = self._program(lease, meta), arrays["x"]
        record = [str(name) for name in meta["record"]]
        _check_size(program, x, record)
        with self.turns.of(lease.client):
            self._make_room()
            self.device.load(program.network, program.options)
            until = time.monotonic() + self.longest

            def check(done: int, steps: int) -> None:
                if self.turns.closed:
                    raise QueuedError("the server stops")
                if time.monotonic() > until:
                    raise InputError(
                        f"run stopped after {self.longest:g} s, {done} of {steps}; run fewer samples at once"
                    )

            trace = self.device.run(x.astype(np.int64), record, check)
        return trace_out(trace)

    def _make_room(self) -> None:
        if self.resident is not None:
            run, self.resident = self.resident, None
            run.suspend()
            with self.lock:
                if not self._wanted(run):
                    self.runs.pop(run.name, run).close()
                for name in list(self.runs)[:-OPEN]:  # they are opened again when they are asked for
                    self.runs.pop(name).close()

    # --- learning

    def _begin(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        program = self._program(lease, meta)
        name = secrets.token_hex(16)
        ServedRun(self.folder / name, lease.client, network_out(program.network, program.options), self.fsync).close()
        lease.runs.add(name)
        return {"run": name}, {}

    def _find(self, lease: Lease, name: str) -> ServedRun:
        """Return a run of this client's, from its folder where the server has started anew."""
        with self.lock:
            run = self.runs.get(name)
            if run is None and len(name) == 32 and set(name) <= set("0123456789abcdef"):
                folder = self.folder / name
                if folder.is_dir():
                    run = self.runs[name] = ServedRun(folder, lease.client, fsync=self.fsync)
            if run is not None and self.named and run.client != lease.client:
                run = None  # another's, which is not told
            if run is not None:
                lease.runs.add(name)
        if run is None:
            raise InputError(f"run '{name:.40}' is unknown here; begin a new one")
        return run

    def _placed(self, run: ServedRun) -> ServedRun:
        if self.resident is not run or run.chip is None:
            self._make_room()
            self.resident = self.runs[run.name] = run  # first: a lease that ends meanwhile leaves it open
            run.place(self.device)
        return run

    def _admitted(self, lease: Lease, meta: dict[str, Any]) -> ServedRun:
        """Return the run of a call, unless the call comes late or another client goes on with the run."""
        run = self._find(lease, str(meta["run"]))
        run.admit(str(meta.get("writer", "")), int(meta.get("call", 0)))
        return run

    def _apply(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        steps = steps_of(meta, arrays)
        if len(steps) > MOST:
            raise InputError(f"{len(steps)} samples in a message, rule: at most {MOST}; send fewer at once")
        with self.turns.of(lease.client):
            run = self._admitted(lease, meta)
            answers = self._placed(run).apply(int(meta["first"]), steps, int(meta["noted"]))
            self.answered += len(steps)
        return {}, answers

    def _look(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        with self.turns.of(lease.client):
            run = self._admitted(lease, meta)
            chip = self._at(run, meta).chip
            assert chip is not None
            if "counts" in meta:
                return {"counts": counts_out(chip.counts())}, {}
            return numbers_out(chip.read([str(kind) for kind in meta["kinds"]]))

    def _at(self, run: ServedRun, meta: dict[str, Any]) -> ServedRun:
        """Place a run and bring it to the step at which its client is."""
        self._placed(run)
        if int(meta["at"]) < run.step:
            run.rewind(int(meta["at"]))
        return run

    def _save(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        with self.turns.of(lease.client):
            run = self._admitted(lease, meta)
            content = self._at(run, meta).keep().read_bytes()
            return {"seal": self._seal(run.step, content)}, {"state": np.frombuffer(content, np.uint8)}

    def _seal(self, step: int, content: bytes) -> str:
        """Return what only this server can make of a state, so that it reads no files but its own."""
        return hmac.new(self.key, b"%d " % step + hashlib.sha256(content).digest(), hashlib.sha256).hexdigest()

    def _attach(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        """Go on with the run that a checkpoint names if it is here, else with its state in a run of its own."""
        step, writer, call = int(meta["step"]), str(meta.get("writer", "")), int(meta.get("call", 0))
        with self.turns.of(lease.client):
            try:
                run = self._find(lease, str(meta["run"]))
                if run.digest(step) == meta["sha256"]:
                    run.hand_over(writer, call)
                    return {"run": run.name}, {}
            except InputError:
                pass
            state = arrays["state"].tobytes()
            if not hmac.compare_digest(str(meta.get("seal", "")).encode(), self._seal(step, state).encode()):
                raise InputError(
                    "checkpoint: its run is unknown here, and its state was not saved by this server; restore it on "
                    "the server that saved it, or begin a new run"
                )
            own = self._find(lease, str(meta["own"]))
            fresh = ServedRun(self.folder / secrets.token_hex(16), lease.client, own.program(), self.fsync)
            try:
                fresh.begin_at(step, state)
                fresh.hand_over(writer, call)
                self._placed(fresh)
            except BaseException:
                self.resident = None
                self.runs.pop(fresh.name, fresh).close()
                shutil.rmtree(fresh.folder, ignore_errors=True)
                raise
            lease.runs.add(fresh.name)
        return {"run": fresh.name}, {}

    def _end(self, lease: Lease, meta: dict[str, Any], arrays: dict[str, Array]) -> Content:
        return {}, {}


def _check_size(program: Prepared, x: Array, record: list[str]) -> None:
    """Raise InputError, before anything runs, for a run whose trace would not fit into a message."""
    network: Any = program.network
    outputs = sum(p.size for p in network.populations if p.name in network.outputs)
    kept = sum(p.size for p in network.populations) * len(record)
    size = int(np.prod(x.shape[:2], dtype=object)) * 8 * (outputs + kept)
    if x.ndim == 3 and size > LARGEST:
        raise InputError(
            f"x of shape {x.shape}: its trace may take {size >> 20} MiB, rule: at most {LARGEST >> 20}; run fewer "
            "samples at once, or record less"
        )

"""Device 'lava': Lava's CPU runtime, in a worker process of its own.

The worker (`compilers.lava.worker`) leads a process group, so that Lava's processes end with it: at `close`, after an
error, a timeout or an interruption, and when this program dies.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.build import check_network
from hypr_neuro.compilers.lava.record import record_path
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.compilers.rows import recorded_states, trace_of_rows
from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

WORKER = "hypr_neuro.compilers.lava.worker"
POLITE, FIRM = 2.0, 15.0
"""Seconds that the worker gets to end by itself, and its group after SIGTERM: SIGKILL leaves shared memory behind."""


class LavaDevice(DeviceBase):
    """Runs a network under Lava.

    Parameters
    ----------
    timeout
        Seconds without a sign of life from Lava (one comes at least every 64 steps) after which it is ended.
    """

    name = "lava"
    missing: Mapping[str, str] = {
        "events": "Lava's own LIF counts neither wraps nor saturations; run on 'sim', which gives the same states",
        **dict.fromkeys(
            ("learn", "stream", "inspect", "resume", "functions"),
            "it only runs networks; learn on 'sim' and load the learned network here (the same learning as Lava "
            "processes: hypr_neuro.compilers.lava.learning.run.learn_in_lava)",
        ),
    }

    def __init__(self, timeout: float = 120.0) -> None:
        super().__init__()
        if timeout <= 0:
            raise InputError(f"device 'lava': timeout = {timeout}, rule: above 0 seconds")
        self.timeout = timeout
        self._worker: _Worker | None = None

    def open(self) -> None:
        """Start the worker; raise MissingPackageError if Lava is not installed."""
        require_lava()
        if self._worker is None:
            self._worker = _Worker(self.timeout)
        super().open()

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> None:
        """Raise InputError for what Lava computes otherwise; networks of integers are checked as they run."""
        if isinstance(network, QuantizedNetwork):
            check_network(network)

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        if isinstance(prepared.network, IntegerNetwork):
            return _integers(prepared.network, x, record, on_block)
        qnet = prepared.quantized
        data = check_input(qnet, x)
        check_network(qnet, int(np.abs(data.astype(np.int64)).max()))
        recorded_states(qnet.integer(), record)
        if self._worker is None:
            self._worker = _Worker(self.timeout)
        try:
            return self._worker.run(qnet, data, record, on_block)
        except BaseException:
            # an unfinished run leaves Lava's processes in the middle of a step; the next run gets a new worker
            self._worker.end()
            self._worker = None
            raise

    def close(self) -> None:
        """End the worker and Lava's processes; closing twice does nothing."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        super().close()


class _Worker:
    """The worker process and its folder of files."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.folder = Path(tempfile.mkdtemp(prefix="hypr-neuro-lava-"))
        self.answers: queue.Queue[bytes] = queue.Queue()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}
        with open(self.folder / "log.txt", "wb") as log:
            # not `spawn` of multiprocessing: that runs the user's main script a second time
            self.process = subprocess.Popen(
                [sys.executable, "-m", WORKER, str(self.folder)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self._answer()
        except BaseException:
            self.end()
            raise

    def _read(self) -> None:
        assert self.process.stdout is not None
        for answer in self.process.stdout:
            self.answers.put(answer)

    def run(self, qnet: QuantizedNetwork, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        """Run x (sample, T, channel); raise HyprError with what the worker says went wrong."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            out = Path(name)
            qnet.save(out / "network.h5")
            np.save(out / "x.npy", x)
            self._order(
                {"network": str(out / "network.h5"), "x": str(out / "x.npy"), "record": list(record), "out": name}
            )
            while True:
                answer = self._answer()
                if "error" in answer:
                    raise HyprError(f"device 'lava': {answer['error']}")
                if "events" in answer:
                    return _trace(qnet, x, record, out, answer["events"])
                if on_block is not None:
                    on_block(answer["done"], answer["all"])

    def _order(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _answer(self) -> dict[str, Any]:
        """Return the worker's next message; raise HyprError if it dies or is silent for too long."""
        until = time.monotonic() + self.timeout
        while True:
            ended = self.process.poll() is not None
            try:
                answer: dict[str, Any] = json.loads(self.answers.get(timeout=0.2))
                return answer
            except queue.Empty:
                if ended:
                    raise self._died() from None
            if time.monotonic() > until:
                raise HyprError(
                    f"device 'lava': no sign of life for {self.timeout:g} s, worker ended; give "
                    f"open_device a longer timeout if the network is large{self._log()}"
                )

    def _died(self) -> HyprError:
        return HyprError(f"device 'lava': the worker process ended with code {self.process.wait()}{self._log()}")

    def _log(self) -> str:
        try:
            log = (self.folder / "log.txt").read_text(errors="replace").strip().splitlines()
        except OSError:
            log = []
        return f"; its last line: {log[-1]}" if log else ""

    def end(self) -> None:
        """End the worker and every process that Lava started, and remove the files."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()  # the worker ends its group when its input ends
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(POLITE)
        for number in (signal.SIGTERM, signal.SIGCONT):  # a stopped process ends when it goes on
            _signal_group(self.process.pid, number)
        # the reader sees the end of the pipe when the last of Lava's processes, which all inherited it, is gone
        self.reader.join(FIRM)
        if self.reader.is_alive() or self.process.poll() is None:
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.reader.join(FIRM)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _integers(network: IntegerNetwork, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
    """Run a network without a profile, in processes of its own."""
    from hypr_neuro.compilers.lava.integers.trace import lava_trace

    trace = lava_trace(network, check_input(network, x), record)
    if on_block is not None:
        on_block(len(x), len(x))
    return trace


def _trace(qnet: QuantizedNetwork, x: Array, record: Sequence[str], out: Path, events: dict[str, list[int]]) -> Trace:
    """Make the simulator's trace from the files of a run; events of populations that count them."""

    def rows(i: int) -> Array:
        values: Array = np.load(record_path(out, i), allow_pickle=False)
        return values.reshape(len(x), -1, *values.shape[1:])

    counted = {
        p.name: dict(zip(p.model.events, events[p.name], strict=True)) for p in qnet.populations if p.name in events
    }
    return trace_of_rows(qnet.integer(), x, qnet.tail, record, rows, counted)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


DEVICE = LavaDevice

"""The worker of device 'lava' as its parent sees it: orders, answers, and an end that leaves nothing behind.

It leads a process group, so that Lava's processes end with it: at `end`, after an error, a timeout or an interruption,
and when this program dies.
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
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypr_neuro.errors import HyprError

WORKER = "hypr_neuro.compilers.lava.worker"
POLITE, FIRM = 2.0, 15.0
"""Seconds that the worker gets to end by itself, and its group after SIGTERM: SIGKILL leaves shared memory behind."""


class HostedWorker:
    """The worker process and its folder of files.

    Parameters
    ----------
    timeout
        Seconds without a sign of life after which it is ended.
    """

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

    def ask(self, order: Mapping[str, Any], on_block: Callable[[int, int], None] | None = None) -> dict[str, Any]:
        """Have an order carried out; return what the worker says of it, HyprError with what went wrong."""
        self._order(order)
        while True:
            answer = self._answer()
            if "error" in answer:
                raise HyprError(f"device 'lava': {answer['error']}")
            if "events" in answer:
                events: dict[str, Any] = answer["events"]
                return events
            if on_block is not None:
                on_block(answer["done"], answer["all"])

    def _order(self, order: Mapping[str, Any]) -> None:
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


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)

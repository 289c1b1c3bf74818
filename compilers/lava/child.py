"""A worker of this package as a child process: it ends with its time, with an interruption, and with all of Lava's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from hypr_neuro.errors import HyprError


def run_worker(module: str, folder: Path, timeout: float) -> None:
    """Run ``python -m module folder`` for at most `timeout` seconds; raise HyprError with its last lines otherwise."""
    with open(folder / "log.txt", "wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        code = worker.wait(timeout)
    except BaseException as error:
        _end(worker)
        if isinstance(error, subprocess.TimeoutExpired):
            raise HyprError(f"Lava: not done after {timeout} s; {last_words(folder)}") from error
        raise
    if code != 0:
        raise HyprError(f"Lava: the worker ended with code {code}; {last_words(folder)}")


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End the worker's group, Lava's processes; what tracks their shared memory ignores SIGTERM and frees it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, number)
        with suppress(subprocess.TimeoutExpired):
            worker.wait(5)


def last_words(folder: Path) -> str:
    """Return the end of what the worker wrote, for an error."""
    return f"its last lines: {(folder / 'log.txt').read_text(encoding='utf-8', errors='replace')[-2000:]}"

"""The program, as a child process or in this one: what it prints, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

PROGRAM = [sys.executable, "-c", "from hypr_neuro.cli import main; main()"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}


def program(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, env=ENVIRONMENT, check=False)


def kill_once_there(file: Path, *arguments: str | Path) -> None:
    """Run the program until it has written this file, then kill it."""
    quiet = subprocess.DEVNULL
    running = subprocess.Popen([*PROGRAM, *map(str, arguments)], stdout=quiet, stderr=quiet, env=ENVIRONMENT)
    deadline = time.monotonic() + 120
    while not file.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert file.exists()


def called(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, where everything is imported and compiled already."""
    from hypr_neuro.cli import app

    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        try:
            app([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), error.getvalue())


def answer(*arguments: str | Path, run: Run = program) -> Any:
    """What a command prints with --json; the command must succeed."""
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(*arguments: str | Path, run: Run = program) -> str:
    """The one line that a command prints to refuse bad input; exit code 2, nothing on standard output."""
    done = run(*arguments)
    lines = [line for line in done.stderr.splitlines() if line.startswith("hypr-neuro: error:")]
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def small_data(folder: Path) -> Path:
    """Two classes in 8 channels: the first or the second half of the channels is busy."""
    rng = np.random.default_rng(3)
    arrays = {}
    for part, count in (("train", 60), ("test", 24)):
        y = rng.integers(0, 2, count)
        busy = (np.arange(8) // 4)[None, :] == y[:, None]
        rate = np.where(busy, 0.6, 0.05)[:, None, :]
        arrays[f"x_{part}"] = (rng.random((count, 24, 8)) < rate).astype(np.uint8)
        arrays[f"y_{part}"] = y
    path = folder / "halves.npz"
    np.savez(path, **arrays)
    return path

"""The commands and the Python of docs/serving.md run as they stand, on ports of this test."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import program
from small_learning import learning_network

from hypr_neuro.data.sequence import SequenceData

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("hypr-neuro")]


def test_the_page_works_from_credentials_to_a_learned_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    making, serving = commands()
    done = program(*making, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for file in ("ca.pem", "server.pem", "server.key", "tokens.json", "anna.token", "ben.token"):
        assert (tmp_path / "lab" / file).exists()
    free = [word.replace(":9000", ":0").replace(":9001", ":0") for word in serving]
    command = [sys.executable, "-m", "hypr_neuro", *free]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip().rpartition(":")[2]
        rng = np.random.default_rng(0)
        data = SequenceData(
            "random", rng.integers(0, 2, (6, 20, 4)), rng.integers(0, 3, 6), np.array(["train"] * 6), classes=3
        )
        names: dict[str, Any] = {"qnet": learning_network(0), "data": data}
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(compile(block.replace(":9000", f":{port}"), "serving.md", "exec"), names)
        assert len(names["run"].epochs) == 2
        began = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait(20) == 0
        assert time.monotonic() - began < 15


def test_unit_and_container_start_the_server_with_options_that_exist() -> None:
    from hypr_neuro.cli import cmd_serve

    source = Path(cmd_serve.__file__).read_text(encoding="utf-8")
    for file in ("hypr-neuro.service", "Containerfile"):
        text = (ROOT / "examples" / "serving" / file).read_text(encoding="utf-8")
        options = re.findall(r"--(?:device|listen|credentials|state|metrics)\b", text)
        assert len(set(options)) >= 4, file
        assert all(f'"{option}"' in source for option in options)

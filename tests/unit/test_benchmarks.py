"""Benchmarks import what there is: they are no part of the suite, and a name that moved would be seen late."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NEED_MORE = {"jax_bptt": "jax", "lava_network": "lava"}
"""Those that run in an interpreter of their own, which has what they are compared with."""


@pytest.mark.once
def test_every_benchmark_imports() -> None:
    names = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in NEED_MORE)
    assert "run" in names
    code = "".join(f"import {name}\n" for name in names)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr

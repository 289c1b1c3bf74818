"""`make lint` checks the types of every file of the package, wherever the repository keeps it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("hypr_neuro", "sim", "compilers", "hardware_profiles")

PLANTED = """
from hypr_neuro.numbers.fixed_point import sat

def untyped(x):
    return x

value: str = sat(1, 8) + 1.5
"""


def test_mypy_sees_every_file_and_finds_planted_errors(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed: make test installs it")
    tool = runpy.run_path(str(ROOT / "tools" / "typecheck.py"))
    tool["link_sources"](tmp_path / "types")
    (tmp_path / "types" / "hypr_neuro" / "sim" / "planted.py").write_text(PLANTED)
    code, output = tool["run_mypy"](tmp_path / "types", [])

    files = sum(1 for folder in FOLDERS for _ in (ROOT / folder).rglob("*.py"))
    checked = re.search(r"checked (\d+) source files", output)
    assert checked is not None, output
    assert int(checked[1]) == files + 1, f"the tree has {files} files and one is planted\n{output}"
    assert code != 0, output
    assert "sim/planted.py:4: error: Function is missing a type annotation" in output, output
    assert "sim/planted.py:7: error: Incompatible types in assignment" in output, output

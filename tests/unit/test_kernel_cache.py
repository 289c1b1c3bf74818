"""Compiled kernels are cached for exactly the sources they were compiled from."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hypr_neuro
from hypr_neuro import sim
from hypr_neuro.jit import KERNEL_SOURCES, cache_folder, source_digest

CODE = """
from hypr_neuro.fixed_point import sat
from hypr_neuro.jit import compile_kernel

def kernel(x):
    return sat(x, 8)

if __name__ == "__main__":
    print(int(compile_kernel(kernel)(1000)))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, with the simulator where an installation has it."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(hypr_neuro.__file__).parent, tmp_path / "hypr_neuro", ignore=ignore)
    shutil.copytree(next(iter(sim.__path__)), tmp_path / "hypr_neuro" / "sim", ignore=ignore)
    (tmp_path / "script.py").write_text(CODE)
    return tmp_path


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / "hypr_neuro" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def run(folder: Path) -> str:
    """What the script prints with the copied package and a cache beside it."""
    environment = os.environ | {"PYTHONPATH": str(folder), "HYPR_NEURO_CACHE": str(folder / "cache"),
                                "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    done = subprocess.run([sys.executable, str(folder / "script.py")], cwd=folder, env=environment, text=True,
                          capture_output=True, check=False, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_edited_step_function_changes_the_digest(copy: Path) -> None:
    package = copy / "hypr_neuro"
    seen = [source_digest(package, package / "sim")]
    assert source_digest(package, package / "sim") == seen[0]
    edit(copy, "neurons/lif.py", "z_prev * (vth if subtract else s[1])", "z_prev * s[1]")
    seen.append(source_digest(package, package / "sim"))
    edit(copy, "sim/kernels.py", "sums[i] = 0", "sums[i] = 1")
    seen.append(source_digest(package, package / "sim"))
    (package / "neurons" / "new.py").write_text("")
    seen.append(source_digest(package, package / "sim"))
    assert len(set(seen)) == 4


def test_every_file_with_kernels_or_their_parts_counts_in_the_digest(copy: Path) -> None:
    package = copy / "hypr_neuro"
    counted = [package / name for name in KERNEL_SOURCES]
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if names & {"jitable", "compile_kernel"}:
            assert any(path == c or c in path.parents for c in counted), f"{path.relative_to(package)}: KERNEL_SOURCES"


def test_a_file_without_kernels_does_not_count(copy: Path) -> None:
    package = copy / "hypr_neuro"
    before = source_digest(package, package / "sim")
    edit(copy, "errors.py", '"""Exceptions', '"""All exceptions')
    assert source_digest(package, package / "sim") == before


def test_an_edited_rule_is_compiled_anew(copy: Path) -> None:
    """numba's own cache would go on with the old rule: it watches the kernel's file, not those it calls."""
    assert run(copy) == "127"
    edit(copy, "fixed_point.py", "return min(max(x, -top), top)", "return min(max(x, -top), top - 1)")
    assert run(copy) == "126"
    assert len(list((copy / "cache" / "kernels").iterdir())) == 2


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    assert cache_folder().parent == tmp_path / "kernels"

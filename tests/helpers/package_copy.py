"""A copy of the package's tree to which a test adds files, and programs that run on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAPPED = ("compilers", "hardware_profiles", "sim")
"""Folders of the repository that are installed inside hypr_neuro."""


def copy_package(folder: Path) -> Path:
    """Copy hypr_neuro, with the folders that belong inside it, into `folder`; its path there."""
    package = folder / "hypr_neuro"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "hypr_neuro", package, ignore=ignored)
    for name in MAPPED:
        shutil.copytree(ROOT / name, package / name, ignore=ignored)
    return package


def copy_tests(package: Path) -> None:
    """Copy the suite and its settings beside a copied package."""
    shutil.copytree(ROOT / "tests", package.parent / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", package.parent)


def run_on(package: Path, *arguments: str) -> str:
    """Run Python with these arguments on the copied package; what it printed. AssertionError where it fails."""
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=package.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout

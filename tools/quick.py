"""Run the tests of what was edited: fast enough to run after every change.

    python tools/quick.py [arguments of pytest]

Edited are the files that git sees as changed or new against HEAD. Of a neuron model, `hypr_neuro/neurons/<name>.py` or
`tests/models/<name>.py`, every test runs that is made for this model; of another module of the package the test files
that import it; of a test file the file itself. What takes long (Lava, examples, packaging) is left to `make test`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("sim", "compilers")  # folders of the repository, installed inside hypr_neuro
MODELS = (Path("hypr_neuro/neurons"), Path("tests/models"))
SHARED = {"__init__", "base", "scaling", "structure"}  # files beside the models that are no model
LONG = "lava or example or wheel or packag or published or foreign"
"""Tests by name that start other programs."""


def edited_files() -> list[Path]:
    """Return the paths, from the repository's root, that differ from HEAD."""
    command = ["git", "status", "--porcelain", "--untracked-files=all", "--no-renames"]
    lines = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.splitlines()
    return [Path(line[3:].strip('"')) for line in lines if line.endswith(".py")]


def module_of(path: Path) -> str:
    """Return the dotted name under which a file of the package is imported, "" for any other file."""
    parts = list(path.with_suffix("").parts)
    if parts[0] in MAPPED:
        parts.insert(0, "hypr_neuro")
    if parts[0] != "hypr_neuro":
        return ""
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports, with those of the modules that they stand in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def selection(edited: list[Path]) -> list[list[str]]:
    """Return for each run of pytest its arguments: first the models, then the files."""
    models = sorted({p.stem for p in edited if p.parent in MODELS and p.stem not in SHARED})
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    modules = {module_of(p) for p in edited if not (p.parent in MODELS and p.stem in models)} - {""}
    files = {ROOT / p for p in edited if p.name.startswith("test_") and (ROOT / p).is_file()}
    files |= {test for test in tests if modules & imported(test)}
    runs = []
    if models:
        wanted = " or ".join(models)
        runs.append(["tests/unit", "tests/conformance", "-k", f"({wanted}) and not ({LONG})"])
    if files:
        runs.append([str(f.relative_to(ROOT)) for f in sorted(files)] + ["-k", f"not ({LONG})"])
    return runs


def main() -> int:
    """Run pytest for each selection; returns the first exit code that is not 0."""
    edited = [p for p in edited_files() if p.parts[0] in ("hypr_neuro", "tests", *MAPPED)]
    runs = selection(edited)
    if not runs:
        print("no Python file of the package or its tests differs from HEAD: nothing to test")
    status = 0
    for arguments in runs:
        command = [sys.executable, "-m", "pytest", "-q", *arguments, *sys.argv[1:]]
        status = status or subprocess.run(command, cwd=ROOT, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())

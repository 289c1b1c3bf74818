"""Check the types of the whole package with mypy, as the package is installed.

``sim/``, ``compilers/`` and ``hardware_profiles/`` lie beside ``hypr_neuro/`` and are installed inside it, so mypy
run in the repository does not see one tree. This links every module into ``.types/hypr_neuro/`` by the mapping in
pyproject.toml and runs ``mypy -p hypr_neuro`` there, for the Python that runs it; messages name the repository's files.

    python tools/typecheck.py [arguments of mypy]
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]


def source_folders() -> dict[str, str]:
    """Return installed folder -> folder of the repository, nested packages first, as setuptools maps them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    mapping = settings["tool"]["setuptools"]["package-dir"]
    return {package.replace(".", "/"): mapping[package] for package in sorted(mapping, reverse=True)}


def link_sources(target: Path) -> None:
    """Fill `target` anew with one link a module."""
    shutil.rmtree(target, ignore_errors=True)
    for package, folder in source_folders().items():
        for path in (ROOT / folder).rglob("*.py"):
            link = target / package / path.relative_to(ROOT / folder)
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)


def run_mypy(target: Path, arguments: list[str]) -> tuple[int, str]:
    """Return mypy's exit code and messages, with the repository's paths in them."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(ROOT / ".mypy_cache"), "--python-version", version, "-p", "hypr_neuro", *arguments]
    done = subprocess.run(command, cwd=target, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = done.stdout
    for package, folder in source_folders().items():
        output = re.sub(rf"^{package}/", f"{folder}/", output, flags=re.MULTILINE)
    return done.returncode, output


def main() -> int:
    """Check the types; return mypy's exit code."""
    target = ROOT / ".types"
    link_sources(target)
    code, output = run_mypy(target, sys.argv[1:])
    print(output, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())

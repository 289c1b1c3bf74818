"""The wheel holds the whole package and nothing else, and works in an empty environment outside the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]
MAPPED = ("sim", "compilers", "hardware_profiles")  # folders of the repository, installed inside hypr_neuro
BUILT_FROM = ("hypr_neuro", *MAPPED, "pyproject.toml", "README.md", "LICENSE")

IMPORT = """
import importlib, json
names = ["hypr_neuro", "hypr_neuro.sim", "hypr_neuro.compilers", "hypr_neuro.hardware_profiles"]
print(json.dumps({name: list(importlib.import_module(name).__path__) for name in names}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that has to succeed."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONWARNINGS")}
    text = [str(part) for part in command]
    done = subprocess.run(text, cwd=cwd, env=env, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(text)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is built from, so that the build leaves nothing in the repository."""
    copy = tmp_path_factory.mktemp("tree")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    """The wheel, built from the unpacked sdist."""
    pytest.importorskip("build", reason="build is not installed: make test installs it")
    run(sys.executable, "-m", "build", "--no-isolation", tree, cwd=tree.parent)
    assert len(list((tree / "dist").glob("*.tar.gz"))) == 1
    (path,) = (tree / "dist").glob("*.whl")
    return path


def installed_name(path: Path) -> str:
    """Name in the wheel of a file of the tree."""
    return str(Path("hypr_neuro", path) if path.parts[0] in MAPPED else path)


def test_wheel_holds_every_module_profile_and_template(tree: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    kinds = ("**/*.py", "hypr_neuro/py.typed", "hardware_profiles/*.yaml", "hypr_neuro/report/*.j2")
    expected = {installed_name(path.relative_to(tree)) for kind in kinds for path in tree.glob(kind)}
    assert "hypr_neuro/py.typed" in expected
    missing = expected - names
    assert not missing, f"{sorted(missing)}: name the package or the data in [tool.setuptools] of pyproject.toml"
    outside = {name for name in names if not name.startswith("hypr_neuro/")}
    assert not outside, f"{sorted(outside)} would be installed beside hypr_neuro"


def test_wheel_works_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)

    # the dependencies come from here; a .pth file adds the folder, but not the editable install that it may hold
    (site_packages,) = environment.glob("lib/python*/site-packages")
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("".join(f"{folder}\n" for folder in sorted(here)))

    paths = json.loads(run(python, "-I", "-W", "error", "-c", IMPORT, cwd=tmp_path))
    for name, folders in paths.items():
        assert folders == [str(site_packages.joinpath(*name.split(".")))], name
    assert (environment / "bin" / "hypr-neuro").is_file()

"""What CONTRIBUTING shows is enough: its files go into a copy of the repository, and the tests that loop hold them.

Each file is printed there word for word, none of the copy is edited, and `make docs` writes its generated pages anew.
Then pytest runs in the copy: what has the new names in its own, or the whole suite where HYPR_EXTENDING is "all".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]
ALL = os.environ.get("HYPR_EXTENDING") == "all"
FOLDERS = ("benchmarks", "compilers", "docs", "examples", "hardware_profiles", "hypr_neuro", "sim", "tests", "tools")
DOCS = ("make_docs.py", "make_formats.py", "make_learning_memory.py")
ALWAYS = "fresh or left_out or model_records"
"""Tests that look at what there is as a whole."""

FIND = '''"""Lets Python find the package in this folder, laid out as in the repository."""

import sys
from importlib.util import spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent
MAPPED = {f"hypr_neuro.{name}": ROOT / name for name in ("compilers", "hardware_profiles", "sim")}


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in MAPPED:
            return None
        folder = MAPPED[name]
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


sys.meta_path.insert(0, Finder)
'''


class Addition(NamedTuple):
    """A section of CONTRIBUTING, the files that its first blocks are, their name, and how many tests have it."""

    section: str
    files: tuple[str, ...]
    name: str
    least: int


ADDITIONS = (
    Addition("Add a neuron", ("hypr_neuro/neurons/leaky.py", "tests/models/leaky.py"), "leaky", 250),
    Addition("Add a learning rule", ("hypr_neuro/train/rules/homeostasis.py",), "homeostasis", 10),
    Addition("Add an update rule", ("sim/learning/updates/peaks.py",), "peaks", 2),
    Addition("Add an error", ("sim/learning/errors/quarters.py",), "quarters", 3),
    Addition("Add a chip", ("hardware_profiles/mychip.yaml",), "mychip", 2),
)


class Outcome(NamedTuple):
    """Of one test in the copy: its name with its parameters, and "" or what went wrong."""

    name: str
    fault: str


def blocks(section: str) -> list[str]:
    """Return the Python and YAML that a section of CONTRIBUTING shows."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {section}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"CONTRIBUTING.md has no section '{section}'"
    return re.findall(r"^```(?:python|yaml)\n(.*?)^```", found.group(1), re.DOTALL | re.MULTILINE)


def run(copy: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, on the copy's package."""
    environment = os.environ | {"PYTHONPATH": str(copy)}
    environment = {k: v for k, v in environment.items() if not k.startswith(("PYTEST_", "COV_"))}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with what CONTRIBUTING adds."""
    folder = tmp_path_factory.mktemp("extended") / "repository"
    folder.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.txt"), ROOT / "Makefile", ROOT / "LICENSE"):
        shutil.copy(path, folder)
    (folder / "sitecustomize.py").write_text(FIND, encoding="utf-8")
    for addition in ADDITIONS:
        for path, text in zip(addition.files, blocks(addition.section), strict=False):
            assert not (folder / path).exists(), f"{path} is in the package already"
            (folder / path).write_text(text, encoding="utf-8")
    for tool in DOCS:
        done = run(folder, Path("tools", tool))
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def outcomes(copy: Path) -> list[Outcome]:
    """What the tests in the copy say."""
    names = " or ".join(addition.name for addition in ADDITIONS)
    chosen = [] if ALL else ["-k", f"{names} or {ALWAYS}"]
    left_out = ["--ignore=tests/commands/test_extending.py", "--ignore=tests/commands/test_packaging.py"]
    done = run(
        copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=tests.xml", *left_out, *chosen, "tests"
    )
    assert (copy / "tests.xml").is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    found = []
    for case in ElementTree.parse(copy / "tests.xml").iter("testcase"):
        faults = [part.get("message", "") for part in case if part.tag in ("failure", "error")]
        name = f"{case.get('classname')}::{case.get('name')}"
        found.append(Outcome(name, "\n".join(faults)))
    return found


def test_the_copy_runs_its_own_package(copy: Path) -> None:
    code = "import hypr_neuro, hypr_neuro.sim as sim, hypr_neuro.neurons as neurons"
    code += "; print(hypr_neuro.__file__, sim.__file__, *neurons.MODELS)"
    first, second, *models = run(copy, "-c", code).stdout.split()
    assert Path(first).is_relative_to(copy)
    assert Path(second).is_relative_to(copy)
    assert "leaky" in models


def test_no_test_fails(outcomes: list[Outcome]) -> None:
    failed = [f"{outcome.name}: {outcome.fault[:300]}" for outcome in outcomes if outcome.fault]
    assert not failed, f"{len(failed)} of {len(outcomes)} failed:\n" + "\n".join(failed[:20])


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.section)
def test_what_is_added_is_tested(addition: Addition, outcomes: list[Outcome]) -> None:
    """A loop that passes over the new name would make this test's own silence look like success."""
    named = [outcome.name for outcome in outcomes if addition.name in outcome.name]
    assert len(named) >= addition.least, named


def test_generated_pages_tell_of_what_was_added(copy: Path) -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in (copy / "docs").glob("*.md")}
    assert "### leaky" in pages["models.md"]
    assert "| `leaky` |" in pages["formats.md"]
    assert "## mychip" in pages["profiles.md"]

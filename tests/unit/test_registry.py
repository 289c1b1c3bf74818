"""One file of a folder, one entry of what it registers: a file that holds something else stops the import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from package_copy import copy_package

from hypr_neuro.compilers import targets
from hypr_neuro.data import LOADERS
from hypr_neuro.devices import device_names
from hypr_neuro.neurons import MODELS
from hypr_neuro.profiles.profile import profile_names
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.train.optimizers import OPTIMIZERS
from hypr_neuro.train.rules import RULES

TESTS = Path(__file__).resolve().parents[1]
FOUND_BY_FILE = {*MODELS, *ERRORS, *UPDATES, *RULES, *LOADERS, *targets(), *profile_names(), *device_names()}

PACKAGES = {
    "neurons": ("MODEL", "NeuronModel"),
    "train/rules": ("RULE", "Rule"),
    "sim/learning/updates": ("RULE", "UpdateRule"),
    "sim/learning/errors": ("ERROR", "OutputError"),
}
"""Folders of which every file is found: what a file calls its record, and the record's class."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("registry"))


ASKED = {
    "neurons": ("MODEL", "hypr_neuro.neurons.get_model('another')"),
    "train/rules": ("RULE", "hypr_neuro.train.rules.get_rule('another')"),
    "sim/learning/updates": ("RULE", "hypr_neuro.train.optimizers.OnChip(1.0, {}, rule='another')"),
    "sim/learning/errors": ("ERROR", "hypr_neuro.testing.networks.varied('ideal', learning__error='another')"),
    "devices": ("DEVICE", "hypr_neuro.devices.open_device('another')"),
    "data": ("load_another", "hypr_neuro.data.load_data('another')"),
}
"""By folder, what a file has to define and a call that asks for one by its name."""


def failure(package: Path, folder: str, text: str, call: str = "") -> str:
    """Return what importing the package, or a call, says that has this text as another file of a folder."""
    path = package / folder / "another.py"
    path.write_text(text)
    program = f"import hypr_neuro.{folder.replace('/', '.')}"
    if call:
        module, _, name = call.partition("(")[0].rpartition(".")
        program = f"from {module} import {name}; {call.removeprefix(module + '.')}"
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=package.parent,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    path.unlink()
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["another", "other"])
@pytest.mark.parametrize("folder", PACKAGES)
def test_what_is_no_record_with_the_name_of_its_file_is_refused(package: Path, folder: str, name: str) -> None:
    attribute, kind = PACKAGES[folder]
    text = f"from types import SimpleNamespace\n{attribute} = SimpleNamespace(name={name!r})\n"
    rule = f"another: {attribute} = namespace(name={name!r}), rule: a {kind} named 'another'"
    assert failure(package, folder, text).endswith(rule)


@pytest.mark.parametrize("folder", ASKED)
def test_a_file_without_a_record_is_named_when_it_is_asked_for(package: Path, folder: str) -> None:
    attribute, call = ASKED[folder]
    found = failure(package, folder, "X = 1\n", call)
    assert f" (hypr_neuro/{folder}/another.py is there, and defines no {attribute}: give it one), known: " in found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "def load_shd(folder):\n    pass\n",
            "data: another.py and heidelberg.py both define load_shd, rule: one a name; rename one",
        ),
        (
            "def load_another(folder, size):\n    pass\n",
            "data: another.py defines load_another(folder, size), rule: a folder, then options that have defaults; "
            "give each one",
        ),
        (
            "def load_another():\n    pass\n",
            "data: another.py defines load_another(), rule: a folder, then options that have defaults; give each one",
        ),
    ],
)
def test_a_loader_is_one_of_its_name_and_runs_without_options(package: Path, text: str, fault: str) -> None:
    assert failure(package, "data", text).endswith(fault)


def test_a_record_has_the_name_of_its_file(package: Path) -> None:
    text = "from hypr_neuro.train.rules.base import Rule\nRULE = Rule('other', source='here')\n"
    found = failure(package, "train/rules", text)
    assert "train.rules.another: RULE = Rule(name='other'" in found
    assert found.endswith("rule: a Rule named 'another'")


def fixed_names(text: str) -> list[str]:
    """Return what a test writes of a list "known: ..." that another file would change: names, or the start of one."""
    text = text.replace(", ".join(sorted(OPTIMIZERS)), "")  # these are no files
    names = [name for listed in re.findall(r"known: ([^\"\n]*)", text) for name in listed.rstrip(",").split(", ")]
    return [name for name in names if len(name) > 1 and any(_begins(name, known) for known in FOUND_BY_FILE)]


def _begins(name: str, known: str) -> bool:
    return name == known or (len(name) > 3 and known.startswith(name))


def test_no_test_breaks_by_another_file() -> None:
    """A message lists what is there in order, so a name stands behind `.*` in a pattern, or the list is asked for."""
    assert fixed_names("known: lif, softm") == ["lif", "softm"]
    assert fixed_names("known: .*lif, .*softmax") == fixed_names("known: {', '.join(MODELS)}") == []
    found = {
        str(path.relative_to(TESTS)): fixed_names(path.read_text("utf-8")) for path in sorted(TESTS.rglob("test_*.py"))
    }
    del found["unit/test_registry.py"]
    assert {path: names for path, names in found.items() if names} == {}

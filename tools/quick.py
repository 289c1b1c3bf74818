"""Run the tests of what was edited: fast enough to run after every change.

    python tools/quick.py [arguments of pytest]

Edited are the files that git sees as changed, new or removed against HEAD. What runs for

a neuron        `hypr_neuro/neurons/<name>.py` or `tests/models/<name>.py`: the tests that have its name as a word of
                their own, in files that loop over the models or name it; at most `CASES` cases of each function
a module        of the package, of tests/helpers or of tools: the test files that import it; if none does, those that
                import the modules that import it, and so on
a profile       the tests of profiles, widths and golden numbers (`OF_PROFILES`)
another file    a template, a page, pyproject.toml: as what names it, or as its package or folder
a conftest.py   the tests of its folder
a test file     the file itself

Last it is said what is left to `make test`: whatever takes long, because it starts Lava, compiles, or runs examples;
files that no test imports or names; and that no test ran, if none did.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("compilers", "hardware_profiles", "sim")  # folders of the repository, installed inside hypr_neuro
OF_PROFILES = ("unit/test_profile", "unit/test_plan", "conformance/test_golden", "conformance/test_golden_learning")
"""Tests, of the folder of tests, that an edited profile runs: what is in it, what follows from it, known numbers."""
OWN_TEST = Path("tests/unit/test_quick.py")
"""The test of this program: its strings are the files of a small repository, and name nothing else."""
MODELS = (Path("hypr_neuro/neurons"), Path("tests/models"))
SHARED = {"__init__", "base", "scaling", "structure"}  # files beside the models that are no model
CASES = 3
"""Cases of one test function that run for one edited neuron, spread over all that it has."""
LOOPS = re.compile(r"\b(MODELS|ALL_MODELS|VARIANTS|spiking_models|integer_models|record_of)\b")
"""What a test file says that runs tests for every neuron."""
LONG = "lava or example or wheel or packag or published or foreign or extending"
"""Tests by name that start other programs."""
SLOW = {"c", "lava", "spinnaker2", "published", "autodiff"}
"""Words of the names of test files that for every neuron compile or start programs, or compile what they compare to."""
NO_TESTS = 5  # pytest's exit code where nothing was collected

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.MULTILINE)
_SCRIPT = re.compile(r"""["'/](\w+)\.py["']""")
_DOTTED = re.compile(r"""["'](hypr_neuro(?:\.\w+)+)["']""")


class Run(NamedTuple):
    """One run of pytest: its test files, and the neurons of which alone tests run, all where there are none."""

    files: tuple[str, ...]
    models: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the arguments of pytest."""
        arguments = [*self.files, "-k", f"not ({LONG})"]
        if self.models:  # no such test draws its cases with hypothesis, of which the import takes a second a process
            arguments += [f"--models={','.join(self.models)}", f"--cases={CASES}", "-p", "no:hypothesispytest"]
        return arguments


class Choice(NamedTuple):
    """What runs, and what the person who edited should know of what does not."""

    runs: list[Run]
    notes: list[str]


def edited_files(root: Path = ROOT) -> list[Path]:
    """Return the paths, from the repository's root, that differ from HEAD."""
    command = ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"]
    entries = subprocess.run(command, cwd=root, text=True, capture_output=True, check=True).stdout.split("\0")
    return [Path(entry[3:]) for entry in entries if entry]


def module_of(path: Path) -> str:
    """Return the dotted name under which a file of the package or of tests/helpers is imported, "" for another file."""
    if path.suffix != ".py":
        return ""
    parts = list(path.with_suffix("").parts)
    if parts[:2] == ["tests", "helpers"]:
        parts = parts[2:]
    elif parts[0] == "tools":  # each finds the others beside it
        parts = parts[1:]
    elif parts[0] in MAPPED:
        parts.insert(0, "hypr_neuro")
    elif parts[0] != "hypr_neuro":
        return ""
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(text: str) -> set[str]:
    """Return the names that a Python text imports, anywhere in it, or has as strings: dotted, or a program's file."""
    return {*_DOTTED.findall(text), *_SCRIPT.findall(text), *imports(text)}


def imports(text: str) -> set[str]:
    """Return the names that a Python text imports, anywhere in it."""
    names: set[str] = set()
    for package, entries, plain in _IMPORT.findall(text):
        listed = re.sub(r"#.*", "", entries or plain).strip("() ")
        found = {entry.split()[0] for entry in re.split(r"[,\n]", listed) if entry.strip()}
        names |= {package} | {f"{package}.{name}" for name in found} if package else found
    return names


def quotes(text: str, name: str) -> bool:
    """Tell whether a text has a file's or folder's name as a string, or as the end or start of a path in one."""
    return re.search(rf"""["'/]{re.escape(name)}["'/]""", text) is not None


class Tree:
    """The Python files of a repository: what each says and which tests import what.

    Paths are those from the repository's root, read when first asked for.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root

    @cached_property
    def texts(self) -> dict[Path, str]:
        """Every Python file of the package, the tests and the tools."""
        folders = [self.root / name for name in ("hypr_neuro", "tests", "tools", *MAPPED)]
        paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
        return {path.relative_to(self.root): path.read_text(encoding="utf-8") for path in paths}

    @cached_property
    def tests(self) -> list[Path]:
        """Every test file."""
        return [path for path in self.texts if path.parts[0] == "tests" and path.name.startswith("test_")]

    @cached_property
    def importers(self) -> dict[str, set[Path]]:
        """By dotted name the files that import it."""
        found: dict[str, set[Path]] = {}
        for path, text in self.texts.items():
            for name in imports(text) | {"quick"} if path == OWN_TEST else imported(text):
                found.setdefault(name, set()).add(path)
        return found

    def users(self, module: str) -> set[Path]:
        """Return the files that import a module; of a package that none names, those that import a module inside."""
        found = {path for path in self.importers.get(module, ()) if module_of(path) != module}
        inside = f"{module}."
        return found or set().union(*(paths for name, paths in self.importers.items() if name.startswith(inside)))

    def nearest_tests(self, module: str) -> set[Path]:
        """Return the test files that import a module; if none does, those nearest to it over other modules.

        A file that no file imports is one that its package finds by looking into the folder: it counts as the package.
        """
        found, seen, waiting = set(), {module}, [module]
        while waiting:
            name = waiting.pop()
            users = self.users(name)
            tests = {path for path in users if path in self.tests}
            found |= tests
            if not all(map(takes_long, tests)):
                continue
            above = {module_of(path) for path in users} - {""} or {name.rpartition(".")[0]} - {"", "hypr_neuro"}
            waiting += above - seen
            seen |= above
        return found

    def naming(self, name: str) -> list[Path]:
        """Return the files that have this name as a string."""
        return [path for path, text in self.texts.items() if path != OWN_TEST and quotes(text, name)]

    def tests_of_data(self, path: Path) -> set[Path]:
        """Return the tests of a file that is no module: those that name it or, outside the package, its folder.

        Of the package's modules those that name it count as edited; where none does, the package that holds it.
        """
        users = self.naming(path.name)
        if path.parent == Path():  # the package has files of the same names, such as the Makefile of a C project
            users = [user for user in users if user.parts[0] == "tests"]
        if not users and path.parts[0] not in ("hypr_neuro", "tools", *MAPPED) and path.parent.name:
            users = self.naming(path.parent.name)
        modules = {module_of(user) for user in users} - {""}
        package = next((p for p in path.parents if p / "__init__.py" in self.texts), None)
        if not modules and package is not None:
            modules = {module_of(package / "__init__.py")}
        return set(users).intersection(self.tests).union(*map(self.nearest_tests, modules))

    def tests_of(self, path: Path) -> set[Path]:
        """Return the test files of an edited file that is no neuron."""
        if path in self.tests:
            return {path}
        if path.name == "conftest.py":
            return {test for test in self.tests if path.parent in test.parents}
        if path.parts[0] == "hardware_profiles" and path.suffix == ".yaml":
            return {test for test in self.tests if "/".join(test.with_suffix("").parts[1:]) in OF_PROFILES}
        module = module_of(path)
        return self.nearest_tests(module) if module else self.tests_of_data(path)

    def tests_of_models(self, models: Iterable[str]) -> set[Path]:
        """Return the test files in which tests of these neurons may stand."""
        names = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(models))})(?![a-z0-9])")
        rooms = (Path("tests/unit"), Path("tests/conformance"))
        searched = [path for path in self.tests if path.parent in rooms]
        return {path for path in searched if LOOPS.search(self.texts[path]) or names.search(self.texts[path])}

    def variants(self) -> set[str]:
        """Return the names of the neurons' files that give another model its integers."""
        files = {path: text for path, text in self.texts.items() if path.parent == MODELS[0]}
        return {path.stem for path, text in files.items() if re.search(r"^VARIANT\b", text, re.MULTILINE)}


def takes_long(path: Path) -> bool:
    """Tell whether the name of a test file says that all of it is left to `make test`."""
    return any(word in path.stem for word in LONG.split(" or "))


def choose(edited: Iterable[Path], tree: Tree) -> Choice:
    """Choose for edited files what runs: of the neurons first, then whole files."""
    edited = list(edited)
    if not edited:
        return Choice([], ["no file differs from HEAD: nothing to test"])
    neurons = {path.stem for path in edited if path.parent in MODELS and path.suffix == ".py"} - SHARED
    models, variants = sorted(neurons - tree.variants()), neurons & tree.variants()
    whole: set[Path] = set()
    notes = []
    for path in edited:
        if path.parent in MODELS and path.stem in models:
            continue
        if path.stem in variants:
            tests = {test for test in tree.tests if quotes(tree.texts[test], path.stem)}
        else:
            tests = tree.tests_of(path)
        whole |= tests
        if not tests and (tree.root / path).is_file():
            notes.append(f"{path}: no test imports or names it; what it does shows in make test at most")
    of_models = tree.tests_of_models(models) - whole if models else set()
    long = {path for path in whole if takes_long(path)} | {
        path for path in of_models if takes_long(path) or SLOW & set(path.stem.split("_"))
    }
    runs = [Run(_sorted(of_models - long), tuple(models)), Run(_sorted(whole - long))]
    runs = [run for run in runs if run.files]
    if runs:
        notes.append(f"left to make test: in what ran, tests with {LONG} in their names")
    if long:
        notes.append(f"left to make test: {' '.join(_sorted(long))}")
    return Choice(runs, notes)


def _sorted(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted(path.as_posix() for path in paths))


def run_tests(runs: Iterable[Run], arguments: list[str]) -> int:
    """Run pytest for each; return the first exit code that is a failure, `NO_TESTS` where no test ran, else 0."""
    codes = []
    for run in runs:
        command = [sys.executable, "-m", "pytest", "-q", *run.arguments(), *arguments]
        codes.append(subprocess.run(command, cwd=ROOT, check=False).returncode)
    return next((code for code in codes if code not in (0, NO_TESTS)), 0 if 0 in codes else NO_TESTS)


def main() -> int:
    """Run what the edited files concern; return the exit code."""
    choice = choose(edited_files(), Tree())
    status = run_tests(choice.runs, sys.argv[1:])
    print("\n".join(choice.notes))
    if status == NO_TESTS:  # no failure, and no success either
        print("no test ran")
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())

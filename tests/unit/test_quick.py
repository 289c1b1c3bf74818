"""`make quick` finds the tests of every edit, and says what it leaves out."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from model_tests import models_in, of_models

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]


def load() -> Any:
    """The tool as a module; it is no part of the package."""
    spec = util.spec_from_file_location("quick", ROOT / "tools" / "quick.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


quick = load()
LEFT = f"left to make test: in what ran, tests with {quick.LONG} in their names"
FILES = {
    "hypr_neuro/__init__.py": "",
    "hypr_neuro/deep.py": "",
    "hypr_neuro/middle.py": "from hypr_neuro import (\n    deep,  # the lowest\n    other,\n)\n",
    "hypr_neuro/top.py": "def f():\n    from hypr_neuro.middle import x\n",
    "hypr_neuro/lonely.py": "",
    "hypr_neuro/rules/__init__.py": "RULES = load_records(__name__)\n",
    "hypr_neuro/rules/first.py": "from hypr_neuro.rules import base\n",
    "hypr_neuro/profile.py": 'folder = files("hypr_neuro.hardware_profiles")\n',
    "hypr_neuro/neurons/__init__.py": "",
    "hypr_neuro/neurons/base.py": "",
    "hypr_neuro/neurons/lif.py": "MODEL = 1\n",
    "hypr_neuro/neurons/alif.py": "MODEL = 1\n",
    "hypr_neuro/neurons/lif_narrow.py": "VARIANT = 1\n",
    "sim/__init__.py": "",
    "sim/engine.py": "import hypr_neuro.middle as m, math\n",
    "compilers/c/__init__.py": 'COPIED = ("Makefile", "board/start.c")\n',
    "hardware_profiles/__init__.py": "",
    "tests/conftest.py": "",
    "tests/files/conftest.py": "",
    "tests/helpers/shared.py": "from hypr_neuro.neurons.base import Base\n",
    "tests/helpers/program.py": "",
    "hypr_neuro/package/__init__.py": "from hypr_neuro.package import inside\n",
    "hypr_neuro/package/inside.py": "",
    "tests/helpers/sub/__init__.py": "import shared\n",
    "tests/files/test_read.py": "from hypr_neuro.profile import load\n",
    "tests/files/test_write.py": 'run("helpers/program.py")\n',
    "tests/unit/test_top.py": "import hypr_neuro.top\n",
    "tests/unit/test_engine.py": "from hypr_neuro.sim import engine\nfrom hypr_neuro.sim.engine import run\n",
    "tests/unit/test_rules.py": "from hypr_neuro.rules import RULES\n",
    "tests/unit/test_shared.py": "import sub\n",
    "tests/unit/test_inside.py": "from hypr_neuro.package.inside import f\n",
    "tests/unit/test_c_text.py": "from hypr_neuro.compilers.c import write\nMODELS\n",
    "tests/unit/test_every.py": "MODELS\n",
    "tests/unit/test_one.py": 'name = "alif-1"\n',
    "tests/unit/test_another.py": 'name = "lif"\n',
    "tests/conformance/test_narrow.py": 'name = "lif_narrow"\n',
    "tests/conformance/test_lava.py": "import hypr_neuro.deep\nMODELS\n",
    "tests/conformance/test_golden.py": 'folder = ROOT / "golden"\n',
    "tools/make.py": "",
    "tools/cases.py": "",
    "tools/write.py": "import cases\n",
    "tests/commands/test_written.py": 'PROGRAM = ROOT / "tools" / "write.py"\n',
    "tests/commands/test_pages.py": 'pages = (ROOT / "docs").glob("*.md")\nguide = ROOT / "GUIDE.md"\n',
    "tests/commands/test_extending.py": 'guide = ROOT / "GUIDE.md"\n',
    "tests/unit/test_quick.py": 'FILES = "hypr_neuro.deep", "hypr_neuro.profile", "GUIDE.md", "Makefile"\n',
    "tests/unit/test_profile.py": "",
    "tests/unit/test_plan.py": "",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small repository."""
    root = tmp_path_factory.mktemp("repository")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return quick.Tree(root)


def chosen(tree: Any, *edited: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """The files of each run, without folders, and the notes."""
    runs, notes = quick.choose([Path(name) for name in edited], tree)
    return [tuple(Path(name).stem.removeprefix("test_") for name in run.files) for run in runs], notes


EDITS = [
    ("hypr_neuro/top.py", {"top"}),
    ("hypr_neuro/middle.py", {"top", "engine"}),  # over two modules that import it
    ("hypr_neuro/deep.py", {"top", "engine"}),  # what takes long does not end the search
    ("hypr_neuro/rules/first.py", {"rules"}),  # found by its folder, not imported
    ("hypr_neuro/package/__init__.py", {"inside"}),  # runs when what is inside is imported
    ("tests/helpers/program.py", {"write"}),  # a program, not imported
    ("hypr_neuro/profile.py", {"read"}),
    ("hardware_profiles/chip.yaml", {"profile", "plan", "golden"}),  # what is in it and what follows from it
    ("hardware_profiles/__init__.py", {"read"}),  # of the package that is read as data
    ("GUIDE.md", {"pages"}),
    ("docs/page.md", {"pages"}),  # named by its folder
    ("tools/write.py", {"written"}),
    ("tools/cases.py", {"written"}),  # over the program that imports it
    ("compilers/c/templates/Makefile", {"c_text"}),
    ("compilers/c/templates/board/start.c", {"c_text"}),
    ("compilers/c/templates/new.h", {"c_text"}),  # named by none: of the package that holds it
    ("tests/golden/lif.npz", {"golden"}),
    ("hypr_neuro/neurons/base.py", {"shared"}),  # over a helper that a helper imports
    ("tests/helpers/shared.py", {"shared"}),
    ("tests/files/conftest.py", {"read", "write"}),
    ("tests/files/test_write.py", {"write"}),
    ("hypr_neuro/neurons/lif_narrow.py", {"narrow"}),  # a variant, of which no test is made by looping
]


@pytest.mark.parametrize(("edited", "files"), EDITS)
def test_an_edit_has_the_tests_nearest_to_it(tree: Any, edited: str, files: set[str]) -> None:
    ((found,), _) = chosen(tree, edited)
    assert set(found) == files


@pytest.mark.parametrize("edited", ["hypr_neuro/neurons/alif.py", "tests/models/alif.py"])
def test_a_neuron_has_the_files_that_loop_or_name_it(tree: Any, edited: str) -> None:
    runs, notes = chosen(tree, edited)
    assert runs == [("every", "one")]
    assert notes == [LEFT, "left to make test: tests/conformance/test_lava.py tests/unit/test_c_text.py"]
    arguments = quick.choose([Path(edited)], tree).runs[0].arguments()
    assert {"--models=alif", f"--cases={quick.CASES}"} <= set(arguments)


def test_files_run_whole_beside_those_of_a_neuron(tree: Any) -> None:
    runs, _ = chosen(tree, "hypr_neuro/neurons/alif.py", "hypr_neuro/top.py", "tests/unit/test_one.py")
    assert runs == [("every",), ("one", "top")]
    assert not any("--models" in argument for argument in quick.Run(("file",)).arguments())


def test_notes_tell_no_edit_from_an_edit_without_tests(tree: Any) -> None:
    (tree.root / "hypr_neuro" / "lonely.py").touch()
    assert chosen(tree) == ([], ["no file differs from HEAD: nothing to test"])
    (tree.root / "Makefile").touch()
    for name in ("hypr_neuro/lonely.py", "tools/make.py", "Makefile"):
        told = f"{name}: no test imports or names it; what it does shows in make test at most"
        assert chosen(tree, name) == ([], [told])
    assert chosen(tree, "GUIDE.md")[1] == [LEFT, "left to make test: tests/commands/test_extending.py"]
    assert chosen(tree, "tests/unit/test_removed.py") == ([], [])
    assert chosen(tree, "tests/conformance/test_lava.py") == (
        [],
        ["left to make test: tests/conformance/test_lava.py"],
    )


@pytest.mark.parametrize(
    ("codes", "status"), [([0, 0], 0), ([5, 0], 0), ([5, 5], 5), ([1, 0], 1), ([5, 2], 2), ([0, 1], 1), ([2, 1], 2)]
)
def test_all_runs_run_and_nothing_collected_is_told_from_both(
    codes: list[int], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def run(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return SimpleNamespace(returncode=codes[len(commands) - 1])

    monkeypatch.setattr(quick, "subprocess", SimpleNamespace(run=run))
    assert quick.run_tests([quick.Run(("a",)), quick.Run(("b",))], ["-x"]) == status
    assert [command[4] for command in commands] == ["a", "b"]
    assert all(command[-1] == "-x" for command in commands)


@pytest.mark.parametrize(
    ("status", "code", "last"), [(quick.NO_TESTS, 0, "no test ran"), (0, 0, "a note"), (1, 1, "a note")]
)
def test_it_is_said_that_no_test_ran(
    status: int, code: int, last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "edited_files", list)
    monkeypatch.setattr(quick, "choose", lambda edited, tree: quick.Choice([], ["a note"]))
    monkeypatch.setattr(quick, "run_tests", lambda runs, arguments: status)
    assert quick.main() == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_git_says_what_was_edited(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for name in ("changed.py", "removed.c", "same.py"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "changed.py").write_text("2")
    (tmp_path / "removed.c").unlink()
    new = tmp_path / "ψ and z" / "new.yaml"
    new.parent.mkdir()
    new.write_text("")
    expected = {"changed.py", "removed.c", "ψ and z/new.yaml"}
    assert {path.as_posix() for path in quick.edited_files(tmp_path)} == expected


def test_every_module_and_template_of_the_repository_has_tests() -> None:
    tree = quick.Tree()
    data = [path for folder in ("compilers", "hardware_profiles") for path in (ROOT / folder).rglob("*")]
    data = [path.relative_to(ROOT) for path in data if path.suffix in (".c", ".h", ".ld", ".yaml")]
    assert len(data) > 20
    models = [path for path in tree.texts if path.parent in quick.MODELS]
    without = []
    package = [path for path in tree.texts if path.parts[0] != "tools"]
    for path in [*package, *data, Path("CONTRIBUTING.md"), Path("README.md"), Path("pyproject.toml")]:
        runs, notes = quick.choose([path], tree)
        if not runs and not any(note.startswith("left to make test") for note in notes):
            without.append(str(path))
    assert not without
    assert len(models) > 15


# --- tests of one neuron


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("test_x.py::test_y[lif]", ["lif"]),
        ("test_x.py::test_y[rf_iz-lif_1-brf]", ["rf_iz", "lif", "brf"]),
        ("test_x.py::test_eligibility_of_the_alif_neuron[1]", ["alif"]),
        ("tests/unit/test_lif_refractory.py::test_y", ["lif_refractory"]),
        ("test_x.py::test_y[Learner-learning_alif_reset]", ["alif_reset"]),
        ("test_x.py::test_relief[alike]", []),
    ],
)
def test_a_neuron_is_named_by_whole_words(text: str, models: list[str]) -> None:
    assert models_in(text) == models


def test_of_many_cases_some_run_spread_over_all() -> None:
    ids = [f"f.py::test_a[lif-{i}]" for i in range(10)] + ["f.py::test_b[alif]", "f.py::test_c[lif]"]
    assert of_models(ids, ["lif"], 4) == [0, 3, 6, 9, 11]
    assert of_models(ids, ["lif"], 1) == [0, 11]
    assert of_models(ids, ["lif", "alif"], 100) == list(range(12))
    assert of_models(ids, ["rf"], 4) == []


def test_pytest_runs_the_tests_of_a_neuron_alone() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--collect-only",
        "tests/unit/test_structure.py",
        "--models=lif",
        "--cases=1",
        "-p",
        "no:hypothesispytest",
    ]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert found, done.stdout + done.stderr
    assert all(re.search(r"\[lif(-\d+)?\]$", line) for line in found)
    assert len(found) == len({line.partition("[")[0] for line in found})

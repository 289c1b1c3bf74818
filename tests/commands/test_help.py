"""Help by group with examples that parse, choices checked before anything loads, and errors as JSON on request."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import ENVIRONMENT, called, refusal
from typer.main import get_command

from hypr_neuro.cli import GROUPS, app, choices
from hypr_neuro.testing.networks import random_network

COMMANDS = tuple(name for names in GROUPS.values() for name in names)
PROGRAM: Any = get_command(app)
SPARE = """
import sys
from hypr_neuro.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    heavy = ("numba", "lava", "scipy", "matplotlib", "optuna", "h5py", "hypr_neuro.data", "hypr_neuro.sim.engine")
    print([name for name in heavy if name in sys.modules])
    sys.exit(end.code)
"""


def test_every_command_stands_in_a_group() -> None:
    assert sorted(COMMANDS) == sorted(PROGRAM.commands)


def test_without_arguments_the_commands_are_shown_by_group() -> None:
    shown = called().stderr
    places = [shown.index(f"\n{group}:\n") for group in GROUPS]
    assert places == sorted(places)
    for name in COMMANDS:
        assert f"\n  {name} " in shown, name
    assert "..." not in shown.replace("[ARGS]...", ""), "a text that is cut off"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_groups_and_examples_that_parse(name: str) -> None:
    shown = called(name, "-h").stdout
    assert "\nOutput:\n" in shown
    examples = shown.split("\nExamples:\n")[1].splitlines()
    assert examples
    assert all(len(line) <= 100 for line in shown.splitlines())
    for line in examples:
        program, command, *words = shlex.split(line.split(" > ")[0])
        assert (program, command) == ("hypr-neuro", name)
        assert PROGRAM.commands[name].make_context(name, words) is not None


def test_names_are_those_of_the_registries() -> None:
    from hypr_neuro.compilers import targets
    from hypr_neuro.data.encode import ENCODERS
    from hypr_neuro.data.sequence import PARTS
    from hypr_neuro.devices import device_names
    from hypr_neuro.exchange.nir.options import WORDS
    from hypr_neuro.sim.learning.updates import UPDATES
    from hypr_neuro.train.losses import LOSSES
    from hypr_neuro.train.optimizers import OPTIMIZERS
    from hypr_neuro.train.options import SCHEDULES
    from hypr_neuro.train.rules import RULES

    assert list(choices.DEVICES) == device_names()
    assert list(choices.TARGETS) == targets()
    assert sorted(choices.RULES) == sorted(RULES)
    assert sorted(choices.UPDATES) == sorted(UPDATES)
    assert sorted(choices.SCHEDULES) == sorted(SCHEDULES)
    assert sorted(choices.LOSSES) == sorted(LOSSES)
    assert sorted(choices.OPTIMIZERS) == sorted(OPTIMIZERS)
    assert sorted(choices.ENCODERS) == sorted(ENCODERS)
    assert choices.PARTS == PARTS
    assert {"reset": choices.RESETS, "integrator": choices.INTEGRATORS, "order": choices.ORDERS} == WORDS


WRONG = {
    "device": (("simulate", "missing.h5", "--device", "lavaa"), "'--device': 'lavaa' (did you mean 'lava'?), known: "),
    "part": (("simulate", "missing.h5", "--part", "tests"), "'--part': 'tests' (did you mean 'test'?), known: "),
    "rule": (("train", "--data", "digits", "--rule", "hypp"), "'--rule': 'hypp' (did you mean 'hypr'?), known: "),
    "update rule": (("learn", "missing.h5", "--rule", "factor"), "'factor' (did you mean 'factored'?), known: "),
    "schedule": (("train", "--schedule", "cosin"), "'cosin' (did you mean 'cosine'?), known: "),
    "target": (("compile", "missing.h5", "--target", "lavva"), "'lavva' (did you mean 'lava'?), known: "),
    "reset": (("import", "missing.nir", "--reset", "substract"), "'substract' (did you mean 'subtract'?), known: "),
    "option": (("train", "--epocs", "3"), "--epocs"),
    "number": (("train", "--epochs", "many"), "'many', rule: a whole number"),
    "command": (("trian",), "No such command 'trian'. Did you mean 'train'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_choices_are_checked_before_anything_loads(case: str) -> None:
    words, message = WRONG[case]
    command = [sys.executable, "-c", SPARE, *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    said, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert message in json.loads(said)["error"]
    assert done.stderr == f"hypr-neuro: error: {json.loads(said)['error']}\n"


def test_without_json_an_error_is_one_line_alone() -> None:
    done = called("train", "--epochs", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hypr-neuro: error: ")
    assert done.stderr.count("\n") == 1
    assert "`hypr-neuro train -h` shows what there is" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--epochs", "-1"), "'--epochs': '-1', rule: at least 1"),
        (("train", "--epochs", "2.5"), "'--epochs': '2.5', rule: a whole number"),
        (("train", "--rate", "fast"), "'--rate': 'fast', rule: a number"),
        (("learn", "q.h5", "--seed", str(1 << 32)), f"'--seed': '{1 << 32}', rule: at most {(1 << 32) - 1}"),
    ],
)
def test_a_value_out_of_range_is_shown_with_the_rule(words: tuple[str, ...], told: str) -> None:
    assert told in refusal(*words, run=called)


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in ("data", "profiles", "diff", "report", "fit", "warm")]
)
def test_an_empty_path_is_not_the_folder_that_one_is_in(name: str) -> None:
    needed = [p.name for p in PROGRAM.commands[name].params if p.param_type_name == "argument" and p.required]
    out = {"serve": "--state", "check": "--examples"}.get(name, "--out")
    for words in ([name, *needed, out, ""], *([name, ""] for _ in needed[:1])):
        assert "'', rule: text that is not empty" in refusal(*words, run=called)


def test_files_to_write_are_checked_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is no file, and is never read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.h5").mkdir()
    for option, path, told in (
        ("--trace", "t.txt", "--trace t.txt, rule: the name of a file that ends in .h5 or .hdf5"),
        ("--trace", "f.h5", "it is a folder or a device"),
        ("--predictions", "u.txt", "--predictions u.txt, rule: the name of a file that ends in .csv or .npz"),
        ("--predictions", "gone/u.csv", "--predictions gone/u.csv: folder 'gone' does not exist; create it first"),
        ("--predictions", f"{'n' * 256}.csv", "too long; choose a shorter name"),
    ):
        assert told in refusal("simulate", "n.h5", option, path, run=called)
    random_network("lif", 1, hidden=(2,), inputs=2, outputs=2).save("n.h5")
    assert "rule: the name of a file that ends in .nir" in refusal("export", "n.h5", "--out", "x.txt", run=called)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "n.h5"]

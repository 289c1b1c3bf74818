"""Help by group with examples that parse, choices checked before anything loads, and errors as JSON on request."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest
from commands import ENVIRONMENT, called
from typer.main import get_command

from hypr_neuro.cli import GROUPS, app, choices

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
    from hypr_neuro.train.loop import SCHEDULES
    from hypr_neuro.train.losses import LOSSES
    from hypr_neuro.train.optimizers import OPTIMIZERS
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
    "number": (("train", "--epochs", "many"), "valid integer"),
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

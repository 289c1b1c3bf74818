"""A checkpoint knows the code of a rule's hooks and of a loss: no run goes on with another."""

from __future__ import annotations

import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_rules import HOMEOSTATIC, data_of

from hypr_neuro.errors import FileFormatError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.train.code_digest import code_digests, digest_of
from hypr_neuro.train.loop import train
from hypr_neuro.train.losses import LOSSES, Loss, cross_entropy, get_loss, squared_error
from hypr_neuro.train.rules import RULES
from hypr_neuro.train.rules.base import Rule
from hypr_neuro.train.run import CHECKPOINT, KIND

Array = Any
RULE = """
from dataclasses import dataclass

import numpy as np

from hypr_neuro.train.rules.base import Penalty, Rule

STRENGTH = 0.5


def pull(weight):
    # comments do not count
    return STRENGTH * weight


@dataclass(frozen=True)
class Drawn(Rule):
    scale: float = 2.0

    def regularizer(self, values, means):
        \"\"\"Nor do docstrings.\"\"\"
        gradient = {name: self.scale * pull(values[name]) for name in values if name.endswith("weight")}
        return Penalty(0.0, gradient)
"""
SAME = {
    "a comment": ("# comments do not count", "# another"),
    "a docstring": ("Nor do docstrings.", "Another."),
    "a line": ("\n\n\ndef pull", "\n\n\n\n\ndef pull"),
    "a default": ("scale: float = 2.0", "scale: float = 3.0"),
    "what nobody calls": ("STRENGTH = 0.5", "STRENGTH = 0.5\nOTHER = 1"),
}
OTHERS = {
    "a number": ("Penalty(0.0", "Penalty(1.0"),
    "a function that it calls": ("STRENGTH * weight", "STRENGTH + weight"),
    "a constant": ("STRENGTH = 0.5", "STRENGTH = 0.25"),
    "a word": ('"weight"', '"bias"'),
    "another hook": (
        "    scale: float = 2.0\n",
        "    scale: float = 2.0\n\n    def reward(self, loss, means):\n        return loss\n",
    ),
    "a setting of the class": ("    scale: float = 2.0\n", "    scale: float = 2.0\n    power = 2\n"),
}


def rule(edit: tuple[str, str] = ("", "")) -> Rule:
    """The rule of the text above after an edit, as a file of the user's defines it."""
    text = RULE.replace(*edit) if edit[0] else RULE
    assert (text == RULE) == (not edit[0])
    names: dict[str, Any] = {"__name__": "of_the_user"}
    sys.modules["of_the_user"] = sys  # dataclasses look for the module
    try:
        exec(compile(text, "of_the_user.py", "exec"), names)
    finally:
        del sys.modules["of_the_user"]
    made: Rule = names["Drawn"]("drawn", "here", scale=2.0)
    return made


def weighted(factor: Any) -> Any:
    return lambda output, target, weight: cross_entropy(output, target, factor * weight)


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_what_computes_the_same_has_the_same_digest(edit: tuple[str, str]) -> None:
    assert code_digests(rule(edit), LOSSES["last_step"]) == code_digests(rule(), LOSSES["last_step"])


@pytest.mark.parametrize("edit", OTHERS.values(), ids=OTHERS)
def test_an_edit_of_what_a_hook_computes_has_another_digest(edit: tuple[str, str]) -> None:
    assert code_digests(rule(edit), LOSSES["last_step"]) != code_digests(rule(), LOSSES["last_step"])


def test_sets_of_paths_and_losses_of_the_package_have_no_digest() -> None:
    """A rule with hooks has one wherever its file lies: anyone may add or edit it."""
    paths = [record for record in RULES.values() if type(record) is Rule]
    assert {"hypr", "bptt", "ostl", "eprop"} <= {record.name for record in paths}
    assert all(code_digests(record, loss) == {} for record in paths for loss in LOSSES.values())
    assert list(code_digests(HOMEOSTATIC, LOSSES["last_step"])) == ["code of the rule"]
    assert list(code_digests(RULES["hypr"], get_loss(weighted(1)))) == ["code of the loss"]


class Scaled:
    """A loss that is an object."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
        return cross_entropy(output, target, self.factor * weight)


def scaled(output: Array, target: Array, weight: Array, factor: float = 1.0) -> tuple[Array, Array]:
    return cross_entropy(output, target, factor * weight)


LOSSES_OF_ONE_NAME = {
    "a closure": (weighted(1.0), weighted(2.0)),
    "an array": (weighted(np.float32([1])), weighted(np.float32([2]))),
    "lambdas": (
        lambda output, target, weight: cross_entropy(output, target, 3.0 * weight),
        lambda output, target, weight: cross_entropy(output, target, 2.0 * weight),
    ),
    "words": ((lambda o, t, w: ("a", o)), (lambda o, t, w: ("b", o))),
    "objects": (Scaled(1.0), Scaled(2.0)),
    "methods": (Scaled(1.0).__call__, Scaled(2.0).__call__),
    "parts": (partial(scaled, factor=1.0), partial(scaled, factor=2.0)),
    "decorated": (cache(weighted(1.0)), cache(weighted(2.0))),
    "collections": (weighted([1, {"a": 2}]), weighted([1, {"a": 3}])),
}


@pytest.mark.parametrize(("one", "other"), LOSSES_OF_ONE_NAME.values(), ids=LOSSES_OF_ONE_NAME)
def test_losses_of_one_name_differ_by_what_they_compute(one: Any, other: Any) -> None:
    first, again, second = (code_digests(RULES["hypr"], Loss("mine", "any", step)) for step in (one, one, other))
    assert first == again != second


def test_a_loss_record_counts_whole() -> None:
    kinds = [Loss("mine", "any", cross_entropy), Loss("mine", "any", squared_error)]
    kinds += [Loss("mine", "step", cross_entropy), Loss("mine", "any", cross_entropy, last_only=True)]
    digests = [code_digests(RULES["hypr"], kind)["code of the loss"] for kind in kinds]
    assert len(set(digests)) == len(digests)
    with_itself: list[Any] = []
    with_itself.append(with_itself)
    assert digest_of(weighted(with_itself)) == digest_of(weighted(with_itself))


def test_another_process_has_the_same_digest() -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; import learning_rules as r; "
        "from hypr_neuro.train.code_digest import digest_of; print(digest_of(type(r.HOMEOSTATIC)))"
    )
    helpers = str(Path(__file__).parents[1] / "helpers")
    told = subprocess.run([sys.executable, "-c", program, helpers], text=True, capture_output=True, check=True).stdout
    assert told.strip() == digest_of(type(HOMEOSTATIC))


def test_a_run_does_not_go_on_with_other_code(tmp_path: Path) -> None:
    net, data = data_of()
    train(net.copy(), data, rule=rule(), epochs=1, checkpoint=tmp_path / "rule")
    train(net.copy(), data, rule=rule(SAME["a comment"]), epochs=1, checkpoint=tmp_path / "rule")
    with pytest.raises(FileFormatError, match=r"another run \(code of the rule differ\)"):
        train(net.copy(), data, rule=rule(OTHERS["a constant"]), epochs=1, checkpoint=tmp_path / "rule")
    train(net.copy(), data, loss=weighted(1.0), epochs=1, checkpoint=tmp_path / "loss")
    with pytest.raises(FileFormatError, match=r"another run \(code of the loss differ\)"):
        train(net.copy(), data, loss=weighted(2.0), epochs=1, checkpoint=tmp_path / "loss")


def test_a_checkpoint_without_a_digest_stays_readable(tmp_path: Path) -> None:
    net, data = data_of()
    train(net.copy(), data, epochs=1, checkpoint=tmp_path / "plain")
    meta, _ = load_arrays(tmp_path / "plain" / CHECKPOINT, KIND)
    assert not [name for name in meta["options"] if "code" in name]
    train(net.copy(), data, loss=weighted(1.0), epochs=1, checkpoint=tmp_path)
    meta, arrays = load_arrays(tmp_path / CHECKPOINT, KIND)
    del meta["options"]["code of the loss"]
    save_arrays(tmp_path / CHECKPOINT, KIND, meta, arrays)
    assert len(train(net.copy(), data, loss=weighted(1.0), epochs=1, checkpoint=tmp_path).epochs) == 1

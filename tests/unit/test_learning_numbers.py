"""Numbers of learning have one home: nobody else reads them off a profile, or builds something that learns for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from hypr_neuro.profiles.profile import Learning, Time

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {"time": set(Time.model_fields), "learning": set(Learning.model_fields)}
KEYS = FIELDS["time"] | FIELDS["learning"]
READERS = {
    "hypr_neuro/profiles/override.py": "changes them",
    "hypr_neuro/profiles/chip.py": "defines them, and makes the clock and the format of neurons",
    "hypr_neuro/profiles/rules.py": "makes those of single populations narrower",
    "hypr_neuro/profiles/abilities.py": "says in words what a chip can and cannot",
    "hypr_neuro/quantizing/abilities.py": "says which neuron parameters a chip learns, before there is a plan",
    "sim/learning/widths.py": "makes the widths",
    "sim/learning/plan.py": "reads the name of the error, which is no number",
    "hypr_neuro/placement/place.py": "says why nothing can learn, where there is no plan",
    "compilers/c/boards.py": "names a narrower width as a remedy",
    "sim/learning/options.py": "refuses options that the device has no room for, before there is a plan",
}


def profile_reads(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every way to the time rules or learning widths of a profile: profile.time, chip.learning, …."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in FIELDS:
            owner = ast.unparse(node.value).split(".")[-1]
            if owner in ("profile", "chip", "device"):
                yield node.lineno, ast.unparse(node)
        # whatever the section was called on the way: rules.error_latency.value
        elif isinstance(node, ast.Attribute) and node.attr == "value" and getattr(node.value, "attr", "") in KEYS:
            yield node.lineno, ast.unparse(node.value)


def test_times_and_widths_of_a_profile_are_read_in_one_place() -> None:
    """Everyone else asks the clock or the plan, so that a rule of time or a width is spelled once."""
    found: dict[str, list[str]] = {}
    for folder in ("hypr_neuro", "sim", "compilers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, text in profile_reads(path.read_text(encoding="utf-8")):
                found.setdefault(path.relative_to(ROOT).as_posix(), []).append(f"line {line}: {text}")
    others = {path: lines for path, lines in found.items() if path not in READERS}
    assert not others, f"{others}: read the clock (graph/clock.py) or the plan (sim/learning/plan.py)"
    assert set(found) == set(READERS), "a reader that reads nothing any more: take it out of the list"


def test_the_search_finds_every_spelling() -> None:
    source = """
rules = qnet.profile.learning
a = rules.eligibility_bits.value
b = chip.time.error_latency.value
c = self.time.tick
"""
    assert {line for line, _ in profile_reads(source)} == {2, 3, 4}
    assert not list(profile_reads("plan.layers[0].widths.eligibility_bits; learner.learning"))


TIMES = {"delay", "lag", "latency", "length", "steps", "tail"}


def counts_layers(node: ast.AST | None) -> bool:
    """Whether an expression takes the number of layers: len(qnet.layers), len(names), …."""
    found = [] if node is None else list(ast.walk(node))
    calls = (n for n in found if isinstance(n, ast.Call) and ast.unparse(n.func) == "len" and n.args)
    return any(ast.unparse(call.args[0]).split(".")[-1] in ("layers", "names") for call in calls)


def layers_as_steps(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) where the number of layers is a time: a name of a time gets it, it is added, or cuts steps off."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            pairs = [(t, node.value) for t in node.targets]
            pairs += [
                pair
                for target, value in pairs
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                for pair in zip(target.elts, value.elts, strict=True)
            ]
            found = any(isinstance(t, ast.Name) and t.id in TIMES and counts_layers(value) for t, value in pairs)
        elif isinstance(node, ast.keyword):
            found = node.arg in TIMES and counts_layers(node.value)
        elif isinstance(node, ast.Slice):
            found = counts_layers(node.lower) or counts_layers(node.upper)
        else:
            sides = (node.left, node.right) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) else ()
            found = any(isinstance(side, ast.Call) and counts_layers(side) for side in sides)
        if found:
            yield node.lineno if hasattr(node, "lineno") else 0, ast.unparse(node)


def test_no_latency_is_a_number_of_layers() -> None:
    """It is that on a chip whose connections take one step; the clock knows the others."""
    found = [
        f"{path.relative_to(ROOT).as_posix()}, line {line}: {text}"
        for folder in ("hypr_neuro", "sim", "compilers")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in layers_as_steps(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"{found}: ask the clock (graph/clock.py) or the network (tail)"


def test_the_search_finds_layers_as_steps() -> None:
    source = """
tail = len(qnet.layers)
tail, samples = len(qnet.layers), len(x)
steps = x.shape[1] + len(network.layers)
readout = outputs[len(names) :]
run(network, tail=len(self.layers))
"""
    assert {line for line, _ in layers_as_steps(source)} == {2, 3, 4, 5, 6}
    assert not list(layers_as_steps("last = len(qnet.layers) - 1; tail = qnet.tail; n = range(len(qnet.layers))"))


LEARNERS = {
    "hypr_neuro.sim.learning.learner": {
        "sim/learning/learn.py": "runs it",
        "sim/learning/simulated.py": "is it, behind what the loop over epochs drives",
        "hypr_neuro/comparing/gap.py": "compares the gradients of its first samples",
        "sim/learning/state.py": "stores it",
        "hypr_neuro/comparing/probes.py": "runs it beside float",
        "hypr_neuro/comparing/update_probe.py": "is called by it",
    },
    "hypr_neuro.sim.learning.reference": {},
    "hypr_neuro.sim.learning.reference_layer": {"sim/learning/reference.py": "is made of it"},
    "hypr_neuro.sim.learning.reference_update": {
        "sim/learning/reference.py": "is made of it",
        "sim/learning/reference_layer.py": "takes a type",
    },
}


def test_nobody_builds_a_learner_or_the_definition_for_a_number() -> None:
    found: dict[str, set[str]] = {module: set() for module in LEARNERS}
    for folder in ("hypr_neuro", "sim", "compilers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module in found:
                    found[node.module].add(path.relative_to(ROOT).as_posix())
    assert found == {module: set(users) for module, users in LEARNERS.items()}, (
        "read the plan (sim/learning/plan.py); who runs or stores what learns is listed here"
    )

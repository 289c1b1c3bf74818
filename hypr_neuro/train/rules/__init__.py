"""Learning rules, one file each. Every module of this folder that defines ``RULE`` is found by its file name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hypr_neuro.errors import InputError
from hypr_neuro.train.rules.base import Rule


def _load() -> dict[str, Rule]:
    """Import every file of the folder; one that fails to import stops the program."""
    found = {}
    for info in iter_modules(__path__):
        rule = getattr(import_module(f"{__name__}.{info.name}"), "RULE", None)
        if rule is not None:
            if rule.name != info.name:
                raise InputError(f"rules/{info.name}.py: RULE.name = {rule.name!r}, rule: it equals the file's name")
            found[rule.name] = rule
    return found


RULES: dict[str, Rule] = _load()


def get_rule(name: str) -> Rule:
    """The rule of that name; an unknown name lists the known ones."""
    if name not in RULES:
        raise InputError(f"unknown rule '{name}', known: {', '.join(sorted(RULES))}")
    return RULES[name]

"""Learning rules, one file each. Every module of this folder that defines ``RULE`` is found by its file name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.train.rules.base import Rule

RuleChoice = str | Mapping[str, Any] | Rule
"""A rule's name, {"name": …, and settings of its own}, or the rule itself."""


def _load() -> dict[str, Rule]:
    """Import every file of the folder; one that fails to import stops the program."""
    rules = {}
    for info in iter_modules(__path__):
        rule = getattr(import_module(f"{__name__}.{info.name}"), "RULE", None)
        if rule is not None:
            if rule.name != info.name:
                raise InputError(f"rules/{info.name}.py: RULE.name = {rule.name!r}, rule: it equals the file's name")
            rules[rule.name] = rule
    return rules


RULES: dict[str, Rule] = _load()
FIXED = ("name", "source", "own_spike", "recurrent", "above", "error_feedback", "eligibility")
"""Fields that make a rule what it is; all others are settings."""


def get_rule(chosen: RuleChoice) -> Rule:
    """Find the rule of that name, with its settings; unknown names and settings list the known ones."""
    if isinstance(chosen, Rule):
        return chosen
    settings = {"name": chosen} if isinstance(chosen, str) else dict(chosen)
    name = settings.pop("name", None)
    if name not in RULES:
        raise InputError(f"unknown rule '{name}', known: {', '.join(sorted(RULES))}")
    known = [f.name for f in fields(RULES[name]) if f.name not in FIXED]
    for key in settings:
        if key not in known:
            raise InputError(f"rule '{name}': unknown setting '{key}', known: {', '.join(known)}")
    return replace(RULES[name], **settings) if settings else RULES[name]

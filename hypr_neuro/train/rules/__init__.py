"""Learning rules, one file each. Every module of this folder that defines ``RULE`` is found by its file name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.numbers.registry import load_records, without_record
from hypr_neuro.train.rules.base import Rule

RuleChoice = str | Mapping[str, Any] | Rule
"""A rule's name, {"name": …, and settings of its own}, or the rule itself."""


RULES: dict[str, Rule] = load_records(__name__, __path__, "RULE", Rule)
FIXED = ("name", "source", "own_spike", "recurrent", "above", "error_feedback", "eligibility")
"""Fields that make a rule what it is; all others are settings."""


def get_rule(chosen: RuleChoice) -> Rule:
    """Find the rule of that name, with its settings; unknown names and settings list the known ones."""
    if isinstance(chosen, Rule):
        return chosen
    if not isinstance(chosen, (str, Mapping)):
        made = f"class {chosen.__name__}, rule: a" if isinstance(chosen, type) else f"{chosen!r:.60}, rule: a name, a"
        raise InputError(f'rule = {made} Rule(name, source, …), or {{"name": …}} with settings')
    settings = {"name": chosen} if isinstance(chosen, str) else dict(chosen)
    name = settings.pop("name", None)
    if not isinstance(name, str) or name not in RULES:
        file = without_record(__name__, __path__, name, "RULE")
        raise InputError(f"unknown rule {among(name, sorted(RULES), file)}")
    known = [f.name for f in fields(RULES[name]) if f.name not in FIXED]
    for key in settings:
        if key not in known:
            raise InputError(f"rule '{name}': unknown setting {among(key, known)}")
    return replace(RULES[name], **settings) if settings else RULES[name]


def rule_of_a_batch(chosen: RuleChoice) -> Rule:
    """Find the rule as `get_rule` does; InputError for one that changes weights inside the sequence."""
    rule = get_rule(chosen)
    if rule.update_every is not None:
        raise InputError(
            f"rule '{rule.name}' with update_every = {rule.update_every}, rule: None, as this is one gradient of the "
            "whole sequence; take hn.train or train.online.online_gradients, or set the rule's update_every to None"
        )
    return rule

"""Update rules: from the gradient of a connection to the change that each of its weights should make.

One file a rule. `UPDATES` finds them: a module of this package with a `RULE` is one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hypr_neuro.sim.learning.updates.base import UpdateRule


def _load() -> dict[str, UpdateRule]:
    rules = {}
    for info in iter_modules(__path__):
        rule = getattr(import_module(f"{__name__}.{info.name}"), "RULE", None)
        if isinstance(rule, UpdateRule):
            rules[rule.name] = rule
    return rules


UPDATES: dict[str, UpdateRule] = _load()
"""By name."""

"""Update rules: from the gradient of a connection to the change that each of its weights should make.

One file a rule, found by its file name: a module of this package with a `RULE` is one.
"""

from __future__ import annotations

from hypr_neuro.errors import like_and_known
from hypr_neuro.numbers.registry import load_records, without_record
from hypr_neuro.sim.learning.updates.base import UpdateRule

UPDATES: dict[str, UpdateRule] = load_records(__name__, __path__, "RULE", UpdateRule)
"""By name."""


def of_unknown(name: object) -> str:
    """Return what to say behind a name that no rule has: whether its file lacks a `RULE`, one like it, all known."""
    return f"{without_record(__name__, __path__, name, 'RULE')}{like_and_known(name, sorted(UPDATES))}"

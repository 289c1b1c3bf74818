"""What connections of every kind have in common, two ends and a shape, and what these must be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.numbers.checks import whole


class Endpoints:
    """Endpoints of a connection from `source` to `target`."""

    source: str
    target: str

    @property
    def name(self) -> str:
        """'source -> target', as errors name it."""
        return f"{self.source} -> {self.target}"


class WeightedEnds(Endpoints):
    """Endpoints of a connection with one weight for each pair of neurons."""

    weights: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(post, pre)."""
        post, pre = self.weights.shape
        return int(post), int(pre)


def check_ends(c: Any, inputs: int, populations: Sequence[Any]) -> None:
    """Raise InputError for a connection, of integers or of floats, whose ends, shape or current a network lacks.

    `populations` are the network's, each with name, size and model; `inputs` the channels of its input.
    """
    whole(f"connection {c.name}: current", c.current)
    by_name = {p.name: p for p in populations}
    for end, known in ((c.source, [INPUT, *by_name]), (c.target, list(by_name))):
        if end not in known:
            raise InputError(f"connection {c.name}: unknown {among(end, known)}")
    pre = inputs if c.source == INPUT else by_name[c.source].size
    target = by_name[c.target]
    if c.shape != (target.size, pre):
        raise InputError(f"connection {c.name}: weights of shape {c.shape}, rule: ({target.size}, {pre})")
    if not 0 <= c.current < target.model.currents:
        raise InputError(
            f"connection {c.name}: current {c.current}, '{target.model.name}' has "
            f"{target.model.currents} input current(s), counted from 0"
        )


def check_populations(populations: Sequence[Any], outputs: Sequence[str]) -> None:
    """Raise InputError for names that do not tell populations apart, and outputs that are none of them."""
    names = [p.name for p in populations]
    if not names or len(set(names)) != len(names) or INPUT in names:
        raise InputError(f"populations {names}, rule: at least one, names differ and none is '{INPUT}'")
    for prefix, name in permutations(names, 2):
        if name.startswith(f"{prefix}/"):
            raise InputError(f"population '{name}', rule: no name starts with another's and '/', '{prefix}/' here")
    if not outputs or len(set(outputs)) != len(outputs) or not set(outputs) <= set(names):
        raise InputError(f"outputs {tuple(outputs)}, rule: populations of the network, known: {', '.join(names)}")

"""Constant currents as lines of ones, which netx has a place for.

A line that is always on (`Synapses.always_on`) with delay D acts from step D + 1 on. It becomes a line like others:

    into the first layer    one more input channel, which has to be 1 in every step
    into a later layer      one more neuron in the layer below, which fires in every step from step b on

A line that is 1 from step b on acts from step b + d + 1 on, over weights of delay d: where b = D - d. A neuron for
b = 0 receives nothing; its bias on v exceeds its threshold by one unit. One for b > 0 receives from a line of the layer
below that is 1 from step b - 1 on, and passes that on: its threshold is 0, its current lasts one step. So layer i, from
0 on, can have lines from below for every b up to i; beyond that, delays help where the layer may have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population, Synapses
from hypr_neuro.numbers.arrays import Array

RULE = "rule for netx"
REQUANTIZE = '"hypr-neuro quantize GRAPH --target netx" (hn.quantize_graph(graph, profile, target="netx"))'
"""What makes integers that netx can hold."""
RELAY = 2
"""Weight that makes a neuron of threshold 0 fire; even, so that no sign mode clears it."""


@dataclass(frozen=True)
class Constant:
    """A constant current: the connection's name, the current, its delay, whole weights (post,)."""

    name: str
    current: int
    delay: int
    weights: Array


@dataclass(frozen=True)
class Line:
    """A line from below that is 1 from step `start` on: weights (size,) of the layer by current, and their delay."""

    start: int
    delay: int
    weights: dict[int, Array]


Planned = tuple[tuple[Line, ...], tuple[int, ...]]


def is_line(c: Synapses) -> bool:
    """Whether a connection is nothing but a line that is always on."""
    weights = c.weights if isinstance(c.weights, np.ndarray) else c.weights.data
    return c.always_on is not None and not weights.any()


def plan(
    populations: Sequence[Population],
    constants: Sequence[list[Constant]],
    uniform: Sequence[int | None],
    recurrent: Sequence[bool],
) -> list[Planned]:
    """For each layer the constant lines from below and the steps from which its own helpers fire, from the last down.

    uniform : the one delay of what comes from below, None for several
    """
    found: list[Planned] = []
    helpers: tuple[int, ...] = ()
    for i in reversed(range(len(populations))):
        p = populations[i]
        if helpers and p.model.name != "lif":
            raise InputError(
                f"population '{p.name}': a neuron of '{p.model.name}' has no bias that makes it fire in "
                f"every step, {RULE}: constant currents start at the input or beside 'lif'; put a layer "
                "of 'lif' between"
            )
        delayed = p.model.name == "lif" and not recurrent[i]
        lines = _lines(p, i, constants[i], uniform[i], helpers, delayed)
        found.append((lines, helpers))
        helpers = tuple(line.start for line in lines)
    return found[::-1]


def _lines(
    p: Population, i: int, constants: list[Constant], uniform: int | None, helpers: tuple[int, ...], delayed: bool
) -> tuple[Line, ...]:
    """One line for each pair of start and delay that the layer needs."""
    size = p.size + len(helpers)
    weights: dict[tuple[int, int], dict[int, Array]] = {}

    def add(name: str, current: int, delay: int, rows: slice, values: Any) -> None:
        key = _source(name, i, delay, uniform, delayed)
        column = weights.setdefault(key, {}).setdefault(current, np.zeros(size, np.int64))
        column[rows] += values

    for c in constants:
        add(c.name, c.current, c.delay, slice(p.size), c.weights)
    for k, start in enumerate(helpers):
        if start:
            add(f"to '{p.name}'", 0, start - 1, slice(p.size + k, p.size + k + 1), RELAY)
    return tuple(Line(start, delay, by_current) for (start, delay), by_current in sorted(weights.items()))


def _source(name: str, i: int, total: int, uniform: int | None, delayed: bool) -> tuple[int, int]:
    """(start, delay) of a line from below layer i with start + delay = total."""
    latest, delay = i, uniform or 0
    for own in (delay, 0):
        if 0 <= total - own <= latest and (delayed or own == 0):
            return total - own, own
    if delayed:
        return 0, total
    raise InputError(
        f"connection {name}: a constant current of delay {total}, {RULE}: at most {latest} into layer "
        f"{i}, which has no delays; shorten it"
    )

"""Constant currents as input axons that are 1 in every step, which netx has a place for.

A constant current (`Synapses.always_on`) with delay D acts from step D + 1 on. It becomes an axon like others:

    into the first layer    one more input channel, which has to be 1 in every step
    into a later layer      one more neuron in the layer below, which fires in every step from step b on

An axon that is 1 from step b on acts from step b + d + 1 on, over weights of delay d: where b = D - d. A neuron for
b = 0 receives nothing; its bias on v exceeds its threshold by one unit. One for b > 0 receives from an axon of the
layer below that is 1 from step b - 1 on, and passes that on: its threshold is 0, its current lasts one step. So layer
i, from 0 on, can have axons from below for every b up to i; beyond that, delays help where the layer may have them.
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
REQUANTIZE = '"hypr-neuro quantize GRAPH --target netx" (hn.quantize(net, profile, target="netx", …))'
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
class ConstantAxon:
    """An axon from below that is 1 from `first_step` on: weights (size,) of the layer by current, and their delay."""

    first_step: int
    delay: int
    weights: dict[int, Array]


LayerConstants = tuple[tuple[ConstantAxon, ...], tuple[int, ...]]


def is_constant_current(c: Synapses) -> bool:
    """Return whether a connection is nothing but a constant current."""
    weights = c.weights if isinstance(c.weights, np.ndarray) else c.weights.data
    return c.always_on is not None and not weights.any()


def place_constants(
    populations: Sequence[Population],
    constants: Sequence[list[Constant]],
    uniform: Sequence[int | None],
    recurrent: Sequence[bool],
) -> list[LayerConstants]:
    """Return for each layer its constant axons from below and the steps from which its own helpers fire.

    Layers are taken from the last down, since a layer's axons need helpers in the layer below.

    Parameters
    ----------
    populations
        Spiking populations in order.
    constants
        Constant currents into each.
    uniform
        The one delay of what comes from below into each, None for several.
    recurrent
        Whether each has recurrent weights, which excludes delays.
    """
    placed: list[LayerConstants] = []
    helpers: tuple[int, ...] = ()
    for i in reversed(range(len(populations))):
        p = populations[i]
        if helpers and p.model.name != "lif":
            raise InputError(
                f"population '{p.name}': a neuron of '{p.model.name}' has no bias that makes it fire in "
                f"every step, {RULE}: constant currents start at the input or beside 'lif'; put a layer "
                "of 'lif' between"
            )
        may_delay = p.model.name == "lif" and not recurrent[i]
        axons = _axons(p, i, constants[i], uniform[i], helpers, may_delay)
        placed.append((axons, helpers))
        helpers = tuple(axon.first_step for axon in axons)
    return placed[::-1]


def _axons(
    p: Population, i: int, constants: list[Constant], uniform: int | None, helpers: tuple[int, ...], may_delay: bool
) -> tuple[ConstantAxon, ...]:
    """Return one axon for each pair of first step and delay that the layer needs."""
    size = p.size + len(helpers)
    weights: dict[tuple[int, int], dict[int, Array]] = {}

    def add(name: str, current: int, delay: int, rows: slice, values: Any) -> None:
        key = _start_and_delay(name, i, delay, uniform, may_delay)
        column = weights.setdefault(key, {}).setdefault(current, np.zeros(size, np.int64))
        column[rows] += values

    for c in constants:
        add(c.name, c.current, c.delay, slice(p.size), c.weights)
    for k, first_step in enumerate(helpers):
        if first_step:
            add(f"to '{p.name}'", 0, first_step - 1, slice(p.size + k, p.size + k + 1), RELAY)
    return tuple(
        ConstantAxon(first_step, delay, by_current) for (first_step, delay), by_current in sorted(weights.items())
    )


def _start_and_delay(name: str, i: int, total: int, uniform: int | None, may_delay: bool) -> tuple[int, int]:
    """Return (first step, delay) of an axon from below layer i whose sum is `total`."""
    latest, delay = i, uniform or 0
    for axon_delay in (delay, 0):
        if 0 <= total - axon_delay <= latest and (may_delay or axon_delay == 0):
            return total - axon_delay, axon_delay
    if may_delay:
        return 0, total
    raise InputError(
        f"connection {name}: a constant current of delay {total}, {RULE}: at most {latest} into layer "
        f"{i}, which has no delays; shorten it"
    )

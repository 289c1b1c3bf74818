"""The record that an update rule is.

A rule turns the gradient G (n × m) of a connection into steps with 16 fraction bits, in mantissa units: what a weight
should go down by. `sim.learning.update` does the rest: momentum, stochastic rounding, saturation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shr_floor
from hypr_neuro.numbers.jit import jitable

STEP_FRACTION, GRADIENT_FRACTION = 16, 19
"""Of a step in mantissas, and of a gradient: a signal of full scale on an eligibility of 1 adds 2^19."""


@dataclass(frozen=True)
class UpdateRule:
    """One rule, in integers and in real numbers.

    Attributes
    ----------
    name : str
        That of its file.
    description : str
        What it does to gradients, as reports say it.
    state : callable
        (n, m) -> names of what it remembers of a connection, with the shape of each for n rows and m columns, (n,) or
        (n, m).
    steps : callable
        Jitable (gradient, state, rate, limit, average_shift, step) -> None; gradient (n, m) of 64 bits, state a tuple
        of int64 arrays in the order of `state` (updated), step (n, m) int64, all 0, is filled. The simulator and Lava
        compile it, C is its syntax tree, and the reference runs it on words.
    real : callable
        The same in real numbers, (gradient, state, rate, limit, average_shift, scale) -> step in mantissas; state of
        float64 arrays (updated), scale the size of the integer gradient where this one is 1.
    """

    name: str
    description: str
    state: Callable[[int, int], dict[str, tuple[int, ...]]]
    steps: Callable[..., None]
    real: Callable[..., Array]


@jitable
def squares_dropped(count: Any) -> Any:
    """Count the bits that 32-bit gradients squared lose so that a sum of `count` fits 63 bits; even, at least 10."""
    bits = 0
    while count >> bits:
        bits += 1
    return 10 + 2 * max(0, -((11 - bits) // 2))


@jitable
def averaged(old: int, value: int, average_shift: int) -> int:
    """Average: old + ⌊(value - old) / 2^shift⌋; an average that is still 0 takes the value."""
    return value if old == 0 else old + shr_floor(value - old, average_shift)


@jitable
def clipped(step: int, top: int) -> int:
    """Clamp a step to ±top."""
    return min(max(step, -top), top)


def real_averaged(old: Array, value: Array, average_shift: int) -> Array:
    """Average as `averaged` does, in real numbers, every entry."""
    return np.where(old == 0.0, value, old + (value - old) / (1 << average_shift))


def real_normalised(gradient: Array, norm: Array, rate: float, limit: float) -> Array:
    """Compute rate · clip(G / norm, ±limit), 0 where the norm is 0."""
    step = np.divide(gradient, np.broadcast_to(norm, gradient.shape), out=np.zeros_like(gradient), where=norm > 0)
    return np.asarray(rate * np.clip(step, -limit, limit))

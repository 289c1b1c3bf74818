"""The record that an update rule is.

A rule turns the gradient G (n × m) of a connection into steps with 16 fraction bits, in mantissa units: what a weight
should go down by. `sim.update` does the rest: momentum, stochastic rounding, saturation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypr_neuro.numbers.fixed_point import shr_floor
from hypr_neuro.numbers.jit import jitable

STEP_FRACTION = 16


@dataclass(frozen=True)
class UpdateRule:
    """One rule.

    state : names of what it remembers of a connection, with the shape of each for n rows and m columns
    steps : jitable (gradient, state, rate, limit, average_shift, step) -> None; state is a tuple of int64 arrays in
        the order of `state` (updated), step (n, m) int64 is filled
    """

    name: str
    description: str
    state: Callable[[int, int], dict[str, tuple[int, ...]]]
    steps: Callable[..., None]


def square_shift(n: int, m: int) -> int:
    """Bits dropped from squares of 32-bit gradients so that a sum of n or m of them fits 63 bits; even, at least 10."""
    return 10 + 2 * max(0, -(-(max(n, m).bit_length() - 11) // 2))


@jitable
def squares_dropped(count: Any) -> Any:
    """`square_shift` in kernels: for sums of at most `count` squares."""
    bits = 0
    while count >> bits:
        bits += 1
    return 10 + 2 * max(0, -((11 - bits) // 2))


@jitable
def averaged(old: int, value: int, average_shift: int) -> int:
    """old + ⌊(value - old) / 2^shift⌋; an average that is still 0 takes the value."""
    return value if old == 0 else old + shr_floor(value - old, average_shift)


@jitable
def clipped(step: int, top: int) -> int:
    """step clamped to ±top."""
    return min(max(step, -top), top)

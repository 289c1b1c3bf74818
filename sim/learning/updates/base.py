"""The record that an update rule is.

A rule turns the gradient G (n × m) of a connection into steps with 16 fraction bits, in mantissa units: what a weight
should go down by. `sim.learning.update` does the rest: momentum, stochastic rounding, saturation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shr_floor
from hypr_neuro.numbers.jit import jitable

STEP_FRACTION, GRADIENT_FRACTION = 16, 19
"""Of a step in mantissas, and of a gradient: a signal of full scale on an eligibility of 1 adds 2^19."""
GRADIENT_BITS = 32
"""Of the widest accumulator of gradients that a profile may have."""
KEPT = ("momentum", "residual")
"""What learning keeps of a connection beside the rule's own numbers, by name."""


@dataclass(frozen=True)
class StateArray:
    """Numbers that a rule keeps of a connection from update to update; all 0 at first.

    Attributes
    ----------
    shape : tuple of int
        (n,), (m,), (1,) or (n, m), for n rows and m columns.
    bits : int
        Of each number: what memory of learning counts, and what the definition holds every number to.
    signed : bool
        Whether one may be negative; the sign is then one of the bits.
    """

    shape: tuple[int, ...]
    bits: int
    signed: bool = False

    @property
    def word_bits(self) -> int:
        """Bits of a signed word that holds each number."""
        return self.bits + (not self.signed)


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
        (n, m, accumulator_bits) -> what it keeps of a connection of n rows and m columns, a `StateArray` by name;
        gradients have accumulator_bits, sign included, and magnitudes below 2^(accumulator_bits - 1).
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
    state: Callable[[int, int, int], dict[str, StateArray]]
    steps: Callable[..., None]
    real: Callable[..., Array]

    def __post_init__(self) -> None:
        """Raise InputError for a `state` that no executor can keep."""
        # several sizes, so that (m, n) and lengths which only happen to fit are seen
        for n, m in ((1, 1), (2, 3), (7, 5)):
            try:
                given = list(self.state(n, m, GRADIENT_BITS).items())
            except (AttributeError, TypeError) as error:
                raise InputError(
                    f"update rule '{self.name}': state: {error}, rule: state(n, m, accumulator_bits) -> dict"
                ) from error
            for name, array in given:
                self._check_state(name, array, n, m)

    def _check_state(self, name: str, array: StateArray, n: int, m: int) -> None:
        """Raise InputError for one number or array that it keeps of n rows and m columns."""
        told = f"update rule '{self.name}': state '{name}'"
        if not isinstance(array, StateArray):
            raise InputError(f"{told} = {array!r}, rule: StateArray(shape, bits)")
        if array.shape not in ((n,), (m,), (1,), (n, m)):
            raise InputError(f"{told} of shape {array.shape} at n = {n}, m = {m}, rule: (n,), (m,), (1,) or (n, m)")
        if not name.isidentifier() or name in KEPT:
            raise InputError(
                f"{told}, rule: a name that Python and C take, and none of {', '.join(KEPT)}, which learning keeps of "
                "a connection itself; rename it"
            )

    def shapes(self, n: int, m: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of what it keeps alone, which do not depend on widths."""
        return {name: array.shape for name, array in self.state(n, m, GRADIENT_BITS).items()}


@jitable
def squares_dropped(count: Any) -> Any:
    """Count the bits that 32-bit gradients squared lose so that a sum of `count` fits 63 bits; even, at least 10."""
    bits = 0
    while count >> bits:
        bits += 1
    return 10 + 2 * max(0, -((11 - bits) // 2))


def mean_square_bits(accumulator_bits: int, count: int) -> int:
    """Return the bits of a mean of squares that lost `squares_dropped` of `count`; it is never negative.

    |G| < 2^(a - 1) with a = accumulator_bits, so that a square, and a mean of squares, stays below 2^(2 (a - 1) - s).
    """
    return max(2 * (accumulator_bits - 1) - int(squares_dropped(count)), 0)


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

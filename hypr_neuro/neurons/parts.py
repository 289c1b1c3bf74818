"""What a neuron's record is made of: its states, its parameters, what of it learns, and functions that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True)
class StateVar:
    """One state: its name and, in integers, what happens at the edge of its declared width."""

    name: str
    overflow: str = ""
    description: str = ""


@dataclass(frozen=True)
class Param:
    """One parameter of the float model; `low` and `high` bound it, both ends allowed unless `open_low`."""

    name: str
    unit: str
    default: float
    low: float
    high: float
    trainable: bool = False
    open_low: bool = False
    description: str = ""

    def check(self, where: str, values: Array) -> None:
        """Raise InputError, naming the first neuron outside the range."""
        low_bad = values <= self.low if self.open_low else values < self.low
        bad = np.flatnonzero(low_bad | (values > self.high) | ~np.isfinite(values))
        if bad.size:
            rule = f"{self.low} {'<' if self.open_low else '<='} {self.name} <= {self.high} [{self.unit}]"
            raise InputError(f"{where}: {self.name}[{bad[0]}] = {values[bad[0]]}, rule: {rule}")


@dataclass(frozen=True)
class Learned:
    """What of a neuron learns on a chip beside weights: one integer for each trainable parameter, in their order.

    Parameters of a model without this record stay as they are on a chip.

    Attributes
    ----------
    values : callable
        (float parameters) -> the real numbers that these integers stand for, (n,) each; BRF: δ|ω| and δ|b'|.
    params : callable
        (float parameters, values) -> float parameters that have these values, all else as given.
    units : callable
        (constants by name) -> real size of one unit of change of each.
    read : callable
        (per-neuron integers by name, constants by name) -> values of the integers, (n,) each.
    change : callable
        (p, change) -> per-neuron integers after value ← value - change · unit, clamped to their range; scalar integers
        and tuples as in step functions.
    """

    values: Callable[[Mapping[str, Array]], tuple[Array, ...]]
    params: Callable[[Mapping[str, Array], tuple[Array, ...]], dict[str, Array]]
    units: Callable[[Mapping[str, int]], tuple[float, ...]]
    read: Callable[[Mapping[str, Array], Mapping[str, int]], tuple[Array, ...]]
    change: Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]


def no_integer_form(*_: Any) -> Any:
    """Stand for the integer functions of a model that is float only."""
    raise InputError("this neuron has no integer form")


def no_float_form(*_: Any) -> Any:
    """Stand for the float functions of a model that is integer only."""
    raise InputError("this neuron has no float form")

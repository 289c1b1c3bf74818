"""Optimizers: one class each, state as named arrays so that a checkpoint holds all of it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError

Array = NDArray[Any]


class Optimizer(Protocol):
    """update(values, gradient) changes the arrays in `values` in place; `state` is everything it remembers."""

    rate: float
    state: dict[str, Array]

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None: ...


class Adam:
    """m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², w ← w - rate · m̂ / (√v̂ + ε) (Kingma & Ba 2015)."""

    def __init__(self, rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.state: dict[str, Array] = {"steps": np.zeros(())}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        self.state["steps"] = self.state["steps"] + 1
        steps = float(self.state["steps"])
        for name, value in values.items():
            g = gradient[name].astype(np.float64)
            m = self.state.get(f"m/{name}", np.zeros_like(value))
            v = self.state.get(f"v/{name}", np.zeros_like(value))
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            self.state[f"m/{name}"], self.state[f"v/{name}"] = m, v
            scale = self.rate / (1 - self.beta1**steps)
            value[...] = value - scale * m / (np.sqrt(v / (1 - self.beta2**steps)) + self.epsilon)


class Factored:
    """The update of on-chip learning, in float: gradients normalised by row and column.

    R_i ← R_i + 2^-k (mean_j g_ij² - R_i), C_j likewise over rows (both start at the first gradient's values),
    ĝ_ij = clip(g_ij / √(R_i C_j / mean R), ±limit), w ← w - rate · lsb · ĝ. `lsb` gives each array the size of one
    weight step on the chip, so that `rate` means the same as there.
    """

    def __init__(self, rate: float, lsb: dict[str, float], average_shift: int = 6, limit: float = 4.0) -> None:
        self.rate, self.lsb, self.average_shift, self.limit = rate, lsb, average_shift, limit
        self.state: dict[str, Array] = {}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        for name, lsb in self.lsb.items():
            g = gradient[name].astype(np.float64)
            square = g * g
            row = self._average(f"row/{name}", square.mean(axis=1))
            column = self._average(f"column/{name}", square.mean(axis=0))
            if not np.any(row):
                continue
            norm = np.sqrt(row)[:, None] * np.sqrt(column)[None, :] / np.sqrt(row.mean())
            step = np.clip(np.divide(g, norm, out=np.zeros_like(g), where=norm > 0), -self.limit, self.limit)
            values[name] -= self.rate * lsb * step

    def _average(self, name: str, value: Array) -> Array:
        old = self.state.get(name)
        if old is None or not np.any(old):
            new = value
        else:
            new = old + (value - old) / (1 << self.average_shift)
        self.state[name] = new
        return new


OPTIMIZERS: dict[str, type[Any]] = {"adam": Adam}


def make_optimizer(name: str, rate: float) -> Optimizer:
    """The optimizer of that name; an unknown name lists the known ones."""
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer '{name}', known: {', '.join(sorted(OPTIMIZERS))}")
    if not rate > 0:
        raise InputError(f"rate = {rate}, rule: positive")
    made: Optimizer = OPTIMIZERS[name](rate)
    return made

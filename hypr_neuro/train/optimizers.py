"""Optimizers: one class each, state as named arrays so that a checkpoint holds all of it."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
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


class SGD:
    """m ← μ m + g, w ← w - rate · m; μ = momentum."""

    def __init__(self, rate: float, momentum: float = 0.9) -> None:
        self.rate, self.momentum = rate, momentum
        self.state: dict[str, Array] = {}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        for name, value in values.items():
            m = self.momentum * self.state.get(f"m/{name}", np.zeros_like(value)) + gradient[name]
            self.state[f"m/{name}"] = m
            value[...] = value - self.rate * m


class RMSprop:
    """v ← ρ v + (1-ρ) g², w ← w - rate · g / (√v + ε) (Tieleman & Hinton 2012); ρ = decay."""

    def __init__(self, rate: float, decay: float = 0.99, epsilon: float = 1e-8) -> None:
        self.rate, self.decay, self.epsilon = rate, decay, epsilon
        self.state: dict[str, Array] = {}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        for name, value in values.items():
            g = gradient[name]
            v = self.decay * self.state.get(f"v/{name}", np.zeros_like(value)) + (1 - self.decay) * g * g
            self.state[f"v/{name}"] = v
            value[...] = value - self.rate * g / (np.sqrt(v) + self.epsilon)


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


OPTIMIZERS: dict[str, type[Any]] = {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}


def make_optimizer(chosen: str | Mapping[str, Any], rate: float) -> Optimizer:
    """The optimizer of that name, or {"name": …, and its own settings}; unknown ones are refused with those known."""
    settings = {"name": chosen} if isinstance(chosen, str) else dict(chosen)
    name = settings.pop("name", None)
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer '{name}', known: {', '.join(sorted(OPTIMIZERS))}")
    if not 0 < rate < float("inf"):
        raise InputError(f"rate = {rate}, rule: positive and finite")
    known = list(signature(OPTIMIZERS[name]).parameters)[1:]
    for key, value in settings.items():
        if key not in known:
            raise InputError(f"optimizer '{name}': unknown setting '{key}', known: {', '.join(known)}")
        top = float("inf") if key == "epsilon" else 1.0  # all others are decays
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < top:
            raise InputError(f"optimizer '{name}': {key} = {value!r}, rule: a number, 0 <= {key} < {top}")
    made: Optimizer = OPTIMIZERS[name](rate, **settings)
    return made


def clip_norm(gradient: dict[str, Array], limit: float) -> None:
    """Scale all arrays together so that the norm √(Σ g²) over all of them is at most `limit`."""
    norm = float(np.sqrt(sum(float(np.sum(g * g)) for g in gradient.values())))
    if norm > limit:
        for name, g in gradient.items():
            gradient[name] = g * (limit / norm)

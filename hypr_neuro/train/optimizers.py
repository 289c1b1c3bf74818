"""Optimizers: one class each, state as named arrays so that a checkpoint holds all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Protocol

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array


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


SGD_SHIFT = 19
"""Of on-chip "sgd": the chip's gradient is 2^19 where a full-scale learning signal meets an eligibility of 1."""


class OnChip:
    """The update of on-chip learning, in float: w ← w - lsb · step, a step in units of one weight step of the chip.

    rule : step, with rate r, limit l and averages x ← x + 2^-k (… - x) that start at the first gradient's values
        "factored"  clip(r g_ij / √(R_i C_j / mean R), ±l r), R_i of mean_j g_ij², C_j of mean_i g_ij²
        "layer"     clip(r g_ij / √R, ±l r), R of mean g²
        "sgd"       clip(r 2^-19 scale g_ij, ±l), scale: size of the chip's integer gradient where float's is 1
        "sign"      r sign(g_ij)
    momentum : μ > 0 averages steps, M ← M + 2^-μ (step - M), step = M
    lsb, scale : by name of array; arrays that `lsb` does not name stay as they are
    """

    def __init__(
        self,
        rate: float,
        lsb: Mapping[str, float],
        *,
        rule: str = "factored",
        limit: float = 4.0,
        average_shift: int = 6,
        momentum: int = 0,
        scale: Mapping[str, float] | None = None,
    ) -> None:
        if rule not in _ON_CHIP:
            raise InputError(f"unknown rule '{rule}', known: {', '.join(sorted(_ON_CHIP))}")
        self.rate, self.lsb, self.rule, self.limit = rate, dict(lsb), rule, limit
        self.average_shift, self.momentum, self.scale = average_shift, momentum, dict(scale or {})
        self.state: dict[str, Array] = {}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        for name, lsb in self.lsb.items():
            values[name] -= lsb * self.step(name, gradient[name])

    def step(self, name: str, gradient: Array) -> Array:
        """Step of one array (n, m) in weight steps; averages and momentum move on."""
        step = _ON_CHIP[self.rule](self, name, gradient.astype(np.float64))
        if self.momentum:
            old = self.state.get(f"m/{name}", np.zeros_like(step))
            step = self.state[f"m/{name}"] = np.asarray(old + (step - old) / (1 << self.momentum))
        return step

    def _factored(self, name: str, g: Array) -> Array:
        square = g * g
        row = self._average(f"row/{name}", square.mean(axis=1))
        column = self._average(f"column/{name}", square.mean(axis=0))
        if not np.any(row):
            return np.zeros_like(g)
        return self._normalised(g, np.sqrt(row)[:, None] * np.sqrt(column)[None, :] / np.sqrt(row.mean()))

    def _layer(self, name: str, g: Array) -> Array:
        return self._normalised(g, np.sqrt(self._average(f"mean/{name}", np.array([[np.mean(g * g)]]))))

    def _sgd(self, name: str, g: Array) -> Array:
        step = self.rate / 2**SGD_SHIFT * self.scale.get(name, 1.0) * g
        return np.asarray(np.clip(step, -self.limit, self.limit))

    def _sign(self, name: str, g: Array) -> Array:
        return np.asarray(self.rate * np.sign(g))

    def _normalised(self, g: Array, norm: Array) -> Array:
        norm = np.broadcast_to(norm, g.shape)
        step = np.divide(g, norm, out=np.zeros_like(g), where=norm > 0)
        return np.asarray(self.rate * np.clip(step, -self.limit, self.limit))

    def _average(self, name: str, value: Array) -> Array:
        """Entries that are 0 so far take the value, as on the chip."""
        old = self.state.get(name, np.zeros_like(value))
        self.state[name] = np.where(old == 0.0, value, old + (value - old) / (1 << self.average_shift))
        return self.state[name]


_ON_CHIP: dict[str, Callable[[OnChip, str, Array], Array]] = {
    "factored": OnChip._factored,
    "layer": OnChip._layer,
    "sgd": OnChip._sgd,
    "sign": OnChip._sign,
}


class Factored(OnChip):
    """`OnChip` with gradients normalised by row and column."""

    def __init__(self, rate: float, lsb: Mapping[str, float], average_shift: int = 6, limit: float = 4.0) -> None:
        super().__init__(rate, lsb, limit=limit, average_shift=average_shift)


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

"""Optimizers: one class each, state as named arrays so that a checkpoint holds all of it."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, Protocol

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_number, said
from hypr_neuro.sim.learning.update import real_momentum_step
from hypr_neuro.sim.learning.updates import UPDATES, of_unknown


class Optimizer(Protocol):
    """A learning rate and what the optimizer remembers from update to update, `state`."""

    rate: float
    state: dict[str, Array]

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        """Change the arrays in `values` in place."""


class Adam:
    """m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², w ← w - rate · m̂ / (√v̂ + ε) (Kingma & Ba 2015)."""

    def __init__(self, rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.state: dict[str, Array] = {"steps": np.zeros(())}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        """Change the arrays in `values` in place; m̂ and v̂ are corrected for their start at 0."""
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
        """Change the arrays in `values` in place."""
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
        """Change the arrays in `values` in place."""
        for name, value in values.items():
            g = gradient[name]
            v = self.decay * self.state.get(f"v/{name}", np.zeros_like(value)) + (1 - self.decay) * g * g
            self.state[f"v/{name}"] = v
            value[...] = value - self.rate * g / (np.sqrt(v) + self.epsilon)


class OnChip:
    """The update of on-chip learning, in float: w ← w - lsb · step, a step in units of one weight step of the chip.

    Parameters
    ----------
    rate : float
        In weight steps.
    lsb : mapping of float
        Size of a weight step, by name of array; arrays that it does not name stay as they are.
    rule : str
        Of `sim.learning.updates`, whose `real` makes the steps.
    limit, average_shift
        As in `LearnOptions`.
    momentum : int
        μ > 0 averages steps over about 2^μ updates.
    scale : mapping of float, optional
        Size of the chip's integer gradient where float's is 1, by name of array.
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
        if rule not in UPDATES:
            raise InputError(f"unknown rule '{rule}'{of_unknown(rule)}")
        self.rate, self.lsb, self.rule, self.limit = rate, dict(lsb), rule, limit
        self.average_shift, self.momentum, self.scale = average_shift, momentum, dict(scale or {})
        self.state: dict[str, Array] = {}

    def update(self, values: dict[str, Array], gradient: dict[str, Array]) -> None:
        """Change the arrays in `values` that `lsb` names, in place."""
        for name, lsb in self.lsb.items():
            values[name] -= lsb * self.step(name, gradient[name])

    def step(self, name: str, gradient: Array) -> Array:
        """Compute the step of one array (n, m) in weight steps; averages and momentum move on."""
        rule, gradient = UPDATES[self.rule], gradient.astype(np.float64)
        state = [
            self.state.setdefault(f"{key}/{name}", np.zeros(shape))
            for key, shape in rule.shapes(*gradient.shape).items()
        ]
        step = rule.real(gradient, tuple(state), self.rate, self.limit, self.average_shift, self.scale.get(name, 1.0))
        if self.momentum:
            old = self.state.get(f"m/{name}", np.zeros_like(step))
            step = self.state[f"m/{name}"] = np.asarray(real_momentum_step(step, old, self.momentum))
        return step


OPTIMIZERS: dict[str, type[Any]] = {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}


def make_optimizer(chosen: str | Mapping[str, Any], rate: float) -> Optimizer:
    """Make the optimizer of that name, or of {"name": …, and its settings}; InputError for others, with those known."""
    if not isinstance(chosen, (str, Mapping)):
        raise InputError(f"{said('optimizer', chosen)}, rule: one of {', '.join(sorted(OPTIMIZERS))}, or a mapping")
    require_number("rate", rate)
    settings = {"name": chosen} if isinstance(chosen, str) else dict(chosen)
    name = settings.pop("name", None)
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer {among(name, sorted(OPTIMIZERS))}")
    if not 0 < rate < float("inf"):
        raise InputError(f"rate = {rate}, rule: positive and finite")
    known = list(signature(OPTIMIZERS[name]).parameters)[1:]
    for key, value in settings.items():
        if key not in known:
            raise InputError(f"optimizer '{name}': unknown setting {among(key, known)}")
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

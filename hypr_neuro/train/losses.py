"""Losses on the readout, with the derivative ∂L/∂o of each step; all arrays time-major.

output : (λ, batch, outputs) of a sub-sequence. target : (λ, batch) classes, or (λ, batch, outputs) real numbers
weight : (λ, batch), 0 where a step is not scored

A loss of single steps adds up step by step. A loss of the whole sequence is a function of S = Σ_t m_t h(o_t), so a
first pass through the sequence adds up S, and a second takes the derivative ∂L/∂o_t = m_t h'(o_t) ∂L/∂S.

A loss of the user's own is a function like `cross_entropy`, or a `Loss` made of one; an error that is known beforehand
is `GIVEN`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, update_wrapper
from math import exp, fsum, log
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import said
from hypr_neuro.numbers.compiling import compile_kernel


@dataclass(frozen=True)
class Loss:
    """One loss; either `step`, or `sum_of` with `mean`, is used.

    Attributes
    ----------
    targets : str
        "step" one class a step (one a sample stands for all its steps), "sample" one class a sample, "real", "any"
        classes where y holds integers and else real numbers, "error" ∂L/∂o itself.
    step : callable or None
        (output, target, weight) -> (loss of each sample (batch,), ∂L/∂o), both linear in weight.
    last_only : bool
        Only a sample's last scored step counts.
    sum_of : str or None
        h is "outputs" or "softmax".
    mean : bool
        L is taken at S / Σ_t m_t.
    """

    name: str
    targets: str
    step: Callable[[Array, Array, Array], tuple[Array, Array]] | None = None
    last_only: bool = False
    sum_of: str | None = None
    mean: bool = False

    def mask(self, mask: Array) -> Array:
        """Return the scored steps (sample, T) that this loss looks at."""
        if not self.last_only:
            return mask
        last = np.zeros_like(mask)
        scored = np.flatnonzero(mask.any(axis=1))
        last[scored, mask.shape[1] - 1 - mask[scored, ::-1].argmax(axis=1)] = True
        return last

    def part(self, output: Array, mask: Array) -> Array:
        """Compute a sub-sequence's share of S, (batch, outputs)."""
        values = softmax(output) if self.sum_of == "softmax" else output
        return np.asarray((values * mask[:, :, None]).sum(axis=0, dtype=np.float64))

    def at_sum(self, total: Array, count: Array, target: Array) -> tuple[Array, Array]:
        """Compute (loss of each sample, ∂L/∂S) at the final S, count = Σ_t m_t (batch,), target (batch,) classes."""
        scale = np.maximum(count, 1.0)[:, None] if self.mean else np.ones((len(count), 1))
        scored = (count > 0).astype(np.float64)[None]
        loss, by_sum = cross_entropy((total / scale)[None], target[None], scored)
        return loss, by_sum[0] / scale

    def through_sum(self, output: Array, mask: Array, by_sum: Array) -> Array:
        """Compute ∂L/∂o_t from ∂L/∂S."""
        signal = mask[:, :, None] * by_sum.astype(output.dtype)
        if self.sum_of == "softmax":
            chance = softmax(output)
            signal = chance * (signal - (chance * signal).sum(axis=2, keepdims=True))
        return np.asarray(signal.astype(output.dtype, copy=False))


@dataclass(frozen=True)
class RatePenalty:
    """Penalty on firing rates: Σ over layers of strength · mean over samples and neurons of (rate - target)².

    Layers are all populations that spike and are no output.

    Attributes
    ----------
    target : float
        Rate in spikes a step, 0 to 1.
    strength : float
        0 or larger.
    """

    target: float
    strength: float

    def __post_init__(self) -> None:
        if not (0 <= self.target <= 1 and 0 <= self.strength < float("inf")):
            raise InputError(
                f"rate penalty: target {self.target}, strength {self.strength}, rule: 0 <= target <= 1, 0 <= strength"
            )


def check_penalty(penalty: object) -> None:
    """Raise InputError for a penalty that is none."""
    if penalty is not None and not isinstance(penalty, RatePenalty):
        raise InputError(f"{said('penalty', penalty)}, rule: RatePenalty(target=…, strength=…), or None")


@cache
def _cross_entropy_kernel() -> Callable[..., None]:
    def kernel(output: Any, label: Any, weight: Any, loss: Any, grad: Any) -> None:
        steps, batch, classes = output.shape
        for t in range(steps):
            for b in range(batch):
                w, o, g = weight[t, b], output[t, b], grad[t, b]
                if w == 0.0:
                    for c in range(classes):
                        g[c] = 0.0
                    continue
                top = o[0]
                for c in range(classes):
                    top = max(top, o[c])
                total = 0.0
                for c in range(classes):
                    g[c] = exp(o[c] - top)
                    total += g[c]
                scale = w / total
                for c in range(classes):
                    g[c] *= scale
                g[label[t, b]] -= w
                loss[b] += w * (log(total) + top - o[label[t, b]])

    return compile_kernel(kernel)


def cross_entropy(output: Array, label: Array, weight: Array) -> tuple[Array, Array]:
    """Compute L_b = -Σ_t w_tb log softmax(o_tb)[y_tb] and ∂L/∂o_tb = w_tb (softmax(o_tb) - onehot(y_tb))."""
    loss, grad = np.zeros(output.shape[1]), np.empty_like(output)
    _cross_entropy_kernel()(output, label, weight, loss, grad)
    return loss, grad


def squared_error(output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
    """Compute L_b = Σ_t w_tb mean_k (o_tbk - y_tbk)² and ∂L/∂o_tbk = 2 w_tb (o_tbk - y_tbk) / outputs."""
    off = np.where(weight[:, :, None] > 0, output - target, 0.0)
    by_step = np.sum(off * off, axis=2, dtype=np.float64) / output.shape[2]
    # exact sums: the order of numpy's depends on the number of samples beside
    loss = np.array([fsum(column) for column in (weight * by_step).T.tolist()])
    return loss, np.asarray((2.0 / output.shape[2] * weight[:, :, None] * off).astype(output.dtype))


def perceptron(output: Array, label: Array, weight: Array) -> tuple[Array, Array]:
    """Compute L_b = Σ_t w_tb (max_k o_tbk - o_tb[y_tb]) and ∂L/∂o_tbk = w_tb ([k = first argmax] - [k = y_tb])."""
    guess, wanted = output.argmax(axis=2)[:, :, None], label[:, :, None]
    margin = np.take_along_axis(output, guess, 2) - np.take_along_axis(output, wanted, 2)
    by_step = np.where(weight > 0, margin[:, :, 0], 0.0).astype(np.float64)
    loss = np.array([fsum(column) for column in (weight * by_step).T.tolist()])
    outputs = np.arange(output.shape[2])
    grad = weight[:, :, None] * ((outputs == guess).astype(output.dtype) - (outputs == wanted))
    return loss, np.asarray(grad.astype(output.dtype))


def softmax(output: Array) -> Array:
    """Compute e^{o_c} / Σ e^{o} over the last axis."""
    power = np.exp(output - output.max(axis=-1, keepdims=True))
    return np.asarray(power / power.sum(axis=-1, keepdims=True))


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("per_step_cross_entropy", "step", cross_entropy),
        Loss("last_step", "step", cross_entropy, last_only=True),
        Loss("squared_error", "real", squared_error),
        Loss("perceptron", "step", perceptron),
        Loss("mean_cross_entropy", "sample", sum_of="outputs", mean=True),
        Loss("sum_of_softmax", "sample", sum_of="softmax"),
    )
}


def _given(output: Array, error: Array, weight: Array) -> tuple[Array, Array]:
    """Compute L_b = Σ_t e_tb · o_tb over scored steps, whose derivative ∂L/∂o_tb is e_tb."""
    error = np.where(weight[:, :, None] > 0, error, 0.0).astype(output.dtype)
    by_step = np.sum(error * output, axis=2, dtype=np.float64)
    return np.array([fsum(column) for column in by_step.T.tolist()]), error


GIVEN = Loss("errors", "error", _given)
"""The loss whose derivative is the target."""

StepLoss = Callable[[Array, Array, Array], tuple[Array, Array]]
LossChoice = str | Loss | StepLoss
"""A loss by its name, or of the user's own: a `Loss`, or a function as `Loss.step`."""


def get_loss(chosen: LossChoice) -> Loss:
    """Find the loss of that name, an unknown name lists the known ones; or make one of a function."""
    if isinstance(chosen, Loss):
        return chosen
    if isinstance(chosen, str):
        if chosen not in LOSSES:
            raise InputError(f"unknown loss {among(chosen, sorted(LOSSES))}")
        return LOSSES[chosen]
    if not callable(chosen):
        raise InputError(f"loss = {chosen!r}, rule: a name, a Loss or a function (output, target, weight)")
    return _user_loss(chosen)


def _user_loss(function: StepLoss) -> Loss:
    """Make a loss of single steps of a function, named by where it is defined; what it returns is checked."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"

    def step(output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
        loss, error = (np.asarray(array) for array in function(output, target, weight))
        if loss.shape != output.shape[1:2] or error.shape != output.shape:
            raise InputError(
                f"loss '{name}' returned arrays {loss.shape} and {error.shape}, rule: the loss of each sample "
                f"{output.shape[1:2]} and its derivative by the outputs {output.shape}"
            )
        return loss, np.ascontiguousarray(error, output.dtype)

    update_wrapper(step, function, assigned=(), updated=())  # `__wrapped__` is what a checkpoint knows it by
    return Loss(name, "any", step)

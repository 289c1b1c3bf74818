"""One batch of float training, checked: inputs, targets, and the steps that the loss scores."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import as_mask, require_finite
from hypr_neuro.run.forward import Rows, check_input
from hypr_neuro.train.losses import Loss, LossChoice, get_loss


class Ends(Protocol):
    """What a batch has to fit."""

    @property
    def inputs(self) -> int:
        """Channels."""
        ...

    @property
    def output_size(self) -> int:
        """Outputs."""
        ...


def batch_arrays(
    net: Ends, x: Array | Rows, y: Array, mask: Array | None, loss: LossChoice, *, empty: bool = False
) -> tuple[Array | Rows, Array, Array, Loss]:
    """Check a batch: inputs, targets, and the steps that the loss scores.

    Parameters
    ----------
    net : Ends
        Whose channels and outputs they must fit.
    x, y, mask, loss
        As in `gradients.gradients`.
    empty : bool
        Whether a mask without any scored step is allowed.

    Returns
    -------
    x : ndarray
        (sample, T, channel).
    target : ndarray
        (sample,), (sample, T) or (sample, T, outputs).
    scored : ndarray
        (sample, T), the steps that the loss looks at.
    loss : Loss
    """
    kind = get_loss(loss)
    x, y = x if isinstance(x, (np.ndarray, Rows)) else np.asarray(x), np.asarray(y)
    check_input(net, x)
    samples, steps = x.shape[:2]
    if not empty and 0 in (samples, steps):
        raise InputError(f"x of shape {x.shape}, rule: at least one sample and one step")
    if isinstance(x, np.ndarray) and not isinstance(x, np.memmap):  # a file is read part by part
        require_finite("x", x)
    shape = (samples, steps)
    scored = np.ones(shape, bool) if mask is None else as_mask("mask", mask, shape)
    if not (empty or scored.any()):
        raise InputError(
            "mask leaves no scored step in this batch; at least one is needed: drop such samples or take larger batches"
        )
    return x, _target(net, y, scored, kind), kind.mask(scored), kind


def _target(net: Ends, y: Array, scored: Array, loss: Loss) -> Array:
    """Return y as the loss takes it."""
    samples, steps = scored.shape
    if loss.targets == "error" and y.shape != (samples, steps, net.output_size):
        rule = f"({samples}, {steps}, {net.output_size}), one a step and output"
        raise InputError(f"errors of shape {y.shape}, rule: {rule}")
    if loss.targets in ("real", "error") or (loss.targets == "any" and y.dtype.kind == "f"):
        return _real_target(net, y, scored, "errors" if loss.targets == "error" else "y")
    return _classes(net, y, samples, steps, loss)


def reward_array(reward: Array | None, samples: int, steps: int) -> Array | None:
    """Check factors of the learning signals: (sample,) or (sample, T) as (sample, 1) or (sample, T)."""
    if reward is None:
        return None
    factors = np.asarray(reward)
    if factors.shape not in ((samples,), (samples, steps)) or factors.dtype.kind not in "fiub":
        raise InputError(
            f"reward {factors.dtype} of shape {factors.shape}, rule: numbers ({samples},) or ({samples}, {steps})"
        )
    if not np.all(np.isfinite(factors)):
        raise InputError("reward holds a number that is not finite; give 0 to samples or steps without a reward")
    return factors.reshape(samples, -1).astype(np.float64)


def means_of(loss: Loss, scored: Array) -> tuple[float, float]:
    """Compute the factors of a step and of a sample that make sums over a batch to means."""
    samples = len(scored)
    return 1.0 / (samples if loss.last_only else np.count_nonzero(scored)), 1.0 / samples


def _classes(net: Ends, y: Array, samples: int, steps: int, loss: Loss) -> Array:
    if y.dtype.kind == "f":
        raise InputError(
            f"y {y.dtype} of shape {y.shape}: loss '{loss.name}' is for integer classes; real targets "
            "take 'squared_error'"
        )
    shapes = [(samples,)] if loss.targets == "sample" else [(samples,), (samples, steps)]
    if y.shape not in shapes:
        raise InputError(f"y of shape {y.shape}, rule: {' or '.join(map(str, shapes))} for loss '{loss.name}'")
    if y.dtype.kind not in "iu":
        raise InputError(f"y of type {y.dtype}, rule: integer labels for loss '{loss.name}'")
    if y.size and (y.min() < 0 or y.max() >= net.output_size):
        raise InputError(
            f"label {y.max() if y.max() >= net.output_size else y.min()}, rule: 0 <= y < {net.output_size} outputs"
        )
    return np.ascontiguousarray(y, dtype=np.int64)


def _real_target(net: Ends, y: Array, scored: Array, name: str) -> Array:
    samples, steps = scored.shape
    shapes = [(samples, net.output_size), (samples, steps, net.output_size)]
    if y.shape not in shapes or y.dtype.kind not in "fiub":
        raise InputError(f"{name} {y.dtype} of shape {y.shape}, rule: numbers {shapes[0]} or {shapes[1]}")
    y = y if y.ndim == 3 else np.broadcast_to(y[:, None], (samples, steps, net.output_size))
    if not np.all(np.isfinite(y[scored])):
        raise InputError(f"{name} holds a number that is not finite; remove the sample or mask the step")
    return y.astype(np.float64)

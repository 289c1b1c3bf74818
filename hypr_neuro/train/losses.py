"""Losses on the readout, with their derivative in the same step; all arrays time-major."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError

Array = NDArray[Any]
Loss = Callable[[Array, Array, Array], tuple[float, Array]]


def per_step_cross_entropy(output: Array, label: Array, weight: Array) -> tuple[float, Array]:
    """L = -Σ_{t,b} w_tb log softmax(o_tb)[y_tb]; ∂L/∂o_tb = w_tb (softmax(o_tb) - onehot(y_tb)).

    output : (T, batch, classes). label : (T, batch) integers. weight : (T, batch), 0 where a step is not scored
    """
    shifted = output - output.max(axis=2, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=2, keepdims=True)
    picked = np.take_along_axis(shifted, label[:, :, None], axis=2)[:, :, 0]
    loss = float(np.sum(weight * (np.log(total[:, :, 0]) - picked), dtype=np.float64))
    exp /= total
    grad = exp
    np.put_along_axis(grad, label[:, :, None], np.take_along_axis(grad, label[:, :, None], axis=2) - 1.0, axis=2)
    grad *= weight[:, :, None]
    return loss, grad


LOSSES: dict[str, Loss] = {"per_step_cross_entropy": per_step_cross_entropy}


def get_loss(name: str) -> Loss:
    """The loss of that name; an unknown name lists the known ones."""
    if name not in LOSSES:
        raise InputError(f"unknown loss '{name}', known: {', '.join(sorted(LOSSES))}")
    return LOSSES[name]

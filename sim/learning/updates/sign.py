"""Only the gradient's sign: step = rate · sign(G_ij)."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.updates.base import UpdateRule


@jitable
def steps(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    """See the module."""
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = rate * (1 * (gradient[i, j] > 0) - 1 * (gradient[i, j] < 0))


def real(gradient: Array, state: Any, rate: float, limit: float, average_shift: int, scale: float) -> Array:
    """See the module, in real numbers."""
    return np.asarray(rate * np.sign(gradient))


RULE = UpdateRule("sign", "signs of gradients", lambda n, m, accumulator_bits: {}, steps, real)

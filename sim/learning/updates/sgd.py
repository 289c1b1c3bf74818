"""Plain gradient descent: step = clip(round(G_ij · rate / 2^19), ± limit mantissas).

A full-scale learning signal that meets an eligibility of 1 adds 2^19 to G in a step, so `rate` is the change for a
gradient of 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.updates.base import GRADIENT_FRACTION, STEP_FRACTION, UpdateRule, clipped


@jitable
def steps(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    """See the module."""
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            step[i, j] = clipped(shr_nearest(gradient[i, j] * rate, GRADIENT_FRACTION), limit << STEP_FRACTION)


def real(gradient: Array, state: Any, rate: float, limit: float, average_shift: int, scale: float) -> Array:
    """See the module, in real numbers."""
    return np.asarray(np.clip(rate / 2**GRADIENT_FRACTION * scale * gradient, -limit, limit))


RULE = UpdateRule("sgd", "gradients as they are", lambda n, m, accumulator_bits: {}, steps, real)

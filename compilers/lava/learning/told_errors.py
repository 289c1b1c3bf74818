"""Errors of steps that come with targets in real numbers or with errors of the user's own."""

from __future__ import annotations

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.targets import FULL_REWARD, OF_ERRORS, OF_VALUES, given_error_kernel

OF = {"values": OF_VALUES, "errors": OF_ERRORS}
"""What comes with a step, by `LearnOptions.targets`."""


def free_errors(output: Array, told: Array, targets: str, fraction: int, bits: int) -> Array:
    """Compute the errors (1, n) of a step by the simulator's kernel, 0 where it does not count.

    output : (n,). told : (n + 1,), targets or errors, and whether the step counts
    """
    free, scored = told[:-1].astype(np.int64)[None], told[-1:] != 0
    given, reward = np.full(1, OF[targets], np.int8), np.full(1, FULL_REWARD, np.int64)
    errors = np.zeros(free.shape, np.int64)
    given_error_kernel()(output[None], free, given, reward, scored, fraction, bits, errors)
    return errors

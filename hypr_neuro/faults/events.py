"""Input events that are early or late."""

from __future__ import annotations

import numpy as np

from hypr_neuro.faults.drawing import JITTER, draw
from hypr_neuro.numbers.arrays import Array


def jittered(x: Array, jitter: float, seed: int, sample: int) -> Array:
    """Move each event of a sample x (T, channel) by a normal number of steps; of two that meet the larger stays.

    jitter : standard deviation in steps; events stay inside of the sample
    """
    at, channel = np.nonzero(x)
    moved = at + np.rint(draw(seed, JITTER, sample).normal(0.0, jitter, len(at))).astype(np.int64)
    moved = np.clip(moved, 0, len(x) - 1)
    values = x[at, channel]
    order = np.argsort(np.abs(values), kind="stable")  # the larger one is written last
    result = np.zeros_like(x)
    result[moved[order], channel[order]] = values[order]
    return result

"""Random numbers of faults: by seed, kind and sample, whatever happened before."""

from __future__ import annotations

import numpy as np

NEURONS, FLIPS, DRIFT, JITTER, POWER, MESSAGES = range(6)
"""What is drawn."""


def draw(seed: int, what: int, number: int) -> np.random.Generator:
    """Return the generator of one kind for one sample or message."""
    return np.random.default_rng([seed, 0xFA17, what, number])

"""Adding: the sum of the two values that are marked in a sequence of random ones. Generated; a regression.

After Hochreiter & Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735. The best constant answer, 1, has a mean squared
error of 2/12 = 0.167.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hypr_neuro.data.checks import check_whole
from hypr_neuro.data.sequence import SequenceData, split_of_generated
from hypr_neuro.errors import InputError

LARGEST_LEVELS = 1 << 14


def load_adding(
    folder: str | Path | None = None, *, steps: int = 100, samples: int = 2000, levels: int = 0, seed: int = 0
) -> SequenceData:
    """Return `steps` steps of 2 float32 channels, a value, uniform in [0, 1), and a marker, with the sum as the target.

    The marker is 1 in one step of the first half and in one of the second. y is (sample, 1), scored in the last step.
    A sample depends on the seed, its index and `steps` alone: row i of seeded streams. The last 20 % are for test.

    Parameters
    ----------
    folder
        Not used; every loader takes one.
    steps
        Length of a sequence, 2 or more.
    samples
        Number of sequences, 5 or more.
    levels
        For a chip, which takes integers: 2 or more make each value u the integer ⌊levels u⌋ and a marker `levels`; the
        target is the sum of the two integers, divided by `levels`. 0 leaves fractions.
    seed
        Draws values and marked steps, 0 or more.
    """
    check_whole("adding", 0, seed=seed)
    check_whole("adding", 2, steps=steps)
    check_whole("adding", 5, samples=samples)
    check_whole("adding", 0, levels=levels)
    if levels == 1 or levels > LARGEST_LEVELS:
        raise InputError(f"data 'adding': levels = {levels}, rule: 0, or 2 to {LARGEST_LEVELS}")
    x = np.zeros((samples, steps, 2), np.float32)
    x[:, :, 0] = np.random.default_rng([seed, 0]).random((samples, steps), dtype=np.float32)
    half = steps // 2
    position = np.random.default_rng([seed, 1]).random((samples, 2)) * (half, steps - half)
    marked = position.astype(np.int64) + np.array([0, half])
    x[np.arange(samples)[:, None], marked, 1] = 1.0
    if levels:
        x[:, :, 0] = np.floor(x[:, :, 0] * levels)
        x[:, :, 1] *= levels
    y = np.take_along_axis(x[:, :, 0], marked, axis=1).sum(axis=1, keepdims=True) / max(levels, 1)
    mask = np.zeros((samples, steps), bool)
    mask[:, -1] = True
    split = split_of_generated(samples, seed)
    return SequenceData("adding", x.astype(np.int16) if levels else x, y, split, 1, mask, whole_by="levels=16")

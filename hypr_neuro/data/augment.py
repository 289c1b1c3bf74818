"""More training samples from those there are: shifted, stretched, thinned. For small sets of event sequences."""

from __future__ import annotations

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array


def augment(
    data: SequenceData, copies: int, *, shift: int = 0, stretch: float = 0.0, drop: float = 0.0, seed: int = 0
) -> SequenceData:
    """Return the data with `copies` altered copies of every training sample appended.

    Validation and test samples stay as they are.

    Parameters
    ----------
    data
        Sequences with one label a sample and no mask.
    copies
        Altered copies of each training sample.
    shift
        Largest shift of a copy in steps, in either direction; what leaves one end enters at the other.
    stretch
        Largest change of speed, as a share: a copy runs up to that share faster or slower.
    drop
        Probability with which a value of a copy is set to 0.
    seed
        Copy c of sample i depends on (seed, c, i) alone.

    Raises
    ------
    InputError
        For labels of single steps or a mask, which would have to move along, and for options out of range.
    """
    require("data", data, SequenceData)
    if data.per_step or data.mask is not None:
        raise InputError(f"data '{data.name}': augment is for one label a sample and no mask")
    if copies < 0 or shift < 0 or not (0 <= stretch < 1 and 0 <= drop < 1):
        raise InputError(
            f"augment: copies {copies}, shift {shift}, stretch {stretch}, drop {drop}, "
            "rule: 0 <= copies, shift; 0 <= stretch, drop < 1"
        )
    index = data.part_index("train")
    copied = [
        _altered(data.x[i], np.random.default_rng([seed, c, int(i)]), shift, stretch, drop)
        for c in range(copies)
        for i in index
    ]
    if not copied:
        return data
    originals = np.tile(index, copies)
    # taken, not made anew: what was checked, and warned of, once is so no second time
    grown = data.take(np.concatenate([np.arange(len(data)), originals]))
    grown.x[len(data) :] = np.stack(copied)
    return grown


def _altered(x: Array, rng: np.random.Generator, shift: int, stretch: float, drop: float) -> Array:
    """Return one altered copy of a sample (T, channel)."""
    speed = 1.0 + rng.uniform(-stretch, stretch)
    source = np.minimum(np.rint(np.arange(len(x)) * speed).astype(int), len(x) - 1)
    shifted = np.roll(x[source], int(rng.integers(-shift, shift + 1)), axis=0)
    return np.asarray(np.where(rng.random(x.shape) < drop, 0, shifted), dtype=x.dtype)

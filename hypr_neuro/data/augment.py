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
    """The data with `copies` altered copies of every training sample behind it; validation and test stay as they are.

    shift : each copy is moved by up to so many steps, either way, around the end. stretch : and runs up to that
        share faster or slower. drop : share of its events that is left out
    seed : copy c of sample i depends on (seed, c, i) alone

    Only for one label a sample: labels of single steps would have to move along. Raises InputError otherwise.
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
    made = [
        _altered(data.x[i], np.random.default_rng([seed, c, int(i)]), shift, stretch, drop)
        for c in range(copies)
        for i in index
    ]
    if not made:
        return data
    again = np.tile(index, copies)
    return SequenceData(
        data.name,
        np.concatenate([data.x, np.stack(made)]),
        np.concatenate([data.y, data.y[again]]),
        np.concatenate([data.split, data.split[again]]),
        data.classes,
        encoder=data.encoder,
    )


def _altered(x: Array, rng: np.random.Generator, shift: int, stretch: float, drop: float) -> Array:
    """One copy of a sample (T, channel)."""
    pace = 1.0 + rng.uniform(-stretch, stretch)
    source = np.minimum(np.rint(np.arange(len(x)) * pace).astype(int), len(x) - 1)
    moved = np.roll(x[source], int(rng.integers(-shift, shift + 1)), axis=0)
    return np.asarray(np.where(rng.random(x.shape) < drop, 0, moved), dtype=x.dtype)

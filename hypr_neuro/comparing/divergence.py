"""Where float and integer spikes first part, population by population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True)
class Divergence:
    """The first spike that only one of two networks has.

    Attributes
    ----------
    step
        In float time, from 0; the earliest over the samples.
    sample, neuron
        Where, the lowest numbers of that step.
    """

    step: int
    sample: int
    neuron: int


def first_divergence(real: Mapping[str, Array], integer: Mapping[str, Array]) -> dict[str, Divergence | None]:
    """Return the first difference of two networks' spikes by population, None where they are equal.

    Parameters
    ----------
    real, integer
        (T, sample, n) by the same names, in float time; the shorter one counts.
    """
    found: dict[str, Divergence | None] = {}
    for name, spikes in real.items():
        ours = integer[name]
        apart = np.argwhere(ours != spikes[: len(ours)])
        found[name] = Divergence(*(int(i) for i in apart[0])) if len(apart) else None
    return found

"""Neuron parameters that learn: the eligibilities η of one layer and their gradients, in whole arrays of int64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.learning.arrays import Eligibilities, clamped, nearest, shifted
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.widths import Widths


class ParameterEligibilities:
    """Of the trainable parameters at `places`, each with its own fraction bits; arrays η (d, n, p), e (n, p)."""

    def __init__(self, model: str, widths: Widths, places: Sequence[int], fractions: Sequence[int]) -> None:
        self.widths, self.places, self.fractions = widths, list(places), np.array(fractions, np.int64)
        self._rule = Eligibilities(model, widths)
        self._shifts: Any = np.array([widths.parameter_shift(fraction) for fraction in fractions], np.int64)

    def advance(self, old: Array, rows: Array, by_parameter: Array, own: Array) -> tuple[Array, Array, int, int]:
        """η of the next step, e, and how many entries of E and how many eligibilities were clamped.

        by_parameter : (trainable, d, n) P. own : (trainable, n) E
        """
        given = own[self.places]
        E = clamped(given, self.widths.entry_bits)
        up = self.fractions - self.widths.state_fraction
        arriving = np.stack([shifted(by_parameter[j], int(n)) for j, n in zip(self.places, up, strict=True)], axis=2)
        new, e, lost = self._rule.advance(old, rows, arriving, E.T << self.fractions)
        return new, e, int(np.count_nonzero(given != E)), lost

    def accumulate(self, gradient: Array, signal: Array, e: Array) -> tuple[Array, int]:
        """As `Eligibilities.accumulate`, by each parameter's own shift."""
        full = gradient + nearest(signal * e, self._shifts)
        kept = clamped(full, self.widths.accumulator_bits)
        return kept, int(np.count_nonzero(kept != full))

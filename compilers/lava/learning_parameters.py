"""Neuron parameters that learn: the eligibilities η of one layer and their gradients, in whole arrays of int64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.compilers.lava.learning_arrays import Eligibilities, clamped
from hypr_neuro.fixed_point import shift_nearest
from hypr_neuro.sim.learning_kernels import PARAMETER_ROOM, Widths

Array = NDArray[Any]


class ParameterEligibilities:
    """Of the trainable parameters at `places`; arrays η (d, n, p), e (n, p).

    They are as a synapse's, with `PARAMETER_ROOM` fraction bits less: what drives them grows with the states.
    """

    def __init__(self, model: str, widths: Widths, places: Sequence[int]) -> None:
        self.places = list(places)
        self.widths = widths._replace(
            eligibility_fraction=max(widths.eligibility_fraction - PARAMETER_ROOM, 0),
            gradient_shift=widths.gradient_shift + PARAMETER_ROOM,
        )
        self.rule = Eligibilities(model, self.widths)

    def advance(self, old: Array, rows: Array, by_parameter: Array, own: Array) -> tuple[Array, Array, int, int]:
        """η of the next step, e, and how many entries of E and how many eligibilities were clamped.

        by_parameter : (trainable, d, n) P. own : (trainable, n) E
        """
        w, given = self.widths, own[self.places]
        E = clamped(given, w.entry_bits)
        P = by_parameter[self.places].transpose(1, 2, 0)
        arriving = np.asarray(shift_nearest(P, w.eligibility_fraction - w.state_fraction))  # type: ignore[arg-type]
        new, e, lost = self.rule.advance(old, rows, arriving, E.T << w.eligibility_fraction)
        return new, e, int(np.count_nonzero(E != given)), lost

"""How far the mantissas of a connection reach: by its largest weight, a percentile, or the least squared error.

    max          the exponent is the smallest at which the largest weight fits
    percentile   that at which the given percentile of the magnitudes fits; larger ones are clipped
    mse          the one of least squared error, see `levels.least_error_exponent`
    accuracy     `max`, each connection then so many halvings below as answer best on validation data

Binary and ternary weights always have that of least squared error: their largest weight says nothing of the others.

Learning moves weights, and one that stands at the end of its range moves one way only. `headroom` h makes the range h
times larger, rounded up to the exponents that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_number
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.levels import least_error_exponent, top_of

METHODS = ("max", "percentile", "mse", "accuracy")
PERCENTILE = 99.9
ANY = 100
"""Exponents that no weight of float64 which matters goes beyond."""
MANY_LEVELS = "integers"


@dataclass(frozen=True)
class WeightCalibration:
    """How exponents are chosen.

    Attributes
    ----------
    method
        One of `METHODS`.
    percentile
        Of the magnitudes of a connection that are not 0, of method "percentile".
    headroom
        Factor by which ranges are larger than what the weights need.
    shifts
        By float connection how many exponents lower than the method says, clipping what is larger.
    """

    method: str = "max"
    percentile: float = PERCENTILE
    headroom: float = 1.0
    shifts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if self.method not in METHODS:
            raise InputError(f"calibration_method = {self.method!r}, rule: {', '.join(METHODS)}")
        require_number("percentile", self.percentile)
        require_number("weight_headroom", self.headroom)
        if not 0 < self.percentile <= 100:
            raise InputError(f"percentile = {self.percentile}, rule: above 0, at most 100")
        if not 1 <= self.headroom <= 64:
            raise InputError(f"weight_headroom = {self.headroom}, rule: 1 to 64; 2 leaves weights room to double")

    @classmethod
    def of(
        cls,
        calibration_method: str | None = None,
        percentile: float | None = None,
        weight_headroom: float | None = None,
    ) -> WeightCalibration:
        """Return what options of `quantize` say, None for its default."""
        return cls(
            calibration_method or METHODS[0],
            PERCENTILE if percentile is None else percentile,
            1.0 if weight_headroom is None else weight_headroom,
        )

    @property
    def plain(self) -> bool:
        """Whether it is what a network that says nothing has."""
        return self == WeightCalibration()

    def by_error(self, profile: Profile) -> bool:
        """Tell whether the exponent of a connection is that of least squared error."""
        return self.method == "mse" or few_levels(profile)

    def room(self, values: Array, wanted: float, profile: Profile, shift: int = 0) -> float:
        """Return the largest weight magnitude that a connection's mantissas shall reach, in real units.

        Parameters
        ----------
        values
            Weights.
        wanted
            Magnitude that has to fit whatever the method says, 0 for none.
        profile
            Of the connection: bits and levels.
        shift
            Halvings below what the method says.
        """
        if self.by_error(profile):
            bits = profile.precision.stored_weight_bits
            reached = top_of(bits) * 2.0 ** least_error_exponent(values, bits, -ANY, ANY)
            return max(reached * 2.0 ** (self._spare - shift) if np.any(values) else 0.0, wanted)
        largest = float(np.abs(values).max()) if values.size else 0.0
        if self.method == "percentile" and largest:
            largest = float(np.percentile(np.abs(values[values != 0]), self.percentile))
        return max(largest * self.headroom / 2.0**shift, wanted)

    def exponent(self, values: Array, wanted: float, profile: Profile, shift: int = 0) -> int:
        """Return the exponent of least squared error, raised for headroom and for what is `wanted`.

        `values` and `wanted` are in units of the sum of the neuron; the others as of `room`.
        """
        p = profile.precision
        bits, low, high = p.stored_weight_bits, int(p.weight_exponent_min.value), int(p.weight_exponent_max.value)
        chosen = least_error_exponent(values, bits, low, high) + self._spare - shift
        return max(chosen, int(np.ceil(np.log2(max(wanted / top_of(bits), 2.0**low)))), low)

    @property
    def _spare(self) -> int:
        """Exponents that headroom takes."""
        return int(np.ceil(np.log2(self.headroom)))


def few_levels(profile: Profile) -> bool:
    """Tell whether weights are ternary or binary, so that their scale is that of least squared error."""
    p = profile.precision
    return p.weight_levels.value != MANY_LEVELS or p.stored_weight_bits == 1


def joint_range(rooms: Iterable[tuple[float, Profile]], population: Profile) -> float:
    """Return the weight range of a population's format: that of the connection whose steps are largest.

    `rooms` are ranges of connections with the profile of each. A range of fewer bits has larger steps; it counts as the
    range that so large a step has in the population's own bits.
    """
    own = top_of(max(population.precision.stored_weight_bits, 2))
    steps = [room if (top := p.precision.weight_top) == own else room / top * own for room, p in rooms]
    return max(steps, default=0.0)

"""Parameters of a layer as integers: what a profile asks of them, what they are, and how each number came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in

PSI_ENTRIES = 512
"""Entries of a ψ table; the threshold lies between entries 255 and 256, and the two ends are 0."""


@dataclass(frozen=True)
class FixedFormat:
    """What a profile and the calibration say to `to_fixed`.

    Attributes
    ----------
    state_bits : int
        Width of every state in bits, sign included.
    coefficient_bits : int
        Width of decays and other coefficients, sign included; one bit is left for the integer part.
    decay_bits : int
        Width of Loihi's built-in decays.
    threshold_bits, threshold_shift : int
        LIF threshold mantissa and its left shift.
    bias_mantissa_bits, bias_exponent_max : int
        LIF bias.
    state_range : float
        Largest magnitude that calibration saw, in real units, any state.
    headroom : float
        Factor left free above `state_range`.
    weight_range : float
        Largest weight magnitude to make room for, in real units, over the layer's connections.
    weight_bits, weight_exponent_max : int
        Width of a weight's mantissa, sign included, and its largest exponent.
    rounding : int
        Code of the rounding rule of states.
    overflow : str
        "lava" (as Lava's CPU models) or "hardware".
    psi_bits : int
        Width of the ψ table's entries, sign included.
    """

    state_bits: int
    coefficient_bits: int
    decay_bits: int
    threshold_bits: int
    threshold_shift: int
    bias_mantissa_bits: int
    bias_exponent_max: int
    state_range: float
    headroom: float
    weight_range: float
    weight_bits: int
    weight_exponent_max: int
    rounding: int
    overflow: str
    psi_bits: int

    @property
    def coefficient_fraction(self) -> int:
        """Fraction bits of a coefficient: all but sign."""
        return self.coefficient_bits - 1

    def state_fraction(self) -> int:
        """Largest F with headroom · state_range · 2^F inside the state's width, 0 <= F <= state_bits - 2."""
        top = largest_in(self.state_bits)
        room = top / (self.headroom * max(self.state_range, 1e-6))
        return int(np.clip(np.floor(np.log2(room)), 0, self.state_bits - 2))


@dataclass
class Conversion:
    """One float-to-integer step, kept so that it can be printed: integer = round(value · scale), then clipped."""

    name: str
    value: Array
    scale: float
    integer: Array
    rounding: str
    clipped: int
    rule: str


@dataclass
class FixedParams:
    """Parameters of one layer as integers.

    Attributes
    ----------
    per_neuron : dict of ndarray
        (n,) each, in the record's order.
    constants : dict of int
        One integer for the whole layer each, in the record's order.
    state_scale : float
        state_int = state · state_scale.
    current_scale : float
        The weighted sum that reaches the neuron is I_int = I · current_scale.
    psi_table : ndarray
        (512,) integers with coefficient fraction bits.
    conversions : list of Conversion
        Steps from float to integer.
    """

    per_neuron: dict[str, Array]
    constants: dict[str, int]
    state_scale: float
    current_scale: float
    psi_table: Array
    conversions: list[Conversion] = field(default_factory=list)


def to_integer(name: str, value: Array, scale: float, low: int, high: int, rule: str, out: list[Conversion]) -> Array:
    """Convert to round(value · scale), clipped to [low, high]; the step is appended to `out`, clips counted."""
    real = np.asarray(value, dtype=np.float64)
    exact = np.rint(real * scale)
    integer: Array = np.clip(exact, low, high).astype(np.int64)
    clipped = int(np.count_nonzero(exact != integer))
    out.append(Conversion(name, real, scale, integer, "nearest, ties to even", clipped, rule))
    return integer


def check_integers(where: str, values: Mapping[str, Array], ranges: Mapping[str, tuple[int, int]]) -> None:
    """Raise InputError, naming the parameter, for integers outside their range, both ends allowed."""
    for name, (low, high) in ranges.items():
        array = values[name]
        if np.any((array < low) | (array > high)):
            raise InputError(f"{where}: {name} = {array.min()}..{array.max()}, rule: {low}..{high}")

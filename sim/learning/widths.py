"""Widths of learning in one layer, from the profile alone; and the constants that they are made of.

With kc and fe fraction bits of coefficients and eligibilities and b bits of a learning signal, the shift that a product
of signal and eligibility takes before it is added to the gradient is

    gs = max(b - 1 + fe - 19, 0)

so a signal of full scale on an eligibility of 1 adds 2^19. Fewer bits lose the signals of lower layers, which are
small: with 2^15 the gradient of the first of two SE-adLIF layers had a cosine of 0.994 to float, with 2^19 0.9998.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

from hypr_neuro.numbers.fixed_point import ROUNDING, largest_in, shr_nearest
from hypr_neuro.numbers.words import WORD_BITS
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.sim.learning.updates.base import GRADIENT_FRACTION

ENTRY_HEADROOM = 2
"""Bits that an entry of the Jacobian has more than a coefficient."""
PARAMETER_SHIFT = 4
"""Fraction bits that eligibilities of neuron parameters have less, or at most more, than those of synapses."""
PRODUCT_BITS = WORD_BITS - 1
"""Bits of the magnitude that a product or a sum of products may have."""


class Widths(NamedTuple):
    """Widths of a layer, in bits, in the form in which kernels take them.

    Attributes
    ----------
    coefficient_fraction, eligibility_fraction, state_fraction : int
        Fraction bits of Jacobians and coefficients (kc), of eligibilities (fe), of states.
    eligibility_bits, accumulator_bits, entry_bits, signal_bits, state_bits : int
        Of eligibilities, gradients, entries of Jacobians, learning signals that reach the layer, states; sign included.
    rounding : int
        Code of the rounding of an eligibility's step, see `numbers.fixed_point.ROUNDING`.
    gradient_shift : int
        gs, see the module.
    weight_bits, momentum_bits, residual_bits, psi_bits : int
        Of a weight, of its momentum, of what it keeps below its integer, of ψ; 0 where the device keeps none.
    """

    coefficient_fraction: int
    eligibility_fraction: int
    eligibility_bits: int
    rounding: int
    gradient_shift: int
    accumulator_bits: int
    entry_bits: int
    state_fraction: int
    signal_bits: int
    state_bits: int
    weight_bits: int
    momentum_bits: int
    residual_bits: int
    psi_bits: int

    @property
    def largest_signal(self) -> int:
        """Magnitude that a learning signal cannot exceed, 2^(bits - 1)."""
        return 1 << (self.signal_bits - 1)

    @property
    def largest_drive(self) -> int:
        """Magnitude that round(B 2^fe / 2^kc) cannot exceed, what a unit that arrives adds to an eligibility."""
        return (1 << (self.entry_bits - 1 + self.eligibility_fraction) >> self.coefficient_fraction) + 1

    def gain_bits(self, terms: int) -> int:
        """Bits of nearest(B·C / 2^kc) with so many products that are not always 0, sign included; it is not clamped."""
        top = largest_in(self.entry_bits)
        return shr_nearest(terms * top * top, self.coefficient_fraction).bit_length() + 1 if terms else 0

    def parameter_fraction(self, unit: float) -> int:
        """Fraction bits of the eligibilities of a neuron parameter that changes in these units.

        4 fewer than those of synapses for a decay or a frequency, whose unit is a coefficient's: its eligibilities
        reach hundreds. More, in proportion to the unit of change, for what moves the state less: ∂w/∂(k a) is small,
        as k a is not.
        """
        wanted = self.eligibility_fraction - PARAMETER_SHIFT + self.coefficient_fraction + round(log2(unit))
        return min(max(wanted, 0), self.eligibility_fraction + PARAMETER_SHIFT)

    def parameter_shift(self, fraction: int) -> int:
        """Bits that a product of signal and eligibility, the latter of this fraction, drops for the gradient."""
        return max(self.gradient_shift + self.eligibility_fraction - fraction, 0)


def layer_widths(profile: Profile, *, readout: bool, state_scale: float = 1.0) -> Widths:
    """Read the widths of a layer off a profile.

    Parameters
    ----------
    profile : Profile
        Of the device.
    readout : bool
        Whether the layer's signals are the error itself.
    state_scale : float
        state_int = state · state_scale, a power of two.

    Returns
    -------
    Widths
    """
    rules, precision = profile.learning, profile.precision
    signal_bits = rules.error_bits.value if readout else rules.signal_bits.value
    fraction = rules.eligibility_fraction.value
    return Widths(
        coefficient_fraction=precision.coefficient_bits.value - 1,
        eligibility_fraction=fraction,
        eligibility_bits=rules.eligibility_bits.value,
        rounding=ROUNDING[rules.eligibility_rounding.value],
        gradient_shift=max(signal_bits - 1 + fraction - GRADIENT_FRACTION, 0),
        accumulator_bits=rules.accumulator_bits.value,
        entry_bits=precision.coefficient_bits.value + ENTRY_HEADROOM,
        state_fraction=round(log2(state_scale)),
        signal_bits=signal_bits,
        state_bits=precision.state_bits.value,
        weight_bits=precision.stored_weight_bits,
        momentum_bits=rules.momentum_bits.value,
        residual_bits=rules.residual_bits.value,
        psi_bits=rules.psi_bits.value,
    )

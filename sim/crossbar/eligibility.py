"""Eligibilities in an analog variable beside each synapse, such as the local temperature of a ReRAM cell.

What a step of learning (`learning.eligibility`) gives is kept until the next one in a variable that decays by itself
and is uncertain:

    ε ← sat(nearest(ε ρ / 2^16) + nearest(b a (b_0 + b_1 + b_2 + b_3 - 510) / 2^16))

    ρ = 2^16 exp(-step_time / τ_s),   τ_s = eligibility_time |1 + eligibility_spread ξ_s|
    a = 2^16 eligibility_size / σ_4

b is what one spike adds to the state, b_0..b_3 are the bytes of a random word of step and synapse, whose sum is near to
Gaussian of standard deviation σ_4 = √((256² - 1) / 3). The decay is one beside that of the neuron's own equation: a
variable that decays as slowly as the neuron's would need no help of it, one that decays faster forgets earlier. The
weight's change meets the effect of the same step before it is kept. Eligibilities of neuron parameters are the
neuron's, digital as it is.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import mix32, sat, shr_nearest
from hypr_neuro.numbers.unrolling import over_tuples
from hypr_neuro.profiles.analog import Analog
from hypr_neuro.sim.crossbar.drawing import normals, words_of_steps
from hypr_neuro.sim.learning.counter import CURRENTS_OF_A_LAYER, ELIGIBILITY_TENSORS

KEPT_FRACTION = 16
"""Fraction bits of ρ and of a."""
BYTE_SIGMA = sqrt((256**2 - 1) / 3)
"""Standard deviation of the sum of four bytes."""


@over_tuples
def kept_eligibility(new: Any, drive: Any, share: Any, amplitude: Any, word: Any, number: Any, bits: Any) -> Any:
    """Return what is left of the eligibilities `new` of one synapse a step later.

    drive : what a spike adds to each. share, amplitude : ρ and a. word, number : of step and synapse
    """
    x = mix32(word ^ number)
    noise = amplitude * ((x & 255) + ((x >> 8) & 255) + ((x >> 16) & 255) + (x >> 24) - 510)
    return tuple(
        sat(shr_nearest(e * share, 16) + shr_nearest(b * noise, 16), bits) for e, b in zip(new, drive, strict=True)
    )


class Store:
    """The analog variables of the synapses of one input current of a layer.

    Parameters
    ----------
    analog : Analog
        With an `eligibility_time`.
    layer, input_current : int
        Which synapses: words of the counter.
    shape : tuple of int
        (neurons, synapses).
    seed : int
        Of their noise.

    Attributes
    ----------
    shares : ndarray
        (neurons, synapses) int32, ρ.
    amplitude : int
        a.
    """

    def __init__(self, analog: Analog, layer: int, input_current: int, shape: tuple[int, int], seed: int) -> None:
        self.number, self.seed = ELIGIBILITY_TENSORS + CURRENTS_OF_A_LAYER * layer + input_current, seed
        self.shares = np.full(shape, 1 << KEPT_FRACTION, np.int32)
        self.amplitude = 0
        time, spread, size = analog.eligibility_time, analog.eligibility_spread, analog.eligibility_size
        assert time is not None
        assert spread is not None
        assert size is not None
        step = float(analog.step_time.value)
        if analog.eligibility_decay.value:
            chip, differs = int(analog.chip.value), spread.value if analog.device_spread.value else 0.0
            tau = time.value * np.abs(1.0 + differs * normals(chip, 0, self.number, shape))
            self.shares[...] = np.rint(np.exp(-step / np.maximum(tau, step * 1e-3)) * (1 << KEPT_FRACTION))
        if analog.eligibility_noise.value:
            self.amplitude = round(size.value * (1 << KEPT_FRACTION) / BYTE_SIGMA)

    def of_steps(self, sample: int, time: int, steps: int) -> tuple[Array, int, Array]:
        """Return what kernels take for so many steps of a sample from `time` on."""
        return self.shares, self.amplitude, words_of_steps(self.seed, sample, self.number, time, steps)

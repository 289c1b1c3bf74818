"""Noise on input currents while a network learns, in integers.

Current k of a neuron of layer i, n neurons, gets in device step t, with four bytes b of a random word and an amplitude
a,

    nearest(a (b_0 + b_1 + b_2 + b_3 - 510) / 2^8),    word = mix32(draw32(seed, sample, 4096 + i, t) ^ (k n + neuron))

near to Gaussian, of mean 0, standard deviation a/√3 and magnitude below 2 a. It depends on these words alone, not on
blocks or on what ran before. Float training numbers its noise in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32, mix32, shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.counter import NOISE_TENSORS


@jitable
def noise_of(word: int, number: int, amplitude: int) -> int:
    """Give the noise of one current in a step; word : that of the step, 32 bits; number : of current and neuron."""
    x = mix32(word ^ number)
    return shr_nearest(amplitude * ((x & 255) + ((x >> 8) & 255) + ((x >> 16) & 255) + (x >> 24) - 510), 8)


@cache
def noise_kernel() -> Callable[..., None]:
    """Make the kernel (arriving, amplitude, seed, sample, layer, time), which adds noise to currents.

    arriving : (currents, steps, n) int32, of the steps from `time` on
    """

    def kernel(arriving: Any, amplitude: Any, seed: Any, sample: Any, layer: Any, time: Any) -> None:
        currents, steps, n = arriving.shape
        for t in range(steps):
            word = draw32(seed, sample, NOISE_TENSORS + layer, time + t)
            for k in range(currents):
                for i in range(n):
                    arriving[k, t, i] += noise_of(word, k * n + i, amplitude)

    return compile_kernel(kernel)

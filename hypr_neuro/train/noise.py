"""Noise on input currents: Gaussian numbers that depend on (seed, sample, layer, step, neuron) and on nothing else.

Threads, blocks, sub-sequences and interruptions change none of them: each is two 32-bit words of a counter, no draw
follows another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import cos, log, pi, sqrt
from typing import TYPE_CHECKING, Any

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32, mix32
from hypr_neuro.sim.learning.counter import NOISE_TENSORS

if TYPE_CHECKING:
    from hypr_neuro.train.setup import Setup

SECOND = 0x9E3779B9
"""Changes the word of a neuron into the one from which its second number is mixed."""


@cache
def _noise_kernel() -> Callable[..., None]:
    def kernel(deviation: Any, seed: Any, layer: Any, sample: Any, time: Any, batch: Any, out: Any) -> None:
        n = out.shape[1] // batch
        for t in range(out.shape[0]):
            for b in range(batch):
                word = draw32(seed, sample + b, NOISE_TENSORS + layer, time + t)
                for i in range(n):
                    first = mix32(word ^ i)
                    second = mix32(first ^ SECOND)
                    radius = sqrt(-2.0 * log((first + 0.5) / 4294967296.0))
                    out[t, b * n + i] = deviation * radius * cos(2.0 * pi * second / 4294967296.0)

    return compile_kernel(kernel)


class LayerNoise:
    """Noise of one layer for a block of samples.

    deviation : standard deviation. seed, layer, sample : words of the counter, `sample` that of the block's first
    time : step of the sequence at which the next `fill` starts
    """

    def __init__(self, deviation: float, seed: int, layer: int, sample: int, batch: int) -> None:
        self.deviation, self.seed, self.layer, self.sample, self.batch = deviation, seed, layer, sample, batch
        self.time = 0

    def fill(self, out: Array) -> None:
        """Fill out (λ, batch·n) with the noise of the steps from `time` on, by the method of Box and Muller."""
        _noise_kernel()(self.deviation, self.seed, self.layer, self.sample, self.time, self.batch, out)


def layer_noise(setup: Setup, place: int, samples: int, first: int) -> LayerNoise | None:
    """Make the noise on the currents of a population, of a block whose first sample has that number in the batch."""
    if not setup.deviations or setup.deviations[place] == 0:
        return None
    return LayerNoise(setup.deviations[place], setup.seed, place, setup.sample + first, samples)

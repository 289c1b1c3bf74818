"""Shadow weights of few bits: integers that updates change by stochastic rounding.

After an update every array is brought to whole steps 2^e, e the smallest with which its largest magnitude has a place:

    m = ⌊w / 2^e + u⌋,  w = m 2^e,  |m| < 2^(bits - 1)

u is uniform in 0..1, one draw of the random counter for each number, update and array. An update far below a step thus
moves a number as often as its size says; rounding to the nearest would lose it. Where the range of a neuron parameter
ends between two steps, the step inside is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32
from hypr_neuro.sim.learning.counter import SHADOW_TENSORS
from hypr_neuro.train.networks import keep_in_range

FEWEST_BITS, MOST_BITS = 4, 32


@cache
def _draws() -> Callable[..., None]:
    def kernel(seed: Any, update: Any, tensor: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            out[i] = draw32(seed, update, tensor, i) / 4294967296.0

    return compile_kernel(kernel)


def shadow_step(values: Array, bits: int) -> float:
    """Return 2^e, the smallest step with which the largest magnitude fits into so many bits; 1 of zeros."""
    largest = float(np.abs(values).max(initial=0.0))
    top = float((1 << (bits - 1)) - 1)
    return 1.0 if largest == 0.0 else float(2.0 ** np.ceil(np.log2(largest / top)))


def round_shadows(net: Network, bits: int, seed: int, update: int) -> None:
    """Round every array that trains to whole steps, in place; see the module.

    Parameters
    ----------
    net : Network
        Whose arrays are rounded, and kept in the ranges of their models.
    bits : int
        Width of a shadow weight, sign included.
    seed, update : int
        Words of the random counter.
    """
    arrays, floors = net.arrays(), {}
    for tensor, (name, values) in enumerate(arrays.items()):
        step = shadow_step(values, bits)
        draws = np.empty(values.size)
        _draws()(seed, update, SHADOW_TENSORS + tensor, draws)
        floors[name] = np.floor(values / step) * step, step
        values[...] = np.floor(values / step + draws.reshape(values.shape)) * step
    _inside(net, arrays, floors)


def _inside(net: Network, arrays: dict[str, Array], floors: dict[str, tuple[Array, float]]) -> None:
    """Give numbers that left the range of their model the step on its other side."""
    rounded = {name: values.copy() for name, values in arrays.items()}
    for above in (0.0, 1.0):
        keep_in_range(net, "rounding of shadow weights")
        outside = {name: values != rounded[name] for name, values in arrays.items()}
        if not any(np.any(places) for places in outside.values()):
            return
        for name, places in outside.items():
            floor, step = floors[name]
            arrays[name][...] = np.where(places, floor + above * step, rounded[name])
            rounded[name] = arrays[name].copy()
    keep_in_range(net, "rounding of shadow weights")

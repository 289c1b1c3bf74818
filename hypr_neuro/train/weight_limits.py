"""Limits of the shadow weights of quantization-aware training: where clipping and rounding together err least.

`quantize` makes room for the largest weight of a connection. Of two or three bits the others then become 0. So each
connection gets a limit: with the step s₀ that its largest weight needs, and the largest mantissa `top`,

    s = s₀ 2^-k,  k ≥ 0 such that  Σ_w (clip(round(w / s), ±top) s - w)²  is least;  limit = top · s

and its weights are clipped to that before they become integers. A clipped weight is one of the largest mantissa either
way, and `quantize` takes the step s for the clipped weights by its own rule: the network that is kept needs no options.
Binary and ternary levels of a profile need no limits: `quantize` gives them the step of least error by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.graph_conversion import Origin
from hypr_neuro.quantizing.graph_quantize import GROUPS
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.weight_calibration import MANY_LEVELS
from hypr_neuro.quantizing.weight_entries import largest_magnitude, with_entries
from hypr_neuro.quantizing.weight_groups import OCTAVES, split_by_size

BELOW = 1.0 - 1e-9
"""Factor on a limit, so that its exponent is the one meant whatever its last bit rounds to."""


def weight_limits(
    net: Network, qnet: QuantizedNetwork, origins: Sequence[Origin], groups: int | str | None
) -> dict[int, float]:
    """Return the limit of each float connection that one would help, by its place.

    Parameters
    ----------
    net
        The float network, its weights not clipped.
    qnet, origins
        Its integers, as `quantize.convert` gives both.
    groups
        Most groups of a connection's weights, `weight_groups` of `quantize`; None for its default.
    """
    if qnet.profile.precision.weight_levels.value != MANY_LEVELS:
        return {}
    steps, tops = dict[int, float](), dict[int, int]()
    for c, origin in zip(qnet.connections, origins, strict=True):
        if isinstance(origin, int) and qnet.weight_bits(c) > 1:
            steps[origin], tops[origin] = max(steps.get(origin, 0.0), qnet.weight_step(c)), qnet.weight_top(c)
    chain = any(c.bias_axon and not c.bias_alone for c in qnet.connections) or (net.is_chain and groups is None)
    count = 1 if chain else GROUPS if groups is None else groups
    limits = dict[int, float]()
    for place, step in steps.items():
        top = tops[place]
        values = _values(net, place, chain)
        errors = [_error(values, step * 2.0**-k, top, count if isinstance(count, int) else 1) for k in range(OCTAVES)]
        best = int(np.argmin(errors))
        limit = top * step * 2.0**-best * BELOW
        if limit < largest_magnitude(values):
            limits[place] = limit
    return limits


def clipped(net: Network, limits: Mapping[int, float]) -> Network:
    """Return a network whose weights are inside their limits, of a chain biases too; what no limit cuts is shared."""
    connections, populations = list(net.connections), list(net.populations)
    for place, limit in limits.items():
        c = copy(net.connections[place])  # making it anew would drop stored zeros
        c.weights = with_entries(c.weights, np.clip(c.stored(), -limit, limit))
        connections[place] = c
        if _with_bias(net, place):
            i = [p.name for p in net.populations].index(c.target)
            biases = {first: np.clip(bias, -limit, limit) for first, bias in net.populations[i].biases.items()}
            populations[i] = replace(populations[i], biases=biases)
    return replace(net, connections=tuple(connections), populations=tuple(populations))


def _with_bias(net: Network, place: int) -> bool:
    """Tell whether a chain's bias shares the exponent of this connection."""
    c = net.connections[place]
    return net.is_chain and c.source != c.target and bool(net.population(c.target).biases)


def _values(net: Network, place: int, chain: bool) -> Array:
    """Return the numbers that share the exponent of a connection."""
    c = net.connections[place]
    stored = c.stored().reshape(-1)
    biases = net.population(c.target).biases.values() if chain and c.source != c.target else ()
    return np.concatenate([stored, *(b.reshape(-1) for b in biases)])


def _error(values: Array, step: float, top: int, groups: int) -> float:
    """Return the squared error of clipping to `top` steps and rounding, in groups of which the first has this step."""
    inside = np.clip(values, -top * step, top * step)
    total = float(np.sum((inside - values) ** 2))
    for chosen in split_by_size(inside, top, groups):
        part = inside[chosen]
        room = largest_magnitude(part)
        finer = 2.0 ** np.floor(np.log2(top * step / room)) if room else 1.0
        own = step / finer if groups > 1 else step
        total += float(np.sum((np.rint(part / own) * own - part) ** 2))
    return total

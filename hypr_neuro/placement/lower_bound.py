"""How few cores any placement could do with, whichever neurons go where: a bound from below, beside the cores used.

Summed over all populations, each limit of a core gives a bound of its own, and the largest holds:

    core.neurons           neurons / limit
    core.synaptic_memory   bits that every axon takes however its synapses lie / limit: weight, delay and one bit of
                           index each, a header of 10 bits for 63, words of 64; kernels that a core shares, once; what
                           the network's learning takes
    core.in_axons          the most sources of one neuron: a core that holds `limit` sources holds neurons of that
                           many pairs with them at most: pairs of neuron and source / (limit · core.neurons)

No placement need reach it: populations are placed one after the other, and a core's index bits grow with its neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hypr_neuro.placement.limits import Limits
from hypr_neuro.placement.needs import PopulationNeeds
from hypr_neuro.placement.stored import StoredConnection, axon_bits


@dataclass(frozen=True)
class FewestCores:
    """A bound from below.

    Attributes
    ----------
    cores
        No placement takes fewer.
    because
        The profile's limit that asks for them, "" where one core is enough for all that is known.
    """

    cores: int = 1
    because: str = ""


def fewest_cores(needs: Sequence[PopulationNeeds], limits: Limits) -> FewestCores:
    """Return how many cores the network takes at least."""
    neurons = sum(p.size for p in needs)
    bounds = [FewestCores()]
    if limits.neurons is not None:
        bounds.append(FewestCores(_ceiling(neurons, limits.neurons), "core.neurons"))
    if limits.synaptic_memory is not None:
        bits = sum(_least_bits(p) for p in needs)
        bounds.append(FewestCores(_ceiling(bits, limits.synaptic_memory), "core.synaptic_memory"))
    if limits.in_axons is not None and limits.neurons is not None:
        pairs = sum(_least_synapses(p) for p in needs)
        bounds.append(FewestCores(_ceiling(pairs, limits.in_axons * limits.neurons), "core.in_axons"))
    most = max(bounds, key=lambda bound: bound.cores)
    return most if most.cores > 1 else FewestCores()


def _least_bits(p: PopulationNeeds) -> int:
    """Return the bits of a population's synapses however they are spread, and of its learning."""
    return p.learning_bits(0, p.size) + sum(_of_connection(c) for c in p.incoming)


def _of_connection(c: StoredConnection) -> int:
    if c.analog:
        return 0
    if c.shared is not None:
        return len(c.shared.kernel) * prod(c.shared.kernel.shape[1:]) * c.weight_bits
    of_axons = np.full(c.columns, c.neurons) if c.indices is None else np.bincount(c.indices)
    # pieces of an axon on several cores take no less than the whole, and an index takes a bit at least
    counts, often = np.unique(of_axons, return_counts=True)
    return sum(int(often[i]) * axon_bits(int(k), c.weight_bits, 2, c.delay_bits) for i, k in enumerate(counts) if k)


def _least_synapses(p: PopulationNeeds) -> int:
    """Return pairs of a neuron and a source, those of the connection alone that has most: sources may be shared."""
    return max((c.neurons * c.columns if c.starts is None else c.distinct.pairs for c in p.incoming), default=0)


def _ceiling(value: int, limit: int) -> int:
    return -(-value // limit)

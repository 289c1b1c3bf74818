"""Bounds of a whole integer network, population by population.

A spike is 0 or 1 whatever happens before it, so populations of spikes need no order. What populations of numbers send
is bounded by their messages' width first; with the ends of their states found so, all is bounded once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.bounds.population import PopulationBounds, population_bounds
from hypr_neuro.bounds.sums import ConnectionSum, connection_sums, current_ends
from hypr_neuro.bounds.values import Ends
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork
from hypr_neuro.numbers.arrays import Array

ROUNDS = 4
"""Most passes over populations that send numbers."""


@dataclass
class NetworkBounds:
    """Bounds of a network for inputs between two ends.

    Attributes
    ----------
    network
        What is bounded.
    inputs
        Ends (channels,) of the input.
    populations
        By name.
    sums
        Of every connection, by population.
    """

    network: IntegerNetwork
    inputs: Ends
    populations: dict[str, PopulationBounds]
    sums: dict[str, list[ConnectionSum]]


def input_ends(network: IntegerNetwork, given: tuple[int, int] | None = None) -> Ends:
    """Return the ends of the input's channels: those that are given, else those of its messages, spikes by default."""
    if given is not None:
        low, high = given
        if low > high:
            raise InputError(f"inputs = {low}..{high}, rule: the smaller number first")
        limit = min(network.largest_input(p.name) for p in network.populations)
        if max(-low, high) > limit:
            raise InputError(
                f"inputs = {low}..{high}, rule: at most {limit} for this network, beyond which sums leave 32 bits"
            )
        return np.full(network.inputs, float(low)), np.full(network.inputs, float(high))
    lo, hi = np.zeros(network.inputs), np.ones(network.inputs)
    ranges = [c.message_range for c in network.synapses if c.source == INPUT and c.message_bits]
    if ranges and all(r is not None for r in ranges):
        limit = min(network.largest_input(p.name) for p in network.populations)
        top = min([limit, *(r[1] for r in ranges if r is not None)])
        lo, hi = np.full(network.inputs, -float(top)), np.full(network.inputs, float(top))
    return lo, hi


def network_bounds(network: IntegerNetwork, inputs: tuple[int, int] | None = None) -> NetworkBounds:
    """Bound every sum and state of a network.

    Parameters
    ----------
    network
        An `IntegerNetwork`.
    inputs
        The smallest and largest number that a channel of the input sends; by default 0 and 1, or what the
        connections' messages hold.

    Raises
    ------
    InputError
        For an input range that the network does not take, and a neuron whose step function is beyond the rules.
    """
    ends = input_ends(network, inputs)
    sources: dict[str, Ends] = {INPUT: ends}
    for p in network.populations:
        widest = np.full(p.size, 2.0**31)
        top = np.ones(p.size) * (int(p.named()[p.model.most_spikes]) if p.model.most_spikes else 1)
        sources[p.name] = (-widest, widest) if p.model.readout else (np.zeros(p.size), top)
    found: dict[str, PopulationBounds] = {}
    sums: dict[str, list[ConnectionSum]] = {}
    for _ in range(ROUNDS):
        narrower = False
        for p in network.populations:
            incoming = [(i, c) for i, c in enumerate(network.synapses) if c.target == p.name]
            new = [s for i, c in incoming for s in connection_sums(i, c, sources)]
            currents = current_ends(network, p.name, new)
            if p.name in found and _same(found[p.name].currents, currents):
                continue
            sums[p.name], found[p.name] = new, population_bounds(p, currents)
            if p.model.sends_numbers:
                before, after = sources[p.name], found[p.name].output
                sources[p.name] = (np.maximum(before[0], after[0]), np.minimum(before[1], after[1]))
                narrower |= not _same([before], [sources[p.name]])
        if not narrower:
            break
    return NetworkBounds(network, ends, found, sums)


def _same(one: list[Ends], other: list[Ends]) -> bool:
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def bits_of(least: Array, most: Array) -> Array:
    """Return the bits of a signed word that holds all from `least` to `most`, -1 where that has no end; (n,) int."""
    finite = np.isfinite(least) & np.isfinite(most)
    size = np.where(finite, np.maximum(np.maximum(most, -least - 1.0), 0.0), 0.0)
    # x < 2^(b - 1)
    return np.where(finite, np.frexp(size)[1] + 1, -1).astype(np.int64)

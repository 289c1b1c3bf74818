"""Ends of weighted sums for anything that may arrive: exact, as every source may send what it likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.bounds.values import Ends
from hypr_neuro.graph.integer import IntegerNetwork, Synapses
from hypr_neuro.numbers.arrays import Array

LARGEST_SUM_BITS = 32
"""What executors hold a sum in."""


@dataclass(frozen=True)
class ConnectionSum:
    """The sum of mantissas of one connection and one delay, before its exponent shifts it.

    Attributes
    ----------
    place, delay, current, exponent
        Of the connection; which input current of the target takes it.
    least, most : (n,)
        Ends of the sum and of every partial sum on the way to it, in whatever order its parts are added.
    lo, hi : (n,)
        Ends of what it brings to the current, shifted; 0 before anything could arrive.
    """

    place: int
    delay: int
    current: int
    exponent: int
    least: Array
    most: Array
    lo: Array
    hi: Array


def sent_ends(c: Synapses, sources: Mapping[str, Ends]) -> Ends:
    """Return the ends (pre,) of what travels over a connection, for what its source gives."""
    lo, hi = sources[c.source]
    if c.message is None:
        return lo, hi
    shift, bits = c.message
    top, half = 2.0**bits - 1.0, float((1 << shift) >> 1)
    low, high = (np.clip(np.floor((end + half) / 2.0**shift), -top, top) for end in (lo, hi))
    return low, high


def connection_sums(place: int, c: Synapses, sources: Mapping[str, Ends]) -> list[ConnectionSum]:
    """Return the sums of a connection, one a delay."""
    lo, hi = sent_ends(c, sources)
    result = []
    for delay, weights in c.written_out().by_delay():
        positive, negative = _split(weights)
        # with what is yet to be added at 0
        least = positive @ np.minimum(lo, 0.0) + negative @ np.maximum(hi, 0.0)
        most = positive @ np.maximum(hi, 0.0) + negative @ np.minimum(lo, 0.0)
        low, high = positive @ lo + negative @ hi, positive @ hi + negative @ lo
        bias = np.zeros(len(least)) if c.always_on is None else c.always_on.astype(float)
        constant = bias + c.half
        result.append(
            ConnectionSum(
                place,
                delay,
                c.current,
                int(c.exponent),
                least + np.minimum(bias, 0.0),
                most + np.maximum(bias, 0.0) + c.half,
                np.minimum(_shifted(low + constant, c.exponent), 0.0),
                np.maximum(_shifted(high + constant, c.exponent), 0.0),
            )
        )
    return result


def _split(weights: Any) -> tuple[Any, Any]:
    """Return the weights above 0 and those below, exact in floats: sums stay below 2^53."""
    real = weights.astype(float)
    if isinstance(real, np.ndarray):
        return np.maximum(real, 0.0), np.minimum(real, 0.0)
    return real.maximum(0), real.minimum(0)


def _shifted(x: Array, exponent: int) -> Array:
    return np.asarray(np.floor(x * 2.0**exponent))


def current_ends(network: IntegerNetwork, target: str, sums: list[ConnectionSum]) -> list[Ends]:
    """Return the ends (n,) of each input current of a population."""
    p = network.population(target)
    result = []
    for k in range(p.model.currents):
        mine = [s for s in sums if s.current == k]
        zero = np.zeros(p.size)
        result.append((sum((s.lo for s in mine), zero), sum((s.hi for s in mine), zero.copy())))
    return result

"""Weights whose sums cannot leave an accumulator of so many bits, whatever arrives.

A neuron's sum over a connection lies between Σ m_j z over its negative and over its positive mantissas, z being the
largest number that arrives: 1 of spikes. Where one of the two, with the bias axon, leaves ±(2^(bits-1) - 1), its
mantissas become the nearest ones, in squares, whose sum fits: all lose the same, those below it become 0 (projection on
the L1 ball), and what rounding down leaves goes to those that it cut most. Every partial sum then fits, too, in
whatever order it is added.

Limiting the L1 norm of integer weights by the accumulator's width: Colbert, Pappalardo, Petri-Koenig, "A2Q:
Accumulator-Aware Quantization with Guaranteed Overflow Avoidance", ICCV 2023, arXiv 2308.13504, who train under the
limit. Here weights are projected after training, each sign by itself where what arrives is never negative.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import whole
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection

FEWEST, MOST = 4, 32


def check_width(given: int) -> int:
    """Return a width that an accumulator may have; raise InputError for another."""
    bits = whole("accumulator_bits", given, FEWEST)
    if bits > MOST:
        raise InputError(f"accumulator_bits = {bits}, rule: {FEWEST} to {MOST}")
    return bits


def accumulator_width(qnet: QuantizedNetwork, given: int | None) -> int | None:
    """Return the width that sums are held to: the one given, else the profile's, None for none."""
    stated = qnet.profile.precision.accumulator_bits
    if given is None:
        return None if stated is None else int(stated.value)
    return check_width(given)


def with_accumulators(qnet: QuantizedNetwork, given: int | None) -> QuantizedNetwork:
    """Return the network with weights whose sums cannot leave the accumulator, itself where no width is stated.

    Parameters
    ----------
    qnet
        The network; it is not changed.
    given
        Bits of the accumulator, sign included; None takes `precision.accumulator_bits` of the profile.

    Raises
    ------
    InputError
        For a width outside 4 to 32, and a convolution whose kernel would have to change.
    """
    bits = accumulator_width(qnet, given)
    if bits is None:
        return qnet
    connections, notes = [], list(qnet.notes)
    for name, c in zip(qnet.connection_names(), qnet.connections, strict=True):
        limited, note = _limited(name, c, largest_in(bits), _arriving(qnet, c))
        connections.append(limited)
        notes += [f"{name}: {note} so that sums fit {bits} bits"] if note else []
    return replace(qnet, connections=tuple(connections), notes=notes)


def _arriving(qnet: QuantizedNetwork, c: QuantizedConnection) -> tuple[int, bool]:
    """Return the largest number that arrives, and whether it may be negative."""
    signed = c.source != INPUT and qnet.population(c.source).model.readout
    if c.source == INPUT:
        signed = bool(c.message_bits)
    return (1 << c.message_bits) - 1 if c.message_bits else 1, signed


def _limited(
    name: str, c: QuantizedConnection, top: int, arriving: tuple[int, bool]
) -> tuple[QuantizedConnection, str]:
    """Return a connection whose sums fit, and what that took; "" where they did before."""
    largest, signed = arriving
    if isinstance(c.mantissa, Convolution):
        reached = int(c.mantissa.magnitudes().max()) * largest
        if reached > top:
            raise InputError(
                f"connection {name}: the sums of its convolution can reach {reached}, rule: {top}, and its kernel is "
                "shared by many sums; give fewer precision.weight_bits or more accumulator_bits"
            )
        return c, ""
    changed: Any = c.mantissa.copy()
    rows = _rows(changed, c.bias_axon)
    count = sum(_limit_row(values, bias, top, largest, signed=signed) for values, bias in rows)
    if not count:
        return c, ""
    lost = float(np.abs(c.entries()).sum() - np.abs(_entries(changed)).sum()) / float(np.abs(c.entries()).sum())
    told = f"weights of {count} of {changed.shape[0]} neurons made smaller, by {lost:.1%} of all,"
    return replace(c, mantissa=changed), told


def _entries(matrix: Any) -> Array:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.data)


def _rows(matrix: Any, bias_axon: bool) -> list[tuple[Array, Array]]:
    """Return views of each neuron's weights and of its bias (1,) or (0,)."""
    last = matrix.shape[1] - 1
    if isinstance(matrix, np.ndarray):
        cut = last if bias_axon else last + 1
        return [(row[:cut], row[cut:]) for row in matrix]
    result = []
    for first, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        of_bias = bias_axon and stop > first and matrix.indices[stop - 1] == last
        cut = stop - 1 if of_bias else stop
        result.append((matrix.data[first:cut], matrix.data[cut:stop]))
    return result


def _limit_row(values: Array, bias: Array, top: int, largest: int, *, signed: bool) -> bool:
    """Bring the weights of one neuron inside the limit, in place; whether that changed any."""
    before = values.copy(), bias.copy()
    np.clip(bias, -top, top, out=bias)
    constant = int(bias[0]) if bias.size else 0
    if signed:
        values[:] = np.sign(values) * projected(np.abs(values), (top - abs(constant)) // largest)
    else:
        for sign in (1, -1):
            chosen = values * sign > 0
            room = (top - max(sign * constant, 0)) // largest
            values[chosen] = sign * projected(np.abs(values[chosen]), room)
    return not (np.array_equal(before[0], values) and np.array_equal(before[1], bias))


def projected(sizes: Array, room: int) -> Array:
    """Return the whole numbers from 0 on, next to `sizes` in squares, whose sum is at most `room`.

    sizes : (m,) int64, none negative. The real projection is max(s - τ, 0); it is rounded down, and what is left of the
    room raises the numbers that lost most by that.
    """
    if int(sizes.sum()) <= room:
        return sizes.copy()
    descending = np.sort(sizes)[::-1].astype(float)
    over = (np.cumsum(descending) - room) / np.arange(1, len(sizes) + 1)
    cut = over[np.flatnonzero(descending > over)[-1]] if np.any(descending > over) else descending[0]
    real = np.maximum(sizes - cut, 0.0)
    whole_part = np.floor(real).astype(np.int64)
    left = min(room - int(whole_part.sum()), int(np.count_nonzero(real)))
    if left > 0:
        raised = np.argsort(whole_part - real, kind="stable")[:left]
        whole_part[raised] += 1
    return np.minimum(whole_part, sizes)

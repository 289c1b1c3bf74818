"""A float network as a chip can have it: decays that are shifts of bits, and one sign for all weights of a source.

A chip that takes v >> k from a state in each step has decays d = 2^-k, k = 0..2^b - 1. Of a decay d, lost in a step,
it has the nearest one by ratio, k = rint(-log2 d); of a time constant τ, in steps, d = 1 - e^{-1/τ}. So a time constant
changes by up to a factor of about √2.

A chip with excitatory and inhibitory sources keeps of each source the weights of the sign that has more of the weights'
squares, over all connections from it, and makes the others 0. Both are recorded, with the error that they make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.data.doubts import warn_of
from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons.base import Conversion
from hypr_neuro.neurons.li import time_constant
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.abilities import SHARES, TIMES
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.weight_entries import with_entries

MUCH = 0.1
"""Share of a connection's squared weights from which on their loss is said."""


def suited(net: Network, profile: Profile, record: list[dict[str, Any]]) -> Network:
    """Return the network as the chip can have it; one that a profile asks nothing of is returned as it is.

    Parameters
    ----------
    net : Network
        Stays as it is.
    profile : Profile
        Its `precision.decay_shift_bits` and `precision.weight_sign`.
    record : list
        What was changed is appended, as conversions are.

    Raises
    ------
    DoesNotFitError
        For neurons without decays of a form that a shift can have.
    """
    rules = profile.precision
    if rules.decay_shift_bits is not None:
        top = min((1 << rules.decay_shift_bits.value) - 1, rules.decay_bits.value)
        populations = tuple(_with_shifts(p, top, profile, record) for p in net.populations)
        net = replace(net, populations=populations)
    if rules.weight_sign is not None and rules.weight_sign.value == "source":
        net = replace(net, connections=_with_signs(net, record))
    return net


# ---------------------------------------------------------------- decays


def shifts_of(decay: Array, top: int) -> Array:
    """Return k of the power of two 2^-k nearest to a decay by ratio, 0..top; of no decay at all it is `top`."""
    smallest = 2.0 ** -(top + 1)
    k: Array = np.rint(-np.log2(np.maximum(decay, smallest))).astype(np.int64)
    return np.clip(k, 0, top)


def _with_shifts(p: FloatPopulation, top: int, profile: Profile, record: list[dict[str, Any]]) -> FloatPopulation:
    named = [name for name in p.params if name in SHARES + TIMES]
    if not named:
        raise DoesNotFitError(
            f"population '{p.name}': neuron '{p.model.name}' has no decay that a shift of bits stands for, rule: "
            f"decays 2^-k (profile '{profile.name}', precision.decay_shift_bits); build it of 'lif', or take a profile "
            "without this rule"
        )
    params = dict(p.params)
    for name in named:
        given = np.asarray(p.params[name], np.float64)
        decay = given if name in SHARES else -np.expm1(-1.0 / given)
        k = shifts_of(decay, top)
        shifted = 2.0 ** -k.astype(np.float64)
        params[name] = shifted if name in SHARES else time_constant(1.0 - shifted)
        off = float(np.max(np.abs(shifted / np.maximum(decay, 2.0 ** -(top + 1)) - 1.0)))
        rule = f"decays by shifts of {k.min()}..{k.max()} bits (the chip has 0..{top}), off by up to {off:.1%}"
        integer = np.left_shift(1, top - k)
        clipped = int(np.count_nonzero(decay < 2.0 ** -(top + 0.5)))
        step = Conversion(f"{name} as a shift", decay, 2.0**top, integer, "nearest power of two", clipped, rule)
        record.append(conversion_summary(p.name, step))
    return replace(p, params=params)


# ---------------------------------------------------------------- signs


def _with_signs(net: Network, record: list[dict[str, Any]]) -> tuple[FloatSynapses, ...]:
    """Return the connections with one sign a source: that of more of the squares of all that it sends."""
    sizes = {INPUT: net.inputs} | {p.name: p.size for p in net.populations}
    weight = {source: np.zeros((2, size)) for source, size in sizes.items()}
    listed = [_by_source(c) for c in net.connections]
    for c, (source, values) in zip(net.connections, listed, strict=True):
        for row, sign in enumerate((values > 0, values < 0)):
            weight[c.source][row] += np.bincount(source[sign], values[sign] ** 2, sizes[c.source])
    negative = {source: squares[1] > squares[0] for source, squares in weight.items()}
    result: list[FloatSynapses] = []
    doubts: list[str] = []
    for name, c, (source, values) in zip(net.connection_names(), net.connections, listed, strict=True):
        lost = (values != 0) & ((values < 0) != negative[c.source][source])
        kept = np.where(lost, 0.0, values)
        share = float(np.sum(values[lost] ** 2) / max(float(np.sum(values**2)), 1e-300))
        top = max(float(np.abs(values).max(initial=0.0)), 1e-9)
        rule = f"one sign a source: {np.count_nonzero(lost)} of {values.size} weights became 0, {share:.1%} of squares"
        # units so fine that the record's error is that of the signs alone
        integer = np.rint(kept / top * 2.0**40).astype(np.int64)
        if values.size:
            step = Conversion(f"{name}, signs", values, 2.0**40 / top, integer, "other sign to 0", 0, rule)
            record.append(conversion_summary(c.target, step))
        doubts += _doubt(name, share)
        result.append(replace(c, weights=with_entries(c.weights, _in_shape(c, kept))))
    warn_of(doubts)
    return tuple(result)


def _by_source(c: FloatSynapses) -> tuple[Array, Array]:
    """Return the source of each stored weight and the weight, both in the order in which they are stored."""
    weights: Any = c.weights
    if isinstance(weights, Convolution):
        raise DoesNotFitError(
            f"connection {c.name}: a convolution, rule: one sign for all weights of a source (precision.weight_sign), "
            "where a kernel's weights have many sources; use a dense or sparse connection, or take a profile without "
            "this rule"
        )
    if isinstance(weights, np.ndarray):
        return np.indices(weights.shape)[1].reshape(-1), weights.reshape(-1)
    return np.asarray(weights.indices), np.asarray(weights.data)


def _in_shape(c: FloatSynapses, values: Array) -> Array:
    return values.reshape(c.weights.shape) if isinstance(c.weights, np.ndarray) else values


def _doubt(name: str, share: float) -> Sequence[str]:
    if share < MUCH:
        return ()
    return (
        f"connection {name}: one sign a source makes 0 of {share:.0%} of the weights' squares; train with weights of "
        "one sign a source, or choose a chip with signs of their own (precision.weight_sign: synapse)",
    )

"""Convolutions as nodes of NIR, between nodes that have an image's shape.

NIR's Conv1d and Conv2d take (channel, *axes) and give the same, and nothing turns a vector into an image. A population
is therefore written in its shape if all that it hears are convolutions of such sources that NIR can say, and if its
constant current is one number a channel, which is the bias of a convolution. All others are written flat, and what
they hear is written out. The kernel of a convolution in groups is written over all input channels, zeros outside of the
groups: nir 1.0.8 counts the channels of groups wrong when it reads a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import nir
import numpy as np

from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array


def shaped_populations(graph: Network) -> set[str]:
    """Return the populations that are written in their shape."""
    shapes = {INPUT: graph.input_shape} | {p.name: p.shape for p in graph.populations}
    shaped = {p.name for p in graph.populations if _may_be_shaped(graph, p)}
    while True:
        known = shaped | {INPUT}
        kept = {name for name in shaped if all(_fits(c, shapes, known) for c in graph.incoming(name))}
        if kept == shaped:
            return shaped
        shaped = kept


def _may_be_shaped(graph: Network, p: FloatPopulation) -> bool:
    incoming = graph.incoming(p.name)
    if not incoming or (p.biases and not any(takes_bias(graph, c) for c in incoming)):
        return False
    biases = [p.summed_bias(first).reshape(p.shape[0], -1) for first in p.biases]
    return set(p.biases) <= {0} and all(np.all(bias == bias[:, :1]) for bias in biases)


def takes_bias(graph: Network, c: FloatSynapses) -> bool:
    """Tell whether a connection's node may carry a constant current of its target."""
    return c.delay == 0 and graph.forward(c)


def _fits(c: FloatSynapses, shapes: dict[str, tuple[int, ...]], known: set[str]) -> bool:
    """Tell whether NIR can say a connection as a convolution between these shapes."""
    weights: Any = c.weights
    if not isinstance(weights, Convolution) or c.source not in known or not weights.channels_first:
        return False
    pool, axes = weights.pool, len(weights.image)
    # nir finds the output's shape of square kernels alone
    if axes not in (1, 2) or _padding(weights.taps) is None or len(set(weights.taps.kernel)) > 1:
        return False
    if pool is not None and (axes != 2 or pool.before != pool.after or set(pool.dilation) != {1}):
        return False
    ends = (weights.channels, *weights.image), (int(weights.kernel.shape[0]), *weights.outputs)
    return ends == (shapes[c.source], shapes[c.target])


def _padding(taps: Taps) -> tuple[int, ...] | str | None:
    """Return NIR's padding: numbers, "same", or None where there is none."""
    if taps.before == taps.after:
        return taps.before
    total = [d * (k - 1) for d, k in zip(taps.dilation, taps.kernel, strict=True)]
    same = set(taps.stride) == {1} and taps.before == tuple(t // 2 for t in total)
    return "same" if same and taps.after == tuple(t - t // 2 for t in total) else None


def convolution_nodes(c: Convolution, bias: Array | None) -> Iterator[nir.NIRNode]:
    """Yield the nodes of a convolution in the order of what is sent: a pooling, if it has one, and its kernel."""
    if c.pool is not None:
        yield nir.SumPool2d(*(np.array(lengths) for lengths in (c.pool.kernel, c.pool.stride, c.pool.before)))
    by_channel = np.zeros(c.kernel.shape[0]) if bias is None else bias.reshape(c.kernel.shape[0], -1)[:, 0].copy()
    padding = _padding(c.taps)
    common: dict[str, Any] = {"weight": _over_all_channels(c), "groups": 1, "bias": by_channel}
    numbers: dict[str, Any] = {"stride": c.taps.stride, "dilation": c.taps.dilation, "padding": padding}
    if len(c.image) == 2:
        yield nir.Conv2d(input_shape=c.seen, **common, **numbers)
        return
    single = {key: value if isinstance(value, str) else value[0] for key, value in numbers.items()}
    yield nir.Conv1d(input_shape=c.seen[0], **common, **single)


def _over_all_channels(c: Convolution) -> Array:
    """Return the kernel (out, in, *kernel) of a convolution without groups that does the same."""
    out, per_group = c.kernel.shape[:2]
    kernel = np.zeros((out, c.channels, *c.kernel.shape[2:]), c.kernel.dtype)
    for group in range(c.groups):
        rows = slice(group * out // c.groups, (group + 1) * out // c.groups)
        kernel[rows, group * per_group : (group + 1) * per_group] = c.kernel[rows]
    return kernel


def in_shape(node: nir.NIRNode, shape: tuple[int, ...]) -> nir.NIRNode:
    """Return a neuron node with its arrays (n,) in the population's shape."""
    size = int(np.prod(shape))
    arrays = {f.name: getattr(node, f.name) for f in fields(node) if f.init}
    flat = {name: a for name, a in arrays.items() if isinstance(a, np.ndarray) and a.shape == (size,)}
    return replace(node, **{name: a.reshape(shape) for name, a in flat.items()})

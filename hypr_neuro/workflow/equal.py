"""Checks that two networks or two runs are the same; the error names the first difference."""

from __future__ import annotations

import numpy as np

from hypr_neuro.errors import MismatchError
from hypr_neuro.graph.float_graph import FloatGraph
from hypr_neuro.graph.network import Network
from hypr_neuro.traces.trace import Trace


def require_equal_networks(one: Network, other: Network) -> None:
    """Raise MismatchError unless every array of both networks is the same, bit for bit."""
    same = len(one.layers) == len(other.layers) and one.dt == other.dt
    for i, (a, b) in enumerate(zip(one.layers, other.layers, strict=False)):
        pairs = [(a.weight, b.weight), (a.recurrent, b.recurrent), (a.bias, b.bias)]
        pairs += [(a.params[k], b.params.get(k)) for k in a.params]
        equal = a.model is b.model and all(
            (x is None and y is None) or (x is not None and y is not None and np.array_equal(x, y)) for x, y in pairs
        )
        if not equal:
            raise MismatchError(f"{one.name(i)}: the network read back differs from the one written")
    if not same:
        raise MismatchError("the network read back has other layers or another dt than the one written")


def require_equal_graphs(one: FloatGraph, other: FloatGraph) -> None:
    """Raise MismatchError unless both graphs compute the same, bit for bit."""
    if one.digest() != other.digest():
        raise MismatchError("the graph read back differs from the one written")


def require_equal_traces(sim_trace: Trace, lava_trace: Trace) -> None:
    """Raise MismatchError naming layer, first step and neuron unless everything recorded is equal."""
    pairs = [(f"{layer}.spikes", array, lava_trace.spikes[layer]) for layer, array in sim_trace.spikes.items()]
    pairs += [
        (f"{layer}.{state}", array, lava_trace.states[layer][state])
        for layer, by_name in sim_trace.states.items()
        for state, array in by_name.items()
    ]
    for name, a, b in pairs:
        if not np.array_equal(a, b):
            index = tuple(int(i) for i in np.argwhere(a != b)[0]) if a.shape == b.shape else ()
            position = (
                f"step {index[0]}, sample {index[1]}, neuron {index[2]}: {a[index]} here, {b[index]} there"
                if index
                else "other shape"
            )
            raise MismatchError(f"{name} differs between the simulator and Lava, {position}")

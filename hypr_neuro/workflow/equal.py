"""Checks that two networks or two runs are the same; the error names the first difference."""

from __future__ import annotations

import json

import numpy as np

from hypr_neuro.errors import MismatchError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.network_file import contents
from hypr_neuro.traces.trace import Trace


def require_equal_networks(one: Network, other: Network) -> None:
    """Raise MismatchError unless every number of both networks is the same, bit for bit."""
    for a, b in zip(one.populations, other.populations, strict=False):
        ours, theirs = _numbers(one, a), _numbers(other, b)
        same = a.model is b.model and len(ours) == len(theirs)
        if not (same and all(np.array_equal(x, y) for x, y in zip(ours, theirs, strict=True))):
            raise MismatchError(f"{a.name}: the network read back differs from the one written")
    if one.digest() != other.digest() or one.dt != other.dt:
        raise MismatchError("the network read back has other layers or another dt than the one written")


def _numbers(net: Network, p: FloatPopulation) -> list[Array]:
    """Return all that a population computes with: what leads to it, weights, parameters and constant currents."""
    incoming = net.incoming(p.name)
    ends = np.array([(c.name, c.delay, c.current) for c in incoming])
    currents = np.array(list(p.biases)), *p.biases.values()
    return [ends, *(c.stored() for c in incoming), *p.params.values(), *currents]


def require_equal_integers(one: QuantizedNetwork, other: QuantizedNetwork) -> None:
    """Raise MismatchError unless both networks in integers are the same to the last entry of their files."""
    (meta, arrays), (other_meta, others) = contents(one), contents(other)
    for key, array in arrays.items():
        if key not in others or not np.array_equal(array, others[key]):
            kind, place = key[0], int(key[1:].split("/")[0])
            name = one.populations[place].name if kind == "p" else one.connection_names()[place]
            raise MismatchError(f"{name}: the integers read back differ from those written")
    if json.dumps(meta, sort_keys=True) != json.dumps(other_meta, sort_keys=True) or len(arrays) != len(others):
        raise MismatchError("the integers read back have another shape, profile, record or dt than those written")


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

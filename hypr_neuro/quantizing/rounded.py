"""The float network that integers stand for, array by array that of the network which was quantized.

Weights, currents and neuron parameters are those of the integers, in the shapes and under the names of the float
network, whatever groups and axons the chip spreads them over: a gradient at the rounded numbers is one for the float
network's own. Time is the chip's, see `float_form`: a connection that leads back over several populations arrives later
than in the network that was quantized.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, cast

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_params import float_params
from hypr_neuro.quantizing.graph_conversion import Origin
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection
from hypr_neuro.quantizing.weight_entries import stored_entries, with_entries


def rounded_network(net: Network, qnet: QuantizedNetwork, origins: Sequence[Origin]) -> Network:
    """Return a copy of `net` with the numbers that its integers stand for, in the time of the chip.

    Parameters
    ----------
    net
        The float network.
    qnet, origins
        Its integers, and where each of their connections comes from, as `quantize.convert` gives both.

    Raises
    ------
    InputError
        Naming the connection, for one over which a population would hear another earlier than a float network can
        have it.
    """
    populations = [
        replace(p, params=float_params(q, p.params), biases={first: np.zeros_like(b) for first, b in p.biases.items()})
        for p, q in zip(net.populations, qnet.populations, strict=True)
    ]
    names = {p.name: i for i, p in enumerate(net.populations)}
    connections = [_in_chip_time(c, names, qnet) for c in net.connections]
    for c, origin in zip(qnet.connections, origins, strict=True):
        step = qnet.weight_step(c)
        if isinstance(origin, tuple):
            name, first, current = origin
            populations[names[name]].bias_of(first, current)[...] += step * _entries(c)[:, 0]
            continue
        target = connections[origin]
        if c.bias_axon:  # of a chain
            populations[names[target.target]].bias_of(0)[...] += step * _entries(c)[:, -1]
        _add(target, c, step)
    return replace(net, populations=tuple(populations), connections=tuple(connections), notes=dict(net.notes))


def _in_chip_time(c: FloatSynapses, places: dict[str, int], qnet: QuantizedNetwork) -> FloatSynapses:
    """Return a connection whose weights are 0, all of them stored, that takes the steps which it takes on the chip."""
    made = copy(c)  # making it anew would drop stored zeros
    made.weights = with_entries(c.weights, np.zeros_like(c.stored()))
    if c.source not in places or places[c.source] < places[c.target]:
        return made
    shift = qnet.clock.shift(qnet.name(places[c.source]), qnet.name(places[c.target]))
    if c.delay - shift < 0:
        raise InputError(
            f"connection {c.name}: on profile '{qnet.profile.name}' it arrives {shift} step(s) earlier than its source "
            f"has computed in float time, since '{c.source}' stands behind '{c.target}' and is nearer to the input; "
            f"list '{c.source}' before '{c.target}' and give the connection one step of delay more"
        )
    made.delay = c.delay - shift
    return made


def _entries(c: QuantizedConnection) -> Array:
    """Return the mantissas as an array (post, columns)."""
    mantissa: Any = c.mantissa
    return mantissa if isinstance(mantissa, np.ndarray) else np.asarray(mantissa.toarray())


def _add(target: FloatSynapses, c: QuantizedConnection, step: float) -> None:
    """Add the weights of one connection of the chip, all or some of the float one's."""
    stored, mantissa, whole = target.stored(), cast("Any", c.mantissa), target.weights
    if isinstance(mantissa, Convolution) or (not c.dense and not target.dense and mantissa.nnz == stored.size):
        stored += step * stored_entries(mantissa)
    elif target.dense:
        stored += step * _entries(c)[:, : target.shape[1]]
    else:
        stored[np.searchsorted(_places(whole), _places(mantissa))] += step * mantissa.data


def _places(matrix: Any) -> Array:
    """Return row · columns + column of each stored weight of a CSR matrix, in its order."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return np.asarray(rows * matrix.shape[1] + matrix.indices)

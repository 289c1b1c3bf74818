"""Start weights that make a network fire: a silent layer passes nothing on, and learns slowly from ψ's tails alone."""

from __future__ import annotations

import numpy as np

from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import LayerArrays, LayerForward

DOUBLINGS = 12


def scale_to_rate(net: Network, x: Array, target: float) -> dict[str, float]:
    """Double each hidden layer's input weights, from the first layer up, until it fires at `target` or above.

    Parameters
    ----------
    net : Network
        Changed; by a factor of 2^12 at most.
    x : ndarray
        (sample, T, channel).
    target : float
        Spikes a neuron and step.

    Returns
    -------
    dict of float
        The rate that each layer reached, by name.
    """
    require("net", net, Network)
    values = np.ascontiguousarray(np.asarray(x).transpose(1, 0, 2), dtype=np.float32)
    rates = {}
    for i, layer in enumerate(net.layers[:-1]):
        for _ in range(DOUBLINGS):
            outputs = LayerForward(LayerArrays(layer, np.float32), values.shape[1]).forward(values)
            if outputs.mean() >= target:
                break
            layer.weight *= 2.0
        rates[net.name(i)] = float(outputs.mean())
        values = np.ascontiguousarray(outputs)
    return rates

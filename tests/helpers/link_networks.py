"""A small network for programs behind a link."""

from __future__ import annotations

from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize

ROOM = 512
"""Largest body of a request, in bytes."""


def link_network(seed: int) -> QuantizedNetwork:
    layer = {"neuron": "brf", "size": 8, "recurrent": True, "bias": True}
    net = Network.build({"inputs": 4, "outputs": 3, "layers": [layer], "readout": {"tau": 20}}, seed)
    net.layers[0].weight[...] *= 8
    return quantize(net, "cortex_m4", calibration={"layers.0": 4.0, "readout": 4.0})

"""Chains of layers as version 0.1 wrote them, with a layout of their own: floats, and integers beside them.

input → layer0_weight → layer0 → layer1_weight → … → readout_weight → readout → output
                        layer0 → layer0_recurrent → layer0
"""

from __future__ import annotations

import json
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.exchange.nir.integers import NirIntegers
from hypr_neuro.exchange.nir.nodes import kind, naming, node_label
from hypr_neuro.exchange.nir.own_entries import Entry, model_of, own_entry, own_integers
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network

ROLE = "network"
"""Of the input node's metadata."""


def rebuild_chain(graph: nir.NIRGraph, head: Entry) -> Network:
    """Return the chain as it was written, from the verified metadata `head` of its input.

    Raises whatever a made-up entry raises.
    """
    count = int(head["layers"])
    layers = [_layer(graph, _node(i, count)) for i in range(count)]
    return Network.from_layers(layers, float(head["dt"]), json.loads(head["encoder"]), json.loads(head["notes"]))


def _node(index: int, count: int) -> str:
    """Return the neuron node of layer `index` of `count`."""
    return "readout" if index == count - 1 else f"layer{index}"


def _layer(graph: nir.NIRGraph, name: str) -> Layer:
    """Return a layer from the metadata of its nodes."""
    entry = own_entry(graph, name, "neuron")
    with naming(node_label(name, graph.nodes[name])):
        model = model_of(entry)
        own_entry(graph, f"{name}_weight", "weight")
        incoming = graph.nodes[f"{name}_weight"]
        recurrent = None
        if entry["recurrent"]:
            own_entry(graph, f"{name}_recurrent", "recurrent")
            recurrent = graph.nodes[f"{name}_recurrent"].weight
        bias = getattr(incoming, "bias", None)  # a Linear node has none
        if (bias is None and entry["bias"]) or (bias is not None and not entry["bias"] and np.any(bias != 0.0)):
            raise FileFormatError(
                f"bias = {bool(entry['bias'])}, but its weights are {kind(incoming)} with bias {bias}"
            )
        bias = bias if entry["bias"] else None
        trainable = tuple(json.loads(entry["trainable"]))
        return Layer(model, incoming.weight, recurrent, bias, dict(entry["params"]), trainable)


def stored_chain(graph: nir.NIRGraph, net: Network) -> NirIntegers:
    """Return the integers of a chain, in the form that files have today."""
    head = own_integers(graph, "input")
    populations = {p.name: _node(i, len(net.populations)) for i, p in enumerate(net.populations)}
    nodes = [f"{populations[c.target]}_{'recurrent' if c.source == c.target else 'weight'}" for c in net.connections]
    arrays: dict[str, Any] = {}
    connections = []
    for i, (c, node) in enumerate(zip(net.connections, nodes, strict=True)):
        integers, bias = own_integers(graph, node), net.population(c.target).biases.get(0)
        axon = bias is not None and c.source != c.target
        if bias is not None and axon:
            arrays[f"c{i}/bias"] = np.rint(bias / float(integers["step"])).astype(np.int64)
        connection = {"source": c.source, "target": c.target, "exponent": int(integers["exponent"]), "parts": [i]}
        shape = {"shape": [c.shape[0], c.shape[1] + axon], "bias_axon": axon}
        connections.append(connection | shape | {"delays": 0, "current": 0, "message_bits": None})
    neurons = {
        p.name: own_integers(graph, populations[p.name]).get("integers_of", p.model.name) for p in net.populations
    }
    meta = {
        "inputs": net.inputs,
        "outputs": list(net.outputs),
        "dt": net.dt,
        "encoder": net.encoder,
        "profile": json.loads(head["profile"]),
        "record": json.loads(head["record"]),
        "notes": [],
        "connections": connections,
        "populations": [
            {"name": p.name, "neuron": str(neurons[p.name]), "trainable": list(p.trainable)} for p in net.populations
        ],
    }
    return NirIntegers(meta, arrays, populations, nodes)

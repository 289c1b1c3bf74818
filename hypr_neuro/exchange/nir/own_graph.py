"""Float graphs that hypr-neuro wrote: the exact graph from the metadata."""

from __future__ import annotations

import json
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.exchange.nir.nodes import naming, node_label, own_metadata, shape_of
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import OF_THE_MODEL, FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model


def holds_graph(graph: nir.NIRGraph) -> bool:
    """Return whether the NIR graph was written population by population."""
    return (own_metadata(graph.nodes.get("input")) or {}).get("role") == "graph"


def rebuild_graph(graph: nir.NIRGraph, head: dict[str, Any]) -> Network:
    """Return the graph as it was written, from the verified metadata `head` of its input.

    Raises whatever a made-up entry raises.
    """
    populations = tuple(_population(graph, name, node) for name, node in json.loads(head["populations"]))
    synapses = tuple(_synapses(graph, entry) for entry in json.loads(head["synapses"]))
    shape = tuple(int(n) for n in shape_of(graph.nodes["input"]))
    inputs, outputs = int(np.prod(shape)), tuple(json.loads(head["outputs"]))
    notes, encoder = json.loads(head["notes"]), json.loads(head.get("encoder", "null"))
    return Network(inputs, populations, synapses, float(head["dt"]), outputs, shape, notes, encoder)


def _population(graph: nir.NIRGraph, name: str, node: str) -> FloatPopulation:
    """Return a population from the metadata of its node."""
    neurons = graph.nodes[node]
    entry = own_metadata(neurons)
    with naming(node_label(node, neurons)):
        if entry is None or entry.get("role") != "population":
            raise FileFormatError("metadata 'hypr_neuro' of a population is missing; write the file again")
        biases = {int(first): bias for first, bias in entry.get("biases", {}).items()}
        shape = tuple(int(n) for n in np.atleast_1d(entry["shape"]))
        trainable = tuple(json.loads(entry["trainable"])) if "trainable" in entry else OF_THE_MODEL
        return FloatPopulation(name, get_model(entry["neuron"]), dict(entry["params"]), biases, shape, trainable)


def _synapses(graph: nir.NIRGraph, entry: dict[str, Any]) -> FloatSynapses:
    """Return a connection from the weights of its node."""
    node = graph.nodes[entry["node"]]
    weights: Any = node.weight
    if "convolution" in entry:
        kernel = (own_metadata(node) or {}).get("kernel", weights)  # a matrix stands for one that NIR cannot say
        weights = Convolution.of_description(kernel, entry["convolution"])
    elif entry["sparse"]:
        from scipy.sparse import csr_array

        weights = csr_array(weights)
    return FloatSynapses(entry["source"], entry["target"], weights, entry["delay"])

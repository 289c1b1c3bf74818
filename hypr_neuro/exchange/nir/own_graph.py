"""Networks that hypr-neuro wrote: the exact one from the metadata."""

from __future__ import annotations

import json
from math import prod
from typing import Any

import nir
import numpy as np

from hypr_neuro.exchange.nir.integers import NirIntegers, flat_arrays
from hypr_neuro.exchange.nir.nodes import naming, node_label, own_metadata, shape_of
from hypr_neuro.exchange.nir.own_entries import Entry, model_of, own_entry, own_integers
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import OF_THE_MODEL, FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network

ROLE = "graph"
"""Of the input node's metadata."""


def rebuild_graph(graph: nir.NIRGraph, head: Entry) -> Network:
    """Return the network as it was written, from the verified metadata `head` of its input.

    Raises whatever a made-up entry raises. Version 1 left out `encoder`, `current` and `trainable` in places.
    """
    populations = tuple(_population(graph, name, node) for name, node in json.loads(head["populations"]))
    synapses = tuple(_synapses(graph, entry) for entry in json.loads(head["synapses"]))
    shape = tuple(int(n) for n in shape_of(graph.nodes["input"]))
    outputs = tuple(json.loads(head["outputs"]))
    notes, encoder = json.loads(head["notes"]), json.loads(head.get("encoder", "null"))
    return Network(prod(shape), populations, synapses, float(head["dt"]), outputs, shape, notes, encoder)


def _population(graph: nir.NIRGraph, name: str, node: str) -> FloatPopulation:
    """Return a population from the metadata of its node."""
    entry = own_entry(graph, node, "population")
    with naming(node_label(node, graph.nodes[node])):
        model = model_of(entry)
        biases = {int(first): bias for first, bias in entry.get("biases", {}).items()}
        shape = tuple(int(n) for n in np.atleast_1d(entry["shape"]))
        trainable = tuple(json.loads(entry["trainable"])) if "trainable" in entry else OF_THE_MODEL
        return FloatPopulation(name, model, dict(entry.get("params", {})), biases, shape, trainable)


def _synapses(graph: nir.NIRGraph, entry: Entry) -> FloatSynapses:
    """Return a connection from the weights of its node."""
    own_entry(graph, entry["node"], "connection")
    node = graph.nodes[entry["node"]]
    weights: Any = node.weight
    if "convolution" in entry:
        # a matrix, or a kernel over all channels, stands for one that NIR cannot say
        kernel = (own_metadata(node) or {}).get("kernel", weights)
        weights = Convolution.of_description(kernel, entry["convolution"])
    elif entry["sparse"]:
        from scipy.sparse import csr_array

        weights = csr_array(weights)
    with naming(node_label(entry["node"], node)):
        options = entry["delay"], entry.get("current", 0), entry.get("trainable", True)
        return FloatSynapses(entry["source"], entry["target"], weights, *options)


def stored_graph(graph: nir.NIRGraph, head: Entry) -> NirIntegers:
    """Return the integers in the metadata of a quantized network."""
    integers = own_integers(graph, "input")
    nodes = [str(entry["node"]) for entry in json.loads(head["synapses"])]
    arrays = flat_arrays(integers.get("arrays", {}))
    return NirIntegers(json.loads(integers["network"]), arrays, dict(json.loads(head["populations"])), nodes)

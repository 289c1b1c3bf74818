"""An imported graph as a Network: layers one after the other, the last a readout, each with weights on itself at most.

A constant current is the layer's bias where the model has it on the current. lif and cuba_li have theirs on v: the same
if du = 1, and only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.exchange.nir.nodes import naming
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array

ANY = "hn.import_nir reads any graph"
MAX_DENSE = 1 << 24
"""Entries of a sparse matrix that are written out: 128 MB."""
FIXED = {"LIF": ("du",), "IF": ("du", "dv"), "Threshold": ("du", "dv"), "I": ("du", "dv")}
"""Parameters that do not train, since the node has none of the kind."""


def chain_network(graph: Network, places: Mapping[str, Place]) -> Network:
    """Return the network of a graph that is a chain of layers.

    Parameters
    ----------
    graph
        The graph.
    places
        The node that became each population, by name.

    Raises
    ------
    InputError
        For a graph that is no such chain, naming the node; the error says that import_nir takes it.
    """
    _check_end(graph, places)
    below, layers = INPUT, []
    for population in graph.populations:
        place = places[population.name]
        with naming(place.label):
            inputs, back = _connections(graph, population, below)
            bias, params = _bias(population)
            trainable = tuple(name for name in population.model.trainable if name not in FIXED.get(place.kind, ()))
            layers.append(Layer(population.model, inputs, back, bias, params, trainable))
        below = population.name
    return Network.from_layers(layers, graph.dt)


def _connections(graph: Network, population: FloatPopulation, below: str) -> tuple[Array, Array | None]:
    """Return weights from the layer below and from the population itself."""
    weights: dict[str, Array] = {}
    for c in graph.incoming(population.name):
        if c.source not in (below, population.name):
            raise InputError(f"hears '{c.source}', rule: '{below}' and itself, as in a chain of layers; {ANY}")
        if c.delay:
            raise InputError(f"hears '{c.source}' {c.delay} steps later, rule: without delays in a Network; {ANY}")
        weights[c.source] = _dense(c)
    if below not in weights:
        raise InputError(f"does not hear '{below}', rule: a chain of layers; {ANY}")
    if population.model.readout and population.name in weights:
        raise InputError(f"feedback to itself, rule: a readout has none; remove it, or {ANY}")
    return weights[below], weights.get(population.name)


def _dense(c: FloatSynapses) -> Array:
    """Return the weights with zeros written out."""
    if isinstance(c.weights, np.ndarray):
        return c.weights
    if prod(c.shape) > MAX_DENSE:
        raise InputError(
            f"sparse weights of shape {c.shape}, rule: at most {MAX_DENSE} entries, a Network writes zeros out; {ANY}"
        )
    return np.asarray(c.weights.toarray(), np.float64)


def _bias(population: FloatPopulation) -> tuple[Array | None, dict[str, Array]]:
    """Return (the layer's bias, parameters)."""
    params = dict(population.params)
    delayed = [first for first in population.biases if first]
    if delayed:
        raise InputError(f"a constant current from step {delayed[0]} on, rule: from the start in a Network; {ANY}")
    current = population.biases.get(0)
    if population.model.bias_on == "current" or current is None:
        return current, params
    faulty = np.flatnonzero((current != 0.0) & (params["du"] != 1.0))
    if faulty.size:
        raise InputError(
            f"bias[{faulty[0]}] = {current[faulty[0]]:.6g} on its current, rule: 0 where dt/tau_syn < 1, since "
            f"the bias of {population.model.name} acts on v; {ANY}"
        )
    params["bias"] = params["bias"] + current
    return None, params


def _check_end(graph: Network, places: Mapping[str, Place]) -> None:
    """Raise InputError unless spiking layers are followed by one readout, which is the output."""
    *hidden, last = graph.populations
    label = places[last.name].label
    for population in hidden:
        if population.model.readout:
            raise InputError(f"{places[population.name].label}: a readout, rule: only the last layer is one; {ANY}")
    if not last.model.readout:
        raise InputError(
            f"{label}: the last neurons spike, rule: a network ends with a readout (LI); add Linear and "
            f"LI before Output, or {ANY}"
        )
    if not hidden:
        raise InputError(f"{label}: the only neurons, rule: at least one spiking layer comes before the readout; {ANY}")
    if graph.outputs != (last.name,):
        raise InputError(f"the output shows {', '.join(graph.outputs)}, rule: '{last.name}', the last layer; {ANY}")

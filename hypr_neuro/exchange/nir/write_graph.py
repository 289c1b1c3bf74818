"""A float network as a NIR graph: one Affine node, or a convolution, a connection, one neuron node a population.

    source → [Delay →] Affine → neuron        delays on top of what NIR's order of the nodes gives
    input → Affine (weights 0) [→ Delay] → neuron    a constant current that no connection carries

Neurons are written as `neurons_out` says; the metadata hold what `own_graph` needs to rebuild the network exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.convolutions_out import convolution_nodes, in_shape, shaped_populations, takes_bias
from hypr_neuro.exchange.nir.neurons_out import neuron_node, reset_of
from hypr_neuro.exchange.nir.nodes import KEY, VERSION, graph_digest, naming
from hypr_neuro.exchange.nir.order import delays_in_nir
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation, check_params
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.graph.synapses import matrix_entry
from hypr_neuro.numbers.arrays import Array

LARGEST = 1 << 26
"""Weights of one connection: NIR has no sparse node, zeros are written out."""
UNSAFE = re.compile(r"[./\x00-\x1f\x7f\ud800-\udfff]")
"""What HDF5 takes for a path or the end of a name, PyTorch for one of an attribute, what breaks lines, no UTF-8."""


@dataclass
class WrittenGraph:
    """The nodes and edges of a network.

    Attributes
    ----------
    nodes, edges
        As NIR has them.
    populations
        The neuron node of each population, by name.
    connections
        The weight node of each connection.
    approximations
        One line for each thing that is only approximate in standard nodes.
    """

    nodes: dict[str, nir.NIRNode]
    populations: dict[str, str]
    connections: list[str] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    approximations: list[str] = field(default_factory=list)

    def graph(self) -> nir.NIRGraph:
        """Return the graph with its digest."""
        graph = nir.NIRGraph(self.nodes, self.edges)
        add_digest(graph)
        return graph


def add_digest(graph: nir.NIRGraph) -> None:
    """Put the digest of a graph into the metadata of its input."""
    graph.nodes["input"].metadata[KEY]["sha256"] = graph_digest(graph)


def json_text(what: str, value: Any) -> str:
    """Return `value` as JSON; raise InputError, naming `what`, for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be stored: {error}; use numbers, strings, lists and dicts of them") from error


def output_names(net: Network) -> list[str]:
    """Return the nodes of the outputs, in whose order of names readers of NIR put them side by side."""
    return output_nodes(len(net.outputs))


def output_nodes(count: int) -> list[str]:
    """Return the nodes of so many outputs."""
    return ["output"] if count == 1 else [f"output_{i:0{len(str(count - 1))}}" for i in range(count)]


def population_nodes(net: Network) -> dict[str, str]:
    """Return the node of each population: its name without what is unsafe in one, numbered where that is taken."""
    return nodes_of([p.name for p in net.populations], len(net.outputs))


def nodes_of(populations: Sequence[str], outputs: int) -> dict[str, str]:
    """Return the node of each population by its name, in a network of so many outputs."""
    taken, names = {"input", "input_flat", *output_nodes(outputs)}, {}
    for i, population in enumerate(populations):
        name = UNSAFE.sub("_", population) or f"population{i}"
        names[population], k = name, i
        while names[population] in taken:
            names[population], k = f"{name}_{k}", k + 1
        taken.add(names[population])
    return names


def written_graph(net: Network) -> WrittenGraph:
    """Return the network as nodes and edges of NIR.

    Raises
    ------
    InputError
        For numbers that are not finite or out of range, what JSON cannot hold, and connections too large to write out.
    """
    _check_finite(net)
    return _Writer(net).write()


def _check_finite(net: Network) -> None:
    for name, array in net.arrays(frozen=True).items():
        faulty = np.argwhere(~np.isfinite(array))
        if len(faulty):
            index = tuple(int(i) for i in faulty[0])
            raise InputError(f"{name}{list(index)} = {array[index]}, rule: finite")


class _Writer:
    """Write one network, population by population."""

    def __init__(self, net: Network) -> None:
        self.net, self.names, self.shaped = net, population_nodes(net) | {INPUT: "input"}, shaped_populations(net)
        self.shapes = {name: net.population(name).shape for name in self.shaped} | {INPUT: net.input_shape}
        self.nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array(net.input_shape))}
        self.edges: list[tuple[str, str]] = []
        self.entries: dict[int, dict[str, Any]] = {}
        biased = {p.name for p in net.populations if 0 in self._currents_apart(p)}
        self.delays, self.late = delays_in_nir(net, self.names, biased)

    def write(self) -> WrittenGraph:
        """Return all nodes and edges."""
        approximations = [text for p in self.net.populations for text in self._neurons(p)]
        for p in self.net.populations:
            self._incoming(p)
        for node, name in zip(output_names(self.net), self.net.outputs, strict=True):
            p = self.net.population(name)
            self.nodes[node] = nir.Output(np.array(p.shape if name in self.shaped else (p.size,)))
            self.nodes[node].metadata = {KEY: {"version": VERSION, "role": "output"}}
            self.edges.append((self.names[name], node))
        entries = [self.entries[place] for place in range(len(self.net.connections))]
        self.nodes["input"].metadata = {KEY: self._head(entries)}
        nodes_of = {p.name: self.names[p.name] for p in self.net.populations}
        weights = [str(entry["node"]) for entry in entries]
        return WrittenGraph(self.nodes, nodes_of, weights, self.edges, [*approximations, *self.late])

    def _head(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the metadata of the input node: all of the network that is no population."""
        net = self.net
        return {
            "version": VERSION,
            "role": "graph",
            "dt": float(net.dt),
            "notes": json_text("notes", net.notes),
            "encoder": json_text("encoder", net.encoder),
            "populations": json_text("populations", [[p.name, self.names[p.name]] for p in net.populations]),
            "synapses": json_text("synapses", entries),
            "outputs": json_text("outputs", list(net.outputs)),
        }

    def _neurons(self, p: FloatPopulation) -> list[str]:
        """Add the node of a population; return what it does not carry."""
        with naming(f"population '{p.name}'"):
            check_params(f"neuron '{p.model.name}'", p.model, p.params)
            node, losses = neuron_node(p, self.net.dt)
        if p.name in self.shaped:
            node = in_shape(node, p.shape)
        node.metadata = {KEY: _population_metadata(p, self.net.dt, bool(losses))}
        self.nodes[self.names[p.name]] = node
        return [f"{p.name} ({p.model.name}): {text}" for text in losses]

    def _currents_apart(self, p: FloatPopulation) -> dict[int, Array]:
        """Return the constant currents that no connection's node carries, by the step in which they start."""
        incoming = self.net.incoming(p.name)
        if not incoming and not p.biases:  # nir would give neurons that hear no node an Input of their own
            return {0: np.zeros(p.size)}
        carried = any(takes_bias(self.net, c) for c in incoming)
        return {first: p.summed_bias(first) for first in p.biases if first or not carried}

    def _incoming(self, p: FloatPopulation) -> None:
        """Add all that leads to a population."""
        bias = p.summed_bias(0) if 0 in p.biases else None
        for place, c in enumerate(self.net.connections):
            if c.target != p.name:
                continue
            carries = takes_bias(self.net, c)
            write = self._convolution if p.name in self.shaped else self._matrix
            ends = {"source": c.source, "target": c.target, "delay": c.delay, "current": c.current}
            frozen = {} if c.trainable else {"trainable": False}
            self.entries[place] = ends | frozen | write(place, c, bias if carries else None)
            bias = None if carries else bias
        for first, current in self._currents_apart(p).items():
            node = self.names[p.name]
            name = self._add(f"{node}_bias", nir.Affine(np.zeros((p.size, self.net.inputs)), current.copy()))
            self.edges.append((self._flat(INPUT), name))
            if first:
                delay = self._add(f"{name}_delay", nir.Delay(np.full(p.size, first * self.net.dt)))
                self.edges.append((name, delay))
                name = delay
            self.edges.append((name, node))

    def _matrix(self, place: int, c: FloatSynapses, bias: Array | None) -> dict[str, Any]:
        """Add the nodes of weights that are written out; return what the metadata say of them beside their ends."""
        if prod(c.shape) > LARGEST:
            raise InputError(
                f"{c.name}: {prod(c.shape)} weights, zeros written out, rule: at most {LARGEST}; NIR has "
                "no sparse connections"
            )
        weights: Any = c.weights
        source = self._flat(c.source)
        dense = weights.copy() if c.dense else weights.toarray()
        # an Affine with bias 0 where there is none: Sinabs 2.0 knows no Linear
        name = self._add(f"{self.names[c.target]}_from_{source}", nir.Affine(dense, _bias(bias, c.shape[0])))
        self.edges += [(self._delayed(place, source, name, (c.shape[1],)), name), (name, self.names[c.target])]
        if isinstance(weights, Convolution):
            self.nodes[name].metadata[KEY]["kernel"] = weights.kernel.copy()
        return {"node": name, "sparse": not isinstance(weights, (np.ndarray, Convolution))} | matrix_entry(weights)

    def _convolution(self, place: int, c: FloatSynapses, bias: Array | None) -> dict[str, Any]:
        """Add the nodes of a convolution; return what the metadata say of it beside its ends."""
        weights: Any = c.weights
        source, target = self.names[c.source], self.names[c.target]
        name = f"{target}_from_{source}"
        before = self._delayed(place, source, name, self.shapes[c.source])
        for node in convolution_nodes(weights, bias):
            added = self._add(name if hasattr(node, "weight") else f"{name}_pool", node)
            self.edges.append((before, added))
            before = added
        if weights.groups > 1:
            self.nodes[before].metadata[KEY]["kernel"] = weights.kernel.copy()
        self.edges.append((before, target))
        return {"node": before, "sparse": False} | matrix_entry(weights)

    def _flat(self, source: str) -> str:
        """Return the node that gives what a source sends as one axis."""
        name, shape = self.names[source], self.shapes.get(source, ())
        if len(shape) < 2:
            return name
        flat = f"{name}_flat"
        if flat not in self.nodes:
            self.nodes[flat] = nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=len(shape) - 1)
            self.edges.append((name, flat))
        return flat

    def _delayed(self, place: int, source: str, name: str, shape: tuple[int, ...]) -> str:
        """Return the node that gives what the source sent, behind a Delay where the connection needs one."""
        if not self.delays[place]:
            return source
        delay = self._add(f"{name}_delay", nir.Delay(np.full(shape, self.delays[place] * self.net.dt)))
        self.edges.append((source, delay))
        return delay

    def _add(self, name: str, node: nir.NIRNode) -> str:
        """Add a node under this name, numbered where it is taken; return the name."""
        free_name, k = name, 1
        while free_name in self.nodes:
            k += 1
            free_name = f"{name}_{k}"
        node.metadata = {KEY: {"version": VERSION, "role": "connection"}}
        self.nodes[free_name] = node
        return free_name


def _bias(bias: Array | None, n: int) -> Array:
    return np.zeros(n) if bias is None else bias.copy()


def _population_metadata(p: FloatPopulation, dt: float, approximate: bool) -> dict[str, Any]:
    """Return all of a population that its standard node does not say exactly."""
    return {
        "version": VERSION,
        "role": "population",
        "neuron": p.model.name,
        "params": {key: values.copy() for key, values in p.params.items()},
        "biases": {str(first): bias.copy() for first, bias in p.biases.items()},
        "shape": np.array(p.shape),
        "trainable": json_text("trainable", list(p.trainable)),
        "dt": float(dt),
        "integrator": "forward Euler",
        "reset": reset_of(p),
        "approximate": approximate,
    }

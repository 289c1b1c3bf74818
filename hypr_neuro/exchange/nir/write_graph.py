"""A float graph as a NIR graph: one Affine node, or a convolution, a connection, one neuron node a population.

    source → [Delay →] Affine → neuron        delays on top of what NIR's order of the nodes gives
    input → Affine (weights 0) [→ Delay] → neuron    a constant current that no connection carries

Neurons are written as `neurons_out` says; the metadata hold what `own_graph` needs to rebuild the graph exactly.
"""

from __future__ import annotations

import json
import re
from math import prod
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.convolutions_out import convolution_nodes, in_shape, shaped_populations, takes_bias
from hypr_neuro.exchange.nir.neurons_out import neuron_node, reset_of
from hypr_neuro.exchange.nir.nodes import KEY, VERSION, graph_digest, naming
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.graph.synapses import matrix_entry
from hypr_neuro.numbers.arrays import Array

LARGEST = 1 << 26
"""Weights of one connection: NIR has no sparse node, zeros are written out."""
UNSAFE = re.compile(r"[/\x00-\x1f\x7f\ud800-\udfff]")
"""What HDF5 takes for a path or the end of a name, what breaks lines, and what is no character of UTF-8."""
Nodes = dict[str, nir.NIRNode]
Edges = list[tuple[str, str]]


def json_text(what: str, value: Any) -> str:
    """Return `value` as JSON; raise InputError, naming `what`, for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be stored: {error}; use numbers, strings, lists and dicts of them") from error


def affine(weight: Array, bias: Array | None) -> nir.Affine:
    """Return weights as an Affine node, bias 0 where there is none: Sinabs 2.0 knows no Linear."""
    return nir.Affine(weight, np.zeros(weight.shape[0]) if bias is None else bias.copy())


def population_nodes(graph: Network) -> dict[str, str]:
    """Return the node of each population: its name without what HDF5 refuses in one, numbered where that is taken."""
    taken, names = {"input", "output", "input_flat"}, {}
    for i, p in enumerate(graph.populations):
        name = UNSAFE.sub("_", p.name).strip(".") or f"population{i}"
        names[p.name], k = name, i
        while names[p.name] in taken:
            names[p.name], k = f"{name}_{k}", k + 1
        taken.add(names[p.name])
    return names


def graph_nodes(graph: Network) -> tuple[nir.NIRGraph, tuple[str, ...]]:
    """Return the graph as a nir.NIRGraph, and one line for each thing that is only approximate in standard nodes.

    Raises
    ------
    InputError
        For several outputs, for several input currents and for connections too large to write out.
    """
    if len(graph.outputs) != 1:
        raise InputError(f"outputs {', '.join(graph.outputs)}, rule: one population; NIR has one output")
    names, approximations = population_nodes(graph), []
    nodes: Nodes = {"input": nir.Input(np.array(graph.input_shape))}
    edges: Edges = []
    shaped = shaped_populations(graph)
    for p in graph.populations:
        with naming(f"population '{p.name}'"):
            node, losses = neuron_node(p, graph.dt)
        approximations += [f"{p.name} ({p.model.name}): {text}" for text in losses]
        if p.name in shaped:
            node = in_shape(node, p.shape)
        node.metadata = {KEY: _population_metadata(p, graph.dt, bool(losses))}
        nodes[names[p.name]] = node
    sources = Sources(graph, {INPUT: "input", **names}, shaped, nodes, edges)
    written: dict[int, dict[str, Any]] = {}  # by place in the graph: entries of one target stand together here
    for p in graph.populations:
        written |= _TargetNodes(graph, p, names[p.name], sources, nodes, edges).write()
    last = graph.population(graph.outputs[0])
    nodes["output"] = nir.Output(np.array(last.shape if last.name in shaped else (last.size,)))
    edges.append((names[last.name], "output"))
    nodes["input"].metadata = {
        KEY: {
            "version": VERSION,
            "role": "graph",
            "dt": float(graph.dt),
            "notes": json_text("notes", graph.notes),
            **({} if graph.encoder is None else {"encoder": json_text("encoder", graph.encoder)}),
            "populations": json_text("populations", [[p.name, names[p.name]] for p in graph.populations]),
            "synapses": json_text("synapses", [entry for _, entry in sorted(written.items())]),
            "outputs": json_text("outputs", list(graph.outputs)),
        }
    }
    written_graph = nir.NIRGraph(nodes, edges)
    nodes["input"].metadata[KEY]["sha256"] = graph_digest(written_graph)
    return written_graph, tuple(approximations)


class Sources:
    """The nodes that connections start from; a shape becomes one axis where a connection needs that."""

    def __init__(self, graph: Network, names: dict[str, str], shaped: set[str], nodes: Nodes, edges: Edges) -> None:
        self.names, self.shaped, self.nodes, self.edges = names, shaped, nodes, edges
        self.shapes = {name: graph.population(name).shape for name in shaped} | {INPUT: graph.input_shape}

    def flat(self, source: str) -> str:
        """Return the node that gives what a source sends as one axis."""
        name, shape = self.names[source], self.shapes.get(source, ())
        if len(shape) < 2:
            return name
        flat = f"{name}_flat"
        if flat not in self.nodes:
            self.nodes[flat] = nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=len(shape) - 1)
            self.edges.append((name, flat))
        return flat


def _population_metadata(p: FloatPopulation, dt: float, approximate: bool) -> dict[str, Any]:
    """Return all of a population that its standard node does not say exactly."""
    return {
        "version": VERSION,
        "role": "population",
        "neuron": p.model.name,
        "params": {key: values.copy() for key, values in p.params.items()},
        "biases": {str(first): bias.copy() for first, bias in p.biases.items()},
        "shape": np.array(p.shape),
        "dt": float(dt),
        "integrator": "forward Euler",
        "reset": reset_of(p),
        "approximate": approximate,
        **({} if p.trainable == p.model.trainable else {"trainable": json_text("trainable", list(p.trainable))}),
    }


class _TargetNodes:
    """Write all that leads to one population, as nodes and edges."""

    def __init__(
        self, graph: Network, p: FloatPopulation, node: str, sources: Sources, nodes: Nodes, edges: Edges
    ) -> None:
        self.graph, self.p, self.node, self.sources, self.nodes, self.edges = graph, p, node, sources, nodes, edges

    def write(self) -> dict[int, dict[str, Any]]:
        """Add them; return one entry of the metadata for each connection, by its place in the graph."""
        biases, entries = dict(self.p.biases), {}
        for place, c in enumerate(self.graph.connections):
            if c.target != self.p.name:
                continue
            if c.current:
                raise InputError(f"{c.name}: input current {c.current}, rule: 0, NIR's neurons have one")
            bias = biases.pop(0, None) if takes_bias(self.graph, c) else None
            entries[place] = self._connection(c, bias)
        if not entries and not biases:  # nir would give neurons that hear no node an Input of their own
            biases = {0: np.zeros(self.p.size)}
        for first, bias in biases.items():
            zeros = np.zeros((self.p.size, self.graph.inputs))
            name = self._add(f"{self.node}_bias", nir.Affine(zeros, bias.copy()))
            self.edges.append((self.sources.flat(INPUT), name))
            if first:
                delay = self._add(f"{name}_delay", nir.Delay(np.full(self.p.size, first * self.graph.dt)))
                self.edges.append((name, delay))
                name = delay
            self.edges.append((name, self.node))
        return entries

    def _connection(self, c: FloatSynapses, bias: Array | None) -> dict[str, Any]:
        """Add the nodes of one connection; return its entry of the metadata."""
        ends = {"source": c.source, "target": c.target, "delay": c.delay}
        if self.p.name in self.sources.shaped:
            return ends | self._convolution(c, bias)
        if prod(c.shape) > LARGEST:
            raise InputError(
                f"{c.name}: {prod(c.shape)} weights, zeros written out, rule: at most {LARGEST}; NIR has "
                "no sparse connections"
            )
        weights: Any = c.weights
        dense = weights.copy() if isinstance(weights, np.ndarray) else weights.toarray()
        source = self.sources.flat(c.source)
        name = self._add(f"{self.node}_from_{source}", affine(dense, bias))
        source = self._delayed(c, source, name, (c.shape[1],))
        self.edges += [(source, name), (name, self.node)]
        if isinstance(weights, Convolution):
            self.nodes[name].metadata[KEY]["kernel"] = weights.kernel.copy()
        sparse = not isinstance(weights, (np.ndarray, Convolution))
        return ends | {"node": name, "sparse": sparse} | matrix_entry(weights)

    def _convolution(self, c: FloatSynapses, bias: Array | None) -> dict[str, Any]:
        """Add the nodes of a convolution; return what the metadata say of it beside its ends."""
        weights: Any = c.weights
        source = self.sources.names[c.source]
        name, before = f"{self.node}_from_{source}", self._delayed(c, source, f"{self.node}_from_{source}", None)
        for node in convolution_nodes(weights, bias):
            kind = "" if hasattr(node, "weight") else "_pool"
            added = self._add(name + kind, node)
            self.edges.append((before, added))
            before = added
        self.edges.append((before, self.node))
        return {"node": before, "sparse": False} | matrix_entry(weights)

    def _delayed(self, c: FloatSynapses, source: str, name: str, shape: tuple[int, ...] | None) -> str:
        """Return the node that gives what the source sent, behind a Delay where the connection has one."""
        if not c.delay:
            return source
        seconds = np.full(self.sources.shapes[c.source] if shape is None else shape, c.delay * self.graph.dt)
        delay = self._add(f"{name}_delay", nir.Delay(seconds))
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

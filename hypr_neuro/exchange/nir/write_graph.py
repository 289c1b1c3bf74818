"""A float graph as a NIR graph: one Affine node a connection, one neuron node a population.

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
from hypr_neuro.exchange.nir.neurons_out import neuron_node, reset_of
from hypr_neuro.exchange.nir.nodes import KEY, VERSION, graph_digest, naming
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
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
    flat = _flat_input(graph, nodes, edges)
    for p in graph.populations:
        with naming(f"population '{p.name}'"):
            node, losses = neuron_node(p, graph.dt)
        approximations += [f"{p.name} ({p.model.name}): {text}" for text in losses]
        node.metadata = {KEY: _population_metadata(p, graph.dt, bool(losses))}
        nodes[names[p.name]] = node
    sources = {INPUT: flat, **names}
    written: dict[int, dict[str, Any]] = {}  # by place in the graph: entries of one target stand together here
    for p in graph.populations:
        written |= _TargetNodes(graph, p, names[p.name], sources, nodes, edges).write()
    nodes["output"] = nir.Output(np.array([graph.output_size]))
    edges.append((names[graph.outputs[0]], "output"))
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


def _flat_input(graph: Network, nodes: Nodes, edges: Edges) -> str:
    """Return the node that gives the input as one axis."""
    shape = graph.input_shape
    if len(shape) == 1:
        return "input"
    nodes["input_flat"] = nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=len(shape) - 1)
    edges.append(("input", "input_flat"))
    return "input_flat"


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
        self, graph: Network, p: FloatPopulation, node: str, sources: dict[str, str], nodes: Nodes, edges: Edges
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
            bias = biases.pop(0, None) if c.delay == 0 and self.graph.forward(c) else None
            entries[place] = self._connection(c, bias)
        if not entries and not biases:  # nir would give neurons that hear no node an Input of their own
            biases = {0: np.zeros(self.p.size)}
        for first, bias in biases.items():
            zeros = np.zeros((self.p.size, self.graph.inputs))
            name = self._add(f"{self.node}_bias", nir.Affine(zeros, bias.copy()))
            self.edges.append((self.sources[INPUT], name))
            if first:
                delay = self._add(f"{name}_delay", nir.Delay(np.full(self.p.size, first * self.graph.dt)))
                self.edges.append((name, delay))
                name = delay
            self.edges.append((name, self.node))
        return entries

    def _connection(self, c: FloatSynapses, bias: Array | None) -> dict[str, Any]:
        """Add the nodes of one connection; return its entry of the metadata."""
        if prod(c.shape) > LARGEST:
            raise InputError(
                f"{c.name}: {prod(c.shape)} weights, zeros written out, rule: at most {LARGEST}; NIR has "
                "no sparse connections"
            )
        weights: Any = c.weights
        dense = weights.copy() if isinstance(weights, np.ndarray) else weights.toarray()
        source = self.sources[c.source]
        name = self._add(f"{self.node}_from_{source}", affine(dense, bias))
        if c.delay:
            delay = self._add(f"{name}_delay", nir.Delay(np.full(c.shape[1], c.delay * self.graph.dt)))
            self.edges.append((source, delay))
            source = delay
        self.edges += [(source, name), (name, self.node)]
        return {
            "node": name,
            "source": c.source,
            "target": c.target,
            "delay": c.delay,
            "sparse": not isinstance(weights, np.ndarray),
        }

    def _add(self, name: str, node: nir.NIRNode) -> str:
        """Add a node under this name, numbered where it is taken; return the name."""
        free_name, k = name, 1
        while free_name in self.nodes:
            k += 1
            free_name = f"{name}_{k}"
        node.metadata = {KEY: {"version": VERSION, "role": "connection"}}
        self.nodes[free_name] = node
        return free_name

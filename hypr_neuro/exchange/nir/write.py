"""Network to NIR: one weight node, one neuron node and, if recurrent, one feedback node a layer.

    Input → Affine → neuron → … → Output,   neuron → Affine → neuron (spikes of the previous step)

Neurons are written as `neurons_out` says. Where a node is an approximation, the file carries how far the graph of
standard nodes strays from the network (`agreement`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nir
import numpy as np

from hypr_neuro.exchange.nir.agreement import spike_agreement
from hypr_neuro.exchange.nir.integers import float_network, integer_metadata
from hypr_neuro.exchange.nir.neurons_out import neuron_node, reset_of
from hypr_neuro.exchange.nir.nodes import KEY, VERSION, base_name, graph_digest, naming
from hypr_neuro.exchange.nir.options import check_dt
from hypr_neuro.exchange.nir.write_graph import affine, graph_nodes, json_text, population_nodes
from hypr_neuro.files.store import sealed, write_atomically
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork

IN_FLOAT = "the network is one of integers; other readers run the numbers that these stand for, in floating point"


@dataclass(frozen=True)
class NirSummary:
    """What `write_nir` wrote.

    Attributes
    ----------
    path
        Of the file.
    nodes, edges
        How many the graph has.
    approximations
        One line for each thing that another reader will not run exactly.
    agreement
        Where there are any, by spiking node how far the standard nodes stray from the network, measured.
    """

    path: Path
    nodes: int
    edges: int
    approximations: tuple[str, ...]
    agreement: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_nir(net: Network | QuantizedNetwork, path: str | Path, *, sample: Array | None = None) -> NirSummary:
    """Write the network as a NIR file, whole or not at all; `read_nir` gives it back equal.

    A quantized network is written as the float network that its integers stand for, with the integers in the metadata;
    `read_quantized_nir` gives it back equal, `read_nir` that float network.

    Parameters
    ----------
    net
        The network.
    path
        File to write.
    sample : (sample, T, channel)
        Input on which to measure how far standard nodes that are only an approximation stray from the network; random
        spikes if None.

    Raises
    ------
    InputError
        For values that are not finite or out of range, an encoder or notes that JSON cannot hold, and a path that
        cannot be written.
    """
    graph, approximations = to_graph(net)
    agreement = _measured(net, graph, sample) if [a for a in approximations if a != IN_FLOAT] else {}
    # in memory first: HDF5 2.0.0 crashes the program when the disk is full
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    content, target = sealed(buffer.getvalue()), Path(path)
    write_atomically(target, lambda temporary: _write_bytes(temporary, content))
    return NirSummary(target, len(graph.nodes), len(graph.edges), approximations, agreement)


def _measured(net: Network | QuantizedNetwork, graph: nir.NIRGraph, sample: Array | None) -> dict[str, dict[str, Any]]:
    """Return the agreement of the graph's spiking nodes with the network, and put it into their metadata."""
    real = float_network(net) if isinstance(net, QuantizedNetwork) else net
    agreement = spike_agreement(real, graph, node_names(real), sample)
    for name, figures in agreement.items():
        graph.nodes[name].metadata[KEY]["agreement"] = figures
    graph.nodes["input"].metadata[KEY]["sha256"] = graph_digest(graph)
    return agreement


def node_names(net: Network) -> dict[str, str]:
    """Return the neuron node of each layer or population."""
    if not in_layers(net):
        return population_nodes(net)
    return {net.name(i): base_name(i, len(net.layers)) for i in range(len(net.layers))}


def _write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a file."""
    path.write_bytes(content)


def in_layers(net: Network) -> bool:
    """Tell whether a file says the network layer by layer: a chain without names or shapes of its own."""
    flat = all(p.name == net.name(i) and p.shape == (p.size,) for i, p in enumerate(net.populations))
    return flat and net.input_shape == (net.inputs,) and net.is_chain


def to_graph(net: Network | QuantizedNetwork) -> tuple[nir.NIRGraph, tuple[str, ...]]:
    """Return the network as a nir.NIRGraph, and one line for each thing that is only approximate in standard nodes."""
    require("net", net, Network, QuantizedNetwork)
    check_dt(net.dt)
    if isinstance(net, QuantizedNetwork):
        return _graph_of(float_network(net), integer_metadata(net), [IN_FLOAT])
    return _graph_of(net, {}, []) if in_layers(net) else graph_nodes(net)


def _graph_of(
    net: Network, integers: Mapping[str, Any], approximations: list[str]
) -> tuple[nir.NIRGraph, tuple[str, ...]]:
    """Return the graph of layers; `integers` are a quantized network's entries of the metadata by node."""
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([net.inputs]))}
    edges: list[tuple[str, str]] = []
    approximations = list(approximations)
    previous, count = "input", len(net.layers)
    for i, layer in enumerate(net.layers):
        with naming(net.name(i)):
            layer.check()
            neuron, losses = neuron_node(layer, net.dt)
        name = base_name(i, count)
        approximations += [f"{net.name(i)} ({layer.model.name}): {text}" for text in losses]
        neuron.metadata = {KEY: _layer_metadata(layer, i, net.dt, bool(losses))}
        nodes |= _weight_nodes(name, i, layer) | {name: neuron}
        edges += [(previous, f"{name}_weight"), (f"{name}_weight", name)]
        if layer.recurrent is not None:
            edges += [(name, f"{name}_recurrent"), (f"{name}_recurrent", name)]
        previous = name
    nodes["output"] = nir.Output(np.array([net.output_size]))
    nodes["output"].metadata = {KEY: {"version": VERSION, "role": "output"}}
    edges.append((previous, "output"))
    nodes["input"].metadata = {KEY: _network_metadata(net)}
    for name, entry in integers.items():
        nodes[name].metadata[KEY]["integers"] = entry
    graph = nir.NIRGraph(nodes, edges)
    nodes["input"].metadata[KEY]["sha256"] = graph_digest(graph)
    return graph, tuple(approximations)


def _weight_nodes(name: str, index: int, layer: Layer) -> dict[str, nir.NIRNode]:
    """Return the nodes of input weights, with the bias on the current, and recurrent weights, float64 as they are."""
    nodes: dict[str, nir.NIRNode] = {f"{name}_weight": affine(layer.weight.copy(), layer.bias)}
    if layer.recurrent is not None:
        nodes[f"{name}_recurrent"] = affine(layer.recurrent.copy(), None)
    for key, node in nodes.items():
        node.metadata = {KEY: {"version": VERSION, "layer": index, "role": key.removeprefix(f"{name}_")}}
    return nodes


def _network_metadata(net: Network) -> dict[str, Any]:
    """Return the metadata of the input node: all of the network that is no layer."""
    return {
        "version": VERSION,
        "role": "network",
        "layers": len(net.layers),
        "dt": float(net.dt),
        "encoder": json_text("encoder", net.encoder),
        "notes": json_text("notes", net.notes),
    }


def _layer_metadata(layer: Layer, index: int, dt: float, approximate: bool) -> dict[str, Any]:
    """Return all that is not in the weight nodes; what stands here twice is for other readers."""
    return {
        "version": VERSION,
        "role": "neuron",
        "layer": index,
        "neuron": layer.model.name,
        "params": {key: values.copy() for key, values in layer.params.items()},
        "trainable": json_text("trainable", list(layer.trainable)),
        "bias": layer.bias is not None,
        "recurrent": layer.recurrent is not None,
        "dt": float(dt),
        "integrator": "forward Euler",
        "reset": reset_of(layer),
        "approximate": approximate,
    }

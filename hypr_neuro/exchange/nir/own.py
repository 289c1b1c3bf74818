"""Graphs that hypr-neuro wrote: the exact network from the metadata, after their sha256 is verified."""

from __future__ import annotations

import json
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.files import one_line
from hypr_neuro.exchange.nir.neurons_out import reset_of
from hypr_neuro.exchange.nir.nodes import VERSION, base_name, graph_digest, kind, naming, node_label, own_metadata
from hypr_neuro.exchange.nir.own_graph import rebuild_graph
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model


def written_here(graph: nir.NIRGraph) -> bool:
    """Return whether hypr-neuro wrote the graph."""
    return any(own_metadata(node) is not None for node in graph.nodes.values())


def rebuild(graph: nir.NIRGraph, dt: float | None, reset: str | None) -> Network:
    """Return the exact network of a graph that hypr-neuro wrote, after its sha256 is verified."""
    try:
        head = _verified(graph, "network")
        layers = [_layer(graph, i, int(head["layers"])) for i in range(int(head["layers"]))]
        net = Network.from_layers(layers, float(head["dt"]), json.loads(head["encoder"]), json.loads(head["notes"]))
    except InputError:
        raise
    except Exception as error:  # a made-up entry can be of any type
        raise FileFormatError(
            f"metadata 'hypr_neuro' is not what version {VERSION} writes ({one_line(error)})"
        ) from error
    _check_agreement(net, dt, reset)
    return net


def rebuild_float_graph(graph: nir.NIRGraph) -> Network:
    """Return the exact Network of a graph that hypr-neuro wrote of one, after its sha256 is verified."""
    try:
        return rebuild_graph(graph, _verified(graph, "graph"))
    except InputError:
        raise
    except Exception as error:  # a made-up entry can be of any type
        raise FileFormatError(
            f"metadata 'hypr_neuro' is not what version {VERSION} writes ({one_line(error)})"
        ) from error


def _verified(graph: nir.NIRGraph, role: str) -> dict[str, Any]:
    """Return our metadata of the input, the digest of the whole graph checked."""
    head = _entry(graph, "input", role)
    if head.get("sha256") != _digest(graph):
        raise FileFormatError(
            "its content does not match its sha256, it was altered; write it again, or remove the metadata "
            "'hypr_neuro' of all nodes to read it as a graph of another program"
        )
    return head


def _digest(graph: nir.NIRGraph) -> str | None:
    """Return the digest of the graph, None where it holds an object in place of an array."""
    try:
        return graph_digest(graph)
    except (TypeError, ValueError, AttributeError):  # an object in place of an array
        return None


def _entry(graph: nir.NIRGraph, name: str, role: str) -> dict[str, Any]:
    """Return our metadata of a node, its version and role checked."""
    if name not in graph.nodes:
        raise FileFormatError(f"node {name!r} is missing, the file was altered; write it again")
    label, entry = node_label(name, graph.nodes[name]), own_metadata(graph.nodes[name])
    if entry is None:
        raise FileFormatError(f"{label}: metadata 'hypr_neuro' is missing; write it again")
    if entry.get("version") != VERSION:
        raise FileFormatError(f"{label}: format version {entry.get('version')}, this program reads {VERSION}")
    if entry.get("role") != role:
        raise FileFormatError(f"{label}: role {entry.get('role')!r}, rule: {role!r}; write the file again")
    return entry


def _layer(graph: nir.NIRGraph, index: int, count: int) -> Layer:
    """Return a layer from the metadata of its nodes."""
    name = base_name(index, count)
    entry = _entry(graph, name, "neuron")
    with naming(node_label(name, graph.nodes[name])):
        model = get_model(entry["neuron"])
        missing = sorted(set(model.param_names) - set(entry["params"]))
        if missing:
            raise FileFormatError(f"parameter '{missing[0]}' of neuron '{model.name}' is missing; write the file again")
        _entry(graph, f"{name}_weight", "weight")
        incoming = graph.nodes[f"{name}_weight"]
        recurrent = None
        if entry["recurrent"]:
            _entry(graph, f"{name}_recurrent", "recurrent")
            recurrent = graph.nodes[f"{name}_recurrent"].weight
        bias = getattr(incoming, "bias", None)  # a Linear node, which earlier versions wrote, has none
        if (bias is None and entry["bias"]) or (bias is not None and not entry["bias"] and np.any(bias != 0.0)):
            raise FileFormatError(
                f"bias = {bool(entry['bias'])}, but its weights are {kind(incoming)} with bias {bias}"
            )
        bias = bias if entry["bias"] else None
        trainable = tuple(json.loads(entry["trainable"]))
        return Layer(model, incoming.weight, recurrent, bias, dict(entry["params"]), trainable)


def _check_agreement(net: Network, dt: float | None, reset: str | None) -> None:
    """Raise InputError where the caller passes another dt or reset than the file carries."""
    if dt is not None and dt != net.dt:
        raise InputError(f"dt = {dt} s was passed, the file says {net.dt} s; leave dt out, this file carries its own")
    for i, layer in enumerate(net.layers):
        if reset is not None and reset_of(layer) not in (reset, "model"):
            raise InputError(
                f"{net.name(i)}: reset = '{reset}' was passed, the file says '{reset_of(layer)}'; leave it out"
            )

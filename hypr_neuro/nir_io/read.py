"""NIR to network: exact for files of hypr-neuro, by the rules of `third_party` for all others.

A file is taken apart by `files`, not by nir.read, so that a damaged or hostile one is refused by the name of what is
wrong; each node is then built by nir itself.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.network import Layer, Network
from hypr_neuro.neurons import get_model
from hypr_neuro.nir_io.files import one_line, read_tree
from hypr_neuro.nir_io.nodes import VERSION, base_name, graph_digest, kind, naming, node_label, own_metadata
from hypr_neuro.nir_io.third_party import import_graph
from hypr_neuro.nir_io.write import reset_of

RESETS = ("zero", "subtract")


def read_nir(path_or_graph: str | Path | nir.NIRGraph, *, dt: float | None = None, reset: str | None = None) -> Network:
    """The network in a NIR file or graph.

    dt : seconds a step, for graphs of other programs; NIR itself knows continuous time only
    reset : 'zero' or 'subtract', what a spike does to v, for graphs of other programs; NIR does not say
    A file of hypr-neuro carries both; values that contradict it are refused. A file of a quantized network gives the
    float network that its integers stand for; the integers themselves: `read_quantized_nir`.
    Raises FileFormatError for a damaged or altered file, InputError for what cannot be imported, naming the node.
    """
    _check_options(dt, reset)
    graph, where = open_graph(path_or_graph)
    with naming(where):
        if any(own_metadata(node) is not None for node in graph.nodes.values()):
            return rebuild(graph, dt, reset)
        return import_graph(graph, dt, reset)


def open_graph(path_or_graph: str | Path | nir.NIRGraph) -> tuple[nir.NIRGraph, str]:
    """The graph, its edges and types still unchecked, and how errors name it."""
    if isinstance(path_or_graph, nir.NIRGraph):
        return path_or_graph, "NIR graph"
    if isinstance(path_or_graph, (str, Path)):
        return _load(Path(path_or_graph)), f"file '{path_or_graph}'"
    raise InputError(f"read_nir of a {type(path_or_graph).__name__}, rule: a path or a nir.NIRGraph")


def _check_options(dt: Any, reset: Any) -> None:
    if dt is not None and not (isinstance(dt, (int, float, np.number)) and math.isfinite(dt) and dt > 0):
        raise InputError(f"dt = {dt!r}, rule: seconds a step, positive")
    if reset is not None and reset not in RESETS:
        raise InputError(f"reset = {reset!r}, rule: one of {', '.join(RESETS)}")


def _load(path: Path) -> nir.NIRGraph:
    """Read a file into a graph whose edges and types are still unchecked."""
    with naming(f"file '{path}'"):
        return _graph(read_tree(path).get("node"))


def _graph(tree: Any) -> nir.NIRGraph:
    """Nodes built by nir, one by one, so that the node at fault has a name."""
    if not isinstance(tree, dict) or not isinstance(tree.get("nodes"), dict) or "edges" not in tree:
        raise FileFormatError("holds no NIR graph (node/nodes and node/edges are missing); export a whole NIRGraph")
    nodes = {name: _node(name, entry) for name, entry in tree["nodes"].items()}
    return nir.NIRGraph(nodes, _edges(tree["edges"]), type_check=False)


def _edges(entry: Any) -> list[tuple[str, str]]:
    try:
        return [(_text(a), _text(b)) for a, b in entry]
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"node/edges is no list of pairs of names ({one_line(error)}); write it again") from error


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r:.60} is no name")


def _node(name: str, entry: Any) -> nir.NIRNode:
    type_name = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(type_name, str):
        raise FileFormatError(f"node {name!r} has no type, rule: each NIR node is a group with an entry 'type'")
    try:
        nir.ir.str2NIRNode(type_name)
    except (AssertionError, KeyError) as error:
        raise InputError(
            f"node {name!r} ({type_name[:60]!r}): unknown to NIR {nir.version}; update the package nir"
        ) from error
    if type_name == "NIRGraph":
        _check_inner_edges(name, entry)
    try:
        return nir.dict2NIRNode(entry)
    except Exception as error:  # nir raises AssertionError, TypeError, KeyError, ValueError, AttributeError
        text = (
            f"node {name!r} ({type_name}) cannot be built ({one_line(error)}); repair it in the program that wrote it"
        )
        raise FileFormatError(text) from error


def _check_inner_edges(name: str, entry: dict[str, Any]) -> None:
    """Edges of a nested graph; nir reports them by a message that differs between its versions."""
    inner = entry.get("nodes")
    for a, b in _edges(entry.get("edges", [])):
        for end in (a, b):
            if not isinstance(inner, dict) or end not in inner:
                text = f"inner edge ({a!r}, {b!r}): node {end!r} does not exist"
                raise FileFormatError(f"node {name!r} (NIRGraph): {text}; repair the edge or add the node")


def rebuild(graph: nir.NIRGraph, dt: float | None, reset: str | None) -> Network:
    """The exact network of a graph that hypr-neuro wrote, after its sha256 is verified."""
    try:
        head = _entry(graph, "input", "network")
        if head.get("sha256") != _digest(graph):
            raise FileFormatError(
                "its content does not match its sha256, it was altered; write it again, or remove the metadata "
                "'hypr_neuro' of all nodes to read it as a graph of another program"
            )
        layers = [_layer(graph, i, int(head["layers"])) for i in range(int(head["layers"]))]
        net = Network(layers, float(head["dt"]), json.loads(head["encoder"]), json.loads(head["notes"]))
    except InputError:
        raise
    except Exception as error:  # a made-up entry can be of any type
        raise FileFormatError(
            f"metadata 'hypr_neuro' is not what version {VERSION} writes ({one_line(error)})"
        ) from error
    _check_agreement(net, dt, reset)
    return net


def _digest(graph: nir.NIRGraph) -> str | None:
    try:
        return graph_digest(graph)
    except (TypeError, ValueError, AttributeError):  # an object in place of an array
        return None


def _entry(graph: nir.NIRGraph, name: str, role: str) -> dict[str, Any]:
    """Our metadata of a node, its version and role checked."""
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
        if (kind(incoming) == "Affine") != bool(entry["bias"]):
            raise FileFormatError(f"bias = {bool(entry['bias'])}, but its weights are a node of type {kind(incoming)}")
        bias = incoming.bias if entry["bias"] else None
        trainable = tuple(json.loads(entry["trainable"]))
        return Layer(model, incoming.weight, recurrent, bias, dict(entry["params"]), trainable)


def _check_agreement(net: Network, dt: float | None, reset: str | None) -> None:
    """A file of hypr-neuro carries dt and reset; what the caller passes may repeat them, not change them."""
    if dt is not None and dt != net.dt:
        raise InputError(f"dt = {dt} s was passed, the file says {net.dt} s; leave dt out, this file carries its own")
    for i, layer in enumerate(net.layers):
        if reset is not None and reset_of(layer) not in (reset, "model"):
            raise InputError(
                f"{net.name(i)}: reset = '{reset}' was passed, the file says '{reset_of(layer)}'; leave it out"
            )

"""NIR to integers: the QuantizedNetwork of a file that `write_nir` wrote of one, integer for integer.

The sha256 over the graph is verified first. The mantissas then come from the weights of the standard nodes, and the
standard nodes and the metadata must say the same, so that what other programs run is the network that the chip runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.files import one_line
from hypr_neuro.exchange.nir.integers import ARRAYS, SCALES, NirIntegers, add_mantissas, mantissas
from hypr_neuro.exchange.nir.nodes import FIELDS, KEY, kind, naming, node_label, own_metadata
from hypr_neuro.exchange.nir.open_graph import open_graph
from hypr_neuro.exchange.nir.own import rebuild, stored_integers
from hypr_neuro.exchange.nir.own_entries import own_integers
from hypr_neuro.exchange.nir.stands_for import stands_for
from hypr_neuro.exchange.nir.write_graph import written_graph
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import VARIANTS, get_model
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.profiles.profile import parse_profile
from hypr_neuro.quantizing.levels import top_of
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.network_file import fields_of

ROUNDING = 1e-9
"""Relative difference that another platform's logarithm may make in a parameter."""


def read_quantized_nir(path_or_graph: str | Path | nir.NIRGraph) -> QuantizedNetwork:
    """Return the integer network in a NIR file or graph, equal to the one that `write_nir` was given.

    Raises
    ------
    FileFormatError
        For a damaged or altered file; the error names the node.
    InputError
        For a file without integers.
    """
    graph, where = open_graph(path_or_graph)
    with naming(where):
        if not holds_integers(graph):
            raise InputError(
                "holds no integer network, rule: a file that hn.write_nir wrote of a quantized network; "
                "read it with hn.load, then quantize it"
            )
        net = rebuild(graph)
        try:
            stored = stored_integers(graph, net)
            qnet = _network(graph, net, stored, where)
        except InputError:
            raise
        except Exception as error:  # a made-up entry can be of any type
            raise FileFormatError(
                f"metadata '{KEY}' of integers is not what hypr-neuro writes ({one_line(error)})"
            ) from error
        _require_agreement(graph, net, stored, qnet)
        return qnet


def holds_integers(path_or_graph: str | Path | nir.NIRGraph) -> bool:
    """Return whether the file or graph was written of a quantized network."""
    graph, _ = open_graph(path_or_graph)
    return "integers" in (own_metadata(graph.nodes.get("input")) or {})


def _network(graph: nir.NIRGraph, net: Network, stored: NirIntegers, where: str) -> QuantizedNetwork:
    """Return the integer network beside the float one that the file holds."""
    meta, profile = stored.meta, parse_profile(stored.meta["profile"], where)
    for i, entry in enumerate(meta["populations"]):
        node = stored.populations[entry["name"]]
        integers = own_integers(graph, node, *ARRAYS, *SCALES)
        stored.arrays.update({f"p{i}/{key}": np.asarray(integers[key]) for key in ARRAYS})
        entry |= {key: float(integers[key]) for key in SCALES}
        _check_neuron(node, net.population(entry["name"]).model, entry["neuron"])
    scales = {entry["name"]: entry["current_scale"] for entry in meta["populations"]}
    for i, entry in enumerate(meta["connections"]):
        nodes = [(k, stored.connections[k]) for k in entry["parts"]]
        grids = [(node, net.connections[k], own_integers(graph, node)) for k, node in nodes]
        scale = scales[entry["target"]] / _message_scale(entry, meta)
        top = top_of(entry["weight_bits"]) if "weight_bits" in entry else profile.precision.weight_top
        add_mantissas(stored, i, [mantissas(*grid, scale, top) for grid in grids])
    try:
        qnet = QuantizedNetwork(**fields_of(meta, stored.arrays, profile))
        qnet.integer()  # checks what integers may be
    except InputError as error:
        raise FileFormatError(f"{error}; write the file again") from error
    return qnet


def _message_scale(entry: dict[str, Any], meta: dict[str, Any]) -> float:
    """Return what one unit of a connection's source is as a message, 1 of spikes and of the input."""
    if entry.get("message_shift") is None:
        return 1.0
    source = next(p for p in meta["populations"] if p["name"] == entry["source"])
    if get_model(source["neuron"]).most_spikes:
        return 1.0
    return float(source["state_scale"] / 2.0 ** entry["message_shift"])


def _check_neuron(node: str, model: NeuronModel, name: str) -> None:
    """Raise FileFormatError for integers of a neuron that does not stand for the float one."""
    known = [model.name, *(v.name for v in VARIANTS.values() if v.variant_of == model.name)]
    if name not in known:
        raise FileFormatError(f"node '{node}': integers of '{name}', rule: {', '.join(known)}; write the file again")


def _require_agreement(graph: nir.NIRGraph, net: Network, stored: NirIntegers, qnet: QuantizedNetwork) -> None:
    """Raise FileFormatError unless nodes, edges and parameters are those of the integers, up to rounding."""
    real = stands_for(qnet).network
    expected = written_graph(real)
    if len(expected.connections) != len(stored.connections):
        raise FileFormatError(
            f"{len(stored.connections)} connections of weight nodes, rule: {len(expected.connections)}, what the "
            "integers stand for; write the file again"
        )
    names = dict(zip(expected.connections, stored.connections, strict=True))
    names |= {node: stored.populations[name] for name, node in expected.populations.items()}
    wanted = expected.graph()  # with the Outputs that nir adds behind neurons that nothing hears
    for name, node in wanted.nodes.items():
        given = names.get(name, name)
        if given not in graph.nodes or kind(graph.nodes[given]) != kind(node):
            raise FileFormatError(f"node {given!r}: rule: a {kind(node)}, as its integers want; write the file again")
        label = node_label(given, graph.nodes[given])
        for field in FIELDS[kind(node)]:
            _require_close(label, field, getattr(node, field), getattr(graph.nodes[given], field))
    edges = {(names.get(a, a), names.get(b, b)) for a, b in wanted.edges}
    if edges != set(graph.edges):
        edge = min(edges ^ set(graph.edges))
        raise FileFormatError(f"edge {edge}: not what its integers stand for; write the file again")
    _require_equal_float(graph, net, stored, real)


def _require_equal_float(graph: nir.NIRGraph, net: Network, stored: NirIntegers, real: Network) -> None:
    """Raise FileFormatError unless the float network of the metadata is what the integers stand for."""
    for p, given in zip(real.populations, net.populations, strict=True):
        label = node_label(stored.populations[p.name], graph.nodes[stored.populations[p.name]])
        for key, values in p.params.items():
            _require_close(label, key, values, given.params[key])
        _require_close(label, "biases", list(p.biases), list(given.biases))
        for first, bias in p.biases.items():
            _require_close(label, "biases", bias, given.biases[first])
    for c, stored_c in zip(real.connections, net.connections, strict=True):
        one, other = ((n.source, n.target, n.delay, n.current) for n in (c, stored_c))
        if one != other:
            raise FileFormatError(f"connection {other}: the integers stand for {one}; write the file again")


def _require_close(where: str, field: str, expected: Any, given: Any) -> None:
    """Raise FileFormatError unless a field is the expected one, up to rounding."""
    given = np.asarray(given)
    if given.dtype.kind in "US" or np.asarray(expected).dtype.kind in "US":
        agrees = str(given) == str(expected)
    else:
        agrees = given.shape == np.shape(expected) and np.allclose(given, expected, rtol=ROUNDING, atol=0.0)
    if not agrees:
        raise FileFormatError(f"{where}: {field} is not what its integers stand for; write the file again")

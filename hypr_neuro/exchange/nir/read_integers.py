"""NIR to integers: the QuantizedNetwork of a file that `write_nir` wrote of one, integer for integer.

The sha256 over the graph is verified first. The mantissas then come from the weights of the standard nodes, and the
standard nodes and the metadata must say the same, so that what other programs run is the network that the chip runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.files import one_line
from hypr_neuro.exchange.nir.integers import float_network, integer_layer, network_of
from hypr_neuro.exchange.nir.nodes import FIELDS, KEY, base_name, kind, naming, node_label, own_metadata
from hypr_neuro.exchange.nir.open_graph import open_graph
from hypr_neuro.exchange.nir.own import rebuild
from hypr_neuro.exchange.nir.write import to_graph
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.profiles.profile import parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork

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
                "read it with hn.read_nir, then quantize it"
            )
        net = rebuild(graph, None, None)
        try:
            qnet = _network(graph, net, where)
        except InputError:
            raise
        except Exception as error:  # a made-up entry can be of any type
            raise FileFormatError(
                f"metadata '{KEY}' of integers is not what hypr-neuro writes ({one_line(error)})"
            ) from error
        _require_agreement(graph, net, qnet)
        return qnet


def holds_integers(path_or_graph: str | Path | nir.NIRGraph) -> bool:
    """Return whether the file or graph was written of a quantized network."""
    graph, _ = open_graph(path_or_graph)
    return "integers" in (own_metadata(graph.nodes.get("input")) or {})


def _network(graph: nir.NIRGraph, net: Network, where: str) -> QuantizedNetwork:
    """Return the integer network of a rebuilt one."""
    head = _integers(graph, "input")
    bits = parse_profile(json.loads(head["profile"]), where).precision.weight_bits.value
    layers = []
    for i, layer in enumerate(net.layers):
        name = base_name(i, len(net.layers))
        entries = {"neuron": _integers(graph, name), "weight": _integers(graph, f"{name}_weight")}
        if layer.recurrent is not None:
            entries["recurrent"] = _integers(graph, f"{name}_recurrent")
        try:
            layers.append(integer_layer(name, layer, entries, largest_in(bits)))
        except FileFormatError:
            raise
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{node_label(name, graph.nodes[name])}: {error}; write the file again") from error
    return network_of(layers, net, head, where)


def _integers(graph: nir.NIRGraph, name: str) -> dict[str, Any]:
    """Return the entry "integers" in our metadata of a node."""
    entry = (own_metadata(graph.nodes[name]) or {}).get("integers")
    if not isinstance(entry, dict):
        raise FileFormatError(
            f"{node_label(name, graph.nodes[name])}: metadata '{KEY}/integers' is missing; write the file again"
        )
    return entry


def _require_agreement(graph: nir.NIRGraph, net: Network, qnet: QuantizedNetwork) -> None:
    """Raise FileFormatError unless standard nodes and parameters are those of the integers, up to rounding."""
    expected, _ = to_graph(qnet)
    for name, node in expected.nodes.items():
        stored = graph.nodes[name]
        for field in FIELDS[kind(node)]:
            _require_close(node_label(name, stored), field, getattr(node, field), getattr(stored, field))
    for i, (layer, real) in enumerate(zip(net.layers, float_network(qnet).layers, strict=True)):
        name = base_name(i, len(net.layers))
        for key, values in real.params.items():
            _require_close(node_label(name, graph.nodes[name]), key, values, layer.params[key])


def _require_close(where: str, field: str, expected: Any, stored: Any) -> None:
    """Raise FileFormatError unless a field is the expected one, up to rounding."""
    stored = np.asarray(stored)
    if stored.shape != np.shape(expected) or not np.allclose(stored, expected, rtol=ROUNDING, atol=0.0):
        raise FileFormatError(f"{where}: {field} is not what its integers stand for; write the file again")

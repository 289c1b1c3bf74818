"""Graphs that hypr-neuro wrote: the exact network from the metadata, after their sha256 is verified."""

from __future__ import annotations

from typing import Any

import nir

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir import chain_0_1, own_graph
from hypr_neuro.exchange.nir.files import one_line
from hypr_neuro.exchange.nir.integers import NirIntegers
from hypr_neuro.exchange.nir.neurons_out import reset_of
from hypr_neuro.exchange.nir.nodes import VERSION, graph_digest, own_metadata
from hypr_neuro.exchange.nir.own_entries import own_entry
from hypr_neuro.graph.network import Network


def written_here(graph: nir.NIRGraph) -> bool:
    """Return whether hypr-neuro wrote the graph."""
    return any(own_metadata(node) is not None for node in graph.nodes.values())


def rebuild(graph: nir.NIRGraph, dt: float | None = None, reset: str | None = None) -> Network:
    """Return the exact network of a graph that hypr-neuro wrote, after its sha256 is verified.

    Raise InputError for another dt or reset than the file carries.
    """
    try:
        head = _verified(graph)
        of_0_1 = head["role"] == chain_0_1.ROLE
        net = chain_0_1.rebuild_chain(graph, head) if of_0_1 else own_graph.rebuild_graph(graph, head)
    except InputError:
        raise
    except Exception as error:  # a made-up entry can be of any type
        raise FileFormatError(
            f"metadata 'hypr_neuro' is not what version {VERSION} writes ({one_line(error)})"
        ) from error
    _check_agreement(net, dt, reset)
    return net


def stored_integers(graph: nir.NIRGraph, net: Network) -> NirIntegers:
    """Return the integers in the metadata of a graph, of which `rebuild` gave the network."""
    head = own_entry(graph, "input", chain_0_1.ROLE, own_graph.ROLE)
    if head["role"] == chain_0_1.ROLE:
        return chain_0_1.stored_chain(graph, net)
    return own_graph.stored_graph(graph, head)


def _verified(graph: nir.NIRGraph) -> dict[str, Any]:
    """Return our metadata of the input, the digest of the whole graph checked."""
    head = own_entry(graph, "input", chain_0_1.ROLE, own_graph.ROLE)
    if head.get("sha256") != _digest(graph, int(head["version"])):
        raise FileFormatError(
            "its content does not match its sha256, it was altered; write it again, or remove the metadata "
            "'hypr_neuro' of all nodes to read it as a graph of another program"
        )
    return head


def _digest(graph: nir.NIRGraph, version: int) -> str | None:
    """Return the digest of the graph, None where it holds an object in place of an array."""
    try:
        return graph_digest(graph, version)
    except (TypeError, ValueError, AttributeError):  # an object in place of an array
        return None


def _check_agreement(net: Network, dt: float | None, reset: str | None) -> None:
    """Raise InputError where the caller passes another dt or reset than the file carries."""
    if dt is not None and dt != net.dt:
        raise InputError(f"dt = {dt} s was passed, the file says {net.dt} s; leave dt out, this file carries its own")
    for p in net.populations:
        if reset is not None and reset_of(p) not in (reset, "model"):
            raise InputError(f"{p.name}: reset = '{reset}' was passed, the file says '{reset_of(p)}'; leave it out")

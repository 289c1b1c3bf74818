"""Our metadata of nodes: each entry with its version and role checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir

from hypr_neuro.errors import FileFormatError
from hypr_neuro.exchange.nir.nodes import KEY, VERSION, node_label, own_metadata
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import NeuronModel

Entry = Mapping[str, Any]


def own_entry(graph: nir.NIRGraph, name: str, *roles: str) -> dict[str, Any]:
    """Return our metadata of a node, its version and role checked."""
    if name not in graph.nodes:
        raise FileFormatError(f"node {name!r} is missing, the file was altered; write it again")
    label, entry = node_label(name, graph.nodes[name]), own_metadata(graph.nodes[name])
    if entry is None:
        raise FileFormatError(f"{label}: metadata '{KEY}' is missing; write it again")
    if entry.get("version") not in range(1, VERSION + 1):
        raise FileFormatError(f"{label}: format version {entry.get('version')}, this program reads 1 to {VERSION}")
    if entry.get("role") not in roles:
        rule = " or ".join(map(repr, roles))
        raise FileFormatError(f"{label}: role {entry.get('role')!r}, rule: {rule}; write the file again")
    return entry


def own_integers(graph: nir.NIRGraph, name: str, *needed: str) -> dict[str, Any]:
    """Return the entry "integers" in our metadata of a node, which holds all that is `needed`."""
    label, entry = node_label(name, graph.nodes[name]), (own_metadata(graph.nodes[name]) or {}).get("integers")
    if not isinstance(entry, dict):
        raise FileFormatError(f"{label}: metadata '{KEY}/integers' is missing; write the file again")
    missing = [key for key in needed if key not in entry]
    if missing:
        raise FileFormatError(f"{label}: metadata '{KEY}/integers/{missing[0]}' is missing; write the file again")
    return entry


def model_of(entry: Entry) -> NeuronModel:
    """Return the neuron of a layer's or population's entry, which holds all its parameters."""
    model = get_model(entry["neuron"])
    missing = sorted(set(model.param_names) - set(entry["params"] if model.param_names else ()))
    if missing:
        raise FileFormatError(f"parameter '{missing[0]}' of neuron '{model.name}' is missing; write the file again")
    return model

"""A graph with graphs inside as one flat graph: nodes 'outer.inner', edges between them, all ends checked.

A nested graph's Input and Output become places that hand on what arrives; those of the graph itself stay its ends.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import nir

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.files import MAX_NESTING
from hypr_neuro.exchange.nir.nodes import kind, node_label, shown

PASSAGE = "Passage"
"""Kind of the Input and Output of a nested graph."""


@dataclass(frozen=True)
class Place:
    """One node; metadata : its own, then those of the graphs around it, the nearest first, each with its label."""

    name: str
    kind: str
    node: Any
    metadata: tuple[tuple[str, Mapping[str, Any]], ...]

    @property
    def label(self) -> str:
        """As errors name it."""
        return node_label(self.name, self.node)


@dataclass
class Flat:
    """Nodes by name and edges between them."""

    places: dict[str, Place] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def before(self) -> dict[str, list[str]]:
        """For each node those that it hears."""
        found: dict[str, list[str]] = {name: [] for name in self.places}
        for a, b in self.edges:
            found[b].append(a)
        return found

    def after(self) -> dict[str, list[str]]:
        """For each node those that hear it."""
        found: dict[str, list[str]] = {name: [] for name in self.places}
        for a, b in self.edges:
            found[a].append(b)
        return found

    def of_kind(self, wanted: str) -> list[Place]:
        """Nodes of that kind in the order of their names, which a file and the graph that it came from share."""
        return [self.places[name] for name in sorted(self.places) if self.places[name].kind == wanted]


def flatten(graph: nir.NIRGraph) -> Flat:
    """The graph without nesting; raises InputError, naming node and edge, for edges that lead nowhere."""
    flat = Flat()
    _add(flat, graph, "", ())
    for name, place in flat.places.items():
        if place.kind not in KNOWN:
            raise InputError(
                f"{place.label}: not imported, rule: one of {', '.join(sorted(KNOWN - {PASSAGE}))}; "
                f"replace {name!r} before export"
            )
    return flat


def _add(flat: Flat, graph: nir.NIRGraph, inside: str, around: tuple[tuple[str, Mapping[str, Any]], ...]) -> None:
    """Add the nodes and edges of a graph; inside : '' or 'outer.'"""
    if len(around) > MAX_NESTING:
        raise InputError(
            f"node {inside[:40]!r}: graphs nested more than {MAX_NESTING} deep, rule: no cycles; "
            "flatten it before export"
        )
    if not isinstance(graph.nodes, Mapping):
        where = f"node {inside[:-1]!r} (NIRGraph)" if inside else "graph"
        raise InputError(f"{where}: nodes = {shown(graph.nodes)}, rule: a dict of nodes by name")
    around = ((f"graph '{inside[:-1]}'" if inside else "graph", _mapping(graph)), *around)
    entries, exits = {}, {}
    for name, node in graph.nodes.items():
        own = f"{inside}{name}"
        if own in flat.places:
            raise InputError(f"node {own!r} stands twice once nested graphs are flattened; rename one")
        if kind(node) == "NIRGraph":
            _add(flat, node, f"{own}.", around)
            entries[name], exits[name] = (_only(own, node, what) for what in ("Input", "Output"))
            continue
        what = PASSAGE if inside and kind(node) in ("Input", "Output") else kind(node)
        flat.places[own] = Place(own, what, node, ((node_label(own, node), _mapping(node)), *around))
        entries[name] = exits[name] = own
    for a, b in _checked_edges(graph, inside):
        flat.edges.append((exits[a], entries[b]))


def _mapping(node: Any) -> Mapping[str, Any]:
    metadata = getattr(node, "metadata", None)
    return metadata if isinstance(metadata, Mapping) else {}


def _only(own: str, graph: nir.NIRGraph, what: str) -> str:
    """Full name of the one Input or Output of a nested graph."""
    found = [name for name, node in graph.nodes.items() if kind(node) == what]
    if len(found) != 1:
        names = ", ".join(map(repr, found)) or "none"
        raise InputError(
            f"node {own!r} (NIRGraph): {len(found)} nodes of type {what} ({names}), rule: exactly one, "
            "edges do not say which; flatten it before export"
        )
    return f"{own}.{found[0]}"


def _checked_edges(graph: nir.NIRGraph, inside: str) -> list[tuple[str, str]]:
    """The edges of one graph: both ends there, none twice, none out of an Output or into an Input."""
    where = f"node {inside[:-1]!r} (NIRGraph): inner edge" if inside else "edge"
    seen: set[tuple[str, str]] = set()
    for a, b in _pairs(graph.edges, where):
        for end in (a, b):
            if end not in graph.nodes:
                raise FileFormatError(
                    f"{where} ({a!r}, {b!r}): node {end!r} does not exist; repair the edge or add the node"
                )
        if (a, b) in seen:
            raise InputError(f"{where} ({a!r}, {b!r}) stands twice, rule: once; remove one")
        seen.add((a, b))
        if kind(graph.nodes[a]) == "Output" or kind(graph.nodes[b]) == "Input":
            raise InputError(
                f"{where} ({a!r}, {b!r}): leads out of an Output or into an Input, rule: from an Input, "
                "to an Output; remove it"
            )
    return [(a, b) for a, b in graph.edges]


def _pairs(edges: Any, where: str) -> list[tuple[str, str]]:
    """The edges, each a pair; raises FileFormatError for any other."""
    if not isinstance(edges, (list, tuple, set)):
        raise FileFormatError(f"{where}s = {shown(edges)}, rule: a list of pairs of names")
    for edge in edges:
        if not isinstance(edge, (list, tuple)) or len(edge) != 2 or not all(isinstance(end, Hashable) for end in edge):
            raise FileFormatError(f"{where} {shown(edge)}, rule: a pair of names; repair it")
    return [(a, b) for a, b in edges]


LINEAR = {"Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay", PASSAGE}
"""Kinds whose output is linear in their input, but for a bias, and in nothing else."""
SPIKING = {"LIF", "CubaLIF", "IF", "Threshold"}
INTEGRATORS = {"LI", "CubaLI", "I"}
KNOWN = LINEAR | SPIKING | INTEGRATORS | {"Input", "Output"}

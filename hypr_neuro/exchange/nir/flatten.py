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
from hypr_neuro.exchange.nir.nodes import kind, node_label, short_repr

PASSAGE = "Passage"
"""Kind of the Input and Output of a nested graph."""


@dataclass(frozen=True)
class Place:
    """One node of the flat graph.

    Attributes
    ----------
    name
        Full name, 'outer.inner' of a node in a nested graph.
    kind
        Its NIR type, or PASSAGE.
    node
        The node as nir has it.
    metadata
        Its own, then those of the graphs around it, the nearest first, each with its label.
    """

    name: str
    kind: str
    node: Any
    metadata: tuple[tuple[str, Mapping[str, Any]], ...]

    @property
    def label(self) -> str:
        """Return the node as errors name it."""
        return node_label(self.name, self.node)


@dataclass
class Flat:
    """The nodes of a graph without nesting, by name, and the edges between them."""

    places: dict[str, Place] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def predecessors(self) -> dict[str, list[str]]:
        """Return for each node those that it hears."""
        sources: dict[str, list[str]] = {name: [] for name in self.places}
        for a, b in self.edges:
            sources[b].append(a)
        return sources

    def successors(self) -> dict[str, list[str]]:
        """Return for each node those that hear it."""
        targets: dict[str, list[str]] = {name: [] for name in self.places}
        for a, b in self.edges:
            targets[a].append(b)
        return targets

    def of_kind(self, wanted: str) -> list[Place]:
        """Return nodes of that kind in the order of their names, which a file and the graph that it came from share."""
        return [self.places[name] for name in sorted(self.places) if self.places[name].kind == wanted]


def flatten(graph: nir.NIRGraph) -> Flat:
    """Return the graph without nesting; raise InputError, naming node and edge, for edges that lead nowhere."""
    flat = Flat()
    _add(flat, graph, "", ())
    for name, place in flat.places.items():
        if place.kind not in KNOWN:
            raise InputError(
                f"{place.label}: not imported, rule: one of {', '.join(sorted(KNOWN - {PASSAGE}))}; "
                f"replace {name!r} before export"
            )
    return flat


def _add(flat: Flat, graph: nir.NIRGraph, prefix: str, enclosing: tuple[tuple[str, Mapping[str, Any]], ...]) -> None:
    """Add nodes and edges of a graph; `prefix` is '' or 'outer.', `enclosing` the metadata of the graphs around it."""
    if len(enclosing) > MAX_NESTING:
        raise InputError(
            f"node {prefix[:40]!r}: graphs nested more than {MAX_NESTING} deep, rule: no cycles; "
            "flatten it before export"
        )
    if not isinstance(graph.nodes, Mapping):
        where = f"node {prefix[:-1]!r} (NIRGraph)" if prefix else "graph"
        raise InputError(f"{where}: nodes = {short_repr(graph.nodes)}, rule: a dict of nodes by name")
    enclosing = ((f"graph '{prefix[:-1]}'" if prefix else "graph", _mapping(graph)), *enclosing)
    entries, exits = {}, {}
    for name, node in graph.nodes.items():
        full_name = f"{prefix}{name}"
        if full_name in flat.places:
            raise InputError(f"node {full_name!r} stands twice once nested graphs are flattened; rename one")
        if kind(node) == "NIRGraph":
            _add(flat, node, f"{full_name}.", enclosing)
            entries[name], exits[name] = (_only(full_name, node, node_kind) for node_kind in ("Input", "Output"))
            continue
        node_kind = PASSAGE if prefix and kind(node) in ("Input", "Output") else kind(node)
        flat.places[full_name] = Place(
            full_name, node_kind, node, ((node_label(full_name, node), _mapping(node)), *enclosing)
        )
        entries[name] = exits[name] = full_name
    for a, b in _checked_edges(graph, prefix):
        flat.edges.append((exits[a], entries[b]))


def _mapping(node: Any) -> Mapping[str, Any]:
    """Return the metadata of a node, empty where it has none."""
    metadata = getattr(node, "metadata", None)
    return metadata if isinstance(metadata, Mapping) else {}


def _only(full_name: str, graph: nir.NIRGraph, wanted: str) -> str:
    """Return the full name of the one Input or Output of a nested graph."""
    matching = [name for name, node in graph.nodes.items() if kind(node) == wanted]
    if len(matching) != 1:
        names = ", ".join(map(repr, matching)) or "none"
        raise InputError(
            f"node {full_name!r} (NIRGraph): {len(matching)} nodes of type {wanted} ({names}), rule: exactly one, "
            "edges do not say which; flatten it before export"
        )
    return f"{full_name}.{matching[0]}"


def _checked_edges(graph: nir.NIRGraph, prefix: str) -> list[tuple[str, str]]:
    """Return the edges of one graph: both ends there, none twice, none out of an Output or into an Input."""
    where = f"node {prefix[:-1]!r} (NIRGraph): inner edge" if prefix else "edge"
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
    """Return the edges, each a pair; raise FileFormatError for any other."""
    if not isinstance(edges, (list, tuple, set)):
        raise FileFormatError(f"{where}s = {short_repr(edges)}, rule: a list of pairs of names")
    for edge in edges:
        if not isinstance(edge, (list, tuple)) or len(edge) != 2 or not all(isinstance(end, Hashable) for end in edge):
            raise FileFormatError(f"{where} {short_repr(edge)}, rule: a pair of names; repair it")
    return [(a, b) for a, b in edges]


LINEAR = {"Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay", PASSAGE}
"""Kinds whose output is linear in their input, but for a bias, and in nothing else."""
SPIKING = {"LIF", "CubaLIF", "IF", "Threshold"}
INTEGRATORS = {"LI", "CubaLI", "I"}
KNOWN = LINEAR | SPIKING | INTEGRATORS | {"Input", "Output"}

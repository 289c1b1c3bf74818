"""A NIR file as a graph of nodes, its edges and types still unchecked.

A file is taken apart by `files`, not by nir.read, so that a damaged or hostile one is refused by the name of what is
wrong; each node is then built by nir itself, those of nested graphs too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.files import one_line, read_tree
from hypr_neuro.exchange.nir.nodes import naming, short_repr

MAY_BE_MISSING: dict[str, dict[str, Any]] = {"Conv1d": {"input_shape": None}, "Conv2d": {"input_shape": None}}
"""Fields that a file leaves out when they are None, which HDF5 cannot hold, and nir wants."""


def open_graph(path_or_graph: str | Path | nir.NIRGraph) -> tuple[nir.NIRGraph, str]:
    """Return the graph, its edges and types still unchecked, and how errors name it."""
    if isinstance(path_or_graph, nir.NIRGraph):
        if not isinstance(path_or_graph.nodes, dict):
            raise InputError(f"NIR graph: nodes = {short_repr(path_or_graph.nodes)}, rule: a dict of nodes by name")
        return path_or_graph, "NIR graph"
    if isinstance(path_or_graph, (str, Path)):
        with naming(f"file '{path_or_graph}'"):
            return _graph(read_tree(Path(path_or_graph)).get("node"), ""), f"file '{path_or_graph}'"
    raise InputError(f"a {type(path_or_graph).__name__} was given, rule: the path of a NIR file or a nir.NIRGraph")


def _graph(tree: Any, prefix: str) -> nir.NIRGraph:
    """Build nodes by nir, one by one, so that the node at fault has a name; `prefix` is 'outer.' for a nested graph."""
    if not isinstance(tree, dict) or not isinstance(tree.get("nodes"), dict) or "edges" not in tree:
        missing = "node/nodes and node/edges are" if not prefix else f"nodes or edges of {prefix[:-1]!r} are"
        raise FileFormatError(f"holds no NIR graph ({missing} missing); export a whole NIRGraph")
    nodes = {name: _node(prefix + name, entry) for name, entry in tree["nodes"].items()}
    metadata = tree.get("metadata")
    graph = nir.NIRGraph(nodes, _edges(tree["edges"], prefix), type_check=False)
    graph.metadata = metadata if isinstance(metadata, dict) else {}
    return graph


def _edges(entry: Any, prefix: str) -> list[tuple[str, str]]:
    """Return the edges as pairs of names."""
    try:
        return [(_text(a), _text(b)) for a, b in entry]
    except (TypeError, ValueError) as error:
        where = "node/edges" if not prefix else f"edges of {prefix[:-1]!r}"
        raise FileFormatError(f"{where} is no list of pairs of names ({one_line(error)}); write it again") from error


def _text(value: Any) -> str:
    """Return a name as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r:.60} is no name")


def _node(name: str, entry: Any) -> nir.NIRNode:
    """Build one node by nir."""
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
        return _graph(entry, f"{name}.")
    try:
        return nir.dict2NIRNode(MAY_BE_MISSING.get(type_name, {}) | entry)
    except Exception as error:  # nir raises AssertionError, TypeError, KeyError, ValueError, AttributeError
        text = (
            f"node {name!r} ({type_name}) cannot be built ({one_line(error)}); repair it in the program that wrote it"
        )
        raise FileFormatError(text) from error

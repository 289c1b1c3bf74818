"""Which port of which Lava process sends to a port, over reshaping, transposing and the ports of processes around them.

Nothing here imports Lava.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.renamed import renamed_names


@dataclass(frozen=True)
class PortLink:
    """A port that sends to another one.

    Attributes
    ----------
    source
        The sending port; the receiving one itself where nothing sends to it, or the port of a process around it to
        which nobody has connected yet.
    order
        For each element of the receiving port, flattened, the element of `source`, flattened, that it takes.
    """

    source: Any
    order: Array


def links(port: Any) -> list[PortLink]:
    """Return all that sends to a port; raise InputError for ports that Lava itself cannot run."""
    return [PortLink(end, _order(end, virtual)) for end, virtual in _paths(port)]


def connected(port: Any) -> bool:
    """Tell whether anything sends to a port."""
    return any(link.source is not port for link in links(port))


def _paths(port: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each sending port, and the virtual ports (reshape, transpose) in between."""
    if not port.in_connections:
        yield port, []
    for before in port.in_connections:
        for end, virtual in _paths(before):
            yield end, [*virtual, port] if hasattr(port, "get_transform_func_fwd") else virtual


def _order(end: Any, virtual: list[Any]) -> Array:
    index = np.arange(int(np.prod(end.shape))).reshape(end.shape)
    for port in virtual:
        if type(port).__name__ == "ConcatPort":
            raise InputError(
                f"port {describe_port(end)}: concatenated with others, rule: not at all, Lava cannot run "
                "it; connect each to weights of its own"
            )
        index = port.get_transform_func_fwd()(index)
    return index.reshape(-1)


def describe(process: Any) -> str:
    """Name a process by name and class, for errors."""
    kind = type(process)
    return f"process '{process.name}' ({kind.__module__}.{kind.__qualname__})"


def describe_port(port: Any) -> str:
    """Name a port 'process.port'."""
    return f"{port.process.name}.{port.name}"


__getattr__ = renamed_names(__name__, {"Link": "PortLink"})

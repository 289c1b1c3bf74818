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


@dataclass(frozen=True)
class Link:
    """A port that sends to another one.

    source : the sending port; the receiving one itself where nothing sends to it, or the port of a process around it
        to which nobody has connected yet
    order : for each element of the receiving port, flattened, the element of `source`, flattened, that it takes
    """

    source: Any
    order: Array


def links(port: Any) -> list[Link]:
    """All that sends to a port; raises InputError for ports that Lava itself cannot run."""
    return [Link(end, _order(end, virtual)) for end, virtual in _paths(port)]


def connected(port: Any) -> bool:
    """Whether anything sends to a port."""
    return any(link.source is not port for link in links(port))


def _paths(port: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Each sending port, and the virtual ports (reshape, transpose) on the way from it."""
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


def neighbours(process: Any) -> list[Any]:
    """Processes that have a connection with this one, over any kind of port."""
    ports = [
        port
        for kind in (process.in_ports, process.out_ports, process.ref_ports, process.var_ports)
        for port in kind.members
    ]
    return [end.process for port in ports for end in (*port.get_src_ports(), *port.get_dst_ports())]


def network_of(process: Any) -> list[Any]:
    """All processes that hang together with this one, in the order in which they were made."""
    found, waiting = {process.id: process}, [process]
    while waiting:
        for other in neighbours(waiting.pop()):
            if other is not None and other.id not in found:
                found[other.id] = other
                waiting.append(other)
    return [found[number] for number in sorted(found)]


def describe(process: Any) -> str:
    """A process by name and class, for errors."""
    kind = type(process)
    return f"process '{process.name}' ({kind.__module__}.{kind.__qualname__})"


def describe_port(port: Any) -> str:
    """'process.port'"""
    return f"{port.process.name}.{port.name}"

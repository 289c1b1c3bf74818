"""Networks to NIR files: floats as nodes of the standard, integers as the floats that they stand for.

Where a node is an approximation, the file carries how far the graph of standard nodes strays from the network
(`agreement`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nir

from hypr_neuro.exchange.nir.agreement import spike_agreement
from hypr_neuro.exchange.nir.integers import add_integers
from hypr_neuro.exchange.nir.nodes import KEY
from hypr_neuro.exchange.nir.options import check_dt
from hypr_neuro.exchange.nir.stands_for import stands_for
from hypr_neuro.exchange.nir.write_graph import WrittenGraph, add_digest, written_graph
from hypr_neuro.files.store import sealed, write_atomically
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.quantizing.network import QuantizedNetwork

IN_FLOAT = "the network is one of integers; other readers run the numbers that these stand for, in floating point"


@dataclass(frozen=True)
class NirSummary:
    """What `write_nir` wrote.

    Attributes
    ----------
    path
        Of the file.
    nodes, edges
        How many the graph has.
    approximations
        One line for each thing that another reader will not run exactly.
    agreement
        Where there are any, by spiking node how far the standard nodes stray from the network, measured.
    """

    path: Path
    nodes: int
    edges: int
    approximations: tuple[str, ...]
    agreement: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_nir(net: Network | QuantizedNetwork, path: str | Path, *, sample: Array | None = None) -> NirSummary:
    """Write the network as a NIR file, whole or not at all; `read_nir` gives it back equal.

    A quantized network is written as the float network that its integers stand for, with the integers in the metadata;
    `read_quantized_nir` gives it back equal, `read_nir` that float network.

    Parameters
    ----------
    net
        The network.
    path
        File to write.
    sample : (sample, T, channel)
        Input on which to measure how far standard nodes that are only an approximation stray from the network; random
        spikes if None.

    Raises
    ------
    InputError
        For values that are not finite or out of range, an encoder or notes that JSON cannot hold, integers of neurons
        that do not say what they stand for, and a path that cannot be written.
    """
    require_path("path", path, "the NIR file to write")
    real, written = _written(net)
    graph, approximations, agreement = written.graph(), tuple(written.approximations), {}
    if [a for a in approximations if a != IN_FLOAT]:
        agreement = spike_agreement(real, graph, written.populations, sample)
        for name, figures in agreement.items():
            graph.nodes[name].metadata[KEY]["agreement"] = figures
        add_digest(graph)
    # in memory first: HDF5 2.0.0 crashes the program when the disk is full
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    content, target = sealed(buffer.getvalue()), Path(path)
    write_atomically(target, lambda temporary: _write_bytes(temporary, content))
    return NirSummary(target, len(graph.nodes), len(graph.edges), approximations, agreement)


def _write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a file."""
    path.write_bytes(content)


def to_graph(net: Network | QuantizedNetwork) -> tuple[nir.NIRGraph, tuple[str, ...]]:
    """Return the network as a nir.NIRGraph, and one line for each thing that is only approximate in standard nodes."""
    _, written = _written(net)
    return written.graph(), tuple(written.approximations)


def _written(net: Network | QuantizedNetwork) -> tuple[Network, WrittenGraph]:
    """Return the float network, of integers what they stand for, and its nodes."""
    require("net", net, Network, QuantizedNetwork)
    check_dt(net.dt)
    if isinstance(net, Network):
        return net, written_graph(net)
    real = stands_for(net)
    written = written_graph(real.network)
    add_integers(written, net, real)
    written.approximations[:0] = [IN_FLOAT, *real.late]
    return real.network, written

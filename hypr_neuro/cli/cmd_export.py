"""`hypr-neuro export`: a float or an integer network, or a float graph, to NIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.networks import open_anything, refused
from hypr_neuro.cli.options import Json, check_not_read


@command
def run(
    network: Annotated[Path, typer.Argument(help="network.h5, graph.h5, quantized.h5 of layers or learned.h5.")],
    out: Annotated[Path | None, typer.Option("--out", help="NIR file (default: beside the network).")] = None,
    json: Json = False,
) -> None:
    """Write a NIR file, read it back and require it to be equal."""
    from hypr_neuro.exchange.nir import import_nir, read_nir, write_nir
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.workflow.equal import require_equal_graphs, require_equal_networks
    from hypr_neuro.workflow.stages_fixed import require_equal_after

    net, path = open_anything(network), out or network.with_suffix(".nir")
    if not isinstance(net, (Network, FloatGraph, QuantizedNetwork)):
        raise refused(network, net, "floats, or integers of layers")
    check_not_read(path, network)
    summary = write_nir(net, path)
    if isinstance(net, Network):
        require_equal_networks(net, read_nir(path))
    elif isinstance(net, FloatGraph):
        require_equal_graphs(net, import_nir(path).graph)
    else:
        require_equal_after(net, path)
    holds = "integers" if isinstance(net, QuantizedNetwork) else "floats"
    facts = {"file": str(path), "holds": holds, "read back": "equal", "approximations": list(summary.approximations)}
    emit(facts, json, "NIR")

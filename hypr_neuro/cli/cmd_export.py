"""`hypr-neuro export`: a float or an integer network to NIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.networks import refused
from hypr_neuro.cli.options import Json, check_file, check_not_read
from hypr_neuro.cli.tables import emit

EXAMPLES = ("hypr-neuro export runs/a/network.h5 --out runs/a/network.nir",)


@command
def run(
    network: Annotated[Path, typer.Argument(help="network.h5, quantized.h5 or learned.h5.")],
    out: Annotated[Path | None, typer.Option("--out", help="NIR file (default: beside the network).")] = None,
    json: Json = False,
) -> None:
    """Write a NIR file, read it back and require it to be equal."""
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.exchange.nir import read_own, read_quantized_nir, write_nir
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.workflow.equal import require_equal_integers, require_equal_networks

    net, path = load(network), out or network.with_suffix(".nir")
    if not isinstance(net, (Network, QuantizedNetwork)):
        raise refused(network, net, "floats, or integers for a profile")
    check_not_read(path, network)
    check_file("--out", path, ".nir")
    summary = write_nir(net, path)
    if isinstance(net, Network):
        require_equal_networks(net, read_own(path))
    else:
        require_equal_integers(net, read_quantized_nir(path))
    holds = "integers" if isinstance(net, QuantizedNetwork) else "floats"
    facts = {"file": str(path), "holds": holds, "read back": "equal", "approximations": list(summary.approximations)}
    emit(facts, json, "NIR")

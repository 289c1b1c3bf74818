"""`hypr-neuro export`: a float or an integer network to NIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.networks import open_network
from hypr_neuro.cli.options import Json


@command
def run(
    network: Annotated[Path, typer.Argument(help="network.h5 of `train`, or quantized.h5 or learned.h5.")],
    out: Annotated[Path | None, typer.Option("--out", help="NIR file (default: beside the network).")] = None,
    json: Json = False,
) -> None:
    """Write a NIR file, read it back and require it to be equal."""
    from hypr_neuro.network import Network
    from hypr_neuro.nir_io import read_nir, write_nir
    from hypr_neuro.stages import require_equal_networks
    from hypr_neuro.stages_fixed import require_equal_after

    net, path = open_network(network), out or network.with_suffix(".nir")
    summary = write_nir(net, path)
    if isinstance(net, Network):
        require_equal_networks(net, read_nir(path))
    else:
        require_equal_after(net, path)
    emit({"file": str(path), "holds": "floats" if isinstance(net, Network) else "integers", "read back": "equal",
          "approximations": list(summary.approximations)}, json, "NIR")  # fmt: skip

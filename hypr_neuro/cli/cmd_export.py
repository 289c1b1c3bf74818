"""`hypr-neuro export`: a float network to NIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.options import Json, get_network


@command
def run(
    network: Annotated[Path, typer.Argument(help="network.h5 of `train`.")],
    out: Annotated[Path | None, typer.Option("--out", help="NIR file (default: beside the network).")] = None,
    json: Json = False,
) -> None:
    """Write a NIR file, read it back and require it to be equal."""
    from hypr_neuro.nir_io import read_nir, write_nir
    from hypr_neuro.stages import require_equal_networks

    net, path = get_network(network), out or network.with_suffix(".nir")
    summary = write_nir(net, path)
    require_equal_networks(net, read_nir(path))
    emit({"file": str(path), "read back": "equal", "approximations": list(summary.approximations)}, json, "NIR")

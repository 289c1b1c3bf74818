"""`hypr-neuro compile`: integers to C, Lava, netx or SpiNNaker2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.networks import open_anything
from hypr_neuro.cli.options import Json


@command
def run(
    network: Annotated[Path, typer.Argument(help="An integer network: quantized.h5, integer.h5 or its .nir.")],
    target: Annotated[str, typer.Option("--target", help="c, lava, netx or spinnaker2.")] = "c",
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; created if need be.")] = Path(
        "runs/compiled"
    ),
    json: Json = False,
) -> None:
    """Write what the target needs, with a manifest of hashes, versions and sizes."""
    from hypr_neuro.compilers import compile_network
    from hypr_neuro.errors import InputError
    from hypr_neuro.float_graph import FloatGraph
    from hypr_neuro.network import Network

    found = open_anything(network)
    if isinstance(found, (Network, FloatGraph)):
        raise InputError(f"'{network}' holds floats, rule: integers; `hypr-neuro quantize {network}` makes them")
    artifact = compile_network(found, target=target, out=out)
    facts = artifact.manifest if json else {"files": list(artifact.manifest["files"])}
    emit({"folder": str(artifact.folder)} | facts, json, f"Compiled for {target}")

"""`hypr-neuro import`: a network of another program, from NIR, netx, .npz or a torch state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.options import Json


@command
def run(
    file: Annotated[
        Path, typer.Argument(help=".nir, .net (lava-dl), .npz or .pt (state dicts of BRF, ALIF, snnTorch, Sinabs).")
    ],
    neuron: Annotated[
        str | None,
        typer.Option(help="Of checkpoints with omega and b_offset: brf (default) or rf_threshold, the plain RF."),
    ] = None,
    dt: Annotated[float | None, typer.Option(help="Seconds a step; NIR does not hold it.")] = None,
    reset: Annotated[
        str | None,
        typer.Option(
            help="zero, subtract, zero_delayed, subtract_delayed: what a spike does to v; NIR does not say, nor Sinabs."
        ),
    ] = None,
    integrator: Annotated[str | None, typer.Option(help="euler (default) or exact, of NIR's time constants.")] = None,
    order: Annotated[
        str | None, typer.Option(help="current_first (default) or membrane_first, within a step of NIR's neurons.")
    ] = None,
    recurrent_delay: Annotated[int | None, typer.Option(min=0, help="Steps of feedback in NIR (default 1).")] = None,
    floor: Annotated[float | None, typer.Option(help="Lowest v of NIR's neurons (Sinabs' min_v_mem).")] = None,
    max_spikes: Annotated[
        int | None,
        typer.Option(
            help="Most spikes of a step (1 to 127), each takes a threshold off: Sinabs' MultiSpike; in NIR with "
            "--reset subtract. Without it a neuron sends one."
        ),
    ] = None,
    reset_delay: Annotated[
        bool | None, typer.Option(help="Of snnTorch: whether the reset comes one step after a spike (default).")
    ] = None,
    norm_input: Annotated[
        bool | None, typer.Option(help="Of Sinabs: whether what arrives is scaled by 1 - e^(-1/tau).")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the network; created if need be.")] = Path(
        "runs/import"
    ),
    json: Json = False,
) -> None:
    """Read a network, say all that was chosen or left out, and write it as a file of hypr-neuro."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.importing import import_file
    from hypr_neuro.exchange.nir.options import check_dt
    from hypr_neuro.files.store import make_folder

    if dt is not None and dt > 0:  # the readers refuse the others, in words of their own
        check_dt(dt)
    choices = {"dt": dt, "reset": reset, "integrator": integrator, "order": order, "recurrent_delay": recurrent_delay}
    choices |= {"max_spikes": max_spikes}
    imported = import_file(file, **choices, neuron=neuron, floor=floor, reset_delay=reset_delay, norm_input=norm_input)
    folder = make_folder(out)
    path = folder / imported.file_name
    if path.exists() and path.resolve() == file.resolve():
        raise InputError(f"--out {out}: would overwrite '{file}'; choose another folder")
    imported.network.save(path)
    summary = {"summary": imported.lines} if json else {}
    emit({"file": str(path), "holds": imported.holds} | imported.facts | summary, json, "Imported")
    if not json:
        for line in imported.lines:
            print(line)

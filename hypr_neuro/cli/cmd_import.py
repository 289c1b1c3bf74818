"""`hypr-neuro import`: a network of another program, from NIR, netx, .npz or a torch state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hypr_neuro.cli.choices import INTEGRATORS, ORDERS, RESETS, RESONATORS, choice
from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import Json
from hypr_neuro.cli.tables import emit

OPEN, NIR, STATE_DICT, NETX = "What files leave open", "NIR", "State dicts", "netx (.net)"
EXAMPLES = (
    "hypr-neuro import model.nir --dt 1e-3 --reset subtract --out runs/n",
    "hypr-neuro import network.net --out runs/n",
    "hypr-neuro import weights.pt --out runs/n",
)


@command
def run(
    file: Annotated[
        Path, typer.Argument(help=".nir, .net (lava-dl), .npz or .pt (state dicts of BRF, ALIF, snnTorch, Sinabs).")
    ],
    dt: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds a step; NIR does not hold it.", rich_help_panel=OPEN),
    ] = None,
    reset: Annotated[
        str | None,
        choice(RESETS, help="What a spike does to v; neither NIR nor Sinabs says.", rich_help_panel=OPEN),
    ] = None,
    max_spikes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Most spikes of a step (1 to 127), each takes a threshold off: Sinabs' MultiSpike; in NIR with "
            "--reset subtract (default: one spike).",
            rich_help_panel=OPEN,
        ),
    ] = None,
    integrator: Annotated[
        str | None, choice(INTEGRATORS, help="Of time constants (default: euler).", rich_help_panel=NIR)
    ] = None,
    order: Annotated[
        str | None,
        choice(ORDERS, help="Within a step of NIR's neurons (default: current_first).", rich_help_panel=NIR),
    ] = None,
    recurrent_delay: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Steps of feedback (default: 1).", rich_help_panel=NIR)
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(metavar="X", help="Lowest v (Sinabs' min_v_mem; default: none).", rich_help_panel=NIR),
    ] = None,
    neuron: Annotated[
        str | None,
        choice(
            RESONATORS,
            help="Of checkpoints with one hidden layer (default: by their arrays).",
            rich_help_panel=STATE_DICT,
        ),
    ] = None,
    reset_delay: Annotated[
        bool | None,
        typer.Option(
            help="Of snnTorch: whether the reset comes one step after a spike (default: it does).",
            rich_help_panel=STATE_DICT,
        ),
    ] = None,
    norm_input: Annotated[
        bool | None,
        typer.Option(help="Of Sinabs: whether what arrives is scaled by 1 - e^(-1/tau).", rich_help_panel=STATE_DICT),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Layers to read (default: all).", rich_help_panel=NETX),
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,CHANNELS",
            help="Of a file that starts with a convolution and has no input layer.",
            rich_help_panel=NETX,
        ),
    ] = None,
    input_message_bits: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Bits of integers that come in (default: 0, spikes).", rich_help_panel=NETX
        ),
    ] = None,
    connection_delay: Annotated[
        int | None,
        typer.Option(
            metavar="0|1",
            min=0,
            max=1,
            help="Steps from layer to layer (default: 1, as Lava runs it; 0: all in one step).",
            rich_help_panel=NETX,
        ),
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
    from hypr_neuro.files.kinds import COMPILED, RUN, STUDY, kinds_in
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.files.store import make_folder

    held = kinds_in(out)
    trained = ["a training"] if RUN in held and RunFolder(out, create=False).read("training") is not None else []
    if found := [kind for kind in held if kind in (STUDY, COMPILED)] + trained:
        raise InputError(f"--out {out}: the folder holds {found[0]}; choose another for what is imported")
    if dt is not None and dt > 0:  # the readers refuse the others, in words of their own
        check_dt(dt)
    choices: dict[str, Any] = {
        "dt": dt,
        "reset": reset,
        "integrator": integrator,
        "order": order,
        "recurrent_delay": recurrent_delay,
    }
    choices |= {"max_spikes": max_spikes, "layers": layers, "input_shape": _shape(input_shape)}
    choices |= {"input_message_bits": input_message_bits, "connection_delay": connection_delay}
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


def _shape(text: str | None) -> tuple[int, ...] | None:
    """Return the three numbers of --input-shape."""
    from hypr_neuro.errors import InputError

    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--input-shape {text}, rule: X,Y,CHANNELS, such as 32,32,2")
    return tuple(map(int, parts))

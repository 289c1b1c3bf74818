"""`hypr-neuro quantize`: float to integers for a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit, rows
from hypr_neuro.cli.options import Data, DataDir, Json, Out, ProfileName, Seed, get_data, get_network


@command
def run(
    network: Annotated[Path, typer.Argument(help="Float network: .h5 or .nir.")],
    data: Data = "digits",
    data_dir: DataDir = None,
    profile: ProfileName = "loihi2",
    seed: Seed = 0,
    out: Out = Path("runs/train"),
    json: Json = False,
) -> None:
    """Calibrate on training samples, convert, and show every conversion."""
    from hypr_neuro import stages
    from hypr_neuro.profile import load_profile
    from hypr_neuro.run_folder import RunFolder

    net, chip, chosen = get_network(network), load_profile(profile), get_data(data, data_dir, seed)
    folder = RunFolder(out)
    qnet = stages.quantize_stage(folder, net, chip, chosen)
    if json:
        emit({"file": str(folder.file("quantized.h5")), "record": qnet.record}, True)
        return
    lines = [
        [f"{r['layer']}.{r['name']}", f"{r['low']:.4g}..{r['high']:.4g}", f"{r['integer_low']}..{r['integer_high']}",
         r["clipped"], "exact" if r["sqnr"] is None else f"{r['sqnr']:.1f} dB", r["rule"]]
        for r in qnet.record
    ]  # fmt: skip
    rows(["what", "value", "integer", "clipped", "SQNR", "rule"], lines, f"Integers for '{chip.name}'")
    print(folder.file("quantized.h5"))

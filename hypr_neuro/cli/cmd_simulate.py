"""`hypr-neuro simulate`: run the integer network and score it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import RichConsole, command, emit
from hypr_neuro.cli.options import Data, DataDir, Json, Seed, get_data, get_network


@command
def run(
    network: Annotated[Path, typer.Argument(help="quantized.h5.")],
    data: Data = "digits",
    data_dir: DataDir = None,
    part: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    samples: Annotated[int | None, typer.Option(min=1, help="Only the first samples.")] = None,
    device: Annotated[str, typer.Option(help="sim or lava.")] = "sim",
    float_network: Annotated[Path | None, typer.Option("--network", help="Float network to set beside it.")] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder to add the figures to (needs --network).")
    ] = None,
    json: Json = False,
) -> None:
    """Accuracy, firing rates and saturations of the integer network, beside float if asked for."""
    import numpy as np

    from hypr_neuro import stages
    from hypr_neuro.errors import InputError
    from hypr_neuro.hil import open_device
    from hypr_neuro.quantize import QuantizedNetwork
    from hypr_neuro.run_folder import RunFolder
    from hypr_neuro.score import score_readout
    from hypr_neuro.train.loop import evaluate

    qnet, chosen = QuantizedNetwork.load(network), get_data(data, data_dir, seed)
    if out is not None:
        if float_network is None:
            raise InputError("--out needs --network: the report sets the integer network beside the float one")
        stages.simulate_stage(RunFolder(out), get_network(float_network), qnet, chosen)
    held = chosen.part(part)
    if samples is not None:
        held = held.take(np.arange(min(samples, len(held))))
    with RichConsole(quiet=json).progress("simulate") as advance, open_device(device) as chip:
        chip.load(qnet)
        trace = chip.run(held.x, on_block=lambda done, total: advance(done, total, "steps"))
    score = score_readout(trace.readout, held)
    found = {"device": device, "samples": len(held), "accuracy": score.accuracy, "over labelled steps": score.labelled,
             "rates": trace.rates, "saturations and wraps": trace.events,
             "synaptic operations": trace.synaptic_operations}  # fmt: skip
    if float_network is not None:
        found["float accuracy"] = evaluate(get_network(float_network), chosen, part).accuracy
    emit(found, json, "Integer network")

"""`hypr-neuro faults`: what a fault of the device costs, and how much of it learning wins back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.choices import DEVICES, PARTS, choice
from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.options import (
    DATA,
    LEARNING,
    RUN,
    Data,
    DataDir,
    Encode,
    Json,
    Out,
    Seed,
    check_channels,
    with_encoder,
)
from hypr_neuro.cli.rates import searched_rate
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit

EXAMPLES = (
    "hypr-neuro faults runs/a/quantized.h5 --fault weight_flips=1e-4,1e-3,1e-2 --out runs/a",
    "hypr-neuro faults runs/a/quantized.h5 --fault dead=0.1,0.2,0.4 --epochs 0",
)
SECTION = "faults"
LASTING = ("dead", "stuck", "weight_flips", "drift")
"""Faults that are there before the first sample."""


@command
def run(
    network: Annotated[Path, typer.Argument(help="quantized.h5 to try.")],
    fault: Annotated[
        list[str],
        typer.Option(
            "--fault",
            metavar="KIND=VALUE,…",
            help="A fault and its values; a second --fault of one value is there all the time. See docs/faults.md.",
            rich_help_panel=RUN,
        ),
    ],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    part: Annotated[str, choice(PARTS, help="Samples that are scored.", rich_help_panel=DATA)] = "test",
    epochs: Annotated[
        int, typer.Option(metavar="N", min=0, help="Passes of learning; 0: none.", rich_help_panel=LEARNING)
    ] = 1,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="As of `learn` (default: found with the largest value).", rich_help_panel=LEARNING
        ),
    ] = None,
    device: Annotated[str, choice(DEVICES, help="Where it runs and learns.", rich_help_panel=RUN)] = "sim",
    seeds: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Draws of fault and order of samples.", rich_help_panel=RUN),
    ] = 3,
    seed: Seed = 0,
    out: Out = Path("runs/faults"),
    json: Json = False,
) -> None:
    """Score the network with each value of a fault, before and after learning; table and figure in the run folder.

    0 is always among the values. An interrupted run goes on.
    """
    from hypr_neuro.cli.graphs import encoded
    from hypr_neuro.cli.networks import get_quantized
    from hypr_neuro.faults.device import faulty_network
    from hypr_neuro.faults.kinds import parse_faults, parse_values
    from hypr_neuro.faults.sweep import fault_sweep, with_value
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.report.faults import write_figure
    from hypr_neuro.sim.learning.from_data import check_learnable
    from hypr_neuro.sim.learning.options import LearnOptions

    qnet = get_quantized(network)
    kind, values = parse_values(fault[0])
    others = parse_faults(fault[1:], seed)
    loaded = choose_data(data, data_dir, seed, with_encoder(None, encode), network=network).load()
    check_channels(loaded, qnet.inputs)
    sequences = encoded(qnet, loaded)
    options = LearnOptions(seed=seed, targets="values" if sequences.regression else "labels")
    folder = RunFolder(out)
    if epochs:
        options.check(qnet)
        check_learnable(qnet, sequences, options)
        # what serves a whole network is too small for one that has something to make good
        worst = faulty_network(qnet, with_value(others, kind, max(values), seed)) if kind in LASTING else qnet
        found = searched_rate(folder, worst, sequences, options, json)[0] if rate is None else rate
        options = replace(options, rate=found)
    with RichConsole(quiet=json).progress("faults") as advance:
        swept = fault_sweep(
            qnet,
            sequences,
            kind,
            values,
            seeds=seeds,
            device=device,
            faults=others,
            epochs=epochs,
            options=options,
            part=part,
            folder=folder.file("faults"),
            on_point=lambda done, total: advance(done, total, "points"),
        )
    folder.merge(SECTION, {kind: swept.as_dict() | {"others": others.described()}})
    figure = write_figure(swept.as_dict(), folder.file(f"faults_{kind}.svg"))
    if json:
        emit(swept.as_dict() | {"figure": str(figure)}, json, "Faults")
        return
    print(swept)
    if seeds == 1:
        print("one seed is no result: --seeds 3 gives a mean with its 95 % interval")
    print(f"figure in {figure}; `hypr-neuro report {out}` shows it")

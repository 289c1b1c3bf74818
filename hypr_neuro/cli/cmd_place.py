"""`hypr-neuro place`: does it fit, and what does it use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit, print_table
from hypr_neuro.cli.networks import get_quantized
from hypr_neuro.cli.options import CHIP, Json

EXAMPLES = (
    "hypr-neuro place runs/a/quantized.h5",
    "hypr-neuro place runs/a/quantized.h5 --profile loihi1 --no-learning",
)


@command
def run(
    network: Annotated[Path, typer.Argument(help="Integer network: quantized.h5, or its .nir.")],
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Another profile than the one it was quantized for.", rich_help_panel=CHIP
        ),
    ] = None,
    learning: Annotated[
        bool | None,
        typer.Option(
            help="Count the memory of learning synapses (default: where anything can learn).", rich_help_panel=CHIP
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder to add the placement to.")] = None,
    json: Json = False,
) -> None:
    """Split the populations over cores and show what each core uses of its limits, and what each connection takes."""
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.placement.place import nothing_learns, place

    qnet = get_quantized(network)
    reason = nothing_learns(qnet, profile) if learning is None else ""
    placement = place(qnet, profile, learning=not reason if learning is None else learning)
    section = placement.section() | ({"not_learning": reason} if reason else {})
    if out is not None:
        RunFolder(out).merge("placement", section)
    if json:
        emit(section, True)
        return
    if reason:
        print(f"placed without learning: {reason}")

    def used_of(value: int, limit: int | None) -> str:
        return f"{value}" if limit is None else f"{value} of {limit} ({value / limit:.0%})"

    table_rows = [
        [
            use.core,
            use.layer,
            used_of(use.neurons, use.neuron_limit),
            use.synapses,
            used_of(use.in_axons, use.in_axon_limit),
            used_of(use.out_axons, use.out_axon_limit),
            used_of(use.memory_bits, use.memory_limit),
            use.learning_bits,
        ]
        for use in placement.cores
    ]
    headings = ["core", "population", "neurons", "synapses", "axons in", "axons out", "memory bits", "of it learning"]
    print_table(
        headings, table_rows, f"{placement.used} of {placement.core_limit or '∞'} cores of '{placement.profile}'"
    )
    connections = [[*c.values()] for c in placement.by_connection()]
    columns = ["connection", "learns", "synapses", "memory bits", "cores"]
    print_table(columns, connections, "connections on all cores, memory of learning apart")

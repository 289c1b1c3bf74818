"""`hypr-neuro place`: does it fit, and what does it use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.networks import get_quantized
from hypr_neuro.cli.options import CHIP, Json
from hypr_neuro.cli.tables import emit, print_table

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

    table_rows = [
        [
            use.core,
            use.layer,
            use.neurons,
            use.synapses,
            use.in_axons,
            use.out_axons,
            _used(use.memory_bits, use.memory_limit),
            _used(use.learning_bits, use.memory_limit),
        ]
        for use in placement.cores
    ]
    limits = placement.cores[0]
    headings = [
        "core",
        "population",
        _of("neurons", limits.neuron_limit),
        "synapses",
        _of("axons in", limits.in_axon_limit),
        _of("axons out", limits.out_axon_limit),
        _of("memory", None if limits.memory_limit is None else limits.memory_limit // 8192, " KiB"),
        "of it learning",
    ]
    print_table(
        headings, table_rows, f"{placement.used} of {placement.core_limit or '∞'} cores of '{placement.profile}'"
    )
    connections = [[*c.values()] for c in placement.by_connection()]
    columns = ["connection", "learns", "synapses", "memory bits", "cores"]
    print_table(columns, connections, "connections on all cores, memory of learning apart")


def _of(name: str, limit: int | None, unit: str = "") -> str:
    """Return a heading with what a core has at most."""
    return name if limit is None else f"{name} of {limit}{unit}"


def _used(bits: int, limit: int | None) -> str:
    """Return memory as a share of a core's, in bits where a core has no limit."""
    from hypr_neuro.shown import percent

    return str(bits) if limit is None else percent(bits / limit)

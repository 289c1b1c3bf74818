"""`hypr-neuro place`: does it fit, what does it use, what does a sample cost."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.networks import check_same_network, get_quantized
from hypr_neuro.cli.options import CHIP, Data, DataDir, Flash, Json, Override, Ram, Seed, get_profile_of
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.placement.place import Placement
    from hypr_neuro.quantizing.network import QuantizedNetwork

EXAMPLES = (
    "hypr-neuro place runs/a/quantized.h5",
    "hypr-neuro place runs/a/quantized.h5 --profile loihi1 --no-learning",
    "hypr-neuro place runs/a/quantized.h5 --profile cortex_m4 --flash 1M --ram 256K",
    "hypr-neuro place runs/a/quantized.h5 --map cores.svg",
    "hypr-neuro place runs/a/quantized.h5 --technology generic_45nm",
)
WIDTH = 78
NAMES = "population"
"""The column whose cells may take several lines."""


@command
def run(
    network: Annotated[Path, typer.Argument(help="Integer network: quantized.h5, or its .nir.")],
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Another profile than the one it was quantized for.", rich_help_panel=CHIP
        ),
    ] = None,
    override: Override = None,
    flash: Flash = None,
    ram: Ram = None,
    learning: Annotated[
        bool | None,
        typer.Option(
            help="Count the memory of learning synapses (default: where anything can learn).", rich_help_panel=CHIP
        ),
    ] = None,
    data: Data = None,
    data_dir: DataDir = None,
    seed: Seed = 0,
    technology: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Energy of accesses to memory by figures of a technology, generic_45nm (default: the profile's own).",
            rich_help_panel=CHIP,
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Run folder to add the placement to.")] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="Draw the cores into this file, .svg.")
    ] = None,
    json: Json = False,
) -> None:
    """Split the populations over cores and show what each core uses of its limits, and what each connection takes.

    Where the chip runs a program, compile it and hold it against the memory; estimate energy and time of a sample.
    """
    from dataclasses import replace

    from hypr_neuro.compilers import place_network
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.placement.complexity import complexity
    from hypr_neuro.placement.estimate import estimate_placed
    from hypr_neuro.placement.place import nothing_learns

    if map_file is not None and map_file.suffix != ".svg":
        raise InputError(f"--map {map_file}: rule: a name that ends in .svg; give {map_file.with_suffix('.svg')}")
    qnet = get_quantized(network)
    if out is not None:
        check_same_network(out, network, qnet)
    folder = None if out is None else RunFolder(out)
    there = replace(qnet, profile=get_profile_of(qnet, profile, override, flash, ram))
    reason = nothing_learns(there) if learning is None else ""
    learns = not reason if learning is None else learning
    placement = place_network(there, learning=learns)
    samples = _data(there, network, data, data_dir, seed)
    cost = estimate_placed(placement, there, samples, learns, technology)
    # without samples a step is bounded, and nothing is known of a sample
    section = placement.section() | ({} if samples is None else cost.figures()) | {"estimate": cost.as_dict()}
    counted = None if samples is None else complexity(there, samples)
    section |= {} if counted is None else {"complexity": counted.as_dict()}
    section |= {"not_learning": reason} if reason else {}
    if map_file is not None:
        _draw(section, map_file)
    if folder is not None:
        folder.merge("placement", section)
    if json:
        emit(section, True)
        return
    if reason:
        print(f"placed without learning: {reason}")
    _print_cores(placement)
    connections = [[*c.values()] for c in placement.by_connection()]
    columns = ["connection", "learns", "synapses", "memory bits", "cores"]
    print_table(columns, connections, "connections on all cores, memory of learning apart")
    for line in _told(placement):
        print(*wrap(line, WIDTH, subsequent_indent="  "), sep="\n")
    print(cost)
    if cost.accesses is not None:
        print(*cost.accesses.lines(), sep="\n")
    if counted is not None:
        print(counted)


def _draw(section: dict[str, Any], path: Path) -> None:
    from hypr_neuro.report.core_map import core_map
    from hypr_neuro.report.drawing import write_svg

    drawn = core_map(section)
    assert drawn is not None  # a network has neurons, and they lie somewhere
    write_svg(drawn, path)


def _data(
    qnet: QuantizedNetwork, network: Path, data: str | None, data_dir: Path | None, seed: int
) -> SequenceData | None:
    """Return the data whose activity is estimated: those given, else those of the network's folder."""
    from hypr_neuro.cli.graphs import encoded
    from hypr_neuro.cli.run_data import choose_data, remembered
    from hypr_neuro.errors import HyprError

    if data is None and data_dir is None and remembered(network.parent) is None:
        return None
    try:
        return encoded(qnet, choose_data(data, data_dir, seed, network=network).load())
    except HyprError:
        if data is not None or data_dir is not None:
            raise
        return None


def _print_cores(placement: Placement) -> None:
    """Print what is on each core and its share of each limit, which stands in the heading, within 80 columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    first = placement.cores[0]
    table = Table(
        title=Text(f"{placement.used} of {_limit(placement.core_limit)} cores of '{placement.profile}'"),
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    memory_limit = None if first.memory_limit is None else f"{first.memory_limit / 8192:.5g}"
    headings = (
        "core",
        NAMES,
        f"neurons\nof {_limit(first.neuron_limit)}",
        "synapses",
        f"axons in\nof {_limit(first.in_axon_limit)}",
        f"axons out\nof {_limit(first.out_axon_limit)}",
        f"KiB memory\nof {_limit(memory_limit)}",
        "of it\nlearning",
    )
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading != NAMES)
    for use in placement.cores:
        cells = (
            str(use.core),
            use.layer,
            _share(use.neurons, use.neuron_limit),
            str(use.synapses),
            _share(use.in_axons, use.in_axon_limit),
            _share(use.out_axons, use.out_axon_limit),
            _share(use.memory_bits, use.memory_limit, f"{use.memory_bits / 8192:.4g}"),
            f"{use.learning_bits / 8192:.4g}",
        )
        table.add_row(*map(Text, cells))
    Console().print(table)


def _limit(value: Any) -> str:
    return "unknown" if value is None else str(value)


def _share(value: int, limit: int | None, text: str = "") -> str:
    return (text or str(value)) + ("" if limit is None else f" {value / limit:.1%}")


def _told(placement: Placement) -> list[str]:
    """Tell of programs, of limits that nothing is known of, and of those that are another chip's."""
    lines = [f"cores: {placement.told_fewest}"] if placement.told_fewest else []
    lines += [] if placement.crossbars is None else [placement.crossbars.told()]
    for program in placement.programs:
        parts = ", ".join(f"{m.name} {m.told()}" for m in program.memories)
        lines.append(f"{program.name}: {parts}" + (f" ({program.reason})" if program.reason else ""))
    if placement.programs:
        lines.append("stack, and what runs beside the network, are not in these sizes")
    if placement.unknown_limits:
        lines.append(f"unknown, and not checked: {', '.join(placement.unknown_limits)}")
    for chip in dict.fromkeys(placement.other_chips.values()):
        keys = ", ".join(key for key, whose in placement.other_chips.items() if whose == chip)
        lines.append(f"figures of {chip}, not of '{placement.profile}': {keys}")
    return lines

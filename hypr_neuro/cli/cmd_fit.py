"""`hypr-neuro fit`: what a given memory, or a chip, has room for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.networks import get_quantized
from hypr_neuro.cli.options import CHIP, Json, Override, get_profile, get_profile_of
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.profiles.profile import Profile
    from hypr_neuro.shown import Shown

SHAPE = "Shape of the network, where no file is given"
DEFAULT = "loihi2"
WIDTH = 78
EXAMPLES = (
    "hypr-neuro fit --memory 64KiB --inputs 64 --outputs 10",
    "hypr-neuro fit --memory 64KiB --inputs 4 --outputs 6 --neuron alif --weight-bits 4 --packed",
    "hypr-neuro fit runs/a/quantized.h5 --memory 16K",
    "hypr-neuro fit --profile reckon --inputs 40 --outputs 10",
)


@command
def run(
    network: Annotated[
        Path | None, typer.Argument(help="Integer network: which of its connections may learn? (quantized.h5)")
    ] = None,
    memory: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="Bytes there are, e.g. 64KiB or 1M (default: what the chip of --profile has)."
        ),
    ] = "",
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help=f"Profile of all widths (default: {DEFAULT}).", rich_help_panel=CHIP),
    ] = None,
    override: Override = None,
    weight_bits: Annotated[
        list[int] | None, typer.Option(metavar="N", help="A width to try, again for more.", rich_help_panel=CHIP)
    ] = None,
    eligibility_bits: Annotated[
        list[int] | None, typer.Option(metavar="N", help="A width to try, again for more.", rich_help_panel=CHIP)
    ] = None,
    learn: Annotated[
        bool | None,
        typer.Option(
            "--learn/--no-learn",
            "--learning/--no-learning",
            help="Only networks that learn, or only ones that do not (default: both).",
        ),
    ] = None,
    inputs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Input channels.", rich_help_panel=SHAPE)
    ] = None,
    outputs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Neurons of the readout.", rich_help_panel=SHAPE)
    ] = None,
    neuron: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the layers (default: brf, on a chip without it lif).", rich_help_panel=SHAPE
        ),
    ] = None,
    layers: Annotated[int, typer.Option(metavar="N", min=1, help="How many.", rich_help_panel=SHAPE)] = 1,
    recurrent: Annotated[bool, typer.Option(help="Whether they are.", rich_help_panel=SHAPE)] = True,
    bias: Annotated[bool, typer.Option(help="Whether they have biases.", rich_help_panel=SHAPE)] = True,
    packed: Annotated[
        bool, typer.Option("--packed", help="Numbers packed to the bit (default: in whole bytes).")
    ] = False,
    json: Json = False,
) -> None:
    """Say what a memory has room for: the largest network by widths, or which connections of one may learn.

    Counts weights, states, parameters and what learning keeps. Without --memory the largest network that the chip of
    --profile holds is looked for by placing one after the other.
    """
    from hypr_neuro.errors import InputError

    if not memory and (network is not None or profile is None):
        raise InputError(
            "--memory is missing, rule: the bytes there are, or a shape and a --profile, whose largest network is "
            "looked for; e.g. --memory 64KiB"
        )
    if network is None:
        if inputs is None or outputs is None:
            raise InputError("no network and no shape, rule: a quantized.h5, or --inputs and --outputs; give one")
        if not memory:
            if weight_bits or eligibility_bits or packed:
                raise InputError(
                    "--weight-bits, --eligibility-bits, --packed: of a --memory, rule: the profile's own; change one "
                    "with --override precision.weight_bits=4"
                )
            shape = {"layers": layers, "recurrent": recurrent, "bias": bias}
            _of_chip(get_profile(profile or DEFAULT, override), inputs, outputs, neuron, learn, shape, json)
            return
        from hypr_neuro.placement.budget import ALL, LAST, NOTHING, largest_networks
        from hypr_neuro.workflow.chip_room import usual_neuron

        learns = {None: (ALL, LAST, NOTHING), True: (ALL, LAST), False: (NOTHING,)}[learn]
        chip = get_profile(profile or DEFAULT, override)
        largest = largest_networks(
            memory,
            chip,
            inputs=inputs,
            outputs=outputs,
            neuron=neuron or usual_neuron(chip),
            layers=layers,
            recurrent=recurrent,
            bias=bias,
            learns=learns,
            weight_bits=weight_bits or (),
            eligibility_bits=eligibility_bits or (),
            packed=packed,
        )
        _show(asdict(largest), largest.table(), json)
        if not json:
            line = f"counted in bytes alone: what else limits '{chip.name}' (cores, axons, channels) is looked at"
            print(*wrap(f"{line} without --memory, with --profile", WIDTH), sep="\n")
        return
    given: dict[str, object] = {"--inputs": inputs, "--outputs": outputs, "--learn": learn}
    given |= {"--weight-bits": weight_bits, "--eligibility-bits": eligibility_bits}
    if foreign := [name for name, value in given.items() if value is not None]:
        raise InputError(f"{', '.join(foreign)}: of a shape, rule: a network's file or a shape; leave one out")
    _of_file(network, memory, profile, override, packed, json)


def _of_file(
    network: Path, memory: str, profile: str | None, override: list[str] | None, packed: bool, json: bool
) -> None:
    """Show which connections of a network may learn."""
    from dataclasses import replace

    from hypr_neuro.placement.budget import learnable_within

    qnet = get_quantized(network)
    there = replace(qnet, profile=get_profile_of(qnet, profile, override, None, None))
    found = learnable_within(there, memory, packed=packed)
    _show(asdict(found), found.table(), json)


def _of_chip(
    chip: Profile, inputs: int, outputs: int, neuron: str | None, learn: bool | None, shape: dict[str, int], json: bool
) -> None:
    """Show the largest networks that a chip holds, and what one neuron more is refused for."""
    from hypr_neuro.placement.budget import ALL, NOTHING
    from hypr_neuro.placement.place import can_learn
    from hypr_neuro.workflow.chip_room import largest_on_chip

    learns = {None: (ALL, NOTHING) if can_learn(chip) else (NOTHING,), True: (ALL,), False: (NOTHING,)}[learn]
    found = largest_on_chip(
        chip,
        inputs=inputs,
        outputs=outputs,
        neuron=neuron,
        layers=shape["layers"],
        recurrent=bool(shape["recurrent"]),
        bias=bool(shape["bias"]),
        learns=learns,
    )
    _show(asdict(found), found.table(), json)
    if not json:
        for room in found.rooms:
            size = "one more neuron a layer" if room.neurons else "no network fits"
            line = f"{size}, {room.learns} learning: {room.refused or 'nobody looked further'}"
            print(*wrap(line, WIDTH, subsequent_indent="  "), sep="\n")


def _show(content: dict[str, object], table: Shown, json: bool) -> None:
    if json:
        emit(content, True)
    else:
        print_table(list(table.headings), [list(row) for row in table.rows], table.title)

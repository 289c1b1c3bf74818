"""`hypr-neuro widths`: what each tensor loses in fewer bits, and the cheapest widths within so many points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hypr_neuro.cli.choices import METHODS, PARTS, choice
from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.options import (
    CHIP,
    DATA,
    LEARNING,
    RUN,
    Data,
    DataDir,
    Encode,
    Json,
    Override,
    ProfileName,
    Seed,
    check_channels,
    get_profile,
    with_encoder,
)
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit, print_table

EXAMPLES = (
    "hypr-neuro widths runs/a/network.h5 --within 0.5 --out runs/a",
    "hypr-neuro widths runs/a/network.h5 --tensor weight_bits --tensor state_bits",
    "hypr-neuro widths runs/a/network.h5 --rate 0.2 --tensor eligibility_bits --out runs/e",
)
SECTION, TRIALS, PLAN = "widths", "widths.json", "plan.yaml"
TENSORS = ("weight_bits", "state_bits", "coefficient_bits", "eligibility_bits", "accumulator_bits")
COSTS = ("placed", "numbers")
USUAL = TENSORS[:2]


@command
def run(
    network: Annotated[Path, typer.Argument(help="Float network (.h5, or .nir of hypr-neuro).")],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    part: Annotated[
        str, choice(PARTS, help="Samples by which widths are chosen.", rich_help_panel=DATA)
    ] = "validation",
    profile: ProfileName = "loihi2",
    override: Override = None,
    within: Annotated[
        float, typer.Option(metavar="X", min=0.0, help="Points of accuracy that may be lost.", rich_help_panel=RUN)
    ] = 0.5,
    tensor: Annotated[
        list[str] | None,
        choice(TENSORS, help="What is made narrower (default: weights and states).", rich_help_panel=RUN),
    ] = None,
    method: Annotated[
        str,
        choice(METHODS[:3], "--calibration-method", help="As of `quantize`.", rich_help_panel=CHIP),
    ] = "mse",
    groups: Annotated[
        str | None,
        typer.Option("--weight-groups", metavar="N|row", help="As of `quantize`.", rich_help_panel=CHIP),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="X", help="Learn at this rate before each score.", rich_help_panel=LEARNING),
    ] = None,
    epochs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Passes of learning, with --rate.", rich_help_panel=LEARNING)
    ] = 1,
    cost: Annotated[
        str,
        choice(COSTS, help="Memory as cores store it, or the numbers alone.", rich_help_panel=RUN),
    ] = "placed",
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder; created if need be (default: the network's own).")
    ] = None,
    json: Json = False,
) -> None:
    """Score the network with one tensor at a time in fewer bits, then choose and score the cheapest widths together.

    Writes plan.yaml, which `quantize --plan` takes. An interrupted run goes on.
    """
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.graph.network import Network
    from hypr_neuro.sim.learning.options import LearnOptions
    from hypr_neuro.studies.widths import find_widths

    net, chip = load(network), get_profile(profile, override)
    if not isinstance(net, Network):
        raise InputError(f"'{network}' holds integers, rule: the float network that they are made of; give network.h5")
    sequences = choose_data(data, data_dir, seed, with_encoder(None, encode), network=network).load()
    check_channels(sequences, net.inputs)
    options: dict[str, Any] = {"calibration_method": method}
    if groups is not None:
        options["weight_groups"] = int(groups) if groups.isdecimal() else groups
    learning = None
    if rate is not None:
        learning = LearnOptions(rate=rate, seed=seed, targets="values" if sequences.regression else "labels")
    folder = RunFolder(network.parent if out is None else out)
    with RichConsole(quiet=json).progress("widths") as advance:
        found = find_widths(
            net,
            sequences,
            chip,
            within=within,
            tensors=tuple(tensor or USUAL),
            options=options,
            part=part,
            learning=learning,
            epochs=epochs,
            cost=cost,
            file=folder.file(TRIALS),
            on_trial=lambda done, total: advance(done, max(total, done), "trials"),
        )
    path = folder.file(PLAN)
    found.plan.save(path)
    folder.write(SECTION, found.as_dict())
    if json:
        emit(found.as_dict() | {"file": str(path)}, True)
        return
    print_table(list(found.headings), found.rows(), f"Widths of '{network}' on '{chip.name}', {found.told_samples()}")
    for line in found.summary():
        print(line)
    print(path)

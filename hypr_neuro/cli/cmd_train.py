"""`hypr-neuro train`: training in float, in float along the integers of a chip, or in integers alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hypr_neuro.cli.choices import ARITHMETICS, FEEDBACKS, LOSSES, OPTIMIZERS, RULES, SCHEDULES, choice
from hypr_neuro.cli.console import command, told_of_earlier
from hypr_neuro.cli.options import (
    NETWORK,
    Data,
    DataDir,
    DataOption,
    Encode,
    Json,
    Out,
    Seed,
    with_encoder,
)
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit
from hypr_neuro.cli.training import PROFILE, quantized_options_of, start_network, train_fixed, train_float

NAME = "network.h5"
HOW = "Training"
FLOAT, FIXED = "Training in float (--arithmetic float, quantized)", "Chip (--arithmetic quantized, fixed)"
TITLES = {"float": "Trained", "fixed": "Trained in integers", "quantized": "Trained along integers"}
EXAMPLES = (
    "hypr-neuro train --data digits --out runs/a",
    "hypr-neuro train --data mine.npz --rule bptt --epochs 20 --out runs/b",
    "hypr-neuro train --data digits --layer lif:64 --layer alif:32 --no-bias",
    "hypr-neuro train --data digits --arithmetic fixed --profile loihi2",
    "hypr-neuro train --from runs/a/network.h5 --arithmetic quantized --epochs 5 --out runs/q",
    "hypr-neuro train --from a/network.h5 --arithmetic quantized --plan a/plan.yaml --out runs/m",
    "hypr-neuro train --from runs/a/network.h5 --epochs 2 --out runs/c",
)


@command
def run(
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    option: DataOption = None,
    arithmetic: Annotated[
        str,
        choice(
            ARITHMETICS,
            help="quantized: the chip's integers run, floats learn; fixed: integers alone, from random ones.",
            rich_help_panel=HOW,
        ),
    ] = "float",
    spec: Annotated[
        Path | None,
        typer.Option(help="Network spec, YAML (default: one that suits the data).", rich_help_panel=NETWORK),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NEURON:SIZE",
            help="A layer, e.g. se_adlif:64; again for each one behind it (default: those that suit the data).",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    bias: Annotated[
        bool | None,
        typer.Option(
            help="Constant currents of layers, which learn (default: as suits the data).", rich_help_panel=NETWORK
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Network to go on training: .h5 or .nir of hypr-neuro; of integers what they stand for.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Epochs (default: by data set).", rich_help_panel=HOW)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Learning rate at the start, in weight steps if fixed (default: by data set).",
            rich_help_panel=HOW,
        ),
    ] = None,
    rule: Annotated[str | None, choice(RULES, help="Learning rule (default: hypr).", rich_help_panel=FLOAT)] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A connection whose weights stay, e.g. layers.0.recurrent, or a layer: all that lead to it.",
            rich_help_panel=FLOAT,
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Steps of a sub-sequence (default: the whole).", rich_help_panel=FLOAT),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Samples an update (default: by data set).", rich_help_panel=FLOAT),
    ] = None,
    optimizer: Annotated[
        str | None, choice(OPTIMIZERS, help="Optimizer (default: by data set).", rich_help_panel=FLOAT)
    ] = None,
    schedule: Annotated[
        str | None, choice(SCHEDULES, help="How the rate goes (default: by data set).", rich_help_panel=FLOAT)
    ] = None,
    loss: Annotated[
        str | None,
        choice(LOSSES, help="Loss, by default that of the data set, see docs/training.md.", rich_help_panel=FLOAT),
    ] = None,
    clip: Annotated[
        float | None, typer.Option(metavar="X", help="Largest norm of the gradient.", rich_help_panel=FLOAT)
    ] = None,
    average: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Validate and keep a running mean of the weights, e.g. 0.99.", rich_help_panel=FLOAT
        ),
    ] = None,
    feedback: Annotated[
        str | None,
        choice(
            FEEDBACKS, help="Of learning signals, where the rule has them (default: symmetric).", rich_help_panel=FLOAT
        ),
    ] = None,
    update_every: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Update after so many steps inside a sequence (default: by batch).",
            rich_help_panel=FLOAT,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Stop after so many epochs without a better one.", rich_help_panel=FLOAT),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help=f"Chip whose integers run or learn (default: {PROFILE}).", rich_help_panel=FIXED
        ),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION.KEY=VALUE",
            help="Change a number of the profile, e.g. precision.weight_bits=4.",
            rich_help_panel=FIXED,
        ),
    ] = None,
    decay: Annotated[
        float | None,
        typer.Option(metavar="X", help="If fixed: factor on the rate from epoch to epoch.", rich_help_panel=FIXED),
    ] = None,
    shadow_bits: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="If quantized: bits of the weights that learn, e.g. 16, rounded by chance (default: floats).",
            rich_help_panel=FIXED,
        ),
    ] = None,
    limit_weights: Annotated[
        bool | None,
        typer.Option(
            help="If quantized: clip weights where clipping and rounding err least (default: yes).",
            rich_help_panel=FIXED,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="If quantized: widths of single populations and connections, as `hypr-neuro widths` writes them.",
            rich_help_panel=FIXED,
        ),
    ] = None,
    accumulator_bits: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="If quantized: weights stay so small that no sum can leave N bits (default: the profile's).",
            rich_help_panel=FIXED,
        ),
    ] = None,
    seed: Seed = 0,
    out: Out = Path("runs/train"),
    json: Json = False,
) -> None:
    """Train a recurrent spiking network; an interrupted run goes on where it stopped."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.workflow import notes
    from hypr_neuro.workflow.tasks import task_for

    float_options = {
        "from": start,
        "freeze": freeze or None,
        "rule": rule,
        "chunk": chunk,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "schedule": schedule,
        "loss": loss,
        "clip": clip,
        "patience": patience,
        "average": average,
        "feedback": feedback,
        "update_every": update_every,
    }
    chip_options = {"profile": profile, "override": override or None}
    fixed_options = {"decay": decay}
    quantized_options: dict[str, Any] = {"shadow_bits": shadow_bits, "limit_weights": limit_weights}
    quantized_options |= {"plan": plan, "accumulator_bits": accumulator_bits}
    _check_arithmetic(arithmetic, ("float", "quantized"), float_options)
    _check_arithmetic(arithmetic, ("fixed", "quantized"), chip_options)
    _check_arithmetic(arithmetic, ("fixed",), fixed_options)
    _check_arithmetic(arithmetic, ("quantized",), quantized_options)
    own = "--layer" if layer else "--no-bias" if bias is False else "--bias" if bias else None
    networks = [
        name
        for name, given in (("--from", start), ("--spec", spec), (own, own))
        if name is not None and given is not None
    ]
    if len(networks) > 1:
        raise InputError(f"{' with '.join(networks)}, rule: one of them; the network of a file is taken as it is")
    source = choose_data(data, data_dir, seed, with_encoder(option, encode), network=start)
    _check_folder(out, arithmetic)
    sequences = source.load()
    network = {"layer": layer or None, "bias": bias}
    wanted = spec if own is None else task_for(sequences).spec_with(sequences, layer or (), bias)
    shared = {"spec": wanted, "epochs": epochs, "rate": rate}
    if arithmetic == "fixed":
        folder, facts, ran = train_fixed(out, sequences, shared | chip_options | fixed_options, seed, json)
    else:
        net, origin = (None, {}) if start is None else start_network(start, out, sequences)
        folder = RunFolder(out)
        facts, ran = train_float(
            folder,
            sequences,
            shared | float_options | chip_options | quantized_options_of(arithmetic, chip_options, quantized_options),
            seed,
            json,
            net,
        )
        facts |= origin
    settings = {"arithmetic": None if arithmetic == "float" else arithmetic} | shared | float_options
    settings |= chip_options | fixed_options | quantized_options | {"spec": spec, **network}
    flags = [word for key, value in settings.items() if value is not None for word in _flags(key, value)]
    command_line = f"hypr-neuro train {source.arguments()} --seed {seed} {shlex.join(flags)}"
    told_of_earlier(out, facts["epochs"], ran)
    if ran or folder.read("command") is None:
        notes.note_run(folder, sequences.name, command_line.strip(), seed)
        notes.note_data(folder, sequences)
        source.note(folder.path)
    emit(facts, json, TITLES[arithmetic])


def _check_folder(out: Path, arithmetic: str) -> None:
    """Raise InputError for a folder that holds a training of the other arithmetic, or a network of another origin."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder

    told = RunFolder(out, create=False).read("training") if (out / "results").is_dir() else None
    if isinstance(told, dict) and (held := told.get("arithmetic", ARITHMETICS[0])) != arithmetic:
        raise InputError(f"'{out}' holds a training in --arithmetic {held}; choose another --out, or delete it")
    if told is None and (out / NAME).exists() and not (out / "checkpoint").exists():
        raise InputError(f"'{out / NAME}' comes from no training; choose another --out, or delete it")


def _flags(key: str, value: Any) -> list[str]:
    """Return the words of a command line that give an option."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={one}" for one in (value if isinstance(value, list) else [value])]


def _check_arithmetic(arithmetic: str, taken_by: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise InputError for options that only other arithmetics take."""
    from hypr_neuro.errors import InputError

    for key, value in options.items() if arithmetic not in taken_by else ():
        if value is not None:
            word = _flags(key, value)[0] if isinstance(value, bool) else f"--{key.replace('_', '-')}"
            said = "" if isinstance(value, bool) else f" {' '.join(value) if isinstance(value, list) else value}"
            raise InputError(
                f"{word}{said}: only with --arithmetic {' or '.join(taken_by)}; leave it out, or train with that"
            )

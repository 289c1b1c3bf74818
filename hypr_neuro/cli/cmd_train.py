"""`hypr-neuro train`: training in float, in float along the integers of a chip, or in integers alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import ARITHMETICS, FEEDBACKS, LOSSES, OPTIMIZERS, RULES, SCHEDULES, choice
from hypr_neuro.cli.console import RichConsole, command, told_of_earlier
from hypr_neuro.cli.options import (
    NETWORK,
    Data,
    DataDir,
    DataOption,
    Encode,
    Json,
    Out,
    Seed,
    check_channels,
    check_not_read,
    get_profile,
    profile_arguments,
    with_encoder,
)
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.graph.network import Network
    from hypr_neuro.train.quantized import QuantizationAware
    from hypr_neuro.train.run import Epoch

PROFILE, NAME = "loihi2", "network.h5"
HOW = "Training"
FLOAT, FIXED = "Training in float (--arithmetic float, quantized)", "Chip (--arithmetic quantized, fixed)"
TITLES = {"float": "Trained", "fixed": "Trained in integers", "quantized": "Trained along integers"}
EXAMPLES = (
    "hypr-neuro train --data digits --out runs/a",
    "hypr-neuro train --data mine.npz --rule bptt --epochs 20 --out runs/b",
    "hypr-neuro train --data digits --layer lif:64 --layer alif:32 --no-bias",
    "hypr-neuro train --data digits --arithmetic fixed --profile loihi2",
    "hypr-neuro train --from runs/a/network.h5 --arithmetic quantized --epochs 5 --out runs/q",
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
    quantized_options = {"shadow_bits": shadow_bits, "limit_weights": limit_weights}
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
        folder, facts, ran = _train_fixed(out, sequences, shared | chip_options | fixed_options, seed, json)
    else:
        net, origin = (None, {}) if start is None else _start(start, out, sequences)
        folder = RunFolder(out)
        facts, ran = _train_float(
            folder,
            sequences,
            shared | float_options | chip_options | _quantized(arithmetic, chip_options, quantized_options),
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


def _quantized(
    arithmetic: str, chip_options: Mapping[str, Any], quantized_options: Mapping[str, Any]
) -> dict[str, QuantizationAware]:
    """Return what `train` is told of the chip whose integers run, nothing where none do."""
    if arithmetic != "quantized":
        return {}
    from hypr_neuro.train.quantized import QuantizationAware

    chip = get_profile(chip_options["profile"] or PROFILE, chip_options["override"])
    given = {key: value for key, value in quantized_options.items() if value is not None}
    return {"quantized": QuantizationAware(chip, **given)}


def _start(path: Path, out: Path, sequences: SequenceData) -> tuple[Network, dict[str, str]]:
    """Return the float network of a file, whose channels are those of the data, and what is printed of its origin."""
    from hypr_neuro.cli.networks import refused
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.exchange.nir.stands_for import float_network
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    given, origin = load(path), dict[str, str]()
    if isinstance(given, QuantizedNetwork):
        origin["from"] = f"the float network that the integers of '{path}' stand for"
        given = float_network(given)
    if not isinstance(given, Network):
        raise refused(path, given, "floats, or integers for a profile")
    check_not_read(out / "network.h5", path)
    check_channels(sequences, given.inputs)
    return given, origin


def _train_float(
    folder: RunFolder,
    sequences: SequenceData,
    settings: Mapping[str, Any],
    seed: int,
    json: bool,
    start: Network | None,
) -> tuple[dict[str, Any], int]:
    """Train in float; return what is printed, and how many epochs ran."""
    from hypr_neuro.data.checks import holds_fractions, integers_by
    from hypr_neuro.workflow import stages
    from hypr_neuro.workflow.tasks import task_for

    task = task_for(sequences)
    others = ("spec", "epochs", "from", "freeze", "profile", "override")
    training = {key: value for key, value in settings.items() if value is not None and key not in others}
    epochs, ran = settings["epochs"] or task.epochs, 0

    def on_epoch(e: Epoch) -> None:
        nonlocal ran
        ran += 1
        advance(e.epoch + 1, epochs, f"loss {e.loss:.3f}, validation {_figure(e, sequences)}")

    with RichConsole(quiet=json).progress("train") as advance:
        stages.train_stage(
            folder,
            sequences,
            task,
            seed=seed,
            epochs=settings["epochs"],
            spec=settings["spec"],
            start=start,
            training=training,
            freeze=settings["freeze"] or (),
            on_epoch=on_epoch,
        )
    training_section = folder.read("training")
    facts = {"epochs": len(training_section["epochs"]), "best epoch": training_section["best"]}
    facts |= {"network": str(folder.file("network.h5"))}
    if holds_fractions(sequences.x):
        option = integers_by(sequences)
        facts["input"] = f"fractions, which the float network alone takes; for a chip train with {option}"
    chip: QuantizationAware | None = training.get("quantized")
    if chip is not None:
        facts["quantize with"] = profile_arguments(settings["profile"] or PROFILE, settings["override"])
    if sequences.regression:
        return _errors(folder.read("squared_error"), "float" if chip is None else "integer") | facts, ran
    accuracy = folder.read("accuracy")
    scores = _scores(accuracy["float"], accuracy["float_labelled"])
    if chip is not None:
        scores = _scores(accuracy["integer"], accuracy["integer_labelled"]) | {"float": accuracy["float"]}
    return scores | facts, ran


def _train_fixed(
    out: Path, sequences: SequenceData, settings: Mapping[str, Any], seed: int, json: bool
) -> tuple[RunFolder, dict[str, Any], int]:
    """Train in integers; return the run folder, made once all is known to fit, what is printed, and epochs that ran."""
    from dataclasses import replace

    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.workflow.stages_fixed import train_fixed_stage
    from hypr_neuro.workflow.tasks import for_width, task_for

    task, chip = task_for(sequences), get_profile(settings["profile"] or PROFILE, settings["override"])
    options = replace(
        for_width(task.fixed, chip), **{k: settings[k] for k in ("rate", "decay") if settings[k] is not None}
    )
    folder = RunFolder(out)
    with RichConsole(quiet=json).progress("train in integers") as advance:
        trained = train_fixed_stage(
            folder,
            sequences,
            task,
            chip,
            seed=seed,
            spec=settings["spec"],
            epochs=settings["epochs"],
            options=options,
            on_sample=lambda done, total: advance(done, total, "samples of an epoch"),
        )
    last = folder.read("training")["epochs"][-1]
    if sequences.regression:
        scores = _errors(folder.read("squared_error"), "integer") | {
            "squared error at the start": trained.before.squared_error,
            "squared error while learning": last["online_squared_error"],
        }
    else:
        scores = _scores(trained.after.accuracy, trained.after.labelled) | {
            "accuracy at the start": trained.before.accuracy,
            "accuracy while learning": last["online_accuracy"],
        }
    facts = scores | {
        "epochs": last["epoch"] + 1,
        "changes of weights": last["weights_changed"],
        "weights saturated": last["weights_saturated"],
        "clips": last["clips"],
        "start": str(folder.file("quantized.h5")),
        "network": str(folder.file("learned.h5")),
        "nir": str(folder.file("learned.nir")),
    }
    return folder, facts, trained.ran


def _errors(section: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the squared error on the test part, that of always answering the mean, and R2."""
    return {
        "test squared error": section[key],
        "error of the mean answer": section["mean"],
        "R2": section[f"{key}_r2"],
    }


def _scores(accuracy: float, labelled: float) -> dict[str, Any]:
    """Return the test accuracy, and that over labelled steps where it differs."""
    return {"test accuracy": accuracy} | ({} if accuracy == labelled else {"over labelled steps": labelled})


def _figure(epoch: Epoch, data: SequenceData) -> str:
    """Return the validation figure of an epoch as text."""
    return f"squared error {-epoch.validation:.4f}" if data.regression else f"{epoch.validation:.1%}"

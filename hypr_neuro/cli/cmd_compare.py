"""`hypr-neuro compare`: learning on a device beside float training."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypr_neuro.cli.choices import DEVICES, choice
from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.networks import check_same_network, get_float, get_quantized
from hypr_neuro.cli.options import LEARNING, Data, DataDir, Encode, Json, Out, Seed, check_channels, with_encoder
from hypr_neuro.cli.rates import searched_rate
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.comparing.compare import ComparedEpoch, Comparison
    from hypr_neuro.data.sequence import SequenceData

EXAMPLES = (
    "hypr-neuro compare runs/a/network.h5 runs/a/quantized.h5 --scratch --out runs/a",
    "hypr-neuro compare runs/a/network.h5 runs/a/quantized.h5 --disturb --out runs/a",
)
LOSS = 0.02
"""Accuracy that learning may cost without a word, or share by which the squared error may grow."""


@command
def run(
    network: Annotated[Path, typer.Argument(help="Float network: .h5 or .nir.")],
    quantized: Annotated[Path, typer.Argument(help="quantized.h5 of the same network, or its .nir.")],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    device: Annotated[str, choice(DEVICES, help="Where to learn.", rich_help_panel=LEARNING)] = "sim",
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Start from random weights.", rich_help_panel=LEARNING)
    ] = False,
    disturb: Annotated[
        bool,
        typer.Option("--disturb", help="Damage weights and rewire the sensor first.", rich_help_panel=LEARNING),
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Epochs (default: by data set).", rich_help_panel=LEARNING)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Mean weight change at first, in weight steps (default: found on training samples; with --scratch "
            "or --disturb by data set).",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What learns: a population or a connection, e.g. readout (default: all).",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    seed: Seed = 0,
    out: Out = Path("runs/compare"),
    json: Json = False,
) -> None:
    """Learn on a device and in float: same data, order, rule and number of updates; show both side by side."""
    from dataclasses import replace

    from hypr_neuro.devices import require_capability
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.quantizing.same import check_same
    from hypr_neuro.workflow import notes, stages_learning
    from hypr_neuro.workflow.tasks import for_width, task_for

    if scratch and disturb:
        raise InputError("--scratch and --disturb exclude each other; choose one")
    net, qnet = get_float(network, foreign=True), get_quantized(quantized)
    source = choose_data(data, data_dir, seed, with_encoder(None, encode), network=quantized)
    sequences = source.load()
    check_channels(sequences, net.inputs if scratch else qnet.inputs)
    require_capability(device, "learn")
    if not scratch:
        check_same(net, qnet, f"'{network}'", f"'{quantized}'")
    for path, given in ((network, net), (quantized, qnet)):
        check_same_network(out, path, given)
    task = task_for(sequences)
    kind = "scratch" if scratch else "fine_tuning"
    default = for_width(task.scratch if scratch else task.fine_tuning, qnet.profile)
    options = default if rate is None else replace(default, rate=rate)
    options = replace(options, layers=tuple(layer or options.layers))
    options.check(qnet)
    folder = RunFolder(out)
    if rate is None and not scratch and not disturb:
        # a rate that mends a damaged network takes a trained one apart
        options = replace(options, rate=searched_rate(folder, qnet, sequences, options, json)[0])
    count = epochs or (task.scratch_epochs if scratch else task.fine_tuning_epochs)
    with RichConsole(quiet=json).progress(f"learn on '{device}', float beside it") as advance:
        comparison = stages_learning.compare_stage(
            folder,
            kind,
            net,
            qnet,
            sequences,
            seed=seed,
            damage=disturb,
            epochs=count,
            options=options,
            device=device,
            on_sample=lambda done, total: advance(done, total, "samples of an epoch"),
        )
    words = ["hypr-neuro", "compare", str(network), str(quantized), "--device", device, "--epochs", str(count)]
    words += ["--rate", f"{options.rate:g}", "--seed", str(seed), "--out", str(out)]
    words += [word for name in layer or () for word in ("--layer", name)]
    words += [flag for flag, given in (("--scratch", scratch), ("--disturb", disturb)) if given]
    command_line = f"{shlex.join(words)} {source.arguments()}"
    notes.note_stage(folder, sequences, f"{sequences.name} on {qnet.profile.name}", command_line, seed)
    source.note(out)
    if json:
        emit(comparison.as_dict(), True)
        return
    score = "squared error" if sequences.regression else "accuracy"
    table_rows = [
        [e.epoch, *_scores(e), e.weight_distance, least(e.cosine.values()), e.weights_saturated]
        for e in comparison.epochs
    ]
    headings = ["epoch", f"device {score}", f"float {score}"]
    headings += ["weight distance", "least gradient cosine", "saturated"]
    print_table(headings, table_rows, comparison.rule)
    _print_last(comparison, score, sequences)
    for note in comparison.notes:
        print(note)


def _print_last(comparison: Comparison, score: str, sequences: SequenceData) -> None:
    """Print gradients, score and spikes after the last epoch, and what is doubtful about them."""
    from hypr_neuro.data.doubts import warn_of

    last = comparison.epochs[-1]
    gradients = [[k, v, last.free_cosine[k], last.hypr_cosine[k], last.bptt_cosine[k]] for k, v in last.cosine.items()]
    headings = ["gradient of", "along the chip's spikes", "by float's own", "to float HYPR", "to BPTT"]
    print_table(headings, gradients, "Cosine of gradients after the last epoch")
    agreement = ", ".join(f"{name} {share:.1%}" for name, share in last.spike_agreement.items())
    gap = f"{comparison.gap:+.4g}" if sequences.regression else f"{100 * comparison.gap:+.1f} points"
    print(
        f"{score} of the device against float: {gap}; spikes equal to those in float, "
        f"with the weights that the device has learned: {agreement}"
    )
    warn_of(_of_learning(comparison, sequences.part("test")))
    without = [name for name, cosine in last.cosine.items() if math.isnan(cosine)]
    if without:
        names = ", ".join(without)
        print(f"–: no cosine, a gradient of {names} is 0 or below a unit of the integers on every sample compared")


def _scores(entry: ComparedEpoch) -> list[float | None]:
    """Return the scores of device and float in an epoch."""
    if entry.device_squared_error is not None:
        return [entry.device_squared_error, entry.float_squared_error]
    return [entry.device_accuracy, entry.float_accuracy]


def _of_learning(comparison: Comparison, test: SequenceData) -> list[str]:
    """Say that learning on the device cost something, or that its squared error is that of the mean."""
    from hypr_neuro.data.doubts import of_learning, of_learning_error, of_squared_error
    from hypr_neuro.data.score import mean_error

    first, last = comparison.epochs[0], comparison.epochs[-1]
    before, after = first.device_squared_error, last.device_squared_error
    if before is None or after is None:
        return of_learning(first.device_accuracy, last.device_accuracy, LOSS)
    return of_learning_error(before, after, LOSS) + of_squared_error(after, mean_error(test), len(test))


def least(values: Iterable[float]) -> float:
    """Return the least of the numbers that are there, NaN where none is."""
    return min((v for v in values if not math.isnan(v)), default=math.nan)

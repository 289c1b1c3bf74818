"""`hypr-neuro compare`: learning on a device beside float training."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

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
    from hypr_neuro.comparing.gap_split import GapSplits
    from hypr_neuro.comparing.side_by_side import SideBySide
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.workflow.stages_learning import LearningStart
    from hypr_neuro.workflow.tasks import Task

EXAMPLES = (
    "hypr-neuro compare runs/a/network.h5 runs/a/quantized.h5 --scratch --out runs/a",
    "hypr-neuro compare runs/a/network.h5 runs/a/quantized.h5 --disturb --out runs/a",
    "hypr-neuro compare runs/a/network.h5 runs/a/quantized.h5 --device sim --device c --seeds 5",
    "hypr-neuro compare runs/a/network.h5 runs/a/quantized.h5 --disturb --causes --seeds 5",
)


@command
def run(
    network: Annotated[Path, typer.Argument(help="Float network: .h5 or .nir.")],
    quantized: Annotated[Path, typer.Argument(help="quantized.h5 of the same network, or its .nir.")],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    device: Annotated[
        list[str] | None,
        choice(
            DEVICES,
            help="Where to learn (default: sim); several --device stand side by side.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    causes: Annotated[
        bool,
        typer.Option("--causes", help="Split the gap to float by cause: about 20 runs.", rich_help_panel=LEARNING),
    ] = False,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Seeds of order and rounding, with intervals and tests.", rich_help_panel=LEARNING
        ),
    ] = 1,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="LearningStart from random weights.", rich_help_panel=LEARNING)
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
    from functools import partial

    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.quantizing.same import check_same
    from hypr_neuro.workflow import notes, stages_compare, stages_learning
    from hypr_neuro.workflow.tasks import for_width, task_for

    if scratch and disturb:
        raise InputError("--scratch and --disturb exclude each other; choose one")
    net, qnet = get_float(network, foreign=True), get_quantized(quantized)
    source = choose_data(data, data_dir, seed, with_encoder(None, encode), network=quantized)
    sequences = source.load()
    check_channels(sequences, net.inputs if scratch else qnet.inputs)
    devices = _devices(device)
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
    console = RichConsole(quiet=json)
    with console.progress(f"learn on '{devices[0]}', float beside it") as advance:
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
            device=devices[0],
            checkpoint=stages_compare.kept(folder),
            on_sample=lambda done, total: advance(done, total, "samples of an epoch"),
        )
    start = partial(
        stages_learning.start_of, folder, kind, net, qnet, sequences, seed=seed, damage=disturb, options=options
    )
    beside, split = _more(folder, start, console, task, devices, count, seeds, causes=causes, fresh=scratch)
    words = ["hypr-neuro", "compare", str(network), str(quantized)]
    words += _again({"device": devices, "epochs": [count], "rate": [f"{options.rate:g}"], "seed": [seed], "out": [out]})
    words += _again({"layer": layer or [], "seeds": [seeds] if seeds > 1 else []})
    words += [flag for flag, given in (("--scratch", scratch), ("--disturb", disturb), ("--causes", causes)) if given]
    command_line = f"{shlex.join(words)} {source.arguments()}"
    notes.note_stage(folder, sequences, f"{sequences.name} on {qnet.profile.name}", command_line, seed)
    source.note(out)
    if json:
        more = {name: part.as_dict() for name, part in (("devices", beside), ("causes", split)) if part is not None}
        emit(comparison.as_dict() | more, True)
        return
    _print_epochs(comparison, sequences)
    if beside is not None:
        _print_beside(beside)
    if split is not None:
        _print_causes(split)


def _devices(given: list[str] | None) -> list[str]:
    """Return the devices to learn on, the simulator by default; refuse one that cannot or stands there twice."""
    from hypr_neuro.devices import require_capability
    from hypr_neuro.errors import InputError

    devices = given or ["sim"]
    for name in devices:
        require_capability(name, "learn")
    if len(set(devices)) < len(devices):
        raise InputError(f"--device {', '.join(devices)}, rule: each of them once")
    return devices


def _again(options: dict[str, list[Any]]) -> list[str]:
    """Return options as words of a command line."""
    return [word for name, values in options.items() for value in values for word in (f"--{name}", str(value))]


def _more(
    folder: RunFolder,
    start: Callable[[], LearningStart],
    console: RichConsole,
    task: Task,
    devices: list[str],
    epochs: int,
    seeds: int,
    *,
    causes: bool,
    fresh: bool,
) -> tuple[SideBySide | None, GapSplits | None]:
    """Run what is asked for beyond one device and one seed."""
    from hypr_neuro.workflow import stages_compare

    if not causes and seeds == 1 and len(devices) == 1:
        return None, None
    begun, split = start(), None
    with console.progress("devices side by side") as advance:
        beside = stages_compare.devices_stage(
            folder, begun, task, devices=devices, epochs=epochs, seeds=seeds, fresh=fresh, on_run=advance
        )
    if causes:
        with console.progress("gap by cause") as advance:
            split = stages_compare.causes_stage(folder, begun, epochs=epochs, seeds=seeds, on_run=advance)
    return beside, split


def _print_beside(beside: SideBySide) -> None:
    """Print devices and float side by side, and what that shows."""
    shown = beside.table()
    print_table(list(shown.headings), [list(row) for row in shown.rows], shown.title)
    for sentence in beside.sentences():
        print(sentence)


def _print_causes(split: GapSplits) -> None:
    """Print the gap by cause; what each switch is, and why some are none, stands below."""
    shown = split.table()
    print_table(list(shown.headings[:-1]), [list(row[:-1]) for row in shown.rows], shown.title)
    for row in shown.rows[:-1]:
        print(f"{row[0]}: {row[-1]}")


def _print_epochs(comparison: Comparison, sequences: SequenceData) -> None:
    """Print all epochs, then the last one more closely."""
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
    from hypr_neuro.workflow.stages_learning import doubts_of_comparison

    last = comparison.epochs[-1]
    gradients = [[k, v, last.free_cosine[k], last.hypr_cosine[k], last.bptt_cosine[k]] for k, v in last.cosine.items()]
    headings = ["gradient of", "along the chip's spikes", "by float's own", "to float HYPR", "to BPTT"]
    print_table(headings, gradients, "Cosine of gradients after the last epoch")
    agreement = ", ".join(f"{name} {share:.1%}" for name, share in last.spike_agreement.items())
    gap = f"{comparison.gap:+.4g}" if sequences.regression else f"{100 * comparison.gap:+.1f} points"
    print(f"{score} of the device against float: {gap}")
    print(fill(f"Spikes equal to those in float, with the weights that the device has learned: {agreement}", 79))
    for name, first in last.divergence.items():
        if first is not None:
            print(f"{name}: spikes first differ in step {first.step}, sample {first.sample}, neuron {first.neuron}")
    warn_of(doubts_of_comparison(comparison, sequences.part("test")))
    without = [name for name, cosine in last.cosine.items() if math.isnan(cosine)]
    if without:
        names = ", ".join(without)
        print(f"–: no cosine, a gradient of {names} is 0 or below a unit of the integers on every sample compared")


def _scores(entry: ComparedEpoch) -> list[float | None]:
    """Return the scores of device and float in an epoch."""
    if entry.device_squared_error is not None:
        return [entry.device_squared_error, entry.float_squared_error]
    return [entry.device_accuracy, entry.float_accuracy]


def least(values: Iterable[float]) -> float:
    """Return the least of the numbers that are there, NaN where none is."""
    return min((v for v in values if not math.isnan(v)), default=math.nan)

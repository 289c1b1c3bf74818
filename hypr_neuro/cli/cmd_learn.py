"""`hypr-neuro learn`: on-chip-style learning in integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import DEVICES, FEEDBACKS, UPDATE_UNITS, UPDATES, choice
from hypr_neuro.cli.console import RichConsole, command, told_of_earlier
from hypr_neuro.cli.options import (
    LEARNING,
    Data,
    DataDir,
    Encode,
    Fault,
    Json,
    Out,
    Seed,
    check_channels,
    check_not_read,
    with_encoder,
)
from hypr_neuro.cli.rates import searched_rate
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit

if TYPE_CHECKING:
    from hypr_neuro.data.score import Score
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.devices import Device
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.sim.learning.learn import LearnEpoch

EXAMPLES = (
    "hypr-neuro learn runs/a/quantized.h5 --out runs/l",
    "hypr-neuro learn runs/a/quantized.h5 --layer readout --rate 0.2 --epochs 3",
)
LOSS = 0.02
"""Accuracy that learning may cost without a word, or share by which the squared error may grow."""


@command
def run(
    network: Annotated[Path, typer.Argument(help="quantized.h5 to start from.")],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    epochs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Passes over the training samples.", rich_help_panel=LEARNING)
    ] = 1,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Mean weight change at first, in weight steps (default: found on training samples).",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    decay: Annotated[
        float, typer.Option(metavar="X", help="Factor on the rates from epoch to epoch.", rich_help_panel=LEARNING)
    ] = 0.5,
    rule: Annotated[
        str, choice(UPDATES, help="Update rule, see docs/learning.md.", rich_help_panel=LEARNING)
    ] = "factored",
    momentum: Annotated[
        int,
        typer.Option(metavar="N", help="Changes averaged over about 2^N updates; 0: none.", rich_help_panel=LEARNING),
    ] = 0,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A layer that learns, e.g. readout (default: all).", rich_help_panel=LEARNING
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A neuron parameter that learns, e.g. layers.0.omega, or 'all' (default: none).",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    parameter_rate: Annotated[
        float,
        typer.Option(metavar="X", help="Their mean change at first, in their own steps.", rich_help_panel=LEARNING),
    ] = 1.0,
    update_every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Samples or steps between updates.", rich_help_panel=LEARNING)
    ] = 1,
    update_on: Annotated[
        str, choice(UPDATE_UNITS, help="What --update-every counts.", rich_help_panel=LEARNING)
    ] = "sample",
    error_exponent: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Regression: an error of full scale is 2^N in the outputs' units.",
            rich_help_panel=LEARNING,
        ),
    ] = 0,
    feedback: Annotated[
        str,
        choice(FEEDBACKS, help="Learning signals go down over the weights, or random ones.", rich_help_panel=LEARNING),
    ] = "symmetric",
    device: Annotated[str, choice(DEVICES, help="Where to learn.", rich_help_panel=LEARNING)] = "sim",
    fault: Fault = None,
    seed: Seed = 0,
    out: Out = Path("runs/learn"),
    json: Json = False,
) -> None:
    """Let the network learn sample by sample, all in integers; writes learned.h5. An interrupted run goes on.

    From labels of classes or, of a regression, from targets in the outputs' units.
    """
    from hypr_neuro.cli.graphs import encoded
    from hypr_neuro.cli.networks import check_same_network, get_quantized
    from hypr_neuro.data.checks import require_two_classes
    from hypr_neuro.data.doubts import warn_of
    from hypr_neuro.data.score import doubts_of
    from hypr_neuro.devices import require_capability
    from hypr_neuro.faults import parse_faults, with_faults
    from hypr_neuro.faults.device import check_faults
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.sim.learning.from_data import check_learnable
    from hypr_neuro.sim.learning.options import LearnOptions

    qnet = get_quantized(network)
    source = choose_data(data, data_dir, seed, with_encoder(None, encode), network=network)
    data_given = source.load()
    check_channels(data_given, qnet.inputs)
    sequences = encoded(qnet, data_given)
    check_not_read(out / "learned.h5", network)
    check_same_network(out, network, qnet)
    options = LearnOptions(
        rate=LearnOptions.rate if rate is None else rate,
        decay=decay,
        seed=seed,
        rule=rule,
        momentum=momentum,
        layers=tuple(layer or ()),
        parameters=tuple(parameter or ()),
        parameter_rate=parameter_rate,
        update_every=update_every,
        update_on=update_on,
        feedback=feedback,
        error_exponent=error_exponent,
        targets="values" if sequences.regression else "labels",
    )
    options.check(qnet)
    check_learnable(qnet, sequences, options)
    if sequences.classes == 1:
        require_two_classes(sequences)
    require_capability(device, "learn")
    faults = parse_faults(fault or (), seed)
    check_faults(device, faults)
    folder, test = RunFolder(out), sequences.part("test")
    search = None
    if rate is None:
        found, search = searched_rate(folder, qnet, sequences, options, json)
        options = replace(options, rate=found)
    ran: list[int] = []
    with RichConsole(quiet=json).progress("learn") as advance, with_faults(device, faults) as chip:
        chip.load(qnet, options)  # a board holds one program: the one that learns also scores
        before = _score(chip, qnet, test)
        result = chip.learn(
            sequences,
            epochs=epochs,
            options=options,
            checkpoint=folder.file("checkpoint") if "resume" in chip.capabilities else None,
            on_sample=lambda done, total: advance(done, total, "samples of an epoch"),
            on_epoch=lambda epoch, _: ran.append(epoch.epoch),
        )
        after = _score(chip, qnet, test)
    path = folder.file("learned.h5")
    if ran or not path.is_file():
        result.qnet.save(path)
        source.note(out)
    told_of_earlier(out, len(result.epochs), len(ran))
    last = result.epochs[-1]
    warn_of(_of_learning(before, after) + doubts_of(after, test))
    facts = {
        "rate": options.rate,
        **_scores(before, after, last),
        "changes of weights": last.weights_changed,
        "weights saturated": last.weights_saturated,
        "steps below half a unit": last.dead_zone,
        "clips": last.clips,
        "events": last.events,
        "network": str(path),
    }
    facts |= {"faults": faults.described()} if faults.any else {}
    facts |= {"rates tried": dict(search.tried)} if search is not None and json else {}
    emit(facts, json, "Learned in integers")


def _score(chip: Device, qnet: QuantizedNetwork, test: SequenceData) -> Score:
    """Return the score of what the device holds."""
    from hypr_neuro.data.score import score_readout

    return score_readout(qnet.for_score(chip.run(test.x).readout, regression=test.regression), test)


def _of_learning(before: Score, after: Score) -> list[str]:
    """Say that learning cost something."""
    from hypr_neuro.data.doubts import of_learning, of_learning_error

    if before.squared_error is not None and after.squared_error is not None:
        return of_learning_error(before.squared_error, after.squared_error, LOSS)
    return of_learning(before.accuracy, after.accuracy, LOSS)


def _scores(before: Score, after: Score, last: LearnEpoch) -> dict[str, Any]:
    """Return what is told of both, and of the last epoch."""
    name = "accuracy" if after.squared_error is None else "squared error"
    first, *others = after.figures().items()
    figures = {f"{name} before": before.figures()[name], f"{first[0]} after": first[1]} | dict(others)
    return figures | {
        f"{name} while learning": last.online_accuracy if name == "accuracy" else last.online_squared_error
    }

"""`hypr-neuro train`: float training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypr_neuro.cli.console import RichConsole, command, emit
from hypr_neuro.cli.options import Data, DataDir, DataOption, Json, Out, Seed, data_arguments, get_data

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.train.loop import Epoch


@command
def run(
    data: Data = "digits",
    data_dir: DataDir = None,
    option: DataOption = None,
    spec: Annotated[Path | None, typer.Option(help="Network spec (YAML); default: one that suits the data.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs (default: by data set).")] = None,
    rule: Annotated[str, typer.Option(help="hypr, bptt, ostl or eprop.")] = "hypr",
    chunk: Annotated[int | None, typer.Option(min=1, help="Steps of a sub-sequence (default: the whole).")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples an update (default: by data set).")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate at the start (default: by data set).")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, rmsprop or sgd.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the rate: linear, cosine or constant.")] = None,
    loss: Annotated[str | None, typer.Option(help="Loss, see docs/training.md (default: by data set).")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without a better one.")] = None,
    seed: Seed = 0,
    out: Out = Path("runs/train"),
    json: Json = False,
) -> None:
    """Train a recurrent spiking network in float; an interrupted run goes on where it stopped."""
    from hypr_neuro import stages
    from hypr_neuro.run_folder import RunFolder
    from hypr_neuro.tasks import task_for

    chosen = get_data(data, data_dir, seed, option)
    folder, task = RunFolder(out), task_for(chosen)
    wanted = epochs or task.epochs
    given = {"rule": rule, "chunk": chunk, "batch_size": batch_size, "rate": rate, "optimizer": optimizer,
             "schedule": schedule, "loss": loss, "clip": clip, "patience": patience}  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    with RichConsole(quiet=json).progress("train") as advance:
        stages.train_stage(
            folder, chosen, task, seed=seed, epochs=epochs, spec=spec, training=given,
            on_epoch=lambda e: advance(e.epoch + 1, wanted, f"loss {e.loss:.3f}, validation {_figure(e, chosen)}"),
        )  # fmt: skip
    words = {"epochs": epochs, "spec": spec} | given
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in words.items() if value is not None]
    if rule == "hypr":
        flags.remove("--rule=hypr")
    command_line = f"hypr-neuro train {data_arguments(data, data_dir, option)} --seed {seed} {shlex.join(flags)}"
    stages.note_run(folder, chosen.name, command_line.strip(), seed)
    stages.note_data(folder, chosen)
    found = {"best epoch": folder.read("training")["best"], "network": str(folder.file("network.h5"))}
    if chosen.regression:
        found = {"test squared error": folder.read("squared_error")["float"]} | found
    else:
        accuracy = folder.read("accuracy")
        own = (
            {}
            if accuracy["float"] == accuracy["float_labelled"]
            else {"over labelled steps": accuracy["float_labelled"]}
        )
        found = {"test accuracy": accuracy["float"]} | own | found
    emit(found, json, "Trained")


def _figure(epoch: Epoch, data: SequenceData) -> str:
    return f"squared error {-epoch.validation:.4f}" if data.regression else f"{epoch.validation:.1%}"

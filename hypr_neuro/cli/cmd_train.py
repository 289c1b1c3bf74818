"""`hypr-neuro train`: float training with HYPR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import RichConsole, command, emit
from hypr_neuro.cli.options import Data, DataDir, Json, Out, Seed, data_arguments, get_data


@command
def run(
    data: Data = "digits",
    data_dir: DataDir = None,
    spec: Annotated[Path | None, typer.Option(help="Network spec (YAML); default: one that suits the data.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs (default: by data set).")] = None,
    seed: Seed = 0,
    out: Out = Path("runs/train"),
    json: Json = False,
) -> None:
    """Train a recurrent spiking network in float; an interrupted run goes on where it stopped."""
    from hypr_neuro import stages
    from hypr_neuro.run_folder import RunFolder
    from hypr_neuro.tasks import task_for

    chosen = get_data(data, data_dir, seed)
    folder, task = RunFolder(out), task_for(chosen)
    wanted = epochs or task.epochs
    with RichConsole(quiet=json).progress("train") as advance:
        stages.train_stage(
            folder, chosen, task, seed=seed, epochs=epochs, spec=spec,
            on_epoch=lambda e: advance(e.epoch + 1, wanted, f"loss {e.loss:.3f}, validation {e.validation:.1%}"),
        )  # fmt: skip
    shorter = f" --epochs {epochs}" if epochs else ""
    command_line = f"hypr-neuro train {data_arguments(data, data_dir)} --seed {seed}{shorter}"
    stages.note_run(folder, chosen.name, command_line, seed)
    stages.note_data(folder, chosen)
    accuracy = folder.read("accuracy")
    found = {"test accuracy": accuracy["float"], "over labelled steps": accuracy["float_labelled"],
             "best epoch": folder.read("training")["best"], "network": str(folder.file("network.h5"))}  # fmt: skip
    emit(found, json, "Trained")

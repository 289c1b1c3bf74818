"""`hypr-neuro demo`: the whole line, from data to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.options import (
    DATA,
    DataDir,
    DataOption,
    Encode,
    Json,
    Override,
    ProfileName,
    Seed,
    get_profile,
    profile_arguments,
    with_encoder,
)
from hypr_neuro.cli.run_data import DataSource
from hypr_neuro.cli.tables import emit

EXAMPLES = ("hypr-neuro demo", "hypr-neuro demo --data mine.npz --profile loihi1 --out runs/mine")


@command
def run(
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME|FILE",
            help="A data set (see `hypr-neuro data`), or an .npz file of your own sequences.",
            rich_help_panel=DATA,
        ),
    ] = "digits",
    data_dir: DataDir = None,
    data_option: DataOption = None,
    encode: Encode = None,
    profile: ProfileName = "loihi2",
    override: Override = None,
    seed: Seed = 0,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Epochs of float training (default: by data set).", rich_help_panel="Training"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder (default: runs/demo-DATA).")] = None,
    json: Json = False,
) -> None:
    """Train, export, quantize, place, simulate, run in Lava, learn on chip, compare, report."""
    from hypr_neuro.workflow.demo import run_demo

    chip = get_profile(profile, override)
    source = DataSource(
        data, None if data_dir is None else str(data_dir), tuple(with_encoder(data_option, encode) or ()), seed
    )
    sequences = source.load()
    folder = out or Path("runs") / f"demo-{sequences.name}"
    results = run_demo(
        sequences,
        folder,
        RichConsole(quiet=json),
        profile=chip,
        seed=seed,
        epochs=epochs,
        data_arguments=source.arguments(),
        profile_arguments=profile_arguments(profile, override),
    )
    source.note(folder)
    placement = results["placement"]
    summary = (_errors if sequences.regression else _accuracies)(results) | {
        "cores": placement["reason"] if placement["fits"] is False else placement["cores_used"],
        "report": str(folder / "report.html"),
    }
    emit(results if json else summary, json, "Result")


def _left_out(results: dict[str, Any]) -> str | None:
    """Return why the chip did not learn, None where it did."""
    skipped = results["learning"]["scratch"].get("skipped")
    return None if skipped is None else f"left out, {skipped}"


def _accuracies(results: dict[str, Any]) -> dict[str, Any]:
    """Return the rows on classes."""
    rows = {"float accuracy": results["accuracy"]["float"], "integer accuracy": results["accuracy"]["integer"]}
    if (reason := _left_out(results)) is not None:
        return rows | {"on chip": reason}
    scratch, tuned = results["learning"]["scratch"]["epochs"][-1], results["learning"]["fine_tuning"]
    return rows | {
        "on chip from scratch": scratch["device_accuracy"],
        "float rule from scratch": scratch["float_accuracy"],
        "disturbed": tuned["start_accuracy"],
        "on chip after fine-tuning": tuned["epochs"][-1]["device_accuracy"],
        "points lost": _points(tuned["reference_accuracy"], tuned["start_accuracy"]),
        "points won back": _points(tuned["epochs"][-1]["device_accuracy"], tuned["start_accuracy"]),
    }


def _errors(results: dict[str, Any]) -> dict[str, Any]:
    """Return the rows on a regression."""
    errors = results["squared_error"]
    rows = {
        "float squared error": errors["float"],
        "integer squared error": errors["integer"],
        "error of the mean answer": errors["mean"],
    }
    if (reason := _left_out(results)) is not None:
        return rows | {"on chip": reason}
    scratch, tuned = results["learning"]["scratch"]["epochs"][-1], results["learning"]["fine_tuning"]
    return rows | {
        "squared error on chip from scratch": scratch["device_squared_error"],
        "squared error of the float rule from scratch": scratch["float_squared_error"],
        "squared error when disturbed": tuned["start_squared_error"],
        "squared error on chip after fine-tuning": tuned["epochs"][-1]["device_squared_error"],
    }


def _points(one: float, other: float) -> str:
    """Return by how many percentage points a share is above another."""
    return f"{100 * (one - other):.1f}"

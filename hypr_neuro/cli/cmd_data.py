"""`hypr-neuro data`: what a data set holds."""

from __future__ import annotations

from typing import Annotated

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.options import DataDir, Json, get_data

EXAMPLES = ("hypr-neuro data", "hypr-neuro data ecg --data-dir FOLDER", "hypr-neuro data mine.npz")


@command
def run(
    name: Annotated[
        str, typer.Argument(help="Name of a data set (docs/data.md), or the path of an .npz file.")
    ] = "digits",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Load and check a data set, and say what is in it."""
    from hypr_neuro.workflow.describe import describe_data

    emit(describe_data(get_data(name, data_dir, 0)), json, name)

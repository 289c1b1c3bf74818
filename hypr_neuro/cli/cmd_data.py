"""`hypr-neuro data`: what a data set holds."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import DataDir, DataOption, Encode, Json, get_data, with_encoder
from hypr_neuro.cli.tables import emit

EXAMPLES = (
    "hypr-neuro data",
    "hypr-neuro data ecg --data-dir FOLDER",
    "hypr-neuro data mine.npz",
    "hypr-neuro data mine.npz --encode level_crossing:threshold=0.1",
)


@command
def run(
    name: Annotated[
        str, typer.Argument(help="Name of a data set (docs/data.md), or the path of an .npz file.")
    ] = "digits",
    data_dir: DataDir = None,
    data_option: DataOption = None,
    encode: Encode = None,
    json: Json = False,
) -> None:
    """Load and check a data set, and say what is in it."""
    from hypr_neuro.data.checks import holds_fractions, integers_by
    from hypr_neuro.workflow.describe import describe_data

    data = get_data(name, data_dir, 0, with_encoder(data_option, encode))
    facts = describe_data(data)
    if holds_fractions(data.x):
        kind = "integers" if data.whole_by else "spikes"
        again = f"`hypr-neuro data {shlex.quote(name)} {integers_by(data)}`"
        facts["input"] = f"fractions, which a float network alone takes; {again} shows them as {kind}"
    emit(facts, json, name)

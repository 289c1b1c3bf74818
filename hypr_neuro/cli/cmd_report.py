"""`hypr-neuro report`: put the sections of a run folder together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import Json
from hypr_neuro.cli.tables import emit

EXAMPLES = ("hypr-neuro report runs/a",)


@command
def run(
    folder: Annotated[Path, typer.Argument(help="Run folder.")],
    json: Json = False,
) -> None:
    """Write report.html and report.json from whatever the run folder holds."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.report import write_report

    run_folder = RunFolder(folder, create=False)
    if not run_folder.results():
        raise InputError(f"run folder '{folder}' holds no section yet; give it as --out to train, quantize or compare")
    page, numbers = write_report(run_folder.results(), run_folder.path)
    emit({"page": str(page), "numbers": str(numbers), "sections": list(run_folder.results())}, json, "Report")

"""`hypr-neuro warm`: compile kernels before they are needed."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.options import Json
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.workflow.warm import CompiledKernel

KERNELS = "Kernels"
EXAMPLES = ("hypr-neuro warm", "hypr-neuro warm --neuron alif --neuron lif", "hypr-neuro warm --neuron all")


@command
def run(
    neuron: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of networks to come, again for more, or 'all' (default: those of known data sets).",
            rich_help_panel=KERNELS,
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes (default: one a core).", rich_help_panel=KERNELS)
    ] = None,
    json: Json = False,
) -> None:
    """Compile what train, simulate, learn and compare need, side by side, so that they start at once.

    Machine code stays on disk and is made once a machine; a command that needs more compiles it by itself.
    """
    from hypr_neuro.numbers.kernel_cache import cache_folder, folders
    from hypr_neuro.numbers.threads import threads
    from hypr_neuro.workflow.warm import STAGES, chosen_neurons, compile_kernels

    names = chosen_neurons(neuron or ())
    started, total = time.perf_counter(), len(names) * len(STAGES)
    compiled: list[CompiledKernel] = []
    rows: list[list[str | int | float]] = []
    with RichConsole(quiet=json).progress("compile") as advance:
        for done, (name, stage, found) in enumerate(compile_kernels(names, jobs or threads())):
            advance(done + 1, total, f"{name}, {stage}")
            compiled += found
            rows.append([name, stage, len(found), round(sum(k.seconds for k in found), 1)])
    if not json and compiled:
        print_table(["neuron", "stage", "kernels compiled", "seconds"], rows)
    facts = {
        "kernels compiled": [asdict(k) for k in compiled] if json else len(compiled),
        "seconds": time.perf_counter() - started,
        "folder": str(folders(cache_folder())[-1]),
    }
    emit(facts, json, "Compiled" if compiled else "Nothing to compile")

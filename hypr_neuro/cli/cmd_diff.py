"""`hypr-neuro diff`: where two traces part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import Json
from hypr_neuro.cli.tables import emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypr_neuro.comparing.diff import Arrivals, Diff, Window

EXAMPLES = (
    "hypr-neuro diff a.trace b.trace",
    "hypr-neuro diff float.trace sim.trace --tolerance 0.02",
)
SHOWN = 12


@command
def run(
    expected: Annotated[Path, typer.Argument(help="Trace file of `simulate --trace`.")],
    got: Annotated[Path, typer.Argument(help="Another one, of the same samples.")],
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="For states beside a float trace, in parts of each state's range (without: not judged)."
        ),
    ] = None,
    window: Annotated[
        int, typer.Option(metavar="N", min=0, help="Steps to show before and after the first difference.")
    ] = 3,
    json: Json = False,
) -> None:
    """Show the first step, layer, sample and neuron at which two traces differ; exit code 0 if equal, 1 if not."""
    from hypr_neuro.comparing.diff import diff
    from hypr_neuro.traces.trace import Trace

    difference = diff(Trace.load(expected), Trace.load(got), tolerance=tolerance, window=window)
    if json:
        emit(difference.as_dict(), True)
    else:
        _show(difference, tolerance)
    if not difference.equal:
        raise typer.Exit(1)


def _show(difference: Diff, tolerance: float | None) -> None:
    """Print where the traces part."""
    for note in difference.notes:
        print(f"note: {note}")
    if difference.differences:
        compared = len(difference.differences) + len(difference.equal_arrays)
        table_rows = [
            [d.layer, d.what, d.step, d.sample, d.neuron, d.expected, d.got, f"{d.differing} of {d.entries}"]
            for d in difference.differences
        ]
        headings = ["layer", "what", "first step", "sample", "neuron", "expected", "got", "differ"]
        _table(f"{len(table_rows)} of {compared} arrays differ; steps in {difference.time} time", headings, table_rows)
    if difference.equal_arrays:
        rule = "equal" if tolerance is None else f"equal, states within {tolerance:g} of their range"
        print(f"{rule}: {_by_layer(difference.equal_arrays)}")
    if difference.deviations:
        table_rows = [
            [d.layer, d.what, f"{d.share:.3g}", f"{d.range:.4g}", d.step, d.sample, d.neuron, d.expected, d.got]
            for d in difference.deviations
        ]
        headings = ["layer", "what", "of its range", "range", "step", "sample", "neuron", "expected", "got"]
        _table("\nlargest deviation before the sample's first different spike, real units", headings, table_rows)
    if difference.window is not None:
        _show_window(difference.window, difference.time)


def _by_layer(keys: tuple[tuple[str, str], ...]) -> str:
    """Return the names of arrays by layer in words."""
    layers: dict[str, list[str]] = {}
    for layer, name in keys:
        layers.setdefault(layer, []).append(name)
    return "; ".join(f"{layer} {', '.join(arrays)}" for layer, arrays in layers.items())


def _show_window(window: Window, time: str) -> None:
    """Print the steps around the first difference, and the spikes that arrive in it."""
    table_rows: list[list[Any]] = []
    for name, sides in window.values.items():
        table_rows += [[name, side, *values] for side, values in zip(("expected", "got"), sides, strict=True)]
    title = f"\n{window.layer}, neuron {window.neuron}, sample {window.sample}; steps in {time} time"
    _table(title, ["what", "step", *map(str, window.steps)], table_rows)
    if window.arrivals:
        table_rows = [_arrived(a) for a in window.arrivals]
        headings = ["from", "step", "in both", "expected only", "got only"]
        _table("\nspikes that arrive in the step of the first difference", headings, table_rows)


def _arrived(a: Arrivals) -> list[Any]:
    """Return the row of one connection: presynaptic neurons whose spikes arrive on both sides, or on one alone."""
    if a.expected is None or a.got is None:
        sides = ["not recorded" if side is None else _few(side) for side in (a.expected, a.got)]
        return [a.source, a.step, None, *sides]
    expected_neurons, got_neurons = set(a.expected), set(a.got)
    return [
        a.source,
        a.step,
        *(
            _few(sorted(part))
            for part in (expected_neurons & got_neurons, expected_neurons - got_neurons, got_neurons - expected_neurons)
        ),
    ]


def _few(neurons: Sequence[int]) -> str:
    """Return the first neurons as text, with the number of those that are left out."""
    hidden = len(neurons) - SHOWN
    return (" ".join(map(str, neurons[:SHOWN])) or "none") + (f" and {hidden} more" if hidden > 0 else "")


def _table(title: str, headings: list[str], table_rows: list[list[Any]]) -> None:
    """Print columns as wide as their numbers: one cut off at the edge of the terminal would be of no use."""
    cells = [headings, *([_text(v) for v in row] for row in table_rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    print(title)
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    """Return real numbers with as many digits as tell two float32 apart, integers in full, a dash for nothing."""
    return "–" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)

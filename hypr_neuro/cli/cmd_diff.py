"""`hypr-neuro diff`: where two traces part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import command, emit
from hypr_neuro.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypr_neuro.comparing.diff import Arrivals, Diff, Window

SHOWN = 12


@command
def run(
    expected: Annotated[Path, typer.Argument(help="Trace file of `simulate --trace`.")],
    got: Annotated[Path, typer.Argument(help="Another one, of the same samples.")],
    tolerance: Annotated[
        float | None,
        typer.Option(help="For states beside a float trace, in parts of each state's range (without: not judged)."),
    ] = None,
    window: Annotated[int, typer.Option(min=0, help="Steps to show before and after the first difference.")] = 3,
    json: Json = False,
) -> None:
    """First step, layer, sample and neuron at which two traces differ; exit code 0 if equal, 1 if not."""
    from hypr_neuro.comparing.diff import diff
    from hypr_neuro.traces.trace import Trace

    found = diff(Trace.load(expected), Trace.load(got), tolerance=tolerance, window=window)
    if json:
        emit(found.as_dict(), True)
    else:
        _show(found, tolerance)
    if not found.equal:
        raise typer.Exit(1)


def _show(found: Diff, tolerance: float | None) -> None:
    for note in found.notes:
        print(f"note: {note}")
    if found.differences:
        compared = len(found.differences) + len(found.equal_arrays)
        lines = [
            [d.layer, d.what, d.step, d.sample, d.neuron, d.expected, d.got, f"{d.differing} of {d.entries}"]
            for d in found.differences
        ]
        headings = ["layer", "what", "first step", "sample", "neuron", "expected", "got", "differ"]
        _table(f"{len(lines)} of {compared} arrays differ; steps in {found.time} time", headings, lines)
    if found.equal_arrays:
        rule = "equal" if tolerance is None else f"equal, states within {tolerance:g} of their range"
        print(f"{rule}: {_by_layer(found.equal_arrays)}")
    if found.deviations:
        lines = [
            [d.layer, d.what, f"{d.share:.3g}", f"{d.range:.4g}", d.step, d.sample, d.neuron, d.expected, d.got]
            for d in found.deviations
        ]
        headings = ["layer", "what", "of its range", "range", "step", "sample", "neuron", "expected", "got"]
        _table("\nlargest deviation before the sample's first different spike, real units", headings, lines)
    if found.window is not None:
        _show_window(found.window, found.time)


def _by_layer(keys: tuple[tuple[str, str], ...]) -> str:
    layers: dict[str, list[str]] = {}
    for layer, what in keys:
        layers.setdefault(layer, []).append(what)
    return "; ".join(f"{layer} {', '.join(kept)}" for layer, kept in layers.items())


def _show_window(window: Window, time: str) -> None:
    lines: list[list[Any]] = []
    for what, both in window.values.items():
        lines += [[what, side, *values] for side, values in zip(("expected", "got"), both, strict=True)]
    title = f"\n{window.layer}, neuron {window.neuron}, sample {window.sample}; steps in {time} time"
    _table(title, ["what", "step", *map(str, window.steps)], lines)
    if window.arrivals:
        lines = [_arrived(a) for a in window.arrivals]
        headings = ["from", "step", "in both", "expected only", "got only"]
        _table("\nspikes that arrive in the step of the first difference", headings, lines)


def _arrived(a: Arrivals) -> list[Any]:
    if a.expected is None or a.got is None:
        sides = ["not recorded" if side is None else _few(side) for side in (a.expected, a.got)]
        return [a.source, a.step, None, *sides]
    one, other = set(a.expected), set(a.got)
    return [a.source, a.step, *(_few(sorted(part)) for part in (one & other, one - other, other - one))]


def _few(neurons: Sequence[int]) -> str:
    more = len(neurons) - SHOWN
    return (" ".join(map(str, neurons[:SHOWN])) or "none") + (f" and {more} more" if more > 0 else "")


def _table(title: str, headings: list[str], lines: list[list[Any]]) -> None:
    """Columns as wide as their numbers: one that is cut off at the edge of the terminal is of no use here."""
    cells = [headings, *([_text(v) for v in line] for line in lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    print(title)
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    """Real numbers with as many digits as tell two float32 apart; integers in full; a dash for nothing."""
    return "–" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)

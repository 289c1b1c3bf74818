"""`hypr-neuro diff`: where two traces part, or two devices on the same samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import DEVICES, choice
from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.options import DATA, RUN, Data, DataDir, Encode, Json, Seed
from hypr_neuro.cli.tables import emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypr_neuro.comparing.diff import Arrivals, Diff, Window
    from hypr_neuro.data import SequenceData
    from hypr_neuro.exchange.loading import AnyNetwork
    from hypr_neuro.traces.trace import Trace

EXAMPLES = (
    "hypr-neuro diff a.trace b.trace",
    "hypr-neuro diff float.trace sim.trace --tolerance 0.02",
    "hypr-neuro diff sim.h5 recorded.nir --dt 0.001",
    "hypr-neuro diff runs/a --device sim --device lava --samples 4",
)
SHOWN = 12


@command
def run(
    expected: Annotated[
        Path,
        typer.Argument(
            help="Trace file of `simulate --trace`, or a .nir of recorded data; with --device a network of "
            "integers, or a run folder that holds one."
        ),
    ],
    got: Annotated[Path | None, typer.Argument(help="Another trace, of the same samples.")] = None,
    device: Annotated[
        list[str] | None,
        choice(DEVICES, help="Two devices to run the network on, the expected one first.", rich_help_panel=RUN),
    ] = None,
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    samples: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only the first test samples (with --device).", rich_help_panel=DATA),
    ] = None,
    seed: Seed = 0,
    dt: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Length of a step, for events in a .nir file of another program."),
    ] = None,
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
    """Show the first step, layer, sample and neuron at which two traces differ; exit code 0 if equal, 1 if not.

    With --device twice, the test samples of a run are run on both devices, and their traces compared.
    """
    from hypr_neuro.cli.trace_files import load_both
    from hypr_neuro.comparing.diff import diff

    _check_options(got, device, {"--data": data, "--data-dir": data_dir, "--encode": encode, "--samples": samples}, dt)
    if device:
        net, sequences = _to_run(expected, data, data_dir, encode, seed, samples)
        traces = [_on_device(net, sequences, name, quiet=json) for name in device]
    else:
        assert got is not None
        traces = list(load_both(expected, got, dt))
    difference = diff(*traces, tolerance=tolerance, window=window)
    if json:
        emit(difference.as_dict(), True)
    else:
        _show(difference, tolerance)
    if not difference.equal:
        raise typer.Exit(1)


def _check_options(got: Path | None, device: list[str] | None, of_runs: dict[str, object], dt: float | None) -> None:
    """Raise InputError unless two traces are given, or two devices, and options that go with them."""
    from hypr_neuro.errors import InputError

    if not device:
        given = [name for name, value in of_runs.items() if value is not None]
        if given:
            raise InputError(f"{given[0]} says what devices run; give --device twice, or leave it out")
        if got is None:
            raise InputError("one trace is given, rule: two, or a network and --device twice")
        return
    if got is not None:
        raise InputError(f"'{got}' and --device: devices run one network; leave out the second file")
    if len(device) != 2:
        raise InputError(f"--device {' --device '.join(device)}, rule: two devices, such as --device sim --device lava")
    if dt is not None:
        raise InputError("--dt is for traces in files; leave it out, the network says how long a step is")


def _to_run(
    network: Path, data: str | None, data_dir: Path | None, encode: str | None, seed: int, samples: int | None
) -> tuple[AnyNetwork, SequenceData]:
    """Return a network, of a run folder that of integers, and the samples that devices are compared on."""
    import numpy as np

    from hypr_neuro.cli.graphs import encoded
    from hypr_neuro.cli.options import with_encoder
    from hypr_neuro.cli.predictions import sequences_of
    from hypr_neuro.cli.run_data import choose_data
    from hypr_neuro.exchange.loading import load

    path = network / "quantized.h5" if network.is_dir() else network
    net = load(path)
    source = choose_data(data, data_dir, seed, with_encoder(None, encode), network=path)
    sequences, labelled = sequences_of(source, net, path)
    if labelled:
        sequences = sequences.part("test")
    if samples is not None:
        sequences = sequences.take(np.arange(min(samples, len(sequences))))
    return net, encoded(net, sequences)


def _on_device(net: AnyNetwork, sequences: SequenceData, name: str, *, quiet: bool) -> Trace:
    """Return what a network did on a device: spikes, and the states if the device records them."""
    from hypr_neuro.cli.graphs import record_all, run_on
    from hypr_neuro.devices import make_device

    asked = record_all(net)
    if "states" not in make_device(name).capabilities:
        asked = [quantity for quantity in asked if quantity == "spikes"]
    with RichConsole(quiet=quiet).progress(name) as advance:
        return run_on(net, sequences, name, asked, lambda done, total: advance(done, total, "steps"))


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

"""Traces in files: hypr-neuro's own HDF5, and NIR's data format where the name ends in .nir."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypr_neuro.traces.trace import Origin, Trace

NIR = ".nir"


def save_trace(trace: Trace, path: Path) -> None:
    """Write a trace in the format that the file's ending says."""
    if path.suffix != NIR:
        trace.save(path)
        return
    from hypr_neuro.exchange.nir.data_write import write_trace

    write_trace(trace, path)


def load_trace(path: Path, dt: float | None = None, like: Origin | None = None) -> Trace:
    """Return the trace of a file; `dt` and `like` are those of `read_trace`, for recordings of other programs."""
    from hypr_neuro.traces.trace import Trace

    if path.suffix != NIR:
        return Trace.load(path)
    from hypr_neuro.exchange.nir.data_read import read_trace

    return read_trace(path, dt=dt, like=like)


def load_both(expected: Path, got: Path, dt: float | None = None) -> tuple[Trace, Trace]:
    """Return two traces to compare; one of another program is read as a recording of the other's network."""
    if expected.suffix == NIR and got.suffix != NIR:
        second = load_trace(got)
        return load_trace(expected, dt, second.origin), second
    first = load_trace(expected, dt)
    return first, load_trace(got, dt, first.origin)

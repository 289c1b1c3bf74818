"""Progress of long calls in Python: a bar in a terminal, one in a notebook's cell, nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hypr_neuro.numbers.checks import optional_truth

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Advance = Callable[[int, int, str], None]
"""Function of (done, total, note)."""
REDRAWN = 0.1
"""Seconds between two pictures of a notebook's bar."""


def in_notebook() -> bool:
    """Tell whether this process is a notebook's kernel, whose cells take HTML."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


@contextmanager
def progress_bar(label: str, shown: bool | None = None, *given: object) -> Iterator[Advance]:
    """Show how far a call is; the context gives advance(done, total, note).

    Parameters
    ----------
    label
        In front of the bar.
    shown
        None: where standard error is a terminal or in a notebook, unless the caller shows progress by itself. True: in
        any case. False: nothing.
    given
        Callbacks of the caller, None where there are none.
    """
    shown = optional_truth("progress", shown)
    if shown is None and any(callback is not None for callback in given):
        shown = False
    if shown is not False and in_notebook():
        yield _Cell(label)
    elif shown or (shown is None and sys.stderr is not None and sys.stderr.isatty()):
        with _terminal_bar(label) as advance:
            yield advance
    else:
        yield lambda done, total, note: None


class _Cell:
    """A bar in HTML, drawn anew in its place."""

    def __init__(self, label: str) -> None:
        self._label, self._drawn = label, 0.0
        self._handle: Any = None

    def __call__(self, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if self._handle is not None and done < total and now - self._drawn < REDRAWN:
            return
        ipython: Any = import_module("IPython.display")
        self._drawn = now
        bar = f'<progress value="{int(done)}" max="{int(total)}"></progress>'
        picture = ipython.HTML(f"{escape(self._label)} {bar} {int(done)}/{int(total)} {escape(note)}")
        if self._handle is None:
            self._handle = ipython.display(picture, display_id=True)
        else:
            self._handle.update(picture)


def bar_on(console: Console) -> Progress:
    """Return a bar on a terminal; a task of it needs the field "note".

    One that never moved is wiped out, after an error, or where there was nothing to do, unless it is told to stay.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    # the time left is told by the last hour: a step may take minutes
    return Progress(*columns, console=console, transient=True, speed_estimate_period=3600)


@contextmanager
def _terminal_bar(label: str) -> Iterator[Advance]:
    from rich.console import Console

    bar = bar_on(Console(stderr=True))
    task = bar.add_task(label, total=1, note="")

    def advance(done: int, total: int, note: str) -> None:
        bar.live.transient = False
        bar.update(task, completed=done, total=total, note=note)

    with bar:
        yield advance

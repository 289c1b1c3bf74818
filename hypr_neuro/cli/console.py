"""What the commands share: output as a table or JSON, progress bars, one-line errors with exit code 2."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import typer

from hypr_neuro.cli.encodings import print_json

if TYPE_CHECKING:
    from pathlib import Path

F = TypeVar("F", bound=Callable[..., Any])


def command(function: F) -> F:
    """Return a command whose errors become one line on standard error and exit code 2; Ctrl-C gives 130.

    Warnings are one line on standard error, too. A folder that a refused command made and wrote nothing into is gone.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        from hypr_neuro.errors import HyprError

        as_json = bool(kwargs.get("json"))
        try:
            with warnings.catch_warnings(), _nothing_left(kwargs.get("out")):
                warnings.showwarning = _show_warning
                return function(*args, **kwargs)
        except HyprError as error:
            fail(" ".join(str(error).split()), as_json)
        except BrokenPipeError:
            raise typer.Exit(1) from None
        except OSError as error:
            from hypr_neuro.files.faults import told

            fail(f"{error.filename or 'output'}: {told(error)}", as_json)
        except MemoryError:
            fail("not enough memory for this call; use fewer samples or a smaller batch", as_json)
        except KeyboardInterrupt:
            resumes = function.__module__.rpartition("_")[2] in ("train", "learn", "demo", "study", "faults", "widths")
            hint = "; given again, the same command goes on from where it was last saved" if resumes else ""
            print(f"interrupted{hint}", file=sys.stderr)
            if as_json:
                print_json(json.dumps({"error": f"interrupted{hint}"}))
            raise typer.Exit(130) from None

    return cast(F, run)


@contextmanager
def _nothing_left(out: Path | None) -> Iterator[None]:
    """Remove folders that are empty when the block fails, of a run folder that was not there before."""
    fresh = out is not None and not out.exists()
    try:
        yield
    except BaseException:
        if out is not None and fresh and out.is_dir():
            for folder in (*sorted((p for p in out.rglob("*") if p.is_dir()), reverse=True), out):
                with suppress(OSError):  # one that holds a file stays
                    folder.rmdir()
        raise


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    """Print a warning without the line of code from which it comes."""
    print(f"hypr-neuro: warning: {' '.join(str(message).split())}", file=sys.stderr)


def refuse(message: str, as_json: bool = False) -> None:
    """Print one line to standard error, with --json an object to standard output too."""
    print(f"hypr-neuro: error: {message}", file=sys.stderr)
    if as_json:
        with suppress(OSError):  # standard output itself may be what cannot be written
            print_json(json.dumps({"error": message}, ensure_ascii=False))


def fail(message: str, as_json: bool = False) -> None:
    """Print an error and leave with exit code 2."""
    refuse(message, as_json)
    raise typer.Exit(2)


def told_of_earlier(folder: Path, epochs: int, ran: int) -> None:
    """Say on standard error what of a run its folder held already: all of it, or its first epochs."""
    if not ran:
        print(f"nothing to do: '{folder}' holds this run, finished after {_epochs(epochs)}", file=sys.stderr)
    elif ran < epochs:
        print(f"'{folder}' held {_epochs(epochs - ran)} of this run, which went on from there", file=sys.stderr)


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


class RichConsole:
    """Say what happens and show progress on standard error, so that standard output stays for results."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, quiet=quiet)

    def say(self, text: str) -> None:
        """Print one line of text as it is."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int, int, str], None]]:
        """Show a bar; the context gives advance(done, total, text)."""
        from hypr_neuro.progress import bar_on

        bar = bar_on(self._console)
        task = bar.add_task(label, total=1, note="")

        def advance(done: int, total: int, note: str) -> None:
            bar.live.transient = False
            bar.start()
            bar.update(task, completed=done, total=total, note=note)

        if self._console.is_terminal:
            bar.start()
        try:
            yield advance
        finally:
            if bar.live.is_started:
                bar.stop()

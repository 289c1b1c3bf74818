"""Command line: `hypr-neuro COMMAND`. One module a command; heavy packages load where they are used."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import typer

app = typer.Typer(
    name="hypr-neuro",
    help="Recurrent spiking networks from float HYPR training to integers on neuromorphic chips, learning included.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ORDER = (
    "demo",
    "data",
    "train",
    "import",
    "export",
    "quantize",
    "place",
    "compile",
    "simulate",
    "learn",
    "compare",
    "diff",
    "report",
    "profiles",
)


def main() -> None:
    """Entry point of the program."""
    app()


def _register() -> None:
    """Every module `cmd_<name>` of this folder is a command, in the order of the work."""
    found = {info.name[4:]: info.name for info in iter_modules(__path__) if info.name.startswith("cmd_")}
    for name in sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n)):
        module = import_module(f"{__name__}.{found[name]}")
        app.command(name)(module.run)


_register()

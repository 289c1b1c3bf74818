"""Command line: `hypr-neuro COMMAND`. One module a command; heavy packages load where they are used."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

app = typer.Typer(
    name="hypr-neuro",
    help="Recurrent spiking networks from float HYPR training to integers on neuromorphic chips, learning included.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    """Run the program."""
    from hypr_neuro.cli.encodings import write_plainly

    write_plainly()
    app(prog_name="hypr-neuro")


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"hypr-neuro {version('hypr-neuro')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


def _register() -> None:
    """Make every module `cmd_<name>` of this folder a command, in the order of the work."""
    modules = {info.name[4:]: info.name for info in iter_modules(__path__) if info.name.startswith("cmd_")}
    for name in sorted(modules, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n)):
        module = import_module(f"{__name__}.{modules[name]}")
        app.command(name)(module.run)


_register()

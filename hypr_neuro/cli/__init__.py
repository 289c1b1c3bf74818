"""Command line: `hypr-neuro COMMAND`. One module a command; heavy packages load where they are used."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from hypr_neuro.cli.help import Command, Program

app = typer.Typer(
    name="hypr-neuro",
    cls=Program,
    help="Recurrent spiking networks from float HYPR training to integers on neuromorphic chips, learning included.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

GROUPS = {
    "Start here": ("demo", "data", "profiles", "warm"),
    "Networks": ("train", "import", "export"),
    "Integers on a chip": ("quantize", "check", "place", "fit", "compile", "simulate", "learn"),
    "What came out": ("compare", "study", "widths", "faults", "diff", "report"),
    "Hardware": ("serve",),
}
"""The commands in the order of the work; one that stands in no group comes last."""


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
    """Make every module `cmd_<name>` of this folder a command; its `EXAMPLES` end its help."""
    modules = {info.name[4:]: info.name for info in iter_modules(__path__) if info.name.startswith("cmd_")}
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    order = list(group_of)
    for name in sorted(modules, key=lambda n: (order.index(n) if n in order else len(order), n)):
        module = import_module(f"{__name__}.{modules[name]}")
        examples = "\n".join(getattr(module, "EXAMPLES", ()))
        app.command(name, cls=Command, epilog=examples, rich_help_panel=group_of.get(name))(module.run)


_register()

"""How the program shows its help, commands and options by group with examples, and its refusal of a command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from hypr_neuro.cli.console import refuse

OTHERS = "Output"
"""Heading of options without a group of their own."""


class Command(TyperCommand):
    """A command whose options stand in groups, by their `rich_help_panel`, before its examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; refuse empty text, which as a path would be the folder that one is in."""
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for param in self.get_params(ctx):
            value = given.get(param.name)
            if "" in (value if isinstance(value, list | tuple) else (value,)):
                ctx.fail(f"Invalid value for '{max(param.opts, key=len)}': '', rule: text that is not empty")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, each group under its heading."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if param.param_type_name == "argument" else OTHERS
                groups.setdefault(getattr(param, "rich_help_panel", None) or default, []).append(record)
        groups |= {OTHERS: groups.pop(OTHERS)} if OTHERS in groups else {}  # the last
        _write(formatter, groups.items())

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are, one a line."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Program(TyperGroup):
    """The program: commands by group; a command line that cannot be read is one line, with --json an object, too."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, each group under its heading, then the program's own options."""
        self.format_commands(ctx, formatter)
        records = (param.get_help_record(ctx) for param in self.get_params(ctx))
        _write(formatter, [("Options", [record for record in records if record is not None])])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each command does in a few words."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                group = getattr(command, "rich_help_panel", None) or "Commands"
                groups.setdefault(group, []).append((name, re.split(r"[.;] |\n\n", command.help or "")[0].rstrip(".")))
        _write(formatter, groups.items())

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; exit with its code, unless `standalone_mode` is off."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        except Exception as error:
            # errors of the command line come from click, or from the copy of it that newer typers have
            if not standalone_mode or not hasattr(error, "format_message") or not hasattr(error, "exit_code"):
                raise
            sys.exit(_refused(error, given))
        return sys.exit(code if isinstance(code, int) else 0) if standalone_mode else code


def _refused(error: Any, given: Sequence[str]) -> int:
    """Say what is wrong with a command line; return the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        ctx = getattr(error, "ctx", None)
        name = "" if ctx is None or ctx.parent is None else f" {ctx.info_name}"
        remedy = f"; `hypr-neuro{name} -h` shows what there is"
        refuse(f"{_told(error)}{remedy}", "--json" in given)
    return int(error.exit_code)


def _told(error: Any) -> str:
    """Return the words of an error, with the value where they name the rule alone."""
    cause = error.__cause__
    if hasattr(cause, "errors") and (findings := cause.errors()):
        from hypr_neuro.graph.spec import rule_of

        if rule := rule_of(findings[0]):
            error.message = f"{findings[0].get('input')!r:.60}, rule: {rule}"
    return " ".join(error.format_message().split()).rstrip(".?")


def _write(formatter: Any, groups: Iterable[tuple[str, list[tuple[str, str]]]]) -> None:
    for heading, rows in groups:
        with formatter.section(heading):
            formatter.write_dl(rows)

"""`hypr-neuro profiles`: the chips that are known, every number of one, what two differ by, and faults of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import Json, Override, get_profile
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypr_neuro.profiles.quantity import Quantity

ACTIONS = ("list", "show", "validate", "diff", "schema")
EXAMPLES = (
    "hypr-neuro profiles",
    "hypr-neuro profiles show loihi2",
    "hypr-neuro profiles validate mine.yaml other.yaml",
    "hypr-neuro profiles diff loihi1 loihi2",
    "hypr-neuro profiles schema > profile.json",
)
NOT_STATED = "not stated"


@command
def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[list|show NAME|validate FILE...|diff A B|schema]",
            help="What to do, by default list; a name or the path of a YAML file alone shows this profile.",
        ),
    ] = None,
    override: Override = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema for editors.")] = False,
    json: Json = False,
) -> None:
    """List the profiles, show one with unit and source of every number, check files, or compare two."""
    from hypr_neuro.profiles.profile import profile_schema

    action, names = _asked(list(words or []), schema)
    if action == "schema":
        emit(profile_schema(), True)
    elif action == "list":
        _list(json)
    elif action == "show":
        _show(names[0], override, json)
    elif action == "diff":
        _diff(names, override, json)
    else:
        _validate(names, json)


def _asked(words: list[str], schema: bool) -> tuple[str, list[str]]:
    """Return what to do and of which profiles; InputError for too few names or too many."""
    from hypr_neuro.errors import InputError, like
    from hypr_neuro.profiles.profile import profile_names

    if schema:
        return "schema", []
    action, names = (words[0], words[1:]) if words and words[0] in ACTIONS else ("show" if words else "list", words)
    wanted = {"list": (0, 0), "show": (1, 1), "validate": (1, None), "diff": (2, 2), "schema": (0, 0)}
    least, most = wanted[action]
    if len(names) < least or (most is not None and len(names) > most):
        found = "" if action != "show" or not names or names[0] in profile_names() else like(names[0], ACTIONS)
        counts = f"at least {least}" if most is None else f"{least}"
        given = f"{len(names)} name{'' if len(names) == 1 else 's'}"
        raise InputError(
            f"profiles {' '.join(words)}{found}: {given}, rule: {counts} for {action}; "
            f"`hypr-neuro profiles -h` shows all forms"
        )
    return action, names


def _list(json: bool) -> None:
    from hypr_neuro.profiles.profile import load_profile, profile_names

    descriptions = {n: load_profile(n).description for n in profile_names()}
    if json:
        emit(descriptions, True)
    else:
        print_table(["profile", "what it is"], [list(item) for item in descriptions.items()])


def _show(name: str, override: list[str] | None, json: bool) -> None:
    from hypr_neuro.profiles.profile import told_value
    from hypr_neuro.workflow.describe import describe_profile

    facts = describe_profile(get_profile(name, override))
    if json:
        emit(facts, True)
        return
    table_rows = [[f["name"], told_value(f["value"]), f["unit"], f["source"]] for f in facts["facts"]]
    print_table(["key", "value", "unit", "source"], table_rows, f"{facts['name']}: {facts['description']}")


def _diff(names: Sequence[str], override: list[str] | None, json: bool) -> None:
    """Show the keys that two profiles state differently, with both values and sources; changes are the second's."""
    from hypr_neuro.profiles.differences import differences

    first, second = get_profile(names[0], None), get_profile(names[1], override)
    numbers, sources = differences(first, second)
    if json:
        content: dict[str, Any] = {"first": first.name, "second": second.name}
        content |= {"numbers": [d.as_dict() for d in numbers], "sources": [d.as_dict() for d in sources]}
        emit(content, True)
        return
    rows = []
    for d in numbers:
        rows.append([d.key, first.name, *_told(d.first)])
        rows.append(["", second.name, *_told(d.second)])
    title = f"{first.name} and {second.name}: {len(numbers)} keys differ, {len(sources)} by their source alone"
    if rows:
        print_table(["key", "profile", "value", "source"], rows, title)
    else:
        print(title)


def _told(quantity: Quantity[Any] | None) -> list[str]:
    from hypr_neuro.profiles.profile import NO_UNIT, told_value

    if quantity is None:
        return [NOT_STATED, ""]
    unit = "" if quantity.unit == NO_UNIT else f" {quantity.unit}"
    return [f"{told_value(quantity.value)}{unit}", quantity.told_source]


def _validate(names: Sequence[str], json: bool) -> None:
    """Say all faults of files, one a line; exit code 2 where there are any."""
    from hypr_neuro.cli.console import refuse
    from hypr_neuro.profiles.faults import profile_faults

    found = {name: profile_faults(name) for name in names}
    if json:
        emit({"faults": {name: [fault.as_dict() for fault in faults] for name, faults in found.items()}}, True)
    for name, faults in found.items():
        for fault in faults:
            refuse(fault.line)
        if not faults and not json:
            print(f"{name}: a profile without faults")
    if any(found.values()):
        raise typer.Exit(2)

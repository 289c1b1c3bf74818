"""`hypr-neuro profiles`: the chips that are known, and every number of one."""

from __future__ import annotations

from typing import Annotated

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import Json, Override, get_profile
from hypr_neuro.cli.tables import emit, print_table

EXAMPLES = ("hypr-neuro profiles", "hypr-neuro profiles loihi2", "hypr-neuro profiles --schema > profile.json")


@command
def run(
    name: Annotated[str | None, typer.Argument(help="Show this profile: a name or the path of a YAML file.")] = None,
    override: Override = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema for editors.")] = False,
    json: Json = False,
) -> None:
    """List the profiles, or show one with unit and source of every number."""
    from hypr_neuro.profiles.profile import load_profile, profile_names, profile_schema
    from hypr_neuro.workflow.describe import describe_profile

    if schema:
        emit(profile_schema(), True)
        return
    if name is None:
        descriptions = {n: load_profile(n).description for n in profile_names()}
        if json:
            emit(descriptions, True)
        else:
            print_table(["profile", "what it is"], [list(item) for item in descriptions.items()])
        return
    facts = describe_profile(get_profile(name, override))
    if json:
        emit(facts, True)
        return
    table_rows = [[f["name"], f["value"], f["unit"], f["source"]] for f in facts["facts"]]
    print_table(["key", "value", "unit", "source"], table_rows, f"{facts['name']}: {facts['description']}")

"""The JSON schema of a study file, with the names of all that can vary, for editors."""

from __future__ import annotations

from typing import Any

from hypr_neuro.studies.fields import NETWORK, field_names
from hypr_neuro.studies.spec import Study


def study_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a study file.

    Names of fields are those of `studies.fields`, in full or by their last part where no other name ends so, and
    entries of a network's specification as ``network.…``. Under `vary` any other name is one of labelled sets.
    """
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= Study.model_json_schema(by_alias=True)
    full = [name for names in field_names().values() for name in names]
    ends = [name.rpartition(".")[2] for name in full]
    short = [end for end in ends if ends.count(end) == 1]
    names, others = list(dict.fromkeys([*full, *short])), [rf"^{NETWORK}\.", "@"]
    keys = schema["properties"]
    keys["set"]["propertyNames"] = {"anyOf": [{"enum": names}, *({"pattern": pattern} for pattern in others)]}
    span, listed, labelled = keys["vary"].pop("additionalProperties")["anyOf"]
    values = {"anyOf": [span, listed]}
    # a name that is no field's is one of labelled sets
    keys["vary"] |= {
        "properties": dict.fromkeys(names, values),
        "patternProperties": dict.fromkeys(others, values),
        "additionalProperties": labelled,
    }
    return schema

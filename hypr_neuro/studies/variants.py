"""Labelled sets of values: a field of its own whose values are words, each of which sets several fields together.

    vary:
      terms:
        none: {analog.read_noise: false, analog.drift: false}
        reading alone: {analog.read_noise: true, analog.drift: false}

"terms" is a column of the table, "none" and "reading alone" are its values. What a label sets takes the place of what
`set` says, and a field stands in one place of `vary` alone: under its own name, or in labels of one field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.studies.fields import full_name
from hypr_neuro.studies.plain import check_plain

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
MOST_LETTERS = 60
COLUMNS = (
    "accuracy",
    "agreement",
    "saturations",
    "clipped",
    "zeroed",
    "cores",
    "clips",
    "rate",
    "gap",
    "seeds",
    "seed",
    "trial",
    "refused",
    "warnings",
    "earlier",
)
"""Columns of one word that a table has anyway."""
EXAMPLE = "such as terms: {none: {analog.drift: false}, drift: {analog.drift: true}}"


def are_variants(values: object) -> bool:
    """Return whether values of a field are labelled sets, not a list and not a span."""
    return isinstance(values, Mapping) and any(isinstance(one, Mapping) for one in values.values())


def check_variants(name: str, labelled: Mapping[Any, Any]) -> None:
    """Raise ValueError, naming field, label, value and rule, for a field or labels that are none."""
    where = f"key 'vary.{name:.60}'"
    if _is_field(name) or name in COLUMNS:
        held = "a field of its own" if _is_field(name) else "a column of the table"
        raise ValueError(f"{where} has labels, and '{name:.60}' is {held}, rule: another word, {EXAMPLE}")
    if not NAME.fullmatch(name) or len(name) > MOST_LETTERS:
        raise ValueError(f"{where} has labels, rule: a word of letters, digits, _ and -, {EXAMPLE}")
    for label, sets in labelled.items():
        if not isinstance(label, str) or not 0 < len(label) <= MOST_LETTERS:
            raise ValueError(
                f"{where}: label {label!r:.60}, rule: a text of 1 to {MOST_LETTERS} letters; in quotes where YAML "
                "reads something else"
            )
        here = f"key 'vary.{name}.{label}'"
        if not isinstance(sets, Mapping) or not all(isinstance(field, str) for field in sets):
            raise ValueError(f"{here} = {sets!r:.60}, rule: values by field, {EXAMPLE}; {{}} for none")
        check_plain(f"vary.{name}.{label}", sets)


def in_full(name: str, labelled: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return labelled sets with the full names of their fields.

    Raises
    ------
    ValueError
        For a field twice in a set.
    InputError
        For an unknown field.
    """
    made: dict[str, dict[str, Any]] = {}
    for label, sets in labelled.items():
        full: dict[str, Any] = {}
        for field, value in sets.items():
            if full_name(field) in full:
                raise ValueError(f"vary.{name}.{label}: '{full_name(field)}' stands there twice, rule: once")
            full[full_name(field)] = value
        made[label] = full
    return made


def fields_in(vary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each field that varies, by full name, with where it stands: itself, or the field of labels that sets it."""
    for name, values in vary.items():
        if isinstance(values, Mapping):
            yield from ((field, name) for field in dict.fromkeys(f for sets in values.values() for f in sets))
        else:
            yield name, name


def check_labels(vary: Mapping[str, Any], constant: Mapping[str, Any]) -> None:
    """Raise ValueError for labels of one field that set the same, `set` in place of what they leave out."""
    for name, labelled in vary.items():
        seen: dict[str, str] = {}
        for label, sets in labelled.items() if isinstance(labelled, Mapping) else ():
            twin = seen.setdefault(json.dumps({**constant, **sets}, sort_keys=True), label)
            if twin != label:
                raise ValueError(f"vary.{name}: '{twin}' and '{label}' set the same, rule: each something else")


def check_places(vary: Mapping[str, Any]) -> None:
    """Raise ValueError for a field that two places of `vary` set: which of them counts would not be said."""
    places: dict[str, str] = {}
    for field, place in fields_in(vary):
        if field in places:
            raise ValueError(f"vary: '{field}' stands under '{places[field]}' and under '{place}', rule: under one")
        places[field] = place


def _is_field(name: str) -> bool:
    try:
        full_name(name)
    except InputError as error:
        return "stands for" in str(error)
    return True

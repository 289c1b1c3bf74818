"""All that is wrong in a profile's file, fault by fault: key, value, rule and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hypr_neuro.errors import InputError, like
from hypr_neuro.graph.spec import keys_at, place_of, rule_of
from hypr_neuro.profiles.chip import Profile
from hypr_neuro.profiles.load import merged
from hypr_neuro.profiles.quantity import NO_UNIT, unit_of

FILE = "(file)"
"""Key of a fault that the file as a whole has."""
REMEDIES = (
    ("goes in a circle", "let one of these files extend another profile, or none"),
    ("does not exist", "correct the path, which starts from the folder of the file that extends it"),
    ("unknown profile", "write a known name, or the path of a .yaml file"),
    ("a name or the path", "write the name of a profile, such as loihi2"),
    ("a mapping is expected", "write keys and values, such as name: mine"),
    ("stands there twice", "leave one of them"),
    ("not valid YAML", "close what is open on this line or before it, and indent alike"),
    ("cannot be read", "save the file as text in UTF-8 where it can be read"),
)
"""By words of the error, for files that cannot be taken apart."""
PARTS = ("value", "unit", "source", "chip")


@dataclass(frozen=True)
class ProfileFault:
    """One thing that is wrong.

    Attributes
    ----------
    file : str
        The profile's file.
    key : str
        Dotted name, "(file)" of the whole.
    value : str
        What stands there; "" where nothing does.
    rule, remedy : str
        What is asked for, and what to do.
    """

    file: str
    key: str
    value: str
    rule: str
    remedy: str

    @property
    def line(self) -> str:
        """The fault in one line."""
        if self.key == FILE:
            return f"profile '{self.file}': {self.rule}; {self.remedy}"
        value = f" = {self.value}" if self.value else ""
        return f"profile '{self.file}': key '{self.key}'{value}, rule: {self.rule}; {self.remedy}"

    def as_dict(self) -> dict[str, str]:
        """Return plain data for JSON."""
        return asdict(self)


def profile_faults(path: str | Path) -> list[ProfileFault]:
    """Find all faults of a profile's file, of what it extends included; [] if it is a profile.

    Parameters
    ----------
    path : str or Path
        A file, or the name of a profile that comes with hypr-neuro.
    """
    file = str(path)
    try:
        data = merged(file)
    except InputError as error:
        told = " ".join(str(error).split())
        remedy = next((remedy for words, remedy in REMEDIES if words in told), "correct the file")
        return [ProfileFault(file, FILE, "", told.removeprefix(f"profile '{Path(file).resolve()}': "), remedy)]
    try:
        Profile.model_validate(data)
    except ValidationError as error:
        faults = [_fault(file, found) for found in error.errors()]
        return faults + [fault for fault in _other_units(file, data) if fault not in faults]
    return []


def _other_units(file: str, data: Mapping[str, Any]) -> list[ProfileFault]:
    """Return what is in a wrong unit, also where the value is wrong, too: pydantic then looks no further."""
    faults = []
    for section, numbers in data.items():
        for key, number in numbers.items() if isinstance(numbers, dict) and section in Profile.model_fields else ():
            given = number.get("unit") if isinstance(number, dict) else None
            known = key in keys_at(Profile, (section,))
            if known and isinstance(given, str) and given and given not in (unit_of(key), NO_UNIT):
                faults.append(_wrong_unit(file, f"{section}.{key}", given, unit_of(key)))
    return faults


def _wrong_unit(file: str, key: str, given: str, unit: str) -> ProfileFault:
    rule = f"'{unit}', in which the number is read"
    return ProfileFault(file, key, f"unit '{given}'", rule, "write the number in this unit")


def _fault(file: str, found: Mapping[str, Any]) -> ProfileFault:
    """Return a finding of pydantic as a fault."""
    place = place_of(found["loc"])
    key = ".".join(map(str, place))
    value = f"{found.get('input')!r:.60}"
    if found["type"] == "missing":
        return _missing(file, key, str(place[-1]))
    if found["type"] == "extra_forbidden":
        known = keys_at(Profile, place[:-1])
        near = like(place[-1], known)
        if near:
            return ProfileFault(file, key, value, f"a known key{near}", "correct its spelling")
        rule = f"a known key, of {', '.join(known)}" if known else "a known key"
        return ProfileFault(file, key, value, rule, "take it out, or put it in its section")
    if found["type"] == "wrong_unit":
        return _wrong_unit(file, key, found["ctx"]["given"], found["ctx"]["unit"])
    if found["type"] == "value_error":
        return _of_check(file, str(found["ctx"]["error"]))
    rule = rule_of(found) or str(found["msg"])
    return ProfileFault(file, key, value, rule, _remedy(found["type"]))


def _of_check(file: str, told: str) -> ProfileFault:
    """Return what a check of ours tells, "key = value, rule: rule; remedy", as a fault; of another form as it is."""
    place, _, asked = told.partition(", rule: ")
    (key, _, value), (rule, _, remedy) = place.partition(" = "), asked.partition("; ")
    if not (asked and remedy):
        return ProfileFault(file, FILE, "", told, "correct the file")
    return ProfileFault(file, key, value, rule, remedy)


def _missing(file: str, key: str, last: str) -> ProfileFault:
    if last in PARTS:
        return ProfileFault(
            file, key, "", "a number has value, unit and source; this one is missing", f"add its {last}"
        )
    return ProfileFault(
        file, key, "", "is needed and missing", "add it, or begin with extends: and a profile that has it"
    )


def _remedy(kind: str) -> str:
    if kind in ("model_type", "dict_type"):
        return "write it so; a number in a section never stands alone"
    if kind.startswith(("greater", "less")):
        return "choose a value in range"
    if kind.startswith(("unknown", "literal")):
        return "write one of these"
    return "write the value so"

"""A profile with single numbers changed, by dotted name: ``precision.weight_bits=4``.

With ``@`` and a pattern of names behind the key it is a rule (`profiles.rules`) of single populations or connections:
``precision.weight_bits@layers.0.recurrent=4``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from hypr_neuro.errors import InputError, among
from hypr_neuro.files.yaml_file import parse_yaml
from hypr_neuro.profiles.chip import Profile
from hypr_neuro.profiles.load import parse_profile
from hypr_neuro.profiles.quantity import unit_of
from hypr_neuro.profiles.rules import RULE_KEYS, as_mapping

SECTIONS = ("precision", "learning", "time", "core", "chip", "runs", "energy", "analog")
MOST_NAMED = 2
"""Changes that a profile's name tells one by one."""
BITS, FRACTION = "learning.eligibility_bits", "learning.eligibility_fraction"


def overridden(profile: Profile, changes: Mapping[str, Any]) -> Profile:
    """Return a profile with other numbers.

    Its name says which: "loihi2 with precision.weight_bits=4". Eligibilities of other widths keep their range: their
    fraction changes by as many bits, unless it is given as well.

    Parameters
    ----------
    profile
        Stays as it is.
    changes
        Values by "section.key", such as {"precision.weight_bits": 4}; None takes a limit, or a number of a rule, away.
        "section.key@pattern" is a rule and comes after those that the profile has.

    Raises
    ------
    InputError
        For an unknown section or key; `ProfileError` for values out of range.
    """
    if not isinstance(changes, Mapping) or not all(isinstance(key, str) for key in changes):
        raise InputError(f"override = {changes!r:.60}, rule: values by name, such as {{'precision.weight_bits': 4}}")
    if not changes:
        return profile
    data, known = profile.dump(), profile_keys()
    data["rules"] = as_mapping(data.get("rules", []))
    source = f"given in place of that of '{profile.name}'"
    for changed, value in _with_fraction(profile, changes).items():
        key, at, pattern = changed.partition("@")
        keys = list(RULE_KEYS) if at else known
        if key not in keys:
            raise InputError(f"override: unknown key {among(key, keys)}")
        section, name = key.split(".")
        if section not in data:
            raise InputError(
                f"override {key}: profile '{profile.name}' has no section '{section}', rule: a profile that has one, "
                "such as pcm_crossbar; choose it with --profile"
            )
        part = _rule(data, pattern).setdefault(section, {}) if at else data[section]
        if value is None:
            part.pop(name, None)
        else:
            part[name] = {"value": value, "unit": unit_of(name), "source": source}
    data["rules"] = {pattern: rule for pattern, rule in data["rules"].items() if any(rule.values())}
    data["name"] = f"{profile.name} with {_told(changes)}"
    return parse_profile(data, data["name"])


def _rule(data: dict[str, Any], pattern: str) -> dict[str, Any]:
    """Return the rule of a pattern, which becomes the last one."""
    rules = data["rules"]
    rules[pattern] = rules.pop(pattern, {})
    rule: dict[str, Any] = rules[pattern]
    return rule


def _told(changes: Mapping[str, Any]) -> str:
    """Name changes, of many single populations and connections how many."""
    own = [f"{key}={value}" for key, value in changes.items() if "@" not in key]
    rules = [f"{key}={value}" for key, value in changes.items() if "@" in key]
    return ", ".join([*own, *(rules if len(rules) <= MOST_NAMED else [f"{len(rules)} rules"])])


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Return the changes that texts ``section.key=value`` name, values as YAML reads them; InputError for others."""
    changes: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        rule = (
            f"override {text}: rule: SECTION.KEY=VALUE, such as precision.weight_bits=4, or SECTION.KEY@NAME=VALUE, "
            "such as precision.weight_bits@layers.0.recurrent=4"
        )
        name, at, pattern = key.partition("@")
        if not (name.count(".") == 1 and equals and value and (pattern or not at)):
            raise InputError(rule)
        if key in changes:
            raise InputError(f"override {key}: given twice, rule: once")
        try:
            changes[key] = parse_yaml(value, "override")
        except InputError as error:
            raise InputError(f"{rule} ({error})") from error
    return changes


def profile_keys() -> list[str]:
    """Return the names of all numbers that a profile can hold, "section.key"."""
    sections: dict[str, Any] = {name: Profile.model_fields[name].annotation for name in SECTIONS}
    # a section that a profile may lack is a union of it and None
    parts = {name: next(iter(get_args(part)), part) for name, part in sections.items()}
    return [f"{name}.{key}" for name, part in parts.items() for key in part.model_fields]


def _with_fraction(profile: Profile, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes with the fraction of eligibilities that goes with their width."""
    bits = changes.get(BITS)
    if isinstance(bits, bool) or not isinstance(bits, int) or FRACTION in changes:
        return dict(changes)
    fraction = profile.learning.eligibility_fraction.value + bits - profile.learning.eligibility_bits.value
    return {**changes, FRACTION: max(fraction, 0)}

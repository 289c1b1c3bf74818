"""What two profiles state differently, key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypr_neuro.profiles.chip import Profile
from hypr_neuro.profiles.quantity import Quantity, Section


@dataclass(frozen=True)
class ProfileDifference:
    """One key that two profiles state differently; None where a profile does not state it."""

    key: str
    first: Quantity[Any] | None
    second: Quantity[Any] | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, both numbers with unit and source."""
        return {
            "key": self.key,
            "first": None if self.first is None else self.first.model_dump(mode="json", exclude_none=True),
            "second": None if self.second is None else self.second.model_dump(mode="json", exclude_none=True),
        }


def differences(first: Profile, second: Profile) -> tuple[list[ProfileDifference], list[ProfileDifference]]:
    """Compare two profiles.

    Returns
    -------
    list of ProfileDifference
        Keys whose value or unit differs, or which one alone states, in the order of a profile.
    list of ProfileDifference
        Keys of equal value and another source, or chip.
    """
    one, other = _stated(first), _stated(second)
    numbers, sources = [], []
    for key in dict.fromkeys((*one, *other)):
        a, b = one.get(key), other.get(key)
        if a is None or b is None or (a.value, a.unit) != (b.value, b.unit):
            numbers.append(ProfileDifference(key, a, b))
        elif a != b:
            sources.append(ProfileDifference(key, a, b))
    return numbers, sources


def _stated(profile: Profile) -> dict[str, Quantity[Any]]:
    stated = {
        f"{name}.{key}": quantity
        for name, section in profile
        if isinstance(section, Section)
        for key, quantity in section
        if isinstance(quantity, Quantity)
    }
    rules = {f"{key}@{name}": number for name, rule in profile.rules.items() for key, number in rule.numbers().items()}
    return stated | rules

"""Hardware profiles: one YAML file a chip, every number with unit and source.

A number is written ``{value: 8, unit: bit, source: "…"}``. ``extends: NAME`` takes another profile as the start and
overrides single keys, so that a study varies one field. What is not published is left out, never guessed.

The record is in `profiles.chip`, its sections in `profiles.sections`, the loader in `profiles.load`.
"""

from __future__ import annotations

from hypr_neuro.profiles.chip import Profile
from hypr_neuro.profiles.load import load_profile, parse_profile, profile_names, profile_schema
from hypr_neuro.profiles.quantity import NO_UNIT, UNITS, Quantity, told_value, unit_of
from hypr_neuro.profiles.sections import Abilities, Chip, Core, Energy, Learning, Precision, Time, error_names

__all__ = [
    "NO_UNIT",
    "UNITS",
    "Abilities",
    "Chip",
    "Core",
    "Energy",
    "Learning",
    "Precision",
    "Profile",
    "Quantity",
    "Time",
    "error_names",
    "load_profile",
    "parse_profile",
    "profile_names",
    "profile_schema",
    "told_value",
    "unit_of",
]

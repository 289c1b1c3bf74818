"""What a study may vary, by dotted name.

name                     what it sets
=======================  ==============================================================================
profile                  the chip, a name or the path of a YAML file
precision.weight_bits    any number of the profile, by section and key
weight_bits@NAME         a number that a rule of the profile may give, of single populations or connections
network.layers.0.size    any entry of the network's specification
training.rate            an option of `hn.train`
quantize.rounding        an option of `hn.quantize`
learn.rate               an option of learning (`hn.LearnOptions`), or its epochs
=======================  ==============================================================================

The last part of a name is enough where no other name ends so: ``weight_bits``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from inspect import signature
from typing import Any

from hypr_neuro.errors import InputError, among, like
from hypr_neuro.profiles.override import profile_keys
from hypr_neuro.profiles.rules import RULE_KEYS
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.train.loop import train

PROFILE, NETWORK, TRAINING, QUANTIZE, LEARN = "profile", "network", "training", "quantize", "learn"
GIVEN = {"net", "data", "profile", "calibration", "checkpoint", "on_epoch", "progress", "seed", "dtype", "state_scale"}
"""Arguments that a study gives itself."""


def field_names() -> dict[str, list[str]]:
    """Return all names by their part before the first dot, entries of a network apart, whose names are its own."""
    options = {
        TRAINING: [name for name in signature(train).parameters if name not in GIVEN],
        QUANTIZE: [name for name in signature(quantize).parameters if name not in GIVEN],
        LEARN: ["epochs", *(f.name for f in fields_of(LearnOptions) if f.name != "seed")],
    }
    names = {section: [f"{section}.{key}" for key in keys] for section, keys in options.items()}
    for key in profile_keys():
        names.setdefault(key.partition(".")[0], []).append(key)
    return names | {PROFILE: [PROFILE]}


def full_name(name: str) -> str:
    """Return the dotted name that a name stands for.

    Raises
    ------
    InputError
        For an unknown name, with the one most like it, and for one that stands for several.
    """
    if name.startswith(f"{NETWORK}."):
        return name
    if "@" in name:
        return _of_rule(name)
    known = [one for names in field_names().values() for one in names]
    if name in known:
        return name
    ends = [one for one in known if one.rpartition(".")[2] == name]
    if len(ends) > 1:
        raise InputError(f"field '{name}' stands for {' and '.join(ends)}, rule: one; write it in full")
    if not ends:
        shorts = [one.rpartition(".")[2] for one in known] if "." not in name else known
        hint = like(name, [*dict.fromkeys(shorts), f"{NETWORK}."])
        raise InputError(
            f"field: unknown '{name:.60}'{hint}; docs/studies.md says what can vary, `hypr-neuro study schema` lists it"
        )
    return ends[0]


def _of_rule(name: str) -> str:
    """Return the full name of a number that a rule gives: "precision.weight_bits@readout" for "weight_bits@readout"."""
    key, _, pattern = name.partition("@")
    full = next((one for one in RULE_KEYS if key in (one, one.rpartition(".")[2])), None)
    if full is None:
        raise InputError(f"field '{name:.80}': unknown {among(key, RULE_KEYS)} before @")
    if not pattern:
        raise InputError(
            f"field '{name:.80}', rule: the name of a population or connection behind @, such as {full}@readout"
        )
    return f"{full}@{pattern}"


def key_of(name: str) -> tuple[str, str]:
    """Return the last part of a field's name, and what stands behind its @, "" where nothing does."""
    key, _, pattern = name.partition("@")
    return key.rpartition(".")[2], pattern


def section_of(name: str) -> str:
    """Return which part of a trial a dotted name is of: a profile's numbers are all of "profile"."""
    first = name.partition(".")[0]
    return first if first in (NETWORK, TRAINING, QUANTIZE, LEARN) else PROFILE


def of_section(settings: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Return the settings of one part by the names that it knows itself."""
    chosen = {name: value for name, value in settings.items() if section_of(name) == section}
    return chosen if section == PROFILE else {name.partition(".")[2]: value for name, value in chosen.items()}


def with_entry(spec: Any, path: str, value: Any) -> Any:
    """Return a network's specification with one entry changed, such as ``layers.0.size``.

    Raises
    ------
    InputError
        For a path that leads nowhere.
    """
    first, _, rest = path.partition(".")
    where = f"field '{NETWORK}.{path}'"
    if isinstance(spec, list):
        if not first.isdecimal() or int(first) >= len(spec):
            raise InputError(f"{where}: '{first}', rule: a place in a list of {len(spec)}, counted from 0")
        place = int(first)
        return (
            [with_entry(one, rest, value) if i == place and rest else one for i, one in enumerate(spec)]
            if rest
            else [value if i == place else one for i, one in enumerate(spec)]
        )
    if not isinstance(spec, Mapping):
        raise InputError(
            f"{where}: '{first}' is an entry of what has none; name an entry of the network's specification"
        )
    return {**spec, first: with_entry(spec.get(first, {}), rest, value) if rest else value}

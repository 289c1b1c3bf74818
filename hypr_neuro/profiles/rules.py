"""Rules of a profile: other widths of single populations and connections, by a pattern of their names.

    rules:
      layers.0.recurrent:
        precision:
          weight_bits: {value: 4, unit: bit, source: "…"}
      "layers.*":
        learning:
          eligibility_bits: {value: 12, unit: bit, source: "…"}

A pattern is a name, or one with ``*`` and ``?`` as file names have them. Numbers of weights are of connections: of the
connection that a pattern names ("layers.0.input", "a -> b"), or of all that lead to the population that it names. All
others are of populations. Where several rules say the same number, the last one counts.

A chip has room for what it states, so a rule makes a width smaller, never larger. Eligibilities of another width keep
their range, as with `profiles.override`: their fraction changes by as many bits, unless the rule gives it as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from hypr_neuro.errors import InputError
from hypr_neuro.profiles.quantity import Quantity, Section, Strict

if TYPE_CHECKING:
    from hypr_neuro.profiles.chip import Profile

LEVELS = ("integers", "ternary", "binary")
LEVEL_BITS = {"ternary": 2, "binary": 1}
"""Bits of a weight that has so few levels."""
WeightLevels = Quantity[Literal["integers", "ternary", "binary"]]
OF_WEIGHTS = ("precision.weight_bits", "precision.weight_levels")
"""Numbers of connections; all others are of populations."""
ELIGIBILITY, FRACTION = "learning.eligibility_bits", "learning.eligibility_fraction"


class PrecisionRule(Section):
    """Numbers of `Precision` that a rule may give."""

    weight_bits: Quantity[Annotated[int, Field(ge=1, le=16)]] | None = None
    weight_levels: WeightLevels | None = None
    state_bits: Quantity[Annotated[int, Field(ge=8, le=32)]] | None = None
    coefficient_bits: Quantity[Annotated[int, Field(ge=12, le=17)]] | None = None


class LearningRule(Section):
    """Numbers of `Learning` that a rule may give."""

    eligibility_bits: Quantity[Annotated[int, Field(ge=4, le=32)]] | None = None
    eligibility_fraction: Quantity[Annotated[int, Field(ge=0, le=24)]] | None = None
    accumulator_bits: Quantity[Annotated[int, Field(ge=8, le=32)]] | None = None


class WidthRule(Strict):
    """What one pattern of names has in place of the chip's own numbers."""

    precision: PrecisionRule = Field(default_factory=PrecisionRule)
    learning: LearningRule = Field(default_factory=LearningRule)

    def numbers(self) -> dict[str, Quantity[Any]]:
        """Return the numbers that it gives, by "section.key"."""
        parts = (("precision", self.precision), ("learning", self.learning))
        return {f"{name}.{key}": value for name, part in parts for key, value in part if value is not None}


RULE_KEYS = tuple(
    f"{section}.{key}"
    for section, part in (("precision", PrecisionRule), ("learning", LearningRule))
    for key in part.model_fields
)
"""Numbers that a rule may give."""


def as_mapping(value: Any) -> Any:
    """Return rules by pattern of a list of them, each with its pattern as ``at``; anything else as it is.

    Files whose mappings have no order hold them so, since a later rule wins.
    """
    if not isinstance(value, list) or not all(isinstance(entry, dict) and "at" in entry for entry in value):
        return value
    return {entry["at"]: {key: part for key, part in entry.items() if key != "at"} for entry in value}


def matches(pattern: str, names: Iterable[str]) -> bool:
    """Tell whether a rule's pattern names any of these."""
    return any(fnmatchcase(name, pattern) for name in names)


def chosen_numbers(rules: Mapping[str, WidthRule], names: Iterable[str]) -> dict[str, Quantity[Any]]:
    """Return what the rules give something of any of these names, the last one last."""
    names, chosen = tuple(names), dict[str, Quantity[Any]]()
    for pattern, rule in rules.items():
        if matches(pattern, names):
            numbers = rule.numbers()
            for one, other in (OF_WEIGHTS, OF_WEIGHTS[::-1]):
                if one in numbers and other not in numbers:
                    chosen.pop(other, None)  # bits end levels of a rule before, and the other way round
            if ELIGIBILITY in numbers:
                chosen.pop(FRACTION, None)
            chosen |= numbers
    return chosen


def with_rules(profile: Profile, numbers: Mapping[str, Quantity[Any]]) -> Profile:
    """Return a profile without rules that has these numbers in place of its own."""
    parts = {"precision": profile.precision, "learning": profile.learning}
    changed: dict[str, dict[str, Any]] = {name: {} for name in parts}
    if OF_WEIGHTS[0] in numbers and OF_WEIGHTS[1] not in numbers:
        kept = profile.precision.weight_levels
        changed["precision"]["weight_levels"] = kept.model_copy(update={"value": "integers"})
    if ELIGIBILITY in numbers and FRACTION not in numbers:
        own = profile.learning
        fewer = own.eligibility_bits.value - numbers[ELIGIBILITY].value
        fraction = own.eligibility_fraction
        moved = max(fraction.value - fewer, 0)
        changed["learning"]["eligibility_fraction"] = fraction.model_copy(update={"value": moved})
    for key, quantity in numbers.items():
        section, name = key.split(".")
        changed[section][name] = quantity
    sections = {name: part.model_copy(update=changed[name]) for name, part in parts.items()}
    made = profile.model_copy(update={**sections, "rules": {}})
    return made


def check_rules(profile: Profile) -> None:
    """Raise ValueError for rules that say nothing, contradict themselves or ask for more than the chip has."""
    for pattern, rule in profile.rules.items():
        numbers = rule.numbers()
        if not numbers:
            raise ValueError(
                f"rules.{pattern}: no number, rule: at least one of {', '.join(RULE_KEYS)}; leave the rule out"
            )
        for key, quantity in numbers.items():
            _check_number(profile, pattern, key, quantity.value)
        _check_levels(pattern, numbers)


def _check_number(profile: Profile, pattern: str, key: str, given: Any) -> None:
    section, name = key.split(".")
    own, value = getattr(getattr(profile, section), name).value, given
    if key in OF_WEIGHTS:
        own = profile.precision.stored_weight_bits
        value = LEVEL_BITS.get(given, own) if key == OF_WEIGHTS[1] else given
    if value > own:
        raise ValueError(
            f"rules.{pattern}.{key} = {given}, rule: at most {own}, what the chip has ({key}); make it smaller, or "
            f"give a profile whose own {key} is larger"
        )


def _check_levels(pattern: str, numbers: Mapping[str, Quantity[Any]]) -> None:
    bits, levels = (numbers.get(key) for key in OF_WEIGHTS)
    if bits is not None and levels is not None and bits.value != LEVEL_BITS.get(levels.value, bits.value):
        raise ValueError(
            f"rules.{pattern}: weight_levels {levels.value} with weight_bits {bits.value}, rule: "
            f"{LEVEL_BITS[levels.value]} bits; leave one of them out"
        )


def check_names(profile: Profile, populations: Iterable[str], connections: Iterable[Iterable[str]]) -> None:
    """Raise InputError for a rule that names nothing of a network, or nothing that has its numbers.

    Parameters
    ----------
    profile
        With the rules.
    populations
        Names of the network's populations.
    connections
        Of each connection all the names that it goes by.
    """
    populations, named = list(populations), [tuple(names) for names in connections]
    known = [*populations, *(names[0] for names in named)]
    for pattern, rule in profile.rules.items():
        population = matches(pattern, populations)
        if not population and not any(matches(pattern, names) for names in named):
            raise InputError(
                f"rules.{pattern}: no population or connection of this network has that name, known: "
                f"{', '.join(known)}; correct the name or leave the rule out"
            )
        others = [key for key in rule.numbers() if key not in OF_WEIGHTS]
        if others and not population:
            raise InputError(
                f"rules.{pattern}.{others[0]}: '{pattern}' is a connection, rule: a population, known: "
                f"{', '.join(populations)}; give {others[0]} to the population"
            )

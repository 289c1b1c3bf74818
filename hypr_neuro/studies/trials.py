"""Which trials a study has: every combination of values, or some of them, each with every seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.studies.fields import PROFILE
from hypr_neuro.studies.spec import Span, Study

HOW_MANY = {"title", "vary", "sampler", "trials", "generation", "objectives", "seeds"}
"""What a study may change without a change of the trials that it has."""
DRAWN = 16
"""Salt of the combinations that are drawn, in front of the study's seed."""
MOST_AGAIN = 1000
"""Draws in a row that brought nothing new."""


@dataclass(frozen=True)
class Trial:
    """One combination of values with one seed.

    Attributes
    ----------
    number
        In the order of the study.
    settings
        Values of what varies, by full name; of labelled sets the label.
    stated
        All that it sets by full name, labels resolved, what the study sets for all included.
    seed
        Of start weights, order of samples, damage.
    digest
        Of all that its result depends on: what the study states, settings, seed, data, start network, code.
    """

    number: int
    settings: dict[str, Any]
    stated: dict[str, Any]
    seed: int
    digest: str

    @property
    def told(self) -> dict[str, Any]:
        """Return labels and all that they and the study set, as it is kept beside the result."""
        return {**self.settings, **self.stated}


def combinations(study: Study) -> list[dict[str, Any]]:
    """Return the settings of a study whose sampler follows no results, in order.

    Drawn ones are the same whenever a study is asked again, and more of them begin with the same ones.

    Raises
    ------
    InputError
        For more trials than there are combinations.
    """
    values = study.values()
    if study.chosen_sampler == "grid":
        return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    if study.base is not None:
        return list(_one_at_a_time(study.base, values))
    if not all(values.values()):
        return [_drawn_values(study, number) for number in range(study.count)]
    count = prod(len(v) for v in values.values())
    if study.count > count:
        raise InputError(
            f"trials = {study.trials}, rule: at most {count}, the combinations of the values; leave it out"
        )
    if any(isinstance(span, Span) and span.log for span in study.vary.values()):
        return _drawn_by_logarithm(study, values, count)
    return [_combination(values, int(number)) for number in _drawn(count, study.count)]


def _one_at_a_time(base: Mapping[str, Any], values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the base, then each field with each of its other values, all others as in the base."""
    yield dict(base)
    for name, of in values.items():
        yield from ({**base, name: value} for value in of[1:])


def _drawn_values(study: Study, number: int) -> dict[str, Any]:
    """Return the combination of that number where some fields are spans of fractions."""
    rng = np.random.default_rng([DRAWN, number])
    chosen: dict[str, Any] = {}
    for name, values in study.values().items():
        span, place = study.vary[name], rng.random()
        if not isinstance(span, Span) or (span.whole and not span.log):
            chosen[name] = values[int(place * len(values))]
            continue
        low, high = span.ends
        value = low * (high / low) ** place if span.log else low + (high - low) * place
        chosen[name] = round(value) if span.whole else min(max(value, low), high)
    return chosen


def _drawn_by_logarithm(study: Study, values: Mapping[str, Sequence[Any]], count: int) -> list[dict[str, Any]]:
    """Draw combinations of whole numbers without repetition, where spans lie evenly by their logarithm.

    Once nothing new was drawn many times in a row, the unlikely rest is drawn evenly.
    """
    rng, number, again = np.random.default_rng(DRAWN), 0, 0
    drawn: dict[str, dict[str, Any]] = {}
    while len(drawn) < study.count:
        even = again >= MOST_AGAIN
        chosen = _combination(values, int(rng.integers(count))) if even else _drawn_values(study, number)
        number, held = number + 1, len(drawn)
        drawn.setdefault(repr(chosen), chosen)
        again = again + 1 if even or len(drawn) == held else 0
    return list(drawn.values())


def _drawn(count: int, wanted: int) -> list[int]:
    """Draw numbers without repetition; more of them begin with the same ones, so that a study can be extended."""
    rng = np.random.default_rng(DRAWN)
    drawn: dict[int, None] = {}
    while len(drawn) < wanted:
        drawn.setdefault(int(rng.integers(count)))
    return list(drawn)


def _combination(values: Mapping[str, Sequence[Any]], number: int) -> dict[str, Any]:
    """Return the combination of that number, the last field changing fastest."""
    chosen: dict[str, Any] = {}
    for name in reversed(list(values)):
        number, place = divmod(number, len(values[name]))
        chosen[name] = values[name][place]
    return {name: chosen[name] for name in values}


def trials_of(
    study: Study,
    chosen: Iterable[dict[str, Any]],
    basis: Mapping[str, str],
    chips: Mapping[str, str] | None = None,
) -> Iterator[Trial]:
    """Yield the trials of combinations in order.

    Parameters
    ----------
    study
        Its values and seeds.
    chosen
        Combinations.
    basis
        Digests of what a result depends on beside the study: data, network, code.
    chips
        Digest of each profile's content by the name that the study has for it.
    """
    by_content = {"network", "data", "data_dir", "profile"}
    stated = study.model_dump(mode="json", exclude=HOW_MANY | by_content)
    if not isinstance(study.network, str):
        stated["network"] = study.network
    number = 0
    for settings in chosen:
        sets = study.stated(settings)
        for seed in range(study.seeds):
            name = sets.get(PROFILE, study.profile)
            chip = (chips or {}).get(name, name)
            # what a label sets, and not the label: another word for the same is the same trial
            content = {"study": stated, "settings": sets, "seed": seed, "basis": dict(basis), "chip": chip}
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            yield Trial(number, settings, sets, seed, hashlib.sha256(text.encode()).hexdigest()[:24])
            number += 1

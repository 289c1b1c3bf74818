"""Warnings of trials: which say of a figure that it is worth little."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypr_neuro.studies.work import WARNED

NUMBERS = re.compile(r"\d[\d,.]*")


def _kind(line: str) -> str:
    """Return a warning without its numbers, which differ from seed to seed."""
    return NUMBERS.sub("#", line)


def of_seeds(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the warnings of a combination's trials, each kind once, with how many seeds have it."""
    found: dict[str, tuple[str, set[int]]] = {}
    for seed, result in enumerate(results):
        for line in result.get(WARNED, ()):
            found.setdefault(_kind(line), (line, set()))[1].add(seed)
    of = f" (in {{}} of {len(results)} seeds)" if len(results) > 1 else ""
    return [line + of.format(len(seeds)) for line, seeds in found.values()]


def by_kind(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return each kind of warning as its first row has it, with the rows that have it, the most frequent first."""
    found: dict[str, tuple[str, list[Mapping[str, Any]]]] = {}
    for row in rows:
        for line in row.get(WARNED, ()):
            found.setdefault(_kind(line), (line, []))[1].append(row)
    return sorted(found.values(), key=lambda pair: -len(pair[1]))

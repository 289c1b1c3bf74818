"""Tests of one neuron model, found by the words of their ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

NEURONS = Path(__file__).resolve().parents[2] / "hypr_neuro" / "neurons"
MODELS = frozenset(path.stem for path in NEURONS.glob("*.py"))
"""Names of neuron models, those of the few other files beside them included; nothing is imported."""
_LONGEST_FIRST = "|".join(sorted(MODELS, key=len, reverse=True))
_NAMES = re.compile(rf"(?<![a-z0-9])(?:{_LONGEST_FIRST})(?![a-z0-9])")


def models_in(text: str) -> list[str]:
    """Return the models that a text names by whole words, in order: "rf_iz-lif_1" has rf_iz and lif, but not rf."""
    return _NAMES.findall(text)


def parameters(nodeid: str) -> str:
    """Return what stands in the brackets of a test's id."""
    return nodeid.partition("::")[2].partition("[")[2]


def of_models(nodeids: Sequence[str], models: Collection[str], cases: int) -> list[int]:
    """Return the places of the tests that name one of the models, in file, function or parameters.

    Of more than `cases` of one function those stay that are spread evenly over all, the first and the last among them.
    """
    functions: dict[str, list[int]] = {}
    for place, nodeid in enumerate(nodeids):
        if set(models) & set(models_in(nodeid)):
            functions.setdefault(nodeid.partition("[")[0], []).append(place)
    kept = []
    for places in functions.values():
        last, few = len(places) - 1, min(cases, len(places))
        kept += [places[i * last // max(few - 1, 1)] for i in range(few)]
    return sorted(kept)

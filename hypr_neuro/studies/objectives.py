"""What a study seeks: columns of its table that shall be large or small."""

from __future__ import annotations

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError, among
from hypr_neuro.studies.columns import ACCURACY, ERROR
from hypr_neuro.studies.fields import full_name
from hypr_neuro.studies.spec import Study

ROOM = ("cores", "memory bits", "energy nJ", "time us", "learning energy nJ")
"""What a trial takes on the chip; a sample's energy and time, without figures where a profile has none."""
OF_RUN = {
    "quantize": ("agreement", "saturations"),
    "learn": ("agreement", "saturations", "weights saturated", "clips", "rate"),
    "compare": ("gap", "least cosine", "mean cosine", "weight distance", "weights saturated", "clips", "rate"),
}


def figure_names(study: Study, data: SequenceData) -> list[str]:
    """Return the columns of figures that a study on these data can have."""
    score = ERROR if data.regression else ACCURACY
    other = "test" if study.part == "validation" else "validation"
    parts = ["", f"{other} "] if np.any(data.split == other) else [""]
    scores = [f"{part}{side}{score}" for side in ("", "float ") for part in parts]
    starts = {"learn": [f"start {score}"], "compare": [f"start {score}", f"start float {score}"]}
    named = [*scores, *starts.get(study.run, []), *OF_RUN[study.run], "clipped", "zeroed", *ROOM]
    return [name for name in named if name != "agreement" or study.start == "trained"]


def objectives_of(study: Study, data: SequenceData) -> dict[str, str]:
    """Return what the study seeks by full name of the column, "max" or "min"; the score where it states nothing.

    Raises
    ------
    InputError
        For a name that is no column and no field that varies.
    """
    if not study.objectives:
        return {ERROR: "min"} if data.regression else {ACCURACY: "max"}
    known = figure_names(study, data)
    found: dict[str, str] = {}
    for name, direction in study.objectives.items():
        column = name if name in known else _field(study, name)
        if column is None:
            raise InputError(f"study: objectives: unknown {among(name, [*known, *study.vary])}")
        found[column] = direction
    return found


def _field(study: Study, name: str) -> str | None:
    """Return the full name of a field that varies."""
    try:
        full = full_name(name)
    except InputError:
        return None
    return full if full in study.vary else None

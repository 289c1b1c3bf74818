"""What the report says of a regression: squared errors beside that of always answering the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypr_neuro.data import doubts
from hypr_neuro.report.values import Data, last, lookup, number, rows, show

if TYPE_CHECKING:
    from hypr_neuro.report.summary import Tile

NAMES = {"float": "Float network", "integer": "Integers", "integer_start": "Integers before learning"}


def is_regression(results: Data) -> bool:
    """Tell whether the results are those of a regression."""
    return any(number(lookup(results, "squared_error", name)) is not None for name in NAMES)


def error_rows(results: Data) -> list[Data]:
    """Return a row for each network and for always answering the mean: name, squared error, R2."""
    errors, mean = results.get("squared_error"), number(lookup(results, "squared_error", "mean"))
    table = [
        {"name": title, "error": error, "r2": 1.0 - error / mean if mean else None}
        for name, title in NAMES.items()
        if (error := number(lookup(errors, name))) is not None
    ]
    return table + ([{"name": "Always the mean target", "error": mean, "r2": 0.0}] if mean is not None else [])


def tiles_of_errors(results: Data) -> list[Tile]:
    """Return the tiles of float, integers and both studies of learning."""
    mean = number(lookup(results, "squared_error", "mean"))
    found = [
        _tile(title, number(lookup(results, "squared_error", key)), mean, "on the test part")
        for key, title in (("float", "Float network"), ("integer", "In integers"))
    ]
    for key, title in (("scratch", "Learning on the chip"), ("fine_tuning", "Fine-tuning on the chip")):
        study = lookup(results, "learning", key)
        start, after = number(lookup(study, "start_squared_error")), after_learning(study)
        found.append(_tile(title, after, mean, f"from {show(start)} before learning"))
    return found


def _tile(title: str, error: float | None, mean: float | None, detail: str) -> Tile:
    """Return a tile, judged by the error of the mean."""
    from hypr_neuro.report.summary import Tile

    if error is None:
        return Tile(title, show(None), "not run", "none")
    detail = f"squared error {detail}" + ("" if mean is None else f"; always answering the mean: {show(mean)}")
    if mean is None:
        return Tile(title, show(error), "measured", "none", detail)
    verdict, kind = ("better than the mean", "good") if error < mean else ("no better than the mean", "poor")
    return Tile(title, show(error), verdict, kind, detail)


def after_learning(study: Any) -> float | None:
    """Return the squared error on the device after the last epoch of a study."""
    return last(rows(lookup(study, "epochs")), "device_squared_error")


def say_squared_error(results: Data) -> str:
    """Say the squared errors of float and integer network in plain words."""
    errors = results.get("squared_error")
    known = {name: number(lookup(errors, name)) for name in ("float", "integer", "mean")}
    places = {"float": "in float", "integer": "in integers"}
    told = [f"{show(known[name])} {place}" for name, place in places.items() if known[name] is not None]
    if not told:
        return ""
    text = f"Its mean squared error on the test part is {' and '.join(told)}"
    return text + ("." if known["mean"] is None else f"; always answering the mean target gives {show(known['mean'])}.")


def say_learning(results: Data) -> str:
    """Say what learning on the chip did to the squared error."""
    told = []
    for key, what in (("scratch", "from random weights"), ("fine_tuning", "going on from the network")):
        study = lookup(results, "learning", key)
        start, after = number(lookup(study, "start_squared_error")), after_learning(study)
        if start is not None and after is not None:
            float_side = last(rows(lookup(study, "epochs")), "float_squared_error")
            beside = "" if float_side is None else f", the same learning in float to {show(float_side)}"
            told.append(f"Learning on the chip {what} takes the error from {show(start)} to {show(after)}{beside}.")
    return " ".join(told)


def doubts_of_errors(results: Data) -> list[str]:
    """Return what makes these errors worthless."""
    mean, samples = number(lookup(results, "squared_error", "mean")), int(number(lookup(results, "data", "test")) or 1)
    sentences = []
    for name in ("float", "integer"):
        error = number(lookup(results, "squared_error", name))
        if error is not None and mean is not None:
            sentences += [f"{NAMES[name]}: {text}" for text in doubts.of_squared_error(error, mean, samples)]
    for key in ("scratch", "fine_tuning"):
        study = lookup(results, "learning", key)
        start, after = number(lookup(study, "start_squared_error")), after_learning(study)
        if start is not None and after is not None:
            sentences += doubts.of_learning_error(start, after, 0.01)
    return sentences

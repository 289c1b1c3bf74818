"""The summary: tiles with a verdict, and sentences in plain language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypr_neuro.report.regression import is_regression, say_learning, say_squared_error, tiles_of_errors
from hypr_neuro.report.values import (
    NOTHING,
    SPACE,
    UNKNOWN,
    Data,
    last,
    lookup,
    number,
    out_of,
    pairs,
    part,
    percent,
    points,
    rows,
    show,
)


@dataclass(frozen=True)
class Tile:
    """One figure of the summary; `kind`, which colours the verdict: good, fair, poor or none."""

    label: str
    figure: str
    verdict: str
    kind: str
    detail: str = ""


MOST_NAMED = 6
"""Populations that a sentence names."""
MARKS = {"good": "✓", "fair": "!", "poor": "✕", "none": "–"}


def tiles(results: Data) -> list[Tile]:
    """Return the tiles of the summary, in reading order, without what is no part of the run."""
    scores = [_float_tile, _integer_tile, _scratch_tile, _fine_tuning_tile]
    first = tiles_of_errors(results) if is_regression(results) else [tile(results) for tile in scores]
    shown = [*first, _fit_tile(results), _lava_tile(results)]
    return [tile for tile in shown if tile.figure != NOTHING or tile.detail]


def _absent(label: str, section: Any) -> Tile:
    """Return the tile of a section that was not run, with the reason where one was given."""
    missing = part(section)
    return Tile(label, NOTHING, "not run", "none", missing.reason.removeprefix("Skipped: ") if missing.skipped else "")


def _float_tile(results: Data) -> Tile:
    """Return the tile of the float network, judged by the best baseline or by guessing."""
    label, accuracy = "Float network", number(lookup(results, "accuracy", "float"))
    if accuracy is None:
        return _absent(label, results.get("accuracy"))
    baseline = _best_baseline(results)
    chance = chance_level(results)
    if baseline is not None:
        verdict, kind = ("above baseline", "good") if accuracy >= baseline[1] else ("below baseline", "fair")
        detail = f"test accuracy; {baseline[0]}: {percent(baseline[1])}"
    elif chance is not None:
        learned = accuracy >= chance + (1 - chance) / 4
        verdict, kind = ("learned", "good") if learned else ("near chance", "poor")
        detail = f"test accuracy; guessing gives {percent(chance)}"
    else:
        verdict, kind, detail = "measured", "none", "test accuracy"
    return Tile(label, percent(accuracy), verdict, kind, detail)


def _best_baseline(results: Data) -> tuple[str, float] | None:
    """Return name and accuracy of the best baseline."""
    known = [
        (name, share)
        for name, value in pairs(lookup(results, "accuracy", "baselines"))
        if (share := number(value)) is not None
    ]
    return max(known, key=lambda item: item[1], default=None)


def chance_level(results: Data) -> float | None:
    """Return the accuracy of guessing, None where there are no classes."""
    classes = number(lookup(results, "data", "classes"))
    return 1 / classes if classes is not None and classes >= 2 else None


def _integer_tile(results: Data) -> Tile:
    """Return the tile of the integer network, judged by its distance to float."""
    label, accuracy = "In integers", number(lookup(results, "accuracy", "integer"))
    if accuracy is None:
        return _absent(label, results.get("accuracy"))
    difference = integer_difference(results)
    if difference is None:
        return Tile(label, percent(accuracy), "measured", "none", "test accuracy")
    verdict, kind = _grade(difference, (-1, "kept"), (-3, "small loss"), "large loss")
    agreement = number(lookup(results, "accuracy", "agreement"))
    agreeing = f"; {percent(agreement)} of the predictions are the same" if agreement is not None else ""
    return Tile(label, percent(accuracy), verdict, kind, f"{points(difference)} against float{agreeing}")


def integer_difference(results: Data) -> float | None:
    """Return integer accuracy minus float accuracy in percentage points."""
    stated = number(lookup(results, "accuracy", "difference_points"))
    shares = [number(lookup(results, "accuracy", name)) for name in ("integer", "float")]
    if stated is not None or shares[0] is None or shares[1] is None:
        return stated
    return 100 * (shares[0] - shares[1])


def _grade(value: float, good: tuple[float, str], fair: tuple[float, str], poor: str) -> tuple[str, str]:
    """Return verdict and kind by the lower limits of good and fair, in percentage points or shares."""
    value = round(value, 9)
    if value >= good[0]:
        return good[1], "good"
    return (fair[1], "fair") if value >= fair[0] else (poor, "poor")


def _scratch_tile(results: Data) -> Tile:
    """Return the tile of learning from random weights, judged by float learning."""
    label, study = "Learning on the chip", lookup(results, "learning", "scratch")
    epochs = rows(lookup(study, "epochs"))
    device, floating = last(epochs, "device_accuracy"), last(epochs, "float_accuracy")
    if device is None:
        return _absent(label, study or results.get("learning"))
    start = _start(study)
    detail = f"from {percent(start)} before learning" if start is not None else "after learning from random weights"
    if start is not None and device <= start:
        return Tile(label, percent(device), "does not learn", "poor", detail)
    if floating is None:
        return Tile(label, percent(device), "learns" if start is not None else "measured", "none", detail)
    verdict, kind = _grade(100 * (device - floating), (-2, "keeps up"), (-5, "a little behind"), "behind")
    return Tile(label, percent(device), verdict, kind, f"{detail}; float learning reaches {percent(floating)}")


def _start(study: Any) -> float | None:
    """Return the accuracy before learning."""
    stated = number(lookup(study, "start_accuracy"))
    epochs = rows(lookup(study, "epochs"))
    return stated if stated is not None or not epochs else number(epochs[0].get("device_accuracy"))


def _fine_tuning_tile(results: Data) -> Tile:
    """Return the tile of learning after a disturbance, judged by the share of lost points that it won back."""
    label, study = "Fine-tuning on the chip", lookup(results, "learning", "fine_tuning")
    regained, start = regained_share(study), _start(study)
    device = last(rows(lookup(study, "epochs")), "device_accuracy")
    path = f"{percent(start)} → {percent(device)}" if device is not None and start is not None else ""
    if regained is not None:
        verdict, kind = _grade(regained, (0.8, "recovers"), (0.4, "recovers in part"), "does not recover")
        before = number(lookup(study, "reference_accuracy"))
        if device is None or start is None or before is None:
            return Tile(label, percent(regained), verdict, kind, "of the points lost to a disturbance")
        detail = f"of {_points_lost(before, start)} lost to a disturbance: {path}; {percent(before)} before it"
        # a space at which a narrow tile may break
        return Tile(label, points(100 * (device - start)).replace(SPACE, " "), verdict, kind, detail)
    if device is None:
        return _absent(label, study or results.get("learning"))
    if start is None:
        return Tile(label, percent(device), "measured", "none", "after learning")
    verdict, kind = _grade(100 * (device - start), (0, "no loss"), (-1, "kept"), "loses")
    return Tile(label, percent(device), verdict, kind, f"{points(100 * (device - start))}: {path}")


def regained_share(study: Any) -> float | None:
    """Return the share of the points lost to the disturbance that learning on the chip won back."""
    stated = number(lookup(study, "regained"))
    device = last(rows(lookup(study, "epochs")), "device_accuracy")
    start, reference = _start(study), number(lookup(study, "reference_accuracy"))
    if stated is not None or device is None or start is None or reference is None or reference <= start:
        return stated
    return (device - start) / (reference - start)


def _fit_tile(results: Data) -> Tile:
    """Return the tile of the placement."""
    label, placement = "On the chip", part(results.get("placement"))
    fits = placement.data.get("fits")
    if not isinstance(fits, bool) and fits != UNKNOWN:
        return _absent(label, results.get("placement"))
    used, cores = placement.data.get("cores_used"), placement.data.get("cores")
    name = lookup(results, "profile", "name")
    figure = f"{out_of(used, cores)} cores" if number(used) is not None else ("yes" if fits else "no")
    detail = f"profile {show(name)}" if name else ""
    if fits == UNKNOWN:
        return Tile(label, figure, "limits unknown", "none", detail)
    return Tile(label, figure, "fits" if fits else "does not fit", "good" if fits else "poor", detail)


def _lava_tile(results: Data) -> Tile:
    """Return the tile of the run in Lava."""
    label, lava = "Against Lava", part(results.get("lava"))
    equal = lava.data.get("equal")
    if not isinstance(equal, bool):
        return _absent(label, results.get("lava"))
    samples, steps = (number(lava.data.get(key)) for key in ("samples", "steps"))
    figure = "bit for bit" if steps is None else f"{show(int(steps))} steps"
    in_samples = f" in {_count(samples, 'sample')}" if samples is not None else ""
    detail = f"{show(lava.data.get('compared') or 'all integers')}{in_samples}"
    return Tile(label, figure, "equal" if equal else "differs", "good" if equal else "poor", detail)


def _count(amount: Any, word: str) -> str:
    """Return an amount with its word, in the plural where it is not one."""
    value = number(amount)
    if value is None:
        return f"{NOTHING} {word}s"
    return f"{show(int(value))} {word}{'' if value == 1 else 's'}"


def sentences(results: Data) -> list[str]:
    """Return the summary in plain words, from what the results hold."""
    makers: tuple[Callable[[Data], str], ...] = (
        _say_trained,
        _say_accuracy,
        say_squared_error,
        _say_placed,
        _say_lava,
        _say_scratch,
        _say_fine_tuning,
        say_learning,
    )
    return [text for make in makers if (text := make(results))]


def _say_trained(results: Data) -> str:
    """Say what was trained on what."""
    layers = rows(lookup(results, "network", "layers"))
    name = lookup(results, "data", "name")
    if not layers and not name:
        return ""
    net = f"A network of {_layers_text(layers)}" if layers else "A network"
    verb = "was trained" if not part(results.get("training")).reason else "runs"
    text = f"{net} {verb} on {show(name)}" if name else f"{net} {verb}" if verb != "runs" else net
    amount, steps = (number(lookup(results, "data", key)) for key in ("train", "steps"))
    if amount is not None:
        each = f" of {_count(steps, 'step')}" if steps is not None else ""
        text += f": {_count(amount, 'training sample')}{each}"
    rule = lookup(results, "training", "rule")
    return text + (f", rule {show(rule)}." if rule else ".")


def _layers_text(layers: list[Data]) -> str:
    """Return the layers in words, of many their number."""
    if len(layers) > MOST_NAMED:
        neurons = sum(number(layer.get("size")) or 0 for layer in layers)
        return f"{len(layers)} populations with {show(int(neurons))} neurons"
    texts = [
        f"{show(layer.get('size'))} {'recurrent ' if layer.get('recurrent') is True else ''}"
        f"{show(layer.get('neuron')).upper()} neurons"
        for layer in layers
    ]
    if len(texts) > 1 and layers[-1].get("name") == "readout":
        texts[-1] = f"a readout of {show(layers[-1].get('size'))}"
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _say_accuracy(results: Data) -> str:
    """Say the accuracies of float and integer network."""
    floating, integer = (number(lookup(results, "accuracy", key)) for key in ("float", "integer"))
    if floating is None:
        return ""
    test = number(lookup(results, "data", "test"))
    text = f"On {_count(test, 'test sample')} its" if test is not None else "Its test"
    text += f" accuracy is {percent(floating)} in float"
    if integer is None:
        return text + "."
    name = lookup(results, "profile", "name")
    place = f"the integers of {show(name)}" if name else "integers"
    return f"{text} and {percent(integer)} in {place}, a difference of {points(integer_difference(results))}."


def _say_placed(results: Data) -> str:
    """Say whether the network fits the chip."""
    placement = part(results.get("placement")).data
    if placement.get("fits") == UNKNOWN:
        return "Whether it fits the chip is unknown: the profile states no limit of a core."
    if not isinstance(placement.get("fits"), bool):
        return ""
    if not placement["fits"]:
        return "It does not fit the chip."
    used, cores = placement.get("cores_used"), placement.get("cores")
    return f"It fits the chip, on {out_of(used, cores)} cores." if number(used) is not None else "It fits the chip."


def _say_lava(results: Data) -> str:
    """Say whether Lava agrees."""
    equal = part(results.get("lava")).data.get("equal")
    if not isinstance(equal, bool):
        return ""
    return "Lava computes the same integers, bit for bit." if equal else "Lava computes other integers: see below."


def _say_scratch(results: Data) -> str:
    """Say what learning from random weights reaches."""
    epochs = rows(lookup(results, "learning", "scratch", "epochs"))
    device, floating = last(epochs, "device_accuracy"), last(epochs, "float_accuracy")
    if device is None:
        return ""
    float_text = f", the same learning in float {percent(floating)}" if floating is not None else ""
    return f"Learning on the chip from random weights reaches {percent(device)}{float_text}."


def _say_fine_tuning(results: Data) -> str:
    """Say what learning after a disturbance wins back."""
    study = lookup(results, "learning", "fine_tuning")
    regained, floating = regained_share(study), number(lookup(study, "float_regained"))
    if regained is None:
        return ""
    device, before = last(rows(lookup(study, "epochs")), "device_accuracy"), number(lookup(study, "reference_accuracy"))
    start = _start(study)
    if device is None or before is None or start is None:
        return f"After a disturbance, learning on the chip wins back {percent(regained)} of the points lost."
    if regained < 0:
        return f"After a disturbance, learning on the chip loses another {_points_lost(start, device)} points."
    if regained > 1:
        text = f"all of the points lost and more: {percent(device)}, before the disturbance {percent(before)}"
    else:
        float_text = f" ({100 * floating * (before - start):.1f} in float)" if floating is not None else ""
        text = f"{_points_lost(device, start)} of the {_points_lost(before, start)} points lost{float_text}"
    return f"After a disturbance, learning on the chip wins back {text}."


def _points_lost(one: float, other: float) -> str:
    """Return the percentage points between two shares, without a sign."""
    return f"{abs(100 * (one - other)):.1f}"

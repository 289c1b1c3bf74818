"""The report of a run: one self-contained HTML page, and the same numbers as JSON beside it.

`write_report` takes the results of a run as plain dicts, lists, numbers and strings. Every part is optional: one that
is missing, or is ``{"skipped": reason}``, is shown with its reason. The page opens with a summary in plain language; it
needs no network and no scripts, and equal results give equal bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.store import make_folder, write_text

if TYPE_CHECKING:
    from hypr_neuro.report.figures import Drawing

Data = dict[str, Any]
HTML_NAME, JSON_NAME = "report.html", "report.json"
NOTHING = "–"  # stands for None, NaN and what is missing
LARGEST = 1e30
SPACE = "\u202f"  # narrow and not broken: between a number and its unit, and between thousands
SECTIONS = ("data", "network", "profile", "training", "accuracy", "nir", "quantization", "placement", "lava", "raster")
STUDIES = {"scratch": "From random weights", "fine_tuning": "Fine-tuning after a disturbance"}
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_report(results: Data, folder: Path) -> tuple[Path, Path]:
    """Write report.html and report.json into `folder`, which is created; returns their paths.

    Both are rendered before either is written, and each is written whole or not at all.
    Raises InputError if `results` is no dict or the folder is not writable.
    """
    if not isinstance(results, Mapping):
        raise InputError(f"results = {type(results).__name__}, rule: a dict of sections; pass the dict of a run")
    cleaned = clean(results)
    page, text = render_page(cleaned), render_json(cleaned)
    folder = make_folder(Path(folder))
    paths = folder / HTML_NAME, folder / JSON_NAME
    write_text(paths[1], text)
    write_text(paths[0], page)
    return paths


def clean(value: Any) -> Any:
    """Plain dicts, lists, numbers and printable strings; anything else becomes its text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        return clean(value.tolist())
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return UNPRINTABLE.sub("\ufffd", str(value))


def render_json(results: Data) -> str:
    """The results as JSON; NaN and infinity, which JSON lacks, become null."""
    return json.dumps(_finite(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- reading results of which any part may be missing or of another type


def number(value: Any) -> float | None:
    """A finite number, or None for everything else (and for what no measurement gives, so that sums stay finite)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -LARGEST < value < LARGEST else None


def lookup(value: Any, *keys: str) -> Any:
    """``value[key][key]…``, or None where a step is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def rows(value: Any) -> list[Data]:
    """The dicts of a list; [] for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def pairs(value: Any) -> list[tuple[str, Any]]:
    """The items of a dict; [] for anything else."""
    return list(value.items()) if isinstance(value, dict) else []


def texts(value: Any) -> list[str]:
    """The entries of a list as text; [] for anything else."""
    return [show(item) for item in value] if isinstance(value, list) else []


def last(table: list[Data], key: str) -> float | None:
    """The last number under `key`."""
    found = [value for row in table if (value := number(row.get(key))) is not None]
    return found[-1] if found else None


def common(table: list[Data], key: str) -> str:
    """The text that all rows have under `key`; "" if they differ."""
    found = {show(row.get(key)) for row in table}
    return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True)
class Part:
    """One section: its data, or the reason why there is none."""

    data: Data
    reason: str = ""


def part(value: Any) -> Part:
    """A section of the results; an empty or missing one gets a reason."""
    if isinstance(value, dict) and value.get("skipped"):
        return Part({}, f"Skipped: {show(value['skipped'])}")
    if isinstance(value, dict) and any(key != "skipped" for key in value):
        return Part(value)
    return Part({}, "Not part of this run.")


# ---- numbers as text


def show(value: Any, kind: str = "") -> str:
    """Text of a value; `kind`: "pct" writes a share in percent, "fine" six digits, "sqnr" takes None for exact."""
    if kind == "sqnr" and value is None:
        return "exact"
    if kind == "pct" and number(value) is not None:
        return percent(float(value))
    if isinstance(value, (bool, int, float)):
        return _number_text(value, 6 if kind == "fine" else 4)
    if isinstance(value, dict):
        value = [f"{key} {show(item)}" for key, item in value.items()]
    if isinstance(value, list):
        return ", ".join(map(show, value)) or NOTHING
    return value if isinstance(value, str) and value else NOTHING


def _number_text(value: float, digits: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if number(value) is None:
        return "very large" if value > 0 else "very small" if value < 0 else NOTHING  # the last: NaN
    whole = value == int(value)
    if whole and abs(value) < 10_000:
        text = str(int(value))
    elif abs(value) < 1000 or abs(value) >= 1e15:
        text = f"{value:.{digits}g}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"
    return text.replace(",", SPACE).replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """0.917 -> "91.7 %"; a share that only rounding would make whole keeps its digits, as in 99.97 %."""
    if share is None:
        return NOTHING
    while digits < 4 and share != 1 and round(100 * share, digits) == 100:
        digits += 1
    return f"{100 * share:.{digits}f}{SPACE}%".replace("-", "−")


def points(difference: float | None) -> str:
    """-0.3 -> "−0.3 points"."""
    if difference is None:
        return NOTHING
    rounded = round(difference, 1) + 0.0
    return f"{rounded:+.1f}{SPACE}points".replace("-", "−") if rounded else f"0.0{SPACE}points"


def out_of(used: Any, limit: Any) -> str:
    """ "64 of 1024", or the first alone without a limit."""
    return show(used) if number(limit) is None else f"{show(used)} of {show(limit)}"


def span(low: Any, high: Any) -> str:
    """Lowest and highest value, or the one value that both are."""
    return show(low) if low == high else f"{show(low)} … {show(high)}"


def quantity(value: Any, unit: str) -> str:
    """A number with its unit."""
    return show(value) if number(value) is None else f"{show(value)}{SPACE}{unit}"


def bytes_text(bits: Any) -> str:
    """Bits as bytes or KiB."""
    size = number(bits)
    if size is None:
        return NOTHING
    return f"{size / 8192:.1f}{SPACE}KiB" if size >= 8192 else f"{show(size / 8)}{SPACE}B"


# ---- the summary: tiles and sentences


@dataclass(frozen=True)
class Tile:
    """One figure of the summary; `kind`, which colours the verdict: good, fair, poor or none."""

    label: str
    figure: str
    verdict: str
    kind: str
    detail: str = ""


MARKS = {"good": "✓", "fair": "!", "poor": "✕", "none": "–"}


def tiles(results: Data) -> list[Tile]:
    """The tiles of the summary, in reading order."""
    return [
        _float_tile(results),
        _integer_tile(results),
        _scratch_tile(results),
        _fine_tuning_tile(results),
        _fit_tile(results),
        _lava_tile(results),
    ]


def _absent(label: str, section: Any) -> Tile:
    return Tile(label, NOTHING, "not run", "none", part(section).reason.removeprefix("Skipped: "))


def _float_tile(results: Data) -> Tile:
    label, accuracy = "Float network", number(lookup(results, "accuracy", "float"))
    if accuracy is None:
        return _absent(label, results.get("accuracy"))
    baseline = _best_baseline(results)
    chance = _chance(results)
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
    found = [(name, share) for name, value in pairs(lookup(results, "accuracy", "baselines"))
             if (share := number(value)) is not None]  # fmt: skip
    return max(found, key=lambda item: item[1], default=None)


def _chance(results: Data) -> float | None:
    classes = number(lookup(results, "data", "classes"))
    return 1 / classes if classes is not None and classes >= 2 else None


def _integer_tile(results: Data) -> Tile:
    label, accuracy = "In integers", number(lookup(results, "accuracy", "integer"))
    if accuracy is None:
        return _absent(label, results.get("accuracy"))
    difference = integer_difference(results)
    if difference is None:
        return Tile(label, percent(accuracy), "measured", "none", "test accuracy")
    verdict, kind = _grade(difference, (-1, "kept"), (-3, "small loss"), "large loss")
    agreement = number(lookup(results, "accuracy", "agreement"))
    same = f"; {percent(agreement)} of the predictions are the same" if agreement is not None else ""
    return Tile(label, percent(accuracy), verdict, kind, f"{points(difference)} against float{same}")


def integer_difference(results: Data) -> float | None:
    """Integer accuracy minus float accuracy in percentage points."""
    given = number(lookup(results, "accuracy", "difference_points"))
    share = [number(lookup(results, "accuracy", name)) for name in ("integer", "float")]
    if given is not None or share[0] is None or share[1] is None:
        return given
    return 100 * (share[0] - share[1])


def _grade(value: float, good: tuple[float, str], fair: tuple[float, str], poor: str) -> tuple[str, str]:
    """Verdict and kind by the lower limits of good and fair, in percentage points or shares."""
    value = round(value, 9)
    if value >= good[0]:
        return good[1], "good"
    return (fair[1], "fair") if value >= fair[0] else (poor, "poor")


def _scratch_tile(results: Data) -> Tile:
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
    given = number(lookup(study, "start_accuracy"))
    epochs = rows(lookup(study, "epochs"))
    return given if given is not None or not epochs else number(epochs[0].get("device_accuracy"))


def _fine_tuning_tile(results: Data) -> Tile:
    label, study = "Fine-tuning on the chip", lookup(results, "learning", "fine_tuning")
    regained, start = regained_share(study), _start(study)
    device = last(rows(lookup(study, "epochs")), "device_accuracy")
    path = f"{percent(start)} → {percent(device)}" if device is not None and start is not None else ""
    if regained is not None:
        verdict, kind = _grade(regained, (0.8, "recovers"), (0.4, "recovers in part"), "does not recover")
        detail = f"of the points lost to a disturbance: {path}" if path else "of the points lost to a disturbance"
        return Tile(label, percent(regained, 0), verdict, kind, detail)
    if device is None:
        return _absent(label, study or results.get("learning"))
    if start is None:
        return Tile(label, percent(device), "measured", "none", "after learning")
    verdict, kind = _grade(100 * (device - start), (0, "no loss"), (-1, "kept"), "loses")
    return Tile(label, percent(device), verdict, kind, f"{points(100 * (device - start))}: {path}")


def regained_share(study: Any) -> float | None:
    """Share of the points lost to the disturbance that learning on the chip won back."""
    given = number(lookup(study, "regained"))
    device = last(rows(lookup(study, "epochs")), "device_accuracy")
    start, reference = _start(study), number(lookup(study, "reference_accuracy"))
    if given is not None or device is None or start is None or reference is None or reference <= start:
        return given
    return (device - start) / (reference - start)


def _fit_tile(results: Data) -> Tile:
    label, placement = "On the chip", part(results.get("placement"))
    fits = placement.data.get("fits")
    if not isinstance(fits, bool):
        return _absent(label, results.get("placement"))
    used, cores = placement.data.get("cores_used"), placement.data.get("cores")
    name = lookup(results, "profile", "name")
    figure = f"{out_of(used, cores)} cores" if number(used) is not None else ("yes" if fits else "no")
    detail = f"profile {show(name)}" if name else ""
    return Tile(label, figure, "fits" if fits else "does not fit", "good" if fits else "poor", detail)


def _lava_tile(results: Data) -> Tile:
    label, lava = "Against Lava", part(results.get("lava"))
    equal = lava.data.get("equal")
    if not isinstance(equal, bool):
        return _absent(label, results.get("lava"))
    samples, steps = (number(lava.data.get(key)) for key in ("samples", "steps"))
    figure = "bit for bit" if steps is None else f"{show(int(steps))} steps"
    of = f" in {_count(samples, 'sample')}" if samples is not None else ""
    detail = f"{show(lava.data.get('compared') or 'all integers')}{of}"
    return Tile(label, figure, "equal" if equal else "differs", "good" if equal else "poor", detail)


def _count(amount: Any, word: str) -> str:
    value = number(amount)
    if value is None:
        return f"{NOTHING} {word}s"
    return f"{show(int(value))} {word}{'' if value == 1 else 's'}"


def sentences(results: Data) -> list[str]:
    """The summary in plain words, from what the results hold."""
    makers: tuple[Callable[[Data], str], ...] = (
        _say_trained, _say_accuracy, _say_placed, _say_lava, _say_scratch, _say_fine_tuning)  # fmt: skip
    return [text for make in makers if (text := make(results))]


def _say_trained(results: Data) -> str:
    layers = rows(lookup(results, "network", "layers"))
    name = lookup(results, "data", "name")
    if not layers and not name:
        return ""
    net = f"A network of {_layers_text(layers)}" if layers else "A network"
    text = f"{net} was trained on {show(name)}" if name else f"{net} was trained"
    amount, steps = (number(lookup(results, "data", key)) for key in ("train", "steps"))
    if amount is not None:
        each = f" of {_count(steps, 'step')}" if steps is not None else ""
        text += f": {_count(amount, 'training sample')}{each}"
    rule = lookup(results, "training", "rule")
    return text + (f", rule {show(rule)}." if rule else ".")


def _layers_text(layers: list[Data]) -> str:
    said = [f"{show(layer.get('size'))} {'recurrent ' if layer.get('recurrent') is True else ''}"
            f"{show(layer.get('neuron')).upper()} neurons" for layer in layers]  # fmt: skip
    if len(said) > 1 and layers[-1].get("name") == "readout":
        said[-1] = f"a readout of {show(layers[-1].get('size'))}"
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _say_accuracy(results: Data) -> str:
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
    placement = part(results.get("placement")).data
    if not isinstance(placement.get("fits"), bool):
        return ""
    if not placement["fits"]:
        return "It does not fit the chip."
    used, cores = placement.get("cores_used"), placement.get("cores")
    return f"It fits the chip, on {out_of(used, cores)} cores." if number(used) is not None else "It fits the chip."


def _say_lava(results: Data) -> str:
    equal = part(results.get("lava")).data.get("equal")
    if not isinstance(equal, bool):
        return ""
    return "Lava computes the same integers, bit for bit." if equal else "Lava computes other integers: see below."


def _say_scratch(results: Data) -> str:
    epochs = rows(lookup(results, "learning", "scratch", "epochs"))
    device, floating = last(epochs, "device_accuracy"), last(epochs, "float_accuracy")
    if device is None:
        return ""
    beside = f", the same learning in float {percent(floating)}" if floating is not None else ""
    return f"Learning on the chip from random weights reaches {percent(device)}{beside}."


def _say_fine_tuning(results: Data) -> str:
    study = lookup(results, "learning", "fine_tuning")
    regained, floating = regained_share(study), number(lookup(study, "float_regained"))
    if regained is None:
        return ""
    device, reference = last(rows(lookup(study, "epochs")), "device_accuracy"), lookup(study, "reference_accuracy")
    if regained > 1 and device is not None and number(reference) is not None:
        said = f"all of the points lost and more: {percent(device)}, before the disturbance {percent(reference)}"
    else:
        beside = f" (in float {percent(floating, 0)})" if floating is not None else ""
        said = f"{percent(regained, 0)} of the points lost{beside}"
    return f"After a disturbance, learning on the chip wins back {said}."


# ---- tables that need more than the results' own rows


def accuracy_rows(accuracy: Data) -> list[Data]:
    """Float, integers and baselines: name, share of all, share of the labelled steps."""
    found = [
        {"name": "Float network", "share": accuracy.get("float"), "labelled": accuracy.get("float_labelled")},
        {"name": "Integers", "share": accuracy.get("integer"), "labelled": accuracy.get("integer_labelled")},
    ]
    found += [{"name": f"Baseline: {name}", "share": share} for name, share in pairs(accuracy.get("baselines"))]
    found = [row for row in found if number(row["share"]) is not None]
    return [{**row, "differs": number(row.get("labelled")) not in (None, row["share"])} for row in found]


def record_rows(quantization: Data) -> list[Data]:
    """How each number became an integer, ranges and counts in one text each."""
    return [
        {
            **row,
            "range": span(row.get("low"), row.get("high")),
            "integers": span(row.get("integer_low"), row.get("integer_high")),
            "clips": out_of(row.get("clipped"), row.get("count")),
        }
        for row in rows(quantization.get("record"))
    ]


def activity_rows(quantization: Data) -> list[Data]:
    """One row a layer: rates of float and integers, share of equal spikes."""
    rates, agreement = quantization.get("rates"), quantization.get("spike_agreement")
    names = dict.fromkeys([name for name, _ in pairs(rates)] + [name for name, _ in pairs(agreement)])
    return [
        {"layer": name, "float": lookup(rates, name, "float"), "integer": lookup(rates, name, "integer"),
         "agreement": lookup(agreement, name)} for name in names
    ]  # fmt: skip


def event_rows(events: Any) -> list[Data]:
    """{layer: {event: count}} as rows."""
    return [{"layer": layer, "event": event, "count": count} for layer, counts in pairs(events)
            for event, count in pairs(counts)]  # fmt: skip


def core_rows(placement: Data) -> list[Data]:
    """One row a core, each resource as "used of limit"."""
    return [
        {
            "core": core.get("core"),
            "layer": core.get("layer"),
            "neurons": out_of(core.get("neurons"), core.get("neuron_limit")),
            "synapses": core.get("synapses"),
            "memory": f"{bytes_text(core.get('memory_bits'))} of {bytes_text(core.get('memory_limit'))}",
            "axons": out_of(core.get("in_axons"), core.get("in_axon_limit")),
            "out_axons": out_of(core.get("out_axons"), core.get("out_axon_limit")),
            "learning": bytes_text(core.get("learning_bits")),
        }
        for core in rows(placement.get("per_core"))
    ]


def epoch_rows(study: Data) -> list[Data]:
    """The epochs of a learning study, clips added up, equal spikes averaged over layers."""
    return [{**row, "clipped": _total(row.get("clips")), "agreement": _mean(row.get("spike_agreement"))}
            for row in rows(study.get("epochs"))]  # fmt: skip


def gradient_rows(study: Data) -> list[Data]:
    """Cosine and norm ratio of each connection in the last epoch."""
    epochs = [row for row in rows(study.get("epochs")) if pairs(row.get("cosine"))]
    if not epochs:
        return []
    return [{"name": name, "cosine": value, "ratio": lookup(epochs[-1], "norm_ratio", name)}
            for name, value in pairs(epochs[-1].get("cosine"))]  # fmt: skip


def clip_totals(study: Data) -> Data:
    """Clips by name, added up over the epochs; only those that happened."""
    totals: Data = {}
    for row in rows(study.get("epochs")):
        for name, value in pairs(row.get("clips")):
            totals[name] = totals.get(name, 0) + int(number(value) or 0)
    return {name: total for name, total in totals.items() if total}


def _mean(shares: Any) -> float | None:
    """A share, or the mean of the shares of several layers."""
    found = [value for _, share in pairs(shares) if (value := number(share)) is not None]
    return sum(found) / len(found) if found else number(shares)


def _total(counts: Any) -> int | None:
    found = [number(value) for _, value in pairs(counts)]
    return int(sum(value for value in found if value is not None)) if found else None


# ---- the page


def render_page(results: Data) -> str:
    """The HTML page of cleaned results."""
    import jinja2
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "rows": rows, "pairs": pairs, "texts": texts, "quantity": quantity}
    environment.tests["number"] = lambda value: number(value) is not None
    css = Markup((here / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("report.html.j2").render(css=css, **context(results))


def context(results: Data) -> Data:
    """Everything the template reads."""
    parts = {name: part(results.get(name)) for name in SECTIONS}
    return {
        "results": results,
        "title": show(results.get("title") or "Report of a run"),
        "tiles": tiles(results),
        "marks": MARKS,
        "sentences": sentences(results),
        "parts": parts,
        "difference": points(integer_difference(results)),
        "accuracy_rows": accuracy_rows(parts["accuracy"].data),
        "record": record_rows(parts["quantization"].data),
        "rounding": common(rows(parts["quantization"].data.get("record")), "rounding"),
        "activity": activity_rows(parts["quantization"].data),
        "events": event_rows(parts["quantization"].data.get("events")),
        "cores": core_rows(parts["placement"].data),
        "studies": _studies(results),
        "figures": _figures(results, parts),
    }


def _studies(results: Data) -> list[Data]:
    """Both learning studies with their tables; a reason given for all of learning holds for each."""
    learning = results.get("learning")
    whole = part(learning)
    found = []
    for key, title in STUDIES.items():
        study = whole if whole.reason else part(lookup(learning, key))
        regained = {"device": regained_share(study.data), "float": number(study.data.get("float_regained"))}
        found.append({"key": key, "title": title, "data": study.data, "reason": study.reason, "regained": regained,
                      "epochs": epoch_rows(study.data), "gradients": gradient_rows(study.data),
                      "clips": clip_totals(study.data)})  # fmt: skip
    return found


def _figures(results: Data, parts: dict[str, Part]) -> dict[str, Drawing]:
    """The drawings by name; one without data is left out."""
    from hypr_neuro.report import figures

    drawn: list[tuple[str, Drawing | None]] = [
        ("loss", figures.training_loss(parts["training"].data)),
        ("validation", figures.validation(parts["training"].data)),
        ("raster", figures.raster(parts["raster"].data)),
        ("cores", figures.cores(parts["placement"].data)),
    ]
    for study in _studies(results):
        drawn.append((f"learning_{study['key']}", figures.learning(study["key"], study["data"], _chance(results))))
        drawn.append((f"cosine_{study['key']}", figures.cosine(study["key"], study["data"])))
    return dict(_present(drawn))


def _present(drawn: Iterable[tuple[str, Drawing | None]]) -> Iterable[tuple[str, Drawing]]:
    return ((name, drawing) for name, drawing in drawn if drawing is not None)

"""Devices side by side and the gap to float by cause: sections of the report, and the waterfall of the causes."""

from __future__ import annotations

from matplotlib.axes import Axes

from hypr_neuro.report.drawing import BLUE, MUTED, ORANGE, Drawing, Legend, drawing
from hypr_neuro.report.values import NOTHING, Data, lookup, number, pairs, percent, rows, show, texts

ROW_HEIGHT, AXIS_HEIGHT = 21, 62
"""Points of a bar of the waterfall, and of what is below the bars."""
REST, WHOLE = "rest", "whole gap"


def devices_section(results: Data) -> Data:
    """Return what the report shows of devices side by side, {} where there is nothing."""
    section = results.get("devices")
    columns = rows(lookup(section, "columns"))
    if not isinstance(section, dict) or not columns:
        return {}
    regression = section.get("regression") is True
    means = {name: told for name, told in pairs(section.get("means")) if isinstance(told, dict)}
    return {
        "what": show(section.get("what")),
        "adam": show(section.get("adam")),
        "score": "Squared error" if regression else "Accuracy",
        "rows": [_column(c, means.get(str(c.get("name")), {}), regression) for c in columns],
        "sentences": texts(section.get("sentences")),
        "cost": [{"name": key.replace("_", " "), "value": value} for key, value in pairs(section.get("cost"))],
        "seeds": len(texts(section.get("seeds"))),
        "links": [row for c in columns for row in _links(c)],
    }


def _links(column: Data) -> list[Data]:
    """Return a row on what the link to a device carried, over all seeds; none of one without a link."""
    links = rows(column.get("link"))
    if not links:
        return []

    def total(name: str) -> float:
        return sum(number(link.get(name)) or 0.0 for link in links)

    def milliseconds(name: str) -> str:
        return f"{1000 * total(name) / len(links):.3g} ms"

    return [
        {
            "name": show(column.get("name")),
            "requests": f"{total('requests'):,.0f}",
            "median": milliseconds("median latency"),
            "late": milliseconds("late latency"),
            "rate": f"{total('bytes a second') / len(links) / 1e6:.3g} MB/s",
            "retries": f"{total('retries'):,.0f}",
            "damaged": f"{total('damaged'):,.0f}",
        }
    ]


def _column(column: Data, told: Data, regression: bool) -> Data:
    listed = column.get("distance")
    distances = [d for d in map(number, listed if isinstance(listed, list) else ()) if d is not None]
    return {
        "name": show(column.get("name")),
        "mean": _score(number(told.get("mean")), regression),
        "student": _span(told, "low", "high", regression),
        "bootstrap": _span(told, "bootstrap_low", "bootstrap_high", regression),
        "distance": f"{sum(distances) / len(distances):.3g}" if distances else NOTHING,
    }


def _score(value: float | None, regression: bool) -> str:
    if value is None:
        return NOTHING
    return f"{value:.4g}" if regression else percent(value)


def _span(told: Data, low: str, high: str, regression: bool) -> str:
    ends = number(told.get(low)), number(told.get(high))
    if any(end is None for end in ends):
        return NOTHING
    return " to ".join(_score(end, regression) for end in ends)


def causes_section(results: Data) -> Data:
    """Return what the report shows of the gap by cause, {} where there is nothing."""
    section = results.get("causes")
    splits = rows(lookup(section, "splits"))
    parts = rows(lookup(splits[0], "parts")) if splits else []
    if not isinstance(section, dict) or not parts:
        return {}
    regression = splits[0].get("regression") is True
    found = [_part(p, section, regression) for p in parts]
    whole: Data = {"name": WHOLE, "alone": "", "said": ""}
    for figure in ("score", "distance", "cosine"):
        whole[figure] = _added(lookup(section, "whole", figure), figure, regression)
    return {
        "what": show(section.get("what")),
        "unit": "Squared error" if regression else "Points",
        "rows": [*found, whole],
        "seeds": len(splits),
    }


def _part(part: Data, section: Data, regression: bool) -> Data:
    name = str(part.get("name"))
    row: Data = {
        "name": show(name),
        "said": show(part.get("reason") or part.get("said")),
        "words": show(part.get("words")),
    }
    for figure in ("score", "distance", "cosine"):
        row[figure] = _added(lookup(section, "added", name, figure), figure, regression)
    row["alone"] = _added(lookup(section, "alone", name, "score"), "score", regression, spread=False)
    return row


def _added(told: object, figure: str, regression: bool, *, spread: bool = True) -> str:
    """Return a mean that is added, with half of its interval where there is one."""
    mean, high = number(lookup(told, "mean")), number(lookup(told, "high"))
    if mean is None:
        return NOTHING
    points = figure == "score" and not regression
    factor, form = (100.0, "+.2f") if points else (1.0, "+.4f")
    text = f"{factor * mean:{form}}"
    if spread and high is not None and figure == "score":
        text += f" ± {factor * (high - mean):.2g}"
    return text.replace("-", "−")


def causes_figure(results: Data, figure: str) -> Drawing | None:
    """Draw the waterfall from float to the device: each cause as a bar from where the one above it ended.

    Parameters
    ----------
    results
        Of a run.
    figure
        "score" or "distance".
    """
    section = results.get("causes")
    splits = rows(lookup(section, "splits"))
    parts = [p for p in rows(lookup(splits[0], "parts")) if not p.get("reason")] if splits else []
    names = [str(p.get("name")) for p in parts]
    regression = bool(splits) and splits[0].get("regression") is True
    factor = 100.0 if figure == "score" and not regression else 1.0
    means = [number(lookup(section, "added", name, figure, "mean")) for name in names]
    steps = [factor * mean for mean in means if mean is not None]
    if len(steps) < len(names) or not any(steps):
        return None

    def draw(axes: Axes) -> Legend:
        start = 0.0
        for i, step in enumerate(steps):
            axes.barh(i, step, left=start, color=BLUE if step >= 0 else ORANGE, height=0.62)
            axes.plot([start + step] * 2, [i - 0.31, i + 1.31], color=MUTED, linewidth=0.8)
            start += step
        axes.barh(len(steps), start, color=MUTED, height=0.62)
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(steps) + 1), [*names, WHOLE])
        axes.set_ylim(len(steps) + 0.6, -0.6)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(_axis(figure, regression))
        return []

    seeds = f"mean of {len(splits)} seeds" if len(splits) > 1 else "one seed"
    told = {"score": "Squared error" if regression else "Accuracy", "distance": "Distance of the learned weights"}
    caption = f"{told[figure]}: what each cause adds on the way from float to the device, {seeds}."
    return drawing(f"causes-{figure}", draw, caption, height=AXIS_HEIGHT + ROW_HEIGHT * (len(steps) + 1))


def _axis(figure: str, regression: bool) -> str:
    if figure == "distance":
        return "distance of weights to float"
    return "squared error, device minus float" if regression else "points, device minus float"

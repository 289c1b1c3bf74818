"""Accuracy against a fault: the section of the report and the figure as a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from hypr_neuro.report.drawing import PALETTE, Drawing, Legend, drawing, write_svg
from hypr_neuro.report.values import Data, number, pairs, percent, rows, show

NAMES = {"before": "as loaded", "after": "after learning"}
NOTHING_OF_A_FAULT = 0.0


def fault_sections(results: Data) -> list[Data]:
    """Return what the report shows of each fault that was tried."""
    found = []
    for kind, section in pairs(results.get("faults")):
        if not isinstance(section, dict) or not rows(section.get("rows")):
            continue
        regression = section.get("regression") is True
        found.append(
            {
                "kind": kind,
                "meaning": show(section.get("meaning")),
                "device": show(section.get("device")),
                "score": "Squared error" if regression else "Accuracy",
                "others": section.get("others"),
                "rows": [_row(row, regression) for row in rows(section.get("rows"))],
                "one_seed": all(number(row.get("seeds")) == 1 for row in rows(section.get("rows"))),
            }
        )
    return found


def _row(row: Data, regression: bool) -> Data:
    value = number(row.get("value"))
    shown: Data = {"value": "–" if value is None else f"{value:g}", "seeds": row.get("seeds")}
    for name in NAMES:
        mean, half = number(row.get(name)), number(row.get(f"{name}_interval"))
        text = show(mean) if regression or mean is None else percent(mean)
        if half is not None:
            text += f" ± {show(half)}" if regression else f" ± {100 * half:.1f}"
        shown[name] = text
    return shown


def fault_figure(kind: str, section: Data) -> Drawing | None:
    """Draw the score against the fault, with the 95 % interval of the mean over seeds."""
    table = [row for row in rows(section.get("rows")) if number(row.get("value")) is not None]
    curves = {name: [row for row in table if number(row.get(name)) is not None] for name in NAMES}
    curves = {name: found for name, found in curves.items() if found}
    if not curves:
        return None
    regression = section.get("regression") is True
    values = [float(row["value"]) for row in table]
    positive = [v for v in values if v > NOTHING_OF_A_FAULT]
    wide = bool(positive) and max(positive) > 20 * min(positive)

    def draw(axes: Axes) -> Legend:
        keys: Legend = []
        for i, (name, found) in enumerate(curves.items()):
            x, y = [float(row["value"]) for row in found], [float(row[name]) for row in found]
            half = [max(number(row.get(f"{name}_interval")) or 0.0, 0.0) for row in found]
            bars = axes.errorbar(x, y, half, color=PALETTE[i], marker="os"[i], capsize=3, linestyle=("-", "--")[i])
            keys.append((NAMES[name], bars.lines[0]))
        if wide:
            # values over several powers of ten, and 0 beside them
            axes.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
            axes.set_xticks(values, [f"{value:g}" for value in values], minor=False)
            axes.minorticks_off()
        axes.set_xlabel(kind)
        axes.set_ylabel("squared error" if regression else f"{section.get('part', 'test')} accuracy")
        if not regression:
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -0.02), min(high, 1.02))  # an interval may reach beyond what is possible
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
        return keys

    caption = f"{'Squared error' if regression else 'Accuracy'} on {show(section.get('device'))} against {kind}: "
    caption += f"{show(section.get('meaning'))}. Bars are 95 % intervals of the mean over seeds."
    return drawing(f"fault-{kind}", draw, caption)


def write_figure(section: Data, path: Path) -> Path:
    """Write the figure of one fault as a file that stands by itself; return its path."""
    drawn = fault_figure(str(section["kind"]), section)
    assert drawn is not None
    return write_svg(drawn, path)

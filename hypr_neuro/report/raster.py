"""The spikes of one sample, float and integers over each other; long sequences in rows below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator

from hypr_neuro.report.drawing import BLUE, ORANGE, PINK, Drawing, Legend, stacked
from hypr_neuro.report.values import Data, number, show

MOST_SPIKES = 12_000
WIDE_STEPS = 160
"""Steps above which the drawing takes the page's full width."""
ROW, NARROW_ROW = 400, 130
"""Steps of a row: at full width, and on a narrow screen."""
MOST_ROWS = 10
TALL = 300.0
"""Height of a single row; of several each takes less."""

# colour, width, and how far below and above its neuron a mark reaches; the few that differ stand out and leave each
# other visible where a step is narrower than a mark
TICKS = ((BLUE, 2.0, -0.4, 0.4), (ORANGE, 3.0, 0.0, 0.9), (PINK, 3.0, -0.9, 0.0))
NAMES = ("both", "float only", "integers only")
Spikes = set[tuple[float, float]]


def raster(section: Data) -> Drawing | None:
    """Draw the spikes of one sample."""
    steps = int(min(number(section.get("steps")) or 0, 1e6))
    row = ROW if max(steps, _span(section)) > WIDE_STEPS else WIDE_STEPS
    return _raster("raster", section, row, wide=row == ROW)


def narrow_raster(section: Data) -> Drawing | None:
    """Draw the same for a narrow screen, None where the other fits one."""
    drawn = raster(section)
    return None if drawn is None or not drawn.wide else _raster("raster-narrow", section, NARROW_ROW, wide=False)


def _span(section: Data) -> int:
    return int(max((step for step, _ in _both(section)), default=-1)) + 1


def _both(section: Data) -> Spikes:
    return _spikes(section.get("float")) | _spikes(section.get("integer"))


def _raster(name: str, section: Data, row: int, *, wide: bool) -> Drawing | None:
    spikes = {kind: _spikes(section.get(kind)) for kind in ("float", "integer")}
    everything = spikes["float"] | spikes["integer"]
    if not everything:
        return None
    end = _last_step(everything, row * MOST_ROWS)
    shown = {step_neuron for step_neuron in everything if step_neuron[0] <= end}
    groups = [
        sorted(shown & spikes["float"] & spikes["integer"]),
        sorted(shown & (spikes["float"] - spikes["integer"])),
        sorted(shown & (spikes["integer"] - spikes["float"])),
    ]
    steps, neurons = int(end) + 1, int(max(neuron for _, neuron in everything)) + 1
    if end == max(step for step, _ in everything):
        steps = min(max(steps, int(min(number(section.get("steps")) or 0, 1e6))), row * MOST_ROWS)
    neurons = max(neurons, int(min(number(section.get("neurons")) or 0, 1e6)))
    rows = -(-steps // row)
    height = TALL if rows == 1 else min(max(110.0, 1.6 * neurons), 200.0)

    def draw(stack: Sequence[Axes]) -> Legend:
        for index, axes in enumerate(stack):
            _row(axes, groups, (index * row, min(row, steps)), neurons, height)
        stack[-1].set_xlabel("time step")
        return [(text, _key(color)) for (color, *_), text in zip(TICKS, NAMES, strict=True)]

    counts = ", ".join(f"{show(len(group))} {text}" for group, text in zip(groups, NAMES, strict=True))
    caption = f"Spikes of {show(section.get('layer'))} in sample {show(section.get('sample'))}: {counts}."
    caption += f" Only the first {steps} steps are drawn." if len(shown) < len(everything) else ""
    return stacked(name, draw, caption, heights=[height] * rows, wide=wide)


def _row(
    axes: Axes, groups: Sequence[Sequence[tuple[float, float]]], span: tuple[int, int], neurons: int, height: float
) -> None:
    """Draw the steps of one row, (first, how many)."""
    first, steps = span
    tall = max(1.0, neurons / 60 * TALL / height)
    for (color, width, low, high), group in zip(TICKS, groups, strict=True):
        here = [(step, neuron) for step, neuron in group if first <= step < first + steps]
        axes.add_patch(_ticks(here, low * tall, high * tall, color, width))
    axes.set(xlim=(first - 1, first + steps), ylim=(-tall, neurons - 1 + tall), ylabel="neuron")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins="auto" if height == TALL else 4))


def _key(color: str) -> Line2D:
    return Line2D([], [], color=color, marker="|", linestyle="", markersize=9, markeredgewidth=2.4)


def _spikes(value: Any) -> Spikes:
    """Return the well-formed (step, neuron) pairs of a list."""
    spikes = set()
    for pair in value if isinstance(value, list) else []:
        if isinstance(pair, list) and len(pair) == 2:
            step, neuron = number(pair[0]), number(pair[1])
            if step is not None and neuron is not None and 0 <= step < 1e6 and 0 <= neuron < 1e6:
                spikes.add((step, neuron))
    return spikes


def _last_step(spikes: Spikes, most: int) -> float:
    """Return the last step drawn, so that at most MOST_SPIKES spikes and `most` steps are."""
    steps = sorted(step for step, _ in spikes)
    last = steps[-1] if len(steps) <= MOST_SPIKES else max(steps[0], steps[MOST_SPIKES] - 1)
    return min(last, most - 1)


def _ticks(spikes: Sequence[tuple[float, float]], low: float, high: float, color: str, width: float) -> PathPatch:
    """Return a short upright line for each spike, all in one path."""
    vertices = [(step, neuron + end) for step, neuron in spikes for end in (low, high)]
    outline = Outline(vertices or [(0, 0)], [Outline.MOVETO, Outline.LINETO] * len(spikes) or [Outline.MOVETO])
    return PathPatch(outline, fill=False, edgecolor=color, linewidth=width, capstyle="butt")

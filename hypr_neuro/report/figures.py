"""The figures of the report, from the plain data of a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, ScalarFormatter

from hypr_neuro.report.drawing import (
    FONT,
    INK,
    MUTED,
    ON_BAR,
    ORANGE,
    PALETTE,
    Drawing,
    Legend,
    drawing,
    label,
)
from hypr_neuro.report.values import Data, lookup, number, pairs, percent, rows, show, whole_cores

MARKERS, DASHES = "osD^vP", ("-", "--", "-.", ":")
MOST_CORES, MOST_LINES, MOST_SPIKES, MARKED_POINTS, WIDE_STEPS = 12, 12, 12_000, 40, 160


@dataclass(frozen=True)
class Curve:
    """One curve of a plot: a label and points (x, y), all finite."""

    label: str
    points: list[tuple[float, float]]

    @property
    def y(self) -> list[float]:
        """Return the values of all points."""
        return [y for _, y in self.points]


def curve_of(label: str, epochs: Sequence[Data], *keys: str) -> Curve:
    """Return the points (epoch, value under `keys`) of the rows that hold both."""
    points = ((number(row.get("epoch")), number(lookup(row, *keys))) for row in epochs)
    return Curve(label, [(x, y) for x, y in points if x is not None and y is not None])


# ---- the figures


def training_loss(training: Data) -> Drawing | None:
    """Draw the loss against the epoch."""
    curve = curve_of("loss", rows(training.get("epochs")), "loss")
    if not curve.points:
        return None

    def draw(axes: Axes) -> Legend:
        _plot(axes, [curve])
        axes.set_ylabel("training loss")
        return []

    first, final = show(curve.y[0]), show(curve.y[-1])
    return drawing("loss", draw, f"Training loss: {first} in the first epoch, {final} in the last.")


def validation(training: Data) -> Drawing | None:
    """Draw the validation accuracy against the epoch, the epoch whose weights were kept marked."""
    curve = curve_of("validation", rows(training.get("epochs")), "validation")
    if not curve.points:
        return None
    best = [point for point in curve.points if point[0] == number(training.get("best"))]
    # training takes minus the squared error of a regression for its score
    errors = min(curve.y) < 0

    def draw(axes: Axes) -> Legend:
        _plot(axes, [curve])
        for x, y in best:
            axes.plot(x, y, "o", color=ORANGE, markersize=9, fillstyle="none", markeredgewidth=2)
        if errors:
            axes.set_ylabel("minus the validation's squared error")
        else:
            _share_axis(axes, "validation accuracy", curve.y)
        return []

    caption = "Minus the squared error" if errors else "Validation accuracy"
    caption += " on the validation part after each epoch." if errors else " after each epoch."
    if best:
        figure = show(-best[0][1]) if errors else percent(best[0][1])
        caption += f" The ring marks the epoch whose weights were kept: epoch {show(best[0][0])} with {figure}."
    return drawing("validation", draw, caption)


REFERENCES = {"scratch": "trained offline", "fine_tuning": "undisturbed"}


def learning(key: str, study: Data, chance: float | None) -> Drawing | None:
    """Draw the score on the device beside float, both learning from the same samples in the same order."""
    epochs = rows(study.get("epochs"))
    if number(study.get("start_squared_error")) is not None:
        return _learning_of_errors(key, epochs)
    names = {"device_accuracy": "on the chip", "float_accuracy": "in float", "online_accuracy": "while learning"}
    curves = [curve for name, label in names.items() if (curve := curve_of(label, epochs, name)).points]
    if not curves:
        return None
    reference = number(study.get("reference_accuracy"))
    levels = [] if reference is None else [(reference, REFERENCES.get(key, "reference"))]
    if chance is not None and min(y for curve in curves for y in curve.y) < 2 * chance:
        levels.append((chance, "chance"))

    def draw(axes: Axes) -> Legend:
        keys = _plot(axes, curves)
        _share_axis(axes, "test accuracy", [y for curve in curves for y in curve.y] + [share for share, _ in levels])
        return [*keys, *((f"{what}, {percent(share)}", _level(axes, share)) for share, what in levels)]

    final_text = ", ".join(f"{curve.label} {percent(curve.y[-1])}" for curve in curves)
    caption = f"Accuracy after each pass over the data, epoch 0 before learning; at the end {final_text}."
    if any(curve.label == "while learning" for curve in curves):
        caption += " “While learning” counts each sample before its own update."
    return drawing(f"learning-{key}", draw, caption)


def _learning_of_errors(key: str, epochs: list[Data]) -> Drawing | None:
    """Draw the squared errors of a regression."""
    names = {"device": "on the chip", "float": "in float", "online": "while learning"}
    drawn = [curve_of(label, epochs, f"{name}_squared_error") for name, label in names.items()]
    curves = [curve for curve in drawn if curve.points]

    def draw(axes: Axes) -> Legend:
        keys = _plot(axes, curves)
        axes.set_ylabel("mean squared error")
        return keys

    final_text = ", ".join(f"{curve.label} {show(curve.y[-1])}" for curve in curves)
    caption = f"Squared error after each pass over the data, epoch 0 before learning; at the end {final_text}."
    return drawing(f"learning-{key}", draw, caption) if curves else None


def cosine(key: str, study: Data) -> Drawing | None:
    """Draw the cosine between the chip's gradient and float's for each parameter."""
    epochs = rows(study.get("epochs"))
    names = dict.fromkeys(name for row in epochs for name, _ in pairs(row.get("cosine")))
    curves = [curve for name in names if (curve := curve_of(name, epochs, "cosine", name)).points]
    if not curves:
        return None
    curves, left_out = curves[:MOST_LINES], len(curves) - MOST_LINES
    lowest = min((min(curve.y), curve.label) for curve in curves)

    def draw(axes: Axes) -> Legend:
        keys = _plot(axes, curves)
        span = max(1 - lowest[0], 1e-3)
        axes.set(ylabel="gradient cosine", ylim=(1 - 1.1 * span, 1 + 0.08 * span))
        axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
        return keys

    caption = "Cosine between the chip's gradient and float's for each connection; 1 is the same direction."
    caption += f" Lowest: {lowest[0]:.4f} ({lowest[1]})."
    caption += f" {left_out} further connections are left out." if left_out > 0 else ""
    return drawing(f"cosine-{key}", draw, caption)


def cores(placement: Data) -> Drawing | None:
    """Draw the utilisation of each core, of the fullest ones if there are many."""
    table = [(_core_name(core), _loads(core)) for core in whole_cores(placement)]
    table = [row for row in table if row[1]]
    if not table:
        return None
    fullest = sorted(table, key=lambda row: -max(row[1].values()))[:MOST_CORES]
    shown = [row for row in table if row in fullest][:MOST_CORES]
    resources = [name for name in RESOURCES if any(name in loads for _, loads in shown)]
    top = max(max(loads.values()) for _, loads in shown)

    def draw(axes: Axes) -> Legend:
        keys = _bars(axes, shown, resources)
        axes.set(xlim=(0, max(1.12, 1.15 * top)), xlabel="share of the core's limit")
        axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        return keys

    full = max(shown, key=lambda row: max(row[1].values()))
    name = max(full[1], key=lambda resource: full[1][resource])
    few = f"The {len(shown)} fullest of {len(table)} cores" if len(table) > len(shown) else "Each core"
    caption = f"{few} against its limits (dashed line). Fullest: {name} of core {full[0]}, {percent(full[1][name])}."
    height = 60 + len(shown) * (14 * len(resources) + 10)
    return drawing("cores", draw, caption, height=height)


RESOURCES = {
    "neurons": ("neurons", "neuron_limit"),
    "synaptic memory": ("memory_bits", "memory_limit"),
    "input axons": ("in_axons", "in_axon_limit"),
    "output axons": ("out_axons", "out_axon_limit"),
}


# ---- parts of figures


def _plot(axes: Axes, curves: Sequence[Curve]) -> Legend:
    """Plot curves over the epoch, told apart by colour, dash and marker."""
    keys: Legend = []
    for index, curve in enumerate(curves):
        marked = len(curve.points) <= MARKED_POINTS
        (drawn,) = axes.plot(
            [x for x, _ in curve.points],
            curve.y,
            color=PALETTE[index % len(PALETTE)],
            linestyle=DASHES[(index + index // len(PALETTE)) % len(DASHES)],
            marker=MARKERS[index % len(MARKERS)] if marked else "",
        )
        keys.append((curve.label, drawn))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    return keys


def _share_axis(axes: Axes, label: str, shares: Sequence[float]) -> None:
    """Scale the axis of shares so that all fit, with ticks in percent."""
    low, high = min(shares), max(shares)
    pad = max(0.06 * (high - low), 0.01)
    axes.set(ylabel=label, ylim=(low - pad, high + pad))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent_tick))


def _percent_tick(share: float, _position: int | None = None) -> str:
    """Return the text of a tick."""
    return f"{round(100 * share, 6):g} %"


def _level(axes: Axes, share: float) -> Line2D:
    """Draw a horizontal line; its name stands in the legend, where no curve crosses it."""
    return axes.axhline(share, color=MUTED, linewidth=1.4, linestyle=(0, (1, 2)))


def _core_name(core: Data) -> str:
    """Return number and layer of a core."""
    layer = core.get("layer")
    return f"{show(core.get('core'))} ({show(layer)})" if layer else show(core.get("core"))


def _loads(core: Data) -> dict[str, float]:
    """Return the share of each limit in use, where use and limit are known."""
    known = ((name, number(core.get(used)), number(core.get(limit))) for name, (used, limit) in RESOURCES.items())
    return {name: used / limit for name, used, limit in known if used is not None and limit is not None and limit >= 1}


def _bars(axes: Axes, table: Sequence[tuple[str, dict[str, float]]], resources: Sequence[str]) -> Legend:
    """Draw bars of every core, one for each resource."""
    step = 0.8 / len(resources)
    for index, name in enumerate(resources):
        for row, (_, loads) in enumerate(table):
            if name in loads:
                y = row + (index - (len(resources) - 1) / 2) * step
                axes.barh(y, loads[name], height=0.85 * step, color=PALETTE[index])
                inside = 0.8 < loads[name] < 1.02  # beside the bar the label would meet the line of the limit
                axes.annotate(
                    percent(loads[name]),
                    (loads[name], y),
                    xytext=(-4 if inside else 4, 0),
                    va="center",
                    textcoords="offset points",
                    ha="right" if inside else "left",
                    fontsize=FONT - 1.5,
                    color=ON_BAR if inside else INK,
                )
    keys: Legend = [(name, Patch(color=PALETTE[index])) for index, name in enumerate(resources)]
    axes.set_yticks(range(len(table)), [f"core {label(name, 16)}" for name, _ in table])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(_percent_tick))
    return keys

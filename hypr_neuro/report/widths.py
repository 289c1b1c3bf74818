"""Widths of single tensors: what each loses in fewer bits, and what was chosen, as a section of the report."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hypr_neuro.report.drawing import INK, PALETTE, Drawing, Legend, drawing
from hypr_neuro.report.values import NOTHING, Data, bytes_text, lookup, number, rows, show, texts

MOST_CURVES = len(PALETTE)
"""Tensors that a figure shows: of more, those that lose most."""
MARKERS, DASHES = "osD^vP", ("-", "--", "-.", ":")


def widths_section(results: Data) -> Data:
    """Return what the report shows of widths, {} where there is nothing."""
    section = results.get("widths")
    tensors = _by_tensor(section)
    if not isinstance(section, dict) or not tensors:
        return {}
    measured = lookup(section, "plan", "measured")
    return {
        "sentences": [f"{text[:1].upper()}{text[1:]}." for text in texts(section.get("summary"))],
        "samples": show(lookup(measured, "samples")),
        "part": show(lookup(measured, "part")),
        "within": show(lookup(measured, "within")),
        "doubts": texts(section.get("doubts")),
        "kinds": list(dict.fromkeys(_kind(key) for _, key in tensors)),
        "chosen": [_chosen(name, key, steps) for (name, key), steps in tensors.items()],
        "steps": [_step(name, key, step) for (name, key), steps in tensors.items() for step in steps],
    }


def widths_figure(results: Data, kind: str) -> Drawing | None:
    """Draw the loss of each tensor of one kind over its bits; what was chosen is ringed."""
    of_kind = {name: steps for (name, key), steps in _by_tensor(results.get("widths")).items() if _kind(key) == kind}
    curves = {name: found for name, steps in of_kind.items() if len(found := [s for s in steps if _has_point(s)]) > 1}
    if not curves:
        return None
    most = sorted(curves, key=lambda name: -max(float(step["loss"]) for step in curves[name]))[:MOST_CURVES]
    shown = {name: steps for name, steps in curves.items() if name in most}

    def draw(axes: Axes) -> Legend:
        legend: Legend = []
        for i, (name, steps) in enumerate(shown.items()):
            x, y = [float(step["bits"]) for step in steps], [float(step["loss"]) for step in steps]
            error = [max(number(step.get("standard_error")) or 0.0, 0.0) for step in steps]
            color = PALETTE[i % len(PALETTE)]
            marker, line = MARKERS[i % len(MARKERS)], DASHES[i % len(DASHES)]
            bars = axes.errorbar(x, y, error, color=color, capsize=3, marker=marker, linestyle=line)
            legend.append((name, bars.lines[0]))
            for step in (step for step in steps if step.get("chosen") is True):
                at = float(step["bits"]), float(step["loss"])
                axes.plot(*at, "o", color=INK, markersize=11, fillstyle="none", markeredgewidth=1.4)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel(f"bits of {kind}")
        axes.set_ylabel("loss, points of accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
        axes.invert_xaxis()
        return legend

    caption = (
        f"Loss against the chip's own widths with the {kind} of one tensor in fewer bits, all others as they are. "
        "Bars are standard errors over samples; rings are the widths that were chosen."
    )
    if len(shown) < len(curves):
        caption += f" Shown are the {len(shown)} of {len(curves)} that lose most."
    return drawing(f"widths-{kind}", draw, caption)


def _by_tensor(section: object) -> dict[tuple[str, str], list[Data]]:
    """Return the steps of each tensor, by its name and the key of its bits."""
    found: dict[tuple[str, str], list[Data]] = {}
    for step in rows(lookup(section, "tensors")):
        found.setdefault((show(step.get("tensor")), show(step.get("key"))), []).append(step)
    return found


def _kind(key: str) -> str:
    """Return what a key's bits are of: "weights", "states"."""
    return f"{key.removesuffix('_bits').replace('_', ' ').replace('eligibility', 'eligibilitie')}s"


def _has_point(step: Data) -> bool:
    return number(step.get("bits")) is not None and number(step.get("loss")) is not None


def _chosen(name: str, key: str, steps: list[Data]) -> Data:
    """Return a row on the width that was chosen for a tensor."""
    chosen = next((step for step in steps if step.get("chosen") is True), steps[0])
    return _step(name, key, chosen) | {"own": show(steps[0].get("bits"))}


def _step(name: str, key: str, step: Data) -> Data:
    loss, error = number(step.get("loss")), number(step.get("standard_error"))
    told = NOTHING if loss is None else f"{loss:.2f}" + ("" if error is None else f" ± {error:.2f}")
    return {
        "tensor": name,
        "of": _kind(key),
        "bits": show(step.get("bits")),
        "loss": told.replace("-", "−"),
        "saved": bytes_text(step.get("saved_bits")),
        "chosen": "yes" if step.get("chosen") is True else "",
    }

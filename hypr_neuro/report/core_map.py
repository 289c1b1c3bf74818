"""Map of a placement: a square for each core, filled as far as its fullest limit, in the colours of its populations."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from hypr_neuro.report.drawing import GRID, MUTED, PALETTE, Drawing, Legend, drawing
from hypr_neuro.report.values import Data, number, rows

MOST = 400
"""Cores that are drawn; of a chip with more those that hold neurons, the first of them."""
SIDE = 18.0
"""Points of a square, at most."""
LOADS = (
    ("neurons", "neuron_limit"),
    ("memory_bits", "memory_limit"),
    ("in_axons", "in_axon_limit"),
    ("out_axons", "out_axon_limit"),
)


def core_map(placement: Data) -> Drawing | None:
    """Draw which population lies on which core; None where nothing is placed.

    A core of several populations shows each by its share of the core's neurons. Where no limit is known squares are
    full.
    """
    tiles = _tiles(placement)
    parts = tiles or [part for part in rows(placement.get("per_core")) if _is_placed(part)]
    if not parts:
        return None
    by_core: dict[int, list[Data]] = {}
    for part in parts:
        by_core.setdefault(int(part["core"]), []).append(part)
    crossbars: Any = placement.get("crossbars") if tiles else placement
    stated = number(crossbars.get("tile_limit" if tiles else "cores"))
    drawn = min(max(by_core) + 1 if stated is None or not 1 <= stated <= MOST else int(stated), MOST)
    names = list(dict.fromkeys(str(part.get("layer")) for part in parts))
    colors = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
    columns = max(math.ceil(math.sqrt(2 * drawn)), 4)
    lines = math.ceil(drawn / columns)

    def draw(axes: Axes) -> Legend:
        for core in range(drawn):
            corner = (core % columns, lines - 1 - core // columns)
            _core(axes, corner, by_core.get(core, []), colors)
        axes.set(xlim=(-0.1, columns + 0.1), ylim=(-0.1, lines + 0.1), aspect="equal")
        axes.axis("off")
        return [(name, Rectangle((0, 0), 1, 1, color=colors[name])) for name in names]

    what = "tiles" if tiles else "cores"
    left_out = f" {len(by_core) - drawn} more {what} are left out." if len(by_core) > drawn else ""
    of = "" if stated is None else f" of {int(stated)}"
    caption = f"{len(by_core)}{of} cores hold neurons; each square is filled as far as the fullest limit of its core."
    if tiles:
        caption = f"{len(by_core)}{of} tiles hold weights; each square is filled as far as pairs of cells are in use."
    height = min(SIDE, 320 / columns) * lines + 60
    return drawing("core-map", draw, caption + left_out, height=height)


def _tiles(placement: Data) -> list[Data]:
    """Return the tiles of analog cells as parts of cores, those of one connection filled alike; [] of other chips."""
    crossbars = placement.get("crossbars")
    if not isinstance(crossbars, dict):
        return []
    size = (number(crossbars.get("rows")) or 0) * (number(crossbars.get("columns")) or 0)
    parts: list[Data] = []
    for use in rows(crossbars.get("connections")):
        tiles, pairs = number(use.get("tiles")), number(use.get("pairs"))
        if tiles is None or pairs is None or not 1 <= tiles <= 1 << 20 or size < 1:
            continue
        part = {"layer": use.get("layer"), "neurons": 1, "memory_bits": pairs / tiles, "memory_limit": size}
        parts += [{"core": len(parts) + k, **part} for k in range(int(tiles))]
    return parts


def _is_placed(part: Data) -> bool:
    """Tell whether an entry says on which core how many neurons lie."""
    core, neurons = number(part.get("core")), number(part.get("neurons"))
    return core is not None and 0 <= core < 1 << 31 and neurons is not None and 1 <= neurons < 1 << 31


def _core(axes: Axes, corner: tuple[float, float], parts: list[Data], colors: dict[str, str]) -> None:
    x, y = corner[0] + 0.08, corner[1] + 0.08
    side = 0.84
    if parts:
        filled = side * min(max(_load(parts), 0.06), 1.0)
        neurons = sum(int(part["neurons"]) for part in parts)
        at = x
        for part in parts:
            width = side * int(part["neurons"]) / neurons
            axes.add_patch(Rectangle((at, y), width, filled, color=colors[str(part.get("layer"))], linewidth=0))
            at += width
    axes.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=MUTED if parts else GRID, linewidth=0.8))


def _load(parts: list[Data]) -> float:
    """Return the share of the core's fullest limit; 1 where none is known."""
    shares = [_share(parts, used, limit) for used, limit in LOADS]
    return max((share for share in shares if share is not None), default=1.0)


def _share(parts: list[Data], used: str, limit: str) -> float | None:
    most: Any = number(parts[0].get(limit))
    values = [number(part.get(used)) for part in parts]
    return None if most is None or most <= 0 else sum(value or 0.0 for value in values) / most

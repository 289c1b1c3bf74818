"""The knee of a front of two figures: where a little more of the one begins to cost much of the other.

Both figures are scaled to 0…1 over the front, small being good, so that its ends lie at (0, 1) and (1, 0). A point
(x, y) is at the signed distance

    d = (1 − x − y) / √2

from the line through the ends, the chord, positive on the side of the point (0, 0) that has the best of both. The knee
is the point with the largest positive d (I. Das, On characterizing the "knee" of the Pareto curve based on
Normal-Boundary Intersection, Structural Optimization 18, 1999, pp. 107-115, there for the chord of a continuous front).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

RULE = "knee: the point farthest from the line through the front's two ends, both axes scaled to 0…1 (Das 1999)"
LEAST = 1e-9
"""Distance below which a point counts as one of the chord."""


def knee_of(front: Sequence[tuple[float, float]]) -> int | None:
    """Return the place of the knee, the first among equals.

    Parameters
    ----------
    front
        Two figures a point, of both of which small is good; no point dominates another.

    Returns
    -------
    int or None
        None for fewer than three different points, and where none lies on the good side of the chord.
    """
    if len(set(front)) < 3:
        return None
    low = tuple(min(point[axis] for point in front) for axis in (0, 1))
    span = tuple(max(point[axis] for point in front) - low[axis] for axis in (0, 1))
    distances = [(1 - (x - low[0]) / span[0] - (y - low[1]) / span[1]) / sqrt(2) for x, y in front]
    most = max(distances)
    return distances.index(most) if most > LEAST else None

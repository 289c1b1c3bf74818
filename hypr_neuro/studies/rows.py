"""What the seeds of a combination gave, as one row of the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hypr_neuro.studies.warned import of_seeds
from hypr_neuro.studies.work import REFUSED, WARNED

ROUNDING = 1e-14
"""Share of a mean below which a spread is that of rounding sums."""
EARLIER = "earlier"
"""Column that counts results of another program or of other data, which `run` makes anew."""


def row_of(settings: Mapping[str, Any], results: Sequence[Mapping[str, Any]], earlier: int = 0) -> dict[str, Any]:
    """Return the row of a combination: values, how many seeds, of every figure the mean and its standard deviation.

    Warnings of its trials stand beside them, see `studies.warned.of_seeds`.

    Parameters
    ----------
    settings
        Values by full name.
    results
        Figures of each seed.
    earlier
        How many of them are of other sources or data.
    """
    row = {**settings, "seeds": len(results)} | ({EARLIER: earlier} if earlier else {})
    reasons = [r[REFUSED] for r in results if REFUSED in r]
    if reasons:
        return row | {REFUSED: reasons[0]}
    if warned := of_seeds(results):
        row[WARNED] = warned
    for name in dict.fromkeys(name for r in results for name in r if name != WARNED):
        values = [r.get(name) for r in results]
        numbers = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if len(numbers) < len(values):
            row[name] = None
            continue
        mean = math.fsum(numbers) / len(numbers)
        row[name] = values[0] if len(set(numbers)) == 1 else mean
        if len(numbers) > 1:
            spread = math.sqrt(math.fsum((n - mean) ** 2 for n in numbers) / (len(numbers) - 1))
            row[f"{name} sd"] = spread if spread > ROUNDING * abs(mean) else 0.0
    return row

"""How each number of a quantized network came about, as plain data and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypr_neuro.neurons.base import Conversion


def conversion_summary(layer: str, c: Conversion) -> dict[str, Any]:
    """Return a conversion as plain data, for the record."""
    error = c.integer / c.scale - c.value
    power, noise = float(np.mean(c.value**2)), float(np.mean(error**2))
    sqnr = 10.0 * float(np.log10(power / noise)) if noise > 0 and power > 0 else None
    return {
        "layer": layer,
        "name": c.name,
        "low": float(c.value.min()),
        "high": float(c.value.max()),
        "scale": c.scale,
        "integer_low": int(c.integer.min()),
        "integer_high": int(c.integer.max()),
        "rounding": c.rounding,
        "clipped": c.clipped,
        "zeroed": int(np.count_nonzero((c.integer == 0) & (c.value != 0))),
        "nonzero": int(np.count_nonzero(c.value)),
        "count": int(c.integer.size),
        "sqnr": sqnr,
        "rule": c.rule,
    }


def explained(record: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tell the conversions of a record in words, one a line."""
    return [
        f"{r['layer']}.{r['name']}: {r['low']:.6g}..{r['high']:.6g} × {r['scale']:.6g} -> "
        f"{r['integer_low']}..{r['integer_high']} ({r['rounding']}; {r['clipped']} of {r['count']} clipped, "
        f"{r.get('zeroed', 0)} became 0; SQNR {_decibel(r['sqnr'])}; {r['rule']})"
        for r in record
    ]


def _decibel(value: float | None) -> str:
    return "exact" if value is None else f"{value:.1f} dB"

"""Encoders: real values to spikes. All are deterministic given their options; the random one takes a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array


def _unit_values(signal: Array, method: str) -> Array:
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim != 2:
        raise InputError(f"encoder '{method}': signal of shape {values.shape}, rule: (sample, feature)")
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError(f"encoder '{method}': values {values.min()}..{values.max()}, rule: 0 <= value <= 1; rescale")
    return values


def rate(signal: Array, *, steps: int = 64, seed: int = 0, maximum: float = 1.0) -> Array:
    """Bernoulli spikes: P(x_t = 1) = maximum · value; (sample, feature) to (sample, steps, feature)."""
    values = _unit_values(signal, "rate")
    draws = np.random.default_rng(seed).random((values.shape[0], steps, values.shape[1]), dtype=np.float32)
    spikes: Array = (draws < maximum * values[:, None, :]).astype(np.uint8)
    return spikes


def latency(signal: Array, *, steps: int = 64, threshold: float = 0.0) -> Array:
    """One spike, earlier for larger values: t = round((1 - value)(steps - 1)); none at or below the threshold."""
    values = _unit_values(signal, "latency")
    time = np.rint((1.0 - values) * (steps - 1)).astype(int)
    spikes = np.arange(steps)[None, :, None] == time[:, None, :]
    return np.asarray(spikes & (values > threshold)[:, None, :], dtype=np.uint8)


def thermometer(signal: Array, *, levels: int = 4, steps: int = 64) -> Array:
    """Channel j of a feature is on in every step if value > (j + ½)/levels; (sample, steps, feature·levels)."""
    values = _unit_values(signal, "thermometer")
    on = values[:, :, None] > (np.arange(levels) + 0.5) / levels
    held = np.broadcast_to(on.reshape(len(values), 1, -1), (len(values), steps, values.shape[1] * levels))
    return np.asarray(held, dtype=np.uint8)


def scan(signal: Array, *, rows: int, hold: int = 8, levels: int = 4) -> Array:
    """Present an image row by row: each of its `rows` is held for `hold` steps in thermometer code.

    signal : (sample, rows·columns), row after row. Returns (sample, rows·hold, columns·levels).
    """
    values = _unit_values(signal, "scan")
    if values.shape[1] % rows:
        raise InputError(f"encoder 'scan': {values.shape[1]} features do not divide into {rows} rows")
    parts = [thermometer(row, levels=levels, steps=hold) for row in np.split(values, rows, axis=1)]
    return np.concatenate(parts, axis=1)


def level_crossing(signal: Array, *, threshold: float = 0.1) -> Array:
    """Send-on-delta events: up or down whenever the value has moved by `threshold` since the last event.

    signal : (sample, T, channel) real. Returns (sample, T, 2·channel): up events, then down events.
    """
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim != 3 or not threshold > 0:
        raise InputError(
            f"encoder 'level_crossing': signal of shape {values.shape}, threshold {threshold}, "
            "rule: (sample, T, channel), positive"
        )
    if not np.all(np.isfinite(values)):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError(f"encoder 'level_crossing': signal{list(where)} = {values[where]}, rule: finite numbers")
    level = values[:, 0].copy()
    events = np.zeros((*values.shape[:2], 2 * values.shape[2]), np.uint8)
    for t in range(values.shape[1]):
        up, down = values[:, t] - level >= threshold, level - values[:, t] >= threshold
        level += threshold * (up.astype(float) - down)
        events[:, t] = np.concatenate([up, down], axis=1)
    return events


ENCODERS: dict[str, Callable[..., Array]] = {f.__name__: f for f in (rate, latency, thermometer, scan, level_crossing)}


def encode(signal: Array, method: str, **options: Any) -> Array:
    """Spikes from real values by the named encoder; an unknown method lists the known ones."""
    if method not in ENCODERS:
        raise InputError(f"unknown encoder '{method}', known: {', '.join(sorted(ENCODERS))}")
    try:
        return ENCODERS[method](signal, **options)
    except TypeError as error:
        raise InputError(f"encoder '{method}': {error}") from error

"""Encoders: real values to spikes. All are deterministic given their options; the random one takes a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_finite, require_number, whole

LOWEST = {"steps": 1, "levels": 1, "hold": 1, "rows": 1, "seed": 0}
"""Least value of an option that is a whole number; the others are numbers."""


def _unit_values(signal: Array, method: str) -> Array:
    """Return the signal as float64 (sample, feature); raise InputError unless all of it lies in [0, 1]."""
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim != 2:
        raise InputError(f"encoder '{method}': signal of shape {values.shape}, rule: (sample, feature)")
    require_finite(f"encoder '{method}': signal", values)
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError(f"encoder '{method}': values {values.min()}..{values.max()}, rule: 0 <= value <= 1; rescale")
    return values


def rate(signal: Array, *, steps: int = 64, seed: int = 0, maximum: float = 1.0) -> Array:
    """Draw Bernoulli spikes with P(x_t = 1) = maximum · value: (sample, feature) to (sample, steps, feature)."""
    values = _unit_values(signal, "rate")
    draws = np.random.default_rng(seed).random((values.shape[0], steps, values.shape[1]), dtype=np.float32)
    spikes: Array = (draws < maximum * values[:, None, :]).astype(np.uint8)
    return spikes


def latency(signal: Array, *, steps: int = 64, threshold: float = 0.0) -> Array:
    """Send one spike a feature, earlier for larger values: t = round((1 - value)(steps - 1)).

    Returns (sample, steps, feature); values at or below `threshold` send none.
    """
    values = _unit_values(signal, "latency")
    time = np.rint((1.0 - values) * (steps - 1)).astype(int)
    spikes = np.arange(steps)[None, :, None] == time[:, None, :]
    return np.asarray(spikes & (values > threshold)[:, None, :], dtype=np.uint8)


def thermometer(signal: Array, *, levels: int = 4, steps: int = 64) -> Array:
    """Set channel j of a feature in every step if value > (j + ½)/levels; returns (sample, steps, feature·levels)."""
    values = _unit_values(signal, "thermometer")
    above = values[:, :, None] > (np.arange(levels) + 0.5) / levels
    repeated = np.broadcast_to(above.reshape(len(values), 1, -1), (len(values), steps, values.shape[1] * levels))
    return np.asarray(repeated, dtype=np.uint8)


def scan(signal: Array, *, rows: int, hold: int = 8, levels: int = 4) -> Array:
    """Present an image row by row: each of its `rows` is held for `hold` steps in thermometer code.

    Parameters
    ----------
    signal : (sample, rows·columns)
        Grey levels in [0, 1], row after row.
    rows
        Rows of an image.
    hold
        Steps of each row.
    levels
        Grey levels of the thermometer code.

    Returns
    -------
    Array
        (sample, rows·hold, columns·levels) spikes, uint8.
    """
    values = _unit_values(signal, "scan")
    if values.shape[1] % rows:
        raise InputError(f"encoder 'scan': {values.shape[1]} features do not divide into {rows} rows")
    parts = [thermometer(row, levels=levels, steps=hold) for row in np.split(values, rows, axis=1)]
    return np.concatenate(parts, axis=1)


def level_crossing(signal: Array, *, threshold: float = 0.1) -> Array:
    """Send an event up or down whenever a value has moved by `threshold` since its last event (send-on-delta).

    Parameters
    ----------
    signal : (sample, T, channel)
        Real.
    threshold
        Distance between two levels, in the signal's unit.

    Returns
    -------
    Array
        (sample, T, 2·channel) spikes, uint8: the up events of all channels, then the down events.
    """
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim != 3:
        raise InputError(f"encoder 'level_crossing': signal of shape {values.shape}, rule: (sample, T, channel)")
    if not 0 < threshold < np.inf:
        raise InputError(f"encoder 'level_crossing': threshold = {threshold}, rule: a finite number above 0")
    require_finite("encoder 'level_crossing': signal", values)
    level = values[:, 0].copy()
    events = np.zeros((*values.shape[:2], 2 * values.shape[2]), np.uint8)
    for t in range(values.shape[1]):
        up, down = values[:, t] - level >= threshold, level - values[:, t] >= threshold
        level += threshold * (up.astype(float) - down)
        events[:, t] = np.concatenate([up, down], axis=1)
    return events


ENCODERS: dict[str, Callable[..., Array]] = {f.__name__: f for f in (rate, latency, thermometer, scan, level_crossing)}


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Raise InputError for an option that the encoder lacks, one that is missing, and a value that is no number."""
    parameters = list(signature(ENCODERS[method]).parameters.values())[1:]
    known = [p.name for p in parameters]
    for name, value in options.items():
        if name not in known:
            raise InputError(f"encoder '{method}': unknown option {among(name, known)}")
        if name in LOWEST:
            whole(f"encoder '{method}': {name}", value, LOWEST[name])
        else:
            require_number(f"encoder '{method}': {name}", value)
    for p in parameters:
        if p.default is p.empty and p.name not in options:
            raise InputError(f"encoder '{method}': {p.name} is missing; give {p.name}=N")


def encode(signal: Array, method: str, **options: Any) -> Array:
    """Return the spikes into which the named encoder turns real values.

    Parameters
    ----------
    signal : (sample, feature)
        Values in [0, 1]; (sample, T, channel) for "level_crossing".
    method
        One of `ENCODERS`.
    **options
        The encoder's keyword arguments.

    Raises
    ------
    InputError
        For an unknown method (it lists the known ones), an option that the encoder lacks or whose value it does not
        take, or values out of range.
    """
    if not isinstance(method, str) or method not in ENCODERS:
        raise InputError(f"unknown encoder {among(method, sorted(ENCODERS))}")
    check_options(method, options)
    try:
        return ENCODERS[method](signal, **options)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"encoder '{method}': {error}") from error

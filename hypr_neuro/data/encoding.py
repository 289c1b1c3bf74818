"""Real values of an .npz as spikes, where they are loaded: the encoder as a text or a mapping, and which one suits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.encode import ENCODERS, check_options, encode
from hypr_neuro.data.sequence import PARTS
from hypr_neuro.errors import InputError, among
from hypr_neuro.files.yaml_file import parse_yaml
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_finite

Encoding = str | Mapping[str, Any]
"""METHOD or METHOD:KEY=VALUE,KEY=VALUE; or {"method": …, and its options}."""
SIGNALS = ("level_crossing",)
"""Encoders of signals over time, (sample, T, channel); the others take a vector a sample, in 0..1."""
STEPS = 64
LIMITS = ("low", "high")
"""Options of vectors, whose values they bring into 0..1 before the encoder sees them."""


def parse_encoding(encoding: Encoding) -> dict[str, Any]:
    """Return {"method": …, and its options}; raise InputError for an unknown method or a text of another form."""
    if isinstance(encoding, Mapping):
        chosen = dict(encoding)
    else:
        method, _, text = str(encoding).partition(":")
        chosen = {"method": method} | dict(_option(encoding, word) for word in text.split(",") if word)
    if chosen.get("method") not in ENCODERS:
        raise InputError(f"encode: unknown encoder {among(chosen.get('method'), sorted(ENCODERS))}")
    check_options(chosen["method"], {k: v for k, v in chosen.items() if k not in ("method", *LIMITS)})
    return chosen


def _option(encoding: object, word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not (key.isidentifier() and equals and value):
        raise InputError(f"encode {encoding}: '{word}', rule: METHOD:KEY=VALUE,KEY=VALUE, as {suggestion(None)}")
    return key, _as_number(parse_yaml(value, f"encode {encoding}"))


def _as_number(value: Any) -> Any:
    """Return what YAML takes for text and is a number: 4e-07 has no point."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def encoded_parts(path: Path, content: Mapping[str, Array], encoding: Encoding) -> tuple[dict[str, Array], Any]:
    """Encode x_train, x_validation and x_test of a file together, so that what is drawn differs between samples.

    Parameters
    ----------
    path
        Of the file, for messages.
    content
        Its arrays: x (sample, T, channel) of signals, (sample, feature) or (sample, 1, feature) of vectors.
    encoding
        With the options of `data.encode`; vectors take `low` and `high`, which become 0 and 1, too.

    Returns
    -------
    tuple
        The same arrays with spikes for x, and what a network keeps of its encoder.
    """
    chosen = parse_encoding(encoding)
    names = [name for part in PARTS if (name := f"x_{part}") in content]
    for name in names:
        _check(path, name, content[name], content[names[0]], str(chosen["method"]))
    x = np.concatenate([content[name] for name in names]).astype(np.float64)
    options = {key: value for key, value in chosen.items() if key not in ("method", *LIMITS)}
    if chosen["method"] not in SIGNALS:
        low, high = (_number(path, key, chosen.get(key, default)) for key, default in (("low", 0.0), ("high", 1.0)))
        if not low < high:
            raise InputError(f"data '{path}': encode low = {low}, high = {high}, rule: low < high")
        x = (x.reshape(len(x), -1) - low) / (high - low)
    elif set(LIMITS) & set(chosen):
        raise InputError(f"data '{path}': encode {chosen['method']}: no option low or high; they are of vectors")
    try:
        spikes = encode(x, str(chosen["method"]), **options)
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"data '{path}': {error}{_range(x, chosen)}") from error
    ends = np.cumsum([len(content[name]) for name in names])[:-1]
    return {**content, **dict(zip(names, np.split(spikes, ends), strict=True))}, chosen


def _check(path: Path, name: str, x: Array, first: Array, method: str) -> None:
    """Raise InputError unless an array has the axes that an encoder takes, finite and as the first part's."""
    over_time = method in SIGNALS
    fits = x.ndim == 3 if over_time else x.ndim == 2 or (x.ndim == 3 and x.shape[1] == 1)
    rule = "(sample, T, channel)" if over_time else "(sample, feature), or one step a sample"
    if not fits or 0 in x.shape or x.shape[1:] != first.shape[1:] or x.dtype.kind not in "biuf":
        raise InputError(f"data '{path}': {name} {x.dtype} of shape {x.shape}, rule of encoder '{method}': {rule}")
    require_finite(f"data '{path}': {name}", x)


def _number(path: Path, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"data '{path}': encode {key} = {value!r}, rule: a number")
    return float(value)


def _range(x: Array, chosen: Mapping[str, Any]) -> str:
    """Return the remedy for vectors that leave 0..1, "" where nothing was said of their range or it is no matter."""
    inside = chosen["method"] in SIGNALS or (x.min() >= 0 and x.max() <= 1)
    return "" if inside or "low" in chosen or "high" in chosen else f", as {chosen['method']}:{_limits(x)}"


def suggestion(x: Array | None) -> str:
    """Return an encoding that takes these values: levels a tenth of their range apart, or rates of vectors."""
    if x is None or not x.size:
        return "level_crossing:threshold=0.1"
    if x.ndim == 3 and x.shape[1] > 1:
        span = float(x.max()) - float(x.min())
        return f"level_crossing:threshold={span / 10 or 0.1:.1g}"
    limits = "" if x.min() >= 0 and x.max() <= 1 else f",{_limits(x)}"
    return f"rate:steps={STEPS}{limits}"


def _limits(x: Array) -> str:
    """Return low and high around the values, in few digits."""
    low, high = float(x.min()), float(x.max())
    high = high if high > low else low + 1.0
    size = 10.0 ** np.floor(np.log10(max(high - low, 1e-300)) - 1)
    return f"low={np.floor(low / size) * size:.6g},high={np.ceil(high / size) * size:.6g}"

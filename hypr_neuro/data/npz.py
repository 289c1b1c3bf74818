"""A user's own sequences in one .npz file.

Keys: x_train, x_test (sample, T, channel); y_train, y_test integer classes from 0 on, (sample,) or (sample, T), or
float targets (sample, targets) or (sample, T, targets); optional mask_train, mask_test (sample, T), and x_validation
with y_validation (10 % of train is taken otherwise).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.encoding import Encoding, encoded_parts, suggestion
from hypr_neuro.data.label_checks import check_labels, warn_of_unseen_classes
from hypr_neuro.data.sequence import PARTS, SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_finite

NEEDED = ("x_train", "y_train", "x_test", "y_test")


def load_npz(
    path: str | Path, *, classes: int | None = None, seed: int = 0, encode: Encoding | None = None
) -> SequenceData:
    """Read the file; errors name the file and the key.

    Parameters
    ----------
    path
        Of the .npz file.
    classes
        Number of classes, where y_train does not show it: some never occur, class 0 among them.
    seed
        Draws the 10 % of the training samples that become validation, where the file has no validation part.
    encode
        Encoder that makes spikes of real values, "level_crossing:threshold=0.1" or {"method": "rate", "steps": 64};
        vectors (sample, feature) take `low` and `high`, too, which become 0 and 1.

    Raises
    ------
    InputError
        For a missing key, a shape or type that is not in the module's docstring, or a value that is not finite.
    FileFormatError
        For a damaged file, or one that is no .npz of plain arrays.
    """
    path = Path(path)
    content, encoder = read_arrays(path, NEEDED), None
    if encode is not None:
        content, encoder = encoded_parts(path, content, encode)
    parts = [p for p in PARTS if f"x_{p}" in content]
    x = [_checked(path, content, f"x_{p}") for p in parts]
    y = [content[f"y_{p}"] if f"y_{p}" in content else _absent(path, f"y_{p}") for p in parts]
    for p, xs, ys in zip(parts, x, y, strict=True):
        check_labels(path, p, xs, ys)
        if xs.shape[1:] != x[0].shape[1:] or _kind(ys) != _kind(y[0]):
            raise InputError(
                f"data '{path}': x_{p} {xs.shape}, y_{p} {ys.dtype} {ys.shape} do not go with "
                f"x_{parts[0]} {x[0].shape}, y_{parts[0]} {y[0].dtype} {y[0].shape}"
            )
    split = [np.full(len(a), p, dtype="<U10") for p, a in zip(parts, x, strict=True)]
    if "validation" not in parts:
        split[0] = hold_out_validation(len(x[0]), 0.1, seed)
    labels, outputs = _labels(path, y, classes)
    mask = _mask(path, content, parts, x)
    data = SequenceData(path.stem, np.concatenate(x), labels, np.concatenate(split), outputs, mask, encoder=encoder)
    warn_of_unseen_classes(data)
    if not np.any(data.x):
        warnings.warn(f"data '{path}': x is 0 everywhere, so no network can tell samples apart", HyprWarning, 2)
    return data


def read_arrays(path: Path, needed: Sequence[str]) -> dict[str, Array]:
    """Return all arrays of an .npz; raise InputError, naming the file, if it or a needed key is missing or damaged."""
    if not path.is_file():
        raise InputError(f"data file '{path}' does not exist; give an .npz with keys {', '.join(needed)}")
    try:
        # numpy leaves a damaged file open if it opened it itself
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            content = {key: file[key] for key in file.files}
    except Exception as error:  # zipfile, zlib and numpy raise many types on damaged files
        raise FileFormatError(f"data file '{path}' is damaged or no .npz of plain arrays: {error}") from error
    missing = [key for key in needed if key not in content]
    if missing:
        raise InputError(f"data '{path}': key '{missing[0]}' is missing, found: {', '.join(sorted(content)) or 'none'}")
    return content


def _absent(path: Path, key: str) -> Array:
    """Raise the error for a missing key."""
    raise InputError(f"data '{path}': key '{key}' is missing")


def _kind(y: Array) -> tuple[Any, ...]:
    """Return what must be the same in all parts: classes or targets, per sample or per step, and how many targets."""
    return (y.dtype.kind == "f", y.ndim, y.shape[-1] if y.dtype.kind == "f" else 0)


def _labels(path: Path, y: list[Array], classes: int | None) -> tuple[Array, int]:
    """Return (labels of all parts, number of outputs)."""
    if y[0].dtype.kind == "f":
        if classes is not None:
            raise InputError(f"data '{path}': classes = {classes} and float y_train, rule: classes need integer labels")
        return np.concatenate(y), int(y[0].shape[-1])
    labels = np.concatenate([part.astype(np.int64) for part in y])
    if labels.size == 0 or labels.min() < 0:
        raise InputError(f"data '{path}': labels {labels.min() if labels.size else '(none)'}.., rule: 0, 1, 2, …")
    if classes is None and y[0].min() > 0:
        raise InputError(
            f"data '{path}': the lowest label of y_train is {y[0].min()}, rule: classes count from 0; "
            f"subtract {y[0].min()}, or pass classes=N if class 0 has no sample"
        )
    if classes is not None and classes <= labels.max():
        raise InputError(f"data '{path}': classes = {classes}, found label {labels.max()}, rule: labels below classes")
    return labels, int(labels.max()) + 1 if classes is None else classes


def _mask(path: Path, content: dict[str, Array], parts: list[str], x: list[Array]) -> Array | None:
    """Return the scored steps (sample, T) of all parts, None if no part has a mask."""
    if not any(f"mask_{p}" in content for p in parts):
        return None
    masks = [content.get(f"mask_{p}", np.ones(a.shape[:2], bool)) for p, a in zip(parts, x, strict=True)]
    for p, m, a in zip(parts, masks, x, strict=True):
        if m.shape != a.shape[:2] or m.dtype.kind not in "biuf":
            raise InputError(
                f"data '{path}': mask_{p} {m.dtype} of shape {m.shape}, rule: booleans {a.shape[:2]} as x_{p}"
            )
        if not m.any():
            raise InputError(f"data '{path}': mask_{p} scores no step at all; at least one is needed")
    return np.concatenate(masks).astype(bool)


def _checked(path: Path, content: dict[str, Array], key: str) -> Array:
    """Return the numbers (sample, T, channel) under `key`; raise InputError for anything else."""
    array = content[key]
    if array.ndim != 3 or 0 in array.shape or array.dtype.kind not in "biuf":
        raise InputError(
            f"data '{path}': {key} {array.dtype} of shape {array.shape}, rule: numbers (sample, T, channel)"
            f"{_vectors(content)}"
        )
    require_finite(f"data '{path}': {key}", array)
    return array.astype(np.int8) if array.dtype == bool else array


def _vectors(content: dict[str, Array]) -> str:
    """Return the remedy where x is a vector a sample, "" for anything else."""
    parts = [content[name] for part in PARTS if (name := f"x_{part}") in content]
    if any(x.ndim != 2 or x.dtype.kind not in "biuf" or x.shape[1:] != parts[0].shape[1:] for x in parts):
        return ""
    x = np.concatenate(parts)
    if not x.size or not np.all(np.isfinite(x)):
        return ""
    encoding = suggestion(x)
    channel = "; where a row is a sequence of one channel, give x[:, :, None]" if np.all((x == 0) | (x == 1)) else ""
    made = f"; spikes over time are made of vectors by --encode {encoding} (hn.load_data(file, encode='{encoding}'))"
    return f"{channel}{made}"

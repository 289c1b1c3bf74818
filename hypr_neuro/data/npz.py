"""A user's own sequences in one .npz file.

Keys: x_train, x_test (sample, T, channel); y_train, y_test (sample,) or (sample, T) integers; optional mask_train,
mask_test (sample, T), and x_validation with y_validation (10 % of train is taken otherwise).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.data.sequence import PARTS, SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, InputError

Array = NDArray[Any]
NEEDED = ("x_train", "y_train", "x_test", "y_test")


def load_npz(path: str | Path, *, seed: int = 0) -> SequenceData:
    """Read the file; errors name the file and the key."""
    path = Path(path)
    content = _read(path)
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise InputError(f"data '{path}': key '{missing[0]}' is missing, found: {', '.join(sorted(content)) or 'none'}")
    parts = [p for p in PARTS if f"x_{p}" in content]
    x = [_checked(path, content, f"x_{p}", 3) for p in parts]
    y = [content[f"y_{p}"] if f"y_{p}" in content else _absent(path, f"y_{p}") for p in parts]
    for p, xs, ys in zip(parts, x, y, strict=True):
        if ys.dtype.kind not in "iu" or ys.shape not in (xs.shape[:1], xs.shape[:2]):
            raise InputError(f"data '{path}': y_{p} {ys.dtype} of shape {ys.shape}, rule: integers, "
                             f"{xs.shape[:1]} or {xs.shape[:2]} as x_{p}")  # fmt: skip
        if xs.shape[1:] != x[0].shape[1:] or ys.ndim != y[0].ndim:
            raise InputError(
                f"data '{path}': x_{p} {xs.shape}, y_{p} {ys.shape} do not go with x_{parts[0]} {x[0].shape}"
            )
    split = [np.full(len(a), p, dtype="<U10") for p, a in zip(parts, x, strict=True)]
    if "validation" not in parts:
        split[0] = hold_out_validation(len(x[0]), 0.1, seed)
    labels = np.concatenate(y).astype(np.int64)
    if labels.size == 0 or labels.min() < 0:
        raise InputError(f"data '{path}': labels {labels.min() if labels.size else '(none)'}.., rule: 0, 1, 2, …")
    classes = int(labels.max()) + 1
    return SequenceData(
        path.stem, np.concatenate(x), labels, np.concatenate(split), classes, _mask(path, content, parts, x)
    )


def _absent(path: Path, key: str) -> Array:
    raise InputError(f"data '{path}': key '{key}' is missing")


def _mask(path: Path, content: dict[str, Array], parts: list[str], x: list[Array]) -> Array | None:
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


def _checked(path: Path, content: dict[str, Array], key: str, ndim: int) -> Array:
    array = content[key]
    if array.ndim != ndim or 0 in array.shape or array.dtype.kind not in "biuf":
        raise InputError(
            f"data '{path}': {key} {array.dtype} of shape {array.shape}, rule: numbers (sample, T, channel)"
        )
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"data '{path}': {key}{list(where)} = {array[where]}, rule: finite numbers; repair or drop it")
    return array.astype(np.int8) if array.dtype == bool else array


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise InputError(f"data file '{path}' does not exist; give an .npz with keys {', '.join(NEEDED)}")
    try:
        # numpy leaves a damaged file open if it opened it itself
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # zipfile, zlib and numpy raise many types on damaged files
        raise FileFormatError(f"data file '{path}' is damaged or no .npz of plain arrays: {error}") from error

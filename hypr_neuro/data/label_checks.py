"""Checks of the labels of a user's file: their kind and shape, and classes of which nothing is learned."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from hypr_neuro.data.sequence import ONE_HOT, SequenceData, is_one_hot
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_finite


def check_labels(path: Path, part: str, x: Array, y: Array) -> None:
    """Raise InputError unless y fits x in shape and type and is finite."""
    leading = (x.shape[:1], x.shape[:2])
    shape = y.shape[:-1] if y.dtype.kind == "f" and y.ndim else y.shape
    if y.dtype.kind not in "iuf" or shape not in leading or (y.dtype.kind == "f" and y.shape[-1] == 0):
        raise InputError(
            f"data '{path}': y_{part} {y.dtype} of shape {y.shape}, rule: integers, {leading[0]} or "
            f"{leading[1]} as x_{part}, or float targets with one more axis{_remedy(x, y)}"
        )
    require_finite(f"data '{path}': y_{part}", y)


def _remedy(x: Array, y: Array) -> str:
    """Return how labels of another form become classes, or one target a sample; "" where nothing is like them."""
    if y.ndim and y.shape[:1] == x.shape[:1] and is_one_hot(y, y.shape[-1]):
        return ONE_HOT
    if y.shape not in (x.shape[:1], x.shape[:2]):
        return ""
    if y.dtype.kind == "f":
        classes = "y.astype(int) for classes, or " if np.all(np.isfinite(y)) and np.all(y == np.rint(y)) else ""
        return f"; give {classes}y[..., None] for one target"
    if y.dtype.kind in "US" and not all(text.isdecimal() for text in np.unique(y).astype(str)):
        return "; number the classes: np.unique(y, return_inverse=True)[1]"
    return "; give y.astype(int)" if y.dtype.kind in "bUS" else ""


def warn_of_unseen_classes(data: SequenceData) -> None:
    """Warn of classes that occur for test or validation and not for training, of which nothing is learned."""
    if data.regression:
        return
    learned = np.unique(data.y[data.split == "train"])
    for part in ("validation", "test"):
        unseen = np.setdiff1d(data.y[data.split == part], learned)
        if learned.size and unseen.size:
            listed = ", ".join(map(str, unseen[:10])) + (", …" if len(unseen) > 10 else "")
            warnings.warn(
                f"data '{data.name}': part '{part}' has labels {listed}, part 'train' has none of them, so they cannot "
                "be learned; give each class training samples",
                HyprWarning,
                stacklevel=3,
            )

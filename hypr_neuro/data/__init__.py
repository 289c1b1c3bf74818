"""Data sets: one file each; `load_data` finds them by name or reads a user's .npz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypr_neuro.data.digits import load_digits
from hypr_neuro.data.ecg import load_ecg
from hypr_neuro.data.encode import encode
from hypr_neuro.data.npz import load_npz
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError

LOADERS: dict[str, Callable[..., SequenceData]] = {"digits": load_digits, "ecg": load_ecg}


def load_data(name: str, folder: str | Path | None = None, **options: Any) -> SequenceData:
    """A data set by name ("digits", "ecg" with its folder), or the path of an .npz file (see `data.npz`)."""
    if name in LOADERS:
        return LOADERS[name](folder, **options)
    if name.endswith(".npz"):
        return load_npz(Path(folder or ".") / name, **options)
    raise InputError(f"unknown data '{name}', known: {', '.join(LOADERS)}, or the path of an .npz file")


__all__ = ["SequenceData", "encode", "load_data"]

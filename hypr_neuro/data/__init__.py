"""Data sets: one file each; `load_data` finds them by name or reads a user's .npz."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from os import fspath
from pathlib import Path
from typing import Any

from hypr_neuro.data.adding import load_adding
from hypr_neuro.data.braille import load_braille
from hypr_neuro.data.cue import load_cue
from hypr_neuro.data.digits import load_digits
from hypr_neuro.data.ecg import load_ecg
from hypr_neuro.data.encode import encode
from hypr_neuro.data.heidelberg import load_shd, load_ssc
from hypr_neuro.data.npz import load_npz
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.data.smnist import load_smnist
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require_path

LOADERS: dict[str, Callable[..., SequenceData]] = {
    "digits": load_digits,
    "ecg": load_ecg,
    "braille": load_braille,
    "cue": load_cue,
    "adding": load_adding,
    "smnist": load_smnist,
    "shd": load_shd,
    "ssc": load_ssc,
}


def load_data(name: str | Path, folder: str | Path | None = None, /, **options: Any) -> SequenceData:
    """Return a data set by name, or the sequences of a user's .npz file.

    Parameters
    ----------
    name
        One of `LOADERS`, or the path of an .npz file (see `data.npz`).
    folder
        The folder that holds the data set's files, or that the .npz path starts from; None where the data set is
        generated or downloaded.
    **options
        Options of the data set's loader, such as `delay` of "cue"; docs/data.md lists them.

    Returns
    -------
    SequenceData
        Samples, labels or targets, split and scored steps.

    Raises
    ------
    InputError
        For an unknown name, for an option that the loader lacks (it lists those it has), and what the loader raises.
    """
    require_path("name", name, "an .npz file or the name of a data set")
    name = fspath(name)
    if name not in LOADERS and not name.endswith(".npz"):
        raise InputError(f"unknown data '{name}', known: {', '.join(LOADERS)}, or the path of an .npz file")
    loader = LOADERS.get(name, load_npz)
    known = list(signature(loader).parameters)[1:]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"data '{name}': unknown option '{unknown[0]}', known: {', '.join(known)}")
    return loader(folder if name in LOADERS else Path(folder or ".") / name, **options)


__all__ = ["SequenceData", "encode", "load_data"]

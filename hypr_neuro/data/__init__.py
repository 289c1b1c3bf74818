"""Data sets: `load_data` finds them by name or reads a user's .npz.

A file of this folder that defines a function ``load_<name>`` adds the data set of that name; nothing else is edited.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, signature
from os import fspath
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from hypr_neuro.data.encode import encode
from hypr_neuro.data.npz import load_npz
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError, among
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.numbers.registry import without_record

Loader = Callable[..., SequenceData]


def _load() -> dict[str, Loader]:
    """Import every file of the folder; return the functions ``load_<name>`` that they define, by name."""
    found: dict[str, Loader] = {}
    files: dict[str, str] = {}
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for name, value in vars(module).items():
            if (
                name.startswith("load_")
                and getattr(value, "__module__", "") == module.__name__
                and value is not load_npz
            ):
                _check_loader(info.name, name, value, files)
                found[name.removeprefix("load_")] = value
    return dict(sorted(found.items()))


def _check_loader(file: str, name: str, loader: Loader, files: dict[str, str]) -> None:
    """Enter a loader into `files`; InputError for a second one of its name, and for an option without a default."""
    if name in files:
        raise InputError(f"data: {files[name]}.py and {file}.py both define {name}, rule: one a name; rename one")
    files[name] = file
    parameters = list(signature(loader).parameters.values())
    if not parameters or any(option.default is Parameter.empty for option in parameters[1:]):
        raise InputError(
            f"data: {file}.py defines {name}{signature(loader)}, rule: a folder, then options that have defaults; "
            "give each one"
        )


LOADERS: dict[str, Loader] = _load()


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
        file = without_record(__name__, __path__, name, f"load_{name}")
        raise InputError(f"unknown data {among(name, LOADERS, file)}, or the path of an .npz file")
    loader = LOADERS.get(name, load_npz)
    known = list(signature(loader).parameters)[1:]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"data '{name}': unknown option {among(unknown[0], known)}")
    return loader(folder if name in LOADERS else Path(folder or ".") / name, **options)


__all__ = ["SequenceData", "encode", "load_data"]

"""What the scripts beside a compiled network share: arguments, the sample's file, and errors of one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.numbers.arrays import Array


def run_script(main: Callable[[str, str], None]) -> None:
    """Call `main` with the two arguments of the command line; an error is one line, with exit code 2."""
    script, *arguments = sys.argv
    name = Path(script).name
    if len(arguments) != 2:
        print(f"usage: python {name} x.npy out.npz", file=sys.stderr)
        sys.exit(2)
    try:
        if not (folder := Path(arguments[1]).absolute().parent).is_dir():
            raise InputError(f"folder '{folder}' does not exist, rule: one for the output; create it")
        main(*arguments)
    except (HyprError, OSError) as error:
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


def read_sample(path: str, channels: int) -> Array:
    """Read one sample (T, channel), int64; raise InputError for any other file."""
    rule = f"rule: .npy with one sample of integers, (T, {channels})"
    try:
        x = np.load(path)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"file '{path}': {error}; {rule}") from error
    if not isinstance(x, np.ndarray):
        raise InputError(f"file '{path}' holds several arrays, {rule}")
    if x.dtype.kind not in "biu" or x.ndim != 2 or x.shape[1] != channels or not len(x):
        raise InputError(f"file '{path}': {x.dtype} of shape {x.shape}, {rule}")
    return x.astype(np.int64)


def write_arrays(path: str, arrays: dict[str, Array]) -> None:
    """Write an .npz file at exactly this path."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)

"""Arrays of an .npz that may come from anywhere: no pickles, nothing larger than it says, nothing larger than a limit.

Names and sizes are checked before anything is unpacked, so that a file of a few kilobytes cannot fill the memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from hypr_neuro.errors import FileFormatError
from hypr_neuro.exchange.checkpoints.content import Content, check_file, check_size
from hypr_neuro.numbers.arrays import Array

READ_HEADER: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
"""By version of the .npy format; 3.0 is for names of fields, which plain numbers do not have."""


def read_npz(path: Path) -> Content:
    """Return all arrays of the file; raise FileFormatError, naming file and array, for one that cannot be read."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            content = Content(path, "npz", _arrays(path, archive))
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and zlib raise many types on damaged files
        raise FileFormatError(f"checkpoint '{path}' is damaged or no .npz: {error}") from error
    if "epoch" in content.arrays:
        content.keep_epoch(content.arrays.pop("epoch"))
    return content


def _arrays(path: Path, archive: zipfile.ZipFile) -> dict[str, Array]:
    """Return the arrays by name, after names and sizes are checked."""
    members = archive.infolist()
    arrays: dict[str, Array] = {}
    check_size(path, "all arrays together", sum(member.file_size for member in members))
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename or name in arrays or not name.isprintable():
            fault = "is there twice" if name in arrays else "is no array"
            raise FileFormatError(f"checkpoint '{path}': {member.filename!r} {fault}, rule: an .npz of plain arrays")
        arrays[name] = _array(path, name, archive.read(member))
    return arrays


def _array(path: Path, name: str, data: bytes) -> Array:
    """Return the numbers of one .npy; header and length have to agree."""
    stream = BytesIO(data)
    try:
        version = npy.read_magic(stream)
        shape, fortran, dtype = READ_HEADER[version](stream)
    except Exception as error:  # text that a parser meets raises many types
        raise FileFormatError(f"checkpoint '{path}': '{name}' has no readable .npy header: {error}") from error
    if dtype.hasobject or dtype.kind not in "biuf":
        kind = "pickled objects" if dtype.hasobject else f"{dtype}"
        raise FileFormatError(
            f"checkpoint '{path}': '{name}' holds {kind}, rule: plain numbers; save it with numpy.savez of float arrays"
        )
    size, stored = prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if any(n < 0 for n in shape) or size != stored:
        raise FileFormatError(
            f"checkpoint '{path}': '{name}' says {dtype} of shape {shape}, {size} bytes, but holds {stored}"
        )
    flat = np.frombuffer(data, dtype, prod(shape), stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")

"""Files that are written whole or not at all, and that notice when they were altered.

Arrays and metadata go into one HDF5 file: attribute ``kind`` and ``version``, the metadata as JSON, one dataset an
array, and a sha256 over all of it, which reading checks.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import FileFormatError, InputError

Array = NDArray[Any]
FORMAT_VERSION = 1


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary file beside `path`, then rename it: `path` is never half-written.

    Raises InputError if the folder is missing or not writable, or the disk is full.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write '{path}': {reason}; choose a folder that exists and is writable") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_atomically(path, lambda temporary: _write_utf8(temporary, text))


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def make_folder(path: Path) -> Path:
    """Create an output folder; raises InputError, naming the path, if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create folder '{path}': {error.strerror}; choose a writable place") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"folder '{path}' is not writable; choose a writable place")
    return path


def content_digest(meta: str, arrays: Mapping[str, Array]) -> str:
    """sha256 over metadata and arrays (name, type, shape, bytes), independent of HDF5's layout."""
    digest = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_arrays(path: str | Path, kind: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write one HDF5 file of this kind; see the module's docstring."""
    import h5py

    text = json.dumps(meta, sort_keys=True)

    def write(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            file.attrs["kind"] = kind
            file.attrs["version"] = FORMAT_VERSION
            file.attrs["sha256"] = content_digest(text, arrays)
            file.create_dataset("meta", data=np.frombuffer(text.encode(), dtype=np.uint8))
            for name, array in arrays.items():
                file.create_dataset(f"arrays/{name}", data=array)

    write_atomically(Path(path), write)


def load_arrays(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file of `save_arrays`; (metadata, arrays).

    Raises FileFormatError for a missing, truncated or altered file, or one of another kind or version.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"file '{path}' does not exist; give the path of a {kind} file")
    try:
        with h5py.File(path, "r") as file:
            found, version = str(file.attrs.get("kind")), file.attrs.get("version")
            if found != kind:
                raise FileFormatError(f"file '{path}' holds '{found}', expected '{kind}'")
            if version != FORMAT_VERSION:
                raise FileFormatError(f"file '{path}': format version {version}, this program reads {FORMAT_VERSION}")
            text = file["meta"][...].tobytes().decode()
            arrays: dict[str, Array] = {}

            def collect(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    arrays[name] = item[...]

            if "arrays" in file:
                file["arrays"].visititems(collect)
            expected = str(file.attrs.get("sha256"))
    except FileFormatError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError on damaged files
        raise FileFormatError(f"file '{path}' is damaged or no {kind} file: {_first_line(error)}") from error
    if content_digest(text, arrays) != expected:
        raise FileFormatError(f"file '{path}': its content does not match its sha256; it was altered, write it again")
    return json.loads(text), arrays


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

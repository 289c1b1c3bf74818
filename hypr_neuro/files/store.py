"""Files that are written whole or not at all, and that notice when they were altered.

Arrays and metadata go into one HDF5 file: attribute ``kind`` and ``version``, the metadata as JSON, one dataset an
array. The file ends with a seal, a line that HDF5 ignores: the sha256 of all before it. It is checked before HDF5 sees
the file, because one flipped byte can crash that library or keep it in a loop for ever, and a full disk crashes it
while writing (seen with HDF5 2.0.0); files are therefore built in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.faults import told
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_path

FORMAT_VERSION = 1
SEAL = b"\nhypr-neuro sha256 "
SHORT = 40
"""Letters of a file's name that a temporary one has, too."""
SEAL_LENGTH = len(SEAL) + 64 + 1


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary file beside `path`, then rename it: `path` is never half-written.

    A link stays one, what it leads to is written.

    Raises
    ------
    InputError
        If the folder is missing or not writable, `path` is something other than a file, the disk is full, or whatever
        else `faults` has words for.
    """
    temporary = None
    try:
        path = Path(os.path.realpath(path))
        if path.exists() and not path.is_file():
            raise InputError(f"cannot write '{path}': it is a folder or a device; give the name of a file")
        # a part of the name: all of it and eight more letters may be longer than a name can be
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:SHORT]}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {told(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Raise InputError, as `write_atomically` would, for a file that cannot be written; an existing one stays."""

    def nothing(temporary: Path) -> None:
        raise _TrialError

    with suppress(_TrialError):
        write_atomically(path, nothing)


class _TrialError(Exception):
    """Leave `write_atomically` before the file is renamed."""


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_atomically(path, lambda temporary: _write_utf8(temporary, text))


def _write_utf8(path: Path, text: str) -> None:
    """Write text in UTF-8."""
    path.write_text(text, encoding="utf-8")


def make_folder(path: Path) -> Path:
    """Create an output folder and return it; raise InputError, naming the path, if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create folder '{path}': {told(error)}") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"folder '{path}' is not writable; choose a writable place")
    return path


def missing(path: Path) -> str:
    """Return the words of an error for a path that leads to no file."""
    return "is a folder" if path.is_dir() else "does not exist"


def sealed(content: bytes) -> bytes:
    """Return the content of a file with its sha256 appended."""
    return content + SEAL + hashlib.sha256(content).hexdigest().encode() + b"\n"


def is_sealed(path: Path) -> bool:
    """Return whether the file ends with our seal; raise FileFormatError if it does and the content is another."""
    data = path.read_bytes()
    content, seal = data[:-SEAL_LENGTH], data[-SEAL_LENGTH:]
    if not seal.startswith(SEAL):
        return False
    if hashlib.sha256(content).hexdigest().encode() != seal[len(SEAL) : -1]:
        raise FileFormatError("its content does not match its sha256, it was altered; write it again")
    return True


def content_digest(meta: str, arrays: Mapping[str, Array]) -> str:
    """Return the sha256 over metadata and arrays (name, type, shape, bytes), independent of a file's layout."""
    digest = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def save_arrays(path: str | Path, kind: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write one HDF5 file of this kind, as the module's docstring states it.

    Parameters
    ----------
    path
        File to write, whole or not at all.
    kind
        What the file holds, for `load_arrays` and `kind_of`.
    meta
        Whatever JSON can hold.
    arrays
        By name; a name with slashes makes groups.
    """
    import h5py

    require_path("path", path, "the file to write")
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["kind"] = kind
        file.attrs["version"] = FORMAT_VERSION
        text = json.dumps(meta, sort_keys=True).encode()
        file.create_dataset("meta", data=np.frombuffer(text, dtype=np.uint8))
        for name, array in arrays.items():
            file.create_dataset(f"arrays/{name}", data=array)
    content = sealed(buffer.getvalue())

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(Path(path), write)


def load_arrays(path: str | Path, kind: str, *others: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file of `save_arrays` of this kind, or of one of the others; return (metadata, arrays).

    Raises
    ------
    FileFormatError
        For a missing, truncated or altered file, or one of another kind or version.
    """
    import h5py

    require_path("path", path, f"a {kind} file")
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"file '{path}' {missing(path)}; give the path of a {kind} file")
    try:
        if not is_sealed(path):
            raise FileFormatError(f"file '{path}' has no seal: it is truncated or no {kind} file; write it again")
        with h5py.File(path, "r") as file:
            stored, version = str(file.attrs.get("kind")), file.attrs.get("version")
            if stored not in (kind, *others):
                raise FileFormatError(f"file '{path}' holds '{stored}', expected '{kind}'")
            if version != FORMAT_VERSION:
                raise FileFormatError(f"file '{path}': format version {version}, this program reads {FORMAT_VERSION}")
            text = file["meta"][...].tobytes().decode()
            arrays: dict[str, Array] = {}
            remaining = path.stat().st_size  # nothing is packed: arrays take no more than the file

            def collect(name: str, item: Any) -> None:
                nonlocal remaining
                if isinstance(item, h5py.Dataset):
                    remaining -= int(item.nbytes)
                    if remaining < 0:
                        raise FileFormatError(f"entry '{name}' declares more data than the file holds; write it again")
                    arrays[name] = item[...]

            if "arrays" in file:
                file["arrays"].visititems(collect)
            return json.loads(text), arrays
    except FileFormatError as error:
        raise FileFormatError(str(error) if str(path) in str(error) else f"file '{path}': {error}") from error
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError on damaged files
        raise FileFormatError(f"file '{path}' is damaged or no {kind} file: {_first_line(error)}") from error


def kind_of(path: str | Path) -> str:
    """Return the kind of a file of `save_arrays`; raise FileFormatError as `load_arrays` does, for any other file."""
    import h5py

    require_path("path", path, "a network")
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"file '{path}' {missing(path)}; give the path of a network")
    try:
        if not is_sealed(path):
            raise FileFormatError("has no seal: it is truncated or no file of hypr-neuro; write it again")
        with h5py.File(path, "r") as file:
            return str(file.attrs["kind"])
    except FileFormatError as error:
        raise FileFormatError(f"file '{path}': {error}") from error
    except Exception as error:  # as in `load_arrays`
        raise FileFormatError(f"file '{path}' is damaged or no file of hypr-neuro: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def fault_in_child(script: Path, path: Path, limit: float) -> str:
    """Return what goes wrong when a child process runs `script` on a file: it crashes, or exceeds `limit` seconds.

    The text is empty if neither happens. An exception of the child counts as nothing: the parent meets it and names it.
    """
    if not sys.executable:
        return ""
    quiet = subprocess.DEVNULL
    command = [sys.executable, str(script), str(path)]
    try:
        child = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return f"HDF5 does not finish reading it ({limit:.0f} s)"
    # small codes are Python's; signals are negative, Windows' codes large
    crashed = child.returncode < 0 or child.returncode >= 128
    return f"HDF5 crashes on it (code {child.returncode})" if crashed else ""

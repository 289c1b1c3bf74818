"""HDF5 files of others under suspicion: a trial run in a child process before this one reads them.

A damaged HDF5 file can crash the library or keep it in a loop for ever (see `store`). A file without our seal is
therefore first read by a child process; if the child dies or does not come back, the file is refused.

This module runs as the child's script: it imports little of the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import fault_in_child, is_sealed, missing

MAX_NESTING = 16
"""Graphs inside each other, the outermost not counted."""
MAX_DEPTH = 2 * MAX_NESTING + 16
"""Levels of the HDF5 file: a graph inside another takes two, and some are left for the nodes of the innermost."""
MAX_ENTRIES = 100_000
MAX_EXPANSION = 1100
"""deflate packs at most 1032 to 1: a file that declares more than this cannot hold it."""
SCRIPT = Path(__file__)
TRIAL_SECONDS = 30.0
TRIAL_BYTES_PER_SECOND = 1e7


ATTRIBUTES = ""
"""Key of a group's attributes among its entries; no entry of HDF5 has that name."""


def read_tree(path: Path, *, attributes: bool = False) -> dict[str, Any]:
    """Return the file as nested dicts of arrays and strings; raise FileFormatError, never crash, for a damaged file.

    With `attributes`, those of each group stand in it under `ATTRIBUTES`.
    """
    if not path.is_file():
        raise FileFormatError(f"{missing(path)}; give the path of a NIR file")
    try:
        if not is_sealed(path):
            _trial(path)
        with h5py.File(path, "r") as file:
            return _TreeReader(path.stat().st_size, attributes).group(file, "", 0)
    except InputError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError on damaged files
        raise FileFormatError(f"damaged or no HDF5 file ({one_line(error)}); write it again") from error


def _trial(path: Path) -> None:
    """Read the file in a child process; raise FileFormatError if that crashes or does not end."""
    fault = fault_in_child(SCRIPT, path, TRIAL_SECONDS + path.stat().st_size / TRIAL_BYTES_PER_SECOND)
    if fault:
        raise FileFormatError(f"damaged: {fault}; write it again")


class _TreeReader:
    """Read an HDF5 tree into nested dicts, with a budget of depth, entries and bytes; plain links only."""

    def __init__(self, file_size: int, attributes: bool) -> None:
        self.attributes = attributes
        self.entries = MAX_ENTRIES
        self.bytes = MAX_EXPANSION * file_size + 1_000_000

    def group(self, group: h5py.Group, path: str, depth: int) -> dict[str, Any]:
        """Return the entries of a group; raise FileFormatError where the budget is spent."""
        if depth > MAX_DEPTH:
            where = f"{path[:40]}…"
            raise FileFormatError(
                f"group {where!r}: deeper than {MAX_DEPTH} levels, rule: no cycles, at most "
                f"{MAX_NESTING} graphs inside each other; write it again"
            )
        entries: dict[str, Any] = {ATTRIBUTES: self.attributes_of(group, path)} if self.attributes else {}
        for name in group:
            entry_path = f"{path}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FileFormatError(
                    f"entry {entry_path!r} is a link to elsewhere, rule: a NIR file holds its own data"
                )
            self.entries -= 1
            if self.entries < 0:
                raise FileFormatError(f"more than {MAX_ENTRIES} entries, rule: no cycles; write it again")
            item = group[name]
            entries[name] = (
                self.group(item, entry_path, depth + 1)
                if isinstance(item, h5py.Group)
                else self.value(item, entry_path)
            )
        return entries

    def attributes_of(self, group: h5py.Group, path: str) -> dict[str, Any]:
        """Return the attributes of a group; raise FileFormatError where the budget is spent."""
        values = {}
        for name in group.attrs:
            self.entries -= 1
            self.bytes -= int(group.attrs.get_id(name).get_storage_size())
            if self.entries < 0 or self.bytes < 0:
                raise FileFormatError(f"attributes of '{path}': more than the file can hold; write it again")
            values[name] = group.attrs[name]
        return values

    def value(self, item: Any, path: str) -> Any:
        """Return an array, a number or a text; raise FileFormatError where the budget is spent."""
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            raise FileFormatError(f"entry {path!r} holds no data, rule: groups and datasets only; write it again")
        self.bytes -= int(item.nbytes)
        if self.bytes < 0:
            raise FileFormatError(f"entry {path!r}: the file declares more data than it can hold; write it again")
        value = item[()]
        try:
            return value.decode("utf-8") if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            raise FileFormatError(f"entry {path!r} is text in another encoding, rule: UTF-8; write it again") from error


def one_line(error: Exception) -> str:
    """Return type and first line of another library's exception."""
    text = (str(error).splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


if __name__ == "__main__":
    target = Path(sys.argv[1])
    with h5py.File(target, "r") as trial:
        _TreeReader(target.stat().st_size, attributes=True).group(trial, "", 0)

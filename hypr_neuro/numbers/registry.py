"""Records found by the names of files: one file of a package, one entry."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from hypr_neuro.errors import InputError

T = TypeVar("T")


def without_record(package: str, path: Iterable[str], name: object, attribute: str) -> str:
    """Return what to say of an unknown name that is a file of the package without a record; "" where there is none."""
    if not isinstance(name, str) or not any(info.name == name for info in iter_modules(path)):
        return ""
    return f" ({package.replace('.', '/')}/{name}.py is there, and defines no {attribute}: give it one)"


def load_records(package: str, path: Iterable[str], attribute: str, kind: type[T]) -> dict[str, T]:
    """Import every module of a package and collect the record that each defines, by name.

    Parameters
    ----------
    package, path : dotted name and ``__path__`` of the package
    attribute : what a module calls its record; modules without one are helpers
    kind : class of the records, which have a `name`

    Raises InputError for a record of another name than its file's or of another class.
    """
    records: dict[str, T] = {}
    for info in iter_modules(path):
        record: Any = getattr(import_module(f"{package}.{info.name}"), attribute, None)
        if record is None:
            continue
        if not isinstance(record, kind) or getattr(record, "name", None) != info.name:
            raise InputError(
                f"{package}.{info.name}: {attribute} = {record!r:.80}, rule: a {kind.__name__} named '{info.name}'"
            )
        records[info.name] = record
    return records

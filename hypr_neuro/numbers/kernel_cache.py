"""Compiled kernels on disk, each under the name that `kernel_digest` gives it.

Where the folder cannot be written (no home, a file system that is read only, a full disk) kernels go to a folder of
this user among the temporary ones, and one line says so; those that the first folder holds are still loaded.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypr_neuro.errors import HyprWarning

UNUSED_DAYS = 30
"""Kernels that no process has loaded for so long are removed."""
LARGEST_CACHE = 1 << 30
"""Bytes of kernels that are kept; above, those go first that were loaded longest ago."""
_DAY = 86400.0


def cache_folder() -> Path:
    """Name the folder of compiled kernels (``HYPR_NEURO_CACHE`` moves its parent)."""
    base = os.environ.get("HYPR_NEURO_CACHE")
    if not base:
        import pooch

        base = str(pooch.os_cache("hypr-neuro"))
    return Path(base) / "kernels"


def spare_folder() -> Path | None:
    """Return the folder for kernels that `cache_folder` does not take; None where there is no safe one.

    Machine code is run as it is found: a folder that belongs to another user, or that others may write, is not used.
    """
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(tempfile.gettempdir()) / f"hypr-neuro-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    own = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o077)
    return folder / "kernels" if own and folder.is_dir() and not folder.is_symlink() else None


@lru_cache
def reason_against(folder: Path) -> str:
    """Say why a folder cannot be written, "" if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or type(error).__name__
    return "" if os.access(folder, os.W_OK) else os.strerror(errno.EACCES)


def folders(first: Path) -> tuple[Path, ...]:
    """Return where kernels are looked for, the last of which is written to: the spare folder if `first` cannot be."""
    spare = spare_folder() if reason_against(first) else None
    return (first,) if spare is None else (first, spare)


@lru_cache
def _tell(first: Path, spare: Path) -> None:
    """Warn once a process of kernels that go to the spare folder."""
    warnings.warn(
        f"compiled kernels: folder '{first}' cannot be written ({reason_against(first)}), so they are kept in "
        f"'{spare}'; name a folder of yours in HYPR_NEURO_CACHE",
        HyprWarning,
        stacklevel=2,
    )


def _fields(types: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    """Yield the names of the fields of every named tuple in numba types, those inside others too.

    numba tells named tuples apart by class and types of entries. Machine code reads a field by its place, and a class
    whose fields were put in another order since is to numba the same one.
    """
    for kind in types:
        yield tuple(getattr(kind, "fields", ()))
        if isinstance(kind, Iterable):
            yield from _fields(kind)


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _check_intact(content: bytes) -> None:
    """Raise ValueError where a file's content and the checksum at its end do not agree."""
    length = hashlib.sha256().digest_size
    if content[-length:] != _checksum(content[:-length]):
        raise ValueError("damaged")


def attach_cache(compiled: Any, digest: Callable[[], str]) -> None:
    """Give a compiled function, which numba made without a cache, the cache on disk.

    digest : of the kernel, asked for whenever a signature is looked up or stored
    """
    compiled._cache = _cache_class()(compiled.py_func, digest)


@lru_cache(maxsize=1)
def _cache_class() -> type[Any]:
    """Make the cache of one function, numba's own keyed by the kernel's digest, without an index.

    numba lists the files of a function in an index and numbers them; processes that compile it for two models at the
    same time write the same number, and the next process runs the code of the wrong one. Here a file's name says what
    is in it, files appear whole, and whoever writes one twice writes the same code.
    """
    from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
    from numba.core.sigutils import normalize_signature

    class Code(CompileResultCacheImpl):
        def __init__(self, function: Any) -> None:
            self._lineno = function.__code__.co_firstlineno
            self._locator = SimpleNamespace(_py_file=function.__code__.co_filename, ensure_cache_path=lambda: None)

    class NamedByKey(IndexDataCacheFile):
        def __init__(self, folder: Path, name: str) -> None:
            self._cache_path, self._name = str(folder), name

        def _file(self, key: Any) -> str:
            return f"{self._name}.{hashlib.sha256(repr(key).encode()).hexdigest()[:40]}.nbc"

        def save(self, key: Any, data: Any) -> None:
            """Store machine code with its key; in a folder that cannot be written nothing is stored."""
            first = Path(self._cache_path)
            folder = folders(first)[-1]
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                content = self._dump((key, data))
                with self._open_for_write(str(folder / self._file(key))) as file:
                    file.write(content + _checksum(content))
                _prune_once(folder)
                if folder != first:
                    _tell(first, folder)

        def load(self, key: Any) -> Any:
            """Machine code stored under this key, None without; marks the file as used, removes it if damaged."""
            found = (self._read(folder, key) for folder in folders(Path(self._cache_path)))
            return next((data for data in found if data is not None), None)

        def _read(self, folder: Path, key: Any) -> Any:
            path = folder / self._file(key)
            try:
                content = path.read_bytes()
            except OSError:
                return None
            try:
                _check_intact(content)
                stored, data = self._load_data(str(path))  # which reads no further than its own end
            except Exception:  # whatever numba meets: the kernel is compiled and stored once more
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                return None
            with suppress(OSError):  # a folder shared for reading
                os.utime(path)
            return data if stored == key else None

        def flush(self) -> None:
            for path in Path(self._cache_path).glob(f"{self._name}.*.nbc"):
                path.unlink(missing_ok=True)

    class KernelCache(FunctionCache):
        def __init__(self, function: Any, digest: Callable[[], str]) -> None:
            self._name, self._py_func, self._digest = repr(function), function, digest
            self._impl = Code(function)
            self._cache_path = str(cache_folder())
            name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
            self._cache_file = NamedByKey(Path(self._cache_path), name[-150:])
            self.enable()

        def _index_key(self, sig: Any, codegen: Any) -> Any:
            fields = tuple(_fields(normalize_signature(sig)[0]))
            return sig, fields, codegen.magic_tuple(), self._digest()

    return KernelCache


@lru_cache
def _prune_once(folder: Path) -> None:
    prune(folder, time.time())


def prune(folder: Path, now: float) -> None:
    """Remove kernels unused for `UNUSED_DAYS` at time `now`, those above `LARGEST_CACHE` bytes, and empty folders.

    Other processes may remove the same files, or use one at this moment, which then is compiled once more.
    """
    used = []
    for path in folder.rglob("*.nb[ic]*"):
        try:
            status = path.stat()
        except OSError:
            continue
        used.append((status.st_mtime, status.st_size, path))
    total = 0
    for when, size, path in sorted(used, reverse=True):
        total += size
        if now - when > UNUSED_DAYS * _DAY or total > LARGEST_CACHE:
            path.unlink(missing_ok=True)
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):  # most are not empty
            inner.rmdir()

"""One process at a time works in a folder: a lock of the operating system's, which a process that dies lets go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypr_neuro.errors import InputError

FILE = "lock"
"""Names the process that works in the folder."""


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder, so that no other process works in it meanwhile.

    File systems without locks, and Windows, leave that to the user.

    Parameters
    ----------
    folder
        Which exists.
    what
        Lies in it, as messages have it.

    Raises
    ------
    InputError
        Where another process works there, naming it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield  # a folder that cannot be written is told by what writes there
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            process = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise InputError(
                f"{what} '{folder}' runs in another process ({process}), rule: one at a time; wait until it ends, "
                "or choose another folder"
            ) from error
        except OSError:
            yield
            return
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)

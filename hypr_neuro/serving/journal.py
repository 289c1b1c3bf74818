"""What a run was sent and what it answered, on disk: records with a check, cut at the last whole one."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hypr_neuro.errors import FileFormatError

FIELDS = struct.Struct("<IIBQ")
"""Bytes of the content, its CRC-32, kind, step."""
CHECK = struct.Struct("<I")
"""CRC-32 of the fields: a length that was altered is told from a record that was not written to its end."""
HEAD_SIZE = FIELDS.size + CHECK.size
SENT, ANSWERED = 1, 2


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder's files."""
    with suppress(OSError):  # systems that cannot open a folder keep its names by themselves
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Journal:
    """One file of records; what is added waits in memory until it is flushed.

    Attributes
    ----------
    size
        Bytes of all records, with those that wait.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.written = self.size = os.fstat(self.handle).st_size
        self.waiting: list[bytes] = []

    def add(self, kind: int, step: int, content: bytes) -> int:
        """Append a record and return where its content starts."""
        fields = FIELDS.pack(len(content), zlib.crc32(content), kind, step)
        self.waiting += [fields + CHECK.pack(zlib.crc32(fields)), content]
        start = self.size + HEAD_SIZE
        self.size = start + len(content)
        return start

    def flush(self) -> None:
        """Hand over to the operating system; what waits goes on to wait where that fails."""
        whole = memoryview(b"".join(self.waiting))
        done = 0
        while done < len(whole):
            done += os.pwrite(self.handle, whole[done:], self.written + done)
        self.written += done
        self.waiting.clear()

    def sync(self) -> None:
        """Wait until the disk has it."""
        self.flush()
        os.fsync(self.handle)

    def read(self, start: int, length: int) -> bytes:
        """Return the content that starts there."""
        if start + length > self.written:
            self.flush()
        return os.pread(self.handle, length, start)

    def records(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield (kind, step, start, content) of every record; a torn end is cut off, damage before it is an error."""
        at, whole = 0, self.size
        while at < whole:
            head = self.read(at, HEAD_SIZE)
            if len(head) < HEAD_SIZE:
                break
            length, check, kind, step = FIELDS.unpack_from(head)
            if CHECK.unpack_from(head, FIELDS.size)[0] != zlib.crc32(head[: FIELDS.size]):
                if any(any(self.read(place, 1 << 20)) for place in range(at, whole, 1 << 20)):
                    raise self._damaged(at)
                break  # zeros: the file had grown, its content was not written any more
            content = self.read(at + HEAD_SIZE, length) if length <= whole - at else b""
            if len(content) < length or zlib.crc32(content) != check:
                if at + HEAD_SIZE + length < whole:
                    raise self._damaged(at)
                break
            yield kind, step, at + HEAD_SIZE, content
            at += HEAD_SIZE + length
        self.cut(at)

    def _damaged(self, at: int) -> FileFormatError:
        return FileFormatError(
            f"journal '{self.path}': damaged at byte {at}, whole records may follow; restore the file or delete the "
            "run's folder"
        )

    def cut(self, size: int) -> None:
        """Forget what stands behind that byte, where a record ends."""
        if size >= self.written:
            kept, at = [], self.written
            for part in self.waiting:
                at += len(part)
                kept += [part] if at <= size else []
            self.waiting = kept
        else:
            self.waiting.clear()
        self.written = min(self.written, size)
        self.size = size
        os.ftruncate(self.handle, self.written)

    def close(self) -> None:
        """Close the file; what waits is written if that is possible, and is made again from what was sent if not."""
        if self.handle >= 0:
            with suppress(OSError):
                self.flush()
            os.close(self.handle)
            self.handle = -1

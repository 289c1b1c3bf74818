"""What a run was sent and what it answered, on disk: records with a check, cut at the last whole one."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from hypr_neuro.errors import FileFormatError

HEAD = struct.Struct("<IIBQ")
"""Bytes of the content, its CRC-32, kind, step."""
SENT, ANSWERED = 1, 2


class Journal:
    """One file of records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open(path, "ab+")  # noqa: SIM115  # stays open
        self.size = path.stat().st_size

    def add(self, kind: int, step: int, content: bytes) -> int:
        """Append a record and return where its content starts."""
        head = HEAD.pack(len(content), zlib.crc32(content, kind * 31 + step & 0xFFFF), kind, step)
        self.file.write(head + content)
        start = self.size + HEAD.size
        self.size += HEAD.size + len(content)
        return start

    def flush(self) -> None:
        """Hand over to the operating system."""
        self.file.flush()

    def sync(self) -> None:
        """Wait until the disk has it."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def read(self, start: int, length: int) -> bytes:
        """Return the content that starts there."""
        self.file.flush()
        return os.pread(self.file.fileno(), length, start)

    def records(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield (kind, step, start, content) of every record; a torn end is cut off, damage before it is an error."""
        at, whole = 0, self.path.stat().st_size
        while at < whole:
            head = self.read(at, HEAD.size)
            length, check, kind, step = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0, 0, 0)
            content = self.read(at + HEAD.size, length) if kind and length <= whole - at else b""
            if not kind or len(content) < length or zlib.crc32(content, kind * 31 + step & 0xFFFF) != check:
                if at + HEAD.size + length < whole and kind:
                    raise FileFormatError(
                        f"journal '{self.path}': damaged at byte {at}, whole records may follow; restore the file or "
                        "delete the run's folder"
                    )
                break
            yield kind, step, at + HEAD.size, content
            at += HEAD.size + length
        self.cut(at)

    def cut(self, size: int) -> None:
        """Forget what stands behind that byte."""
        self.file.flush()
        os.ftruncate(self.file.fileno(), size)
        self.size = size

    def close(self) -> None:
        """Close the file."""
        self.file.close()

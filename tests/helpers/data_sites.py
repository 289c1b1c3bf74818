"""A site to download from, and errors of one line."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pooch

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


pooch.get_logger().setLevel("WARNING")


def one_line(error: BaseException, *parts: str) -> None:
    assert "\n" not in str(error)
    for part in parts:
        assert part in str(error)


def packed(content: bytes) -> bytes:
    """Compress without the time of day, which would be part of a test's name."""
    return gzip.compress(content, mtime=0)

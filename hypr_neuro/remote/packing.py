"""Messages to bytes and back: sizes are checked before memory is taken, a flipped bit is noticed."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.remote.message_pb2 import Message  # type: ignore[attr-defined]  # is made when imported

SERVICE = "hypr_neuro.Device"
METHODS = ("Enter", "Renew", "Leave", "Prepare", "Drop", "Run", "Begin", "Apply", "Look", "Save", "Attach", "End")
LARGEST = 256 << 20
"""Bytes of a message."""
TYPES = frozenset(np.dtype(t).str for t in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
TAG = bytes([(15 << 3) | 5])
"""Of the field that holds the check."""
Content = tuple[dict[str, Any], dict[str, Array]]


def packed(content: tuple[Mapping[str, Any], Mapping[str, Array]]) -> bytes:
    """Return the bytes of a message."""
    meta, arrays = content
    message = Message(meta=json.dumps(meta))
    for name, array in arrays.items():
        whole = np.asarray(array)
        message.arrays.add(name=name, dtype=whole.dtype.str, shape=whole.shape, data=whole.tobytes())
    raw: bytes = message.SerializeToString()
    return raw + TAG + struct.pack("<I", zlib.crc32(raw))


def unpacked(data: bytes) -> Content:
    """Return plain data and arrays of a message; InputError for one that is damaged or says what does not fit."""
    raw, end = data[:-5], data[-5:]
    if len(end) < 5 or end[:1] != TAG or struct.unpack("<I", end[1:])[0] != zlib.crc32(raw):
        raise InputError("message: its check is another, it was damaged on the way; send it again")
    message = Message.FromString(raw)
    try:
        meta = json.loads(message.meta)
    except (ValueError, RecursionError) as error:
        raise InputError("message: its plain data is no JSON") from error
    if not isinstance(meta, dict):
        raise InputError("message: its plain data is no JSON object")
    arrays: dict[str, Array] = {}
    for part in message.arrays:
        if part.dtype not in TYPES or len(part.shape) > 8 or part.name in arrays:
            raise InputError(f"message: array '{part.name:.60}' of {part.dtype:.20}, rule: numbers, each name once")
        kind = np.dtype(part.dtype)
        if math.prod(part.shape) * kind.itemsize != len(part.data):
            raise InputError(f"message: array '{part.name:.60}' holds {len(part.data)} bytes, its shape says another")
        arrays[part.name] = np.frombuffer(part.data, kind).reshape(tuple(part.shape)).copy()
    return meta, arrays

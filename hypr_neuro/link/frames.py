"""Frames of a link of bytes, the other side of `hn_link.c`: COBS, then a 0; a CRC-32 at the end of what is coded.

COBS (Cheshire, Baker 1999): each 0 is replaced by the number of bytes to the next one, so that a 0 ends a frame and a
receiver that joins in the middle, or hears noise, is in step again with the next frame.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

LONGEST_BLOCK = 254
ANSWER = 0x80
CODES = [bytes([code]) for code in range(256)]
REQUEST_HEAD, ANSWER_HEAD = struct.Struct("<BH"), struct.Struct("<BHBI")
CHECK = struct.Struct("<I")


@dataclass(frozen=True)
class Answer:
    """An answer that came whole: of which request, how it went, in which session, and what it says."""

    kind: int
    sequence: int
    status: int
    session: int
    body: bytes


def encode(content: bytes) -> bytes:
    """Code bytes so that no 0 is among them, and end them with one."""
    array = np.frombuffer(content, np.uint8)
    codes = np.append(-1, np.append(np.flatnonzero(array == 0), len(array)))
    gaps = np.diff(codes)
    if gaps.max() <= LONGEST_BLOCK:  # no block is full: one byte more, and each 0 gives way to a length
        coded = np.empty(len(array) + 2, np.uint8)
        coded[1:-1], coded[-1] = array, 0
        coded[codes[:-1] + 1] = gaps
        return coded.tobytes()
    out: list[bytes] = []
    *parts, last = content.split(b"\0")
    for part in parts:
        out += _blocks(part)
        rest = len(part) % LONGEST_BLOCK
        out += [CODES[rest + 1], part[len(part) - rest :]]
    out += _blocks(last)
    rest = len(last) % LONGEST_BLOCK
    if rest or not last:
        out += [CODES[rest + 1], last[len(last) - rest :]]
    return b"".join(out) + b"\0"


def _blocks(part: bytes) -> list[bytes]:
    """Return the full blocks of bytes without a 0, each with its length."""
    stops = range(LONGEST_BLOCK, len(part) + 1, LONGEST_BLOCK)
    return [CODES[LONGEST_BLOCK + 1] + part[stop - LONGEST_BLOCK : stop] for stop in stops]


def decode(frame: bytes) -> bytes | None:
    """Return what a frame codes, without its final 0; None if it is damaged."""
    plain, at = bytearray(frame), 0
    while at < len(frame):
        code = frame[at]
        if code in (0, LONGEST_BLOCK + 1):
            break
        plain[at] = 0
        at += code
    else:
        return bytes(plain[1:]) if at == len(frame) else None
    out, at = bytearray(), 0
    while at < len(frame):
        code = frame[at]
        block = frame[at + 1 : at + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        at += code
        if code <= LONGEST_BLOCK and at < len(frame):
            out += b"\0"
    return bytes(out)


def request_frame(kind: int, sequence: int, body: bytes) -> bytes:
    """Return the frame of a request."""
    content = REQUEST_HEAD.pack(kind, sequence) + body
    return encode(content + CHECK.pack(zlib.crc32(content)))


def answer_of(frame: bytes) -> Answer | None:
    """Return the answer that a frame without its final 0 holds; None if it is damaged."""
    content = decode(frame)
    if content is None or len(content) < ANSWER_HEAD.size + CHECK.size:
        return None
    held, check = content[: -CHECK.size], content[-CHECK.size :]
    if CHECK.unpack(check)[0] != zlib.crc32(held):
        return None
    kind, sequence, status, session = ANSWER_HEAD.unpack(held[: ANSWER_HEAD.size])
    return Answer(kind & ~ANSWER, sequence, status, session, held[ANSWER_HEAD.size :])

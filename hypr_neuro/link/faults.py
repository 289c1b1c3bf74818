"""Faults of a link: frames that are late, lost, damaged or twice there, and a link that breaks; drawn by number."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from hypr_neuro.link.transport import LinkClosedError


@dataclass(frozen=True)
class MessageFaults:
    """How often each happens to a message; delay in milliseconds, on average; `seed` of what is drawn."""

    delay: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    message_flips: float = 0.0
    cut: float = 0.0
    seed: int = 0


class FaultyFrames:
    """Changes frames on their way.

    Parameters
    ----------
    faults : MessageFaults
        How often.
    name : str
        Of the device, for errors.

    Attributes
    ----------
    counts : dict of int
        How often each fault has happened.
    """

    def __init__(self, faults: MessageFaults, name: str) -> None:
        self.faults, self.name, self.number = faults, name, 0
        self.counts = dict.fromkeys(("delay", "drop", "duplicate", "reorder", "message_flips", "cut"), 0)
        self._late: dict[bool, bytes | None] = {True: None, False: None}

    def __call__(self, frame: bytes, out: bool) -> list[bytes]:
        """Return the frames that arrive in place of one; raise LinkClosedError where the link breaks."""
        rng = np.random.default_rng([self.faults.seed, 0x11CC, self.number])
        self.number += 1
        cut, drop, flip, twice, again = rng.random(5)
        if self.faults.delay:
            self.counts["delay"] += 1
            time.sleep(self.faults.delay / 1000 * rng.exponential())
        if self._happens("cut", cut):
            raise LinkClosedError(f"{self.name}: the link broke")
        if self._happens("drop", drop):
            return self._behind(out, [])
        if self._happens("message_flips", flip):
            frame = _flipped(frame, rng)
        arriving = [frame, frame] if self._happens("duplicate", twice) else [frame]
        arriving = self._behind(out, arriving)
        if self._happens("reorder", again):
            self._late[out] = frame
        return arriving

    def _happens(self, fault: str, drawn: float) -> bool:
        happens = drawn < getattr(self.faults, fault)
        self.counts[fault] += happens
        return bool(happens)

    def _behind(self, out: bool, frames: list[bytes]) -> list[bytes]:
        """Return the frames with an older one behind them, if one is late."""
        late, self._late[out] = self._late[out], None
        return frames if late is None else [*frames, late]


def _flipped(frame: bytes, rng: np.random.Generator) -> bytes:
    """Flip one bit; the 0 that ends a frame is a byte of it like others."""
    place = int(rng.integers(8 * len(frame))) if frame else 0
    changed = bytearray(frame)
    if changed:
        changed[place // 8] ^= 1 << (place % 8)
    return bytes(changed)

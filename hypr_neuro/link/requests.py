"""One request at a time over a link: it is sent again until its answer comes, and done once."""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from hypr_neuro.errors import HyprError
from hypr_neuro.link.frames import Answer, answer_of, request_frame
from hypr_neuro.link.transport import LinkClosedError, Transport

VERSION = 1
SEQUENCES = 1 << 16
HELLO = struct.Struct("<BBI16s9I")
FIRST_WAIT = 0.2
"""Seconds, at least, before a request is sent again."""
LATENCIES = 4096
"""Round trips whose time is kept."""


class RequestKind(IntEnum):
    """Requests, as in hn_link.h."""

    HELLO = 1
    BEGIN_RUN = 2
    STEPS = 3
    EVENTS = 4
    RESET = 5
    BEGIN = 6
    LEARN_STEPS = 7
    TAIL = 8
    WATCH = 9
    INFER = 10
    RATE = 11
    READ = 12
    WRITE = 13


STATUS = {
    1: "the program has no such request: it was built for something else",
    2: "the request's length is wrong",
    4: "a value is out of range",
    5: "the answer does not fit the program's room (HN_LINK_ROOM); build it with more",
}
OK, NO_SESSION = 0, 3


class LinkLostError(HyprError):
    """The other side did not answer, or has started anew: what it held is not what this side thinks."""


@dataclass(frozen=True)
class ServedProgram:
    """What the program on the other side says of itself.

    Attributes
    ----------
    runs, learns, counts, events : bool
        What it can do.
    room : int
        Largest body in bytes.
    digest : bytes
        Of the program.
    inputs, outputs, sent, states, event_count : int
        Of its network: channels, outputs, bytes sent in a step, bytes of states, kinds of events.
    regions : tuple of int
        Bytes of what can be read and written.
    """

    runs: bool
    learns: bool
    counts: bool
    events: bool
    room: int
    digest: bytes
    inputs: int
    outputs: int
    sent: int
    states: int
    event_count: int
    regions: tuple[int, ...]


@dataclass
class LinkStatistics:
    """What a link has carried so far.

    Attributes
    ----------
    requests, retries, resets : int
        Answered requests, those that were sent again, sessions that had to be begun anew.
    bytes_out, bytes_in, damaged : int
        Bytes, and frames whose check was wrong.
    seconds : float
        Waited for answers.
    latencies : list of float
        Seconds of the last round trips.
    """

    requests: int = 0
    retries: int = 0
    resets: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    damaged: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def note(self, seconds: float) -> None:
        """Take in an answered request."""
        self.requests += 1
        self.seconds += seconds
        self.latencies.append(seconds)
        del self.latencies[:-LATENCIES]

    def as_dict(self) -> dict[str, float]:
        """Return plain figures: counts, bytes a second, and the middle and the 99th of 100 round trips in seconds."""
        ordered = sorted(self.latencies) or [0.0]
        middle, late = ordered[len(ordered) // 2], ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]
        rate = (self.bytes_in + self.bytes_out) / self.seconds if self.seconds else 0.0
        counts = {"requests": self.requests, "retries": self.retries, "resets": self.resets, "damaged": self.damaged}
        more = {"bytes out": self.bytes_out, "bytes in": self.bytes_in, "bytes a second": rate}
        return {**counts, **more, "median latency": middle, "late latency": late}


class Requests:
    """Asks the program on the other side.

    Parameters
    ----------
    transport : Transport
        Carries the bytes.
    name : str
        What to call the device in errors.
    timeout : float
        Seconds without an answer after which nobody is there. Before, the request is sent again, ever less often: first
        after four times as long as answers take.
    changed : callable, optional
        What is made of each frame on its way, for faults: (frame, whether it goes out) to the frames that arrive.
    """

    def __init__(
        self,
        transport: Transport,
        name: str,
        *,
        timeout: float = 20.0,
        changed: Callable[[bytes, bool], list[bytes]] | None = None,
    ) -> None:
        self.transport, self.name, self.timeout = transport, name, timeout
        self.changed, self.statistics = changed, LinkStatistics()
        self.session, self.sequence = 0, secrets.randbelow(SEQUENCES)
        self._received = bytearray()
        self._frames: list[bytes] = []
        self._usual = 0.0

    def begin(self) -> ServedProgram:
        """Begin a session; return what the program says of itself. Raise HyprError if nobody answers."""
        self._received.clear()
        self._frames.clear()
        self.session = 1 + secrets.randbelow((1 << 32) - 1)
        self.statistics.resets += 1
        answer = self._asked(RequestKind.HELLO, struct.pack("<I", self.session))
        if len(answer.body) != HELLO.size:
            raise HyprError(
                f"{self.name}: answers HELLO with {len(answer.body)} bytes, rule: {HELLO.size}; update its program"
            )
        version, flags, room, digest, inputs, outputs, sent, states, events, *regions = HELLO.unpack(answer.body)
        if version != VERSION:
            raise HyprError(
                f"{self.name}: its program speaks version {version} of the link, rule: {VERSION}; build it anew"
            )
        runs, learns, counts, counts_events = (bool(flags & bit) for bit in (1, 2, 4, 8))
        sizes = tuple(regions)
        said = (room, digest, inputs, outputs, sent, states, events, sizes)
        return ServedProgram(runs, learns, counts, counts_events, *said)

    def ask(self, kind: RequestKind, body: bytes = b"") -> bytes:
        """Return the body of the answer.

        Raises
        ------
        LinkLostError
            If no answer comes, the other side is gone, or has started anew.
        HyprError
            If it refuses the request.
        """
        answer = self._asked(kind, body)
        if answer.status == NO_SESSION or answer.session != self.session:
            raise LinkLostError(f"{self.name}: it has started anew, what it held is lost")
        if answer.status != OK:
            raise HyprError(f"{self.name}: {kind.name}: {STATUS.get(answer.status, f'status {answer.status}')}")
        return answer.body

    def _asked(self, kind: RequestKind, body: bytes) -> Answer:
        self.sequence = (self.sequence + 1) % SEQUENCES
        frame = request_frame(kind, self.sequence, body)
        started = time.monotonic()
        try:
            wait, end = max(FIRST_WAIT, 4 * self._usual), started + self.timeout
            again = 0
            while time.monotonic() < end:
                self.statistics.retries += again
                self._send(frame)
                answer = self._answer(kind, min(time.monotonic() + wait, end))
                if answer is not None:
                    seconds = time.monotonic() - started
                    self._usual += (seconds - self._usual) / 8
                    self.statistics.note(seconds)
                    return answer
                wait, again = 2 * wait, 1
        except LinkClosedError as error:
            raise LinkLostError(str(error)) from error
        raise LinkLostError(f"{self.name}: no answer to {kind.name} in {self.timeout:g} s")

    def _send(self, frame: bytes) -> None:
        for part in [frame] if self.changed is None else self.changed(frame, True):
            self.statistics.bytes_out += len(part)
            self.transport.send(part)

    def _answer(self, kind: RequestKind, until: float) -> Answer | None:
        """Return the answer to this request; what else comes is late or damaged."""
        while True:
            while self._frames:
                answer = answer_of(self._frames.pop(0))
                if answer is None:
                    self.statistics.damaged += 1
                elif answer.kind == kind and answer.sequence == self.sequence:
                    return answer
            left = until - time.monotonic()
            if left <= 0:
                return None
            data = self.transport.receive(left)
            self.statistics.bytes_in += len(data)
            self._received += data
            *whole, rest = self._received.split(b"\0")
            self._received = bytearray(rest)
            for frame in whole:
                arrived = [bytes(frame)] if self.changed is None else self.changed(bytes(frame), False)
                self._frames += [each for each in arrived if each]

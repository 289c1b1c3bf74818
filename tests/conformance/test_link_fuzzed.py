"""The program behind a link under sanitizers: whatever comes over the line, it answers the next right request."""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from link_networks import ROOM, link_network

from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.link import build_linked, write_linked
from hypr_neuro.errors import HyprError
from hypr_neuro.link.frames import CHECK, REQUEST_HEAD, Answer, answer_of, encode
from hypr_neuro.link.requests import RequestKind, Requests, ServedProgram
from hypr_neuro.link.transport import ProcessTransport
from hypr_neuro.sim.learning.options import LearnOptions

pytestmark = pytest.mark.once

SEED = int(os.environ.get("HYPR_SEED", "0"))
ROUNDS = int(os.environ.get("HYPR_LINK_FUZZ", "1500"))
OPTIONS = {
    "run": None,
    "labels": LearnOptions(parameters=("all",)),
    "values": LearnOptions(targets="values"),
    "errors": LearnOptions(targets="errors", update_on="step", update_every=3),
}


@pytest.fixture(scope="module", params=OPTIONS)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    if build.SANITIZERS.missing():
        pytest.skip(str(build.SANITIZERS.missing()))
    folder: Path = tmp_path_factory.mktemp(request.param)
    options = OPTIONS[request.param]
    write_linked(link_network(SEED), options, folder)
    program = build_linked(folder, build.SANITIZERS, learns=options is not None, room=ROOM)
    transport = ProcessTransport([program], "fuzzed")
    transport.open()
    yield Requests(transport, "fuzzed", timeout=10.0)
    transport.close()


def body(rng: np.random.Generator, kind: int, program: ServedProgram) -> bytes:
    """A body that is nearly right: small numbers where lengths and places stand, or noise."""
    shape = rng.integers(4)
    if shape == 0:
        return rng.bytes(int(rng.integers(0, ROOM + 40)))
    if shape == 1:
        return bytes([int(rng.choice([0, 1, 2, 3, 4, 255]))]) + bytes(int(rng.integers(0, ROOM)))
    region = bytes([int(rng.integers(0, 6))])
    sizes = [*program.regions, 0, 1, ROOM, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
    first, count = (max(0, int(rng.choice(sizes)) - int(rng.integers(0, 3))) for _ in range(2))
    if kind == RequestKind.WATCH:
        return struct.pack("<II", first, count) * int(rng.integers(0, 67))
    return (region if shape == 2 else b"") + struct.pack("<II", first, count)


def frame(rng: np.random.Generator, sequence: int, program: ServedProgram) -> tuple[bytes, bool]:
    """A frame with a right CRC and a body of chance, or a damaged one, or noise; whether it is whole."""
    shape = rng.integers(8)
    if shape == 0:
        return rng.bytes(int(rng.integers(1, 3 * ROOM))) + b"\0", False
    kind = int(rng.choice([*(k for k in RequestKind if k not in {RequestKind.HELLO, RequestKind.WRITE}), 0, 14, 255]))
    content = REQUEST_HEAD.pack(kind, sequence) + body(rng, kind, program)
    line = bytearray(encode(content + CHECK.pack(zlib.crc32(content))))
    if shape == 1:
        line[int(rng.integers(len(line) - 1))] ^= 1 << int(rng.integers(8))
    elif shape == 2:
        del line[int(rng.integers(len(line))) :]
    return bytes(line) + b"\0", shape > 2 and len(content) <= ROOM


def answers(asked: Requests) -> list[Answer]:
    """What is answered to a whole frame, at once."""
    received = bytearray()
    while not received.endswith(b"\0"):
        data = asked.transport.receive(5.0)
        assert data, "no answer to a whole frame of the next number"
        received += data
    return [a for line in bytes(received).split(b"\0") if (a := answer_of(line)) is not None]


def test_whatever_comes_it_answers_the_next_right_request(asked: Requests) -> None:
    rng = np.random.default_rng(SEED)
    program, statuses = asked.begin(), Counter[int]()
    for number in range(ROUNDS):
        sequence = (asked.sequence + 1) & 0xFFFF
        line, whole = frame(rng, sequence, program)
        asked.transport.send(line)
        if whole:
            for answer in answers(asked):
                statuses[answer.status] += 1
                asked.sequence = answer.sequence
        if number % 100 == 99:
            assert asked.begin() == program
    assert asked.begin() == program
    assert set(statuses) >= {0, 1, 2}, f"statuses {dict(statuses)}: too little of it came far"


def test_places_beyond_the_memory_are_refused(asked: Requests) -> None:
    """Reading and writing across the end of what may be read and written changes nothing."""
    program = asked.begin()
    for number, size in enumerate(program.regions):
        if not size:
            continue
        wanted = min(8, size)
        last = asked.ask(RequestKind.READ, struct.pack("<BII", number, size - wanted, wanted))
        for first, count in ((size, 1), (size - 1, 2), (1 << 31, 4), ((1 << 32) - 4, 8)):
            with pytest.raises(HyprError, match="out of range"):
                asked.ask(RequestKind.READ, struct.pack("<BII", number, first, count))
            with pytest.raises(HyprError, match="out of range"):
                asked.ask(RequestKind.WRITE, struct.pack("<BI", number, first) + bytes([255] * count))
        assert asked.ask(RequestKind.READ, struct.pack("<BII", number, size - wanted, wanted)) == last

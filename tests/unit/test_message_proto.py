"""The generated messages are those of message.proto; packed messages come back equal, damaged ones are refused."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.remote.message_pb2 import Message  # type: ignore[attr-defined]
from hypr_neuro.remote.packing import TAG, packed, unpacked

FOLDER = Path(__file__).resolve().parents[2] / "hypr_neuro" / "remote"


@pytest.mark.once
def test_the_generated_module_is_fresh(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{FOLDER}", f"--python_out={tmp_path}", "message.proto"]
    subprocess.run(command, check=True, cwd=FOLDER)
    assert (tmp_path / "message_pb2.py").read_text() == (FOLDER / "message_pb2.py").read_text()


@pytest.mark.parametrize("kind", ["?", "i1", "i2", "i4", "i8", "u1", "u8", "f4", "f8"])
def test_arrays_come_back_equal(kind: str) -> None:
    arrays = {
        "a": np.arange(6).astype(kind).reshape(1, 2, 3),
        "empty": np.zeros((0, 4), kind),
        "one": np.ones((), kind),
    }
    meta, found = unpacked(packed(({"x": [1, None, "ü"]}, arrays)))
    assert meta == {"x": [1, None, "ü"]}
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_every_flipped_bit_is_noticed() -> None:
    whole, draw = packed(({"lease": "a"}, {"x": np.arange(9)})), random.Random(0)
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        with pytest.raises(InputError, match="its check is another"):
            unpacked(bytes(damaged))


@pytest.mark.parametrize(
    ("dtype", "shape", "words"),
    [
        ("<i8", [1 << 40], "its shape says another"),
        ("<i8", [1 << 63, 1 << 63], "its shape says another"),
        ("|O", [1], "rule: numbers"),
        ("<U4", [1], "rule: numbers"),
        ("<i8", [1] * 9, "rule: numbers"),
    ],
)
def test_arrays_that_say_what_is_not_there_are_refused(dtype: str, shape: list[int], words: str) -> None:
    import struct
    import zlib

    message = Message(meta="{}")
    message.arrays.add(name="x", dtype=dtype, shape=shape, data=bytes(8))
    raw = message.SerializeToString()
    with pytest.raises(InputError, match=words):
        unpacked(raw + TAG + struct.pack("<I", zlib.crc32(raw)))

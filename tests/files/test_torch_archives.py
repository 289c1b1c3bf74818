"""Archives of torch.save without PyTorch: numbers as stored, and nothing of the file is run.

The archives are written here in PyTorch's layout, since it may be absent.
"""

from __future__ import annotations

import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import FileFormatError, MissingPackageError
from hypr_neuro.exchange.checkpoints import import_checkpoint
from hypr_neuro.exchange.checkpoints.state_dict import read_state_dict

KINDS = {
    "f8": "Double",
    "f4": "Float",
    "f2": "Half",
    "i8": "Long",
    "i4": "Int",
    "i2": "Short",
    "i1": "Char",
    "u1": "Byte",
}


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)


class Numbers:
    """A tensor to be written: a view of numbers, as torch._utils._rebuild_tensor_v2 makes it."""

    def __init__(self, values: Any, kind: str = "", **view: Any) -> None:
        self.values = np.ascontiguousarray(values)
        self.kind = f"{kind or KINDS[self.values.dtype.str[1:]]}Storage"
        steps = tuple(s // self.values.itemsize for s in self.values.strides)
        self.view = {"offset": 0, "size": self.values.shape, "stride": steps} | view


class Runs:
    """What a hostile file holds: a call that makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


class Writer:
    """Writes the instructions of a pickle, protocol 2, as PyTorch does."""

    def __init__(self) -> None:
        self.stored: list[Numbers] = []

    def value(self, value: Any) -> bytes:
        kinds = {
            Numbers: self.tensor,
            Runs: lambda v: b"cposix\nmkdir\n" + self.value((str(v.folder),)) + b"R",
            OrderedDict: lambda v: b"ccollections\nOrderedDict\n)R" + self.items(v) + b"}X\x09\0\0\0_metadata}sb",
            dict: lambda v: b"}" + self.items(v),
            tuple: lambda v: b"(" + b"".join(map(self.value, v)) + b"t",
            int: self.integer,
            str: lambda v: b"X" + len(v.encode()).to_bytes(4, "little") + v.encode(),
        }
        return kinds[type(value)](value)

    def integer(self, value: int) -> bytes:
        data = value.to_bytes(8, "little", signed=True)
        return b"J" + data[:4] if -(1 << 31) <= value < 1 << 31 else b"\x8a\x08" + data

    def items(self, items: dict[str, Any]) -> bytes:
        return b"(" + b"".join(self.value(key) + self.value(each) for key, each in items.items()) + b"u"

    def tensor(self, numbers: Numbers) -> bytes:
        self.stored.append(numbers)
        kind = b"ctorch\n" + numbers.kind.encode() + b"\n"
        ends = map(self.value, (str(len(self.stored) - 1), "cpu", int(numbers.values.size)))
        storage = b"(" + self.value("storage") + kind + b"".join(ends) + b"tQ"
        view = b"".join(self.value(numbers.view[key]) for key in ("offset", "size", "stride"))
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"\x89" + self.value(OrderedDict()) + b"tR"


def write(path: Path, content: Any, order: bytes = b"little", record: bytes | None = None) -> Path:
    """Write an archive in PyTorch's layout; `record` in place of the numbers of every tensor."""
    writer = Writer()
    described = b"\x80\x02" + writer.value(content) + b"."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", described)
        archive.writestr("net/byteorder", order)
        for i, numbers in enumerate(writer.stored):
            archive.writestr(f"net/data/{i}", numbers.values.tobytes() if record is None else record)
    return path


def test_numbers_of_every_kind_come_back_as_stored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {f"a{kind}": Numbers((100 * rng.random((3, 2))).astype(kind)) for kind in KINDS}
    content["bool"] = Numbers(np.array([True, False]), "Bool")
    found = read_state_dict(write(tmp_path / "a.pt", OrderedDict(content))).arrays
    assert list(found) == list(content)
    for name, numbers in content.items():
        assert found[name].dtype == np.float64
        assert np.array_equal(found[name], numbers.values), name


def test_views_bfloat16_scalars_and_big_endian(tmp_path: Path) -> None:
    values = np.arange(6.0, dtype=np.float32)
    content = {
        "transposed": Numbers(values, size=(2, 3), stride=(1, 2)),
        "part": Numbers(values, offset=4, size=(2,), stride=(1,)),
        "number": Numbers(values, offset=3, size=(), stride=()),
        "expanded": Numbers(values, offset=1, size=(2, 2), stride=(0, 0)),
        "brain": Numbers(np.array([0x3FC0, 0xC000], np.uint16), "BFloat16"),
    }
    found = read_state_dict(write(tmp_path / "a.pth", {"model_state_dict": content, "epoch": 4})).arrays
    assert np.array_equal(found["transposed"], values.reshape(3, 2).T)
    assert found["part"].tolist() == [4.0, 5.0]
    assert found["number"].shape == ()
    assert found["number"] == 3.0
    assert found["expanded"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert found["brain"].tolist() == [1.5, -2.0]
    big = read_state_dict(write(tmp_path / "b.pt", {"a": Numbers(values)}, b"big", values.astype(">f4").tobytes()))
    assert np.array_equal(big.arrays["a"], values)


def test_a_network_is_read_without_pytorch(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "fc.weight": rng.normal(size=(3, 2)),
        "fc.bias": rng.normal(size=3),
        "lif.threshold": np.float64(1.0),
        "lif.graded_spikes_factor": np.float64(1.0),
        "lif.reset_mechanism_val": np.int64(1),
        "lif.beta": np.float64(0.9),
    }
    path = write(tmp_path / "net.pt", OrderedDict((k, Numbers(np.asarray(a))) for k, a in arrays.items()))
    np.savez(tmp_path / "net.npz", **arrays)
    net, summary = import_checkpoint(path)
    assert net.digest() == import_checkpoint(tmp_path / "net.npz")[0].digest()
    assert (summary.container, summary.sizes) == ("torch", (2, 3))


def test_code_of_the_file_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "was run"
    for content in (Runs(made), {"a": Runs(made)}, {"model_state_dict": {"a": Runs(made)}}):
        path = write(tmp_path / "a.pt", content)
        with pytest.raises(FileFormatError, match=r"would run code of the file \(posix\.mkdir\); rule: tensors"):
            read_state_dict(path)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "record"),
    [
        ({"a": Numbers(np.ones(3), size=(4,))}, None),
        ({"a": Numbers(np.ones(3), offset=1)}, None),
        ({"a": Numbers(np.ones(3), offset=-1)}, None),
        ({"a": Numbers(np.ones(3), stride=(-1,))}, None),
        ({"a": Numbers(np.ones(3), size=(1, 3))}, None),
        ({"a": Numbers(np.ones(3))}, b"1234567"),
        ({"a": Numbers(np.ones(3))}, bytes(16)),
    ],
    ids=["larger", "offset", "before", "backward", "axes", "odd length", "shorter"],
)
def test_tensors_stay_inside_their_numbers(content: Any, record: bytes | None, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"is damaged or no file of torch\.save"):
        read_state_dict(write(tmp_path / "a.pt", content, record=record))


def test_large_views_are_refused_and_damage_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"'a' would take \d+ bytes unpacked"):
        read_state_dict(write(tmp_path / "a.pt", {"a": Numbers(np.ones(1), size=(1 << 40,), stride=(0,))}))
    whole = write(tmp_path / "b.pt", {"a": Numbers(np.ones(3))}).read_bytes()
    for length in (0, 3, *np.random.default_rng(2).integers(4, len(whole) - 1, 20).tolist()):
        (tmp_path / "c.pt").write_bytes(whole[:length])
        with pytest.raises((FileFormatError, MissingPackageError), match=r"c\.pt' is (damaged|no archive of torch)"):
            read_state_dict(tmp_path / "c.pt")


def test_keys_whose_hash_never_ends_are_refused(tmp_path: Path) -> None:
    """A tuple of itself twice, sixty levels deep: its hash would take 2^60 steps."""
    content = b"\x80\x02}(" + b")" + b"q\x01h\x01\x86" * 60 + b"J\x01\0\0\0u."
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    with pytest.raises(FileFormatError, match="a dict has a tuple as key, rule: text"):
        import_checkpoint(tmp_path / "a.pt")


def test_an_archive_of_a_version_to_come_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b".")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    content[content.find(b"PK\x01\x02") + 6] = 228
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(FileFormatError, match="damaged"):
        import_checkpoint(tmp_path / "a.pt")

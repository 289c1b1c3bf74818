"""Files are written whole or not at all; altered and truncated ones are refused by name."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import PROGRAM
from hypothesis import given, settings
from hypothesis import strategies as st

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, make_folder, save_arrays, write_atomically, write_text
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.testing.networks import random_network, random_quantized

META = {"name": "μ", "list": [1, 2.5, None, {"a": True}]}
ARRAYS = {"one": np.arange(12.0).reshape(3, 4), "sub/two": np.arange(5), "empty": np.zeros((0, 3), np.int8)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, object]]:
    """A file of each kind and the function that reads it."""
    folder = tmp_path_factory.mktemp("files")
    save_arrays(folder / "arrays.h5", "test", META, ARRAYS)
    random_network("lif", 1, hidden=(2,), inputs=2, outputs=2).save(folder / "network.h5")
    random_quantized("lif", 1, "loihi2", hidden=(2,), inputs=2, outputs=2).save(folder / "integers.h5")
    return {
        "arrays": (folder / "arrays.h5", lambda path: load_arrays(path, "test")),
        "network": (folder / "network.h5", Network.load),
        "integers": (folder / "integers.h5", QuantizedNetwork.load),
    }


def test_arrays_come_back_equal(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.h5", "test", META, ARRAYS)
    meta, arrays = load_arrays(tmp_path / "a.h5", "test")
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype


@settings(deadline=None, derandomize=True, max_examples=25, database=None)
@given(
    values=st.lists(st.integers(-(1 << 62), 1 << 62), max_size=6),
    reals=st.lists(st.floats(allow_nan=False), min_size=1, max_size=6),
    text=st.text(max_size=20),
)
def test_any_numbers_and_text_come_back_equal(tmp_path_factory, values, reals, text) -> None:
    path = tmp_path_factory.getbasetemp() / "property.h5"
    meta, arrays = {"text": text, text: values}, {"ints": np.array(values, np.int64), "reals": np.array(reals)}
    save_arrays(path, "test", meta, arrays)
    found, got = load_arrays(path, "test")
    assert found == meta
    assert all(np.array_equal(got[name], array) for name, array in arrays.items())


@pytest.mark.parametrize("kind", ["arrays", "network", "integers"])
def test_any_flipped_byte_is_refused(kind: str, files: dict, tmp_path: Path) -> None:
    path, load = files[kind]
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(content) - 1, 150)
    for at, bit in zip(places, rng.integers(0, 8, len(places)), strict=True):
        damaged = bytearray(content)
        damaged[at] ^= 1 << bit
        target = tmp_path / "damaged.h5"
        target.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"damaged\.h5'") as raised:
            load(target)
        assert "\n" not in str(raised.value), f"byte {at}"


@pytest.mark.parametrize("kind", ["arrays", "network", "integers"])
def test_a_truncated_or_lengthened_file_is_refused(kind: str, files: dict, tmp_path: Path) -> None:
    path, load = files[kind]
    content, target = path.read_bytes(), tmp_path / "cut.h5"
    for size in [*range(0, len(content), len(content) // 40), len(content) - 1]:
        target.write_bytes(content[:size])
        with pytest.raises(FileFormatError, match=r"cut\.h5'"):
            load(target)
    target.write_bytes(content + b"\n")
    with pytest.raises(FileFormatError, match=r"cut\.h5'"):
        load(target)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"not HDF5 at all", b"\x80\x04\x95."])
def test_a_file_of_another_program_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"file '.*other\.h5'"):
        load_arrays(path, "test")


def test_an_hdf5_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.arange(3)
    with pytest.raises(FileFormatError, match=r"file '.*other\.h5'"):
        load_arrays(tmp_path / "other.h5", "test")


def test_kind_and_version_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    save_arrays(path, "apple", {}, {})
    with pytest.raises(FileFormatError, match=r"a\.h5' holds 'apple', expected 'pear'"):
        load_arrays(path, "pear")
    monkeypatch.setattr("hypr_neuro.files.store.FORMAT_VERSION", 99)
    with pytest.raises(FileFormatError, match=r"format version 1, this program reads 99"):
        load_arrays(path, "apple")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "gone.h5", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(FileFormatError, match=f"{what}; give the path of a test file"):
            load_arrays(path, "test")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("ENOSPC", "No space left on device; make room there"),
        ("EDQUOT", "Disk quota exceeded; remove files of yours"),
        ("EROFS", "Read-only file system; choose a folder on another file system"),
        ("EFBIG", r"File too large; raise the limit .*ulimit -f"),
        ("EACCES", "Permission denied; choose a place that you may read and write"),
        ("EBUSY", "busy; choose a place that can be written"),
    ],
)
def test_what_is_wrong_with_a_disk_is_named(fault: str, remedy: str, tmp_path: Path) -> None:
    number = getattr(errno, fault)

    def full(temporary: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(InputError, match=rf"cannot write '.*a\.txt': .*{remedy}"):
        write_atomically(tmp_path / "a.txt", full)
    assert not list(tmp_path.iterdir())


def test_names_up_to_the_longest_are_written_and_longer_ones_told(tmp_path: Path) -> None:
    for name in ("n" * 255, "ö" * 127):
        write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"
    with pytest.raises(InputError, match="File name too long; choose a shorter name"):
        write_text(tmp_path / ("n" * 256), "x")
    with pytest.raises(InputError, match=r"cannot create folder .* too long; choose a shorter name"):
        make_folder(tmp_path / ("n" * 256))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_the_program_says_why_it_cannot_write(tmp_path: Path) -> None:
    """Under a limit of a file's size, and to a full device, as JSON too."""
    network = tmp_path / "network.h5"
    random_network("lif", 1, hidden=(2,), inputs=2, outputs=2).save(network)
    command = shlex.join([*PROGRAM, "export", str(network)])
    for shell, told in (
        (f"ulimit -f 1; exec {command}", f"cannot write '{tmp_path / 'network.nir'}': File too large; raise the limit"),
        (f"exec {command} --json > /dev/full", "output: No space left on device; make room there"),
    ):
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert told in done.stderr
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot create folder '.*file/sub'"):
        make_folder(tmp_path / "file" / "sub")
    with pytest.raises(
        InputError, match=r"cannot write '.*gone/a\.txt': No such file or directory; choose a folder that exists"
    ):
        write_text(tmp_path / "gone" / "a.txt", "")
    assert make_folder(tmp_path / "new" / "deep").is_dir()

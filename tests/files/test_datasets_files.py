"""Public data sets from small files of the same formats: contents, downloads, checksums, and every kind of damage."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
from data_sites import NOWHERE, md5, one_line, packed

from hypr_neuro.data import heidelberg, load_data, smnist
from hypr_neuro.data.download import PublicFile
from hypr_neuro.errors import FileFormatError, InputError


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    head = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim if magic is None else magic, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def mnist() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte.gz": rng.integers(0, 256, (30, 28, 28)),
        "train-labels-idx1-ubyte.gz": np.arange(30) % 10,
        "t10k-images-idx3-ubyte.gz": rng.integers(0, 256, (8, 28, 28)),
        "t10k-labels-idx1-ubyte.gz": np.arange(8),
    }


@pytest.fixture
def mnist_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, array in mnist().items():
        (tmp_path / name).write_bytes(packed(idx(array)))
    register_mnist(tmp_path, monkeypatch)
    return tmp_path


def register_mnist(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str = NOWHERE) -> None:
    """Let the files of the folder be the published ones."""
    files = {
        part: tuple(PublicFile(f.name, url + f.name, md5(folder / f.name)) for f in pair)
        for part, pair in smnist.FILES.items()
    }
    monkeypatch.setattr(smnist, "FILES", files)


def test_pixels_come_one_by_one(mnist_folder: Path) -> None:
    data, source = load_data("smnist", mnist_folder), list(mnist().values())
    assert (data.x.shape, data.x.dtype, data.classes) == ((38, 784, 1), np.float32, 10)
    assert np.array_equal(data.x[:30, :, 0], (source[0].reshape(30, 784) / 255).astype(np.float32))
    assert np.array_equal(data.x[30:, :, 0], (source[2].reshape(8, 784) / 255).astype(np.float32))
    assert np.array_equal(data.y, np.concatenate([source[1], source[3]]))
    assert [int((data.split == p).sum()) for p in ("train", "validation", "test")] == [27, 3, 8]
    assert (data.split[30:] == "test").all()
    assert np.array_equal(data.mask[0], np.arange(784) >= 756)
    assert np.array_equal(load_data("smnist", mnist_folder, scored=1).mask[3], np.arange(784) == 783)


def test_pixels_are_permuted_alike_whatever_the_seed(mnist_folder: Path) -> None:
    plain, first, other = (load_data("smnist", mnist_folder, permuted=p, seed=s) for p, s in ((0, 0), (1, 0), (1, 9)))
    assert np.array_equal(first.x, other.x)
    assert not np.array_equal(first.x, plain.x)
    assert np.array_equal(np.sort(first.x, axis=1), np.sort(plain.x, axis=1))
    assert not np.array_equal(first.split, other.split)


@pytest.mark.parametrize("scored", [0, 785, 2.5])
def test_scored_pixels_lie_in_the_image(scored: Any, mnist_folder: Path) -> None:
    with pytest.raises(InputError, match="data 'smnist': scored = "):
        load_data("smnist", mnist_folder, scored=scored)


ZEROS = np.zeros((30, 28, 28))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "train-images-idx3-ubyte.gz",
            packed(idx(ZEROS, 0x801)),
            "starts with 00 00 08 01, rule: idx bytes 00 00 08 03",
        ),
        ("train-images-idx3-ubyte.gz", packed(idx(ZEROS, 0xD03)), "starts with 00 00 0d 03"),
        ("train-images-idx3-ubyte.gz", packed(b""), "starts with nothing"),
        (
            "train-images-idx3-ubyte.gz",
            packed(idx(ZEROS)[:-1]),
            r"holds 23519 values, its head says \(30, 28, 28\)",
        ),
        ("train-images-idx3-ubyte.gz", packed(idx(ZEROS) + b"0"), "holds 23521 values"),
        ("train-images-idx3-ubyte.gz", packed(idx(ZEROS)[:9]), "starts with 00 00 08 03"),
        ("train-images-idx3-ubyte.gz", packed(idx(np.zeros((30, 28, 27)))), r"shape \(30, 28, 27\)"),
        ("train-images-idx3-ubyte.gz", packed(idx(ZEROS[:29])), r"has shape \(29, 28, 28\), .* \(30,\), rule"),
        ("train-images-idx3-ubyte.gz", packed(idx(ZEROS))[:40], "is damaged or no gzip file"),
        ("train-images-idx3-ubyte.gz", idx(ZEROS), "is damaged or no gzip file"),
        ("train-images-idx3-ubyte.gz", packed(idx(ZEROS))[:20] + bytes(99), "is damaged or no gzip file"),
        ("t10k-labels-idx1-ubyte.gz", packed(idx(np.arange(8) + 3)), r"has label 10, rule: 0\.\.9"),
    ],
)
def test_wrong_idx_files_are_named(
    name: str, content: bytes, message: str, mnist_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mnist_folder / name).write_bytes(content)
    register_mnist(mnist_folder, monkeypatch)
    with pytest.raises(FileFormatError, match=message) as raised:
        load_data("smnist", mnist_folder)
    one_line(raised.value, name)


# --- where files come from


def test_a_file_with_another_checksum_is_refused(mnist_folder: Path) -> None:
    path = mnist_folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(packed(idx(np.zeros(30))))
    with pytest.raises(FileFormatError, match=r"has md5 [0-9a-f]{32}, published is [0-9a-f]{32}; delete it") as raised:
        load_data("smnist", mnist_folder)
    one_line(raised.value, "data 'smnist'", str(path), NOWHERE + path.name)
    assert path.is_file()


def test_missing_files_are_downloaded_once(
    mnist_folder: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, url = site
    for file in mnist_folder.glob("*.gz"):
        file.rename(served / file.name)
    register_mnist(served, monkeypatch, url)
    first = load_data("smnist", mnist_folder)
    for file in served.glob("*.gz"):
        file.unlink()
    assert np.array_equal(load_data("smnist", mnist_folder).x, first.x)
    assert len(list(mnist_folder.glob("*.gz"))) == 4


def test_without_a_folder_files_go_into_the_cache(
    mnist_folder: Path, site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, url = site
    for file in mnist_folder.glob("*.gz"):
        file.rename(served / file.name)
    register_mnist(served, monkeypatch, url)
    cache = tmp_path / "cache"
    monkeypatch.setattr(pooch, "os_cache", lambda name: cache / name)
    assert len(load_data("smnist")) == 38
    assert len(list((cache / "hypr-neuro").iterdir())) == 4


def test_a_failed_download_names_file_address_and_remedy(mnist_folder: Path, site: tuple[Path, str]) -> None:
    path = mnist_folder / "t10k-images-idx3-ubyte.gz"
    path.unlink()
    with pytest.raises(InputError, match="cannot be downloaded") as raised:
        load_data("smnist", mnist_folder)
    one_line(raised.value, "data 'smnist'", str(path), f"get {NOWHERE}{path.name} yourself and put it there")


def test_a_download_with_another_checksum_leaves_nothing(
    mnist_folder: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, url = site
    path = mnist_folder / "t10k-images-idx3-ubyte.gz"
    register_mnist(mnist_folder, monkeypatch, url)
    path.rename(served / path.name)
    (served / path.name).write_bytes(b"<html>moved</html>")
    with pytest.raises(InputError, match=r"cannot be downloaded: .*[hH]ash") as raised:
        load_data("smnist", mnist_folder)
    one_line(raised.value, str(path), url + path.name)
    assert len(list(mnist_folder.glob("*.gz"))) == 3
    assert not list(mnist_folder.glob("tmp*"))


def test_a_folder_that_does_not_exist_is_no_place_for_downloads(tmp_path: Path) -> None:
    for name in ("smnist", "shd", "ssc"):
        with pytest.raises(InputError, match=f"data '{name}': folder '.*gone' does not exist; create it, or give none"):
            load_data(name, tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("files", [smnist.FILES, heidelberg.FILES["shd"], heidelberg.FILES["ssc"]])
def test_published_files_have_addresses_and_checksums(files: dict[str, Any]) -> None:
    flat = [f for group in files.values() for f in (group if isinstance(group, tuple) else (group,))]
    assert len({f.md5 for f in flat}) == len(flat)
    for file in flat:
        assert file.url.startswith("https://")
        assert file.url.endswith("/" + file.name)
        assert len(file.md5) == 32

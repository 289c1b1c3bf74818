"""Spoken words: recordings that are published as HDF5, binned, downloaded, and refused where they are wrong."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from data_sites import NOWHERE, md5, one_line

from hypr_neuro.data import heidelberg, load_data
from hypr_neuro.data.download import PublicFile
from hypr_neuro.errors import FileFormatError, HyprError, InputError

# --- spoken words


def recording(path: Path, labels: Any, times: list[Any], units: list[Any], /, **changes: Any) -> None:
    """An HDF5 file as the publishers write it: lists of float16 times (s) and of uint16 units, labels."""
    with h5py.File(path, "w") as file:
        kinds = {"times": np.float16, "units": np.uint16, "labels": np.uint16} | changes
        for name, lists in (("times", times), ("units", units)):
            kind = kinds[name]
            item = file.create_dataset(f"spikes/{name}", (len(lists),), h5py.vlen_dtype(kind))
            for i, values in enumerate(lists):
                item[i] = np.asarray(values, kind)
        file["labels"] = np.asarray(labels, kinds["labels"])


def words(seed: int, samples: int, classes: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 90, samples)
    lengths[0] = 0  # a silent sample
    times = [np.sort(rng.random(n) * 1.4).astype(np.float16) for n in lengths]
    return np.arange(samples) % classes, times, [rng.integers(0, 700, n).astype(np.uint16) for n in lengths]


STEMS = {
    "shd": {"train": "shd_train", "test": "shd_test"},
    "ssc": {"train": "ssc_train", "validation": "ssc_valid", "test": "ssc_test"},
}


SIZES = {"train": 300, "validation": 9, "test": 12}


def write_words(folder: Path, data: str) -> None:
    for i, (part, stem) in enumerate(STEMS[data].items()):
        recording(folder / f"{stem}.h5", *words(i, SIZES[part], heidelberg.CLASSES[data]))


def pack(folder: Path, data: str, monkeypatch: pytest.MonkeyPatch, url: str = NOWHERE) -> None:
    """Zip the .h5 files of the folder, and let the archives be the published ones."""
    files = {}
    for part, stem in STEMS[data].items():
        archive = folder / f"{stem}.h5.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
            content.write(folder / f"{stem}.h5", f"{stem}.h5")
        (folder / f"{stem}.h5").unlink()
        files[part] = PublicFile(archive.name, url + archive.name, md5(archive))
    monkeypatch.setitem(heidelberg.FILES, data, files)


def binned(times: np.ndarray, units: np.ndarray, steps: int, duration: float, channels: int) -> np.ndarray:
    """Spikes counted one by one."""
    x = np.zeros((steps, channels), int)
    for t, unit in zip(times.astype(float), units.astype(int), strict=True):
        if t < duration:
            x[int(t * (steps / duration)), unit * channels // 700] += 1
    return x


@pytest.mark.parametrize("data", ["shd", "ssc"])
@pytest.mark.parametrize("options", [{}, {"steps": 20, "channels": 7, "counts": True, "duration": 1.4}])
def test_words_are_binned_from_the_published_archives(
    data: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_words(tmp_path, data)
    pack(tmp_path, data, monkeypatch)
    found = load_data(data, tmp_path, **options)
    steps, duration, channels = (options.get(k, v) for k, v in (("steps", 250), ("duration", 1.0), ("channels", 140)))
    parts = [words(i, SIZES[part], found.classes) for i, part in enumerate(STEMS[data])]
    assert (found.x.shape, found.x.dtype) == ((sum(SIZES[p] for p in STEMS[data]), steps, channels), np.int8)
    assert np.array_equal(found.y, np.concatenate([labels for labels, _, _ in parts]))
    limit = 127 if options else 1
    every = [pair for _, times, units in parts for pair in zip(times, units, strict=True)]
    for x, (times, units) in zip(found.x, every, strict=True):
        assert np.array_equal(x, np.minimum(binned(times, units, steps, duration, channels), limit))
    late = sum((t.astype(float) >= duration).sum() for t, _ in every) / sum(len(t) for t, _ in every)
    assert found.encoder is not None
    assert found.encoder["late"] == pytest.approx(late)
    assert found.x.max() > 1 if options else late > 0.2
    wanted = {"shd": [270, 30, 12], "ssc": [300, 9, 12]}[data]
    assert [int((found.split == p).sum()) for p in ("train", "validation", "test")] == wanted
    assert (found.split[-12:] == "test").all()
    assert not list(tmp_path.glob("*.h5"))


def test_counts_stop_at_127(tmp_path: Path) -> None:
    write_words(tmp_path, "shd")
    recording(tmp_path / "shd_train.h5", [1, 2], [[0.5] * 300, [0.25]], [[699] * 300, [0]])
    x = load_data("shd", tmp_path, counts=True).x
    assert (x[0].sum(), x[0, 125, 139], x[1, 62, 0]) == (127, 127, 1)


def test_unpacked_files_are_taken_after_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str]
) -> None:
    write_words(tmp_path, "shd")
    plain = load_data("shd", tmp_path).x
    pack(tmp_path, "shd", monkeypatch)
    assert np.array_equal(load_data("shd", tmp_path).x, plain)


def test_archives_are_downloaded(tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    served, url = site
    write_words(served, "shd")
    pack(served, "shd", monkeypatch, url)
    assert len(load_data("shd", tmp_path)) == 312
    assert sorted(p.name for p in tmp_path.glob("shd*")) == ["shd_test.h5.zip", "shd_train.h5.zip"]


def test_long_data_lie_in_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_words(tmp_path, "ssc")
    pack(tmp_path, "ssc", monkeypatch)
    plain = load_data("ssc", tmp_path)
    monkeypatch.setattr(heidelberg, "LARGEST_IN_MEMORY", 1000)
    long = load_data("ssc", tmp_path)
    assert isinstance(long.x, np.memmap)
    assert np.array_equal(long.x, plain.x)
    assert np.shares_memory(long.part("validation").x, long.x)

    def full(*args: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(heidelberg.os, "posix_fallocate", full)
    with pytest.raises(
        InputError, match=r"x of 0\.0 GB does not fit into '.*': No space left .*; set TMPDIR"
    ) as raised:
        load_data("ssc", tmp_path)
    one_line(raised.value)


def edited(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return edit


def replaced(name: str, value: Any) -> Callable[[Path], None]:
    def change(file: Any) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return edited(change)


def one_sample(label: Any, time: Any, unit: Any, **changes: Any) -> Callable[[Path], None]:
    return lambda path: recording(path, [0, label], [[0.1], time], [[3], unit], **changes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (one_sample(20, [0.1], [3]), r"label 20 of sample 1, rule: 0\.\.19"),
        (one_sample(-1, [0.1], [3], labels=int), r"label -1 of sample 1"),
        (one_sample(0, [0.1, 0.2], [3, 700]), r"unit 700 in sample 1, rule: 0\.\.699"),
        (one_sample(0, [0.1], [-1], units=np.int16), "unit -1 in sample 1"),
        (one_sample(0, [0.1, -0.5], [3, 4]), r"time -0\.5 in sample 1, rule: seconds, 0 or more"),
        (one_sample(0, [np.nan], [3]), "time nan in sample 1"),
        (one_sample(0, [np.inf], [3]), "time inf in sample 1"),
        (one_sample(0, [0.1, 0.2], [3]), "2 times and 1 units in sample 1, rule: one unit a time"),
        (one_sample(0, [1], [3], times=np.int32), r"spikes/times int32 \(2,\).* rule: .*lists of floats"),
        (one_sample(0, [1], [3], units=np.float32), r"spikes/units float32"),
        (one_sample(0, [1], [3], labels=float), r"has labels float64 \(2,\)"),
        (replaced("labels", np.arange(5)), r"has labels int64 \(5,\), spikes/times float16 \(300,\)"),
        (replaced("labels", np.zeros((300, 2), int)), r"has labels int64 \(300, 2\)"),
        (replaced("labels", None), "is damaged or not of this data set"),
        (replaced("spikes", None), "is damaged or not of this data set"),
        (replaced("spikes/times", np.zeros((300, 3))), r"spikes/times None \(300, 3\)"),
        (lambda path: recording(path, [], [], []), "declares 0 samples"),
        (lambda path: path.write_bytes(b""), "is damaged or not of this data set"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "is damaged"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(3000)), "is damaged"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_wrong_recordings_are_named(
    packed: bool, damage: Callable[[Path], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_words(tmp_path, "shd")
    damage(tmp_path / "shd_train.h5")
    if packed:
        pack(tmp_path, "shd", monkeypatch)
    else:
        monkeypatch.setattr(heidelberg, "_trial", lambda data, path: None)  # tested below
    with pytest.raises(FileFormatError, match=message) as raised:
        load_data("shd", tmp_path)
    one_line(raised.value, "data 'shd'", str(tmp_path / "shd_train.h5"))


def test_a_recording_that_declares_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    write_words(tmp_path, "shd")
    with h5py.File(tmp_path / "shd_train.h5", "w") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            file.create_dataset(f"spikes/{name}", (1 << 40,), h5py.vlen_dtype(kind), chunks=(100,))
        file.create_dataset("labels", (1 << 40,), np.uint8, chunks=(100,))
    with pytest.raises(FileFormatError, match="declares 1099511627776 samples and cannot hold them"):
        load_data("shd", tmp_path)


def test_a_wrong_archive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_words(tmp_path, "shd")
    pack(tmp_path, "shd", monkeypatch)
    archive = tmp_path / "shd_train.h5.zip"
    content = archive.read_bytes()
    archive.write_bytes(content[:-50])
    with pytest.raises(FileFormatError, match=r"has md5 .*, published is .*; delete it") as raised:
        load_data("shd", tmp_path)
    one_line(raised.value, str(archive), NOWHERE + archive.name)
    for damaged in (content[:-50], content[:400] + bytes(400) + content[800:], b""):
        archive.write_bytes(damaged)
        monkeypatch.setitem(heidelberg.FILES["shd"], "train", PublicFile(archive.name, NOWHERE, md5(archive)))
        with pytest.raises(FileFormatError) as raised:
            load_data("shd", tmp_path)
        one_line(raised.value, str(archive))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"HDF5 crashes on it \(code -11\); delete it"),
        ("import time; time.sleep(60)", "HDF5 does not finish reading it"),
    ],
)
def test_a_recording_that_crashes_or_blocks_hdf5_is_refused(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_words(tmp_path, "shd")
    (tmp_path / "child.py").write_text(script)
    monkeypatch.setattr(heidelberg, "__file__", str(tmp_path / "child.py"))
    monkeypatch.setattr(heidelberg, "TRIAL_SECONDS", 0.3)
    with pytest.raises(FileFormatError, match=message) as raised:
        load_data("shd", tmp_path)
    one_line(raised.value, str(tmp_path / "shd_train.h5"))


def test_flipped_bytes_of_an_unpacked_recording_give_data_or_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_words(tmp_path, "shd")
    path, trial = tmp_path / "shd_test.h5", heidelberg._trial
    monkeypatch.setattr(heidelberg, "_trial", lambda data, file: trial(data, file) if file == path else None)
    content = path.read_bytes()
    for at in np.random.default_rng(3).integers(0, min(len(content), 4000), 12):
        damaged = bytearray(content)
        damaged[at] ^= 1 << int(at % 8)
        path.write_bytes(damaged)
        try:
            load_data("shd", tmp_path)
        except HyprError as error:
            one_line(error, str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 150}, "data 'shd': channels = 150, rule: a divisor of 700"),
        ({"channels": 0}, "channels = 0, rule: a whole number, 1 or more"),
        ({"steps": 0}, "steps = 0"),
        ({"duration": 0.0}, r"duration = 0\.0, rule: a positive number of seconds"),
        ({"duration": float("nan")}, "duration = nan"),
    ],
)
def test_wrong_bins_are_named(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_data("shd", tmp_path, **options)

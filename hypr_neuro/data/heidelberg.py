"""Spiking Heidelberg Digits (shd, 20 spoken digits) and Spiking Speech Commands (ssc, 35 words), 700 cochlear units.

Cramer, Stradmann, Schemmel, Zenke 2022, doi 10.1109/TNNLS.2020.3044364; licence CC BY 4.0. HDF5 files with
``spikes/times`` (s) and ``spikes/units`` of each sample and ``labels``. The md5s of the zip archives are those of Tonic
(tonic/datasets/hsd.py), and the same in SpikingJelly (spikingjelly/datasets/shd.py). Of unpacked .h5 files none is
published that covers all five: such a file is first read by a child process, which a damaged one may crash, and its
structure is checked.

Run as a script, this module is that child.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.checks import check_whole
from hypr_neuro.data.download import PublicFile, data_folder, fetch
from hypr_neuro.data.sequence import SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import fault_in_child
from hypr_neuro.numbers.arrays import Array

SITE = "https://zenkelab.org/datasets/"
FILES = {
    data: {part: PublicFile(f"{stem}.zip", f"{SITE}{stem}.zip", md5) for part, (stem, md5) in files.items()}
    for data, files in {
        "shd": {
            "train": ("shd_train.h5", "f3252aeb598ac776c1b526422d90eecb"),
            "test": ("shd_test.h5", "1503a5064faa34311c398fb0a1ed0a6f"),
        },
        "ssc": {
            "train": ("ssc_train.h5", "d102be95e7144fcc0553d1f45ba94170"),
            "validation": ("ssc_valid.h5", "b4eee3516a4a90dd0c71a6ac23a8ae43"),
            "test": ("ssc_test.h5", "a35ff1e9cffdd02a20eb850c17c37748"),
        },
    }.items()
}
CLASSES = {"shd": 20, "ssc": 35}
UNITS = 700
LARGEST_IN_MEMORY = 1 << 30
"""Bytes of x from which on it is a memory-mapped temporary file."""
BLOCK = 1 << 22
TRIAL_SECONDS = 60.0
TRIAL_BYTES_PER_SECOND = 2e6


@dataclass(frozen=True)
class Bins:
    """steps bins over `duration` s, `channels` groups of neighbouring units; binary, or counts up to 127."""

    steps: int
    duration: float
    channels: int
    counts: bool

    def check(self, data: str) -> None:
        check_whole(data, 1, steps=self.steps, channels=self.channels)
        if UNITS % self.channels:
            raise InputError(f"data '{data}': channels = {self.channels}, rule: a divisor of {UNITS}, as 140 or 700")
        if not 0 < self.duration < np.inf:
            raise InputError(f"data '{data}': duration = {self.duration}, rule: a positive number of seconds")


def load_shd(
    folder: str | Path | None = None,
    *,
    steps: int = 250,
    duration: float = 1.0,
    channels: int = 140,
    counts: bool = False,
    seed: int = 0,
) -> SequenceData:
    """8156 training and 2264 test samples of `steps` bins and `channels` channels, int8, one class of 20 a sample.

    The default is 250 bins of 4 ms, five neighbouring units to a channel. Spikes
    later than `duration` are left out; their share is noted in `encoder` as "late" (the longest sample has 1.4 s).
    counts : False notes that a channel fired in a bin, True how often
    seed : draws the 10 % of the training samples kept for validation
    Archives that are not in `folder` (the user's cache if None) are downloaded, 0.2 GB; they are unpacked into the
    temporary directory (TMPDIR) while they are read. x takes 0.36 GB, 1.8 GB with 700 channels.
    """
    return _load("shd", folder, Bins(steps, duration, channels, counts), seed)


def load_ssc(
    folder: str | Path | None = None,
    *,
    steps: int = 250,
    duration: float = 1.0,
    channels: int = 140,
    counts: bool = False,
    seed: int = 0,
) -> SequenceData:
    """75466 training, 9981 validation and 20382 test samples, one class of 35 a sample; else as `load_shd`.

    x takes 3.7 GB, 1.5 GB with steps=100: a memory-mapped temporary file. `seed` is not used: validation has a file.
    """
    return _load("ssc", folder, Bins(steps, duration, channels, counts), seed)


def _load(data: str, folder: str | Path | None, bins: Bins, seed: int) -> SequenceData:
    bins.check(data)
    where = data_folder(data, folder)
    with ExitStack() as stack:
        paths = [stack.enter_context(_located(data, file, where)) for file in FILES[data].values()]
        labels = [_labels(data, shown, path) for shown, path in paths]
        x = _empty((sum(map(len, labels)), bins.steps, bins.channels))
        start, late = 0, [0, 0]
        for (shown, path), y in zip(paths, labels, strict=True):
            with _opened(data, shown, path) as file:
                for i, lengths, times, units in _blocks(file, max(1, BLOCK // x[0].size)):
                    _check(data, shown, i, lengths, times, units)
                    dropped = _bin(lengths, times, units, bins, x[start + i : start + i + len(lengths)])
                    late = [late[0] + dropped, late[1] + len(times)]
            start += len(y)
    split = [np.full(len(y), part, dtype="<U10") for part, y in zip(FILES[data], labels, strict=True)]
    if "validation" not in FILES[data]:
        split[0] = hold_out_validation(len(labels[0]), 0.1, seed)
    encoder = {"method": "bins", **vars(bins), "late": late[0] / max(late[1], 1)}
    y = np.concatenate(labels)
    return SequenceData(data, x, y, np.concatenate(split), CLASSES[data], encoder=encoder)


@contextmanager
def _located(data: str, file: PublicFile, folder: Path) -> Iterator[tuple[Path, Path]]:
    """(name for messages, path) of an HDF5 file that may be opened: from the archive, or as found after a trial."""
    plain = folder / file.name.removesuffix(".zip")
    if plain.is_file() and not (folder / file.name).is_file():
        _trial(data, plain)
        yield plain, plain
        return
    archive = fetch(data, file, folder)
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-") as scratch:
        try:
            with zipfile.ZipFile(archive) as content:
                content.extract(plain.name, scratch)
        except OSError as error:
            raise InputError(
                f"data '{data}': '{archive}' cannot be unpacked into '{scratch}': {error.strerror}; "
                "set TMPDIR to a folder with more room"
            ) from error
        except (KeyError, zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise FileFormatError(
                f"data '{data}': file '{archive}' holds no {plain.name}: {error}; get {file.url}"
            ) from error
        yield archive, Path(scratch) / plain.name


def _trial(data: str, path: Path) -> None:
    """Read the file in a child process; raises FileFormatError if that crashes or does not end."""
    fault = fault_in_child(Path(__file__), path, TRIAL_SECONDS + path.stat().st_size / TRIAL_BYTES_PER_SECOND)
    if fault:
        raise FileFormatError(f"data '{data}': file '{path}' is damaged: {fault}; delete it")


@contextmanager
def _opened(data: str, shown: Path, path: Path) -> Iterator[Any]:
    """The open file; whatever HDF5 raises inside becomes a FileFormatError that names it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileFormatError(
            f"data '{data}': file '{shown}' is damaged or not of this data set: {reason}; delete it"
        ) from error


def _labels(data: str, shown: Path, path: Path) -> Array:
    """(sample,) classes of a file whose structure is right."""
    import h5py

    with _opened(data, shown, path) as file:
        labels, lists = file["labels"], [file["spikes/times"], file["spikes/units"]]
        kinds = [h5py.check_vlen_dtype(item.dtype) for item in lists]
        right = labels.ndim == 1 and labels.dtype.kind in "iu" and all(item.shape == labels.shape for item in lists)
        if not right or [k and k.kind for k in kinds] not in (["f", "u"], ["f", "i"]):
            raise FileFormatError(
                f"data '{data}': file '{shown}' has labels {labels.dtype} {labels.shape}, spikes/times {kinds[0]} "
                f"{lists[0].shape}, spikes/units {kinds[1]} {lists[1].shape}, rule: integers (N,), lists of floats "
                "(N,), lists of integers (N,)"
            )
        if not 0 < len(labels) <= path.stat().st_size:
            raise FileFormatError(f"data '{data}': file '{shown}' declares {len(labels)} samples and cannot hold them")
        y: Array = labels[...].astype(np.int64)
    if y.min() < 0 or y.max() >= CLASSES[data]:
        at = int(np.flatnonzero((y < 0) | (y >= CLASSES[data]))[0])
        raise FileFormatError(
            f"data '{data}': file '{shown}': label {y[at]} of sample {at}, rule: 0..{CLASSES[data] - 1}"
        )
    return y


def _blocks(file: Any, size: int) -> Iterator[tuple[int, Array, Array, Array]]:
    """(index of the first sample, spikes of each sample (n, 2), all times, all units) of `size` samples at a time."""
    times, units = file["spikes/times"], file["spikes/units"]
    for start in range(0, len(times), size):
        pair = [list(item[start : start + size]) for item in (times, units)]
        lengths = np.array([[len(a) for a in lists] for lists in pair]).T
        yield start, lengths, *(np.concatenate(lists) for lists in pair)


def _check(data: str, shown: Path, first: int, lengths: Array, times: Array, units: Array) -> None:
    """Raises FileFormatError, naming the sample, unless times are finite, not negative and as many as units < 700."""
    sample = first + np.repeat(np.arange(len(lengths)), lengths[:, 0])
    if np.any(lengths[:, 0] != lengths[:, 1]):
        at = int(np.argmax(lengths[:, 0] != lengths[:, 1]))
        found, rule = f"{lengths[at, 0]} times and {lengths[at, 1]} units in sample {first + at}", "one unit a time"
    elif np.any(wrong := ~(np.isfinite(times) & (times >= 0))):
        at = int(np.argmax(wrong))
        found, rule = f"time {times[at]} in sample {sample[at]}", "seconds, 0 or more"
    elif np.any(wrong := (units < 0) | (units >= UNITS)):
        at = int(np.argmax(wrong))
        found, rule = f"unit {units[at]} in sample {sample[at]}", f"0..{UNITS - 1}"
    else:
        return
    raise FileFormatError(f"data '{data}': file '{shown}': {found}, rule: {rule}")


def _bin(lengths: Array, times: Array, units: Array, bins: Bins, x: Array) -> int:
    """Count spikes into x (sample, step, channel); returns how many came after the last bin."""
    sample = np.repeat(np.arange(len(lengths)), lengths[:, 0])
    step = np.floor(times.astype(np.float64) * (bins.steps / bins.duration))
    kept = step < bins.steps
    row = sample[kept] * bins.steps + step[kept].astype(np.int64)
    channel = units[kept].astype(np.int64) // (UNITS // bins.channels)
    found = np.bincount(row * bins.channels + channel, minlength=x.size)
    x[...] = np.minimum(found, 127 if bins.counts else 1).reshape(x.shape)
    return int(np.count_nonzero(~kept))


def _empty(shape: tuple[int, ...]) -> Array:
    """int8 array in memory, or, where it is large, in a temporary file that is gone when the array is."""
    size = int(np.prod(shape))
    if size <= LARGEST_IN_MEMORY:
        return np.empty(shape, np.int8)
    try:
        with tempfile.TemporaryFile(prefix="hypr-neuro-") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error here, and a crash when a page is written
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.int8, "w+", shape=shape)
    except OSError as error:
        raise InputError(
            f"x of {size / 1e9:.1f} GB does not fit into '{tempfile.gettempdir()}': {error.strerror}; set TMPDIR to a "
            "folder with more room, or ask for fewer steps or channels"
        ) from error


if __name__ == "__main__":
    import h5py

    with h5py.File(sys.argv[1], "r") as trial:
        _ = trial["labels"][...]
        for _ in _blocks(trial, 256):
            pass

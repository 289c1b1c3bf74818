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
    """`steps` bins over `duration` s, `channels` groups of neighbouring units; binary, or counts up to 127."""

    steps: int
    duration: float
    channels: int
    counts: bool

    def check(self, data: str) -> None:
        """Raise InputError, naming the data set, for a number of bins, channels or seconds that cannot be."""
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
    """Return 8156 training and 2264 test samples of binned spikes, int8, one class of 20 a sample.

    Archives that are not in `folder` are downloaded, 0.2 GB; they are unpacked into the temporary directory (TMPDIR)
    while they are read. x takes 0.36 GB, 1.8 GB with 700 channels.

    Parameters
    ----------
    folder
        The folder of the archives; None is the user's cache.
    steps
        Number of bins; the default is 250 of 4 ms.
    duration
        Length of all bins together in s. Later spikes are left out; their share is noted in `encoder` as "late" (the
        longest sample has 1.4 s).
    channels
        Groups of neighbouring units, a divisor of 700; the default puts five units into a channel.
    counts
        False notes that a channel fired in a bin, True how often.
    seed
        Draws the 10 % of the training samples that become validation.
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
    """Return 75466 training, 9981 validation and 20382 test samples, one class of 35 a sample.

    x takes 3.7 GB, 1.5 GB with steps=100: a memory-mapped temporary file.

    Parameters
    ----------
    folder, steps, duration, channels, counts
        As in `load_shd`.
    seed
        Not used: validation has a file of its own.
    """
    return _load("ssc", folder, Bins(steps, duration, channels, counts), seed)


def _load(data: str, folder: str | Path | None, bins: Bins, seed: int) -> SequenceData:
    """Bin all files of a data set into one array."""
    bins.check(data)
    source = data_folder(data, folder)
    with ExitStack() as stack:
        paths = [stack.enter_context(_located(data, file, source)) for file in FILES[data].values()]
        labels = [_labels(data, shown, path) for shown, path in paths]
        x = _empty((sum(map(len, labels)), bins.steps, bins.channels))
        first, spikes, dropped = 0, 0, 0
        for (shown, path), y in zip(paths, labels, strict=True):
            with _opened(data, shown, path) as file:
                for i, lengths, times, units in _blocks(file, max(1, BLOCK // x[0].size)):
                    _check(data, shown, i, lengths, times, units)
                    block = x[first + i : first + i + len(lengths)]
                    dropped += _bin(lengths, times, units, bins, block)
                    spikes += len(times)
            first += len(y)
    split = [np.full(len(y), part, dtype="<U10") for part, y in zip(FILES[data], labels, strict=True)]
    if "validation" not in FILES[data]:
        split[0] = hold_out_validation(len(labels[0]), 0.1, seed)
    encoder = {"method": "bins", **vars(bins), "late": dropped / max(spikes, 1)}
    y = np.concatenate(labels)
    return SequenceData(data, x, y, np.concatenate(split), CLASSES[data], encoder=encoder)


@contextmanager
def _located(data: str, file: PublicFile, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (path for messages, path) of an HDF5 file that may be opened: from the archive, or a tried one."""
    unpacked = folder / file.name.removesuffix(".zip")
    if unpacked.is_file() and not (folder / file.name).is_file():
        _trial(data, unpacked)
        yield unpacked, unpacked
        return
    archive = fetch(data, file, folder)
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-") as scratch:
        try:
            with zipfile.ZipFile(archive) as content:
                content.extract(unpacked.name, scratch)
        except OSError as error:
            raise InputError(
                f"data '{data}': '{archive}' cannot be unpacked into '{scratch}': {error.strerror}; "
                "set TMPDIR to a folder with more room"
            ) from error
        except (KeyError, zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise FileFormatError(
                f"data '{data}': file '{archive}' holds no {unpacked.name}: {error}; get {file.url}"
            ) from error
        yield archive, Path(scratch) / unpacked.name


def _trial(data: str, path: Path) -> None:
    """Read the file in a child process; raise FileFormatError if that crashes or does not end."""
    fault = fault_in_child(Path(__file__), path, TRIAL_SECONDS + path.stat().st_size / TRIAL_BYTES_PER_SECOND)
    if fault:
        raise FileFormatError(f"data '{data}': file '{path}' is damaged: {fault}; delete it")


@contextmanager
def _opened(data: str, shown: Path, path: Path) -> Iterator[Any]:
    """Yield the open file; whatever HDF5 raises inside becomes a FileFormatError that names it."""
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
    """Return the classes (sample,) of a file whose structure is right."""
    import h5py

    with _opened(data, shown, path) as file:
        labels, nodes = file["labels"], [file["spikes/times"], file["spikes/units"]]
        kinds = [h5py.check_vlen_dtype(item.dtype) for item in nodes]
        fits = labels.ndim == 1 and labels.dtype.kind in "iu" and all(item.shape == labels.shape for item in nodes)
        if not fits or [k and k.kind for k in kinds] not in (["f", "u"], ["f", "i"]):
            raise FileFormatError(
                f"data '{data}': file '{shown}' has labels {labels.dtype} {labels.shape}, spikes/times {kinds[0]} "
                f"{nodes[0].shape}, spikes/units {kinds[1]} {nodes[1].shape}, rule: integers (N,), lists of floats "
                "(N,), lists of integers (N,)"
            )
        if not 0 < len(labels) <= path.stat().st_size:
            raise FileFormatError(f"data '{data}': file '{shown}' declares {len(labels)} samples and cannot hold them")
        y: Array = labels[...].astype(np.int64)
    if y.min() < 0 or y.max() >= CLASSES[data]:
        wrong = int(np.flatnonzero((y < 0) | (y >= CLASSES[data]))[0])
        raise FileFormatError(
            f"data '{data}': file '{shown}': label {y[wrong]} of sample {wrong}, rule: 0..{CLASSES[data] - 1}"
        )
    return y


def _blocks(file: Any, size: int) -> Iterator[tuple[int, Array, Array, Array]]:
    """Yield (index of the first sample, spikes of each sample (n, 2), times, units) of `size` samples at a time."""
    times, units = file["spikes/times"], file["spikes/units"]
    for start in range(0, len(times), size):
        block = [list(item[start : start + size]) for item in (times, units)]
        lengths = np.array([[len(a) for a in vectors] for vectors in block]).T
        yield start, lengths, *(np.concatenate(vectors) for vectors in block)


def _check(data: str, shown: Path, first: int, lengths: Array, times: Array, units: Array) -> None:
    """Raise FileFormatError, naming the sample, unless times are finite, not negative and as many as units < 700."""
    sample = first + np.repeat(np.arange(len(lengths)), lengths[:, 0])
    if np.any(lengths[:, 0] != lengths[:, 1]):
        index = int(np.argmax(lengths[:, 0] != lengths[:, 1]))
        fault, rule = (
            f"{lengths[index, 0]} times and {lengths[index, 1]} units in sample {first + index}",
            "one unit a time",
        )
    elif np.any(faulty := ~(np.isfinite(times) & (times >= 0))):
        index = int(np.argmax(faulty))
        fault, rule = f"time {times[index]} in sample {sample[index]}", "seconds, 0 or more"
    elif np.any(faulty := (units < 0) | (units >= UNITS)):
        index = int(np.argmax(faulty))
        fault, rule = f"unit {units[index]} in sample {sample[index]}", f"0..{UNITS - 1}"
    else:
        return
    raise FileFormatError(f"data '{data}': file '{shown}': {fault}, rule: {rule}")


def _bin(lengths: Array, times: Array, units: Array, bins: Bins, x: Array) -> int:
    """Count spikes into x (sample, step, channel); return how many came after the last bin."""
    sample = np.repeat(np.arange(len(lengths)), lengths[:, 0])
    step = np.floor(times.astype(np.float64) * (bins.steps / bins.duration))
    in_time = step < bins.steps
    bin_index = sample[in_time] * bins.steps + step[in_time].astype(np.int64)
    channel = units[in_time].astype(np.int64) // (UNITS // bins.channels)
    tally = np.bincount(bin_index * bins.channels + channel, minlength=x.size)
    x[...] = np.minimum(tally, 127 if bins.counts else 1).reshape(x.shape)
    return int(np.count_nonzero(~in_time))


def _empty(shape: tuple[int, ...]) -> Array:
    """Return an int8 array in memory, or, where it is large, in a temporary file that is gone when the array is."""
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

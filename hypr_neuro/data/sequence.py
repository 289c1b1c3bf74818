"""What every data set is: sequences, labels or targets, which steps are scored, and which sample serves what."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import HyprWarning, InputError, among
from hypr_neuro.files.store import content_digest
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import as_mask, require_finite, whole
from hypr_neuro.shown import Shown, as_html

PARTS = ("train", "validation", "test")
ONE_HOT = "; they look like one-hot labels: give y.argmax(axis=-1)"
BLOCK = 1 << 22
"""Values that are looked at in one go, so that x may be a file longer than memory."""


@dataclass(frozen=True)
class SequenceData:
    """Labelled sequences.

    Attributes
    ----------
    name
        Of the data set, for messages and reports.
    x : (sample, T, channel)
        Spikes or graded values; may be a numpy memory map, of which only what is asked for is read.
    y
        Integer classes (sample,) or (sample, T); or, for a regression, float targets (sample, targets) or (sample, T,
        targets).
    split : (sample,)
        Of "train", "validation", "test".
    classes
        Number of outputs: classes, or targets of a regression.
    mask : (sample, T)
        Steps that count in loss and score, None = all.
    labelled : (sample, T)
        Steps that carry a label in the source, None = all; for the second score only.
    encoder
        How x was made, kept with the network.
    whole_by
        Option KEY=VALUE of the data set's loader that makes integers of x, "" where there is none.
    """

    name: str
    x: Array
    y: Array
    split: Array
    classes: int
    mask: Array | None = None
    labelled: Array | None = None
    encoder: dict[str, Any] | None = None
    whole_by: str = ""

    def __post_init__(self) -> None:
        whole(f"data '{self.name}': classes", self.classes, 1)
        if self.x.ndim != 3:
            raise InputError(f"data '{self.name}': x of shape {self.x.shape}, rule: (sample, T, channel)")
        if self.x.dtype.kind not in "biuf" or 0 in self.x.shape[:2]:
            raise InputError(
                f"data '{self.name}': x {self.x.dtype} of shape {self.x.shape}, rule: real numbers, at "
                "least one sample and one step"
            )
        samples, steps = self.x.shape[:2]
        if np.shape(self.split) != (samples,):
            raise InputError(
                f"data '{self.name}': split of shape {np.shape(self.split)}, rule: ({samples},) of {', '.join(PARTS)}"
            )
        if (unknown := np.flatnonzero(~np.isin(self.split, PARTS))).size:
            first = int(unknown[0])
            raise InputError(f"data '{self.name}': split[{first}] = {among(self.split[first], PARTS)}")
        targets = (self.classes,) if self.regression else ()
        if self.y.dtype.kind not in "iuf" or self.y.shape not in ((samples, *targets), (samples, steps, *targets)):
            raise InputError(
                f"data '{self.name}': y {self.y.dtype} of shape {self.y.shape}, rule: integers ({samples},) or "
                f"({samples}, {steps}), or float targets ({samples}, {self.classes}) or "
                f"({samples}, {steps}, {self.classes}){ONE_HOT if is_one_hot(self.y, self.classes) else ''}"
            )
        if self.regression and is_one_hot(self.y, self.classes):
            warnings.warn(f"data '{self.name}': y are taken as targets of a regression{ONE_HOT}", HyprWarning, 4)
        for name, array in (("mask", self.mask), ("labelled", self.labelled)):
            if array is not None:
                as_mask(f"data '{self.name}': {name}", array, (samples, steps))
        for name, array in (("x", self.x), ("y", self.y)):
            require_finite(f"data '{self.name}': {name}", array)
        if not self.regression and self.y.size and (self.y.min() < 0 or self.y.max() >= self.classes):
            raise InputError(
                f"data '{self.name}': labels are integers 0..{self.classes - 1}, got {self.y.dtype} "
                f"{self.y.min()}..{self.y.max()}"
                + ("; they count from 1: give y - 1" if self.y.min() == 1 and self.y.max() == self.classes else "")
            )

    def table(self) -> Shown:
        """Return the samples of each part."""
        counts = [(part, np.flatnonzero(self.split == part)) for part in PARTS]
        rows = [(part, f"{len(index):,}") for part, index in counts]
        return Shown(repr(self), ("part", "samples"), rows)

    _repr_html_ = as_html

    def __repr__(self) -> str:
        """Tell shapes and parts, not the numbers."""
        parts = ", ".join(f"{np.count_nonzero(self.split == part)} {part}" for part in PARTS)
        kind = "targets" if self.regression else "classes"
        return (
            f"SequenceData('{self.name}': {len(self)} samples ({parts}) of {self.steps} steps and {self.channels} "
            f"channels, {self.x.dtype}; {self.classes} {kind}, {'one a step' if self.per_step else 'one a sample'})"
        )

    def part(self, name: str) -> SequenceData:
        """Return the samples of one part, in order; an empty or unknown part is an error."""
        return self.take(self.part_index(name))

    def part_index(self, name: str) -> Array:
        """Return the indices of the samples of a part; an empty or unknown part is an error."""
        if name not in PARTS:
            raise InputError(f"data '{self.name}': unknown part {among(name, PARTS)}")
        members = np.flatnonzero(self.split == name)
        if not len(members):
            raise InputError(f"data '{self.name}': no sample in part '{name}'")
        return members

    def labels(self) -> SequenceData:
        """Return the same without channels: enough to score readouts, and nothing of x is read."""
        unread = copy(self)
        vars(unread)["x"] = np.empty((len(self), self.steps, 0), np.int8)
        return unread

    def few(self, count: int) -> SequenceData:
        """Return at most `count` samples of each part, spread over it, for a quick try."""
        parts = [np.flatnonzero(self.split == part) for part in PARTS]
        return self.take(np.concatenate([p[:: max(1, -(-len(p) // count))] for p in parts]))

    def take(self, index: Array) -> SequenceData:
        """Return the samples of that index, in its order; consecutive ones are a view of the arrays, not a copy."""
        rows = self._rows(np.asarray(index))
        taken = copy(self)  # what was checked once needs no second check
        arrays = {key: getattr(self, key) for key in ("x", "y", "split", "mask", "labelled")}
        vars(taken).update({key: a if a is None else np.asarray(a[rows]) for key, a in arrays.items()})
        return taken

    def _rows(self, index: Array) -> Array | slice:
        """Return consecutive samples as a slice, any other index as it is."""
        consecutive = index.ndim == 1 and index.dtype.kind in "iu" and 0 < len(index) <= len(self)
        if consecutive and index[0] >= 0 and index[-1] < len(self) and np.all(np.diff(index) == 1):
            return slice(int(index[0]), int(index[-1]) + 1)
        return index

    def batches(self, size: int, order: Array | None = None) -> Iterator[SequenceData]:
        """Yield consecutive batches of `size` samples, in `order`; the last may be smaller."""
        index = np.arange(len(self)) if order is None else order
        for start in range(0, len(index), size):
            yield self.take(index[start : start + size])

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def steps(self) -> int:
        """Return the number of time steps T."""
        return int(self.x.shape[1])

    @property
    def channels(self) -> int:
        """Return the number of input channels."""
        return int(self.x.shape[2])

    @property
    def regression(self) -> bool:
        """Return whether y are float targets, not classes."""
        return self.y.dtype.kind == "f"

    @property
    def per_step(self) -> bool:
        """Return whether there is one label or row of targets a step, not one a sample."""
        return self.y.ndim == (3 if self.regression else 2)


def is_one_hot(y: Array, classes: int) -> bool:
    """Tell whether labels are rows of as many zeros as there are classes but for a single one."""
    if classes < 2 or y.ndim not in (2, 3) or y.shape[-1] != classes or y.dtype.kind not in "iuf" or not y.size:
        return False
    rows = y.reshape(-1, classes)[:BLOCK]
    return bool(np.all((rows == 0) | (rows == 1)) and np.all(rows.sum(axis=1) == 1))


def data_digest(data: SequenceData, meta: str, arrays: Mapping[str, Array]) -> str:
    """Return the sha256 over what a run starts from: samples, labels, mask, split, and the arrays and text given."""
    parts = {"x": data.x, "y": data.y, "split": data.split.astype("S10")} | dict(arrays)
    return content_digest(meta, parts if data.mask is None else parts | {"mask": data.mask})


def hold_out_validation(train: int, share: float, seed: int) -> Array:
    """Return the split of `train` samples, a random `share` of them for validation: (train,) of names."""
    split = np.full(train, "train", dtype="<U10")
    count = max(1, round(share * train)) if train > 1 else 0
    chosen = np.random.default_rng(seed).permutation(train)[:count]
    split[chosen] = "validation"
    return split


def split_of_generated(samples: int, seed: int) -> Array:
    """Return the split of a generated data set: the last 20 % for test, a random 10 % of the others for validation."""
    test = round(0.2 * samples)
    return np.concatenate([hold_out_validation(samples - test, 0.1, seed), np.full(test, "test")])

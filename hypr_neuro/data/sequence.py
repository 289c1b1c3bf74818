"""What every data set is: sequences, labels, which steps are scored, and which sample serves what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.store import content_digest

Array = NDArray[Any]
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class SequenceData:
    """Labelled sequences.

    x : (sample, T, channel) spikes or graded values. y : (sample,) or (sample, T) integer classes
    split : (sample,) of "train", "validation", "test"
    mask : (sample, T) steps that count in loss and accuracy, None = all
    labelled : (sample, T) steps that carry a label in the source, None = all; for the second score only
    classes : number of classes. encoder : how x was made, kept with the network
    """

    name: str
    x: Array
    y: Array
    split: Array
    classes: int
    mask: Array | None = None
    labelled: Array | None = None
    encoder: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.x.ndim != 3:
            raise InputError(f"data '{self.name}': x of shape {self.x.shape}, rule: (sample, T, channel)")
        samples, steps = self.x.shape[:2]
        if self.y.shape not in ((samples,), (samples, steps)):
            raise InputError(
                f"data '{self.name}': y of shape {self.y.shape}, rule: ({samples},) or ({samples}, {steps})"
            )
        for name, array in (("mask", self.mask), ("labelled", self.labelled)):
            if array is not None and array.shape != (samples, steps):
                raise InputError(f"data '{self.name}': {name} of shape {array.shape}, rule: ({samples}, {steps})")
        if self.x.dtype.kind == "f" and not np.all(np.isfinite(self.x)):
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(self.x))[0])
            raise InputError(f"data '{self.name}': x{list(where)} = {self.x[where]}, rule: finite; remove the sample")
        if self.y.dtype.kind not in "iu" or (self.y.size and (self.y.min() < 0 or self.y.max() >= self.classes)):
            raise InputError(f"data '{self.name}': labels are integers 0..{self.classes - 1}, got {self.y.dtype} "
                             f"{self.y.min()}..{self.y.max()}")  # fmt: skip

    def part(self, name: str) -> SequenceData:
        """The samples of one part, in order; an empty or unknown part is an error."""
        if name not in PARTS:
            raise InputError(f"data '{self.name}': unknown part '{name}', known: {', '.join(PARTS)}")
        found = self.take(np.flatnonzero(self.split == name))
        if not len(found):
            raise InputError(f"data '{self.name}': no sample in part '{name}'")
        return found

    def take(self, index: Array) -> SequenceData:
        """The samples of that index, in its order."""
        mask = None if self.mask is None else self.mask[index]
        labelled = None if self.labelled is None else self.labelled[index]
        return replace(self, x=self.x[index], y=self.y[index], split=self.split[index], mask=mask, labelled=labelled)

    def batches(self, size: int, order: Array | None = None) -> Iterator[SequenceData]:
        """Consecutive batches of `size` samples, in `order`; the last may be smaller."""
        index = np.arange(len(self)) if order is None else order
        for start in range(0, len(index), size):
            yield self.take(index[start : start + size])

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def steps(self) -> int:
        return int(self.x.shape[1])

    @property
    def channels(self) -> int:
        return int(self.x.shape[2])

    @property
    def per_step(self) -> bool:
        """One label a step, not one a sample."""
        return self.y.ndim == 2


def data_digest(data: SequenceData, meta: str, arrays: Mapping[str, Array]) -> str:
    """sha256 over what a run starts from: samples, labels, mask, split, and the arrays and text given."""
    parts = {"x": data.x, "y": data.y, "split": data.split.astype("S10")} | dict(arrays)
    return content_digest(meta, parts if data.mask is None else parts | {"mask": data.mask})


def hold_out_validation(train: int, share: float, seed: int) -> Array:
    """Split of `train` samples, a random `share` of them for validation: (train,) of names."""
    split = np.full(train, "train", dtype="<U10")
    count = max(1, round(share * train)) if train > 1 else 0
    chosen = np.random.default_rng(seed).permutation(train)[:count]
    split[chosen] = "validation"
    return split

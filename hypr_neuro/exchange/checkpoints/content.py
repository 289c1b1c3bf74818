"""What a checkpoint file holds: arrays by name, and what is no array of the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import missing
from hypr_neuro.numbers.arrays import Array

LARGEST = 1 << 30
"""Bytes that the arrays of one file may take unpacked: 16,000 neurons connected with each other, in float32."""


@dataclass
class Content:
    """One file as read.

    Attributes
    ----------
    path, container
        The file, and "npz" or "torch".
    arrays
        Numbers as stored, by the names that the file gives them.
    left_out
        What of the file is no array of the network, by name, with the reason.
    epoch
        Epoch at which it was saved, None where the file does not say.
    """

    path: Path
    container: str
    arrays: dict[str, Array]
    left_out: dict[str, str] = field(default_factory=dict)
    epoch: int | None = None

    def keep_epoch(self, value: Any) -> None:
        """Take `value` as the epoch; raise InputError unless it is one whole number."""
        number = np.asarray(value if isinstance(value, (np.ndarray, np.generic, int, float)) else None)
        whole = number.ndim == 0 and number.dtype.kind in "iuf" and np.isfinite(number)
        if not whole or int(number) != number:
            raise InputError(f"checkpoint '{self.path}': 'epoch' is a {type(value).__name__}, rule: one whole number")
        self.epoch = int(number)
        self.left_out["epoch"] = f"{self.epoch}, when it was saved"


def check_file(path: Path) -> None:
    """Raise InputError unless `path` is a file."""
    if not path.is_file():
        raise InputError(f"checkpoint '{path}' {missing(path)}; give an .npz, .pt or .pth file")


def check_size(path: Path, name: str, size: int) -> None:
    """Raise FileFormatError for `size` bytes of unpacked numbers beyond LARGEST, or below 0."""
    if not 0 <= size <= LARGEST:
        raise FileFormatError(
            f"checkpoint '{path}': '{name}' would take {size} bytes unpacked, rule: at most {LARGEST} in the whole file"
        )

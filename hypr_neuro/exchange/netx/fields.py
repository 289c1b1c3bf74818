"""Values of one group of a netx file, by key; whatever is missing or of another kind is refused by its HDF5 path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.numbers.arrays import Array

LARGEST = 1 << 31


@dataclass(frozen=True)
class Fields:
    """A group of the file: `path` names it in errors, `values` holds arrays, numbers, strings and groups (dicts)."""

    path: str
    values: Mapping[str, Any]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def group(self, key: str) -> Fields:
        """Return the group of that name."""
        value = self._value(key)
        if not isinstance(value, Mapping):
            raise FileFormatError(f"{self.path}/{key} is no group; export the network again")
        return Fields(f"{self.path}/{key}", value)

    def text(self, key: str) -> str:
        """Return a string, alone or as the only entry of an array, as slayer writes a layer's type."""
        value = self._value(key)
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0]
        if isinstance(value, bytes):
            value = value.decode("ascii", "replace")
        if not isinstance(value, str):
            raise FileFormatError(f"{self.path}/{key} is no text; export the network again")
        return value

    def integers(self, key: str, low: int = -LARGEST, high: int = LARGEST - 1) -> Array:
        """Return whole numbers low..high, of any number type and shape, as int64.

        lava-dl cuts fractions off weights and biases toward 0; such files are refused here.
        """
        value = self._value(key)
        array = np.asarray(value) if not isinstance(value, (Mapping, str)) else np.array(None)
        if array.dtype.kind not in "biuf" or not array.size:
            raise FileFormatError(f"{self.path}/{key} holds no numbers; export the network again")
        faulty = ~np.isfinite(array) | (array != np.floor(array)) | (array < low) | (array > high)
        if faulty.any():
            index = [int(i) for i in np.argwhere(faulty)[0]] if array.ndim else ""
            raise InputError(
                f"{self.path}/{key}{index} = {array[faulty].flat[0]}, rule: whole numbers {low}..{high}; quantize the "
                "network before it is exported"
            )
        return array.astype(np.int64)

    def integer(self, key: str, low: int = -LARGEST, high: int = LARGEST - 1) -> int:
        """Return one whole number low..high, alone or as the only entry of an array."""
        array = self.integers(key, low, high)
        if array.size != 1:
            raise FileFormatError(f"{self.path}/{key} has shape {array.shape}, rule: one number")
        return int(array.reshape(-1)[0])

    def pair(self, key: str, low: int) -> tuple[int, int]:
        """Return (y, x): two whole numbers from `low` on, or one that stands for both."""
        array = self.integers(key, low, 1 << 16)
        if array.size == 1:
            return (int(array.reshape(-1)[0]),) * 2
        if array.shape != (2,):
            raise FileFormatError(f"{self.path}/{key} has shape {array.shape}, rule: one number or (y, x)")
        return int(array[0]), int(array[1])

    def refuse_others(self, known: Iterable[str]) -> None:
        """Raise InputError for a key that is not known: lava-dl would pass over it."""
        for key in self.values:
            if key not in known:
                raise InputError(
                    f"{self.path}/{key} is not supported, rule: {', '.join(sorted(known))}; remove it if the network's "
                    "answer does not depend on it"
                )

    def refuse_unless(self, key: str, value: int, reason: str) -> None:
        """Raise InputError if the group has the key and another number under it."""
        if key in self and (stated := self.integer(key)) != value:
            raise InputError(f"{self.path}/{key} = {stated}, rule: {value}, {reason}")

    def _value(self, key: str) -> Any:
        """Return the value under a key; raise FileFormatError where it is missing."""
        if key not in self.values:
            raise FileFormatError(f"{self.path} has no entry '{key}'; export the network again")
        return self.values[key]

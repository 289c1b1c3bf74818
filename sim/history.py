"""What a source sends, step after step: the block at hand and as many steps before it as anybody looks back."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array


class Line:
    """rows : (kept + steps, width); row kept + t holds step t of the block, the rows above it the steps before."""

    def __init__(self, width: int, kept: int, dtype: type[Any]) -> None:
        self.kept = kept
        self.rows: Array = np.zeros((kept, width), dtype)
        self._spare = self.rows

    def begin(self, steps: int) -> None:
        """Make room for a block; the last `kept` rows so far become the rows before it. What `sent` gave is overwritten
        two blocks later: fresh memory costs more than the simulation of a small network."""
        shape = (self.kept + steps, self.rows.shape[1])
        rows = self._spare if self._spare.shape == shape else np.empty(shape, self.rows.dtype)
        rows[: self.kept] = self.rows[len(self.rows) - self.kept :]
        self._spare, self.rows = self.rows, rows

    def sent(self, lag: int) -> Array:
        """(steps, width) what was sent `lag` steps before each step of the block, a view."""
        start = self.kept - lag
        return self.rows[start : start + len(self.rows) - self.kept]

    @property
    def tail(self) -> Array:
        """(kept, width) the last steps, all that later blocks need of the past; a copy."""
        return self.rows[len(self.rows) - self.kept :].copy()

    @tail.setter
    def tail(self, value: Array) -> None:
        self.rows = value.astype(self.rows.dtype)
        self._spare = self.rows

"""What a source sends, step after step: the block at hand and as many steps before it as anybody looks back."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.renamed import renamed_names


class SourceHistory:
    """What a source sent, in the block at hand and in the steps before it.

    Attributes
    ----------
    depth
        Steps before the block.
    rows : (depth + steps, width)
        Row depth + t holds step t of the block, the rows above it the steps before.
    """

    def __init__(self, width: int, depth: int, dtype: type[Any]) -> None:
        self.depth = depth
        self.rows: Array = np.zeros((depth, width), dtype)
        self._spare = self.rows

    def begin(self, steps: int) -> None:
        """Make room for a block; the last `depth` rows so far become the rows before it.

        What `delayed` gave is overwritten two blocks later: fresh memory costs more than the simulation of a small
        network.
        """
        shape = (self.depth + steps, self.rows.shape[1])
        rows = self._spare if self._spare.shape == shape else np.empty(shape, self.rows.dtype)
        rows[: self.depth] = self.rows[len(self.rows) - self.depth :]
        self._spare, self.rows = self.rows, rows

    def delayed(self, lag: int) -> Array:
        """Return what was sent `lag` steps before each step of the block, (steps, width), a view."""
        start = self.depth - lag
        return self.rows[start : start + len(self.rows) - self.depth]

    @property
    def tail(self) -> Array:
        """The last steps (depth, width), all that later blocks need of the past; a copy."""
        return self.rows[len(self.rows) - self.depth :].copy()

    @tail.setter
    def tail(self, value: Array) -> None:
        self.rows = value.astype(self.rows.dtype)
        self._spare = self.rows


__getattr__ = renamed_names(__name__, {"Line": "SourceHistory"})

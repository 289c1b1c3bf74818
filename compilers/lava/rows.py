"""Files in which neurons under Lava keep what they did in every step; they write them in their own process.

A process that records beside the neurons would read their variables through Lava's runtime, which takes several times
longer than the step itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array

PATH = "record_path"
"""Key of a process's parameters that names the file."""


def record_to(process: Any, path: Path, states: int, steps: int) -> None:
    """Let neurons write `path`: .npy, (steps, states + 1, n) int32, their first states, then what they send.

    states : all of the model's, or 0
    """
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=(steps, states + 1, *process.s_out.shape))
    rows.flush()
    process.proc_params[PATH] = str(path)


class RowWriter:
    """Writes the file of neurons, if they have one."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._rows: Any = None

    def write(self, step: int, states: Sequence[Array], sent: Array) -> None:
        """Write what a step, counted from 0, left."""
        if self.path is None:
            return
        if self._rows is None:
            # in the first step, and so in the process that Lava forked for these neurons
            self._rows = np.lib.format.open_memmap(self.path, mode="r+")
        row = self._rows[step]
        row[-1] = sent
        for j in range(len(row) - 1):
            row[j] = states[j]

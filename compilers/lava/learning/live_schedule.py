"""Steps that say themselves what they are for: a network in Lava that is told, while it pauses, what comes next.

Rows of a file that all processes map: step t of Lava's run is row t % ROWS. A program writes up to ROWS rows, lets Lava
run so many steps, and writes the next ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.graph.clock import Clock
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.plan import LearningPlan

ROWS = 256
AT, TOTAL, UPDATE, LOAD, KEEP, RATE, PARAMETER_RATE = range(7)
"""Columns: step of the sample, its steps (-1 in a stream), whether an update ends the step, whether numbers were
written before it, whether it ends with numbers to be read, and the rates of the update."""
COLUMNS = 7


@dataclass
class Control:
    """The rows, mapped in the process that reads them."""

    path: str
    _rows: Any = field(default=None, repr=False)

    def __getitem__(self, place: Any) -> Any:
        """Return an entry (row, column)."""
        if self._rows is None:
            self._rows = np.lib.format.open_memmap(self.path, mode="r")
        return self._rows[place]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the map to the process that uses it."""
        return {"path": self.path, "_rows": None}


@dataclass
class LiveRates:
    """Rates of the rows, (row, weights or parameters)."""

    control: Control

    def __getitem__(self, place: tuple[int, int]) -> int:
        """Return one of a row."""
        return int(self.control[place[0], RATE + place[1]])


@dataclass
class LiveSchedule:
    """What `Schedule` says, read from the rows.

    Attributes
    ----------
    clock, index
        Of the network, and the place of the population.
    control
        The rows.
    """

    clock: Clock
    index: int
    control: Control

    def row(self, t: int) -> int:
        """Return the row of step t."""
        return t % ROWS

    def sample(self, t: int) -> int:
        """Return the place of the step's rates."""
        return self.row(t)

    def starts(self, t: int) -> bool:
        """Tell whether a sample starts: states, eligibilities and what is under way become 0."""
        return bool(self.control[self.row(t), AT] == 0)

    def learns(self, t: int) -> bool:
        """Tell whether the layer learns in this step and sends something down."""
        at, total = (int(self.control[self.row(t), column]) for column in (AT, TOTAL))
        return self.clock.window(self.index, inf if total < 0 else total).holds(at)

    def updates(self, t: int) -> bool:
        """Tell whether an update ends this step."""
        return bool(self.control[self.row(t), UPDATE])

    def loads(self, t: int) -> bool:
        """Tell whether numbers were put in place of those that a process holds, before this step."""
        return bool(self.control[self.row(t), LOAD])

    def keeps(self, t: int) -> bool:
        """Tell whether a process writes what it holds after this step."""
        return bool(self.control[self.row(t), KEEP])


@dataclass(frozen=True)
class Live:
    """Files of a network that is told what comes next.

    Attributes
    ----------
    control
        .npy file (ROWS, COLUMNS) int64.
    outputs
        .npy file (ROWS, outputs) int32, the readout of each device step.
    held
        By population or connection, start of the names of the files for `LearningNeurons` and `LearningSynapses`.
    """

    control: Path
    outputs: Path
    held: Mapping[str, Path]

    @property
    def rates(self) -> LiveRates:
        """Rates of the rows."""
        return LiveRates(Control(str(self.control)))

    def schedule(self, plan: LearningPlan, index: int) -> LiveSchedule:
        """Return the schedule of the population at place `index`."""
        return LiveSchedule(plan.clock, index, Control(str(self.control)))


def control_rows(steps: int, first: int, total: int, updates: Array, rates: tuple[int, int], *, load: bool) -> Array:
    """Return the rows of consecutive steps, (steps, COLUMNS).

    Parameters
    ----------
    steps, first, total
        How many, the sample's step of the first, and the sample's steps without its tail (-1 in a stream).
    updates : (steps,)
        Whether an update ends each step.
    rates
        Of weights and parameters.
    load
        Numbers were written before the first step; after the last one they can be read.
    """
    rows = np.zeros((steps, COLUMNS), np.int64)
    rows[:, AT], rows[:, TOTAL], rows[:, UPDATE] = np.arange(first, first + steps), total, updates
    rows[:, RATE], rows[:, PARAMETER_RATE] = rates
    rows[0, LOAD], rows[-1, KEEP] = load, True
    return rows

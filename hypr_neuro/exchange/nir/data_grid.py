"""Events of NIR's data format, (idx, time) a spike, and the same on a grid of steps.

An event of step k is written at the middle of its step, (k + 1/2) · dt, so that no rounding moves it into another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import nir
import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.numbers.arrays import Array

MAX_ENTRIES = 1 << 30
"""Entries (sample, step, neuron) of one observable: more do not come from a file that was meant to be read."""
ROUNDING = 1e-6
"""Of a step: a time so close below the end of a step belongs to the next one, as k · dt is rounded."""


@dataclass(frozen=True)
class Events:
    """Events of one observable, as a file holds them; idx is -1 and time infinite where there is no event.

    Attributes
    ----------
    idx, time : (sample, event)
        Neuron, and seconds.
    value : (sample, event), optional
        None where an event has no magnitude.
    neurons
        How many there are.
    t_max
        Seconds that were recorded.
    """

    idx: Array
    time: Array
    value: Array | None
    neurons: int
    t_max: float

    def check(self) -> None:
        """Raise FileFormatError for shapes and numbers that are no events."""
        arrays = {"idx": self.idx, "time": self.time} | ({} if self.value is None else {"value": self.value})
        for name, array in arrays.items():
            if array.ndim != 2 or array.shape != self.idx.shape or array.dtype.kind not in "iuf":
                raise FileFormatError(f"{name} {array.dtype} of shape {array.shape}, rule: numbers (sample, event)")
        if self.idx.dtype.kind not in "iu":
            raise FileFormatError(f"idx is {self.idx.dtype}, rule: integers, the numbers of neurons")
        if not (1 <= self.neurons <= MAX_ENTRIES and 0 < self.t_max < np.inf):
            raise FileFormatError(
                f"n_neurons = {self.neurons}, t_max = {self.t_max:g}, rule: from 1 to {MAX_ENTRIES} neurons, "
                "above 0 s and finite"
            )
        beyond = (self.idx < -1) | (self.idx >= self.neurons)
        if beyond.any():
            raise FileFormatError(f"idx {self.idx[beyond][0]}, rule: -1, or a neuron from 0 to {self.neurons - 1}")
        times = self.time[self.idx >= 0]
        outside = ~((times >= 0) & (times <= self.t_max))
        if outside.any():
            raise FileFormatError(f"time {times[outside][0]:g}, rule: from 0 to t_max = {self.t_max:g}")

    def gridded(self, dt: float) -> Array:
        """Return (sample, step, neuron): how many events there are, or the sum of their values.

        dt : seconds a step

        Raises
        ------
        FileFormatError
            For what is no events, and more entries than `MAX_ENTRIES`.
        """
        self.check()
        length, samples = self.t_max / dt, len(self.idx)
        if length * self.neurons * max(samples, 1) > MAX_ENTRIES:
            raise FileFormatError(
                f"t_max = {self.t_max:g} in steps of {dt:g} and {samples} x {self.neurons} neurons, rule: at most "
                f"{MAX_ENTRIES} entries; give a larger dt, or fewer samples"
            )
        steps = max(1, int(np.ceil(length - ROUNDING)))
        sample, place = np.nonzero(self.idx >= 0)
        neuron = self.idx[sample, place].astype(np.int64)
        step = np.minimum(np.floor(self.time[sample, place] / dt + ROUNDING).astype(np.int64), steps - 1)
        values = np.ones(len(sample), np.int64) if self.value is None else self.value[sample, place]
        grid = np.zeros((samples, steps, self.neurons), values.dtype)
        np.add.at(grid, (sample, step, neuron), values)
        return grid


def events_of(grid: Array, dt: float) -> nir.EventData:
    """Return integers (sample, step, neuron) as events, with values where one is not 1; dt : seconds a step."""
    samples, steps, neurons = grid.shape
    sample, step, neuron = np.nonzero(grid)
    counts = np.bincount(sample, minlength=samples)
    place = np.arange(len(sample)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (samples, max(1, int(counts.max(initial=0))))
    idx, time = np.full(shape, -1, np.int32), np.full(shape, np.inf)
    idx[sample, place], time[sample, place] = neuron, (step + 0.5) * dt
    fired = grid[sample, step, neuron]
    if np.all(fired == 1):
        return nir.EventData(idx, time, neurons, steps * dt)
    value = np.zeros(shape, grid.dtype)
    value[sample, place] = fired
    return nir.ValuedEventData(idx, time, neurons, steps * dt, value)

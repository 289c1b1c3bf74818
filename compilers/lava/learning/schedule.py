"""When a layer starts a sample, learns and changes its weights: each process counts the steps for itself."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.graph.clock import LearningWindow


@dataclass(frozen=True)
class Schedule:
    """Device steps t count from 0 over the whole run.

    Attributes
    ----------
    period : int
        Device steps of a sample with its tail, 0 for a stream, in which no sample ends.
    window : LearningWindow
        Steps of a sample in which the layer learns, without end in a stream.
    every, on
        An update after so many samples ("sample") or device steps ("step").
    """

    period: int
    window: LearningWindow
    every: int
    on: str

    def at(self, t: int) -> int:
        """Return the step of the sample."""
        return t % self.period if self.period else t

    def sample(self, t: int) -> int:
        """Return the number of the sample, from 0."""
        return t // self.period if self.period else 0

    def starts(self, t: int) -> bool:
        """Tell whether a sample starts: states, eligibilities and what is under way become 0."""
        return self.at(t) == 0

    def learns(self, t: int) -> bool:
        """Tell whether the layer learns in this step and sends something down."""
        return self.window.holds(self.at(t))

    def updates(self, t: int) -> bool:
        """Tell whether an update ends this step."""
        return self.updates_until(t + 1) > self.updates_until(t)

    def updates_until(self, steps: int) -> int:
        """Count the updates in the first so many device steps."""
        if self.on == "step":
            return steps // self.every
        return steps // (self.period * self.every) if self.period else 0

    def row(self, t: int) -> int:
        """Return the row of the record that step t is written to."""
        return t

    def loads(self, t: int) -> bool:
        """Tell whether numbers were put in place of those that a process holds, before this step."""
        return False

    def keeps(self, t: int) -> bool:
        """Tell whether a process writes what it holds after this step."""
        return False

"""Figures of learning: an epoch under way, an epoch that has ended, a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.shown import Shown, as_html, as_text, percent_or_error
from hypr_neuro.sim.learning.chip_learner import LearnCounts
from hypr_neuro.sim.learning.options import RATE_FRACTION
from hypr_neuro.sim.learning.search_rate import RateSearch


@dataclass
class LearnEpoch:
    """Figures of one epoch of learning.

    Attributes
    ----------
    epoch : int
        From 0.
    online_accuracy : float
        Share of samples (or steps) that were right when they were seen; NaN for a regression.
    rate : float
        Of the epoch.
    weights_saturated, weights_changed : int
        Single changes.
    clips : dict of int
        What was clipped in learning, by name.
    dead_zone : float
        Share of steps, of those that are not 0, below half a unit, which only stochastic rounding lets through.
    events : dict of int
        Saturations and wraps of states.
    online_squared_error : float or None
        Of a regression, mean squared error of samples (or steps) when they were seen.
    """

    epoch: int
    online_accuracy: float
    rate: float
    weights_saturated: int
    weights_changed: int
    clips: dict[str, int]
    dead_zone: float = 0.0
    events: dict[str, int] = field(default_factory=dict)
    online_squared_error: float | None = None


@dataclass(repr=False)
class LearnRun:
    """Result of learning: `qnet` with what was learned, one entry an epoch, and how the rate was found if it was."""

    qnet: QuantizedNetwork
    epochs: list[LearnEpoch] = field(default_factory=list)
    search: RateSearch | None = None

    def table(self) -> Shown:
        """Return the epochs."""
        rows = [
            (
                f"{e.epoch}",
                percent_or_error(e.online_accuracy, e.online_squared_error),
                f"{e.rate:.3g}",
                f"{e.weights_changed:,}",
                f"{e.weights_saturated:,}",
            )
            for e in self.epochs
        ]
        score = "accuracy" if all(e.online_squared_error is None for e in self.epochs) else "squared error"
        headings = ("epoch", f"online {score}", "rate", "changes of weights", "at their ends")
        return Shown(f"LearnRun: {len(rows)} epoch(s) of {self.qnet!r}", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html


@dataclass
class Tally:
    """An epoch under way: samples done, right and scored predictions, and the counters when it began.

    error : sum of squared errors of a regression, None for classes
    """

    done: int = 0
    right: int = 0
    scored: int = 0
    counts: list[int] = field(default_factory=list)
    clips: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    error: float | None = None

    @classmethod
    def start(cls, counted: LearnCounts) -> Tally:
        """Begin an epoch."""
        return cls(counts=counted.steps, clips=counted.clips, events=counted.events)

    def note(self, answers: Array, sample: SequenceData, scored: Array) -> None:
        """Take in what was answered of a sample."""
        wanted, answered = (a[0][scored] if sample.per_step else a for a in (sample.y, answers))
        if sample.regression:
            off = (answered - wanted) ** 2
            self.error = (self.error or 0.0) + float(off.sum())
            self.scored += off.size
        else:
            hit = answered == wanted
            self.right, self.scored = self.right + int(hit.sum()), self.scored + hit.size
        self.done += 1

    def entry(self, counted: LearnCounts, epoch: int, rate: int) -> LearnEpoch:
        """Return the figures of the epoch that has ended."""
        saturated, changed, small, seen = (v - old for v, old in zip(counted.steps, self.counts, strict=True))
        clips = {k: v - self.clips[k] for k, v in counted.clips.items()}
        events = {k: v - self.events[k] for k, v in counted.events.items()}
        return LearnEpoch(
            epoch,
            self.right / max(self.scored, 1) if self.error is None else float("nan"),
            rate / (1 << RATE_FRACTION),
            saturated,
            changed,
            clips,
            small / max(seen, 1),
            events,
            None if self.error is None else self.error / max(self.scored, 1),
        )

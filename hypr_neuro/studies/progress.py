"""How far a study is: its trials by state; times in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.work import REFUSED


@dataclass(frozen=True)
class Progress:
    """Trials of a study by state; each is in one of them.

    Attributes
    ----------
    with_figures, refused
        Finished ones.
    unreadable
        Those whose result cannot be read, which run again.
    waiting
        Others that are known.
    not_chosen
        Those that a sampler chooses later.
    earlier
        Of the waiting ones: with results of other sources of the program or of other data.
    seconds
        That a trial with figures took, in the mean; NaN where none is known.
    """

    with_figures: int
    refused: int
    unreadable: int
    waiting: int
    not_chosen: int
    earlier: int
    seconds: float

    @property
    def finished(self) -> int:
        """Return how many trials never run again."""
        return self.with_figures + self.refused

    @property
    def left(self) -> int:
        """Return how many trials are to be run."""
        return self.unreadable + self.waiting + self.not_chosen


def progress_of(plan: StudyPlan) -> Progress:
    """Count the trials of a study by state."""
    results = plan.folder.results(plan.trials)
    refused = [digest for digest, figures in results.items() if REFUSED in figures]
    missing = [trial for trial in plan.trials if trial.digest not in results]
    unreadable = len(plan.folder.unreadable(missing))
    took = [plan.folder.seconds(t) for t in plan.trials if t.digest in results and REFUSED not in results[t.digest]]
    return Progress(
        with_figures=len(results) - len(refused),
        refused=len(refused),
        unreadable=unreadable,
        waiting=len(missing) - unreadable,
        not_chosen=plan.total - len(plan.trials),
        earlier=len(plan.folder.earlier(missing, results)) if missing else 0,
        seconds=mean_seconds(took),
    )


def mean_seconds(took: Iterable[float]) -> float:
    """Return the mean of the seconds that are known; NaN where none is."""
    known = [seconds for seconds in took if not math.isnan(seconds)]
    return math.fsum(known) / len(known) if known else math.nan


def duration(seconds: float) -> str:
    """Return a time in the two largest units that say something: "40 s", "3 min 20 s", "2 h 10 min", "3 d 4 h"."""
    if math.isnan(seconds):
        return "unknown"
    if 0 < seconds < 10:
        return f"{seconds:.2g} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    whole, parts = round(seconds), list[tuple[int, str]]()
    for name, size in units:
        count, whole = divmod(whole, size)
        if parts or count or name == "s":
            parts.append((count, name))
    return " ".join(f"{count} {name}" for count, name in parts[:2] if count) or "0 s"

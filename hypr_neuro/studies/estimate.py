"""How long what waits of a study will take, by the seconds of trials that are finished."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.studies.coordinator import start_key
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.progress import duration, mean_seconds
from hypr_neuro.studies.trials import Trial

MOST = 200
"""Finished trials that are looked at, evenly spread."""


@dataclass(frozen=True)
class TimeLeft:
    """How long a study will take.

    Attributes
    ----------
    trials
        That would run.
    finished
        Trials by whose seconds it is estimated; 0: nothing is known.
    networks
        Start networks that would be trained.
    seconds
        Of all, on so many workers; NaN where nothing is known.
    workers
        At once.
    """

    trials: int
    finished: int
    networks: int
    seconds: float
    workers: int

    def told(self) -> str:
        """Return it as a sentence."""
        if not self.trials:
            return "nothing would run"
        if not self.finished:
            return "how long they take is not known, nothing is finished: run two with --limit 2, then ask again"
        trained = f", with {self.networks} trainings of start networks" if self.networks else ""
        on = f"{self.workers} worker" + ("s" if self.workers > 1 else "")
        return f"about {duration(self.seconds)} on {on}{trained}, by the seconds of {self.finished} finished trials"


def estimate_of(plan: StudyPlan, workers: int, limit: int | None = None) -> TimeLeft:
    """Estimate how long the next trials take, by those finished ones whose settings are most like theirs.

    Parameters
    ----------
    plan
        The study.
    workers
        That would run them.
    limit
        Trials that would run; None: all, those included that a sampler has not chosen yet.
    """
    waiting = {t.digest for t in plan.waiting()}
    done = [t for t in plan.trials if t.digest not in waiting]
    coming = [t for t in plan.trials if t.digest in waiting][:limit]
    count = len(waiting) + plan.total - len(plan.trials)
    count = count if limit is None else min(count, limit)
    looked = [done[i] for i in np.unique(np.linspace(0, len(done) - 1, min(len(done), MOST)).astype(int))]
    timed = [(t, plan.folder.seconds(t), plan.folder.training_seconds(t)) for t in looked]
    known = [(t, seconds) for t, seconds, _ in timed if not math.isnan(seconds)]
    keys = {start_key(plan, plan.job(t)) for t in coming}
    networks = 0 if plan.network is not None else len(keys)
    if not known or not count:
        return TimeLeft(count, 0, networks, math.nan if count else 0.0, workers)
    of_trials = _seconds(coming, known) if coming else [mean_seconds(seconds for _, seconds in known)]
    trainings = [training for _, _, training in timed if not math.isnan(training)]
    work = count * float(np.mean(of_trials)) + networks * (float(np.mean(trainings)) if trainings else 0.0)
    return TimeLeft(count, len(known), networks, work / min(workers, count), workers)


def _seconds(coming: Sequence[Trial], known: Sequence[tuple[Trial, float]]) -> list[float]:
    """Return for each trial the mean seconds of those that are nearest by their settings."""
    spans = _spans([t.settings for t in coming] + [t.settings for t, _ in known])
    by_settings: dict[str, float] = {}
    for trial in coming:
        name = repr(trial.settings)
        if name not in by_settings:
            distances = [_distance(trial.settings, t.settings, spans) for t, _ in known]
            nearest = min(distances)
            near = [seconds for far, (_, seconds) in zip(distances, known, strict=True) if far <= nearest + 1e-9]
            by_settings[name] = float(np.mean(near))
    return [by_settings[repr(trial.settings)] for trial in coming]


def _spans(settings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how far the numbers of each field lie apart; fields of other values have none."""
    spans = {}
    for name in settings[0]:
        values = [one[name] for one in settings]
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            spans[name] = max(values) - min(values)
    return spans


def _distance(one: Mapping[str, Any], other: Mapping[str, Any], spans: Mapping[str, float]) -> float:
    """Return how unlike two settings are: of numbers their difference in spans, of others whether they differ."""
    return sum(
        float(value != other[name]) if not spans.get(name) else abs(value - other[name]) / spans[name]
        for name, value in one.items()
    )

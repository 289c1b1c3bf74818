"""Finishes a study: workers for what waits, a copy for the dashboard, progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypr_neuro.numbers.threads import threads
from hypr_neuro.studies.coordinator import run, workers_of
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.storage import copied
from hypr_neuro.studies.trials import Trial


@dataclass(frozen=True)
class Where:
    """Where trials run, and which database gets a copy.

    Attributes
    ----------
    workers
        Processes on this machine; None: as many as cores.
    scheduler, security
        Address of a Dask cluster in place of them, and its TLS files as `distributed.Security` takes them.
    storage
        Address of the database, see `studies.storage.copied`.
    limit
        Trials that are finished in this call at most; None: all.
    """

    workers: int | None = None
    scheduler: str | None = None
    security: Mapping[str, Any] | None = None
    storage: str | None = None
    limit: int | None = None


def finish(plan: StudyPlan, where: Where, advance: Callable[[int, int, str], None]) -> None:
    """Run what of a study is not finished.

    Parameters
    ----------
    plan
        The study.
    where
        Where trials run.
    advance
        Called with how many trials are finished, how many there will be, and what they are.

    Raises
    ------
    HyprError
        As `run` does.
    """
    with copied(where.storage, plan) as copy:
        waiting = len(plan.waiting())
        if not waiting:
            return
        done = len(plan.trials) - waiting
        aim = plan.total if where.limit is None else min(done + where.limit, plan.total)

        def told(trial: Trial, _: object) -> None:
            nonlocal done
            done += 1
            advance(done, aim, "trials")
            copy(trial)

        count = min(where.workers or threads(), waiting, where.limit or waiting)
        with workers_of(count, where.scheduler, where.security) as client:
            advance(done, aim, "trials")
            run(plan, client, told, where.limit)

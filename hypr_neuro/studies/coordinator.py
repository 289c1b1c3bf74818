"""Runs the trials of a study that are not finished: one coordinator, which alone writes, and Dask's workers.

Workers get data, start networks and settings, and send figures back; they need no shared disk. A worker that dies is
replaced by Dask and its trial runs again; whatever is killed, finished trials stay, and the same call goes on.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from logging import CRITICAL
from typing import Any

from hypr_neuro.errors import HyprError, HyprWarning, InputError, MissingPackageError
from hypr_neuro.studies.interrupts import interrupts_held
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.trials import Trial
from hypr_neuro.studies.work import Job, Outcome, Start, timed_start, timed_trial

GIVEN = "given"
"""Key of a start network that a file holds."""
AHEAD, LEAST_AHEAD = 4, 32
"""Trials that a worker has in front of it, and that all have at least, so that none waits for the next one."""
RETRIES = 3
"""How often Dask starts a trial again whose worker died."""
QUIET = {
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 0,
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}
"""Dask's settings: what it looks at many times a second takes some per cent of the cores that trials run on."""
THREADS = {"HYPR_NEURO_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of each worker on this machine: there are as many workers as cores, which must not fight for them."""


def run(
    plan: StudyPlan, client: Any, told: Callable[[Trial, dict[str, Any]], object], limit: int | None = None
) -> None:
    """Run what waits, and keep each result as it arrives.

    Parameters
    ----------
    plan
        The study.
    client
        Of Dask; its cluster is trusted, messages are pickled.
    told
        Called with each trial that finished, in the order of arrival.
    limit
        Trials after which this call ends; None: none.

    Raises
    ------
    InputError
        For a folder that cannot be written, or in which something else stands in the place of a trial.
    HyprError
        After all others have run, naming the first trial of which workers died `RETRIES` times.
    """
    waiting = plan.waiting()[:limit]
    if not waiting:
        return
    plan.folder.require_free(waiting)
    shared = _Shared(client, plan)
    ran, died, reason = 0, 0, ""
    while waiting:
        for trial, outcome in _outcomes(client, plan, waiting, shared):
            if isinstance(outcome, str):
                died, reason = died + 1, reason or f"trial {trial.number} ({trial.digest}): {outcome}"
                continue
            plan.folder.keep(trial, *outcome)
            told(trial, outcome.figures)
        ran += len(waiting)
        left = None if limit is None else limit - ran
        waiting = _next(plan)[:left] if left != 0 else []
    if died:
        raise HyprError(
            f"{died} of {len(plan.trials)} trials did not finish, first: {reason}; the same call tries again"
        )


def _next(plan: StudyPlan) -> list[Trial]:
    """Return what the next generation brings; one of which all is known already leads to the one after it."""
    while plan.grow():
        if waiting := plan.waiting():
            return waiting
    return []


class _Shared:
    """Futures of what trials share: the data, and start networks, each trained once.

    Parameters
    ----------
    client, plan
        As of `run`.
    """

    def __init__(self, client: Any, plan: StudyPlan) -> None:
        self.data = _sent(client, plan.data)
        self._client, self._plan = client, plan
        self._networks = {} if plan.network is None else {GIVEN: _sent(client, Start(plan.network, 0.0))}
        self._needed: Counter[str] = Counter()

    def network(self, job: Job) -> Any:
        """Return the start network of a trial."""
        key = start_key(self._plan, job)
        if key not in self._networks:
            self._networks[key] = self._client.submit(timed_start, job, self.data, retries=RETRIES, pure=False)
        return self._networks[key]

    def expect(self, jobs: Iterable[Job]) -> None:
        """Count how many trials will need each network."""
        self._needed = Counter(start_key(self._plan, job) for job in jobs)

    def done(self, job: Job) -> None:
        """Let go of a network that no further trial needs; where a sampler chooses, later ones may need any."""
        key = start_key(self._plan, job)
        self._needed[key] -= 1
        if self._needed[key] <= 0 and self._plan.search is None and self._plan.network is None:
            self._networks.pop(key, None)


def _outcomes(
    client: Any, plan: StudyPlan, trials: Sequence[Trial], shared: _Shared
) -> Iterator[tuple[Trial, Outcome | str]]:
    """Yield trials as they arrive with what they gave, or with the reason why there is nothing.

    Workers have a few trials each in front of them and not all at once: ten thousand are then handed out while the
    first ones run, and what was not handed out when the call ends needs no taking back.
    """
    from distributed import as_completed

    jobs = {trial.digest: plan.job(trial) for trial in trials}
    shared.expect(jobs.values())
    left, arriving = iter(trials), as_completed(loop=client.loop)
    running: dict[Any, Trial] = {}
    while True:
        for trial in islice(left, max(_room(client) - len(running), 0)):
            job, key = jobs[trial.digest], f"trial-{trial.digest}"
            args = (job, shared.data, shared.network(job))
            future = client.submit(timed_trial, *args, key=key, retries=RETRIES, pure=False)
            running[future] = trial
            arriving.add(future)
        if not running:
            return
        # all that has arrived in one go: asking for room is a message to the scheduler
        for future in arriving.next_batch():
            trial = running.pop(future)
            yield trial, future.result() if future.status == "finished" else _reason(future)
            future.release()
            shared.done(jobs[trial.digest])


def _room(client: Any) -> int:
    """Return how many trials workers may have in front of them."""
    threads: int = sum(client.nthreads().values())
    return max(LEAST_AHEAD, AHEAD * threads)


def _sent(client: Any, content: Any) -> Any:
    """Return a future of what all trials need.

    As a task's argument it stays with the scheduler: what is scattered is gone with the one worker that Dask's memory
    manager leaves it on.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
        return client.submit(_given, content, retries=RETRIES, pure=False)


def _given(content: Any) -> Any:
    return content


def _reason(future: Any) -> str:
    error = future.exception()
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def start_key(plan: StudyPlan, job: Job) -> str:
    """Name a start network by all that it depends on."""
    if plan.network is not None:
        return GIVEN
    return repr((sorted((s, sorted(part.items(), key=str)) for s, part in job.training().items()), job.seed))


def require_dask() -> None:
    """Raise MissingPackageError where what trials run on is not installed."""
    if find_spec("distributed") is None:
        raise MissingPackageError("studies run on Dask distributed, which is not installed: pip install distributed")


@contextmanager
def workers_of(workers: int, scheduler: str | None = None, security: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """Open a client of a cluster on this machine, stopped at the end, or of one that runs elsewhere.

    Parameters
    ----------
    workers
        Processes on this machine, one thread each.
    scheduler
        Address of a cluster, such as tls://host:8786, in place of one of our own.
    security
        TLS files of the cluster, as `distributed.Security` takes them.

    Raises
    ------
    MissingPackageError
        Without Dask distributed.
    InputError
        Where no cluster answers at the address.
    """
    require_dask()
    import dask
    from distributed import Client, Security

    dask.config.set(QUIET)
    if scheduler is not None:
        try:
            client = Client(scheduler, security=Security(**security) if security else None, timeout=10)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"no cluster answers at '{scheduler}': {error}; start one, or leave --scheduler out"
            ) from error
        with _lost(scheduler), client:
            _tell_without_workers(client, scheduler)
            yield client
        return
    opened: list[Any] = []
    with _environment(THREADS):
        try:
            with interrupts_held():
                opened.append(_local(workers))
                opened.append(Client(opened[0]))
            yield opened[-1]
        finally:
            with interrupts_held():
                for one in reversed(opened):
                    one.close()


@contextmanager
def _lost(scheduler: str) -> Iterator[None]:
    """Tell in a line of a cluster that goes away, which Dask does in many."""
    from distributed.utils import silence_logging_cmgr

    try:
        # the client has a handler of its own
        with silence_logging_cmgr(CRITICAL), silence_logging_cmgr(CRITICAL, "distributed.client"):
            yield
    except OSError as error:
        raise HyprError(
            f"the cluster at '{scheduler}' no longer answers ({type(error).__name__}); finished trials stay, and the "
            "same command goes on once it is there"
        ) from error


def _tell_without_workers(client: Any, scheduler: str) -> None:
    """Say that nobody works there yet: a queue may start workers later, and a mistake never."""
    if not client.nthreads():
        warnings.warn(
            f"no worker has joined the cluster at '{scheduler}' yet; trials wait for the first one",
            HyprWarning,
            stacklevel=2,
        )


def _local(workers: int) -> Any:
    """Start a cluster on this machine."""
    from distributed import LocalCluster

    address = "127.0.0.1:0"
    try:
        return LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=address, silence_logs=50
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise HyprError(
            f"{workers} workers could not be started on this machine ({type(error).__name__}: {error}); a script calls "
            'hn.study under `if __name__ == "__main__":`; else try fewer with --workers, or see whether memory or '
            "processes are used up"
        ) from error


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for processes that are started meanwhile, unless the user has set them."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)

"""Runs the trials of a study that are not finished: one coordinator, which alone writes, and Dask's workers.

Workers get data, start networks and settings, and send figures back; they need no shared disk. A worker that dies is
replaced by Dask and its trial runs again; whatever is killed, finished trials stay, and the same call goes on.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from hypr_neuro.errors import HyprError, InputError, MissingPackageError
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.trials import Trial
from hypr_neuro.studies.work import Job, start_network, timed_trial

GIVEN = "given"
"""Key of a start network that a file holds."""
RETRIES = 3
"""How often Dask starts a trial again whose worker died."""
THREADS = {"HYPR_NEURO_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of each worker on this machine: there are as many workers as cores, which must not fight for them."""


def run(plan: StudyPlan, client: Any, told: Callable[[Trial, dict[str, Any]], object]) -> None:
    """Run what waits, and keep each result as it arrives.

    Parameters
    ----------
    plan
        The study.
    client
        Of Dask; its cluster is trusted, messages are pickled.
    told
        Called with each trial that finished, in the order of arrival.

    Raises
    ------
    HyprError
        After all others have run, naming the first trial of which workers died `RETRIES` times.
    """
    if not plan.waiting():
        return
    shared = _Shared(client, plan)
    died = 0
    reason = ""
    while True:
        waiting = plan.waiting()
        told_of = [_submitted(client, plan, trial, shared) for trial in waiting]
        for trial, outcome in _finished(dict(zip(told_of, waiting, strict=True))):
            if isinstance(outcome, str):
                died, reason = died + 1, reason or f"trial {trial.number} ({trial.digest}): {outcome}"
                continue
            figures, seconds = outcome
            plan.folder.keep(trial, figures, seconds)
            told(trial, figures)
        if not plan.grow():
            break
    if died:
        raise HyprError(
            f"{died} of {len(plan.trials)} trials did not finish, first: {reason}; the same call tries again"
        )


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
        self._networks = {} if plan.network is None else {GIVEN: _sent(client, plan.network)}

    def network(self, job: Job) -> Any:
        """Return the start network of a trial."""
        key = _start_key(self._plan, job)
        if key not in self._networks:
            self._networks[key] = self._client.submit(start_network, job, self.data, retries=RETRIES, pure=False)
        return self._networks[key]


def _submitted(client: Any, plan: StudyPlan, trial: Trial, shared: _Shared) -> Any:
    """Return the future of a trial."""
    job = Job.of(plan.study, trial.settings, trial.seed)
    net = shared.network(job)
    return client.submit(timed_trial, job, shared.data, net, key=f"trial-{trial.digest}", retries=RETRIES, pure=False)


def _finished(futures: dict[Any, Trial]) -> Iterator[tuple[Trial, tuple[dict[str, Any], float] | str]]:
    """Yield trials as they arrive with figures and seconds, or with the reason why there are none."""
    from distributed import as_completed

    for future in as_completed(futures):
        yield futures.pop(future), future.result() if future.status == "finished" else _reason(future)
        future.release()


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


def _start_key(plan: StudyPlan, job: Job) -> str:
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
    from distributed import Client, LocalCluster, Security

    dask.config.set({"distributed.worker.memory.terminate": False, "distributed.admin.low-level-log-length": 0})
    if scheduler is not None:
        try:
            client = Client(scheduler, security=Security(**security) if security else None, timeout=10)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"no cluster answers at '{scheduler}': {error}; start one, or leave --scheduler out"
            ) from error
        with client:
            yield client
        return
    with (
        _environment(THREADS),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


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

"""Runs the trials of a study that are not finished: one coordinator, which alone writes, and Dask's workers.

Workers get data, start networks and settings, and send figures back; they need no shared disk. A worker that dies is
replaced by Dask and its trial runs again; whatever is killed, finished trials stay, and the same call goes on.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hypr_neuro.data import load_data
from hypr_neuro.data.checks import require_integers
from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import HyprError, InputError, MissingPackageError
from hypr_neuro.exchange.loading import load
from hypr_neuro.files.store import content_digest
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.studies.fields import PROFILE
from hypr_neuro.studies.spec import Study
from hypr_neuro.studies.store import StudyFolder, code_digest
from hypr_neuro.studies.trials import Trial, trials_of
from hypr_neuro.studies.work import Job, reason_against, start_network, timed_trial

RETRIES = 3
"""How often Dask starts a trial again whose worker died."""
THREADS = {"HYPR_NEURO_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of each worker on this machine: there are as many workers as cores, which must not fight for them."""


@dataclass(frozen=True)
class StudyPlan:
    """A study ready to run.

    Attributes
    ----------
    folder
        Where it lies.
    study, data
        What is run, on what.
    network
        Trained network that all trials start from, None where each seed trains its own.
    trials
        In order.
    """

    folder: StudyFolder
    study: Study
    data: SequenceData
    network: Network | None
    trials: list[Trial]

    def waiting(self) -> list[Trial]:
        """Return the trials that are not finished."""
        return [t for t in self.trials if self.folder.result(t) is None]


def prepare(study: Study, folder: Path) -> StudyPlan:
    """Load data and network of a study, check every chip that it names, and list its trials.

    Raises
    ------
    InputError
        For data, networks or values that do not go together, before anything runs.
    """
    data = load_data(study.data, None if study.data_dir is None else Path(study.data_dir), **study.data_options)
    require_integers(data)
    if not (data.split == study.part).any():
        raise InputError(f"study: part = {study.part}, of which data '{data.name}' has no sample; give the other part")
    network = None
    basis = {"data": data_digest(data, "", {}), "code": code_digest()}
    if isinstance(study.network, str):
        found = load(study.network)
        if not isinstance(found, Network):
            raise InputError(f"network '{study.network}' holds {type(found).__name__}, rule: a float network")
        network = found
        _check_ends(network, data)
        basis["network"] = network.digest()
    store = StudyFolder(folder)
    named = study.values().get(PROFILE, [study.set.get(PROFILE, study.profile)])
    chips = {name: content_digest(json.dumps(load_profile(name).dump(), sort_keys=True), {}) for name in named}
    trials = list(trials_of(study, basis, chips))
    return StudyPlan(store, study, data, network, trials)


def _check_ends(network: Network, data: SequenceData) -> None:
    """Raise InputError for data that a trained network does not fit."""
    if network.inputs != data.channels or network.output_size < data.classes:
        raise InputError(
            f"data '{data.name}' has {data.channels} channels and {data.classes} classes, the network "
            f"{network.inputs} inputs and {network.output_size} outputs; give the data that it was trained on"
        )


def check(plan: StudyPlan) -> None:
    """Raise InputError, with the first reason, where every trial that waits will be refused."""
    reason = ""
    for trial in plan.waiting():
        reason = reason_against(Job.of(plan.study, trial.settings, trial.seed), plan.data, plan.network)
        if not reason:
            return
    if reason:
        raise InputError(f"study: every trial would be refused, the first because: {reason}")


def run(plan: StudyPlan, client: Any, told: Callable[[Trial, dict[str, Any]], None]) -> None:
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
    from distributed import as_completed

    waiting = plan.waiting()
    if not waiting:
        return
    data = _sent(client, plan.data)
    networks = _start_networks(plan, waiting, client, data)
    futures = {}
    for trial in waiting:
        job = Job.of(plan.study, trial.settings, trial.seed)
        net = networks[_start_key(plan, job)]
        key = f"trial-{trial.digest}"
        future = client.submit(timed_trial, job, data, net, key=key, retries=RETRIES, pure=False)
        futures[future] = trial
    died: list[str] = []
    for future in as_completed(futures):
        trial = futures.pop(future)
        if future.status == "finished":
            figures, seconds = future.result()
            plan.folder.keep(trial, figures, seconds)
            told(trial, figures)
        else:
            died.append(f"trial {trial.number} ({trial.digest}): {_reason(future)}")
        future.release()
    if died:
        raise HyprError(
            f"{len(died)} of {len(waiting)} trials did not finish, first: {died[0]}; the same call tries again"
        )


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
        return "given"
    return repr((sorted((s, sorted(part.items(), key=str)) for s, part in job.training().items()), job.seed))


def _start_networks(plan: StudyPlan, waiting: list[Trial], client: Any, data: Any) -> dict[str, Any]:
    """Return a future of the start network of every trial that waits, each trained once."""
    networks: dict[str, Any] = {}
    if plan.network is not None:
        return {"given": _sent(client, plan.network)}
    for trial in waiting:
        job = Job.of(plan.study, trial.settings, trial.seed)
        key = _start_key(plan, job)
        if key not in networks:
            networks[key] = client.submit(start_network, job, data, retries=RETRIES, pure=False)
    return networks


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

"""A study from Python."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing import current_process
from pathlib import Path
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.checks import optional_whole, require_path
from hypr_neuro.progress import progress_bar
from hypr_neuro.studies.coordinator import require_dask
from hypr_neuro.studies.finish import Where, finish
from hypr_neuro.studies.plan import check, prepare
from hypr_neuro.studies.results import results_of
from hypr_neuro.studies.spec import Study, from_folder, load_study, parse_study
from hypr_neuro.studies.study_table import StudyTable


def study(
    what: Study | Mapping[str, Any] | str | Path,
    folder: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    security: Mapping[str, Any] | None = None,
    storage: str | None = None,
    limit: int | None = None,
    progress: bool | None = None,
) -> StudyTable:
    """Run a study, or what of it is not finished, and return its table.

    Workers are processes: a script that calls this does it under ``if __name__ == "__main__":``.

    Parameters
    ----------
    what : mapping, path or Study
        As in a study file, see docs/studies.md, or its path.
    folder : path
        Of the study; every trial that is finished there stays.
    workers : int, optional
        Processes on this machine; None: as many as cores.
    scheduler : str, optional
        Address of a Dask cluster in place of them.
    security : mapping, optional
        Its TLS files, as `distributed.Security` takes them.
    storage : str, optional
        Address of a storage of Optuna's that gets a copy, for its dashboard: postgresql+psycopg://user@host/database.
    limit : int, optional
        Trials after which this call ends; the next one goes on. None: all.
    progress : bool, optional
        Show a bar; None: in terminals and notebooks.

    Returns
    -------
    StudyTable

    Raises
    ------
    InputError
        For a study that does not hold together, before anything runs.
    HyprError
        Where workers died again and again; all other trials are finished then.
    """
    if getattr(current_process(), "_inheriting", False):
        raise InputError(
            "hn.study was called while a worker read the script that calls it, rule: under "
            '`if __name__ == "__main__":`, since workers are processes; put the call there'
        )
    require_path("folder", folder, "the folder of the study")
    workers, limit = optional_whole("workers", workers, 1), optional_whole("limit", limit, 1)
    stated = load_study(what) if isinstance(what, (str, Path)) else what
    made = stated if isinstance(stated, Study) else parse_study(stated, "study")
    plan = prepare(from_folder(made, Path.cwd()), Path(folder))
    require_dask()
    check(plan)
    with plan.folder.alone(), progress_bar("study", progress) as advance:
        plan.folder.open(plan.study)
        finish(plan, Where(workers, scheduler, security, storage, limit), advance)
    return StudyTable(results_of(plan))

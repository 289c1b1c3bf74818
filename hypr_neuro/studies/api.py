"""A study from Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypr_neuro.numbers.checks import optional_whole, require_path
from hypr_neuro.numbers.threads import threads
from hypr_neuro.progress import progress_bar
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.studies.choose import Chosen, choose
from hypr_neuro.studies.coordinator import require_dask, run, workers_of
from hypr_neuro.studies.plan import check, prepare
from hypr_neuro.studies.spec import Study, from_folder, load_study, parse_study
from hypr_neuro.studies.storage import copied
from hypr_neuro.studies.table import columns_of, rows_of


@dataclass(repr=False)
class StudyTable:
    """Result of `study`: `pandas.DataFrame(result.rows)` makes a frame of it.

    Attributes
    ----------
    rows : list of dict
        One for each combination of values, see `studies.table.rows_of`.
    folder : Path
        Where the study lies.
    """

    rows: list[dict[str, Any]]
    folder: Path

    def table(self) -> Shown:
        """Return the rows, spreads apart."""
        names = [name for name in columns_of(self.rows) if not name.endswith(" sd")]
        cells = [[_cell(row.get(name)) for name in names] for row in self.rows]
        return Shown(f"StudyTable: {len(cells)} rows, '{self.folder}'", names, cells)

    __repr__ = as_text
    _repr_html_ = as_html

    def choose(self, within: float = 1.0, cost: str = "memory bits") -> Chosen:
        """Return the cheapest settings that are good enough, see `studies.choose.choose`."""
        return choose(self.rows, within, cost)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def study(
    what: Study | Mapping[str, Any] | str | Path,
    folder: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    security: Mapping[str, Any] | None = None,
    storage: str | None = None,
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
    require_path("folder", folder, "the folder of the study")
    workers = optional_whole("workers", workers, 1)
    stated = load_study(what) if isinstance(what, (str, Path)) else what
    made = stated if isinstance(stated, Study) else parse_study(stated, "study")
    plan = prepare(from_folder(made, Path.cwd()), Path(folder))
    require_dask()
    check(plan)
    plan.folder.open(plan.study)
    copy = copied(storage, plan)
    waiting, total = len(plan.waiting()), plan.total
    if waiting:
        with (
            progress_bar("study", progress) as advance,
            workers_of(min(workers or threads(), waiting), scheduler, security) as client,
        ):
            finished = iter(range(len(plan.trials) - waiting + 1, total + 1))
            run(plan, client, lambda trial, _: (advance(next(finished), total, "trials"), copy(trial)))
    return StudyTable(rows_of(plan), Path(folder))

"""A copy of a study in a storage of Optuna's, which its dashboard shows: a database server, or a file of SQLite.

What is finished lies in the study's folder, and only there is it looked up. The storage is written by the one process
that runs the study, after the folder, so that neither a second writer nor a lost connection can change a result; what
it lacks is added when the study is run again.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hypr_neuro.errors import HyprWarning, InputError, MissingPackageError
from hypr_neuro.studies.columns import is_number
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.rows import row_of
from hypr_neuro.studies.search import DIRECTIONS, require_optuna
from hypr_neuro.studies.spec import Span, Study
from hypr_neuro.studies.trials import Trial
from hypr_neuro.studies.work import REFUSED

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.study import Study as OptunaStudy

DIGEST = "digest"
"""Attribute of a trial in the storage: of the trials of the combination that it stands for."""
SECONDS = 10
"""That a database server has to answer."""


class Copy:
    """Adds combinations, once all their seeds are finished, to a study of a storage.

    Parameters
    ----------
    study
        Of the storage.
    shown
        The storage's address as messages have it.
    plan
        What runs; its finished trials are added at once.
    """

    def __init__(self, study: OptunaStudy, shown: str, plan: StudyPlan) -> None:
        self._study, self._shown, self._plan, self._lost = study, shown, plan, False
        self._space = {name: _distribution(plan.study, name) for name in plan.study.vary}
        self._known = {trial.user_attrs.get(DIGEST) for trial in self._study.get_trials(deepcopy=False)}
        self._seeds: dict[int, int] = {}
        for trial in plan.trials:
            if plan.folder.result(trial) is not None:
                self.told(trial)

    def told(self, trial: Trial) -> None:
        """Say that a trial is finished; of a storage that no longer answers this is told once, and it is left alone."""
        first = trial.number - trial.seed
        self._seeds[first] = self._seeds.get(first, 0) + 1
        if self._seeds[first] < self._plan.study.seeds or self._lost:
            return
        try:
            self._add(self._plan.trials[first : first + self._plan.study.seeds])
        except Exception as error:  # of whichever database driver there is
            self._lost = True
            warnings.warn(
                f"storage '{self._shown}' takes no more trials: {_line(error)}; they are in the study's folder, "
                f"and the same command adds them{self._remedy(error)}",
                HyprWarning,
                stacklevel=2,
            )

    def _remedy(self, error: Exception) -> str:
        """Return what to do first where Optuna holds on to the values that a field of words had."""
        remove = f"optuna delete-study --study-name {self._study.study_name} --storage URL"
        return f" after `{remove}`" if isinstance(error, ValueError) and "dynamic" in str(error) else ""

    def _add(self, trials: list[Trial]) -> None:
        from optuna.trial import TrialState, create_trial

        digest = hashlib.sha256("".join(t.digest for t in trials).encode()).hexdigest()[:24]
        if digest in self._known:
            return
        results = [result for t in trials if (result := self._plan.folder.result(t)) is not None]
        row = row_of(trials[0].settings, results)
        values = [row.get(name) for name in self._plan.objectives]
        numbers = [float(v) for v in values if isinstance(v, (int, float)) and is_number(v)]
        whole = REFUSED not in row and len(numbers) == len(values)
        about = {k: v for k, v in row.items() if k not in self._space} | {DIGEST: digest, "trial": trials[0].number}
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if whole else TrialState.FAIL,
                values=numbers if whole else None,
                params=trials[0].settings,
                distributions=self._space,
                user_attrs=about,
            )
        )
        self._known.add(digest)


@contextmanager
def copied(url: str | None, plan: StudyPlan) -> Iterator[Callable[[Trial], None]]:
    """Open a storage, and give what to call with each finished trial; nothing happens without an address.

    Parameters
    ----------
    url
        As SQLAlchemy has it, such as postgresql+psycopg://user@host/database or sqlite:///studies.db.
    plan
        The study; its folder's name is that of the study in the storage.

    Raises
    ------
    MissingPackageError
        Without Optuna, or the database's driver.
    InputError
        Where the storage cannot be opened, or holds a study of that name which seeks something else.
    """
    if url is None:
        yield lambda trial: None
        return
    require_optuna()
    storage = _opened(url)
    try:
        yield Copy(_joined(storage, _shown(url), plan), _shown(url), plan).told
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _distribution(study: Study, name: str) -> BaseDistribution:
    """Return where the values of a field lie, as the dashboard shows them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    given = study.vary[name]
    if isinstance(given, Span):
        ends: list[float] = list(given.ends)
    else:
        values = list(given)
        ends = [v for v in values if isinstance(v, (int, float)) and is_number(v)]
        if len(ends) < len(values):
            return CategoricalDistribution(values)
    if all(isinstance(value, int) for value in ends):
        return IntDistribution(int(min(ends)), int(max(ends)))
    return FloatDistribution(float(min(ends)), float(max(ends)))


def _opened(url: str) -> RDBStorage:
    """Return the storage, whose tables are made where it has none."""
    import optuna
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    given: dict[str, Any] = {"connect_args": {"connect_timeout": SECONDS}} if url.startswith("postgresql") else {}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=given)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            f"storage '{_shown(url)}' is no address of a database, rule: as SQLAlchemy has it, such as "
            "sqlite:///studies.db or postgresql+psycopg://user@host/database"
        ) from error
    except ImportError as error:
        raise MissingPackageError(
            f"storage '{_shown(url)}': the database's driver is not installed ({_line(error)}); for PostgreSQL: "
            "pip install 'psycopg[binary]', and an address that starts with postgresql+psycopg://"
        ) from error
    except (SQLAlchemyError, StorageInternalError, OSError) as error:
        raise InputError(
            f"storage '{_shown(url)}' cannot be opened: {_line(error)}; check the address, or leave --storage out"
        ) from error


def _joined(storage: RDBStorage, shown: str, plan: StudyPlan) -> OptunaStudy:
    """Return the study of the storage, made where it has none of that name."""
    import optuna

    directions = [DIRECTIONS[direction] for direction in plan.objectives.values()]
    name = plan.folder.path.resolve().name
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Optuna calls names of objectives experimental
        study.set_metric_names(list(plan.objectives))
    held = [direction.name.lower() for direction in study.directions]
    if held != directions:
        raise InputError(
            f"storage '{shown}' holds a study '{name}' that would {' and '.join(held)}, this one would "
            f"{' and '.join(directions)}; give another folder, whose name is the study's, with --out"
        )
    return study


def _shown(url: str) -> str:
    """Return an address without its password."""
    return re.sub(r"(//[^/@:]*):[^@]*@", r"\1:***@", url)


def _line(error: BaseException) -> str:
    """Return what is wrong, the first line of it."""
    cause = error.__cause__ if type(error).__name__ == "StorageInternalError" and error.__cause__ else error
    text = " ".join(str(cause).splitlines()[:1]).strip()
    return f"{type(cause).__name__}: {text[:200]}"

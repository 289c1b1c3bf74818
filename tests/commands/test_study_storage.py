"""The copy of a study in a database, which Optuna's dashboard shows."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres
import pytest
from commands import answer, refusal
from study_cases import study, two_classes

from hypr_neuro.errors import HyprWarning, InputError, MissingPackageError
from hypr_neuro.studies.plan import StudyPlan, prepare
from hypr_neuro.studies.storage import copied
from hypr_neuro.studies.table import rows_of

optuna = pytest.importorskip("optuna")
VARY = {"weight_bits": [2, 4, 8], "learn.rate": {"from": 0.01, "to": 0.1}, "rounding": ["nearest", "stochastic"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    # pytest's own folders are not open to the user that runs the server
    pytest.importorskip("psycopg")
    with tempfile.TemporaryDirectory() as folder:
        started = postgres.made(Path(folder))
        try:
            yield started
        finally:
            started.stop()


def planned(data: Path, folder: Path, **more: Any) -> StudyPlan:
    fields = {"run": "learn", "vary": VARY, "trials": 6, "seeds": 2}
    return prepare(study(data, **(fields | more)), folder)


def figures_of(number: int) -> dict[str, Any]:
    return {"refused": "too few bits"} if number == 4 else {"accuracy": number / 16, "memory bits": 100 - number}


def run(plan: StudyPlan, url: str | None, numbers: range) -> None:
    """Finish some trials, the copy told of each."""
    with copied(url, plan) as copy:
        for trial in plan.trials[numbers.start : numbers.stop]:
            plan.folder.keep(trial, figures_of(trial.number), 0.0)
            copy(trial)


def held(url: str, name: str) -> list[Any]:
    storage = optuna.storages.RDBStorage(url)
    try:
        return list(optuna.load_study(study_name=name, storage=storage).get_trials())
    finally:
        storage.remove_session()
        storage.engine.dispose()


def names(url: str, name: str) -> list[str] | None:
    storage = optuna.storages.RDBStorage(url)
    try:
        return optuna.load_study(study_name=name, storage=storage).metric_names
    finally:
        storage.remove_session()
        storage.engine.dispose()


def check(trials: list[Any], plan: StudyPlan, order: list[int]) -> None:
    """The trials of the storage are the rows of the table."""
    rows = rows_of(plan)
    assert [t.user_attrs["trial"] // 2 for t in trials] == order
    for trial in trials:
        row = rows[trial.user_attrs["trial"] // 2]
        assert trial.params == {name: row[name] for name in plan.study.vary}
        if "refused" in row:
            assert trial.state == optuna.trial.TrialState.FAIL
            assert trial.user_attrs["refused"] == "too few bits"
        else:
            assert trial.values == [row[name] for name in plan.objectives]
            assert trial.user_attrs["memory bits sd"] == row["memory bits sd"]


def test_a_server_gets_each_combination_once(server: postgres.Postgres, data: Path, tmp_path: Path) -> None:
    plan = planned(data, tmp_path / "widths", objectives={"accuracy": "max", "memory bits": "min"})
    run(plan, server.url, range(0, 5))
    check(held(server.url, "widths"), plan, [0, 1])
    # what was finished while nothing was copied is added by the next run
    run(plan, None, range(5, 8))
    run(plan, server.url, range(8, 12))
    check(held(server.url, "widths"), plan, [0, 1, 2, 3, 4, 5])
    run(plan, server.url, range(0))
    assert len(held(server.url, "widths")) == 6
    check(held(server.url, "widths"), plan, [0, 1, 2, 3, 4, 5])


def test_a_server_that_stops_takes_nothing_with_it(server: postgres.Postgres, data: Path, tmp_path: Path) -> None:
    plan = planned(data, tmp_path / "stopped")
    with warnings.catch_warnings(record=True) as told, copied(server.url, plan) as copy:
        warnings.simplefilter("always", HyprWarning)
        for trial in plan.trials:
            if trial.number == 4:
                server.stop()
            plan.folder.keep(trial, figures_of(trial.number), 0.0)
            copy(trial)
    server.start()
    assert [str(w.message)[:90] for w in told if w.category is HyprWarning] == [
        f"storage 'postgresql+psycopg://studies:***@127.0.0.1:{server.port}/postgres' takes no more trials: "[:90]
    ]
    check(held(server.url, "stopped"), plan, [0, 1])
    run(plan, server.url, range(0))
    check(held(server.url, "stopped"), plan, [0, 1, 2, 3, 4, 5])


def test_a_command_copies_to_a_server(server: postgres.Postgres, data: Path, tmp_path: Path) -> None:
    words = ("study", "run", "--data", data, "--vary", "weight_bits=4:8", "--set", "training.epochs=1")
    words += ("--sampler", "nsga2", "--trials", "4", "--workers", "1", "--objective", "accuracy", "--objective")
    rows = answer(*words, "memory bits", "--storage", server.url, "--out", tmp_path / "search")
    trials = held(server.url, "search")
    assert names(server.url, "search") == ["accuracy", "memory bits"]
    assert {(t.params["precision.weight_bits"], *t.values) for t in trials} == {
        (row["precision.weight_bits"], row["accuracy"], row["memory bits"]) for row in rows
    }
    told = refusal(*words, "memory bits=max", "--storage", server.url, "--out", tmp_path / "x" / "search")
    assert "holds a study 'search' that would maximize and minimize, this one would maximize and maximize" in told


def test_a_study_with_other_values_is_added_to(data: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    run(planned(data, tmp_path / "s"), url, range(12))
    run(planned(data, tmp_path / "s", vary=VARY | {"weight_bits": [5, 6]}, trials=3), url, range(6))
    assert len(held(url, "s")) == 9
    words = planned(data, tmp_path / "s", vary=VARY | {"rounding": ["stochastic"]}, trials=3)
    with pytest.warns(HyprWarning, match="adds them after `optuna delete-study --study-name s --storage URL`"):
        run(words, url, range(6))
    storage = optuna.storages.RDBStorage(url)
    optuna.delete_study(study_name="s", storage=storage)
    storage.remove_session()
    storage.engine.dispose()
    run(words, url, range(0))
    assert len(held(url, "s")) == 3


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("", InputError, "is no address of a database"),
        ("runs/x.db", InputError, "is no address of a database"),
        ("oracel://me:secret@host/x", InputError, "is no address of a database"),
        ("sqlite:////nowhere/at/all.db", InputError, "cannot be opened"),
        (
            "postgresql+psycopg://me:secret@127.0.0.1:1/x",
            InputError,
            "'postgresql+psycopg://me:***@127.0.0.1:1/x' cannot",
        ),
        ("mysql+nothing://host/x", InputError, "is no address of a database"),
        ("mysql+pymysql://host/x", MissingPackageError, "driver is not installed"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_in_a_line(
    url: str, error: type[Exception], message: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(error) as told:
        run(planned(data, tmp_path / "s"), url, range(1))
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)

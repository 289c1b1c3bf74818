"""`hypr-neuro study`: one network at many settings; what each costs and reaches, in one table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import choice
from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.options import CHIP, DATA, LEARNING, NETWORK, RUN, DataDir, Json, check_file
from hypr_neuro.cli.study_views import (
    draw_plot,
    full_columns,
    show_best,
    show_schema,
    show_status,
    show_table,
    show_trials,
    write_export,
)
from hypr_neuro.cli.study_words import study_of

if TYPE_CHECKING:
    from hypr_neuro.studies.finish import Where
    from hypr_neuro.studies.plan import StudyPlan
    from hypr_neuro.studies.spec import Study

ACTIONS = ("run", "status", "table", "best", "plot", "export", "rerun", "schema")
FIGURES, OTHERS = ("curve", "map", "pareto", "importance", "sensitivity"), ("best", "mean")
LEAST = "memory bits"
RUNS, STARTS = ("quantize", "learn", "compare"), ("trained", "disturbed", "scratch", "integers")
SAMPLERS = ("grid", "random", "tpe", "nsga2", "one_at_a_time")
EXAMPLES = (
    "hypr-neuro study widths.yaml --out runs/widths",
    "hypr-neuro study --network runs/a/network.h5 --data digits --vary weight_bits=2:8 --out runs/w",
    "hypr-neuro study status runs/widths",
    "hypr-neuro study table runs/widths --write widths.html",
    "hypr-neuro study best runs/widths --within 1 --write chip.yaml",
    "hypr-neuro study plot runs/widths --kind sensitivity --write one_less.png",
    "hypr-neuro study export runs/widths --out widths",
    "hypr-neuro study rerun runs/widths 12",
    "hypr-neuro study schema > study.json",
)


@command
def run(
    action: Annotated[str, typer.Argument(metavar="|".join(ACTIONS), help="What to do.")] = "run",
    target: Annotated[Path | None, typer.Argument(help="Study file (run), or folder of a study (all others).")] = None,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="TRIAL...", help="Trials to run again.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the study (run), or to write (export).")] = None,
    network: Annotated[
        Path | None, typer.Option(help="Trained network, in place of a study file.", rich_help_panel=NETWORK)
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Its data, likewise.", rich_help_panel=DATA)
    ] = None,
    data_dir: DataDir = None,
    data_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the data set: encode=rate:steps=64.", rich_help_panel=DATA),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Its chip, likewise.", rich_help_panel=CHIP)
    ] = None,
    kind: Annotated[
        str | None,
        choice(RUNS, "--run", help="What is run, likewise.", rich_help_panel=RUN),
    ] = None,
    start: Annotated[
        str | None,
        choice(STARTS, help="Start of learning.", rich_help_panel=LEARNING),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUES", help="What varies: weight_bits=2:8 or =2,4,8.", rich_help_panel=RUN),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One value, e.g. training.epochs=5.", rich_help_panel=RUN),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Seeds of each combination.", rich_help_panel=RUN)
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="So many combinations, drawn (default: all).", rich_help_panel=RUN),
    ] = None,
    sampler: Annotated[
        str | None,
        choice(SAMPLERS, help="Which combinations (default: grid, with --trials random).", rich_help_panel=RUN),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database that gets a copy for optuna-dashboard.", rich_help_panel=RUN),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes on this machine (default: its cores).", rich_help_panel=RUN),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Dask cluster that runs already, e.g. tls://host:8786.", rich_help_panel=RUN
        ),
    ] = None,
    tls: Annotated[
        Path | None,
        typer.Option("--tls", help="Folder with ca.pem, cert.pem and key.pem of that cluster.", rich_help_panel=RUN),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="End after so many trials; later it goes on.", rich_help_panel=RUN),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the trials and how long they take, run none.", rich_help_panel=RUN)
    ] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="File for the table (run, table).")] = None,
    within: Annotated[
        float, typer.Option(metavar="POINTS", min=0, help="How much worse than the best is good enough (best).")
    ] = 1.0,
    least: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="What shall be small: memory bits (default), cores, a field (best)."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", help="Profile of the chip (best), figure, .png or .svg (plot), .html, .csv or .json (table)."
        ),
    ] = None,
    figure: Annotated[
        str | None, choice(FIGURES, "--kind", help="What is drawn (plot); default: by what varies.")
    ] = None,
    over: Annotated[
        str | None, typer.Option(metavar="A[,B]", help="Fields of a curve or map, where more vary (plot).")
    ] = None,
    others: Annotated[str, choice(OTHERS, help="What stands for the other fields then (plot).")] = "best",
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN[=max|min]", help="What is sought (tpe, nsga2), and axes of the front (plot)."),
    ] = None,
    json: Json = False,
) -> None:
    """Run a study, show how far it is, print its table. Interrupted, the same command goes on."""
    from hypr_neuro.studies.finish import Where
    from hypr_neuro.studies.plan import prepare
    from hypr_neuro.studies.store import StudyFolder

    if Path(action).suffix in (".yaml", ".yml"):
        action, target = "run", Path(action)
    _check_action(action)
    if action == "schema":
        show_schema()
        return
    if csv is not None:
        check_file("--csv", csv, ".csv")
    where = Where(workers, scheduler, _tls(tls, scheduler), storage, limit)
    if action != "run":
        folder = _folder(action, target, dry_run)
        plan, costs = prepare(StudyFolder(folder).study(), folder), least or [LEAST]
        if action == "table":
            show_table(plan, [file for file in (csv, write) if file is not None], json, within, costs)
        elif action == "best":
            show_best(plan, within, costs, write, json)
        elif action == "plot":
            shown = {"over": _names(over, plan), "others": others, "objectives": _objectives(objective or [], plan)}
            draw_plot(plan, write, figure, shown, within, costs, json)
        elif action == "export":
            write_export(plan, out, within, costs, json)
        elif action == "status":
            show_status(plan, workers, json)
        else:
            _rerun(plan, numbers or [], where, json)
        return
    given: dict[str, Any] = {"network": network, "data": data, "profile": profile, "run": kind, "start": start}
    given |= {"data_dir": data_dir, "sampler": sampler, "seeds": seeds, "trials": trials}
    study = study_of(target, given, data_option or [], vary, constant, objective)
    stated = target if target is not None and target.is_dir() else None
    folder = out or stated or (Path("runs") / (target.stem if target is not None else "study"))
    _run(study, folder, where, dry_run, csv, json, target)


def _folder(action: str, target: Path | None, dry_run: bool) -> Path:
    """Return the folder that an action is on; InputError where it is missing, and for what would not be dry."""
    from hypr_neuro.errors import InputError

    if target is None:
        raise InputError(f"study {action}: the folder is missing; give that of --out")
    if dry_run:
        raise InputError(f"study {action} --dry-run, rule: with run; give the study's file to it, or leave it out")
    return target


def _check_action(action: str) -> None:
    """Raise InputError for a word that is no action."""
    from hypr_neuro.errors import InputError, among

    if action not in ACTIONS and Path(action).is_file():
        raise InputError(f"study: file '{action}', rule: a study file ends in .yaml")
    if action not in ACTIONS:
        raise InputError(f"study: unknown action {among(action, ACTIONS)}")


def _prepared(study: Study, folder: Path, file: Path | None) -> StudyPlan:
    """Return a study ready to run; what is wrong with it is told with the name of its file."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.studies.plan import check, prepare

    try:
        plan = prepare(study, folder)
        check(plan)
    except InputError as error:
        if file is None:
            raise
        raise InputError(f"study '{file}': {str(error).removeprefix('study: ')}") from error
    return plan


def _run(
    study: Study,
    folder: Path,
    where: Where,
    dry_run: bool,
    csv: Path | None,
    json: bool,
    file: Path | None = None,
) -> None:
    """Run what waits of a study, and print its table."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.numbers.threads import threads
    from hypr_neuro.studies.coordinator import require_dask

    plan = _prepared(study, folder, file)
    if dry_run:
        show_trials(plan, where.workers or threads(), where.limit, json)
        return
    require_dask()
    with plan.folder.alone():
        _finish(plan, folder, where, json)
    show_table(plan, [] if csv is None else [csv], json, 1.0, [LEAST])
    if plan.all_refused():
        raise InputError("study: every trial was refused, for the reasons in the table; change what the study sets")


def _finish(plan: StudyPlan, folder: Path, where: Where, json: bool) -> None:
    """Run what waits, and say what a user should know of the folder."""
    from hypr_neuro.studies.finish import finish

    waiting = plan.waiting()
    changed = plan.folder.open(plan.study)
    if changed and (others := plan.folder.not_of(plan.trials)):
        print(
            f"finished trials in '{folder}' of other values ({', '.join(changed)}): {others}; they stay, this study "
            "does not show them, and the former command does",
            file=sys.stderr,
        )
    for path in plan.folder.unreadable(waiting):
        print(f"result '{path}' cannot be read; its trial runs again", file=sys.stderr)
    if not waiting:
        print(f"nothing to do: all {plan.total} trials in '{folder}' are finished", file=sys.stderr)
    with RichConsole(quiet=json or not waiting).progress("study") as advance:
        finish(plan, where, advance)
    done = len(plan.trials) - len(plan.waiting())
    if done < plan.total:
        print(f"{done} of {plan.total} trials are finished; the same command goes on", file=sys.stderr)


def _names(text: str | None, plan: StudyPlan) -> list[str]:
    """Return fields by full name of what is given as A or A,B."""
    from hypr_neuro.studies.fields import full_name

    names = [] if text is None else [name.strip() for name in text.split(",")]
    return [name if name in plan.study.vary else full_name(name) for name in names]


def _objectives(given: list[str], plan: StudyPlan) -> dict[str, Any] | None:
    """Return columns with directions of what is given as COLUMN or COLUMN=max; else what the study seeks."""
    from hypr_neuro.studies.columns import direction_of

    if not given:
        return plan.objectives if len(plan.objectives) > 1 else None
    found: dict[str, Any] = {}
    for name, equals, direction in (text.partition("=") for text in given):
        column = full_columns(plan, [name])[0]
        found[column] = direction if equals else direction_of(column)
    return found


def _tls(folder: Path | None, scheduler: str | None) -> dict[str, Any] | None:
    """Return the TLS files of a folder as Dask takes them; InputError for one that is missing, or without a cluster."""
    from hypr_neuro.errors import InputError

    if folder is None:
        return None
    if scheduler is None:
        raise InputError(
            f"--tls {folder} without --scheduler, rule: TLS of a cluster; give its address, or leave it out"
        )
    files = {"tls_ca_file": "ca.pem", "tls_client_cert": "cert.pem", "tls_client_key": "key.pem"}
    for name in files.values():
        if not (folder / name).is_file():
            raise InputError(f"--tls {folder}: '{name}' is missing, rule: a folder with ca.pem, cert.pem and key.pem")
    return {"require_encryption": True} | {key: str(folder / name) for key, name in files.items()}


def _rerun(plan: StudyPlan, numbers: list[int], where: Where, json: bool) -> None:
    """Forget trials, and run what waits then."""
    from hypr_neuro.errors import InputError

    known = {trial.number: trial for trial in plan.trials}
    for number in numbers:
        if number not in known:
            raise InputError(f"trial {number}, rule: 0..{len(known) - 1}, a number of `hypr-neuro study run --dry-run`")
    if not numbers:
        raise InputError("study rerun: which trials is missing; give their numbers")
    with plan.folder.alone():
        for number in numbers:
            plan.folder.forget(known[number])
    _run(plan.study, plan.folder.path, where, False, None, json)

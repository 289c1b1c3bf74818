"""What `hypr-neuro study` prints: trials, progress, the table, what was chosen, where the figure is."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.studies.plan import StudyPlan

ACCURACY, ERROR = "accuracy", "squared error"
SHOWN = (
    ACCURACY,
    ERROR,
    "float accuracy",
    "float squared error",
    "start accuracy",
    "start squared error",
    "gap",
    "accuracy loss",
    "squared error loss",
    "memory bits",
    "energy nJ",
    "zeroed",
    "refused",
)
"""Figures that the terminal shows; the CSV and JSON tables have all."""
MOST_WARNINGS = 3
"""Kinds of warnings that the terminal shows under the table; files have all."""


def show_status(plan: StudyPlan, workers: int | None, json: bool) -> None:
    """Show how far a study is: trials by state, and how long the rest takes."""
    from hypr_neuro.numbers.threads import threads
    from hypr_neuro.studies.estimate import estimate_of
    from hypr_neuro.studies.progress import duration, progress_of

    progress, left = progress_of(plan), estimate_of(plan, workers or threads())
    facts: dict[str, Any] = {
        "folder": str(plan.folder.path),
        "trials": plan.total,
        "finished": progress.finished,
        "refused": progress.refused,
    }
    counts = {"unreadable": progress.unreadable, "not chosen yet": progress.not_chosen}
    counts["of other sources or data"] = progress.earlier
    facts |= {name: count for name, count in counts.items() if count or json}
    if json:
        finished = plan.folder.results(plan.trials)
        waiting = [t.number for t in plan.trials if t.digest not in finished][:20]
        seconds = {"seconds a trial": progress.seconds, "seconds left": left.seconds}
        facts |= {name: None if math.isnan(value) else value for name, value in seconds.items()}
        emit(facts | {"waiting": waiting, "left": progress.left, "workers": left.workers}, True)
        return
    facts |= {"left": progress.left, "a trial takes": duration(progress.seconds)}
    emit(facts | ({"time left": left.told()} if progress.left else {}), False, plan.study.title)


def show_schema() -> None:
    """Print the JSON schema of a study file; its keys are as they are."""
    import json

    from hypr_neuro.cli.encodings import print_json
    from hypr_neuro.studies.schema import study_schema

    print_json(json.dumps(study_schema(), indent=1, ensure_ascii=False))


def show_trials(plan: StudyPlan, workers: int, limit: int | None, json: bool) -> None:
    """Show the trials of a study, how many would run, and how long they would take."""
    from hypr_neuro.studies.estimate import estimate_of

    found = estimate_of(plan, workers, limit)
    if json:
        trials = [{"number": t.number, "seed": t.seed, **t.settings} for t in plan.trials]
        seconds = None if math.isnan(found.seconds) else round(found.seconds, 1)
        emit({"trials": trials, "would run": found.trials, "seconds": seconds, "estimate": found.told()}, True)
        return
    names = list(plan.trials[0].settings)
    print_table(["trial", *names, "seed"], [[t.number, *t.settings.values(), t.seed] for t in plan.trials[:20]])
    print(f"{plan.total} trials, of which {found.trials} would run: {found.told()}")


def show_table(plan: StudyPlan, files: Sequence[Path], json: bool, within: float, least: Sequence[str]) -> None:
    """Write and print the table of what is finished."""
    from hypr_neuro.cli.encodings import print_json
    from hypr_neuro.studies.results import results_of
    from hypr_neuro.studies.table import as_json, columns_of
    from hypr_neuro.studies.warned import by_kind
    from hypr_neuro.studies.written import write_table

    results = results_of(plan)
    rows = results.rows
    _tell_earlier(rows)
    for file in files:
        write_table(file, results, within, full_columns(plan, least))
    if json:
        print_json(as_json(rows).rstrip())
        return
    if not rows:
        print("no trial is finished yet; `hypr-neuro study run` goes on, `study status` says how far it is")
        return
    parts = ("validation", "test") if plan.study.part == "validation" else ("test", "validation")
    columns = columns_of(rows)
    shown = [name for figure in SHOWN for name in (figure, f"{parts[1]} {figure}") if name in columns]
    names = [*plan.study.values(), *shown]
    cells = [[_cell(row, name) for name in names] for row in rows]
    print_table([_heading(name, parts[0]) for name in names], cells, plan.study.title)
    for text, warned in by_kind(rows)[:MOST_WARNINGS]:
        print(f"warning, in {len(warned)} of {len(rows)} rows: {text}")
    for file in files:
        print(f"table of {len(rows)} rows: '{file}'")


def _tell_earlier(rows: Sequence[Mapping[str, Any]]) -> None:
    """Say on standard error how many results are not of today's sources and data."""
    from hypr_neuro.studies.rows import EARLIER

    earlier = sum(row.get(EARLIER, 0) for row in rows)
    if earlier:
        print(
            f"{earlier} of {sum(row['seeds'] for row in rows)} results are of other sources of the program or of other "
            "data than today's; `hypr-neuro study run` makes them anew",
            file=sys.stderr,
        )


def _heading(name: str, part: str) -> str:
    """Return the head of a column: figures by the part of the data on which they were taken."""
    if name in (ACCURACY, ERROR):
        return part
    from hypr_neuro.studies.columns import short

    if "@" in name:
        return short(name)
    return name.rpartition(".")[2].removesuffix(f" {ACCURACY}").removesuffix(f" {ERROR}").replace("_", " ")


def _cell(row: dict[str, Any], name: str) -> str:
    """Return a figure with its spread over seeds."""
    from hypr_neuro.cli.tables import show
    from hypr_neuro.studies.columns import cell_text
    from hypr_neuro.studies.fields import PROFILE

    value, spread = row.get(name), row.get(f"{name} sd")
    if name == PROFILE:
        return cell_text(name, value)
    if isinstance(value, float) and name.endswith("accuracy loss"):
        return f"{round(100 * value, 1) + 0.0:+.1f}" + (f" ± {100 * spread:.1f}" if spread is not None else "")
    if isinstance(value, float) and "accuracy" in name:
        return f"{value:.1%}" + (f" ± {100 * spread:.1f}" if spread is not None else "")
    return show(value) + (f" ± {spread:.3g}" if spread else "")


def full_columns(plan: StudyPlan, names: Sequence[str]) -> list[str]:
    """Return columns by full name, where the last part of a field's name is given."""
    from hypr_neuro.studies.fields import key_of

    last = {"@".join(filter(None, key_of(one))): one for one in plan.study.vary}
    return [last.get(name, name) for name in names]


def write_export(plan: StudyPlan, out: Path | None, within: float, least: Sequence[str], json: bool) -> None:
    """Write everything of a study into a folder."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.studies.export import export
    from hypr_neuro.studies.pictures import told_once
    from hypr_neuro.studies.results import results_of

    if out is None:
        raise InputError("study export: the folder to write is missing; give it with --out")
    results = results_of(plan)
    _tell_earlier(results.rows)
    written = export(results, out, within, full_columns(plan, least))
    left_out = told_once(written.left_out)
    more = {"left out": left_out} if left_out or json else {}
    emit({"folder": str(written.folder), "files": written.files} | more, json, "Exported")


def show_best(plan: StudyPlan, within: float, least: Sequence[str], write: Path | None, json: bool) -> None:
    """Show the cheapest settings that are good enough; write the profile of a chip that has them."""
    import yaml

    from hypr_neuro.files.store import write_text
    from hypr_neuro.studies.choose import choose, profile_of
    from hypr_neuro.studies.fields import PROFILE, section_of
    from hypr_neuro.studies.table import rows_of
    from hypr_neuro.studies.work import WARNED

    rows = rows_of(plan)
    _tell_earlier(rows)
    chosen = choose(rows, within, full_columns(plan, least))
    profile = profile_of(plan.study, chosen.row)
    if write is not None:
        write_text(write, yaml.safe_dump(profile.dump(), sort_keys=False, allow_unicode=True))
    settings = {name: chosen.row[name] for name in plan.study.values()}
    if json:
        emit({"settings": settings, "row": chosen.row, "best": chosen.best, "rule": chosen.rule}, True)
        return
    facts = {name: str(value) for name, value in settings.items()}
    facts |= {
        name: _cell(chosen.row, name) for name in dict.fromkeys((chosen.figure, *chosen.costs)) if name not in facts
    }
    emit(facts | ({} if write is None else {"profile": str(write)}), False, "Good enough")
    print(chosen.rule)
    for text in chosen.row.get(WARNED, ()):
        print(f"warning: {text}")
    others = {name: value for name, value in plan.study.stated(settings).items() if section_of(name) != PROFILE}
    if others:
        given = ", ".join(f"{name} = {value}" for name, value in others.items())
        print(f"no numbers of a profile, give them beside it: {given}")


def draw_plot(
    plan: StudyPlan,
    write: Path | None,
    kind: str | None,
    shown: Mapping[str, Any],
    within: float,
    least: Sequence[str],
    json: bool,
) -> None:
    """Draw the table; sensitivity starts from the row that `best` chooses."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.store import write_atomically
    from hypr_neuro.studies.plot import plotted
    from hypr_neuro.studies.results import results_of

    file = write or plan.folder.path / "figure.png"
    if file.suffix not in (".png", ".svg"):
        raise InputError(f"--write {file}: rule: a name that ends in .png or .svg")
    results = results_of(plan)
    _tell_earlier(results.rows)
    if kind is None and results.base() is not None and len(results.fields) > 1:
        kind = "sensitivity"
    start = results.start(within, full_columns(plan, least)) if kind == "sensitivity" else None
    found = None if start is None else results.sensitivity(start)
    more = {"found": found, "logarithmic": results.logarithmic, **shown}
    picture = plotted(results.rows, results.fields, plan.study.title, file.suffix[1:], kind, **more)
    write_atomically(file, lambda temporary: _write(temporary, picture))
    emit({"figure": str(file)}, json)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)

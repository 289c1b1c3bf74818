"""The table of a study: a row a combination of values, means over its seeds with their spread."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.rows import EARLIER, row_of
from hypr_neuro.studies.store import combination
from hypr_neuro.studies.work import WARNED

TRIAL, SEED = "trial", "seed"
"""Columns of a row of one trial."""


def trial_rows(plan: StudyPlan) -> list[dict[str, Any]]:
    """Return a row for each finished trial, in the order of the study.

    Each row has the number as "trial", the values by full name, "seed", and the figures; "refused" with the reason
    where there are none, "warnings" where there were any. Trials that are not finished have what they gave under other
    sources or data, which "earlier" says.
    """
    present = plan.folder.results(plan.trials)
    missing = [t for t in plan.trials if t.digest not in present]
    earlier = plan.folder.earlier(missing, present) if missing else {}
    rows = []
    for trial in plan.trials:
        figures = present.get(trial.digest) or earlier.get(trial.digest)
        if figures is not None:
            old = {EARLIER: True} if trial.digest not in present else {}
            rows.append({TRIAL: trial.number, **trial.settings, SEED: trial.seed, **old, **figures})
    return rows


def rows_of(plan: StudyPlan) -> list[dict[str, Any]]:
    """Return a row for each combination that has a finished trial, in the order of the study, see `means_of`."""
    return means_of(trial_rows(plan), list(plan.study.values()))


def means_of(trials: Sequence[dict[str, Any]], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each combination of values, with the means over its seeds.

    Each row has the values by full name, "seeds" (how many finished), of every figure the mean over seeds, with several
    seeds its standard deviation as "… sd"; "refused" with the reason where there is none, and "earlier" with how many
    trials have results of other sources or data.
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        grouped.setdefault(combination({name: trial[name] for name in fields}, 0), []).append(trial)
    of_a_trial = {TRIAL, SEED, EARLIER, *fields}
    rows = []
    for group in grouped.values():
        results = [{name: value for name, value in trial.items() if name not in of_a_trial} for trial in group]
        settings = {name: group[0][name] for name in fields}
        rows.append(row_of(settings, results, sum(EARLIER in trial for trial in group)))
    return rows


def columns_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of all columns, those of the first row first, warnings last."""
    names = dict.fromkeys(name for row in rows for name in row)
    return sorted(names, key=lambda name: name == WARNED)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table as comma-separated values, empty where a row has none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns_of(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {WARNED: "; ".join(row[WARNED])} if WARNED in row else row for row in rows)
    return out.getvalue()


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table as JSON, a list of rows."""
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"

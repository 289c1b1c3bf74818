"""The page of a study: one self-contained HTML file in the style of the report, its table sorted by a click.

The only script is the one that sorts, which the page's security policy names by its digest; without it the page is
whole. Equal results give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from hypr_neuro.report.drawing import drawing
from hypr_neuro.report.values import Data, clean, show
from hypr_neuro.studies.choose import Chosen, Costs
from hypr_neuro.studies.columns import short
from hypr_neuro.studies.knee import RULE
from hypr_neuro.studies.page_table import cell_of, heading_of, table_of
from hypr_neuro.studies.pareto import COST, Front
from hypr_neuro.studies.pictures import pictures_of, told_once, tried
from hypr_neuro.studies.results import WITHIN, StudyResults
from hypr_neuro.studies.rows import EARLIER
from hypr_neuro.studies.warned import by_kind
from hypr_neuro.studies.work import REFUSED, WARNED

FOLDER = Path(__file__).parent
STYLE = FOLDER.parent / "report" / "style.css"
PACKAGES = ("numpy", "numba", "matplotlib")
MOST_PLACES = 8
"""Rows that are named for one warning."""


def page_of(results: StudyResults, within: float = WITHIN, least: Costs = COST) -> str:
    """Return the HTML page of a study.

    Parameters
    ----------
    results
        Of the study.
    within, least
        What is good enough and what shall be small, see `studies.choose.choose`.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["show"] = lambda value: show(clean(value))
    script = (FOLDER / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    css = STYLE.read_text(encoding="utf-8") + (FOLDER / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        css=Markup(css), script=Markup(script), digest=Markup(digest), **context(results, within, least)
    )


def context(results: StudyResults, within: float, least: Costs) -> Data:
    """Return everything that the template reads."""
    chosen, no_choice = tried(lambda: results.choose(within, least))
    front, _ = tried(results.pareto)
    pictures, reasons = pictures_of(results, within, least)
    if no_choice:
        reasons.insert(0, ("Good enough", no_choice))
    study = results.study
    refused = [row for row in results.rows if REFUSED in row]
    return {
        "title": study.title or f"{study.run} of {Path(study.data).stem}",
        "study": study,
        "data": Path(study.data).name,
        "profile": Path(str(study.set.get("profile", study.profile))).name,
        "trials": len(results.trials),
        "total": results.total,
        "rows": len(results.rows) - len(refused),
        "earlier": sum(row.get(EARLIER, 0) for row in results.rows),
        "tiles": _tiles(results, chosen, front),
        "rules": _rules(chosen, front),
        "figures": [(p.title, drawing(p.name, p.draw, p.caption, height=p.height)) for p in pictures],
        "reasons": told_once(reasons),
        "table": table_of(results, _marks(chosen, front), None if chosen is None else chosen.row),
        "refused": [([cell_of(row, name) for name in results.fields], row[REFUSED]) for row in refused],
        "warned": [(text, _places(results, rows)) for text, rows in by_kind(results.rows)],
        "doubts": _doubts(chosen),
        "fields": [short(name) for name in results.fields],
        "commands": _commands(results.folder, within, least),
        "yaml": yaml.safe_dump(study.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=False),
        "versions": _versions(),
    }


def _doubts(chosen: Chosen | None) -> list[str]:
    """Return warnings of the best row and of the one that is good enough."""
    if chosen is None:
        return []
    lines = [("Best", line) for line in chosen.best.get(WARNED, ())]
    lines += [("Good enough", line) for line in chosen.row.get(WARNED, ()) if chosen.row is not chosen.best]
    return [f"{what}: {line}." for what, line in lines]


def _places(results: StudyResults, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return which rows have a warning, the first of many."""
    fields = results.fields
    texts = [", ".join(f"{short(name)} {cell_of(dict(row), name)}" for name in fields) for row in rows[:MOST_PLACES]]
    return "; ".join(texts) + (f"; and {len(rows) - MOST_PLACES} more" if len(rows) > MOST_PLACES else "")


def _rules(chosen: Chosen | None, front: Front | None) -> list[str]:
    """Return what "good enough" and "knee" mean here."""
    rules = [] if chosen is None else [f"Good enough: {chosen.rule}."]
    if front is not None and front.knee is not None:
        rules.append(f"{RULE[0].upper()}{RULE[1:]}.")
    return rules


def _tiles(results: StudyResults, chosen: Chosen | None, front: Front | None) -> list[Data]:
    """Return what a reader seeks first: the best, the cheapest that is good enough, the knee."""
    if chosen is None:
        return []
    knee = None if front is None else front.knee
    named = [("best", chosen.best), ("cheapest good enough", chosen.row), ("knee of the Pareto front", knee)]
    labels: dict[int, list[str]] = {}
    for label, row in named:
        if row is not None:
            labels.setdefault(id(row), []).append(label)
    rows = {id(row): row for _, row in named if row is not None}
    return [_tile(results, " and ".join(words), rows[key], chosen) for key, words in labels.items()]


def _tile(results: StudyResults, label: str, row: dict[str, Any], chosen: Chosen) -> Data:
    settings = [f"{short(name)} {cell_of(row, name)}" for name in results.fields]
    costs = dict.fromkeys((*chosen.costs, COST))
    taken = [f"{cell_of(row, name)} {heading_of(results, name)}" for name in costs if name not in results.fields]
    return {
        "label": label[0].upper() + label[1:],
        "good": row is chosen.row,
        "figure": cell_of(row, chosen.figure),
        "settings": settings,
        "detail": "; ".join([heading_of(results, chosen.figure), *taken]),
    }


def _marks(chosen: Chosen | None, front: Front | None) -> dict[int, str]:
    """Return what a row is, by its id."""
    marks: dict[int, list[str]] = {}
    if chosen is not None:
        marks.setdefault(id(chosen.best), []).append("best")
        marks.setdefault(id(chosen.row), []).append("cheapest good enough")
    for row in [] if front is None else front.rows:
        marks.setdefault(id(row), []).append("knee" if front is not None and row is front.knee else "front")
    return {row: ", ".join(words) for row, words in marks.items()}


def _commands(folder: Path, within: float, least: Costs) -> list[str]:
    """Return the commands that make the study and its results again."""
    at = shlex.quote(str(folder))
    costs = " --least ".join(map(shlex.quote, [least] if isinstance(least, str) else least))
    file = shlex.quote(str(folder / "study.yaml"))
    return [
        f"hypr-neuro study run {file} --out {at}",
        f"hypr-neuro study table {at} --write table.html",
        f"hypr-neuro study best {at} --within {within:g} --least {costs} --write chip.yaml",
    ]


def _versions() -> dict[str, str]:
    """Return the versions of what writes the page."""
    return {"hypr-neuro": version("hypr-neuro"), "Python": platform.python_version()} | {
        name: version(name) for name in PACKAGES
    }

"""The table of a study as a file: comma-separated values, JSON, or a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypr_neuro.errors import InputError
from hypr_neuro.files.store import write_text
from hypr_neuro.studies.choose import Costs
from hypr_neuro.studies.pareto import COST
from hypr_neuro.studies.results import WITHIN, StudyResults
from hypr_neuro.studies.table import as_csv, as_json

ENDINGS = (".html", ".csv", ".json")


def write_table(path: Path, results: StudyResults, within: float = WITHIN, least: Costs = COST) -> None:
    """Write the table by the ending of the file's name, whole or not at all.

    Parameters
    ----------
    path
        Ends in .html (a page with figures), .csv or .json (every figure, a row a combination).
    results
        Of the study.
    within, least
        What is good enough and what shall be small, for the page, see `studies.choose.choose`.

    Raises
    ------
    InputError
        For another ending, and a file that cannot be written.
    """

    def page() -> str:
        from hypr_neuro.studies.page import page_of  # what draws is imported where something is drawn

        return page_of(results, within, least)

    made: dict[str, Callable[[], str]] = {
        ".html": page,
        ".csv": lambda: as_csv(results.rows),
        ".json": lambda: as_json(results.rows),
    }
    if path.suffix not in made:
        raise InputError(f"file '{path}', rule: a name that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    write_text(path, made[path.suffix]())

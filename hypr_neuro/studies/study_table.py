"""What `hn.study` returns: the table, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypr_neuro.numbers.checks import require_path
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.studies.choose import Chosen, Costs, profile_of
from hypr_neuro.studies.columns import SPREAD
from hypr_neuro.studies.importance import Importance
from hypr_neuro.studies.pareto import COST, Front, Objectives, pareto_front
from hypr_neuro.studies.results import WITHIN, StudyResults
from hypr_neuro.studies.sensitivity import Sensitivity
from hypr_neuro.studies.table import columns_of


@dataclass(frozen=True, repr=False)
class StudyTable:
    """Result of `study`: `pandas.DataFrame(result.rows)` makes a frame of it.

    Attributes
    ----------
    results : StudyResults
        What the study has so far.
    """

    results: StudyResults

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each combination of values, see `studies.table.means_of`."""
        return self.results.rows

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Return a row for each finished trial, see `studies.table.trial_rows`."""
        return self.results.trials

    @property
    def folder(self) -> Path:
        """Return where the study lies."""
        return self.results.folder

    def table(self) -> Shown:
        """Return the rows, spreads apart."""
        names = [name for name in columns_of(self.rows) if not name.endswith(SPREAD)]
        cells = [[_cell(row.get(name)) for name in names] for row in self.rows]
        return Shown(f"StudyTable: {len(cells)} rows, '{self.folder}'", names, cells)

    __repr__ = as_text
    _repr_html_ = as_html

    def choose(self, within: float = WITHIN, cost: Costs = COST) -> Chosen:
        """Return the cheapest settings that are good enough, see `studies.choose.choose`."""
        return self.results.choose(within, cost)

    def profile(self, row: dict[str, Any] | None = None) -> Profile:
        """Return the chip of a row, None: of the one that `choose` gives."""
        return profile_of(self.results.study, self.choose().row if row is None else row)

    def pareto(self, objectives: Objectives = None) -> Front:
        """Return the Pareto front, see `studies.pareto.pareto_front`; None: of what the study seeks.

        Where that is one column: of memory bits against the score.
        """
        if objectives is None:
            return self.results.pareto()
        return pareto_front(self.rows, objectives, self.results.fields)

    def importance(self, figure: str | None = None) -> Importance:
        """Return how much of a figure's variance each field explains, see `studies.importance.importance`."""
        return self.results.importance(figure)

    def sensitivity(self, row: dict[str, Any] | None = None, figure: str | None = None) -> Sensitivity:
        """Return what one value less and more of each field changes, see `studies.sensitivity.sensitivity`."""
        return self.results.sensitivity(row, figure)

    def save(self, path: str | Path, within: float = WITHIN, cost: Costs = COST) -> None:
        """Write the table as .html, .csv or .json, see `studies.written.write_table`."""
        from hypr_neuro.studies.written import write_table

        require_path("path", path, "the file to write")
        write_table(Path(path), self.results, within, cost)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

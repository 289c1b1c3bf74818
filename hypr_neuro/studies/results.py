"""What a study has so far, read once: its trials, its table, and what all views of them need to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypr_neuro.studies.choose import Chosen, Costs, choose
from hypr_neuro.studies.columns import best_of, counted, figure_of, with_numbers
from hypr_neuro.studies.differences import with_losses
from hypr_neuro.studies.importance import Importance, importance
from hypr_neuro.studies.pareto import COST, Front, pareto_front
from hypr_neuro.studies.plan import StudyPlan
from hypr_neuro.studies.sensitivity import Sensitivity, sensitivity
from hypr_neuro.studies.spec import Direction, Span, Study
from hypr_neuro.studies.table import means_of, trial_rows

WITHIN = 1.0
"""Points of accuracy, or per cent of a squared error, that are good enough where nothing else is said."""


@dataclass(frozen=True)
class StudyResults:
    """Results of a study.

    Attributes
    ----------
    study, folder
        What was run, and where it lies.
    trials, rows
        A row for each finished trial, and for each combination, see `studies.table`.
    objectives
        What is sought, by column.
    total
        Trials of the study once all are chosen.
    """

    study: Study
    folder: Path
    trials: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    objectives: dict[str, Direction]
    total: int

    @property
    def fields(self) -> list[str]:
        """Return what varies, by full name."""
        return list(self.study.vary)

    @property
    def logarithmic(self) -> list[str]:
        """Return the fields whose values lie evenly by their logarithm."""
        return [name for name, values in self.study.vary.items() if isinstance(values, Span) and values.log]

    def choose(self, within: float = WITHIN, least: Costs = COST) -> Chosen:
        """Return the cheapest settings that are good enough, see `studies.choose.choose`."""
        return choose(self.rows, within, least)

    def pareto(self) -> Front:
        """Return the front of what is sought, of memory bits against the score where that is one column."""
        return pareto_front(self.rows, self.objectives if len(self.objectives) > 1 else None, self.fields)

    def importance(self, figure: str | None = None) -> Importance:
        """Return how much of a figure's variance each field explains."""
        return importance(self.rows, self.fields, figure, self.logarithmic)

    def sensitivity(self, row: dict[str, Any] | None = None, figure: str | None = None) -> Sensitivity:
        """Return what one value less and more of each field changes, from the best row where none is given.

        Where the study changes one field at a time: what every value of it changes, from the base.
        """
        base = self.base()
        start = base if row is None else row
        every = base is not None and start == base
        return sensitivity(self.rows, self.fields, trials=self.trials, row=start, figure=figure, every=every)

    def base(self) -> dict[str, Any] | None:
        """Return the row that differences are told from, None where there is none."""
        base = self.study.base
        if base is None:
            return None
        return next((row for row in self.rows if all(row.get(name) == value for name, value in base.items())), None)

    def start(self, within: float = WITHIN, least: Costs = COST) -> dict[str, Any]:
        """Return the row that sensitivity starts from: the cheapest good enough, without figures of the cost the best.

        Where the study changes one field at a time: its base.

        Raises
        ------
        InputError
            For a table without figures, and a cost that is named and unknown.
        """
        if (base := self.base()) is not None:
            return base
        if COST in ([least] if isinstance(least, str) else least) and COST not in with_numbers(self.rows):
            figure = figure_of(self.rows)
            return best_of(counted(self.rows, [figure]), figure)
        return self.choose(within, least).row

    @property
    def parts(self) -> tuple[str, str]:
        """Return the part of the data that settings are chosen on, and the other one."""
        return ("validation", "test") if self.study.part == "validation" else ("test", "validation")


def results_of(plan: StudyPlan) -> StudyResults:
    """Read what a study has so far."""
    trials = trial_rows(plan)
    rows = with_losses(means_of(trials, list(plan.study.vary)), trials, plan.study.base)
    objectives: dict[str, Direction] = {
        name: "max" if direction == "max" else "min" for name, direction in plan.objectives.items()
    }
    return StudyResults(plan.study, plan.folder.path, trials, rows, objectives, plan.total)

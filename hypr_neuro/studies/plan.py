"""A study ready to run: its folder, data, start network and trials, of which a sampler may choose more."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from hypr_neuro.data import load_data
from hypr_neuro.data.checks import require_integers
from hypr_neuro.data.fit import check_fit
from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.loading import load
from hypr_neuro.files.store import content_digest
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.studies.fields import PROFILE
from hypr_neuro.studies.objectives import objectives_of
from hypr_neuro.studies.rows import row_of
from hypr_neuro.studies.search import Search
from hypr_neuro.studies.spec import Study
from hypr_neuro.studies.store import StudyFolder, code_digest
from hypr_neuro.studies.trials import Trial, combinations, trials_of
from hypr_neuro.studies.work import Job, reason_against


@dataclass
class StudyPlan:
    """A study ready to run.

    Attributes
    ----------
    folder
        Where it lies.
    study, data
        What is run, on what.
    network
        Trained network that all trials start from, None where each seed trains its own.
    basis, chips
        Digests of what results depend on, see `trials_of`.
    objectives
        What is sought, "max" or "min" by column.
    trials
        In order; those that a sampler has chosen so far.
    search
        That sampler, None where combinations follow from no results.
    """

    folder: StudyFolder
    study: Study
    data: SequenceData
    network: Network | None
    basis: dict[str, str]
    chips: dict[str, str]
    objectives: dict[str, str]
    trials: list[Trial] = field(default_factory=list)
    search: Search | None = None
    _generation: list[Trial] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many trials there are once all are chosen."""
        return self.study.count * self.study.seeds

    def waiting(self) -> list[Trial]:
        """Return the trials that are not finished."""
        finished = self.folder.results(self.trials)
        return [t for t in self.trials if t.digest not in finished]

    def add(self, chosen: list[dict[str, Any]]) -> None:
        """Add the trials of combinations."""
        self._generation = list(trials_of(self.study, chosen, self.basis, self.chips, len(self.trials)))
        self.trials += self._generation

    def grow(self) -> bool:
        """Add the next generation where a sampler follows results and the last one's are all there.

        Returns
        -------
        bool
            Whether there are more trials now.
        """
        missing = self.study.count - len(self.trials) // self.study.seeds
        if self.search is None or missing == 0:
            return False
        if self._generation:
            results = [self.folder.result(trial) for trial in self._generation]
            present = [result for result in results if result is not None]
            if len(present) < len(results):
                return False
            self.search.tell([self._sought(part) for part in _by_combination(self._generation, present)])
        self.add(self.search.ask(min(self.study.generation, missing)))
        return True

    def _sought(self, part: tuple[Trial, list[dict[str, Any]]]) -> list[float] | None:
        """Return the objectives of a combination, None where one of them has no number."""
        row = row_of(part[0].settings, part[1])
        values = [row.get(name) for name in self.objectives]
        numbers = [float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
        return numbers if len(numbers) == len(values) else None


def _by_combination(
    trials: Sequence[Trial], results: Sequence[dict[str, Any]]
) -> Iterator[tuple[Trial, list[dict[str, Any]]]]:
    """Yield the first trial of each combination with what its seeds gave; a combination's trials are neighbours."""
    pairs = zip(trials, results, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].number - pair[0].seed):
        members = list(group)
        yield members[0][0], [result for _, result in members]


def prepare(study: Study, folder: Path) -> StudyPlan:
    """Load data and network of a study, check every chip that it names, and list its trials.

    Raises
    ------
    InputError
        For data, networks or values that do not go together, before anything runs.
    """
    data = load_data(study.data, None if study.data_dir is None else Path(study.data_dir), **study.data_options)
    require_integers(data)
    if not (data.split == study.part).any():
        raise InputError(f"study: part = {study.part}, of which data '{data.name}' has no sample; give the other part")
    network = None
    basis = {"data": data_digest(data, "", {}), "code": code_digest()}
    if isinstance(study.network, str):
        found = load(study.network)
        if not isinstance(found, Network):
            raise InputError(f"network '{study.network}' holds {type(found).__name__}, rule: a float network")
        network = found
        check_fit(network.inputs, network.output_size, data)
        basis["network"] = network.digest()
    store = StudyFolder(folder)
    named = study.values().get(PROFILE, [study.set.get(PROFILE, study.profile)])
    chips = {name: content_digest(json.dumps(load_profile(name).dump(), sort_keys=True), {}) for name in named}
    sought = objectives_of(study, data)
    plan = StudyPlan(store, study, data, network, basis, chips, sought)
    if study.adaptive:
        plan.search = Search(study, list(sought.values()))
        while plan.grow():
            pass
    else:
        plan.add(combinations(study))
    return plan


def check(plan: StudyPlan) -> None:
    """Raise InputError, with the first reason, where every trial that waits will be refused."""
    reason = ""
    for trial in plan.waiting():
        reason = reason_against(Job.of(plan.study, trial.settings, trial.seed), plan.data, plan.network)
        if not reason:
            return
    if reason:
        raise InputError(f"study: every trial would be refused, the first because: {reason}")

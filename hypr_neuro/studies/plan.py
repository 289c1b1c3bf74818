"""A study ready to run: its folder, data, start network and trials, of which a sampler may choose more."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypr_neuro.data import load_data
from hypr_neuro.data.checks import require_integers
from hypr_neuro.data.fit import check_fit
from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.exchange.loading import load
from hypr_neuro.files.store import content_digest
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.studies.objectives import objectives_of
from hypr_neuro.studies.rows import row_of
from hypr_neuro.studies.search import Search
from hypr_neuro.studies.spec import Study
from hypr_neuro.studies.store import StudyFolder, code_digest
from hypr_neuro.studies.trials import Trial, combinations, trials_of
from hypr_neuro.studies.work import REFUSED, Job, reason_against

ROUNDING = "quantize.rounding"


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
    profiles
        The profiles by the name that the study has for them, as they were when it was prepared.
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
    profiles: dict[str, Profile]
    objectives: dict[str, str]
    trials: list[Trial] = field(default_factory=list)
    search: Search | None = None
    _generation: list[list[Trial]] = field(default_factory=list)
    _chosen: int = 0

    @property
    def total(self) -> int:
        """How many trials there are once all are chosen; a combination that is chosen again has no further ones."""
        again = self._chosen - len(self.trials) // self.study.seeds
        return (self.study.count - again) * self.study.seeds

    def job(self, trial: Trial) -> Job:
        """Return a trial as a worker gets it."""
        return Job.of(self.study, trial.settings, trial.seed, self.profiles, self.basis["code"])

    def waiting(self) -> list[Trial]:
        """Return the trials that are not finished."""
        finished = self.folder.results(self.trials)
        return [t for t in self.trials if t.digest not in finished]

    def all_refused(self) -> bool:
        """Return whether all trials are finished, and none has figures."""
        found = self.folder.results(self.trials)
        return len(found) == len(self.trials) and all(REFUSED in figures for figures in found.values())

    def add(self, chosen: list[dict[str, Any]]) -> None:
        """Add the trials of combinations, as far as the study does not have them."""
        seeds = self.study.seeds
        known = {trials[0].digest: trials for trials in _by_seeds(self.trials, seeds)}
        self._generation, self._chosen = [], self._chosen + len(chosen)
        for made in _by_seeds(list(trials_of(self.study, chosen, self.basis, self.chips)), seeds):
            if made[0].digest not in known:
                first = len(self.trials)
                self.trials += [replace(trial, number=first + trial.seed) for trial in made]
                known[made[0].digest] = self.trials[first:]
            self._generation.append(known[made[0].digest])

    def grow(self) -> bool:
        """Add the next generation where a sampler follows results and the last one's are all there.

        Returns
        -------
        bool
            Whether another generation was chosen.
        """
        missing = self.study.count - self._chosen
        if self.search is None or missing == 0:
            return False
        if self._generation:
            results = self.folder.results(trial for trials in self._generation for trial in trials)
            if any(trial.digest not in results for trials in self._generation for trial in trials):
                return False
            self.search.tell([self._sought(trials, results) for trials in self._generation])
        self.add(self.search.ask(min(self.study.generation, missing)))
        return True

    def _sought(self, trials: list[Trial], results: Mapping[str, dict[str, Any]]) -> list[float] | None:
        """Return the objectives of a combination, None where one of them has no number."""
        row = row_of(trials[0].settings, [results[trial.digest] for trial in trials])
        values = [row.get(name) for name in self.objectives]
        numbers = [float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
        return numbers if len(numbers) == len(values) else None


def _by_seeds(trials: list[Trial], seeds: int) -> Iterator[list[Trial]]:
    """Yield the trials of each combination, which are neighbours."""
    for first in range(0, len(trials), seeds):
        yield trials[first : first + seeds]


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
    profiles = {name: load_profile(name) for name in study.profiles()}
    chips = {name: content_digest(json.dumps(p.dump(), sort_keys=True), {}) for name, p in profiles.items()}
    sought = objectives_of(study, data)
    plan = StudyPlan(store, study, data, network, basis, chips, profiles, sought)
    if study.adaptive:
        plan.search = Search(study, list(sought.values()))
        while plan.grow():
            pass
    else:
        plan.add(combinations(study))
    return plan


def _draws(study: Study) -> bool:
    """Tell whether anything of making integers is drawn."""
    return "stochastic" in (study.set.get(ROUNDING), *study.values().get(ROUNDING, ()))


def check(plan: StudyPlan) -> None:
    """Raise InputError, with the first reason, where every trial that waits will be refused; warn of idle seeds."""
    study = plan.study
    if study.seeds > 1 and study.run == "quantize" and plan.network is not None and not _draws(study):
        warnings.warn(
            f"seeds = {study.seeds}: a trained network that is rounded to nearest is the same with every seed, so that "
            "the spread is 0 and says nothing; seeds: 1 is enough",
            HyprWarning,
            stacklevel=2,
        )
    reason = ""
    for trial in plan.waiting():
        reason = reason_against(plan.job(trial), plan.data, plan.network)
        if not reason:
            return
    if reason:
        raise InputError(f"study: every trial would be refused, the first because: {reason}")

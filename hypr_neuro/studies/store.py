"""The folder of a study: the study itself, and a folder a trial, finished where it holds a result."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from hypr_neuro.errors import InputError
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.studies.spec import Study, parse_study
from hypr_neuro.studies.trials import HOW_MANY, Trial

STUDY, TRIALS = "study.yaml", "trials"
SETTINGS, RESULT = "settings.yaml", "result.json"
SOURCES = ("*.py", "*.yaml")
PACKAGES = ("hypr_neuro", "hypr_neuro.sim", "hypr_neuro.compilers", "hypr_neuro.hardware_profiles")
"""Folders of the program, of which the last three lie beside it in a checkout."""


@dataclass(frozen=True)
class StudyFolder:
    """Where a study lies.

    Attributes
    ----------
    path
        Of the folder.
    """

    path: Path

    def open(self, study: Study) -> None:
        """Create the folder, or take up the one of the same study, whose values, seeds and trials may be others.

        Raises
        ------
        InputError
            For a folder that holds another study.
        """
        make_folder(self.path / TRIALS)
        file = self.path / STUDY
        if file.is_file():
            held = self.study()
            changing = HOW_MANY | {"set"}
            mine, its = (s.model_dump(mode="json", exclude=changing) for s in (study, held))
            other = [key for key in mine if mine[key] != its[key]]
            if other:
                raise InputError(
                    f"folder '{self.path}' holds a study with {other[0]} = {its[other[0]]!r}, this one has "
                    f"{mine[other[0]]!r}; give another folder with --out"
                )
        text = yaml.safe_dump(study.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
        write_text(file, text)

    def study(self) -> Study:
        """Read the study; InputError for a folder without one."""
        file = self.path / STUDY
        if not file.is_file():
            raise InputError(f"folder '{self.path}' holds no study ({STUDY}); `hypr-neuro study run FILE` makes one")
        return parse_study(load_yaml(file, "study"), f"study '{file}'")

    def trial(self, trial: Trial) -> Path:
        """Return the folder of a trial."""
        return self.path / TRIALS / trial.digest

    def result(self, trial: Trial) -> dict[str, Any] | None:
        """Return what a trial gave, None where it is not finished: no result, or one that is not whole."""
        content = _content(self.trial(trial))
        return None if content is None else content["figures"]

    def earlier(self, trials: Sequence[Trial]) -> dict[str, dict[str, Any]]:
        """Return what trials with the same settings and seed gave under other digests, by digest of today.

        That is a result of other sources of the program, or of other data: still a figure, but not of this study.
        """
        wanted = {combination(t.settings, t.seed): t.digest for t in trials}
        found: dict[str, tuple[float, dict[str, Any]]] = {}
        for folder in (self.path / TRIALS).glob("*"):
            content = None if folder.name in wanted.values() else _content(folder)
            digest = None if content is None else wanted.get(combination(content["settings"], content["seed"]))
            if content is not None and digest is not None:
                when = (folder / RESULT).stat().st_mtime
                found[digest] = max(found.get(digest, (0.0, {})), (when, content["figures"]), key=lambda pair: pair[0])
        return {digest: figures for digest, (_, figures) in found.items()}

    def keep(self, trial: Trial, figures: dict[str, Any], seconds: float) -> None:
        """Write what a trial gave; its folder counts as finished from the moment when the result is whole.

        The seconds that it took stand beside it: a result is the same whenever and wherever it is made.
        """
        folder = make_folder(self.trial(trial))
        settings = {"settings": trial.settings, "seed": trial.seed, "seconds": round(seconds, 3)}
        write_text(folder / SETTINGS, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        content = {"digest": trial.digest, "settings": trial.settings, "seed": trial.seed, "figures": figures}
        write_text(folder / RESULT, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")

    def forget(self, trial: Trial) -> None:
        """Remove what a trial gave, so that it runs again."""
        shutil.rmtree(self.trial(trial), ignore_errors=True)

    def unreadable(self, trials: Iterable[Trial]) -> list[Path]:
        """Return folders of trials that hold a result which cannot be read."""
        found = []
        for trial in trials:
            file = self.trial(trial) / RESULT
            if os.path.lexists(file) and self.result(trial) is None:
                found.append(file)
        return found


def combination(settings: dict[str, Any], seed: int) -> str:
    """Return settings and seed as one text."""
    return json.dumps([settings, seed], sort_keys=True)


def _content(folder: Path) -> dict[str, Any] | None:
    """Return a trial's result as it stands in its folder, None where there is none that is whole."""
    try:
        text = (folder / RESULT).read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_refused)
    except (OSError, ValueError, RecursionError):
        return None
    kinds = {"digest": str, "settings": dict, "seed": int, "figures": dict}
    fits = isinstance(content, dict) and all(isinstance(content.get(key), kind) for key, kind in kinds.items())
    return content if fits and content["figures"] and content["digest"] == folder.name else None


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def code_digest() -> str:
    """Return the sha256 of the program that computes results: its sources and profiles."""
    digest = hashlib.sha256()
    seen: set[Path] = set()
    for package in PACKAGES:
        root = Path(str(files(package)))
        for file in sorted({found for pattern in SOURCES for found in root.rglob(pattern)} - seen):
            seen.add(file)
            digest.update(f"{package} {file.relative_to(root).as_posix()}".encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()

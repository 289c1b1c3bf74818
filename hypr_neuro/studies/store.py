"""The folder of a study: the study itself, and a folder a trial, finished where it holds a result."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from hypr_neuro.errors import InputError
from hypr_neuro.files.kinds import STUDY as KIND
from hypr_neuro.files.kinds import require_kind
from hypr_neuro.files.lock import alone_in
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.studies.spec import Study, parse_study
from hypr_neuro.studies.trials import HOW_MANY, Trial

STUDY, TRIALS = "study.yaml", "trials"
SETTINGS, RESULT = "settings.yaml", "result.json"
HALVES = (f".{STUDY}.", f".{SETTINGS}.", f".{RESULT}.")
"""What names of files begin with that are not written to their end."""
SECONDS = re.compile(r"^((?:training )?seconds): (\d+(?:\.\d+)?)$", re.MULTILINE)
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

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder, created if need be, so that no other process runs a study in it meanwhile."""
        require_kind(self.path, KIND)
        make_folder(self.path)
        with alone_in(self.path, "study"):
            yield

    def open(self, study: Study) -> list[str]:
        """Create the folder, or take up the one of the same study, whose values, seeds and trials may be others.

        Returns
        -------
        list of str
            Which of "vary" and "set" were others.

        Raises
        ------
        InputError
            For a folder that holds another study, or something else than studies.
        """
        require_kind(self.path, KIND)
        make_folder(self.path / TRIALS)
        _remove_halves(self.path)
        file = self.path / STUDY
        changed = []
        if file.is_file():
            held = self._held()
            changed = [key for key in ("vary", "set") if getattr(held, key) != getattr(study, key)]
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
        return changed

    def _held(self) -> Study:
        try:
            return self.study()
        except InputError as error:
            raise InputError(f"{error}; remove that file: it is written anew, and finished trials stay") from error

    def require_free(self, trials: Iterable[Trial]) -> None:
        """Raise InputError where something else stands in the place of a trial's folder or result.

        Before it runs: what it gives could not be kept.
        """
        for trial in trials:
            folder = self.trial(trial)
            file = folder / RESULT
            for path, is_right in ((folder, folder.is_dir()), (file, file.is_file())):
                if not is_right and os.path.lexists(path):
                    kind = "folder" if path == folder else "result"
                    raise InputError(f"'{path}' stands where the {kind} of trial {trial.number} belongs; move it away")

    def study(self) -> Study:
        """Read the study; InputError for a folder without one."""
        file = self.path / STUDY
        if not file.is_file():
            raise InputError(f"folder '{self.path}' holds no study ({STUDY}); `hypr-neuro study run FILE` makes one")
        return parse_study(load_yaml(file, "study"), f"study '{file}'")

    def not_of(self, trials: Iterable[Trial]) -> int:
        """Return how many finished trials the folder has that are none of these: of other values, sources or data."""
        digests = {trial.digest for trial in trials}
        folder = self.path / TRIALS
        return sum(name not in digests and (folder / name / RESULT).is_file() for name in _names_in(str(folder)))

    def trial(self, trial: Trial) -> Path:
        """Return the folder of a trial."""
        return self.path / TRIALS / trial.digest

    def result(self, trial: Trial) -> dict[str, Any] | None:
        """Return what a trial gave, None where it is not finished: no result, or one that is not whole."""
        content = _content(f"{self.path}/{TRIALS}", trial.digest)
        return None if content is None else content["figures"]

    def results(self, trials: Iterable[Trial]) -> dict[str, dict[str, Any]]:
        """Return what the finished ones of these trials gave, by digest, in their order."""
        folder = f"{self.path}/{TRIALS}"
        found = ((t.digest, _content(folder, t.digest)) for t in trials)
        return {digest: content["figures"] for digest, content in found if content is not None}

    def earlier(self, trials: Sequence[Trial], present: Container[str] = ()) -> dict[str, dict[str, Any]]:
        """Return what trials with the same settings and seed gave under other digests, by digest of today.

        That is a result of other sources of the program, or of other data: still a figure, but not of this study.
        Folders of digests that are `present` are passed over.
        """
        wanted = {combination(t.told, t.seed): t.digest for t in trials}
        known = set(wanted.values())
        found: dict[str, tuple[float, dict[str, Any]]] = {}
        folder = f"{self.path}/{TRIALS}"
        for name in _names_in(folder):
            content = None if name in known or name in present else _content(folder, name)
            digest = None if content is None else wanted.get(combination(content["settings"], content["seed"]))
            if content is not None and digest is not None:
                when = os.stat(f"{folder}/{name}/{RESULT}").st_mtime
                found[digest] = max(found.get(digest, (0.0, {})), (when, content["figures"]), key=lambda pair: pair[0])
        return {digest: figures for digest, (_, figures) in found.items()}

    def keep(self, trial: Trial, figures: dict[str, Any], seconds: float, training: float = 0.0) -> None:
        """Write what a trial gave; its folder counts as finished from the moment when the result is whole.

        The seconds that it took, and those of its start network's training, stand beside it: a result is the same
        whenever and wherever it is made.
        """
        folder = make_folder(self.trial(trial))
        _remove_halves(folder)
        settings = {"settings": trial.told, "seed": trial.seed, "seconds": round(seconds, 3)}
        if training:
            settings["training seconds"] = round(training, 3)
        write_text(folder / SETTINGS, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        content = {"digest": trial.digest, "settings": trial.told, "seed": trial.seed, "figures": figures}
        write_text(folder / RESULT, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")

    def seconds(self, trial: Trial) -> float:
        """Return the seconds that a finished trial took, NaN where that is not known."""
        return self._taken(trial, "seconds")

    def training_seconds(self, trial: Trial) -> float:
        """Return the seconds of the training of its start network, NaN where there was none."""
        return self._taken(trial, "training seconds")

    def _taken(self, trial: Trial, name: str) -> float:
        """Return seconds of a trial, read as the line that they stand in: YAML takes a hundred times as long."""
        try:
            text = (self.trial(trial) / SETTINGS).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return math.nan
        return {key: float(number) for key, number in SECONDS.findall(text)}.get(name, math.nan)

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


def _remove_halves(folder: Path) -> None:
    """Remove what a process that was killed while writing left behind."""
    for name in _names_in(str(folder)):
        if name.startswith(HALVES):
            (folder / name).unlink(missing_ok=True)


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


DECODER = json.JSONDecoder(parse_constant=_refused)
KINDS = {"digest": str, "settings": dict, "seed": int, "figures": dict}
"""What a result holds."""


def _content(folder: str, digest: str) -> dict[str, Any] | None:
    """Return a trial's result as it stands in its folder, None where there is none that is whole.

    Paths are texts here: a `Path` takes as long as the file.
    """
    try:
        with open(f"{folder}/{digest}/{RESULT}", encoding="utf-8") as file:
            content = DECODER.decode(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    fits = isinstance(content, dict) and all(isinstance(content.get(key), kind) for key, kind in KINDS.items())
    if not fits or content["digest"] != digest:
        return None
    return content if content["figures"] and all(map(_is_figure, content["figures"].values())) else None


def _is_figure(value: object) -> bool:
    """Tell whether a value can stand in a result: JSON also reads 1e999, which is infinite, and numbers without end."""
    if isinstance(value, (int, float)):
        return -sys.float_info.max <= value <= sys.float_info.max
    return value is None or isinstance(value, (str, list))


def code_digest() -> str:
    """Return the sha256 of the program that computes results: its sources and profiles, wherever it is installed."""
    digest = hashlib.sha256()
    found: dict[str, Path] = {}
    for package in PACKAGES:
        root, name = Path(str(files(package))), package.replace(".", "/")
        for file in (file for pattern in SOURCES for file in root.rglob(pattern)):
            found[f"{name}/{file.relative_to(root).as_posix()}"] = file
    for place, file in sorted(found.items()):
        digest.update(place.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()

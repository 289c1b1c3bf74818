"""Everything of a study in one folder, to be handed on: file, tables, page, figures, the chosen chip."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hypr_neuro.errors import InputError
from hypr_neuro.files.store import make_folder
from hypr_neuro.studies.choose import Costs, profile_of
from hypr_neuro.studies.page import page_of
from hypr_neuro.studies.pareto import COST
from hypr_neuro.studies.pictures import pictures_of, tried
from hypr_neuro.studies.plot import KINDS, as_file
from hypr_neuro.studies.results import WITHIN, StudyResults
from hypr_neuro.studies.store import STUDY
from hypr_neuro.studies.table import as_csv, as_json
from hypr_neuro.studies.work import WARNED

CHIP, FIGURES = "chip.yaml", "figures"
TABLES = ("table.csv", "table.json", "table.html", "trials.csv")
ENDINGS = ("svg", "png")
NAMES = {STUDY, CHIP, *TABLES, *(f"{FIGURES}/{kind}.{ending}" for kind in KINDS for ending in ENDINGS)}
"""Files that an export can hold."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes
    ----------
    folder, files
        Where, and which names.
    left_out
        Name and reason of what the table does not give.
    """

    folder: Path
    files: list[str]
    left_out: list[tuple[str, str]]


def export(results: StudyResults, folder: Path, within: float = WITHIN, least: Costs = COST) -> Export:
    """Write study file, tables, page, figures and the chosen profile into a folder, all of them or none.

    Parameters
    ----------
    results
        Of the study.
    folder
        New, empty, or an earlier export, which is replaced.
    within, least
        What is good enough and what shall be small, see `studies.choose.choose`.

    Raises
    ------
    InputError
        For a study of which nothing is finished, a folder that holds anything else, and one that cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    if not results.trials:
        raise InputError("study export: no trial is finished yet, rule: one or more; run the study first")
    _check_free(folder)
    files, left_out = _contents(results, within, least)
    parent = make_folder(folder.parent)
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    except OSError as error:
        raise InputError(f"cannot write '{folder}': {error.strerror}; choose a writable place") from error
    try:
        for name, content in files.items():
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_bytes(content)
        made.chmod(0o755)
        _put(made, folder)
    except OSError as error:
        raise InputError(f"cannot write '{folder}': {error.strerror or error}; choose a writable place") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Export(folder, sorted(files), left_out)


def _check_free(folder: Path) -> None:
    """Raise InputError for a folder that holds what no export wrote."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"--out '{folder}' is a file, rule: a folder; give a new one")
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {FIGURES}
    others = sorted(held - NAMES)
    if others or (held and not {STUDY, "trials.csv"} <= held):
        name = others[0] if others else min(held)
        raise InputError(f"--out '{folder}' holds '{name}', rule: empty or an earlier export; give a new folder")


def _put(made: Path, folder: Path) -> None:
    """Give the finished folder its name; an earlier export is moved away before and removed after."""
    if not folder.exists():
        os.rename(made, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    os.rename(folder, old / folder.name)
    try:
        os.rename(made, folder)
    except OSError:
        os.rename(old / folder.name, folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _contents(results: StudyResults, within: float, least: Costs) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
    """Return the content of every file by name, and what is left out."""
    study = results.study.model_dump(mode="json", by_alias=True)
    files = {
        STUDY: _yaml(study),
        "table.csv": as_csv(results.rows).encode(),
        "table.json": as_json(results.rows).encode(),
        "table.html": page_of(results, within, least).encode(),
        "trials.csv": as_csv(_flat(results.trials)).encode(),
    }
    pictures, left_out = pictures_of(results, within, least)
    for picture in pictures:
        for ending in ENDINGS:
            files[f"{FIGURES}/{picture.name}.{ending}"] = as_file(picture, results.study.title, ending)
    profile, reason = tried(lambda: profile_of(results.study, results.choose(within, least).row))
    if profile is None:
        left_out.append((CHIP, reason))
    else:
        files[CHIP] = _yaml(profile.dump())
    return files, left_out


def _yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()


def _flat(trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows whose warnings are one text each."""
    return [row | ({WARNED: "; ".join(row[WARNED])} if WARNED in row else {}) for row in trials]

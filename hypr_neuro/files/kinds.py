"""What a folder holds: a run, a study or a compiled network. Files of two kinds would write over each other."""

from __future__ import annotations

import json
from pathlib import Path

from hypr_neuro.errors import InputError

RUN, STUDY, COMPILED = "a run", "a study", "a compiled network"
MARKS = {RUN: "results", STUDY: "study.yaml", COMPILED: "manifest.json"}
"""File or folder by which each is known."""


def kinds_in(folder: Path) -> list[str]:
    """Return what a folder holds, [] for none of these."""
    found = [RUN] if (folder / MARKS[RUN]).is_dir() else []
    found += [STUDY] if (folder / MARKS[STUDY]).is_file() and (folder / "trials").is_dir() else []
    return found + ([COMPILED] if _names_a_target(folder / MARKS[COMPILED]) else [])


def require_kind(folder: Path, kind: str) -> None:
    """Raise InputError, naming what lies there, for a folder that holds things of other kinds alone."""
    found = kinds_in(folder)
    if found and kind not in found:
        raise InputError(f"'{folder}' holds {found[0]} ({MARKS[found[0]]}), rule: {kind}; choose another folder")


def _names_a_target(manifest: Path) -> bool:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "target" in content and "files" in content

"""Where the rows of a run under Lava lie."""

from __future__ import annotations

from pathlib import Path


def record_path(folder: Path, place: int) -> Path:
    """Return the file of the population at a place: by number, as names may hold any characters."""
    return folder / f"{place}.npy"

"""Finished runs of a comparison in a folder, so that one that was interrupted goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypr_neuro.files.store import load_arrays, make_folder, save_arrays
from hypr_neuro.numbers.arrays import Array

KIND = "hypr-neuro compared run"


class KeptRuns:
    """Runs by a key that names all they start from; a file each, whole or not there.

    Parameters
    ----------
    folder
        Made when a run is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Return figures and arrays of a run, None of one that is not finished."""
        path = self._path(key)
        if not path.is_file():
            return None
        meta, arrays = load_arrays(path, KIND)
        return meta["figures"], {name: arrays[f"array {i}"] for i, name in enumerate(meta["names"])}

    def write(self, key: str, figures: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Keep a finished run."""
        make_folder(self.folder)
        named = {f"array {i}": array for i, array in enumerate(arrays.values())}
        save_arrays(self._path(key), KIND, {"figures": figures, "names": list(arrays)}, named)

    def unfinished(self, key: str) -> Path:
        """Return the folder in which a run keeps its own checkpoints."""
        return make_folder(self.folder / "unfinished" / key)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.h5"

"""Finished runs of a comparison in a folder, so that one that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.files.store import load_arrays, make_folder, save_arrays
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

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

    def drop(self, key: str) -> None:
        """Throw a run away, if it is there."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.h5"


def run_key(
    name: str, qnet: QuantizedNetwork, data: SequenceData, epochs: int, part: str, options: LearnOptions | int
) -> str:
    """Name a run by all that it starts from: network, profile, data, options, or a seed in their place."""
    described = options if isinstance(options, int) else options.described()
    scales = [(p.state_scale, p.current_scale, p.constants.tolist()) for p in qnet.populations]
    links = [(c.source, c.target, c.exponent, c.trainable) for c in qnet.connections]
    text = repr((name, epochs, part, described, integer_digest(qnet), qnet.profile.dump(), scales, links))
    digest = data_digest(data, text, {})
    word = "".join(c if c.isalnum() or c in "+-_" else "_" for c in name)[:60]
    return f"{word}-{digest[:16]}"


def integer_digest(qnet: QuantizedNetwork) -> str:
    """Return the sha256 of all integers that learning may change."""
    digest = hashlib.sha256()
    for mantissas in qnet.weights().values():
        digest.update(np.ascontiguousarray(mantissas, np.int64).tobytes())
    for p in qnet.populations:
        digest.update(np.ascontiguousarray(p.per_neuron, np.int64).tobytes())
    return digest.hexdigest()

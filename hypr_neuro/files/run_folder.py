"""A run folder: artefacts, and a JSON file for each section of the report.

    network.h5  network.nir  quantized.h5  learned.h5  results/<section>.json  report.html  report.json

Every command that is given a run folder adds its section; `report` puts together whatever is there.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.kinds import RUN, require_kind
from hypr_neuro.files.store import make_folder, write_text

SECTIONS = (
    "title",
    "command",
    "seed",
    "created",
    "versions",
    "seconds",
    "data",
    "network",
    "profile",
    "training",
    "accuracy",
    "squared_error",
    "nir",
    "quantization",
    "placement",
    "lava",
    "learning",
    "devices",
    "causes",
    "faults",
    "widths",
    "raster",
    "commands",
)
SOURCE = "source"
"""Section that later commands read and the report leaves out: where the data come from."""
FINISHED = "finished"
"""Another one: what a demonstration that is finished was made with."""


class RunFolder:
    """Read and write the sections of a run; refuse a folder that holds a study or a compiled network."""

    def __init__(self, path: str | Path, create: bool = True) -> None:
        self.path = Path(path)
        if create:
            require_kind(self.path, RUN)
            make_folder(self.path)
        elif not (self.path / "results").is_dir():
            raise InputError(
                f"'{self.path}' is no run folder (it has no 'results'); give the --out of an earlier command"
            )

    def file(self, name: str) -> Path:
        """Return the path of an artefact."""
        return self.path / name

    def write(self, section: str, content: Any) -> Any:
        """Write one section, whole or not at all; return the content."""
        assert section in (*SECTIONS, SOURCE, FINISHED), section
        write_text(make_folder(self.path / "results") / f"{section}.json", to_json(content))
        return content

    def merge(self, section: str, content: dict[str, Any]) -> dict[str, Any]:
        """Write one section over what it already holds; return all of it."""
        merged: dict[str, Any] = (self.read(section) or {}) | content
        self.write(section, merged)
        return merged

    def read(self, section: str) -> Any:
        """Return one section, None if it has not been written."""
        path = self.path / "results" / f"{section}.json"
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FileFormatError(f"'{path}' is damaged ({error}); run the command that writes it again") from error

    def results(self) -> dict[str, Any]:
        """Return every section that has been written."""
        sections = {section: self.read(section) for section in SECTIONS}
        return {k: v for k, v in sections.items() if v is not None}


def to_json(content: Any) -> str:
    """Return JSON text; numpy numbers become plain ones, NaN and infinity null."""
    return json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return the value in Python's own types."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

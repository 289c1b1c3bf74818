"""What the report says of a run as a whole: its data, the commands that repeat it, seed, time and versions."""

from __future__ import annotations

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.workflow.describe import describe_data


def note_run(folder: RunFolder, title: str, command: str, seed: int) -> None:
    """Write what the report says of the run as a whole: title, command, seed, time, versions."""
    folder.write("title", title)
    folder.write("command", command)
    folder.write("seed", seed)
    _note_versions(folder)


def _note_versions(folder: RunFolder) -> None:
    """Write the time and the versions of what computes."""
    folder.write("created", time.strftime("%Y-%m-%d %H:%M:%S"))
    names = ["hypr-neuro", "numpy", "numba", "nir", "h5py", "scikit-learn", "lava-nc"]
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    folder.write("versions", versions)


def note_stage(folder: RunFolder, data: SequenceData, title: str, command: str, seed: int) -> None:
    """Write what the report says of the run as far as no earlier stage has, and add the command of this one."""
    if folder.read("title") is None:
        folder.write("title", title)
        folder.write("seed", seed)
        _note_versions(folder)
    if folder.read("data") is None:
        note_data(folder, data)
    commands = [line for line in folder.read("commands") or [] if line != command]
    folder.write("commands", [*commands, command])


def note_data(folder: RunFolder, data: SequenceData, note: str = "") -> dict[str, Any]:
    """Write section "data" and return it."""
    return dict(folder.write("data", describe_data(data) | {"note": note}))

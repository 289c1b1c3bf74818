"""What a demonstration that is finished was made with, so that the same command has nothing to do."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import InputError
from hypr_neuro.files.run_folder import FINISHED, RunFolder
from hypr_neuro.files.store import content_digest
from hypr_neuro.profiles.profile import Profile

FILES = ("network.h5", "network.nir", "quantized.h5", "report.html", "report.json")
KEPT = ("data", "profile", "seed")
"""Settings that a folder keeps: under others it would hold parts of two runs."""


def made_with(data: SequenceData, profile: Profile, seed: int, epochs: int) -> dict[str, Any]:
    """Return the settings of a demonstration as plain data, with digests of the data and of the profile's numbers."""
    return {
        "data": data.name,
        "profile": profile.name,
        "seed": seed,
        "epochs": epochs,
        "version": version("hypr-neuro"),
        "digests": [data_digest(data, "", {}), content_digest(repr(profile.dump()), {})],
    }


def holds(folder: RunFolder, settings: dict[str, Any]) -> bool:
    """Tell whether a run folder holds a finished demonstration of these settings.

    Raises
    ------
    InputError
        Where it holds one of other data, another profile or seed, naming both.
    """
    stored = folder.read(FINISHED)
    if not isinstance(stored, dict):
        return False
    told = [f"{key} {stored.get(key)} there, {settings[key]} here" for key in KEPT if stored.get(key) != settings[key]]
    if not told and stored.get("digests") != settings["digests"]:
        told = ["other numbers of the data or of the profile"]
    if told:
        raise InputError(
            f"'{folder.path}' holds another demonstration ({', '.join(told)}); choose another folder, or delete it"
        )
    return stored == settings and all(folder.file(name).is_file() for name in FILES)

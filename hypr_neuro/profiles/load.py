"""Profiles out of files: by name or path, with what they extend filled in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hypr_neuro.errors import ProfileError, among
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.graph.spec import describe
from hypr_neuro.profiles.chip import Profile
from hypr_neuro.profiles.rules import as_mapping


def profile_names() -> list[str]:
    """Return the names of the profiles that come with hypr-neuro."""
    folder = files("hypr_neuro.hardware_profiles")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_profile(name: str | Path | Profile, override: Mapping[str, Any] | None = None) -> Profile:
    """Return a profile.

    Parameters
    ----------
    name
        Of a profile that comes with hypr-neuro, the path of a YAML file (anything that ends in .yaml or .yml), or a
        profile, which is returned as it is.
    override
        Numbers to change, such as {"precision.weight_bits": 4}, see `profiles.override`.

    Raises
    ------
    ProfileError
        For whatever is wrong, unknown keys included; the error names file and key.
    """
    if override:
        from hypr_neuro.profiles.override import overridden

        return overridden(load_profile(name), override)
    if isinstance(name, Profile):
        return name
    path = _find(str(name), None)
    return parse_profile(_merged(path, ()), str(path))


def parse_profile(data: Any, where: str) -> Profile:
    """Return a profile from plain data; `where` names the source in errors."""
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError(f"profile '{where}': {describe(error, Profile)}") from error


def profile_schema() -> dict[str, Any]:
    """Return the JSON schema of a profile file, for editors (a file may also hold `extends`)."""
    schema = Profile.model_json_schema()
    schema["properties"]["extends"] = {"type": "string", "description": "profile to start from"}
    return schema


def merged(name: str | Path) -> dict[str, Any]:
    """Return a profile's plain data, what it extends filled in; nothing of it is checked yet.

    Raises
    ------
    InputError
        For a file that cannot be read or is no mapping, an unknown name, and files that extend one another.
    """
    return _merged(_find(str(name), None), ())


def _find(name: str, relative_to: Path | None) -> Path:
    """Return the file of a name or path; a relative path starts from the folder of the file that extends it."""
    if name.endswith((".yaml", ".yml")):
        path = relative_to.parent / name if relative_to and not Path(name).is_absolute() else Path(name)
        if not path.is_file():
            raise ProfileError(f"profile file '{path}' does not exist; known names: {', '.join(profile_names())}")
        return path
    if name not in profile_names():
        raise ProfileError(f"unknown profile {among(name, profile_names())}, or the path of a .yaml file")
    return Path(str(files("hypr_neuro.hardware_profiles").joinpath(f"{name}.yaml")))


def _merged(path: Path, seen: tuple[str, ...]) -> dict[str, Any]:
    """Return the file's content over that of the profile it extends."""
    path = path.resolve()
    if str(path) in seen:
        raise ProfileError(f"profile '{path}': 'extends' goes in a circle: {' -> '.join([*seen, str(path)])}")
    data = load_yaml(path, "profile")
    if not isinstance(data, dict):
        raise ProfileError(f"profile '{path}': a mapping is expected, found {type(data).__name__}")
    base = data.pop("extends", None)
    if base is None:
        return data
    data.setdefault("name", path.stem)  # else nothing would tell it from what it extends
    if not isinstance(base, str):
        raise ProfileError(f"profile '{path}': key 'extends' = {base!r}, rule: a name or the path of a .yaml file")
    try:
        file = _find(base, path)
    except ProfileError as error:
        raise ProfileError(f"profile '{path}': key 'extends': {error}") from error
    start = _merged(file, (*seen, str(path)))
    for part in (data, start):
        if "rules" in part:
            part["rules"] = as_mapping(part["rules"])
    if isinstance(data.get("rules"), dict) and isinstance(start.get("rules"), dict):
        # a later rule wins: those of this file come last
        for name in data["rules"]:
            if name in start["rules"]:
                start["rules"][name] = start["rules"].pop(name)
    return _overlay(start, data)


def _overlay(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `override` put over it, level by level.

    Another number is no longer that of the source, nor of the chip, that the first one was of.
    """
    merged = dict(base)
    for key, value in override.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        if nested and "value" in value:
            merged[key] = {"unit": merged[key]["unit"], **value} if "unit" in merged[key] else value
        else:
            merged[key] = _overlay(merged[key], value) if nested else value
    return merged

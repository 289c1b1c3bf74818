"""What the command line says of a study: fields and values, one value, what is sought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.cli.options import key_value

if TYPE_CHECKING:
    from hypr_neuro.studies.spec import Study

STUDY = "study.yaml"
"""What a study's folder holds it in."""


def study_of(
    file: Path | None,
    given: dict[str, Any],
    options: list[str],
    vary: list[str] | None,
    constant: list[str] | None,
    objectives: list[str] | None,
) -> Study:
    """Return the study of a file, with what the command line says in place of it, or that of the command line.

    Parameters
    ----------
    file
        Study file, or None.
    given
        Values by key of the study, None where the command line says nothing.
    options
        Of the data, KEY=VALUE.
    vary, constant, objectives
        As they are written.
    """
    from hypr_neuro.errors import InputError
    from hypr_neuro.studies.spec import from_folder, load_study, parse_study

    said = {name: str(v) if isinstance(v, Path) else v for name, v in given.items() if v is not None}
    if file is not None and file.is_dir():
        file /= STUDY
    if vary:
        said["vary"] = _each_once("--vary", [_field(text) for text in vary])
    if constant:
        said["set"] = _each_once("--set", [_value(text) for text in constant])
    if objectives:
        said["objectives"] = dict(_objective(text) for text in objectives)
    if file is None:
        if "vary" not in said:
            raise InputError("study run: give a study file, or --vary, such as --vary weight_bits=2:8")
        said |= _data(said, options)
        return from_folder(parse_study({"run": "quantize"} | said, "study"), Path.cwd())
    stated = load_study(file).model_dump(mode="json", by_alias=True)
    if options:
        said["data_options"] = stated["data_options"] | dict(key_value(text) for text in options)
    return from_folder(parse_study(stated | said, f"study '{file}'"), Path.cwd())


def _each_once(option: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs by name; InputError for a name that is given twice."""
    from hypr_neuro.errors import InputError

    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f"{option} {name} is given twice, rule: once; list its values, such as {name}=2,4,8")
        found[name] = value
    return found


def _data(said: dict[str, Any], stated: list[str]) -> dict[str, Any]:
    """Return the data of the command line, or those that the network's run folder remembers."""
    from hypr_neuro.cli.run_data import choose_data

    network, folder = (None if said.get(name) is None else Path(said[name]) for name in ("network", "data_dir"))
    source = choose_data(said.get("data"), folder, 0, stated, network=network)
    options = dict(key_value(text) for text in source.options) | ({"seed": source.seed} if source.seed else {})
    return {"data": source.name, "data_options": options} | (
        {} if source.folder is None else {"data_dir": source.folder}
    )


def _field(text: str) -> tuple[str, Any]:
    """Return name and values of NAME=FROM:TO, NAME=FROM:TO:STEP, NAME=FROM:TO:log or NAME=A,B,C."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.yaml_file import parse_yaml

    name, equals, values = text.partition("=")
    if not name or not equals or not values:
        raise InputError(f"--vary {text}: rule: NAME=FROM:TO, NAME=FROM:TO:STEP, NAME=FROM:TO:log or NAME=A,B,C")
    parts = values.split(":")
    log = len(parts) == 3 and parts[2] == "log"
    ends = [_as_number(part) for part in parts[: 2 if log else 3]]
    if 2 <= len(ends) == len(parts) - log and None not in ends:
        return name, dict(zip(("from", "to", "step"), ends, strict=False)) | ({"log": True} if log else {})
    return name, [parse_yaml(value, f"--vary {text}") for value in values.split(",")]


def _as_number(text: str) -> int | float | None:
    """Return a number as it is written, None for what is none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _objective(text: str) -> tuple[str, str]:
    """Return column and direction of COLUMN=max, COLUMN=min, or COLUMN, whose name says it."""
    from hypr_neuro.studies.columns import direction_of

    name, equals, direction = text.rpartition("=")
    return (name, direction) if equals else (text, direction_of(text))


def _value(text: str) -> tuple[str, Any]:
    """Return name and value of NAME=VALUE, as YAML reads it."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.yaml_file import parse_yaml

    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise InputError(f"--set {text}: rule: NAME=VALUE, such as training.epochs=5")
    return name, parse_yaml(value, f"--set {text}")

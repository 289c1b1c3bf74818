"""A study as a YAML file states it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator

from hypr_neuro.errors import InputError
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.graph.spec import describe
from hypr_neuro.studies.fields import PROFILE, full_name

Value = bool | int | FiniteFloat | str | None
Trials = Annotated[int, Field(ge=1, le=1_000_000)]
MOST_VALUES, MOST_TRIALS = 1000, 100_000
"""Values of one field, and trials of a study."""
FILES = (".npz", ".yaml", ".yml", ".h5", ".nir")
"""Endings of paths, which names of data sets and profiles do not have."""
OF_LEARNING = ("learn.", "learning.")
EXPONENTIAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


class Steps(BaseModel):
    """Whole numbers from one to another, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    first: int = Field(alias="from")
    last: int = Field(alias="to")
    step: Annotated[int, Field(ge=1)] = 1

    def values(self) -> range:
        """Return them in order, upwards or downwards."""
        step = self.step if self.last >= self.first else -self.step
        return range(self.first, self.last + (1 if step > 0 else -1), step)


class Study(BaseModel):
    """What is run, what varies, how often.

    Attributes
    ----------
    title
        In a line.
    run
        "quantize": integers beside float. "learn": learning on the chip from `start`. "compare": learning with the
        float rule beside it.
    network
        File of a trained network, or its specification, which is trained for each seed; None: that of the data set.
    data, data_dir, data_options
        Name of a data set or path of an .npz file, the folder of its files, and options of its loader.
    profile
        The chip.
    start
        Of learning: "trained" goes on from the quantized network, "disturbed" damages it first, "scratch" draws it
        anew.
    vary
        Values by the name of a field, see `study.fields`.
    set
        One value by name.
    trials
        None: every combination of values. A number: so many, drawn without repetition.
    seeds
        Of each combination; they count from 0, and are the same for all.
    part
        Of the data on which is scored; the other of validation and test stands beside it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = ""
    run: Literal["quantize", "learn", "compare"]
    network: str | dict[str, Any] | None = None
    data: str
    data_dir: str | None = None
    data_options: dict[str, Value] = Field(default_factory=dict)
    profile: str = "loihi2"
    start: Literal["trained", "disturbed", "scratch"] = "trained"
    vary: dict[str, Steps | Annotated[list[Value], Field(min_length=1, max_length=MOST_VALUES)]] = Field(min_length=1)
    set: dict[str, Any] = Field(default_factory=dict)
    trials: Trials | None = None
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    part: Literal["validation", "test"] = "validation"

    @field_validator("vary", "set")
    @classmethod
    def _in_full(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Give names in full."""
        result: dict[str, Any] = {}
        for name, value in given.items():
            full = full_name(name)
            if full in result:
                raise ValueError(f"'{full}' stands there twice, rule: once")
            result[full] = [_number(v) for v in value] if isinstance(value, list) else _number(value)
        return result

    @model_validator(mode="after")
    def _together(self) -> Study:
        both = [name for name in self.vary if name in self.set]
        if both:
            raise ValueError(f"'{both[0]}' stands under vary and under set, rule: under one of them")
        counts = []
        for name, given in self.vary.items():
            values = given.values() if isinstance(given, Steps) else given
            if len(values) > MOST_VALUES:
                raise ValueError(f"vary: '{name}' has {len(values)} values, rule: at most {MOST_VALUES}")
            if len({repr(v) for v in values}) < len(values):
                raise ValueError(f"vary: '{name}' has a value twice, rule: each once")
            counts.append(len(values))
        trials = self.seeds * min(prod(counts), self.trials or MOST_TRIALS + 1)
        if trials > MOST_TRIALS:
            raise ValueError(f"the study has {trials} trials, rule: at most {MOST_TRIALS}; draw some with trials: N")
        names = [*self.vary, *self.set]
        if isinstance(self.network, str) and any(name.startswith(("network.", "training.")) for name in names):
            raise ValueError(
                "network is a file, whose network is trained already, rule: fields network.… and training.… go with a "
                "specification"
            )
        if self.run == "quantize" and (any(n.startswith(OF_LEARNING) for n in names) or self.start != "trained"):
            raise ValueError(
                "run: quantize learns nothing on the chip, rule: fields learn.…, learning.… and start go with learn, "
                "compare"
            )
        if self.start == "scratch" and any(name.startswith("quantize.") for name in names):
            raise ValueError(
                "start: scratch draws integers of its own, rule: fields quantize.… go with trained, disturbed"
            )
        return self

    def values(self) -> dict[str, list[Any]]:
        """Return the values of what varies, by full name."""
        return {name: list(v.values() if isinstance(v, Steps) else v) for name, v in self.vary.items()}


def parse_study(data: object, where: str) -> Study:
    """Make a study of plain data; InputError naming `where`, key, value and rule."""
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: {type(data).__name__}, rule: a mapping with run, data and vary")
    try:
        return Study.model_validate(dict(data))
    except ValidationError as error:
        raise InputError(f"{where}: {describe(error, Study)}") from error


def load_study(path: str | Path) -> Study:
    """Read a study file; paths in it start from its folder.

    Raises
    ------
    InputError
        Naming file, key, value, rule and remedy.
    """
    path = Path(path)
    return from_folder(parse_study(load_yaml(path, "study"), f"study '{path}'"), path.parent)


def from_folder(study: Study, folder: Path) -> Study:
    """Return the study with paths that are whole, those of files starting from a folder."""

    def whole(value: Any) -> Any:
        is_file = isinstance(value, str) and Path(value).suffix in FILES
        return str((folder / value).absolute()) if is_file else value

    changed: dict[str, Any] = {key: whole(getattr(study, key)) for key in ("network", "data", "profile")}
    if study.data_dir is not None:
        changed["data_dir"] = str((folder / study.data_dir).absolute())
    if PROFILE in study.set:
        changed["set"] = study.set | {PROFILE: whole(study.set[PROFILE])}
    if isinstance(profiles := study.vary.get(PROFILE), list):
        changed["vary"] = study.vary | {PROFILE: [whole(value) for value in profiles]}
    return study.model_copy(update=changed)


def _number(value: Any) -> Any:
    """Return a text such as 1e-3, which YAML does not take for a number, as one."""
    return float(value) if isinstance(value, str) and EXPONENTIAL.fullmatch(value) else value

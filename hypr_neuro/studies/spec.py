"""A study as a YAML file states it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hypr_neuro.errors import InputError
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.graph.spec import describe
from hypr_neuro.studies.fields import PROFILE, full_name
from hypr_neuro.studies.plain import check_plain
from hypr_neuro.studies.stated import check_vary
from hypr_neuro.studies.variants import check_labels, check_places, fields_in, in_full

Value = bool | int | FiniteFloat | str | None
Number = Annotated[int, Strict()] | FiniteFloat
Direction = Literal["max", "min"]
Trials = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Name = Annotated[str, Field(max_length=1000)]
Sampler = Literal["grid", "random", "tpe", "nsga2", "one_at_a_time"]
WITHOUT_TRIALS = ("grid", "one_at_a_time")
"""Samplers whose values say how many combinations there are."""
MOST_VALUES, MOST_TRIALS = 1000, 100_000
"""Values of one field, and trials of a study."""
FILES = (".npz", ".yaml", ".yml", ".h5", ".nir")
"""Endings of paths, which names of data sets and profiles do not have."""
DRAWN = ("scratch", "integers")
"""Starts of learning that are drawn."""
Variants = Annotated[dict[str, dict[str, Any]], Field(min_length=1, max_length=MOST_VALUES)]
PLAN = "quantize.plan"
OF_LEARNING = ("learn.", "learning.")
EXPONENTIAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


class Span(BaseModel):
    """Numbers from one to another, both included: whole ones where both ends are, else fractions that are drawn.

    Attributes
    ----------
    first, last
        The ends, of which either may be the larger one; "from" and "to" in a file.
    step
        Between whole numbers.
    log
        Draw them evenly by their logarithm.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    first: Number = Field(alias="from")
    last: Number = Field(alias="to")
    step: Annotated[int, Field(ge=1, strict=True)] | None = None
    log: bool = False

    @field_validator("first", "last", mode="before")
    @classmethod
    def _as_written(cls, given: object) -> object:
        return _number(given)

    @model_validator(mode="after")
    def _together(self) -> Span:
        if not self.whole and self.step is not None:
            raise ValueError(f"step = {self.step} of fractions, rule: from and to are whole, or step is left out")
        if self.log and self.step not in (None, 1):
            raise ValueError(f"step = {self.step} with log, rule: one of them")
        if self.log and min(self.first, self.last) <= 0:
            raise ValueError(f"log with {min(self.first, self.last)}, rule: from and to are above 0")
        if not self.whole and self.first == self.last:
            raise ValueError(f"from and to are both {self.first}, rule: different ones; give a list of one value")
        return self

    @property
    def whole(self) -> bool:
        """Whether they are whole numbers."""
        return isinstance(self.first, int) and isinstance(self.last, int)

    @property
    def ends(self) -> tuple[float, float]:
        """The smaller end and the larger one."""
        return min(self.first, self.last), max(self.first, self.last)

    def values(self) -> range | None:
        """Return whole numbers in order, upwards or downwards; None of fractions, which have no next one."""
        if not (isinstance(self.first, int) and isinstance(self.last, int)):
            return None
        step = (self.step or 1) * (1 if self.last >= self.first else -1)
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
        anew, "integers" draws integers in ranges that the data set's settings state: no float network is trained.
    vary
        Values by the name of a field, see `study.fields`, or labelled sets of values by a name of one's own, see
        `study.variants`.
    set
        One value by name.
    sampler
        Which combinations are tried: "grid" all, "random" `trials` of them, "tpe" and "nsga2" `trials` of them that
        follow from what earlier ones gave, "one_at_a_time" the first value of each field and every other value of one
        field beside the first ones of all others. None: "grid", with `trials` "random".
    trials
        So many combinations.
    generation
        Combinations that "tpe" and "nsga2" choose at a time, before the results of any of them are known.
    objectives
        What is sought, by column of the table, "max" or "min"; empty: the best score. "tpe" and "nsga2" follow it.
    seeds
        Of each combination; they count from 0, and are the same for all.
    part
        Of the data on which is scored; the other of validation and test stands beside it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Name = ""
    run: Literal["quantize", "learn", "compare"]
    network: Name | dict[str, Any] | None = None
    data: Name
    data_dir: Name | None = None
    data_options: dict[str, Value] = Field(default_factory=dict)
    profile: Name = "loihi2"
    start: Literal["trained", "disturbed", "scratch", "integers"] = "trained"
    vary: dict[str, Span | Annotated[list[Value], Field(min_length=1, max_length=MOST_VALUES)] | Variants] = Field(
        min_length=1
    )
    set: dict[str, Any] = Field(default_factory=dict)
    sampler: Sampler | None = None
    trials: Trials | None = None
    generation: Annotated[int, Field(ge=2, le=10_000, strict=True)] = 10
    objectives: dict[str, Direction] = Field(default_factory=dict, max_length=4)
    seeds: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    part: Literal["validation", "test"] = "validation"

    @field_validator("vary", mode="before")
    @classmethod
    def _values(cls, given: object) -> object:
        check_vary(given)
        return given

    @field_validator("set")
    @classmethod
    def _plain(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name, value in given.items():
            check_plain(f"set.{name}", value)
        return given

    @field_validator("vary", "set")
    @classmethod
    def _in_full(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Give names in full."""
        result: dict[str, Any] = {}
        for name, value in given.items():
            labelled = info.field_name == "vary" and isinstance(value, dict)
            full = name if labelled else full_name(name)
            if full in result:
                raise ValueError(f"'{full}' stands there twice, rule: once")
            if labelled:
                result[full] = {label: _numbers(sets) for label, sets in in_full(name, value).items()}
            else:
                result[full] = [_number(v) for v in value] if isinstance(value, list) else _number(value)
        return result

    @model_validator(mode="after")
    def _together(self) -> Study:
        # what a label sets takes the place of what `set` says
        both = [name for name in self.vary if name in self.set]
        if both:
            raise ValueError(f"'{both[0]}' stands under vary and under set, rule: under one of them")
        check_places(self.vary)
        check_labels(self.vary, self.set)
        self._check_sampling()
        names = [*(field for field, _ in fields_in(self.vary)), *self.set]
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
        if any(isinstance(value, str) for name, value in self._given() if name == PLAN):
            raise ValueError(
                f"{PLAN} is a file, whose changes a study would not see, rule: rules by name in a label, such as "
                "vary: {widths: {mixed: {quantize.plan: {readout: {weight_bits: 4}}}}}, or fields weight_bits@readout"
            )
        if self.start in DRAWN and any(name.startswith("quantize.") for name in names):
            raise ValueError(
                f"start: {self.start} draws integers of its own, rule: fields quantize.… go with trained, disturbed"
            )
        if self.start == "integers" and any(name.startswith("training.") for name in names):
            raise ValueError(
                "start: integers trains no float network, rule: fields training.… go with trained, disturbed, scratch"
            )
        return self

    def _given(self) -> Iterator[tuple[str, Any]]:
        """Yield every value that is given, by full name."""
        yield from self.set.items()
        for name, values in self.vary.items():
            if isinstance(values, dict):
                yield from (pair for sets in values.values() for pair in sets.items())
            elif isinstance(values, list):
                yield from ((name, value) for value in values)

    def _check_sampling(self) -> None:
        """Raise ValueError for values without end or number, and for a sampler that does not go with them."""
        for name, values in self.values().items():
            # a range may have more values than `len` can say
            count = 1 + (values[-1] - values[0]) // values.step if isinstance(values, range) else len(values)
            if count > MOST_VALUES:
                raise ValueError(f"vary: '{name}' has {count} values, rule: at most {MOST_VALUES}; give a larger step")
            if len({repr(v) for v in values}) < len(values):
                raise ValueError(f"vary: '{name}' has a value twice, rule: each once")
            if self.chosen_sampler in WITHOUT_TRIALS and not values:
                raise ValueError(
                    f"vary: '{name}' has fractions without end, rule: a list of values; or draw some with trials: N"
                )
        if self.sampler in WITHOUT_TRIALS and self.trials is not None:
            raise ValueError(
                f"sampler: {self.sampler} with trials: {self.trials}, rule: all combinations, or sampler: random"
            )
        if self.sampler not in (None, *WITHOUT_TRIALS) and self.trials is None:
            raise ValueError(f"sampler: {self.sampler} without trials, rule: how many combinations, such as trials: 50")
        trials = self.seeds * self.count
        if trials > MOST_TRIALS:
            raise ValueError(f"the study has {trials} trials, rule: at most {MOST_TRIALS}; draw some with trials: N")

    @property
    def chosen_sampler(self) -> str:
        """The sampler, stated or not."""
        return self.sampler or ("grid" if self.trials is None else "random")

    @property
    def adaptive(self) -> bool:
        """Whether combinations depend on results."""
        return self.chosen_sampler in ("tpe", "nsga2")

    @property
    def count(self) -> int:
        """How many combinations the study has, once all are chosen."""
        counts = [len(values) for values in self.values().values()]
        if self.chosen_sampler == "one_at_a_time":
            return 1 + sum(counts) - len(counts)
        return self.trials or prod(counts)

    @property
    def base(self) -> dict[str, Any] | None:
        """The combination that differences are told from: the first values of "one_at_a_time"; None of others."""
        if self.chosen_sampler != "one_at_a_time":
            return None
        return {name: values[0] for name, values in self.values().items()}

    def stated(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that a combination sets by full name, labels resolved, what the study sets for all included."""
        made = dict(self.set)
        for name, value in settings.items():
            labelled = self.vary.get(name)
            made |= labelled[value] if isinstance(labelled, dict) else {name: value}
        return made

    def profiles(self) -> list[str]:
        """Return the names of all chips that trials can have."""
        if isinstance(given := self.vary.get(PROFILE), list):
            return [str(name) for name in given]
        named = [self.set.get(PROFILE, self.profile)]
        sets = [sets for labelled in self.vary.values() if isinstance(labelled, dict) for sets in labelled.values()]
        return list(dict.fromkeys([*named, *(one[PROFILE] for one in sets if PROFILE in one)]))

    def values(self) -> dict[str, Sequence[Any]]:
        """Return the values of what varies, by full name; none of a span of fractions, of labelled sets the labels."""
        return {name: (v.values() or []) if isinstance(v, Span) else list(v) for name, v in self.vary.items()}


def parse_study(data: object, where: str) -> Study:
    """Make a study of plain data; InputError naming `where`, key, value and rule."""
    if not isinstance(data, Mapping):
        held = "nothing" if data is None else f"{data!r:.60}"
        raise InputError(f"{where} holds {held}, rule: a mapping with run, data and vary, see docs/studies.md")
    try:
        return Study.model_validate(dict(data))
    except ValidationError as error:
        # without what pydantic says of the same, in its own words
        raise InputError(f"{where}: {describe(error, Study)}") from None


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
    changed["vary"] = dict(study.vary)
    for name, values in study.vary.items():
        if name == PROFILE and isinstance(values, list):
            changed["vary"][name] = [whole(value) for value in values]
        elif isinstance(values, dict):
            changed["vary"][name] = {
                label: sets | {PROFILE: whole(sets[PROFILE])} if PROFILE in sets else sets
                for label, sets in values.items()
            }
    return study.model_copy(update=changed)


def _numbers(sets: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in sets.items()}


def _number(value: Any) -> Any:
    """Return a text such as 1e-3, which YAML does not take for a number, as one."""
    return float(value) if isinstance(value, str) and EXPONENTIAL.fullmatch(value) else value

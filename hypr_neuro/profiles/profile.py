"""Hardware profiles: one YAML file a chip, every number with unit and source.

A number is written ``{value: 8, unit: bit, source: "…"}``. ``extends: NAME`` takes another profile as the start and
overrides single keys, so that a study varies one field. What is not published is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from hypr_neuro.errors import ProfileError, among
from hypr_neuro.files.sizes import parse_size
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.graph.clock import Clock, clock_of_layers
from hypr_neuro.graph.spec import describe
from hypr_neuro.neurons.base import FixedFormat
from hypr_neuro.numbers.fixed_point import ROUNDING
from hypr_neuro.numbers.registry import without_record
from hypr_neuro.shown import Shown, as_html, as_text

FORMAT_FIELDS = {entry.name for entry in fields(FixedFormat)}
"""What a neuron's `to_fixed` needs; most of it a profile says under the same name."""
T = TypeVar("T")


NO_UNIT = "-"
"""Unit of what has none; any number may leave its unit unsaid so."""
UNITS = {
    "step": ("connection_delay", "error_latency", "delay"),
    "bit": ("threshold_shift", "eligibility_fraction", "synaptic_memory"),
    "log2": ("weight_exponent_min", "weight_exponent_max", "bias_exponent_max"),
    "1": ("state_headroom",),
    "neuron": ("neurons",),
    "axon": ("in_axons", "out_axons"),
    "synapse": ("fan_in",),
    "core": ("cores",),
    "byte": ("flash", "ram", "sram", "stack"),
    "pJ": ("neuron_update", "spike_out", "synapse", "axon_out", "weight_update"),
    "ns": ("neuron_update_time", "spike_out_time", "synapse_time", "barrier_time", "weight_update_time"),
}
"""Keys by the unit that their numbers are read in; those that end in ``_bits`` are bits, all others have none."""


def unit_of(key: str) -> str:
    """Return the unit of a profile's key, the last part of its name."""
    named = next((unit for unit, keys in UNITS.items() if key in keys), NO_UNIT)
    return "bit" if key.endswith("_bits") else named


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as plain data: parametrised classes, such as Quantity[bool], have no name to be found by."""
        kind = self.__pydantic_generic_metadata__["origin"] or type(self)
        return kind.model_validate, (self.model_dump(exclude_none=True),)


class _Section(_Strict):
    """A part of a profile of which every key is a `Quantity`."""

    @field_validator("*")
    @classmethod
    def _in_its_unit(cls, quantity: Any, info: ValidationInfo) -> Any:
        unit = unit_of(str(info.field_name))
        if quantity is not None and quantity.unit not in (unit, NO_UNIT):
            raise PydanticCustomError(
                "wrong_unit",
                "unit '{given}', rule: '{unit}', in which the number is read; write it in this unit",
                {"given": quantity.unit, "unit": unit},
            )
        return quantity


class Quantity(_Strict, Generic[T]):
    """A number with its unit and its source; `chip` names the chip it was published for, where that is another one."""

    value: T
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)
    chip: str | None = Field(default=None, min_length=1)

    @property
    def told_source(self) -> str:
        """The source, with the chip that the number is of where that is another one."""
        return self.source if self.chip is None else f"a figure of {self.chip}: {self.source}"


Bits = Quantity[Annotated[int, Field(ge=2, le=32)]]
Count = Quantity[Annotated[int, Field(ge=0)]]
Positive = Quantity[Annotated[int, Field(ge=1)]]
Real = Quantity[Annotated[float, Field(ge=0)]]
Size = Quantity[Annotated[int, BeforeValidator(parse_size), Field(ge=1)]]
Choice = Quantity[str]


def _errors_folder() -> Path:
    return Path(str(files("hypr_neuro.sim"))) / "learning" / "errors"


def error_names() -> list[str]:
    """List the errors that a profile may name: the files of `sim/learning/errors` that define ``ERROR``."""
    # read, not imported: errors are compiled code's, and a profile is needed long before
    modules = [entry for entry in _errors_folder().iterdir() if entry.name.endswith(".py")]
    return sorted(
        entry.name.removesuffix(".py")
        for entry in modules
        if re.search(r"^ERROR\b", entry.read_text(encoding="utf-8"), re.MULTILINE)
    )


def _known_error(name: str) -> str:
    if name not in error_names():
        file = without_record("hypr_neuro.sim.learning.errors", [str(_errors_folder())], name, "ERROR")
        told = {"file": file, "known": ", ".join(error_names())}
        raise PydanticCustomError("unknown_error", "unknown error{file}, known: {known}", told)
    return name


ErrorName = Annotated[str, AfterValidator(_known_error), Field(json_schema_extra={"enum": list(error_names())})]


def _default(value: Any, unit: str) -> Any:
    """Return the value of a profile that does not say."""
    return Quantity(value=value, unit=unit, source="default: a profile that does not say")


class Time(_Section):
    """When things arrive; see `graph.clock`."""

    connection_delay: Quantity[Literal[0, 1]]
    error_latency: Quantity[Annotated[int, Field(ge=0, le=64)]]


class Precision(_Section):
    """Widths in bits (sign included unless said), rounding and overflow rules."""

    weight_bits: Quantity[Annotated[int, Field(ge=2, le=16)]]
    weight_exponent_min: Quantity[Annotated[int, Field(ge=-32, le=0)]]
    weight_exponent_max: Quantity[Annotated[int, Field(ge=0, le=32)]]
    state_bits: Quantity[Annotated[int, Field(ge=8, le=32)]]
    state_headroom: Quantity[Annotated[float, Field(ge=1, le=64)]]
    state_rounding: Quantity[Literal["floor", "zero", "nearest"]]
    overflow: Quantity[Literal["lava", "hardware"]]
    coefficient_bits: Quantity[Annotated[int, Field(ge=12, le=17)]]
    decay_bits: Quantity[Annotated[int, Field(ge=4, le=12)]]
    threshold_bits: Bits
    threshold_shift: Quantity[Literal[6]]
    bias_mantissa_bits: Bits
    bias_exponent_max: Count
    message_bits: Quantity[Annotated[int, Field(ge=0, le=32)]] | None = None

    @property
    def weight_top(self) -> int:
        """Largest magnitude of a weight's integer, 2^(weight_bits - 1) - 1."""
        return (1 << (self.weight_bits.value - 1)) - 1


class Learning(_Section):
    """What learns and in which widths; see `sim.learning`."""

    ability: Quantity[Literal["native", "microcode", "arm", "embedded", "none"]]
    eligibility_bits: Quantity[Annotated[int, Field(ge=4, le=32)]]
    eligibility_fraction: Quantity[Annotated[int, Field(ge=0, le=24)]]
    eligibility_rounding: Quantity[Literal["floor", "zero", "nearest"]]
    psi_bits: Quantity[Annotated[int, Field(ge=2, le=16)]]
    error_bits: Quantity[Annotated[int, Field(ge=2, le=16)]]
    signal_bits: Quantity[Annotated[int, Field(ge=4, le=24)]]
    accumulator_bits: Quantity[Annotated[int, Field(ge=8, le=32)]]
    error: Quantity[ErrorName] = _default("softmax", "-")
    eligibility_alignment: Quantity[Literal["none", "delayed"]] = _default("none", "-")
    momentum_bits: Quantity[Annotated[int, Field(ge=0, le=32)]] = _default(0, "bit")
    residual_bits: Quantity[Annotated[int, Field(ge=0, le=16)]] = _default(0, "bit")


class Core(_Section):
    """Limits of one core; an absent one is not published, not checked, and said to be unknown.

    `delay` is the largest delay of a synapse, `shared_weights` says whether a core keeps a convolution's kernel once
    instead of a weight for each synapse. `sram` is the memory of a core that runs a program, code and data together,
    of which `stack` stays free for the stack.
    """

    neurons: Positive | None = None
    in_axons: Positive | None = None
    out_axons: Positive | None = None
    synaptic_memory: Positive | None = None
    fan_in: Positive | None = None
    delay: Count | None = None
    shared_weights: Quantity[bool] | None = None
    sram: Size | None = None
    stack: Size | None = None


class Chip(_Section):
    """Limits of the whole chip; `flash` and `ram` of one that runs the network as one program, in bytes."""

    cores: Positive | None = None
    flash: Size | None = None
    ram: Size | None = None


class Energy(_Section):
    """Energy and time of one operation, where published.

    `neuron_update` is one neuron in one step, `spike_out` a spike as it leaves its neuron, `axon_out` its message to
    one core, `synapse` one weight read for a spike, `weight_update` one weight changed by learning, `barrier_time` what
    all cores wait for each other in a step.
    """

    neuron_update: Real | None = None
    spike_out: Real | None = None
    synapse: Real | None = None
    axon_out: Real | None = None
    weight_update: Real | None = None
    neuron_update_time: Real | None = None
    spike_out_time: Real | None = None
    synapse_time: Real | None = None
    weight_update_time: Real | None = None
    barrier_time: Real | None = None


class Profile(_Strict):
    """One chip; `compilers` names the formats it takes."""

    name: str = Field(min_length=1)
    description: str
    time: Time
    precision: Precision
    learning: Learning
    core: Core = Field(default_factory=Core)
    chip: Chip = Field(default_factory=Chip)
    energy: Energy = Field(default_factory=Energy)
    compilers: tuple[str, ...] = ()

    def table(self) -> Shown:
        """Return every number that is stated, with its unit; `hypr-neuro profiles NAME` adds the sources."""
        rows = [
            (f"{section}.{key}", f"{quantity.value}", quantity.unit)
            for section, content in self
            if isinstance(content, _Strict)
            for key, quantity in content
            if isinstance(quantity, Quantity)
        ]
        return Shown(f"Profile '{self.name}': {self.description}", ("key", "value", "unit"), rows)

    __repr__ = as_text
    __str__ = as_text
    _repr_html_ = as_html

    def fixed_format(self, state_range: float, weight_range: float) -> FixedFormat:
        """Return what a neuron's `to_fixed` needs.

        Parameters
        ----------
        state_range
            Largest magnitude of the layer's states, in real units.
        weight_range
            Largest magnitude of its weights.
        """
        given = {key: quantity.value for key, quantity in self.precision if key in FORMAT_FIELDS}
        return FixedFormat(
            **given,
            state_range=state_range,
            weight_range=weight_range,
            headroom=self.precision.state_headroom.value,
            rounding=ROUNDING[self.precision.state_rounding.value],
            psi_bits=self.learning.psi_bits.value,
        )

    def clock(self, layers: int) -> Clock:
        """Make the clock of a chain of so many layers, the readout included, under these time rules."""
        return clock_of_layers(layers, *self._time_rules)

    def graph_clock(
        self,
        populations: tuple[str, ...],
        connections: tuple[tuple[str, str], ...],
        outputs: tuple[str, ...] = (),
        delays: tuple[int, ...] = (),
    ) -> Clock:
        """Make the clock of populations and connections under these time rules; arguments as of `Clock`."""
        return Clock(populations, connections, *self._time_rules, outputs=outputs, delays=delays)

    @property
    def _time_rules(self) -> tuple[int, int, bool]:
        """Return connection_delay, error_latency and whether eligibilities wait for their signal."""
        time, aligned = self.time, self.learning.eligibility_alignment.value == "delayed"
        return int(time.connection_delay.value), int(time.error_latency.value), aligned

    def dump(self) -> dict[str, Any]:
        """Return plain data, as written in the YAML file with everything inherited filled in."""
        return self.model_dump(mode="json", exclude_none=True)


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
    if not isinstance(base, str):
        raise ProfileError(f"profile '{path}': key 'extends' = {base!r}, rule: a name or the path of a .yaml file")
    return _overlay(_merged(_find(base, path), (*seen, str(path))), data)


def _overlay(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `override` put over it, level by level."""
    merged = dict(base)
    for key, value in override.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlay(merged[key], value) if nested else value
        if nested and "value" in value and "chip" not in value:
            merged[key].pop("chip", None)  # another number is no longer that of another chip
    return merged

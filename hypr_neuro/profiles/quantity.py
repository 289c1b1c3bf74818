"""A number of a profile: value, unit and source, and the unit that each key is read in."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from hypr_neuro.files.sizes import parse_size

T = TypeVar("T")


NO_UNIT = "-"
"""Unit of what has none; any number may leave its unit unsaid so."""
UNITS = {
    "step": ("connection_delay", "error_latency", "delay"),
    "bit": ("threshold_shift", "eligibility_fraction", "synaptic_memory", "memory_word"),
    "log2": ("weight_exponent_min", "weight_exponent_max", "bias_exponent_max"),
    "1": ("state_headroom",),
    "neuron": ("neurons", "hidden", "outputs"),
    "channel": ("inputs",),
    "population": ("destinations",),
    "pixel": ("kernel",),
    "axon": ("in_axons", "out_axons"),
    "synapse": ("fan_in", "synapses", "hidden_synapses", "hidden_fan_out"),
    "core": ("cores",),
    "tile": ("tiles",),
    "byte": ("flash", "ram", "sram", "stack"),
    "pJ": ("neuron_update", "spike_out", "synapse", "axon_out", "weight_update", "memory_access"),
    "uS": ("conductance_max",),
    "s": ("step_time", "age", "drift_start", "read_window", "relaxed_after", "eligibility_time"),
    "ns": ("neuron_update_time", "spike_out_time", "synapse_time", "barrier_time", "weight_update_time"),
}
"""Keys by the unit that their numbers are read in; those that end in ``_bits`` are bits, all others have none."""


def unit_of(key: str) -> str:
    """Return the unit of a profile's key, the last part of its name."""
    named = next((unit for unit, keys in UNITS.items() if key in keys), NO_UNIT)
    return "bit" if key.endswith("_bits") else named


class Strict(BaseModel):
    """A mapping of a profile, without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as plain data: parametrised classes, such as Quantity[bool], have no name to be found by."""
        kind = self.__pydantic_generic_metadata__["origin"] or type(self)
        return kind.model_validate, (self.model_dump(exclude_none=True),)


class Section(Strict):
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


def told_value(value: Any) -> str:
    """Return a number's value in words: what a list holds stands in a row."""
    if isinstance(value, (list, tuple)):
        return ", ".join("×".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v) for v in value)
    return str(value)


class Quantity(Strict, Generic[T]):
    """A number with its unit and its source; `chip` names the chip it was published for, where that is another one."""

    value: T
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)
    chip: str | None = Field(default=None, min_length=1)

    @field_validator("value", mode="before")
    @classmethod
    def _no_truth(cls, value: Any) -> Any:
        """Take true and false for what they are: YAML's words of them are no 1 and 0."""
        kind = cls.model_fields["value"].annotation
        if isinstance(value, bool) and kind in (int, float):
            raise PydanticKnownError("int_type" if kind is int else "float_type")
        return value

    @property
    def told_source(self) -> str:
        """The source, with the chip that the number is of where that is another one."""
        return self.source if self.chip is None else f"a figure of {self.chip}: {self.source}"


Bits = Quantity[Annotated[int, Field(ge=2, le=32)]]
Count = Quantity[Annotated[int, Field(ge=0)]]
Positive = Quantity[Annotated[int, Field(ge=1)]]
Real = Quantity[Annotated[float, Field(ge=0)]]
Size = Quantity[Annotated[int, BeforeValidator(parse_size), Field(ge=1)]]


def default(value: Any, unit: str) -> Any:
    """Return the value of a profile that does not say."""
    return Quantity(value=value, unit=unit, source="default: a profile that does not say")

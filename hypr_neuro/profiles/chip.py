"""The record of one chip, as its YAML file states it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import Field, field_validator, model_validator

from hypr_neuro.graph.clock import Clock, clock_of_layers
from hypr_neuro.neurons.base import FixedFormat
from hypr_neuro.numbers.fixed_point import ROUNDING
from hypr_neuro.profiles.analog import Analog
from hypr_neuro.profiles.quantity import Quantity, Strict, told_value
from hypr_neuro.profiles.rules import WidthRule, as_mapping, check_rules, chosen_numbers, with_rules
from hypr_neuro.profiles.sections import Abilities, Chip, Core, Energy, Learning, Precision, Time
from hypr_neuro.shown import Shown, as_html, as_text

FORMAT_FIELDS = {entry.name for entry in fields(FixedFormat)}
"""What a neuron's `to_fixed` needs; most of it a profile says under the same name."""


class Profile(Strict):
    """One chip.

    `compilers` names the formats it takes, `rules` other widths of single populations and connections, see
    `profiles.rules`, `analog` its crossbars where weights are analog.
    """

    name: str = Field(min_length=1)
    description: str
    time: Time
    precision: Precision
    learning: Learning
    core: Core = Field(default_factory=Core)
    chip: Chip = Field(default_factory=Chip)
    runs: Abilities = Field(default_factory=Abilities)
    energy: Energy = Field(default_factory=Energy)
    analog: Analog | None = None
    compilers: tuple[str, ...] = ()
    rules: dict[str, WidthRule] = Field(default_factory=dict)

    @field_validator("rules", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        return as_mapping(value)

    @model_validator(mode="after")
    def _narrower(self) -> Profile:
        check_rules(self)
        return self

    def of(self, *names: str) -> Profile:
        """Return the profile of a population or connection that has any of these names: the rules are applied."""
        return with_rules(self, chosen_numbers(self.rules, names)) if self.rules else self

    def table(self) -> Shown:
        """Return every number that is stated, with its unit; `hypr-neuro profiles NAME` adds the sources."""
        rows = [
            (f"{section}.{key}", told_value(quantity.value), quantity.unit)
            for section, content in self
            if isinstance(content, Strict)
            for key, quantity in content
            if isinstance(quantity, Quantity)
        ]
        rows += [
            (f"{key}@{name}", f"{quantity.value}", quantity.unit)
            for name, rule in self.rules.items()
            for key, quantity in rule.numbers().items()
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
        state_range = min(state_range, self._range_of_whole_weights(weight_range))
        given = {key: quantity.value for key, quantity in self.precision if key in FORMAT_FIELDS - {"weight_bits"}}
        return FixedFormat(
            **given,
            state_range=state_range,
            weight_range=weight_range,
            headroom=self.precision.state_headroom.value,
            rounding=ROUNDING[self.precision.state_rounding.value],
            weight_bits=max(self.precision.stored_weight_bits, 2),  # binary weights reach as far as those of 2 bits
            psi_bits=self.learning.psi_bits.value,
        )

    def _range_of_whole_weights(self, weight_range: float) -> float:
        """Return the states' range that leaves weights their width, on a chip that cannot divide what they add up to.

        Without negative exponents a weight's unit is the state's at least: for states of a larger range small weights
        would become 0. They saturate instead, which is counted. Infinite where exponents may be negative.
        """
        precision = self.precision
        if precision.weight_exponent_min.value < 0 or weight_range <= 0.0:
            return float("inf")
        top = (1 << (precision.state_bits.value - 1)) - 1
        return float(top * weight_range / precision.weight_top / precision.state_headroom.value)

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
        data = self.model_dump(mode="json", exclude_none=True)
        if self.precision.weight_levels == type(self.precision).model_fields["weight_levels"].default:
            del data["precision"]["weight_levels"]
        rules = [{"at": name, **rule} for name, rule in data.pop("rules").items()]
        if rules:
            data["rules"] = rules
        return data

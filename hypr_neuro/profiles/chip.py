"""The record of one chip, as its YAML file states it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import Field

from hypr_neuro.graph.clock import Clock, clock_of_layers
from hypr_neuro.neurons.base import FixedFormat
from hypr_neuro.numbers.fixed_point import ROUNDING
from hypr_neuro.profiles.quantity import Quantity, Strict, told_value
from hypr_neuro.profiles.sections import Abilities, Chip, Core, Energy, Learning, Precision, Time
from hypr_neuro.shown import Shown, as_html, as_text

FORMAT_FIELDS = {entry.name for entry in fields(FixedFormat)}
"""What a neuron's `to_fixed` needs; most of it a profile says under the same name."""


class Profile(Strict):
    """One chip; `compilers` names the formats it takes."""

    name: str = Field(min_length=1)
    description: str
    time: Time
    precision: Precision
    learning: Learning
    core: Core = Field(default_factory=Core)
    chip: Chip = Field(default_factory=Chip)
    network: Abilities = Field(default_factory=Abilities)
    energy: Energy = Field(default_factory=Energy)
    compilers: tuple[str, ...] = ()

    def table(self) -> Shown:
        """Return every number that is stated, with its unit; `hypr-neuro profiles NAME` adds the sources."""
        rows = [
            (f"{section}.{key}", told_value(quantity.value), quantity.unit)
            for section, content in self
            if isinstance(content, Strict)
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

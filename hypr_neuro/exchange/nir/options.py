"""What NIR leaves open, and where each choice came from: metadata of the graph, an argument, or a default.

dt               seconds a step; no default
reset            what a spike does to v; no default. "zero": v = v_reset before the next leak; "subtract":
                 v -= v_threshold - v_reset there; "zero_delayed" and "subtract_delayed": the same in the next step,
                 after leak and input, as snnTorch's neurons do it unless reset_delay is False
floor            lowest v, at most v_reset, before the spike is decided (Sinabs' min_v_mem); none by default
max_spikes       most spikes of a step, 1 to 127: as many as thresholds that v has reached, each of which takes one off,
                 as Sinabs' MultiSpike does; of reset 'subtract' alone, without a floor. By default a neuron sends one
integrator       "euler": a step moves by dt/τ; "exact": by 1 - e^{-dt/τ}, input held constant over the step
order            "current_first": the membrane sees the synaptic current of the same step, as in the NIR paper;
                 "membrane_first": that of the step before, so that all that reaches a neuron with a synaptic current
                 arrives one step later
recurrent_delay  steps that a connection takes which closes a loop, on top of its Delay nodes; the default is 1

Metadata say them by these names. reset, floor, max_spikes, integrator and order may differ between neurons: a neuron's
own metadata come first, then those of the graphs around it, then those of the graph's Input and Output. dt and
recurrent_delay are the same for all. An argument that contradicts metadata is refused.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.flatten import Flat, Place
from hypr_neuro.exchange.nir.nodes import short_repr
from hypr_neuro.neurons.contract import MOST_SPIKES

WORDS = {
    "reset": ("zero", "subtract", "zero_delayed", "subtract_delayed"),
    "integrator": ("euler", "exact"),
    "order": ("current_first", "membrane_first"),
}
RESETTING, TIMED = ("IF", "LIF", "CubaLIF"), ("LIF", "CubaLIF", "LI", "CubaLI", "I", "IF", "Delay")
"""Nodes of NIR that reset, and those that depend on time."""
DEFAULTS = {"integrator": "euler", "order": "current_first", "recurrent_delay": 1}
DT_RANGE = (1e-15, 1e15)
"""Of dt, read or written: time constants in seconds stay finite."""
DT_WITHOUT_NEED = 1e-3
"""Seconds a step of a graph in which nothing depends on time."""
DT_TOLERANCE = 1e-6
"""Relative; a dt often went through float32."""
ONE_SPIKE = "default: one spike in a step; Sinabs' MultiSpike sends several, max_spikes=N (--max-spikes N) at most N"
Stated = tuple[Any, str]


@dataclass(frozen=True)
class Choice:
    """One thing that NIR leaves open: its value and where it came from."""

    name: str
    value: Any
    origin: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value} ({self.origin})"


def check_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not None, each in its range; raise InputError."""
    return {name: checked_option(name, value) for name, value in given.items() if value is not None}


def check_dt(dt: float) -> None:
    """Raise InputError for a dt with which time constants would overflow."""
    low, high = DT_RANGE
    if not low <= dt <= high:
        raise InputError(
            f"dt = {dt} s, rule: {low:g} to {high:g} s, so that time constants stay finite; pass or set another dt"
        )


def checked_option(name: str, value: Any) -> Any:
    """Return a value of one of the choices as a Python float, int or str; raise InputError."""
    plain = value.item() if isinstance(value, (np.generic, np.ndarray)) and np.size(value) == 1 else value
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", "replace")
    number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
    if name in WORDS:
        if not isinstance(plain, str) or plain not in WORDS[name]:
            raise InputError(f"{name} = {short_repr(value)}, rule: one of {', '.join(WORDS[name])}")
        return plain
    if name == "dt":
        if not number or not 0 < plain <= sys.float_info.max:
            raise InputError(f"dt = {short_repr(value)}, rule: seconds a step, positive")
        check_dt(float(plain))
        return float(plain)
    if name == "floor":
        if not number or not abs(plain) <= sys.float_info.max:
            raise InputError(f"floor = {short_repr(value)}, rule: the lowest v, a finite number")
        return float(plain)
    if name == "max_spikes":
        if not number or plain != plain // 1 or not 1 <= plain <= MOST_SPIKES:
            raise InputError(f"max_spikes = {short_repr(value)}, rule: a whole number of 1 to {MOST_SPIKES}")
        return int(plain)
    if not number or plain != plain // 1 or plain < 0:
        raise InputError(f"{name} = {short_repr(value)}, rule: whole steps, 0 or more")
    return int(plain)


@dataclass
class GraphChoices:
    """The choices for one graph; `choices` collects those that were made, in the order in which they were needed."""

    flat: Flat
    arguments: Mapping[str, Any]
    choices: list[Choice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ends = [place.metadata[0] for what in ("Input", "Output") for place in self.flat.of_kind(what)]
        self._agreed_values: dict[str, Stated | None] = {}

    def dt(self, needed_by: Place | None) -> float:
        """Return seconds a step; `needed_by` is a node that depends on it."""
        stated = self._same_for_all("dt")
        if stated is None and needed_by is not None:
            raise InputError(
                f"{needed_by.label} depends on time, and the graph, which was not written by hypr-neuro, "
                f"does not say its time step; pass dt (--dt), in seconds{self._reset_too()}"
            )
        value, origin = stated or (DT_WITHOUT_NEED, "default, nothing depends on it")
        return float(self._chosen("dt", value, origin))

    def recurrent_delay(self) -> int:
        """Return the steps of a connection that closes a loop."""
        stated = self._same_for_all("recurrent_delay")
        return int(self._chosen("recurrent_delay", *(stated or (DEFAULTS["recurrent_delay"], "default"))))

    def word(self, name: str, place: Place) -> str:
        """Return reset, integrator or order of one neuron."""
        said = self._said(name, place)
        if said is not None:
            return str(said)
        if name not in DEFAULTS:
            raise InputError(
                f"{place.label}: NIR does not say how a spike resets v; pass reset (--reset), "
                f"{', '.join(WORDS[name])}; snnTorch's default is subtract_delayed{self._dt_too()}"
            )
        return str(self._chosen(name, DEFAULTS[name], "default"))

    def _reset_too(self) -> str:
        """Return what to say where a reset is missing as well, so that one call names all."""
        for place in (place for what in RESETTING for place in self.flat.of_kind(what)):
            if self._said("reset", place) is None:
                return f"; and reset (--reset): what a spike does to v, one of {', '.join(WORDS['reset'])}"
        return ""

    def _dt_too(self) -> str:
        """Return what to say where the time step is missing as well."""
        timed = any(True for what in TIMED for _ in self.flat.of_kind(what))
        return "; and dt (--dt), seconds a step" if timed and self._same_for_all("dt") is None else ""

    def floor(self, place: Place) -> float | None:
        """Return the lowest v of one neuron, None where nothing says any."""
        said = self._said("floor", place)
        return None if said is None else float(said)

    def max_spikes(self, place: Place, reset: str) -> int | None:
        """Return the most spikes of a step of one neuron; None where nothing says it, which is one spike."""
        said = self._said("max_spikes", place)
        if said is None and reset == "subtract":
            self._chosen("max_spikes", "none", ONE_SPIKE)
        return None if said is None else int(said)

    def _said(self, name: str, place: Place) -> Any:
        """Return what an argument or metadata say of one neuron, None where they do not."""
        entries = (_entry(name, *item) for item in (*place.metadata, *self._ends))
        stated = next((entry for entry in entries if entry is not None), None)
        given = self.arguments.get(name)
        if stated is not None and given is not None and stated[0] != given:
            raise InputError(f"{name} = {given!r} was passed, {stated[1]} says {stated[0]!r}; leave {name} out")
        if given is not None:
            return self._chosen(name, given, "argument")
        return None if stated is None else self._chosen(name, *stated)

    def without_effect(self) -> list[Choice]:
        """Return the arguments that no node asked for."""
        made = {choice.name for choice in self.choices}
        return [
            Choice(name, value, "argument, nothing depends on it")
            for name, value in self.arguments.items()
            if name not in made
        ]

    def _same_for_all(self, name: str) -> Stated | None:
        """Return the one value that any metadata or the argument say."""
        if name not in self._agreed_values:
            self._agreed_values[name] = self._agreed(name)
        return self._agreed_values[name]

    def _agreed(self, name: str) -> Stated | None:
        """Return that value; raise InputError where two of them differ."""
        agreed: Stated | None = None
        if name in self.arguments:
            agreed = (self.arguments[name], "argument")
        for place in self.flat.places.values():
            for item in place.metadata:
                stated = _entry(name, *item)
                if stated is None:
                    continue
                if agreed is not None and not math.isclose(agreed[0], stated[0], rel_tol=DT_TOLERANCE):
                    raise InputError(
                        f"{name} = {agreed[0]} ({agreed[1]}), but {stated[1]} says {stated[0]}, rule: one for "
                        f"all; leave {name} out or repair the metadata"
                    )
                agreed = agreed or stated
        return agreed

    def _chosen(self, name: str, value: Any, origin: str) -> Any:
        """Note a choice and return its value."""
        choice = Choice(name, value, origin)
        if choice not in self.choices:
            self.choices.append(choice)
        return value


def _entry(name: str, label: str, metadata: Mapping[str, Any]) -> Stated | None:
    """Return (value, origin) if these metadata say it; raise InputError, naming the place, for another value."""
    if name not in metadata:
        return None
    try:
        return checked_option(name, metadata[name]), f"metadata of {label}"
    except InputError as error:
        raise InputError(f"metadata of {label}: {error}; repair it or remove the entry") from error

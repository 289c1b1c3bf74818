"""What the arithmetic of a device does to learning, cause by cause: which numbers of a profile each one is made of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from hypr_neuro.comparing.widening import Widening
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.profiles.quantity import Quantity
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LARGEST_RATE, LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan

LARGEST_PARAMETER_RATE = 64
REST = "rest"


@dataclass(frozen=True)
class Cause:
    """One cause of a gap to float.

    Attributes
    ----------
    name
        Under which it is reported.
    words
        What it is.
    wide
        Numbers of a profile that stand for "not there", by key; a device that has more keeps its own.
    """

    name: str
    words: str
    wide: dict[str, Any]


CAUSES = (
    Cause(
        "delays",
        "spikes and learning signals arrive steps later",
        {"time.connection_delay": 0, "time.error_latency": 0},
    ),
    Cause(
        "alignment",
        "eligibilities wait for the signal that judges them",
        {"learning.eligibility_alignment": "none"},
    ),
    Cause(
        "coefficients",
        "decays, frequencies and Jacobians are integers",
        {"precision.coefficient_bits": 17, "precision.decay_bits": 12, "precision.threshold_bits": 17},
    ),
    Cause(
        "states",
        "states are integers that round and saturate",
        {
            "precision.state_bits": 28,
            "precision.state_rounding": "nearest",
            "precision.overflow": "hardware",
            "precision.state_headroom": 4.0,
        },
    ),
    Cause(
        "weights",
        "a neuron sees weights in whole steps; what is learned below a step is kept, but not seen",
        {"precision.weight_bits": 16, "precision.weight_exponent_min": -32, "precision.weight_exponent_max": 32},
    ),
    Cause("psi", "the surrogate derivative ψ comes from a table of integers", {"learning.psi_bits": 16}),
    Cause(
        "error",
        "errors of outputs and learning signals are integers",
        {"learning.error_bits": 16, "learning.signal_bits": 24},
    ),
    Cause(
        "eligibilities",
        "eligibilities and sums of gradients are integers",
        {
            "learning.eligibility_bits": 32,
            "learning.eligibility_fraction": 16,
            "learning.eligibility_rounding": "nearest",
            "learning.accumulator_bits": 31,
        },
    ),
    Cause(
        "update",
        "what an update leaves below a weight's step is rounded away, stochastically",
        {"learning.residual_bits": 16, "learning.momentum_bits": 24},
    ),
    Cause("noise", "noise that is asked for on input currents", {}),
)
"""In the order in which they are switched on."""
NAMES = tuple(cause.name for cause in CAUSES)
EXPONENTS = {"precision.weight_exponent_min", "precision.weight_exponent_max"}
LESS_IS_WIDER = {"time.connection_delay", "time.error_latency", "precision.weight_exponent_min"}


@dataclass(frozen=True)
class Switch:
    """A cause on one device.

    Attributes
    ----------
    cause
        Which.
    wide
        Numbers of the profile without it.
    said
        What changes, in words, such as "precision.weight_bits 16 to 8".
    reason
        Why there is nothing to switch, "" where there is.
    """

    cause: Cause
    wide: dict[str, Any]
    said: str
    reason: str = ""


def switches(profile: Profile, options: LearnOptions) -> list[Switch]:
    """Return every cause as it is on a device that learns with these options."""
    return [_switch(cause, profile, options) for cause in CAUSES]


def _switch(cause: Cause, profile: Profile, options: LearnOptions) -> Switch:
    if cause.name == "noise":
        if any(options.noise):
            return Switch(cause, {}, f"noise 0 to {options.noise}")
        reason = "no noise on currents is asked for; the random rounding of updates is part of 'update', since an "
        return Switch(cause, {}, "", reason + "update that rounds to the nearest would drop every step below a half")
    wide: dict[str, Any] = {}
    for key, value in cause.wide.items():
        own = number_of(profile, key)
        if key == "learning.momentum_bits" and not options.momentum:
            continue
        if isinstance(value, str):
            wider = value != own
        else:
            wider = value < own if key in LESS_IS_WIDER else value > own
        if wider:
            wide[key] = value
    if set(wide) <= EXPONENTS:
        wide = {}  # room for the exponents of finer weights, of which there are none
    if cause.name == "alignment" and wide and not any(number_of(profile, k) for k in CAUSES[0].wide):
        return Switch(cause, {}, "", "nothing on this device is late, so that nothing waits")
    if not wide:
        return Switch(cause, {}, "", _nothing(cause, profile))
    return Switch(cause, wide, ", ".join(f"{k} {v} to {number_of(profile, k)}" for k, v in wide.items()))


def _nothing(cause: Cause, profile: Profile) -> str:
    """Say why a cause has nothing to switch."""
    held = ", ".join(f"{key} {number_of(profile, key)}" for key in cause.wide if key != "learning.momentum_bits")
    if cause.name == "delays":
        return f"nothing is late on '{profile.name}' ({held})"
    if cause.name == "alignment":
        return f"eligibilities do not wait on '{profile.name}' ({held})"
    return f"'{profile.name}' is as wide as the integers can be ({held})"


def number_of(profile: Profile, key: str) -> Any:
    """Return a number of a profile by its name "section.key"."""
    section, name = key.split(".")
    quantity: Quantity[Any] = getattr(getattr(profile, section), name)
    return quantity.value


class Ladder:
    """Networks and options with some of the causes on, the others as wide as the integers can be.

    Parameters
    ----------
    widening
        Makes the networks.
    options
        Of learning on the device.

    Attributes
    ----------
    switches
        All causes, in order.
    """

    def __init__(self, widening: Widening, options: LearnOptions) -> None:
        self.widening, self.options = widening, options
        self.switches = switches(widening.qnet.profile, options)
        self._units = parameter_units(widening.qnet, options)

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the causes that the device has."""
        return tuple(s.cause.name for s in self.switches if not s.reason)

    def at(self, on: Collection[str]) -> tuple[QuantizedNetwork, LearnOptions]:
        """Return the network with these causes on, and the options with which it moves as far in each update.

        With all of them: the device's own. Raise InputError where the widths do not go together.
        """
        own = self.widening.qnet
        if set(on) >= set(self.active):
            return own, self.options
        wide = {k: v for s in self.switches if s.cause.name not in on for k, v in s.wide.items()}
        made = self.widening.at(overridden(own.profile, wide)) if wide else own
        options = replace(self.options, noise=self.options.noise if "noise" in on else ())
        rate = self.options.rate * 2.0 ** self.widening.finer(made.profile)
        factor = _common(self._units, parameter_units(made, options))
        return made, replace(
            options,
            rate=min(rate, LARGEST_RATE),
            parameter_rate=min(self.options.parameter_rate * factor, LARGEST_PARAMETER_RATE),
        )


def parameter_units(qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, float]:
    """Return the real size of one unit of change of every neuron parameter that learns."""
    plan = LearningPlan(qnet, options)
    return {f"{layer.name}.{p.name}": p.unit for layer in plan.layers for p in layer.parameters}


def _common(before: dict[str, float], now: dict[str, float]) -> float:
    """Return by what factor units became smaller, the geometric mean where they differ."""
    from numpy import exp, log

    ratios: Array = log([before[name] / unit for name, unit in now.items()])
    return float(exp(ratios.mean())) if len(ratios) else 1.0

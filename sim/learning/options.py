"""How a network learns on the chip, beside the widths that the profile states."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.kinds import require
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.abilities import settles
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.updates import UPDATES, of_unknown

RATE_FRACTION = 16
"""Fraction bits of a rate."""
LARGEST_RATE = 2048
"""In mantissas: products with gradients then fit 63 bits, and weights of 16 bits move as fast as those of 8 do."""
LARGEST_NOISE = 1 << 24
"""Amplitude in the integers of a current, which has 32 bits."""
TARGETS = ("labels", "values", "errors")
"""What can be learned from."""
LARGEST_EXPONENT = 16
"""Magnitude of the exponent of full scale."""
LATER = ("noise", "targets", "error_exponent")
"""Options that 0.1 did not have."""


@dataclass(frozen=True)
class LearnOptions:
    """Update rule, its rates, when it is applied and to what.

    Values that no network could learn with are refused when the options are made, as `InputError`; what a network and
    its profile do not allow by `check`.

    Attributes
    ----------
    rate : float
        Size of a weight change in mantissa units, at the first epoch: the mean one of rules that normalise, of every
        one with "sign", of one for a gradient of 1 with "sgd".
    decay : float
        Factor on the rates after every epoch.
    limit : int
        Largest change in units of the mean one ("sgd": of a mantissa).
    average_shift : int
        Normalisers average over about 2^average_shift updates.
    seed : int
        Of every random number.
    layers : tuple of str
        Names of the layers or populations that learn, or of single connections (() = all).
    parameters : tuple of str
        Neuron parameters that learn, such as "layers.0.omega"; ("all",) for every trainable one of the layers that
        learn.
    parameter_rate : float
        As `rate` for neuron parameters, in units of their integers (`neurons.base.Learned`).
    update_every, update_on
        An update after so many samples ("sample"), or device steps ("step").
    rule : str
        How a gradient becomes a change, see `sim.learning.updates`.
    momentum : int
        Changes are averaged over about 2^momentum updates, 0 for none; the profile must have room for them
        (learning.momentum_bits).
    feedback : str
        "symmetric", learning signals reach the layer below over the weights; "random", over fixed random numbers.
    noise : tuple of int
        For each layer the amplitude a of the noise on its input currents while it learns, in the current's integers, 0
        for none; () for no noise at all. Its standard deviation is a/√3, see `sim.learning.noise`.
    targets : str
        What is learned from: "labels" of classes, "values" of a regression, or "errors" of the user's own.
    error_exponent : int
        An error of full scale stands for 2^error_exponent of the outputs' units, with targets "values".
    """

    rate: float = 0.5
    decay: float = 1.0
    limit: int = 4
    average_shift: int = 6
    seed: int = 0
    layers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    parameter_rate: float = 1.0
    update_every: int = 1
    update_on: str = "sample"
    rule: str = "factored"
    momentum: int = 0
    feedback: str = "symmetric"
    noise: tuple[int, ...] = ()
    targets: str = "labels"
    error_exponent: int = 0

    @classmethod
    def from_described(cls, values: dict[str, Any]) -> LearnOptions:
        """Make options from what `described` gave, which JSON may have turned tuples of into lists."""
        options: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**options)

    @classmethod
    def with_most_state(cls, profile: Profile, layers: tuple[str, ...] = ()) -> LearnOptions:
        """Return options that keep all that learning may keep on a profile: momentum, too, where it holds one."""
        return cls(layers=layers, momentum=int(profile.learning.momentum_bits.value > 0))

    def __post_init__(self) -> None:
        self._check_types()
        self._check_update()
        if not 0 < self.rate <= LARGEST_RATE or not 0 < self.decay <= 1:
            raise InputError(
                f"rate = {self.rate}, decay = {self.decay}, rule: 0 < rate <= {LARGEST_RATE}, 0 < decay <= 1"
            )
        if not 0 < self.parameter_rate <= 64:
            raise InputError(f"parameter_rate = {self.parameter_rate}, rule: 0 < parameter_rate <= 64")
        if not 1 <= self.limit <= 64 or not 0 <= self.average_shift <= 20:
            raise InputError(f"limit = {self.limit}, average_shift = {self.average_shift}, rule: 1..64, 0..20")
        if not 0 <= self.seed < 1 << 32:
            raise InputError(f"seed = {self.seed}, rule: 0 <= seed < 2^32, the random counter's word")

    def check_values(self) -> None:
        """Raise InputError, naming option and rule, for values that do not go together, whatever the network."""
        if self.error_exponent and self.targets != "values":
            raise InputError(
                f"error_exponent = {self.error_exponent}, targets = {self.targets!r}, rule: 0 unless targets are "
                "'values'"
            )

    def check(self, qnet: QuantizedNetwork) -> None:
        """Raise InputError, naming option and rule, for what this network and its profile cannot learn with."""
        require("qnet", qnet, QuantizedNetwork)
        self.check_values()
        profile = qnet.profile
        if profile.learning.ability.value == "none":
            raise InputError(f"profile '{profile.name}' cannot learn (learning.ability: none)")
        if self.momentum and profile.learning.momentum_bits.value == 0:
            raise InputError(
                f"momentum = {self.momentum}, but profile '{profile.name}' keeps none "
                "(learning.momentum_bits: 0); set it to 24 in a profile of your own"
            )
        known = [p.name for p in qnet.populations]
        connections = qnet.connection_names()
        for name in self.layers:
            if name not in known and name not in connections:
                raise InputError(f"layers: unknown layer {among(name, (*known, *connections))}")
        if self.noise and (len(self.noise) != len(known) or not all(0 <= a <= LARGEST_NOISE for a in self.noise)):
            raise InputError(
                f"noise = {self.noise}, rule: an integer from 0 to {LARGEST_NOISE} for each of {len(known)} "
                "layers, or ()"
            )
        self.learning_parameters(qnet)

    def described(self) -> dict[str, Any]:
        """Give all options by name; those that 0.1 did not have only where they are not the default."""
        unsaid = {name: LearnOptions.__dataclass_fields__[name].default for name in LATER}
        return {name: value for name, value in asdict(self).items() if name not in LATER or value != unsaid[name]}

    def refuse_noise(self, where: str) -> None:
        """Raise InputError where noise is asked for, for an executor that has none."""
        if any(self.noise):
            raise InputError(f"noise = {self.noise}, but {where} adds none; leave noise out, or learn in the simulator")

    def _check_update(self) -> None:
        if self.update_every < 1 or self.update_on not in ("sample", "step"):
            raise InputError(
                f"update_every = {self.update_every}, update_on = {self.update_on!r}, rule: at least 1, "
                "'sample' or 'step'"
            )
        if self.rule not in UPDATES:
            raise InputError(f"rule = {self.rule!r}{of_unknown(self.rule)}")
        if self.feedback not in ("symmetric", "random"):
            raise InputError(f"feedback = {self.feedback!r}, rule: 'symmetric' or 'random'")
        if self.targets not in TARGETS:
            raise InputError(f"targets = {self.targets!r}, rule: {', '.join(map(repr, TARGETS))}")
        if abs(self.error_exponent) > LARGEST_EXPONENT:
            raise InputError(f"error_exponent = {self.error_exponent}, rule: magnitudes up to {LARGEST_EXPONENT}")
        if not 0 <= self.momentum <= 12:
            raise InputError(f"momentum = {self.momentum}, rule: 0..12")

    def _check_types(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), type(field.default)
            fits = isinstance(value, (int, float) if wanted is float else wanted) and not isinstance(value, bool)
            inner, plural = (int, "integers") if field.name == "noise" else (str, "names")
            if not fits or (wanted is tuple and not all(type(entry) is inner for entry in value)):
                kind = f"{plural} in a tuple" if wanted is tuple else wanted.__name__
                raise InputError(f"{field.name} = {value!r}, rule: {kind}")

    def due(self, on: str, count: int) -> bool:
        """Tell whether an update follows when so many samples (`on` "sample") or device steps ("step") are complete."""
        return self.update_on == on and count % self.update_every == 0

    def learns(self, layer: str, connection: str = "") -> bool:
        """Tell whether the weights of a layer learn, or those of one connection to it."""
        return not self.layers or layer in self.layers or connection in self.layers

    def learning_parameters(self, qnet: QuantizedNetwork) -> tuple[tuple[int, ...], ...]:
        """Return for each layer the places, in its `trainable`, of the parameters that learn; InputError for others."""
        known = [
            f"{layer.name}.{p}"
            for layer in qnet.populations
            for p in layer.model.trainable
            if self.learns(layer.name) and layer.model.learned is not None and not settles(qnet.profile, p)
        ]
        chosen = known if "all" in self.parameters else list(self.parameters)
        for name in chosen:
            if name not in known:
                raise InputError(f"parameters: {among(name, ('all', *known), ' does not learn')}")
        return tuple(
            tuple(j for j, p in enumerate(layer.model.trainable) if f"{layer.name}.{p}" in chosen)
            for layer in qnet.populations
        )


def as_rate(rate: float) -> int:
    """Convert a rate in units of what it changes to the integer that an update takes; InputError outside 0 to 2048."""
    if not 0 <= rate <= LARGEST_RATE:
        raise InputError(f"rate = {rate}, rule: 0 <= rate <= {LARGEST_RATE}")
    return round(rate * (1 << RATE_FRACTION))


def check_rates(rate: Any, parameter_rate: Any) -> tuple[int, int]:
    """Return the integer rates of weights and of neuron parameters; InputError for what no update can take."""
    for name, value in (("rate", rate), ("parameter_rate", parameter_rate)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not 0 <= value <= LARGEST_RATE << RATE_FRACTION:
            raise InputError(
                f"{name} = {value}, rule: an integer with {RATE_FRACTION} fraction bits, 0 to "
                f"{LARGEST_RATE << RATE_FRACTION}; as_rate(0.2) gives that of 0.2"
            )
    return int(rate), int(parameter_rate)

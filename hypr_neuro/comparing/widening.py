"""The same network in integers of other widths: what a gap to float is split with.

Every weight keeps its real value, mantissa times step; every neuron parameter is converted as quantizing does, for the
ranges of states and weights that the given integers make room for. Nothing is calibrated anew, so that two networks
that differ in one width differ in nothing else, and the given profile gives the given integers back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import integer_model
from hypr_neuro.neurons.base import FixedParams, NeuronModel
from hypr_neuro.numbers.arrays import Array, stack_rows
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation
from hypr_neuro.quantizing.weight_entries import with_entries

STATE_SHARES = tuple(share * 2.0**-k for k in range(6) for share in (0.95, 0.75, 0.55))
"""Of the largest state that a scale has room for: ranges that have led to it."""
WEIGHT_SHARES = tuple(2.0 ** (-k / 8) for k in range(1, 12))
"""Likewise, of the largest weight that exponents have room for; the range moves a resonator's shift of its input."""


class Widening:
    """Makes a quantized network again for a profile of other widths.

    Parameters
    ----------
    net
        The float network that was quantized.
    qnet
        Its integers, which stay as they are.

    Raises
    ------
    InputError
        For what cannot be made again: numbers as messages, traces behind outputs that spike, integers that no
        conversion of `net` gives.
    """

    def __init__(self, net: Network, qnet: QuantizedNetwork) -> None:
        self.qnet, self.form = qnet, FloatForm(net, qnet)
        _refuse(qnet)
        pairs = list(zip(self.form.net.populations, qnet.populations, strict=True))
        self.ranges = {q.name: self._ranges(p, q) for p, q in pairs}

    def at(self, profile: Profile) -> QuantizedNetwork:
        """Return the network for a profile; the given integers themselves where the profile is their own.

        Raise InputError where weights or delays do not fit it.
        """
        populations = [
            self._population(p, q, profile)
            for p, q in zip(self.form.net.populations, self.qnet.populations, strict=True)
        ]
        by_name = {p.name: p for p in populations}
        made = replace(
            self.qnet,
            populations=tuple(populations),
            connections=tuple(self._connection(c, by_name[c.target], profile) for c in self.qnet.connections),
            profile=profile,
            record=[],
            notes=[],
        )
        return replace(made, connections=tuple(self._delayed(c, made) for c in made.connections))

    def finer(self, profile: Profile) -> int:
        """Return by how many bits weight steps are finer than the given ones; a rate in steps is 2^bits larger."""
        return profile.precision.weight_bits.value - self.qnet.profile.precision.weight_bits.value

    def _ranges(self, p: FloatPopulation, q: QuantizedPopulation) -> tuple[float, float]:
        """Return the largest state and weight that lead to the given integers."""
        for ranges in _candidates(self.qnet, q):
            fixed, model = self._converted(p, ranges, self.qnet.profile)
            if model.name == q.model.name and _same(fixed, q):
                return ranges
        raise InputError(
            f"population '{q.name}' ({q.model.name}): the integers are none that quantizing these float parameters "
            "gives (learned on a chip, given by hand or read from a file), so that no wider form of them is known; "
            "split the gap of a network as hn.quantize made it"
        )

    @staticmethod
    def _converted(
        p: FloatPopulation, ranges: tuple[float, float], profile: Profile
    ) -> tuple[FixedParams, NeuronModel]:
        number_format = profile.fixed_format(*ranges)
        model = integer_model(p.model, number_format)
        return model.to_integers(p.params, number_format), model

    def _population(self, p: FloatPopulation, q: QuantizedPopulation, profile: Profile) -> QuantizedPopulation:
        fixed, model = self._converted(p, self.ranges[q.name], profile)
        return QuantizedPopulation(
            name=q.name,
            model=model,
            per_neuron=stack_rows([fixed.per_neuron[k] for k in model.fixed_per_neuron], q.size, np.int64),
            constants=np.array([fixed.constants[k] for k in model.fixed_constants], dtype=np.int64),
            psi_table=fixed.psi_table,
            state_scale=fixed.state_scale,
            current_scale=fixed.current_scale,
            trainable=q.trainable,
        )

    def _connection(self, c: QuantizedConnection, target: QuantizedPopulation, profile: Profile) -> QuantizedConnection:
        finer = self.finer(profile)
        scale = target.current_scale / self.qnet.population(c.target).current_scale
        exponent = c.exponent - finer + round(np.log2(scale))
        low, high = profile.precision.weight_exponent_min.value, profile.precision.weight_exponent_max.value
        if not low <= exponent <= high:
            raise InputError(f"connection {c.name}: weight exponent {exponent}, rule: {low}..{high} at these widths")
        entries = np.rint(c.entries() * (scale * 2.0 ** (c.exponent - exponent))).astype(np.int64)
        top = profile.precision.weight_top
        return replace(c, mantissa=with_entries(c.mantissa, np.clip(entries, -top, top)), exponent=exponent)

    def _delayed(self, c: QuantizedConnection, made: QuantizedNetwork) -> QuantizedConnection:
        """Give a connection the delay that the other profile's clock makes of the float one."""
        before, now = self.qnet.clock, made.clock
        if not before.forward(c.source, c.target) or not isinstance(c.delays, int):
            return c
        ends = c.source, c.target
        return replace(c, delays=c.delays + now.delay_in_step(*ends) - before.delay_in_step(*ends))


def _refuse(qnet: QuantizedNetwork) -> None:
    """Raise InputError for a network of which no wider form is known."""
    if qnet.profile.rules:
        raise InputError(
            f"profile '{qnet.profile.name}' has rules of single widths ({', '.join(qnet.profile.rules)}), rule: one "
            "width for all, since the split of a gap by cause widens all alike; quantize with the chip's own widths"
        )
    sends = [c.name for c in qnet.connections if c.message_bits is not None]
    if sends:
        raise InputError(
            f"connection {sends[0]} carries numbers, whose message has a width of its own; the split of a gap by cause "
            "is of networks whose neurons send spikes"
        )


def _candidates(qnet: QuantizedNetwork, q: QuantizedPopulation) -> Iterator[tuple[float, float]]:
    """Yield ranges of states and weights that may have led to a population's scales."""
    precision = qnet.profile.precision
    state = (1 << (precision.state_bits.value - 1)) / (precision.state_headroom.value * q.state_scale)
    steps = [qnet.weight_step(c) for c in qnet.incoming(q.name)]
    weight = precision.weight_top * max(steps, default=1.0)
    yield from product([state * share for share in STATE_SHARES], [weight, *_shares(weight)])


def _shares(weight: float) -> Iterable[float]:
    return (weight * share for share in WEIGHT_SHARES)


def _same(fixed: FixedParams, q: QuantizedPopulation) -> bool:
    """Tell whether a conversion gave the integers of a population."""
    rows: Array = stack_rows([fixed.per_neuron[k] for k in q.model.fixed_per_neuron], q.size, np.int64)
    return (
        fixed.state_scale == q.state_scale
        and fixed.current_scale == q.current_scale
        and np.array_equal(rows, q.per_neuron)
        and [fixed.constants[k] for k in q.model.fixed_constants] == q.constants.tolist()
        and np.array_equal(fixed.psi_table, q.psi_table)
    )

"""Neurons that are broken: dead ones never fire, stuck ones in every step in which their reset lets them.

A neuron breaks by its threshold, which the network that is loaded states, so that every device runs it: out of reach of
its state above, or below it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.faults.drawing import NEURONS, draw
from hypr_neuro.faults.kinds import Faults
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedPopulation

THRESHOLDS = ("theta", "vth", "b0")
"""Names that the threshold has among the integers of a neuron."""
DEAD, STUCK = 1, -1
LARGEST_VTH = (1 << 23) - 1
"""Of a threshold in the units of Loihi's neurons, 64 of the state's: beyond every state of 24 bits."""
LARGEST_BITS = 31
"""Width in which a state less its threshold is still far from 32 bits."""


def broken_neurons(qnet: QuantizedNetwork, faults: Faults) -> dict[str, Array]:
    """Draw which neurons are dead (1), stuck (-1) or whole (0), (n,) by population; readouts are left alone."""
    spiking = [p for p in qnet.populations if not p.model.readout]
    total = sum(p.size for p in spiking)
    dead, stuck = (round(share * total) for share in (faults.dead, faults.stuck))
    if not dead + stuck:
        return {}
    states = np.zeros(total, np.int64)
    order = draw(faults.seed, NEURONS, 0).permutation(total)
    states[order[:dead]], states[order[dead : dead + stuck]] = DEAD, STUCK
    ends = np.cumsum([p.size for p in spiking])[:-1]
    return dict(zip((p.name for p in spiking), np.split(states, ends), strict=True))


def with_broken(qnet: QuantizedNetwork, broken: dict[str, Array]) -> QuantizedNetwork:
    """Return a copy of the network in which those neurons are broken.

    Raises
    ------
    InputError
        For neurons that have no threshold of their own.
    """
    widths = {p.name: int(qnet.profile.of(p.name).precision.state_bits.value) for p in qnet.populations}
    tops = {name: 1 << (min(bits, LARGEST_BITS) - 1) for name, bits in widths.items()}
    changed = qnet.copy()
    populations = [_broken(p, broken[p.name], tops[p.name]) if p.name in broken else p for p in changed.populations]
    return replace(changed, populations=tuple(populations))


def _broken(p: QuantizedPopulation, state: Array, top: int) -> QuantizedPopulation:
    if not state.any():
        return p
    row, names = threshold_row(p), p.model.fixed_per_neuron
    loihi = names[row] == "vth"
    per_neuron = p.per_neuron.copy()
    per_neuron[row, state == DEAD] = LARGEST_VTH if loihi else top
    if not (state == STUCK).any():
        return replace(p, per_neuron=per_neuron)
    if not loihi:
        per_neuron[row, state == STUCK] = -top
    elif "bias" in names:
        # its thresholds are positive: a constant current as large as its state drives it over every one
        per_neuron[names.index("bias"), state == STUCK] = top - 1
    else:
        raise InputError(
            f"population '{p.name}': neuron '{p.model.name}' fires on a phase, rule for fault stuck: one that fires "
            "above its threshold; choose another fault"
        )
    return replace(p, per_neuron=per_neuron)


def threshold_row(p: QuantizedPopulation) -> int:
    """Return which of a neuron's integers is its threshold; InputError where none is."""
    for name in THRESHOLDS:
        if name in p.model.fixed_per_neuron:
            return p.model.fixed_per_neuron.index(name)
    raise InputError(
        f"population '{p.name}': neuron '{p.model.name}' has no threshold of its own, rule for faults dead and stuck: "
        f"one of {', '.join(THRESHOLDS)}; choose another fault"
    )

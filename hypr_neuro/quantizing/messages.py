"""How many bits the numbers of a population have on their way: shift and width of its messages.

A message is the output in integers, shifted right by s and clamped to b bits and a sign (`numbers.message`), so one
unit of the output is state_scale / 2^s units of the message, and the weights behind it are made for that. The largest
number that a message has to hold is the calibrated range times the profile's headroom. b is `MOST_BITS`, or what the
profile sends at most, or as many fewer, down to `FEWEST_BITS`, as bring the exponents of the weights behind it into
the profile's range. Below that no exponent takes bits off, only sums: those of a target must stay below 2^31 whatever
the weights become and also where an executor doubles them, as Lava does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.profiles.profile import Profile

MOST_BITS, FEWEST_BITS = 16, 8
"""Of a message's magnitude."""
ROOM_BITS = 29
"""Of what messages add to a target's sum: half of what may be doubled, the other half is for spikes and biases."""


@dataclass(frozen=True)
class MessageScale:
    """What a population of numbers sends.

    Attributes
    ----------
    shift, bits
        Of its messages.
    scale
        Units of a message for one unit of its output.
    """

    shift: int
    bits: int
    scale: float


@dataclass(frozen=True)
class Heard:
    """What one target makes of a population's messages, before the scale of these is known.

    Attributes
    ----------
    name
        Of the connection.
    weight
        Its largest magnitude.
    fan_in
        Most synapses of a neuron, over all connections that bring messages.
    current_scale
        Of the target, by what a unit of the source's output is as a message.
    top
        Largest mantissa of the connection, 0 for the chip's.
    """

    name: str
    weight: float
    fan_in: int
    current_scale: Callable[[float], float]
    top: int = 0


def message_limit(name: str, connection: str, profile: Profile) -> int:
    """Return the most bits of a message's magnitude on a profile; InputError where it sends spikes alone."""
    stated = profile.precision.message_bits
    if stated is None:
        return MOST_BITS
    if stated.value < 2:
        raise InputError(
            f"connection {connection}: '{name}' sends numbers, rule: profile '{profile.name}' sends spikes alone "
            f"(precision.message_bits = {stated.value}); give a profile with graded spikes, such as 'loihi2', or leave "
            f"'{name}' without targets"
        )
    # a message has a sign
    return min(int(stated.value) - 1, MOST_BITS)


def message_scale(
    name: str, state_range: float, state_scale: float, heard: Sequence[Heard], profile: Profile
) -> MessageScale:
    """Choose shift and width of a population's messages, see the module.

    Parameters
    ----------
    name
        Of the population.
    state_range, state_scale
        Largest magnitude of its states, and units of an integer state.
    heard
        By its connections.
    profile
        The chip.

    Raises
    ------
    InputError
        For a profile of spikes alone, and targets with so many synapses that no message fits.
    """
    limit = message_limit(name, heard[0].name, profile)
    p = profile.precision
    largest = min(max(state_range, 1e-6) * p.state_headroom.value * state_scale, float(largest_in(p.state_bits.value)))
    needed = max(int(np.ceil(np.log2(largest + 1.0))), 1)
    fitting = [_at(bits, needed, state_scale) for bits in range(limit, 0, -1)]
    fitting = [c for c in fitting if all(_sum_fits(c, h, profile) for h in heard)]
    wide = [c for c in fitting if c.bits >= min(FEWEST_BITS, needed)]
    exact = [c for c in wide if all(_exponent_fits(c, h, profile) for h in heard)]
    # where no width lets weights keep all their bits, the narrowest lets them keep most
    for chosen in exact[:1] or wide[-1:] or fitting[:1]:
        return chosen
    worst = max(heard, key=lambda h: h.fan_in)
    raise InputError(
        f"connection {worst.name}: {worst.fan_in} synapses of {p.weight_bits.value} bits leave no room for messages in "
        "a sum of 32 bits; give a profile of narrower weights (precision.weight_bits) or fewer synapses a neuron"
    )


def require_messages(name: str, profile: Profile) -> None:
    """Raise InputError for a population of several spikes in a step on a profile of spikes alone."""
    stated = profile.precision.message_bits
    if stated is not None and stated.value < 2:
        raise InputError(
            f"population '{name}' sends several spikes in a step, rule: profile '{profile.name}' sends one "
            f"(precision.message_bits = {stated.value}); give a profile with graded spikes, such as 'loihi2', or a "
            "neuron that sends one"
        )


def spike_message(name: str, most: int, heard: Sequence[Heard], profile: Profile) -> MessageScale:
    """Return the messages of a population that sends up to `most` spikes in a step: as they are, no bit less.

    Raise InputError for a profile of spikes alone or of narrower messages, and targets whose sums they could fill.
    """
    limit, chosen = message_limit(name, heard[0].name, profile), MessageScale(0, most.bit_length(), 1.0)
    if chosen.bits > limit:
        raise InputError(
            f"connection {heard[0].name}: '{name}' sends up to {most} spikes in a step, rule: at most "
            f"{(1 << limit) - 1} on profile '{profile.name}' (precision.message_bits); give fewer max_spikes or a "
            "profile of wider messages"
        )
    for h in heard:
        if not _sum_fits(chosen, h, profile):
            raise InputError(
                f"connection {h.name}: {h.fan_in} synapses of up to {most} spikes in a step leave no room in a sum of "
                "32 bits; give fewer max_spikes, a profile of narrower weights (precision.weight_bits) or fewer "
                "synapses a neuron"
            )
    return chosen


def message_summary(name: str, state_range: float, message: MessageScale) -> dict[str, Any]:
    """Return the choice as an entry of a network's record."""
    top = (1 << message.bits) - 1
    return {
        "layer": name,
        "name": "message",
        "low": -state_range,
        "high": state_range,
        "scale": message.scale,
        "integer_low": max(round(-state_range * message.scale), -top),
        "integer_high": min(round(state_range * message.scale), top),
        "rounding": "nearest, ties upward",
        "clipped": 0,
        "count": 1,
        # of numbers spread evenly over the range
        "sqnr": 20.0 * float(np.log10(2.0 * max(state_range, 1e-30) * message.scale)),
        "rule": f"message, {message.bits} bits and sign, output / 2^{message.shift}",
    }


def _at(bits: int, needed: int, state_scale: float) -> MessageScale:
    shift = max(needed - bits, 0)
    return MessageScale(shift, min(bits, needed), state_scale / 2.0**shift)


def _exponent(chosen: MessageScale, h: Heard, profile: Profile) -> float:
    """Return the exponent that the connection's weights need at this scale, a real number."""
    real = max(h.weight, 1e-30) * h.current_scale(chosen.scale) / chosen.scale
    return float(np.log2(real / (h.top or profile.precision.weight_top)))


def _exponent_fits(chosen: MessageScale, h: Heard, profile: Profile) -> bool:
    return _exponent(chosen, h, profile) > profile.precision.weight_exponent_min.value - 1


def _sum_fits(chosen: MessageScale, h: Heard, profile: Profile) -> bool:
    up = max(int(np.ceil(_exponent(chosen, h, profile))), 0)
    return h.fan_in * (h.top or profile.precision.weight_top) * 2.0 ** (chosen.bits + up) < 2.0**ROOM_BITS

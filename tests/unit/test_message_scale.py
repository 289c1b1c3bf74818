"""How many bits a message has: as many as sums leave room for, as few as bring the weights' exponents into range."""

from __future__ import annotations

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.messages import Heard, MessageScale, message_scale, message_summary

LOIHI2 = hn.load_profile("loihi2")
TOP = LOIHI2.precision.weight_top
LOWEST = LOIHI2.precision.weight_exponent_min.value
HEADROOM = LOIHI2.precision.state_headroom.value
SCALE = 2.0**20
"""Units of a state; its range of 1 needs 21 bits and those of the headroom."""
NEEDED = int(np.ceil(np.log2(HEADROOM * SCALE + 1.0)))


def heard(fan_in: int = 1, *, exponent: float = 0.0, at_bits: int | None = None) -> Heard:
    """A connection whose weights need this exponent: whatever the message, or where it has so many bits."""
    if at_bits is None:
        return Heard("a -> b", 1.0, fan_in, lambda unit: unit * TOP * 2.0**exponent)
    fixed = SCALE / 2.0 ** (NEEDED - at_bits) * TOP * 2.0**exponent
    return Heard("a -> b", 1.0, fan_in, lambda unit: fixed)


def chosen(*connections: Heard, bits: int | None = None) -> MessageScale:
    chip = LOIHI2 if bits is None else hn.load_profile("loihi2", {"precision.message_bits": bits})
    return message_scale("a", 1.0, SCALE, connections, chip)


@pytest.mark.parametrize(("fan_in", "bits"), [(1, 16), (64, 16), (65, 15), (1000, 12), (4227, 9), (33_288, 6)])
def test_sums_stay_below_a_quarter_of_32_bits(fan_in: int, bits: int) -> None:
    """fan_in · 127 · 2^bits below 2^29: the sign, a doubling and spikes beside messages have the rest."""
    found = chosen(heard(fan_in))
    assert found.bits == bits
    assert fan_in * TOP * 2**bits < 2**29
    assert bits == 16 or fan_in * TOP * 2 ** (bits + 1) >= 2**29
    assert (found.shift, found.scale) == (NEEDED - bits, SCALE / 2.0 ** (NEEDED - bits))


def test_positive_exponents_take_from_the_room() -> None:
    assert chosen(heard(1000, exponent=3.0)).bits == 9


def test_a_profile_sends_so_many_bits_and_a_sign() -> None:
    assert chosen(heard(), bits=9).bits == 8
    with pytest.raises(InputError, match=r"sends spikes alone \(precision.message_bits = 0\)"):
        chosen(heard(), bits=0)


@pytest.mark.parametrize("bits", [15, 12, 9, 8])
def test_a_message_is_as_wide_as_exponents_allow(bits: int) -> None:
    """The exponent is the lowest of the profile at so many bits, and one below it at one more."""
    assert chosen(heard(at_bits=bits, exponent=LOWEST - 0.5)).bits == bits


def test_below_8_bits_no_exponent_takes_any() -> None:
    assert chosen(heard(at_bits=5, exponent=LOWEST - 0.5)).bits == 8


def test_all_targets_are_looked_at() -> None:
    assert chosen(heard(), heard(1000)).bits == 12
    assert chosen(heard(at_bits=10, exponent=LOWEST - 0.5), heard()).bits == 10


def test_small_numbers_need_no_more_bits_than_they_have() -> None:
    found = message_scale("a", 1.0, 100.0, [heard()], LOIHI2)
    assert (found.shift, found.bits, found.scale) == (0, int(np.ceil(np.log2(HEADROOM * 100.0 + 1.0))), 100.0)


def test_no_room_is_told() -> None:
    with pytest.raises(InputError, match=r"connection a -> b: \d+ synapses of 8 bits leave no room for messages"):
        chosen(heard(1 << 23))


def test_the_record_says_what_a_message_holds() -> None:
    entry = message_summary("a", 3.0, MessageScale(2, 8, 100.0))
    assert (entry["integer_low"], entry["integer_high"]) == (-255, 255)
    assert entry["rule"] == "message, 8 bits and sign, output / 2^2"
    entry = message_summary("a", 2.0, MessageScale(2, 8, 100.0))
    assert (entry["integer_low"], entry["integer_high"]) == (-200, 200)

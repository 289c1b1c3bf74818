"""What a population whose output is a number sends: the output in fewer bits.

m = sat(nearest(z / 2^shift)),  |m| < 2^bits
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import sat, shr_nearest
from hypr_neuro.numbers.jit import jitable


@jitable
def message_of(z: int, shift: int, bits: int) -> int:
    """Return the message of an output: z / 2^shift to nearest, clamped to ±(2^bits - 1)."""
    return sat(shr_nearest(z, shift), bits + 1)


def messages_of(outputs: Array, shift: int, bits: int) -> Array:
    """Return `message_of` of every entry, int32."""
    top = (1 << bits) - 1
    full = (outputs.astype(np.int64) + ((1 << shift) >> 1)) >> shift
    clamped: Array = np.clip(full, -top, top).astype(np.int32)
    return clamped

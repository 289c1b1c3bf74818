"""Weight matrices and delays of dense layers.

lava-dl raises the weights of a dense layer by the largest power of two that Loihi's 8 bits hold and lets the sum be
shifted back. Lava then clips them and clears low bits, by a sign mode that it takes from the raised values, while
lava-dl chose power and width for a sign mode of its own: mixed unless no weight is 0 or above, or none below 0. All
weights come through as they are, odd ones too (lava-dl states a width of 9 bits for those), but for

    weights outside -256..254 where both signs occur: clipped, with a printed warning
    weights above 255 or below -255 of one sign: shifted by a negative number of bits, after which all are 0
    no weight above 0 and the least -2^k: raised to -256, which Lava clips to -255; all weights -1 become 0
    no weight above 0, but zeros, the least below -128 and some weight odd: mixed to lava-dl, inhibitory to Lava, which
        shifts by a negative number of bits; all become 0

Here these are refused. A matrix of zeros alone, on which lava-dl raises OverflowError, is read. In `dense_rec` input
and recurrent weights are raised together, but Lava takes a sign mode from each of the two.

Delays: slayer trains one for each neuron, on its output; netx gives it to all inputs of that neuron instead, which is
the same in a chain of layers but makes the states run later too. A square matrix's vector counts as one for each
neuron, never as one for each input. lava-dl lowers delays above 62 to 62 with a warning; here they are refused.
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.netx.fields import Fields
from hypr_neuro.numbers.arrays import Array

LARGEST_DELAY = 62


def matrix(fields: Fields, key: str, rows: int) -> Array:
    """Return weights (rows, inputs), int32; a vector is read row by row."""
    array = fields.integers(key)
    if array.size % rows or (array.ndim > 1 and array.shape != (rows, array.size // rows)):
        raise FileFormatError(f"{fields.path}/{key} has shape {array.shape}, rule: ({rows}, inputs)")
    return array.reshape(rows, -1).astype(np.int32)


def check_range(path: str, *parts: Array, remedy: str = "quantize to 8 bits") -> None:
    """Raise InputError, naming the matrix, for weights that lava-dl would change; `parts` are raised together.

    remedy : said of weights that are too large
    """
    low, high = min(int(p.min()) for p in parts), max(int(p.max()) for p in parts)
    low_limit, high_limit = (-256, 254) if low < 0 < high else (-255, 255)
    for value in (low, high):
        if not low_limit <= value <= high_limit:
            raise InputError(
                f"{path}: weights {low}..{high}, rule: {low_limit}..{high_limit} for these signs, "
                f"lava-dl would change {value}; {remedy}"
            )
    exponent, mixed, odd = _raised_by(low, high), low < 0 <= high, any(np.any(part & 1) for part in parts)
    for part in parts:
        least, most = int(part.min()), int(part.max())
        if least < 0 and most <= 0 and least << exponent == -256:
            raise InputError(
                f"{path}: no positive weight and least {least}, rule: not a power of two, lava-dl would raise it to "
                "-256, which Lava clips; add an input with a positive weight, or change the scale"
            )
        if mixed and odd and exponent == 0 and (least, most) != (0, 0) and (least >= 0 or most <= 0):
            raise InputError(
                f"{path}: odd weights in a range {low}..{high}, {least}..{most} in one matrix, rule: even ones, "
                "or both signs in each matrix; lava-dl would set that matrix to 0"
            )


def _raised_by(low: int, high: int) -> int:
    """Return the k by which lava-dl raises weights low..high."""
    k = 0
    while max(high, 0) << (k + 1) <= (254 if low < 0 else 255) and -min(low, 0) << (k + 1) <= 256 and k < 8:
        k += 1
    return k


def delays(fields: Fields, shape: tuple[int, int]) -> int | Array:
    """Return the delays of a dense layer's weights (post, pre): one number, or an array of that shape.

    Fractions of a step are cut off.
    """
    if "delay" not in fields:
        return 0
    value = Fields(fields.path, {"delay": np.floor(_numbers(fields))}).integers("delay", 0, LARGEST_DELAY)
    if value.ndim == 0:
        return int(value)
    if value.ndim == 1 and value.size == shape[0]:
        value = value[:, None]
    elif value.ndim == 1 and value.size == shape[1]:
        value = value[None, :]
    elif value.shape != shape:
        raise FileFormatError(
            f"{fields.path}/delay has shape {value.shape}, rule: one number, ({shape[0]},) for neurons, ({shape[1]},) "
            f"for inputs, or {shape}"
        )
    by_synapse = np.ascontiguousarray(np.broadcast_to(value, shape))
    return int(by_synapse.flat[0]) if np.all(by_synapse == by_synapse.flat[0]) else by_synapse


def _numbers(fields: Fields) -> Array:
    """Return the delays as stored."""
    value = np.asarray(fields.values["delay"])
    if value.dtype.kind not in "iuf":
        raise FileFormatError(f"{fields.path}/delay holds no numbers; export the network again")
    return value

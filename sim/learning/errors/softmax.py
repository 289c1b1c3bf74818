"""Soft-max less one-hot label: error_k = sat(p_k - [k = label]), the derivative of the cross-entropy.

    p_k = round(2^(bits-1) E_k / Σ E),  E_k = table[min(round((max o - o_k) / 2^(fraction-4)), 255)]

The table holds e^-x in steps of 1/16, with 15 fraction bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import quotient, sat, shr_nearest
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.errors.base import OutputError

EXP_ENTRIES, EXP_STEP_LOG2, EXP_FRACTION = 256, 4, 15
EXP_TABLE: Array = np.rint(2.0**EXP_FRACTION * np.exp(-np.arange(EXP_ENTRIES) / 2.0**EXP_STEP_LOG2)).astype(np.int64)


@jitable
def softmax_error(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """See the module."""
    largest = output[0]
    for k in range(output.shape[0]):
        largest = max(largest, output[k])
    total = 0
    for k in range(output.shape[0]):
        index = shr_nearest(largest - output[k], max(fraction - EXP_STEP_LOG2, 0))
        error[k] = table[min(index, EXP_ENTRIES - 1)]
        total += error[k]
    for k in range(output.shape[0]):
        share = quotient((error[k] << bits) + total, 2 * total)
        error[k] = sat(share - (1 << (bits - 1)) * (k == label), bits)


def real(output: Array, target: Array) -> Array:
    """e^{o_k} / Σ e^{o} - target."""
    power = np.exp(output - output.max(axis=-1, keepdims=True))
    return np.asarray(power / power.sum(axis=-1, keepdims=True) - target)


ERROR = OutputError(
    "softmax",
    f"soft-max less one-hot label (a table of {EXP_ENTRIES} entries for e^-x and one division)",
    softmax_error,
    real,
    table=EXP_TABLE,
    loss="per_step_cross_entropy",
)

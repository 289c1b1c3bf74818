"""Weights as whole numbers: netx has no exponents, and lava-dl's own never floor a sum."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from hypr_neuro.compilers.netx.constant_currents import REQUANTIZE, RULE
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Synapses
from hypr_neuro.numbers.arrays import Array

FAR_OUTSIDE = 1 << 20


def dense_integers(matrix: Any) -> Array:
    """Return weights or delays (post, pre) as an int64 array."""
    integers: Array = (matrix if isinstance(matrix, np.ndarray) else matrix.toarray()).astype(np.int64)
    return integers


def whole_weights(c: Synapses, mantissas: Array, exponents: Collection[int] = ()) -> Array:
    """Return mantissas · 2^exponent of a connection, int64; raise InputError, naming the weight, for a fraction.

    Parameters
    ----------
    c
        The connection.
    mantissas : (post, pre)
        Integers, or a kernel of them.
    exponents
        Of all that leads to the layer: where there are several, the error names their common scale.
    """
    if c.exponent >= 0:
        # what exceeds netx's range stays outside it, and 64 bits hold it
        return np.clip(mantissas, -FAR_OUTSIDE, FAR_OUTSIDE) << min(c.exponent, 32)
    for index in np.argwhere(mantissas % (1 << -c.exponent))[:1]:
        several = f" ({', '.join(map(str, sorted(exponents)))} into the layer)" if len(exponents) > 1 else ""
        raise InputError(
            f"connection {c.name}: weight {index.tolist()} = {mantissas[tuple(index)]} · 2^{c.exponent}, "
            f"{RULE}: whole numbers, its weights have no exponents{several}; {REQUANTIZE} makes them"
        )
    return mantissas >> -c.exponent

"""Weights that change by themselves: bits that flip, and drift towards zero."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hypr_neuro.faults.drawing import DRIFT, FLIPS, draw
from hypr_neuro.faults.kinds import Faults
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.levels import to_mantissas
from hypr_neuro.quantizing.network import QuantizedNetwork


def widths_of(qnet: QuantizedNetwork) -> dict[str, int]:
    """Return the bits of a weight by connection."""
    return {name: qnet.weight_bits(c) for name, c in zip(qnet.connection_names(), qnet.connections, strict=True)}


def faulty_weights(
    weights: Mapping[str, Array], faults: Faults, sample: int, bits: int | Mapping[str, int]
) -> dict[str, Array]:
    """Return the weights that change before a sample, by connection.

    Parameters
    ----------
    weights : dict of ndarray
        Mantissas in two's complement.
    faults : Faults
        weight_flips: each bit by itself. drift r: w' = (1 - r) w, rounded at random so that its mean is that.
    sample : int
        Its number.
    bits : int or dict of int
        Width of a mantissa, of all or by connection; one of 1 bit is -1 or 1, and a flip turns it over.
    """
    changed: dict[str, Array] = {}
    flips, drift = draw(faults.seed, FLIPS, sample), draw(faults.seed, DRIFT, sample)
    for name, held in weights.items():
        new, width = held.astype(np.int64), bits if isinstance(bits, int) else bits[name]
        if faults.drift:
            new = np.floor(new * (1.0 - faults.drift) + drift.random(new.shape)).astype(np.int64)
        if faults.weight_flips:
            new = _flipped(new, faults.weight_flips, width, flips)
        new = to_mantissas(np.where(new == 0, held, new) if width == 1 else new, width)
        if not np.array_equal(new, held):
            changed[name] = new.astype(held.dtype)
    return changed


def _flipped(weights: Array, probability: float, bits: int, rng: np.random.Generator) -> Array:
    """Flip each of the bits with a probability; only those that flip are drawn."""
    if bits == 1:
        turned: Array = np.where(rng.random(weights.shape) < probability, -weights, weights)
        return turned
    total = weights.size * bits
    places = rng.choice(total, size=int(rng.binomial(total, probability)), replace=False)
    flat = weights.reshape(-1).copy()
    np.bitwise_xor.at(flat, places // bits, np.int64(1) << (places % bits))
    mask = (1 << bits) - 1
    unsigned = flat & mask
    signed: Array = np.where(unsigned >> (bits - 1), unsigned - (1 << bits), unsigned)
    return signed.reshape(weights.shape)

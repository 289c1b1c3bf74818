"""Bytes that a network keeps: weights, parameters and states, every number in its stated width.

    bits = stored weights · weight bits + neurons · (integers of a neuron + states) · state bits

A dense connection stores all its weights, a sparse one those that are listed (not where they lie), a convolution its
kernel. A network of integers alone states no widths: weights then count as wide as the widest of them, all else 32
bits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hypr_neuro.graph.integer import HasInteger, IntegerNetwork
from hypr_neuro.quantizing.network import QuantizedNetwork

WORD_BITS = 32


@dataclass(frozen=True)
class StoredBytes:
    """Bytes of a network, each part packed and rounded up.

    Attributes
    ----------
    weights, parameters, states
        Of connections with their bias axons, of neurons' own integers, of their states.
    """

    weights: int
    parameters: int
    states: int

    @property
    def bytes(self) -> int:
        """All of them."""
        return self.weights + self.parameters + self.states

    def as_dict(self) -> dict[str, int]:
        """Return the parts by name."""
        return asdict(self)


def footprint_of(network: IntegerNetwork | HasInteger) -> StoredBytes:
    """Return what a network keeps; see the module."""
    if isinstance(network, QuantizedNetwork):
        widths = {p.name: int(network.profile.of(p.name).precision.state_bits.value) for p in network.populations}
        weights = sum(_stored(c.mantissa) * network.weight_bits(c) for c in network.connections)
        populations: Any = network.populations
    else:
        integer = network if isinstance(network, IntegerNetwork) else network.integer()
        widths = {p.name: WORD_BITS for p in integer.populations}
        always_on = sum(c.shape[0] for c in integer.synapses if c.always_on is not None)
        weights = sum(_stored(c.weights) * _width(c.weights) for c in integer.synapses) + always_on * WORD_BITS
        populations = integer.populations
    numbers = sum(len(p.model.fixed_per_neuron) * p.size * widths[p.name] for p in populations)
    states = sum(p.model.d * p.size * widths[p.name] for p in populations)
    return StoredBytes(_bytes(weights), _bytes(numbers), _bytes(states))


def _stored(weights: Any) -> int:
    return int(weights.size if isinstance(weights, np.ndarray) else weights.data.size)


def _width(weights: Any) -> int:
    """Return the bits, sign included, that hold every weight of a connection."""
    values = weights if isinstance(weights, np.ndarray) else weights.data
    if not values.size:
        return 0
    return 1 + max(int(values.max()), -int(values.min()) - 1, 0).bit_length()


def _bytes(bits: int) -> int:
    return -(-bits // 8)

"""A network that is ready to be loaded onto a device: checked, with what the device made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.synapses import Synapses
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions


@dataclass(frozen=True)
class Prepared:
    """What `prepare` of a device made and `load` takes.

    Attributes
    ----------
    device
        Name of the device.
    network
        A copy of what was given.
    options
        How it learns, None if it does not.
    made
        Whatever the device needs beside them, such as a compiled program.
    """

    device: str
    network: QuantizedNetwork | IntegerNetwork
    options: LearnOptions | None = None
    made: Any = None

    @property
    def quantized(self) -> QuantizedNetwork:
        """The network, which has a profile; InputError for one of integers alone."""
        require("network", self.network, QuantizedNetwork)
        assert isinstance(self.network, QuantizedNetwork)
        return self.network

    def with_network(self, network: QuantizedNetwork | IntegerNetwork) -> Prepared:
        """Return the same with other numbers in the network."""
        return replace(self, network=network)

    def discard(self) -> None:
        """Give back what the device made."""
        if hasattr(self.made, "discard"):
            self.made.discard()


Loadable = QuantizedNetwork | IntegerNetwork | Prepared


def weights_of(network: QuantizedNetwork | IntegerNetwork) -> dict[str, Array]:
    """Return copies of the weights of every connection, by name."""
    if isinstance(network, QuantizedNetwork):
        return {name: weights.copy() for name, weights in network.weights().items()}
    return {c.name: _stored(c).copy() for c in network.synapses}


def _stored(c: Synapses) -> Array:
    """Return the weights that a connection stores: of CSR those that stand in it, of a convolution its kernel."""
    if c.convolution is not None:
        return c.convolution.kernel
    weights: Any = c.weights
    return np.asarray(weights.data if c.sparse else weights)


def with_weights(
    network: QuantizedNetwork | IntegerNetwork, weights: Mapping[str, Array]
) -> QuantizedNetwork | IntegerNetwork:
    """Return a copy of the network with these weights in place of its own, by connection name.

    Raises
    ------
    InputError
        For unknown names, other shapes, and numbers beyond the width of a weight.
    """
    held = weights_of(network)
    for name, array in weights.items():
        if name not in held:
            raise InputError(f"weights: unknown connection {among(name, sorted(held))}")
        if array.shape != held[name].shape or array.dtype.kind not in "iu":
            raise InputError(
                f"weights of {name}: {array.dtype} of shape {array.shape}, rule: integers of shape {held[name].shape}"
            )
    if isinstance(network, QuantizedNetwork):
        tops = {n: network.weight_top(c) for n, c in zip(network.connection_names(), network.connections, strict=True)}
        for name, array in weights.items():
            top = tops[name]
            largest = max(int(array.max(initial=0)), -int(array.min(initial=0)))
            if largest > top:
                raise InputError(f"weights of {name}: magnitudes up to {largest}, rule: at most {top}")
        changed = network.copy()
        for name, array in weights.items():
            changed.weights()[name][...] = array
        return changed
    return replace(network, synapses=tuple(_replaced(c, weights.get(c.name)) for c in network.synapses))


def _replaced(c: Synapses, stored: Array | None) -> Synapses:
    if stored is None:
        return c
    if c.convolution is not None:
        return replace(c, weights=replace(c.convolution, kernel=stored))
    if c.sparse:
        changed: Any = c.weights.copy()
        changed.data = stored
        return replace(c, weights=changed)
    return replace(c, weights=stored)

"""One layer of a netx file: its neurons, and what comes from the layer below and from itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.compilers.netx.constant_currents import ConstantAxon
from hypr_neuro.compilers.netx.images import Arrangement, ImageConvolution
from hypr_neuro.compilers.netx.weights import dense_integers, whole_weights
from hypr_neuro.graph.integer import Population, Synapses
from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True)
class NetxLayer:
    """One layer of the file.

    Attributes
    ----------
    population
        Its neurons, without those that only carry constant currents.
    axons_below
        Inputs from the layer below, without the constant ones.
    forward
        What comes from the layer below, by current.
    recurrent
        What comes from itself.
    constant_axons
        Constant inputs from below, each after the ordinary ones.
    helpers
        Steps from which those neurons fire in every step that carry constant currents for the layer above, each after
        the ordinary ones.
    image
        The convolution from below, where the layer is one in the file (`images`); otherwise its weights are matrices.
    below
        How the layer below lies in an image, where that one is a convolution.
    """

    population: Population
    axons_below: int
    forward: dict[int, tuple[Synapses, ...]]
    recurrent: tuple[Synapses, ...]
    constant_axons: tuple[ConstantAxon, ...]
    helpers: tuple[int, ...]
    image: ImageConvolution | None = None
    below: Arrangement | None = None

    @property
    def size(self) -> int:
        """Return the neurons of the layer, helpers included."""
        return self.population.size + len(self.helpers)

    @property
    def inputs(self) -> int:
        """Return the inputs from below, constant ones included."""
        return self.axons_below + len(self.constant_axons)

    def groups(self) -> list[tuple[Synapses, ...]]:
        """Return its connections by source and current."""
        return [*self.forward.values(), self.recurrent]

    @property
    def label(self) -> str:
        """Return its connections, as errors name them."""
        parts = [c for group in self.groups() for c in group]
        return "connection " + " and ".join(dict.fromkeys(c.name for c in parts))

    def matrix(self, current: int) -> Array:
        """Return whole weights (size, inputs) from below into a current, int64."""
        matrix = np.zeros((self.size, self.inputs), np.int64)
        parts = self.forward[current]
        whole = sum_of(self, parts, [dense_integers(c.weights) for c in parts])
        matrix[: self.population.size, : self.axons_below] = self._in_files_order(whole)
        for i, axon in enumerate(self.constant_axons):
            matrix[:, self.axons_below + i] = axon.weights.get(current, 0)
        return matrix

    def recurrent_matrix(self) -> Array:
        """Return whole recurrent weights (size, size), int64."""
        n = self.population.size
        matrix = np.zeros((self.size, self.size), np.int64)
        matrix[:n, :n] = sum_of(self, self.recurrent, [dense_integers(c.weights) for c in self.recurrent])
        return matrix

    def delays(self) -> int | Array:
        """Return the delays of the weights from below: one number, or (size, inputs)."""
        uniform = self.forward[0][0].delays
        if isinstance(uniform, int) and all(axon.delay == uniform for axon in self.constant_axons):
            return uniform
        matrix = np.zeros((self.size, self.inputs), np.int64)
        matrix[: self.population.size, : self.axons_below] = (
            uniform if isinstance(uniform, int) else self._in_files_order(dense_integers(uniform))
        )
        matrix[:, self.axons_below :] = [axon.delay for axon in self.constant_axons]
        return matrix

    def _in_files_order(self, matrix: Array) -> Array:
        """Return a matrix with a column for each axon from below in the order of the file."""
        return matrix if self.below is None else matrix[:, self.below.flattened()]


def sum_of(layer: NetxLayer, parts: tuple[Synapses, ...], mantissas: list[Array]) -> Array:
    """Return the sum of the whole weights of some connections of a layer, from the mantissas of each."""
    exponents = {c.exponent for group in layer.groups() for c in group}
    total: Array = np.sum([whole_weights(c, m, exponents) for c, m in zip(parts, mantissas, strict=True)], axis=0)
    return total

"""The update of one connection, or of the neuron parameters of a layer, from gradients; by the simulator's kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.update import TensorSteps, parameter_update_kernel, weight_kernel


class WeightUpdate:
    """The update of a connection's mantissas (n, m); residual : (n, m), what weights keep below a mantissa unit."""

    def __init__(
        self,
        options: LearnOptions,
        shape: tuple[int, int],
        tensor: int,
        *,
        weight_bits: int,
        momentum_bits: int,
        residual_bits: int,
    ) -> None:
        self.steps, self.seed, self.tensor = TensorSteps(options, shape, momentum_bits), options.seed, tensor
        self.weight_bits, self.residual_bits = weight_bits, residual_bits
        self.residual = np.zeros(shape if residual_bits else (0, 0), np.int64)
        self.updates, self.counts = 0, np.zeros(4, np.int64)

    def __call__(self, weights: Array, gradient: Array, rate: int) -> None:
        """Change `weights` in place."""
        weight_kernel()(
            weights,
            self.residual,
            self.steps(gradient, rate),
            self.weight_bits,
            self.residual_bits,
            self.seed,
            self.updates,
            self.tensor,
            self.counts,
        )
        self.updates += 1


class ParameterUpdate:
    """The update of a layer's neuron parameters.

    tensor : number of the first trainable one. places : of those that learn, in `trainable`
    """

    def __init__(
        self, model: str, options: LearnOptions, size: int, tensor: int, places: Sequence[int], momentum_bits: int
    ) -> None:
        self.model, self.seed, self.tensor = model, options.seed, tensor
        self.steps = {j: TensorSteps(options, (size, 1), momentum_bits) for j in places}
        self.updates = 0

    def __call__(self, per_neuron: Array, constants: Array, gradient: Array, trainable: int, rate: int) -> None:
        """Change `per_neuron` (integers, n) in place; gradient (n, p), in the order of the places."""
        steps = np.zeros((trainable, per_neuron.shape[1]), np.int64)
        for column, (j, step) in enumerate(self.steps.items()):
            steps[j] = step(gradient[:, column : column + 1], rate)[:, 0]
        parameter_update_kernel(self.model)(per_neuron, constants, steps, self.seed, self.updates, self.tensor)
        self.updates += 1

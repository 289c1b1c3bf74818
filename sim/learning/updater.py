"""All updates of a network: which tensors change, by which rule, and what the rule remembers of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.quantize import QuantizedNetwork
from hypr_neuro.sim.learning.layer import LayerLearner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.update import (
    PARAMETER_TENSORS,
    parameter_update_kernel,
    step_kernel,
    tensor_number,
    weight_kernel,
)
from hypr_neuro.sim.learning.updates import UPDATES


class Updater:
    """Changes weights and neuron parameters from the gradients that the layers hold.

    averages : state of the rule by tensor ("layers.0.input", "layers.0.omega"), then by name. momentum, residual : by
    tensor, empty where there is none. counts : see `update`
    """

    def __init__(self, qnet: QuantizedNetwork, layers: Sequence[LayerLearner], options: LearnOptions) -> None:
        self.qnet, self.layers, self.options, self.updates = qnet, layers, options, 0
        rules = qnet.profile.learning
        self.momentum_bits, self.residual_bits = rules.momentum_bits.value, rules.residual_bits.value
        self.rule = UPDATES[options.rule]
        shapes = {name: (g.shape if g.ndim == 2 else (len(g), 1)) for name, g in self.gradients().items()}
        self.averages = {
            name: {key: np.zeros(size, np.int64) for key, size in self.rule.state(*shape).items()}
            for name, shape in shapes.items()
        }
        self.momentum = {k: np.zeros(shape, np.int64) for k, shape in shapes.items() if options.momentum}
        self.residual = {k: np.zeros(shapes[k], np.int64) for k in qnet.weights() if self.residual_bits and k in shapes}
        self.counts = np.zeros(4, np.int64)

    def gradients(self) -> dict[str, Array]:
        """Gradient of everything that learns: (n, m) of a connection, (n,) of a neuron parameter; views."""
        found: dict[str, Array] = {}
        for learner in self.layers:
            if learner.weights:
                found |= {f"{learner.name}.{key}": g for key, g in learner.connection_gradients().items()}
            found |= {
                f"{learner.name}.{learner.layer.model.trainable[j]}": p.gradient for j, p in learner.parameters.items()
            }
        return found

    def update(self, rate: int, parameter_rate: int) -> None:
        """One update of everything that learns."""
        bits, seed = self.qnet.profile.precision.weight_bits.value, self.options.seed
        nothing = np.zeros((0, 0), np.int64)
        for i, learner in enumerate(self.layers):
            if not learner.weights:
                continue
            layer = learner.layer
            for key, gradient in learner.connection_gradients().items():
                name = f"{learner.name}.{key}"
                step = self._steps(name, np.ascontiguousarray(gradient, dtype=np.int64), rate)
                weight_kernel()(
                    layer.connections()[key].mantissa,
                    self.residual.get(name, nothing),
                    step,
                    bits,
                    self.residual_bits,
                    seed,
                    self.updates,
                    tensor_number(i, key),
                    self.counts,
                )
            if learner.parameters:
                steps = np.zeros((len(layer.model.trainable), layer.size), np.int64)
                for j, p in learner.parameters.items():
                    name = f"{learner.name}.{layer.model.trainable[j]}"
                    steps[j] = self._steps(name, p.gradient[:, None], parameter_rate)[:, 0]
                parameter_update_kernel(layer.model.name)(
                    layer.per_neuron, layer.constants, steps, seed, self.updates, PARAMETER_TENSORS + 16 * i
                )
        self.updates += 1

    def _steps(self, name: str, gradient: Array, rate: int) -> Array:
        step = np.zeros(gradient.shape, np.int64)
        step_kernel(self.rule.name)(
            gradient,
            tuple(self.averages[name].values()),
            rate,
            self.options.limit,
            self.options.average_shift,
            self.momentum.get(name, np.zeros((0, 0), np.int64)),
            self.options.momentum,
            max(self.momentum_bits, 1),
            step,
        )
        return step

    def state(self) -> Iterator[tuple[str, Array]]:
        """Every array that a later update depends on, by name; not copies."""
        for name, by_key in self.averages.items():
            for key, array in by_key.items():
                yield f"average/{name}/{key}", array
        for kind, arrays in (("momentum", self.momentum), ("residual", self.residual)):
            for name, array in arrays.items():
                yield f"{kind}/{name}", array
        yield "counts", self.counts

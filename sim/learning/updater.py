"""All updates of a network: which tensors change, by which rule, and what the rule remembers of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.layer import LayerLearner
from hypr_neuro.sim.learning.layer_plan import LayerPlan, Tensor
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.update import TensorSteps, parameter_update_kernel, weight_kernel

Draws = tuple[int, int, int]
"""The first three words of the random counter: seed, update, tensor."""
Writer = Callable[[int, Array, Draws, Array], bool]
"""Takes steps off weights that are no digital memory: place, steps, words to round by, counts; False for others."""


class Updater:
    """Changes weights and neuron parameters from the gradients that the layers hold.

    Parameters
    ----------
    plan, layers
        What learns.
    write : callable, optional
        A `Writer`.

    Attributes
    ----------
    averages : dict
        State of the rule by tensor ("layers.0.input", "layers.0.omega"), then by name.
    momentum, residual : dict of ndarray
        By tensor, empty where there is none.
    counts : ndarray
        (4,), see `update`.
    """

    def __init__(self, plan: LearningPlan, layers: Sequence[LayerLearner], write: Writer | None = None) -> None:
        self.plan, self.layers, self.options, self.updates = plan, layers, plan.options, 0
        self.steps = {t.name: TensorSteps(plan.options, t.shape, plan.momentum_bits) for t in plan.tensors}
        self.averages = {name: steps.averages for name, steps in self.steps.items()}
        self.momentum = {name: steps.momentum for name, steps in self.steps.items() if plan.options.momentum}
        self.residual = {t.name: np.zeros(t.shape, np.int64) for t in plan.tensors if t.residual_bits}
        self.counts, self._write = np.zeros(4, np.int64), write

    def gradients(self) -> dict[str, Array]:
        """Return the gradient of all that learns: (n, m) of a connection, (n,) of a neuron parameter; views."""
        result: dict[str, Array] = {}
        for learner in self.layers:
            if learner.plan.learns:
                result |= learner.connection_gradients()
            names = learner.neurons.model.trainable
            result |= {f"{learner.name}.{names[j]}": p.gradient for j, p in learner.parameters.items()}
        return result

    def update(self, rate: int, parameter_rate: int) -> None:
        """Update everything that learns."""
        for plan, learner in zip(self.plan.layers, self.layers, strict=True):
            if not plan.learns:
                continue
            tensors, steps = (
                self.plan.tensors_of(plan.index),
                np.zeros((len(plan.model.trainable), plan.size), np.int64),
            )
            gradients = learner.connection_gradients()
            for tensor in tensors:
                if tensor.place is None:
                    self._change(plan, tensor, gradients[tensor.name], rate)
                else:
                    gradient = learner.parameters[tensor.place].gradient[:, None]
                    steps[tensor.place] = self.steps[tensor.name](gradient, parameter_rate)[:, 0]
            if plan.parameters:
                neurons, first = plan.neurons, plan.first_parameter_number
                parameter_update_kernel(neurons.model.name)(
                    neurons.per_neuron, neurons.constants, steps, self.options.seed, self.updates, first
                )
        self.updates += 1

    def _change(self, layer: LayerPlan, tensor: Tensor, gradient: Array, rate: int) -> None:
        """Update a connection."""
        step = self.steps[tensor.name](gradient, rate)
        place = layer.incoming[tensor.incoming].place
        if self._write is not None and self._write(place, step, self._draws(tensor), self.counts):
            return
        weight_kernel()(
            layer.incoming[tensor.incoming].tensor(),
            self.residual.get(tensor.name, np.zeros((0, 0), np.int64)),
            step,
            tensor.weight_bits,
            tensor.residual_bits,
            self.options.seed,
            self.updates,
            tensor.number,
            self.counts,
        )

    def _draws(self, tensor: Tensor) -> Draws:
        """Return the words of the counter by which the steps of a tensor are rounded."""
        return self.options.seed, self.updates, tensor.number

    def state(self) -> Iterator[tuple[str, Array]]:
        """Yield every array that a later update depends on, by name; not copies."""
        for name, by_key in self.averages.items():
            for key, array in by_key.items():
                yield f"average/{name}/{key}", array
        for kind, arrays in (("momentum", self.momentum), ("residual", self.residual)):
            for name, array in arrays.items():
                yield f"{kind}/{name}", array
        yield "counts", self.counts

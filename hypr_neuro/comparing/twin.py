"""The float side of learning on a device: the same rule, order, delays, updates and rates, in real numbers.

Rates are in units of the device's own steps: of a mantissa for weights, of `learned.units` for neuron parameters.
Weights and parameters are real numbers, so residuals of rounding have no counterpart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import numpy as np

from hypr_neuro.comparing.float_device import FloatDevice, feedback_weights
from hypr_neuro.comparing.scales import gradient_scales
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.learned_values import gradient_by_value, values_of, write_values
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.errors.base import OutputError
from hypr_neuro.sim.learning.learn import epoch_order, rates
from hypr_neuro.sim.learning.options import RATE_FRACTION, LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.loop import evaluate
from hypr_neuro.train.losses import Loss, get_loss
from hypr_neuro.train.optimizers import OnChip


@dataclass(frozen=True)
class TwinEpoch:
    """Accuracy on the part that is scored; weights by connection and values by parameter ("layers.0.omega")."""

    accuracy: float
    weights: dict[str, Array]
    values: dict[str, Array]


class FloatTwin:
    """A float network that learns as the device does.

    Attributes
    ----------
    net
        Changed in place.
    optimizer, parameter_optimizer
        Of weights, and of values of neuron parameters.
    """

    def __init__(self, net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        options.refuse_noise("the float side of a comparison")
        options.refuse_connections(qnet, "the float side of a comparison")
        plan = LearningPlan(qnet, options)
        self.net, self.qnet, self.options = net, qnet, options
        self.stopped = Event()
        self.delays = signal_delays(plan)
        self.feedback, self.error = feedback_weights(plan), plan.error
        self.chosen = [layer.places for layer in plan.layers]
        for layer, places in zip(net.layers, self.chosen, strict=True):
            names = {layer.model.trainable[j] for j in places} | set(layer.trainable)
            layer.trainable = tuple(p for p in layer.model.trainable if p in names)
        scale = gradient_scales(net, qnet, options)
        self.optimizer = self._optimizer(options.rate, weight_steps(plan), scale)
        self.parameter_optimizer = self._optimizer(options.parameter_rate, parameter_units(plan), scale)
        self.device = FloatDevice(net, qnet, options) if options.update_on == "step" else None
        self.sums: dict[str, Array] = {}
        self.samples = self.steps = self.updates = 0

    def _optimizer(self, rate: float, lsb: dict[str, float], scale: dict[str, float]) -> OnChip:
        chosen = self.options
        return OnChip(
            rate,
            lsb,
            rule=chosen.rule,
            limit=float(chosen.limit),
            average_shift=chosen.average_shift,
            momentum=chosen.momentum,
            scale=scale,
        )

    def learn(
        self, data: SequenceData, epochs: int, part: str, on_epoch: Callable[[str, int], None] | None = None
    ) -> list[TwinEpoch]:
        """Return the state before learning and after each epoch; fewer if `stopped` is set meanwhile."""
        train = data.part("train")
        states = [self._state(data, part)]
        for epoch, (rate, parameter_rate) in enumerate(rates(self.options, epochs)):
            self.optimizer.rate = rate / (1 << RATE_FRACTION)
            self.parameter_optimizer.rate = parameter_rate / (1 << RATE_FRACTION)
            for index in epoch_order(self.options.seed, epoch, len(train)):
                if self.stopped.is_set():
                    return states
                self.sample(train.take(np.array([index])))
            states.append(self._state(data, part))
            if on_epoch is not None:
                on_epoch("float", epoch + 1)
        return states

    def _state(self, data: SequenceData, part: str) -> TwinEpoch:
        values = {
            f"{self.net.name(i)}.{layer.model.trainable[j]}": values_of(layer)[j]
            for i, layer in enumerate(self.net.layers)
            for j in self.chosen[i]
        }
        return TwinEpoch(evaluate(self.net, data, part).accuracy, matrices(self.net), values)

    def sample(self, sample: SequenceData) -> None:
        """Learn from one sample, with the updates that fall due."""
        if self.device is None:
            for name, gradient in self.gradients(sample).items():
                self.sums[name] = self.sums.get(name, 0.0) + gradient
            self.samples += 1
            if self.options.due("sample", self.samples):
                self._update(self.sums)
                self.sums = {}
            return
        self.device.refresh()
        self.device.sample(*arrays_of(sample), on_step=self._after_step)
        self.samples += 1

    def _after_step(self) -> None:
        assert self.device is not None
        self.steps += 1
        if self.options.due("step", self.steps):
            self._update(self.device.gradients())
            self.device.clear()
            self.device.refresh()

    def gradients(self, sample: SequenceData) -> dict[str, Array]:
        """Return gradients of one sample, summed over its steps: by connection, and by parameter."""
        scored = sample.x.shape[1] if sample.mask is None else int(sample.mask.sum())
        if not scored:
            empty = {name: np.zeros_like(a, np.float64) for name, a in self.net.arrays().items()}
            return named_gradients(self.net, empty)
        loss, outputs = loss_of(ERRORS[self.error]), self.net.output_size
        factor = scored * ERRORS[self.error].loss_scale(outputs)
        target = np.eye(outputs)[sample.y] if loss.targets == "real" else sample.y
        by_array, _ = gradients(
            self.net,
            sample.x,
            target,
            sample.mask,
            loss=loss,
            dtype=np.float32,
            signal_delay=self.delays,
            feedback_weights=self.feedback,
        )
        return {name: factor * g for name, g in named_gradients(self.net, by_array).items()}

    def _update(self, gradients: dict[str, Array]) -> None:
        weights = matrices(self.net)
        self.optimizer.update(weights, gradients)
        write_matrices(self.net, weights)
        for i, layer in enumerate(self.net.layers):
            names = {j: f"{self.net.name(i)}.{layer.model.trainable[j]}" for j in self.chosen[i]}
            if not names:
                continue
            values = values_of(layer)
            changed = {
                j: values[j]
                - self.parameter_optimizer.lsb[name]
                * self.parameter_optimizer.step(name, gradient_by_value(layer, j, gradients[name])[:, None])[:, 0]
                for j, name in names.items()
            }
            write_values(layer, changed)
        self.updates += 1


def signal_delays(plan: LearningPlan) -> list[int]:
    """Return the steps by which signals reach each hidden layer later than the layer above, as far as nothing waits."""
    return [0 if plan.clock.aligned else plan.clock.signal_step(i) for i in range(plan.last)]


def loss_of(error: OutputError) -> Loss:
    """Return the training loss whose derivative is this error; of one without such a loss, its value is not known."""
    if error.loss:
        return get_loss(error.loss)

    def step(output: Array, label: Array, weight: Array) -> tuple[Array, Array]:
        target = np.eye(output.shape[2], dtype=output.dtype)[label]
        return np.full(output.shape[1], np.nan), np.asarray(weight[:, :, None] * error.real(output, target))

    return Loss(error.name, "step", step)


def weight_steps(plan: LearningPlan) -> dict[str, float]:
    """Return the real size of one mantissa unit, of every connection that learns."""
    layers = [layer.layer for layer in plan.layers]
    return {
        t.name: layers[t.layer].weight_step(layers[t.layer].connections()[t.key])
        for t in plan.tensors
        if not t.parameter
    }


def parameter_units(plan: LearningPlan) -> dict[str, float]:
    """Return the real size of one unit of change, of the value of every neuron parameter that learns."""
    return {f"{layer.name}.{p.name}": p.unit for layer in plan.layers for p in layer.parameters}


def arrays_of(sample: SequenceData) -> tuple[Array, Array, Array]:
    """Return (x (T, channel), label (T,), scored (T,)) of the only sample, as learners take it."""
    steps = sample.x.shape[1]
    label = np.broadcast_to(sample.y.reshape(1, -1), (1, steps))[0]
    scored = np.ones(steps, bool) if sample.mask is None else sample.mask[0]
    return sample.x[0], np.ascontiguousarray(label), scored


def connection_gradients(net: Network, arrays: dict[str, Array]) -> dict[str, Array]:
    """Turn float arrays by parameter ("layers.0.weight") into those by connection ("layers.0.input", with the bias)."""
    result = {}
    for i, layer in enumerate(net.layers):
        name = net.name(i)
        matrix = arrays[f"{name}.weight"]
        if layer.bias is not None:
            matrix = np.column_stack([matrix, arrays[f"{name}.bias"]])
        result[f"{name}.input"] = matrix
        if layer.recurrent is not None:
            result[f"{name}.recurrent"] = arrays[f"{name}.recurrent"]
    return result


def named_gradients(net: Network, arrays: dict[str, Array]) -> dict[str, Array]:
    """Return `connection_gradients`, and those of neuron parameters by their own names."""
    parameters = {
        f"{net.name(i)}.{p}": arrays[f"{net.name(i)}.{p}"]
        for i, layer in enumerate(net.layers)
        for p in layer.trainable
    }
    return connection_gradients(net, arrays) | parameters


def matrices(net: Network) -> dict[str, Array]:
    """Copy the weights by connection as the device holds them: a current bias is the last column of "input"."""
    named = {k: v for k, v in net.arrays().items() if k.rsplit(".", 1)[1] in ("weight", "recurrent", "bias")}
    return {k: v.copy() for k, v in connection_gradients(net, named).items()}


def write_matrices(net: Network, values: dict[str, Array]) -> None:
    """Give the network these weights by connection."""
    for i, layer in enumerate(net.layers):
        matrix = values[f"{net.name(i)}.input"]
        if layer.bias is not None:
            layer.bias[...] = matrix[:, -1]
            matrix = matrix[:, :-1]
        layer.weight[...] = matrix
        if layer.recurrent is not None:
            layer.recurrent[...] = values[f"{net.name(i)}.recurrent"]

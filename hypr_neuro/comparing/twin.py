"""The float side of learning on a device: the same rule, order, delays, updates and rates, in real numbers.

Rates are in units of the device's own steps: of a mantissa for weights, of `learned.units` for neuron parameters.
Weights and parameters are real numbers, so residuals of rounding have no counterpart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import numpy as np

from hypr_neuro.comparing.float_device import FloatDevice
from hypr_neuro.comparing.float_gradients import float_gradients
from hypr_neuro.comparing.scales import scales_of
from hypr_neuro.data.cross_entropy import cross_entropy
from hypr_neuro.data.score import Score
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.learned_values import gradient_by_value, values_of, write_values
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.forward import Rows
from hypr_neuro.sim.learning.learn import epoch_order, rates
from hypr_neuro.sim.learning.options import RATE_FRACTION, LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.train.loop import evaluate
from hypr_neuro.train.networks import outputs_of
from hypr_neuro.train.optimizers import OnChip

BATCH = 64
"""Samples that the float network runs at a time."""


@dataclass(frozen=True)
class TwinEpoch:
    """Score and loss of the part that is scored; weights by connection and values by parameter ("layers.0.omega")."""

    score: Score
    loss: float | None
    weights: dict[str, Array]
    values: dict[str, Array]


class FloatTwin:
    """A float network that learns as the device does.

    Parameters
    ----------
    net
        The network that was quantized.
    qnet
        Its integers, from which both sides start.
    options
        Of learning.

    Attributes
    ----------
    form, net
        What learns, see `float_form`: a trace stands behind each output that spikes.
    optimizer, parameter_optimizer
        Of weights, and of values of neuron parameters.
    """

    def __init__(self, net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        options.refuse_noise("the float side of a comparison")
        self.plan = plan = LearningPlan(qnet, options)
        self.form = form = FloatForm(net, plan.qnet)
        self.net, self.options = form.net, options
        self.stopped = Event()
        self.chosen = [layer.places for layer in plan.layers]
        for population, places in zip(self.net.populations, self.chosen, strict=True):
            names = {population.model.trainable[j] for j in places} | set(population.trainable)
            population.trainable = tuple(p for p in population.model.trainable if p in names)
        scale = scales_of(form, plan)
        self.optimizer = self._optimizer(options.rate, weight_steps(form, plan), scale)
        self.parameter_optimizer = self._optimizer(options.parameter_rate, parameter_units(plan), scale)
        self.device = (
            FloatDevice(form, plan) if options.update_on == "step" or not in_sub_sequences(form, plan) else None
        )
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
        states = [self._state(data, part, learned=False)]
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

    def _state(self, data: SequenceData, part: str, *, learned: bool = True) -> TwinEpoch:
        score, chosen = evaluate(self.form.seen, data, part, learned=learned), data.part(part)
        every = np.arange(len(chosen))
        rows = [Rows(chosen.x, every[first : first + BATCH]) for first in every[::BATCH]]
        loss = cross_entropy(np.concatenate([outputs_of(self.form.seen, batch) for batch in rows]), chosen)
        return TwinEpoch(score, loss, self.form.weights(), parameter_values(self.form, self.plan))

    def sample(self, sample: SequenceData) -> None:
        """Learn from one sample, with the updates that fall due."""
        if self.options.update_on == "sample":
            for name, gradient in self.gradients(sample).items():
                self.sums[name] = self.sums.get(name, 0.0) + gradient
            self.samples += 1
            if self.options.due("sample", self.samples):
                self._update(self.sums)
                self.sums = {}
            return
        assert self.device is not None
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
        if in_sub_sequences(self.form, self.plan):
            return self._shaped(float_gradients(self.form, self.plan, sample, dtype=np.float32))
        device = self.device if self.options.update_on == "sample" else None
        device = device or FloatDevice(self.form, self.plan)
        device.clear()
        device.refresh()
        device.sample(*arrays_of(sample))
        return device.gradients()

    def _shaped(self, gradients: dict[str, Array]) -> dict[str, Array]:
        """Return gradients of connections that learn in the shape of their tensors, and those of parameters."""
        shapes = {t.name: t.shape for t in self.plan.tensors if not t.parameter}
        frozen = set(self.form.names) - shapes.keys()
        return {
            name: g.reshape(shapes[name]) if name in shapes else g
            for name, g in gradients.items()
            if name not in frozen
        }

    def _update(self, gradients: dict[str, Array]) -> None:
        weights = self.form.weights()
        shaped = {t.name: weights[t.name].reshape(t.shape) for t in self.plan.tensors if not t.parameter}
        self.optimizer.update(shaped, gradients)
        self.form.write(weights | shaped)
        for population, places in zip(self.net.populations, self.chosen, strict=True):
            names = {j: f"{population.name}.{population.model.trainable[j]}" for j in places}
            if not names:
                continue
            values = values_of(population)
            changed = {
                j: values[j]
                - self.parameter_optimizer.lsb[name]
                * self.parameter_optimizer.step(name, gradient_by_value(population, j, gradients[name])[:, None])[:, 0]
                for j, name in names.items()
            }
            write_values(population, changed)
        self.updates += 1


def in_sub_sequences(form: FloatForm, plan: LearningPlan) -> bool:
    """Tell whether `train.gradients` computes what the device does: nothing late, nothing random, or a chain of layers.

    Of other networks only step after step, as `FloatDevice` does, meets late signals with the same eligibilities.
    """
    if form.net.is_chain:
        return True
    late = not plan.clock.aligned and any(plan.clock.signal_lag(layer.index) for layer in plan.layers if layer.terms)
    return not late and not form.early and plan.options.feedback == "symmetric"


def weight_steps(form: FloatForm, plan: LearningPlan) -> dict[str, float]:
    """Return the real size of one mantissa unit, of every connection that learns."""
    return {t.name: form.steps[t.name] for t in plan.tensors if not t.parameter}


def parameter_units(plan: LearningPlan) -> dict[str, float]:
    """Return the real size of one unit of change, of the value of every neuron parameter that learns."""
    return {f"{layer.name}.{p.name}": p.unit for layer in plan.layers for p in layer.parameters}


def parameter_values(form: FloatForm, plan: LearningPlan) -> dict[str, Array]:
    """Return the values of the neuron parameters that learn, by name."""
    return {
        f"{layer.name}.{p.name}": values_of(population)[p.place]
        for population, layer in zip(form.net.populations, plan.layers, strict=True)
        for p in layer.parameters
    }


def arrays_of(sample: SequenceData) -> tuple[Array, Array, Array]:
    """Return (x (T, channel), label (T,), scored (T,)) of the only sample; of a regression targets (T, k)."""
    steps = sample.x.shape[1]
    label = np.broadcast_to(sample.y[0], (steps, sample.classes) if sample.regression else (steps,))
    scored = np.ones(steps, bool) if sample.mask is None else sample.mask[0]
    return sample.x[0], np.ascontiguousarray(label), scored

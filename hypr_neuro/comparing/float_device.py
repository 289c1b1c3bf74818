"""The float rule with a device's clock: step after step, eligibilities one by one, in float64.

The device's time is that of `graph.clock`: populations run behind the input, learn in their own steps of a sample only,
and the parts of a learning signal arrive and wait as on the device. Where nothing is late this is `train.reference`;
where something is, the same signals meet the same eligibilities as on the device.

A network runs freely, or along spikes that are given, those of an integer run: currents, states, ψ and Jacobians are
then float's own answers to these spikes, and what differs from the integers' gradient is the arithmetic of learning
alone. A spike that enters the state of its own step is forced there by moving the threshold out of the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from hypr_neuro.comparing.float_population_run import FloatPopulationRun
from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


class FloatDevice:
    """A float network that runs and learns with the clock of the device that a plan is for.

    Parameters
    ----------
    form
        The float network of the plan's; its weights are read again after `refresh`.
    plan
        Of learning.

    Attributes
    ----------
    populations : list of FloatPopulationRun
        In the order in which a step computes them.
    """

    def __init__(self, form: FloatForm, plan: LearningPlan) -> None:
        self.form, self.plan, self.clock, self.error = form, plan, plan.clock, ERRORS[plan.error]
        self.populations = [
            FloatPopulationRun(p, fixed, form, plan) for p, fixed in zip(form.net.populations, plan.layers, strict=True)
        ]
        self._of_connection = {c.place: c.connection.target for layer in plan.layers for c in layer.incoming}
        self.refresh()

    @classmethod
    def of(cls, net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> FloatDevice:
        """Make one of the float network that was quantized, with the weights of the integers."""
        plan = LearningPlan(qnet, options)
        return cls(FloatForm(net, plan.qnet), plan)

    def refresh(self) -> None:
        """Take up weights and parameters of the float network that have changed."""
        weights = self.form.weights()
        for population in self.populations:
            population.refresh(weights)

    def clear(self) -> None:
        """Set gradients to 0."""
        for population in self.populations:
            population.clear()

    def gradients(self) -> dict[str, Array]:
        """Return sums over steps since `clear`, by connection that learns and parameter.

        Of a connection in the shape of its tensor: a bias axon is the last column, sparse weights are one column.
        """
        return {name: g for population in self.populations for name, g in population.gradients().items()}

    def sample(
        self,
        x: Array,
        label: Array,
        scored: Array,
        *,
        spikes: Mapping[str, Array] | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> Array:
        """Run x (T, channel) from zero states, add to the gradients; return the outputs (T, outputs).

        Parameters
        ----------
        x : (T, channel)
            One sample.
        label : (T,) or (T, outputs)
            Target class, or float targets of a regression.
        scored : (T,)
            Whether the step counts.
        spikes
            (device steps, n) by population that spikes, of the steps that the run takes or fewer.
        on_step
            Called at the end of every device step.

        Raises
        ------
        InputError
            For spikes of the wrong shape.
        """
        steps, tail = len(x), self.clock.tail
        total = self.clock.learning_steps(steps)
        given = self._forced(spikes, total)
        for population in self.populations:
            population.start()
        self._start(steps)
        outputs = np.empty((total, self.form.net.output_size))
        silent = np.zeros(self.form.net.inputs)
        for t in range(total):
            self._sent[INPUT].append(x[t].astype(np.float64) if t < steps else silent)
            for population in self.populations:
                train = given.get(population.name)
                sent = population.forward(t, self._sent, None if train is None else train[t])
                self._sent[population.name].append(sent)
            outputs[t] = self._output()
            self._learn(t, outputs[t], label, scored)
            if on_step is not None:
                on_step()
        return outputs[tail : tail + steps]

    def _forced(self, spikes: Mapping[str, Array] | None, total: int) -> dict[str, Array]:
        trains: dict[str, Array] = {}
        for p in self.populations if spikes is not None else ():
            if p.model.readout:
                continue
            train = np.asarray((spikes or {})[p.name], np.float64)
            if train.ndim != 2 or len(train) > total or train.shape[1] != p.size:
                raise InputError(
                    f"spikes of {p.name}: shape {train.shape}, rule: at most {total} steps, {p.size} neurons"
                )
            # steps past the end reach no gradient
            trains[p.name] = np.concatenate([train, np.zeros((total - len(train), p.size))])
        return trains

    def _start(self, steps: int) -> None:
        """Begin a sample: nothing was sent and nothing waits."""
        layers = self.plan.layers
        self._sent: dict[str, list[Array]] = {name: [] for name in (INPUT, *(p.name for p in self.populations))}
        self._windows = [self.clock.window(i, steps) for i in range(len(layers))]
        self._waits = [sorted({term.wait for term in layer.terms}) for layer in layers]
        self._queues = {
            (i, wait): deque([np.zeros(layers[i].size)] * wait) for i, waits in enumerate(self._waits) for wait in waits
        }
        early = {i: self.clock.tail - self.clock.latency(i) for i in self.plan.outputs}
        self._early = {i: deque([np.zeros(layers[i].size)] * wait) for i, wait in early.items()}

    def _output(self) -> Array:
        """Return the outputs side by side, those that run less far behind the input as they were when it had come."""
        parts = []
        for i, queue in self._early.items():
            queue.append(self.populations[i].output)
            parts.append(queue.popleft())
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _learn(self, t: int, output: Array, label: Array, scored: Array) -> None:
        """Learn in device step t, from the outputs backward."""
        step, error = t - self.clock.tail, np.zeros(len(output))
        if 0 <= step < len(label) and scored[step]:
            error = self._error(output, label[step])
        errors, first = {}, 0
        for i in self.plan.outputs:
            errors[i] = error[first : first + self.plan.layers[i].size]
            first += self.plan.layers[i].size
        weighted: dict[str, Array] = {}
        for i in reversed(range(len(self.populations))):
            if self.plan.active(i):
                p, signal = self.populations[i], self._signal(self.plan.layers[i], errors, weighted)
                nothing = np.zeros((p.model.currents, p.size))
                weighted[p.name] = p.learn(signal) if self._windows[i].holds(t) else nothing

    def _error(self, output: Array, label: Array) -> Array:
        """Compute the error of a step from its label or targets; full scale is 1."""
        if label.dtype.kind == "f":
            real: Array = (output - label) * 2.0**-self.plan.options.error_exponent
            return real
        target = np.zeros(len(output))
        target[label] = 1.0
        return self.error.real(output, target)

    def _signal(self, layer: LayerPlan, errors: Mapping[int, Array], weighted: Mapping[str, Array]) -> Array:
        """Compute the learning signal of a population: its parts, each after its wait."""
        total: Array = np.zeros(layer.size)
        for wait in self._waits[layer.index]:
            part: Array = np.zeros(layer.size)
            for term in layer.terms:
                if term.wait != wait:
                    continue
                if term.connection is None:
                    part = part + errors[layer.index]
                else:
                    above = self._of_connection[term.connection]
                    target = self.populations[self.clock.populations.index(above)]
                    part = part + target.feed_back(term.connection, weighted[above])
            queue = self._queues[layer.index, wait]
            queue.append(part)
            total = total + queue.popleft()
        return total

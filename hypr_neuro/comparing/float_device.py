"""The float rule with a device's clock: step after step, eligibilities one by one, in float64.

The device's time is that of `graph.clock`: layers run behind each other, learn in their own steps of a sample only, and
learning signals to the last hidden layer arrive `error_latency` steps late. Where nothing is late this is
`train.reference`; where something is, the same signals meet the same eligibilities as on the device.

A network runs freely, or along spikes that are given, those of an integer run: currents, states, ψ and Jacobians are
then float's own answers to these spikes, and what differs from the integers' gradient is the arithmetic of learning
alone. A spike that enters the state of its own step is forced there by moving the threshold out of the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from hypr_neuro.comparing.float_kernels import eligibility_kernel, step_kernel
from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons.structure import spike_rows
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan

OUT_OF_REACH = 1e30


def feedback_weights(plan: LearningPlan) -> tuple[Array, ...] | None:
    """Return real feedback weights (n above, n below) to each hidden layer; None: the weights themselves."""
    if plan.feedback is None:
        return None
    steps = (above.layer.weight_step(above.layer.input) for above in plan.layers[1:])
    return tuple(matrix * step for matrix, step in zip(plan.feedback, steps, strict=True))


def output_error(kind: str, output: Array, label: int) -> Array:
    """Return ∂L/∂o of one step, by the error of that name in real numbers."""
    target = np.zeros(len(output))
    target[label] = 1.0
    return ERRORS[kind].real(output, target)


class _LayerRun:
    """One layer: states, eligibilities, what waits, gradients.

    Attributes
    ----------
    gradient : (n, fan_in)
        Of weights.
    parameter_gradient : (n, trainable)
        Of neuron parameters.
    synapse, parameter_eligibility : (n, d, …)
        Their eligibilities.
    """

    def __init__(self, layer: Layer, wait: int, weights: bool, parameters: bool) -> None:
        self.layer, self.wait, model = layer, wait, layer.model
        self.learns = weights
        recurrent = layer.size if layer.recurrent is not None else 0
        fan_in = layer.inputs + (layer.bias is not None) + recurrent
        self.gradient = np.zeros((layer.size, fan_in if weights else 0))
        self.parameter_gradient = np.zeros((layer.size, len(model.trainable) if parameters else 0))
        self.by_spike = any(spike_rows(model)) if not model.readout else False
        if self.by_spike and model.threshold is None:
            raise InputError(
                f"neuron '{model.name}': a spike changes its own step, but no threshold is stated, by which it is made "
                "to follow given spikes; name the parameter or coefficient in the model's record"
            )
        self.start()
        self.refresh()

    def start(self) -> None:
        """Start a sample: states, eligibilities and what waits 0; gradients stay."""
        n, d = self.layer.size, self.layer.model.d
        self.state, self.output = np.zeros((d, n)), np.zeros(n)
        self.synapse = np.zeros((n, d, self.gradient.shape[1]))
        self.parameter_eligibility = np.zeros((n, d, self.parameter_gradient.shape[1]))
        zeros = (np.zeros_like(self.gradient), np.zeros_like(self.parameter_gradient), np.zeros(n))
        self.waiting: deque[tuple[Array, Array, Array]] = deque([zeros] * self.wait)

    def refresh(self) -> None:
        """Take up weights and parameters that have changed."""
        layer = self.layer
        parts = [layer.weight, None if layer.bias is None else layer.bias[:, None], layer.recurrent]
        self.matrix = np.hstack([p for p in parts if p is not None])
        self.params = layer.float_matrix()
        if self.by_spike:
            self.forced = [self.params.copy(), self.params.copy()]
            model = layer.model
            place = (*model.param_names, *model.coefficients).index(str(model.threshold))
            self.forced[0][place], self.forced[1][place] = OUT_OF_REACH, -OUT_OF_REACH

    def forward(self, arriving: Array, always_on: float, spikes: Array | None) -> Array:
        """Compute one step, along `spikes` (n,) if given, and remember what learning needs of it."""
        layer, parts = self.layer, [arriving]
        if layer.bias is not None:
            parts.append(np.array([always_on]))
        if layer.recurrent is not None:
            parts.append(self.output)
        self.pre = np.concatenate(parts)
        self.current = self.matrix @ self.pre
        self.before, self.output_before, self.p_step = self.state, self.output, self.params
        if spikes is not None and self.by_spike:
            self.p_step = np.where(spikes > 0, self.forced[1], self.forced[0])
        self.state, self.output = np.empty_like(self.before), np.empty_like(self.output_before)
        step_kernel(layer.model.name)(
            self.before, self.output_before, self.current, self.p_step, self.state, self.output
        )
        if spikes is not None:
            self.output = spikes
        return self.output

    def learn(self, signal: Array) -> Array:
        """Compute eligibilities and gradient of this step; return the local gradient of the layer's input, B·C g."""
        e, e_parameters, gain = (
            np.empty_like(self.gradient),
            np.empty_like(self.parameter_gradient),
            np.empty(len(signal)),
        )
        eligibility_kernel(self.layer.model.name)(
            self.before,
            self.state,
            self.output_before,
            self.current,
            self.params,
            self.p_step,
            self.pre,
            self.synapse,
            self.parameter_eligibility,
            e,
            e_parameters,
            gain,
        )
        self.waiting.append((e, e_parameters, gain))
        e, e_parameters, gain = self.waiting.popleft()
        self.gradient += signal[:, None] * e
        self.parameter_gradient += signal[:, None] * e_parameters
        return gain * signal


class FloatDevice:
    """A float network that runs and learns with the clock of the device that `qnet` is for.

    Parameters
    ----------
    net
        Float network of the same layers; its weights are read again after `refresh`.
    qnet
        The integer network.
    options
        Of learning.
    """

    def __init__(self, net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        plan = LearningPlan(qnet, options)
        self.net, self.plan, self.clock, self.error = net, plan, plan.clock, plan.error
        self.feedback = feedback_weights(plan)
        self.layers = [
            _LayerRun(layer, fixed.waiting, fixed.learns, bool(fixed.parameters))
            for layer, fixed in zip(net.layers, plan.layers, strict=True)
        ]

    def refresh(self) -> None:
        """Take up weights and parameters of `net` that have changed."""
        for layer in self.layers:
            layer.refresh()

    def clear(self) -> None:
        """Set gradients to 0."""
        for layer in self.layers:
            layer.gradient[...], layer.parameter_gradient[...] = 0.0, 0.0

    def gradients(self) -> dict[str, Array]:
        """Return sums over steps since `clear`, by connection ("layers.0.input", bias last) and parameter."""
        sums: dict[str, Array] = {}
        for i, run in enumerate(self.layers):
            name, layer = self.net.name(i), run.layer
            if run.learns:
                split = layer.inputs + (layer.bias is not None)
                sums[f"{name}.input"] = run.gradient[:, :split].copy()
                if layer.recurrent is not None:
                    sums[f"{name}.recurrent"] = run.gradient[:, split:].copy()
            if run.parameter_gradient.shape[1]:
                sums |= {
                    f"{name}.{p}": g.copy()
                    for p, g in zip(layer.model.trainable, run.parameter_gradient.T, strict=True)
                }
        return sums

    def sample(
        self,
        x: Array,
        label: Array,
        scored: Array,
        *,
        spikes: dict[str, Array] | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> Array:
        """Run x (T, channel) from zero states, add to the gradients; return the readout (T, outputs).

        Parameters
        ----------
        x : (T, channel)
            One sample.
        label, scored : (T,)
            Target class and whether the step counts.
        spikes
            (device steps, n) by hidden layer, of the steps that the run takes or fewer.
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
        for run in self.layers:
            run.start()
        # signals on their way to a hidden layer
        queues = [deque([np.zeros(layer.size)] * layer.signal_wait) for layer in self.plan.layers[:-1]]
        outputs = np.empty((total, self.net.output_size))
        silent = np.zeros(self.net.inputs)
        for t in range(total):
            before = [run.output for run in self.layers]
            for i, (run, fixed) in enumerate(zip(self.layers, self.plan.layers, strict=True)):
                if i:
                    arriving = before[i - 1] if fixed.lag else self.layers[i - 1].output
                else:
                    arriving = x[t - fixed.lag].astype(np.float64) if 0 <= t - fixed.lag < steps else silent
                run.forward(arriving, float(t >= fixed.lag), None if i >= len(given) else given[i][t])
            outputs[t] = self.layers[-1].output
            self._learn(t, label, scored, queues)
            if on_step is not None:
                on_step()
        return outputs[tail : tail + steps]

    def _forced(self, spikes: dict[str, Array] | None, total: int) -> list[Array]:
        if spikes is None:
            return []
        trains = []
        for i, run in enumerate(self.layers[:-1]):
            train = np.asarray(spikes[self.net.name(i)], np.float64)
            if train.ndim != 2 or len(train) > total or train.shape[1] != run.layer.size:
                raise InputError(
                    f"spikes of {self.net.name(i)}: shape {train.shape}, rule: at most {total} steps, "
                    f"{run.layer.size} neurons"
                )
            # steps past the end reach no gradient
            trains.append(np.concatenate([train, np.zeros((total - len(train), run.layer.size))]))
        return trains

    def _learn(self, t: int, label: Array, scored: Array, queues: list[deque[Array]]) -> None:
        """Learn in device step t, from the readout backward."""
        last, step = self.plan.last, t - self.clock.tail
        signal: Array = np.zeros(self.net.output_size)
        if 0 <= step < len(label) and scored[step]:
            signal = output_error(self.error, self.layers[last].output, int(label[step]))
        for i in reversed(range(last + 1)):
            run = self.layers[i]
            running = self.clock.window(i, len(label)).holds(t)
            backward = run.learn(signal) if running else np.zeros(run.layer.size)
            if i > 0:
                sent = backward @ (run.layer.weight if self.feedback is None else self.feedback[i - 1])
                queues[i - 1].append(sent)
                signal = queues[i - 1].popleft()

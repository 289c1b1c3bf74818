"""A simulator whose weights and neuron parameters change between blocks, for learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.delivery import NARROW, DenseWeights
from hypr_neuro.sim.learning.noise import noise_kernel
from hypr_neuro.sim.population import PopulationRun
from hypr_neuro.sim.simulator import Simulator


class ChangingSimulator(Simulator):
    """Run one sample or stream of a quantized network; `load` takes over what learning changed in it.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Read again at every `load`.
    noise : sequence of int
        Amplitude of the noise on each layer's currents, see `noise`; () for none.
    seed : int
        First word of the noise's counter; the attribute `sample` is the second.

    Notes
    -----
    Unlike a `Simulator` it does not check sums anew with every change: `LearningPlan.largest_input` holds for any
    weights of the profile's width.
    """

    def __init__(self, qnet: QuantizedNetwork, noise: Sequence[int] = (), seed: int = 0) -> None:
        super().__init__(qnet)
        self.noise, self.seed, self.sample = noise, seed, 0
        self.qnet = qnet
        top = qnet.profile.precision.weight_top
        dtype, chunk = (np.int8, NARROW // top) if top < 1 << 7 else (np.int16, max(NARROW // top, 1))
        for delivery in self.deliveries:
            pre, post = delivery.shape
            delivery.weights, delivery.exponent = (
                DenseWeights(np.zeros((pre, post), dtype), chunk),
                delivery.given_exponent,
            )
            delivery.bias = np.zeros(post, np.int32)
        for p in self.populations:
            p.load(p.population, self._recurrent[p.population.name])
        self.load(list(range(len(qnet.layers))))

    def _run(self, p: PopulationRun, spikes: bool) -> None:
        i = self.populations.index(p)
        if self.noise and self.noise[i]:
            noise_kernel()(p.arriving[0], self.noise[i], self.seed, self.sample, i, self.time)
        super()._run(p, spikes)

    def restart(self) -> None:
        """Set all states, the time and the counts of events to 0; weights stay as they were loaded."""
        self.time = 0
        for history in (self.input, *(p.sent for p in self.populations)):
            history.rows[len(history.rows) - history.depth :] = 0
        for p in self.populations:
            p.state[...], p.events[...] = 0, 0

    def load(self, layers: list[int]) -> None:
        """Take over weights and neuron parameters of these layers as they stand in the network."""
        for i in layers:
            layer, run = self.qnet.layers[i], self.populations[i]
            for delivery in self._incoming[run.population.name]:
                assert isinstance(delivery.weights, DenseWeights)
                delivery.weights.rows[...] = layer.input.mantissa[:, : layer.inputs].T
                if layer.bias_axon:
                    delivery.bias[...] = layer.input.mantissa[:, -1]
            if layer.recurrent is not None:
                run.feedback.dense.rows[0] = layer.recurrent.mantissa.T
            run.per_neuron[...] = layer.per_neuron

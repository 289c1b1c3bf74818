"""A simulator whose weights and neuron parameters change between blocks, for learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.delivery import NARROW, Delivery, DenseWeights, SparseWeights
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.noise import noise_kernel
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.population import Feedback, PopulationRun
from hypr_neuro.sim.simulator import Simulator

DENSE_FROM = 20
"""One weight in so many is enough for whole rows, as in `delivery`."""


@dataclass(frozen=True)
class Placed:
    """Where the weights of a connection that learns go.

    Attributes
    ----------
    incoming : Incoming
        The connection.
    delivery : Delivery
        Which brings them; one of several where its weights have several delays.
    entries : ndarray or None
        Numbers of the weights among those stored, in the order of `post` and `pre`; None for whole rows.
    post, pre : ndarray
        Ends of these weights.
    biases : ndarray
        (2, biases) numbers of the bias axon's weights among those stored in a list, and the neurons that they reach.
    """

    incoming: Incoming
    delivery: Delivery
    entries: Array | None
    post: Array
    pre: Array
    biases: Array

    def load(self) -> None:
        """Write the weights as they are now to what the simulator reads."""
        c, weights = self.incoming.connection, self.delivery.weights
        if self.entries is None:
            assert isinstance(weights, DenseWeights)
            values = self.incoming.weights()
            weights.rows[...] = values[:, : len(weights.rows)].T
            if c.bias_axon:
                self.delivery.bias[...] = values[:, -1] + self.delivery.half
        else:
            flat = self.incoming.weights().reshape(-1)
            stored, (numbers, neurons) = flat[self.entries], self.biases
            self.delivery.bias[neurons] = flat[numbers] + self.delivery.half
            if isinstance(weights, DenseWeights):
                weights.rows[self.pre, self.post] = stored
            else:
                assert isinstance(weights, SparseWeights)
                weights.weight[...] = stored


class ChangingSimulator(Simulator):
    """Run one sample or stream of a quantized network; `load` takes over what learning changed in it.

    Parameters
    ----------
    plan : LearningPlan
        Of the network, which is read again at every `load`.

    Attributes
    ----------
    sample : int
        Second word of the noise's counter.

    Notes
    -----
    Unlike a `Simulator` it does not check sums anew with every change: `LearningPlan.largest_input` holds for any
    weights of the profile's width.
    """

    def __init__(self, plan: LearningPlan) -> None:
        qnet: QuantizedNetwork = plan.qnet
        super().__init__(qnet)
        self.qnet, self.noise, self.seed, self.sample = qnet, plan.noise, plan.options.seed, 0
        self._placed: list[list[Placed]] = [[] for _ in plan.layers]
        top = plan.weight_top
        dtype = np.int8 if top < 1 << 7 else np.int16
        remaining = iter(self.deliveries)
        by_place = {c.place: (layer.index, c) for layer in plan.layers for c in layer.incoming}
        for place, c in enumerate(self.network.synapses):
            i, incoming = by_place[place]
            taken = [next(remaining) for _ in c.by_delay()]
            if c.convolution is None:
                self._placed[i] += _placed(incoming, taken, dtype, max(NARROW // top, 1))
        for p in self.populations:
            p.load(p.population, self._recurrent[p.population.name])
        self._feedback = [_groups(p.feedback, self._recurrent[p.population.name]) for p in self.populations]
        self.load(list(range(len(qnet.populations))))

    def _run(self, p: PopulationRun, spikes: bool) -> None:
        i = self.populations.index(p)
        if self.noise and self.noise[i]:
            noise_kernel()(p.arriving, self.noise[i], self.seed, self.sample, i, self.time)
        super()._run(p, spikes)

    def age(self, steps: int) -> None:
        """Let what has run in all be so many steps; digital weights do not age."""

    def note_time(self, steps: int) -> None:
        """Take down how many steps have run in all, for what is written next."""

    def write(self, place: int, step: Array, draws: tuple[int, int, int], counts: Array) -> bool:
        """Take learning steps (weights,) off a connection that is no digital memory; False where it is one.

        draws, counts : as of a `Writer`
        """
        return False

    def cell_state(self) -> dict[str, Array]:
        """Return what weights that are no digital memory remember, by name; not copies."""
        return {}

    def restart(self) -> None:
        """Set all states, the time and the counts of events to 0; weights stay as they were loaded."""
        self.time = 0
        for history in (self.input, *(p.sent for p in self.populations)):
            history.rows[len(history.rows) - history.depth :] = 0
        for p in self.populations:
            p.state[...], p.events[...] = 0, 0

    def load(self, populations: list[int]) -> None:
        """Take over weights and neuron parameters of these populations as they stand in the network."""
        for i in populations:
            run = self.populations[i]
            for placed in self._placed[i]:
                placed.load()
            for delivery, stored in self._feedback[i]:
                weights = delivery.weights
                stored[...] = weights.rows if isinstance(weights, DenseWeights) else _values(weights)
            run.per_neuron[...] = self.qnet.populations[i].per_neuron


def _placed(incoming: Incoming, taken: list[Delivery], dtype: type, chunk: int) -> list[Placed]:
    """Give the deliveries of a connection weights of a form that holds whatever they become."""
    c, nothing = incoming.connection, np.zeros(0, np.int64)
    for delivery in taken:
        delivery.exponent = delivery.given_exponent
    if not incoming.listed:
        (delivery,) = taken
        pre, post = delivery.shape
        delivery.bias = np.full(post, delivery.half, np.int32)
        if c.columns > int(c.bias_axon):
            delivery.weights = DenseWeights(np.zeros((pre, post), dtype), chunk)
        else:
            delivery.weights = DenseWeights(np.zeros((0, post), dtype), chunk)
        return [Placed(incoming, delivery, None, nothing, nothing, np.zeros((2, 0), np.int64))]
    entries, result = incoming.entries(), []
    lags = np.unique(entries.lag) if entries.lag.size else np.array([taken[0].lag])
    for delivery, lag in zip(taken, lags, strict=True):
        biases = np.flatnonzero((entries.lag == lag) & (entries.pre == incoming.source_size))
        chosen = np.flatnonzero((entries.lag == lag) & (entries.pre < incoming.source_size))
        chosen = chosen[np.lexsort((entries.post[chosen], entries.pre[chosen]))]
        post, pre = entries.post[chosen], entries.pre[chosen]
        sources, targets = delivery.shape
        if len(chosen) * DENSE_FROM >= sources * targets:
            delivery.weights = DenseWeights(np.zeros((sources, targets), dtype), chunk)
        else:
            starts = np.searchsorted(pre, np.arange(sources + 1)).astype(np.int64)
            delivery.weights = SparseWeights(starts, post.astype(np.int32), np.zeros(len(post), np.int32))
        delivery.bias = np.full(targets, delivery.half, np.int32)
        result.append(Placed(incoming, delivery, chosen, post, pre, np.stack([biases, entries.post[biases]])))
    return result


def _groups(feedback: Feedback, recurrent: list[Delivery]) -> list[tuple[Delivery, Array]]:
    """Return, for each connection of a population with itself, the array in which its kernel finds the weights."""
    result, dense, first = [], 0, 0
    for delivery in recurrent:
        weights = delivery.weights
        if isinstance(weights, DenseWeights) and weights.chunk > 0:
            result.append((delivery, feedback.dense.rows[dense]))
            dense += 1
        else:
            count = len(_values(weights)) if isinstance(weights, SparseWeights) else 0
            result.append((delivery, feedback.sparse.weight[first : first + count]))
            first += count
    return result


def _values(weights: object) -> Array:
    assert isinstance(weights, SparseWeights)
    return weights.weight

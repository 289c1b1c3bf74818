"""A block of samples on its way through a sequence, and the sum over the blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import (
    FloatType,
    LayerArrays,
    give_workspace,
    run_forward,
    take_workspace,
    time_major,
)
from hypr_neuro.train.engine import LayerEngine, Sums
from hypr_neuro.train.feedback import project
from hypr_neuro.train.hooks import error_of, read_only, reward_of
from hypr_neuro.train.losses import Loss, RatePenalty
from hypr_neuro.train.noise import LayerNoise
from hypr_neuro.train.rules.base import Local, Means, Penalty, Rule

Part = tuple[Array, Array, Array]
"""(x (sample, λ, channel), targets (sample, λ) or (sample, λ, outputs) or (sample,), mask (sample, λ))."""
Gradients = dict[str, Array]


@dataclass(frozen=True)
class Setup:
    """What stays the same for every block and sub-sequence.

    Attributes
    ----------
    matrices : tuple of ndarray
        Feedback (outputs, n) for each hidden layer, or none.
    per_step, per_sample : float
        Factors that make means of sums.
    steps : int
        Of the sequence, 0 as long as that is unknown.
    feedback_weights : tuple of ndarray or None
        For each layer the matrix that takes the place of its weights in feedback, or None.
    means, added
        The rule's running means, and the penalty that it takes at them.
    deviations : tuple of float
        Of the noise on each layer's currents, () for none.
    seed, sample : int
        Of the noise, and the number of the batch's first sample.
    """

    net: Network
    arrays: tuple[LayerArrays, ...]
    rule: Rule
    loss: Loss
    dtype: FloatType
    matrices: tuple[Array, ...]
    delays: tuple[int, ...]
    penalty: RatePenalty | None
    per_step: float
    per_sample: float
    steps: int = 0
    feedback_weights: tuple[Array | None, ...] = ()
    means: Means | None = None
    added: Penalty | None = None
    deviations: tuple[float, ...] = ()
    seed: int = 0
    sample: int = 0

    @property
    def two_passes(self) -> bool:
        """Tell whether the learning signals depend on the whole sequence."""
        return self.loss.sum_of is not None or self.penalty is not None or self.rule.uses("reward")


def _output_decay(readout: Layer, rule: Rule) -> float:
    """Return what the readout's output keeps of a step, on average; InputError for a readout that does not say."""
    if readout.model.output_decay is None:
        raise InputError(
            f"readout: neuron '{readout.model.name}' states no output_decay, by which rule '{rule.name}' filters; add "
            "it to its record, or take a rule that sends errors back layer by layer, such as 'hypr'"
        )
    return float(np.mean(readout.model.output_decay(readout.params)))


class Block:
    """A block of samples on its way through the sequence: `observe` all parts first if need be, then `learn` them.

    Parameters
    ----------
    setup : Setup
        What all blocks share.
    samples : int
        Of the block.
    first : int
        Number of its first sample in the batch.
    reward : ndarray, optional
        (samples, 1) or (samples, T) factors of the learning signals.
    """

    def __init__(self, setup: Setup, samples: int, first: int = 0, reward: Array | None = None) -> None:
        self.setup, self.samples, self.reward = setup, samples, reward
        self.key, self.workspace = take_workspace(setup.arrays, samples)
        self.engines = [self._engine(i, setup.sample + first) for i in range(len(setup.arrays))]
        self.loss = np.zeros(samples)
        self.sample_loss = np.zeros(samples)
        self.sum = np.zeros((samples, setup.net.output_size))
        self.scored, self.steps, self.time = np.zeros(samples), 0, 0
        self.spikes = [np.zeros((samples, engine.n)) for engine in self.engines[:-1]]

    def _engine(self, i: int, sample: int) -> LayerEngine:
        setup = self.setup
        noise = None
        if setup.deviations and setup.deviations[i] > 0:
            noise = LayerNoise(setup.deviations[i], setup.seed, i, sample, self.samples)
        return LayerEngine(
            setup.arrays[i],
            self.samples,
            setup.rule,
            leak=_output_decay(setup.net.layers[-1], setup.rule) if setup.rule.error_feedback else 0.0,
            delay=setup.delays[i],
            feedback_weights=setup.feedback_weights[i],
            noise=noise,
            buffers=self.workspace[i],
        )

    def observe(self, part: Part) -> None:
        """Run forward only and add up what the learning signals of the second pass need."""
        output, target, mask = self._forward(part)
        self._note(output, target, mask)

    def restart(self) -> None:
        """Go back to the first step, keeping what was observed."""
        self.time = 0
        for engine in self.engines:
            engine.state[...], engine.output[...] = 0.0, 0.0

    def learn(self, part: Part, *, observed: bool, carry: bool) -> None:
        """Take one sub-sequence: its gradients, and the eligibilities for the next one.

        observed : `observe` saw the whole sequence; otherwise this part must be all of it, or the learning signals
            must not depend on the whole
        """
        output, target, mask = self._forward(part)
        setup = self.setup
        if not observed and (setup.two_passes or setup.rule.keeps_means):
            self._note(output, target, mask)
        error = self._error(output, target, mask)
        reward = self._reward(part[1], len(mask))
        if setup.rule.uses("error"):
            self._backward_local(error, mask, reward)
        else:
            self._backward(error if reward is None else error * reward)
        if carry:
            for engine in self.engines:
                engine.carry_eligibilities()

    def finish(self, target: Array) -> None:
        """Add, after the last part, losses that depend on the whole sequence; target : of any part."""
        if self.setup.loss.sum_of is not None:
            self.loss += self.setup.loss.at_sum(self.sum, self.scored, target)[0] * self.setup.per_sample
        penalty = self.setup.penalty
        if penalty is not None:
            away = [np.mean((spikes / self.steps - penalty.target) ** 2, axis=1) for spikes in self.spikes]
            self.loss += penalty.strength * self.setup.per_sample * sum(away)

    def take_over(self, setup: Setup) -> None:
        """Go on with other weights; gradients, loss and activity start anew, states and eligibilities stay."""
        self.setup = setup
        self.loss[...], self.sample_loss[...], self.steps = 0.0, 0.0, 0
        for spikes in self.spikes:
            spikes[...] = 0.0
        for engine, arrays in zip(self.engines, setup.arrays, strict=True):
            engine.take_over(arrays)

    def close(self) -> None:
        """Give the buffers back; the block is of no more use."""
        give_workspace(self.key, self.workspace)

    def _forward(self, part: Part) -> tuple[Array, Array, Array]:
        x, target, mask = part
        for engine in self.engines:
            if engine.noise is not None:
                engine.noise.time = self.time
        values = run_forward(self.engines, time_major(x, self.setup.dtype))
        self.time += len(values)
        if target.ndim > 1:
            target = np.ascontiguousarray(target.swapaxes(0, 1))
        return values, target, np.ascontiguousarray(mask.T, dtype=self.setup.dtype)

    def _note(self, output: Array, target: Array, mask: Array) -> None:
        if self.setup.loss.sum_of is not None:
            self.sum += self.setup.loss.part(output, mask)
        elif self.setup.rule.uses("reward"):
            self.sample_loss += self._step_loss(output, target, mask)[0]
        self.scored += mask.sum(axis=0, dtype=np.float64)
        self.steps += len(mask)
        for total, engine in zip(self.spikes, self.engines, strict=False):
            np.add(total, engine.outputs[1:].sum(axis=0, dtype=np.float64).reshape(total.shape), out=total)

    def _error(self, output: Array, target: Array, mask: Array) -> Array:
        """Compute ∂L/∂o (λ, batch, outputs) and add the loss of single steps."""
        setup = self.setup
        if setup.loss.step is None:
            _, by_sum = setup.loss.at_sum(self.sum, self.scored, target)
            return setup.loss.through_sum(output, mask, by_sum * setup.per_sample)
        loss, error = self._step_loss(output, target, mask)
        self.loss += loss
        return error

    def _step_loss(self, output: Array, target: Array, mask: Array) -> tuple[Array, Array]:
        assert self.setup.loss.step is not None
        if target.ndim == 1:
            target = np.ascontiguousarray(np.broadcast_to(target, mask.shape))
        return self.setup.loss.step(output, target, mask * self.setup.dtype(self.setup.per_step))

    def _reward(self, target: Array, steps: int) -> Array | None:
        """Return the factors of the learning signals, (1 or λ, batch, 1)."""
        setup, reward = self.setup, self.reward
        if setup.rule.uses("reward"):
            assert setup.means is not None
            loss = self.sample_loss / setup.per_sample
            if setup.loss.sum_of is not None:
                loss = setup.loss.at_sum(self.sum, self.scored, target)[0]
            reward = reward_of(setup.rule, loss, setup.means)[:, None]
        if reward is None:
            return None
        if reward.shape[1] > 1:
            reward = reward[:, self.time - steps : self.time]
        return np.ascontiguousarray(reward.T, dtype=setup.dtype)[:, :, None]

    def _backward(self, error: Array) -> None:
        steps = len(error)
        signal = error.reshape(steps, -1)
        for i in reversed(range(len(self.engines))):
            engine = self.engines[i]
            below = self._rate_signal(i - 1, steps) if i > 0 else None
            if self.setup.rule.error_feedback:
                engine.backward(signal, None)
                if below is not None:
                    project(error, self.setup.matrices[i - 1], below)
            else:
                engine.backward(signal, below)
            if below is not None:
                signal = below

    def _backward_local(self, error: Array, mask: Array, reward: Array | None) -> None:
        """Take learning signals as the rule's hook `error` gives them, layer by layer."""
        setup, steps = self.setup, len(error)
        for i, engine in enumerate(self.engines):
            shape = (steps, self.samples, engine.n)
            noise = np.zeros(shape, setup.dtype) if engine.noise is None else engine.drawn.reshape(shape)
            local = Local(
                setup.net.name(i),
                read_only(error),
                read_only(engine.outputs[1:].reshape(shape)),
                read_only(noise),
                read_only(mask),
                setup.per_step,
                setup.per_sample,
            )
            given = error_of(setup.rule, local)
            signal = np.array(given if reward is None else given * reward, setup.dtype).reshape(steps, -1)
            if i < len(self.engines) - 1:
                signal += self._rate_signal(i, steps)
            engine.backward(signal, None)

    def _rate_signal(self, layer: int, steps: int) -> Array:
        """Start the learning signals of a hidden layer: those of penalties on its rates, or 0."""
        engine, penalty, added = self.engines[layer], self.setup.penalty, self.setup.added
        signal = engine.buffer("signal", steps, engine.output.size)
        signal[...] = 0.0
        if penalty is not None:
            away = self.spikes[layer] / self.steps - penalty.target
            signal += (2.0 * penalty.strength * self.setup.per_sample / (engine.n * self.steps) * away).reshape(-1)
        by_rate = None if added is None else added.by_rate.get(self.setup.net.name(layer))
        if by_rate is not None:
            signal += np.tile(by_rate * (self.setup.per_sample / self.setup.steps), self.samples)
        return signal


@dataclass(frozen=True)
class BatchGradients:
    """Gradients of a batch, with what running means are made of.

    Attributes
    ----------
    gradients : dict of ndarray
        By the names of `Network.arrays`.
    loss : float
        Of the batch.
    penalty : float
        That the rule's `regularizer` adds to it; its derivative is part of `gradients`.
    rates : dict of ndarray
        Spikes a step of each hidden layer's neurons, by "layers.0.rate" and so on; empty where the rule keeps no means.
    """

    gradients: Gradients
    loss: float
    penalty: float
    rates: dict[str, Array]


class Total:
    """Sum over samples, in their order, in 64 bits."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.net, self.loss = setup, setup.net, 0.0
        self.sums = [Sums(layer, 1, np.float64) for layer in self.net.layers]
        self.spikes = [np.zeros(layer.size) for layer in self.net.layers[:-1]]
        self.steps = 0

    def add(self, block: Block) -> None:
        """Add the block's samples, one by one."""
        for b in range(block.samples):
            self.loss += float(block.loss[b])
            for sums, engine in zip(self.sums, block.engines, strict=True):
                for total, one in zip(sums.by_sample(0), engine.gradient.by_sample(b), strict=True):
                    np.add(total, one, out=total)
            if self.setup.rule.keeps_means:
                for spikes, counts in zip(self.spikes, block.spikes, strict=True):
                    np.add(spikes, counts[b], out=spikes)
        self.steps += block.samples * block.steps

    def gradients(self, factor: float = 1.0) -> Gradients:
        """Return the gradients by the names of `Network.arrays`, times `factor`, with those of the rule's penalty."""
        result: Gradients = {}
        for i, (layer, sums) in enumerate(zip(self.net.layers, self.sums, strict=True)):
            weight, recurrent, bias, param = sums.by_sample(0)
            arrays = {"weight": weight.T, "recurrent": recurrent.T, "bias": bias}
            arrays |= dict(zip(layer.model.trainable, param, strict=True))
            result |= {f"{self.net.name(i)}.{name}": factor * arrays[name] for name, _ in layer.arrays()}
        if self.setup.added is not None:
            for name, term in self.setup.added.gradient.items():
                result[name] = result[name] + term
        return result

    def result(self, factor: float = 1.0) -> BatchGradients:
        """Return what the batch gives: gradients and loss times `factor`, penalty and rates."""
        added, rates = self.setup.added, {}
        if self.setup.rule.keeps_means:
            rates = {f"{self.net.name(i)}.rate": spikes / self.steps for i, spikes in enumerate(self.spikes)}
        return BatchGradients(self.gradients(factor), self.loss * factor, 0.0 if added is None else added.value, rates)


def blocks_of(setup: Setup, samples: int, size: int, reward: Array | None = None) -> list[Block]:
    """Split the samples of a batch into blocks of `size`, which run side by side."""
    edges = [(first, min(first + size, samples)) for first in range(0, samples, size)]
    return [Block(setup, b - a, a, None if reward is None else reward[a:b]) for a, b in edges]

"""A block of samples on its way through a sequence, and the sum over the blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import time_major
from hypr_neuro.train.feedback import output_shares
from hypr_neuro.train.hooks import error_of, read_only, reward_of
from hypr_neuro.train.rules.base import Local
from hypr_neuro.train.setup import Setup

Part = tuple[Array, Array, Array]
"""(x, targets (sample, λ) or (sample, λ, outputs) or (sample,), mask (sample, λ)).

x (sample, λ, channel) has more steps where integers run ahead.
"""
Gradients = dict[str, Array]


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
        self.engine = setup.arrays.engine(setup, samples, first)
        self.loss = np.zeros(samples)
        self.sample_loss = np.zeros(samples)
        self.sum = np.zeros((samples, setup.net.output_size))
        self.scored, self.steps = np.zeros(samples), 0
        self.spikes = {i: np.zeros((samples, setup.net.populations[i].size)) for i in setup.spiking}

    def observe(self, part: Part) -> None:
        """Run forward only and add up what the learning signals of the second pass need."""
        output, target, mask = self._forward(part)
        self._note(output, target, mask)

    def restart(self) -> None:
        """Go back to the first step, keeping what was observed."""
        self.engine.restart()

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
            self.engine.learn(error, {}, self._given(error, mask, reward), last=not carry)
        else:
            self.engine.learn(error if reward is None else error * reward, self._rates(), None, last=not carry)

    def finish(self, target: Array) -> None:
        """Add, after the last part, what depends on the whole sequence; target : of any part."""
        self.engine.finish()
        if self.setup.loss.sum_of is not None:
            self.loss += self.setup.loss.at_sum(self.sum, self.scored, target)[0] * self.setup.per_sample
        penalty = self.setup.penalty
        if penalty is not None:
            away = [np.mean((n / self.steps - penalty.target) ** 2, axis=1) for n in self.spikes.values()]
            self.loss += penalty.strength * self.setup.per_sample * sum(away)

    def take_over(self, setup: Setup) -> None:
        """Go on with other weights; gradients, loss and activity start anew, states and eligibilities stay."""
        self.setup = setup
        self.loss[...], self.sample_loss[...], self.steps = 0.0, 0.0, 0
        for spikes in self.spikes.values():
            spikes[...] = 0.0
        self.engine.take_over(setup)

    def close(self) -> None:
        """Give the buffers back; the block is of no more use."""
        self.engine.close()

    def _forward(self, part: Part) -> tuple[Array, Array, Array]:
        x, target, mask = part
        # the integers run ahead of the steps that are learned from
        ahead = None if self.setup.forward is None else x
        values = self.engine.run(time_major(x[:, : mask.shape[1]], self.setup.dtype), ahead)
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
        for i, total in self.spikes.items():
            np.add(total, self.engine.sent(i).sum(axis=0, dtype=np.float64).reshape(total.shape), out=total)

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
            reward = reward[:, self.engine.time - steps : self.engine.time]
        return np.ascontiguousarray(reward.T, dtype=setup.dtype)[:, :, None]

    def _given(self, error: Array, mask: Array, reward: Array | None) -> dict[int, Array]:
        """Return learning signals as the rule's hook `error` gives them, with those of rates, by place."""
        setup, steps, result, rates = self.setup, len(error), {}, self._rates()
        for i, population in enumerate(setup.net.populations):
            shape = (steps, self.samples, population.size)
            noise, many = self.engine.noise(i), population.model.currents
            noise_shape = shape if many == 1 else (steps, self.samples, many, population.size)
            local = Local(
                setup.net.name(i),
                read_only(error),
                read_only(self.engine.sent(i).reshape(shape)),
                read_only(np.zeros(noise_shape, setup.dtype) if noise is None else noise.reshape(noise_shape)),
                read_only(mask),
                setup.per_step,
                setup.per_sample,
            )
            given = error_of(setup.rule, local)
            signal = np.array(given if reward is None else given * reward, setup.dtype).reshape(steps, -1)
            result[i] = signal + rates[i] if i in rates else signal
        return result

    def _rates(self) -> dict[int, Array]:
        """Return what penalties on rates add to the learning signals of every step, (batch·n,) by place."""
        setup, result = self.setup, {}
        # the way of errors is that of rates too: what filters one filters the other
        share = float(np.mean(output_shares(setup.net, setup.leak))) if setup.rule.error_feedback else 1.0
        for i, spikes in self.spikes.items():
            size, signal = spikes.shape[1], np.zeros(spikes.size)
            if setup.penalty is not None:
                away = spikes / self.steps - setup.penalty.target
                signal += (2.0 * setup.penalty.strength * setup.per_sample / (size * self.steps) * away).reshape(-1)
            by_rate = None if setup.added is None else setup.added.by_rate.get(setup.net.name(i))
            if by_rate is not None:
                signal += np.tile(by_rate * (setup.per_sample / setup.steps), self.samples)
            if setup.penalty is not None or by_rate is not None:
                result[i] = (share * signal).astype(setup.dtype)
        return result


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
        self.setup, self.loss, self.steps = setup, 0.0, 0
        self.sums: Gradients = {}
        self.spikes = {i: np.zeros(setup.net.populations[i].size) for i in setup.spiking}

    def add(self, block: Block) -> None:
        """Add the block's samples, one by one."""
        for value in block.loss.tolist():
            self.loss += value
        for name, samples in block.engine.gradients():
            for one in samples:
                if name not in self.sums:
                    self.sums[name] = np.zeros_like(one, np.float64)
                np.add(self.sums[name], one, out=self.sums[name])
        if self.setup.rule.keeps_means:
            for i, counts in block.spikes.items():
                for one in counts:
                    np.add(self.spikes[i], one, out=self.spikes[i])
        self.steps += block.samples * block.steps

    def gradients(self, factor: float = 1.0) -> Gradients:
        """Return the gradients by the names of `Network.arrays`, times `factor`, with those of the rule's penalty."""
        result = {name: factor * total for name, total in self.sums.items()}
        if self.setup.added is not None:
            for name, term in self.setup.added.gradient.items():
                result[name] = result[name] + term
        return result

    def result(self, factor: float = 1.0) -> BatchGradients:
        """Return what the batch gives: gradients and loss times `factor`, penalty and rates."""
        added, rates = self.setup.added, {}
        if self.setup.rule.keeps_means:
            name = self.setup.net.name
            rates = {f"{name(i)}.rate": spikes / self.steps for i, spikes in self.spikes.items()}
        return BatchGradients(self.gradients(factor), self.loss * factor, 0.0 if added is None else added.value, rates)


def blocks_of(setup: Setup, samples: int, size: int, reward: Array | None = None) -> list[Block]:
    """Split the samples of a batch into blocks of `size`, which run side by side."""
    edges = [(first, min(first + size, samples)) for first in range(0, samples, size)]
    return [Block(setup, b - a, a, None if reward is None else reward[a:b]) for a, b in edges]

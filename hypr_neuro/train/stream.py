"""Sequences that do not fit in memory, or are not there yet: gradients from an iterable of sub-sequences.

A stream is an iterable of parts (x (sample, λ, channel), y, mask or None), the same samples in each, one after the
other in time; parts may differ in length. Memory does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType, block_size, over_blocks
from hypr_neuro.train.batch import batch_arrays
from hypr_neuro.train.block import Block, Gradients, Part, Total, blocks_of
from hypr_neuro.train.feedback import Feedback
from hypr_neuro.train.losses import LossChoice, RatePenalty, get_loss
from hypr_neuro.train.rules import RuleChoice, rule_of_a_batch
from hypr_neuro.train.rules.base import Means
from hypr_neuro.train.setup import Setup, make_setup

Stream = Iterable[tuple[Array, Array, Array | None]]


def stream_gradients(
    net: Network,
    parts: Stream,
    *,
    rule: RuleChoice = "hypr",
    loss: LossChoice = "per_step_cross_entropy",
    dtype: FloatType = np.float32,
    feedback: Feedback = "symmetric",
    penalty: RatePenalty | None = None,
    means: Means | None = None,
    seed: int = 0,
    sample: int = 0,
) -> tuple[Gradients, float]:
    """Compute what `gradients` gives for the parts joined, up to rounding, in memory of one part.

    Parameters
    ----------
    net : Network
        In float.
    parts : iterable
        Of (x (sample, λ, channel), y, mask or None). Losses of the whole sequence, rate penalties and rules with a hook
        `regularizer`, `reward` or `error` take two passes: `parts` must then start again when it is iterated a second
        time (a list, or an object with its own ``__iter__``, not a generator).
    rule, loss, dtype, feedback, penalty, means, seed, sample
        As in `gradients`.

    Returns
    -------
    gradients : dict of ndarray
        By the names of `Network.arrays`.
    loss : float
        Penalties included.

    Raises
    ------
    InputError
        For a stream without parts, parts of different samples, or bad input as `gradients` does.
    """
    require("net", net, Network)
    kind, path = get_loss(loss), rule_of_a_batch(rule)
    if not path.forward:
        raise InputError(f"rule '{path.name}' goes back through the whole sequence and cannot run on a stream")
    if kind.last_only:
        raise InputError(f"loss '{kind.name}' cannot tell the last step of a stream; mask the other steps instead")
    setup = make_setup(
        net, path, kind, dtype, feedback, 1.0, 1.0, penalty=penalty, means=means, seed=seed, sample=sample
    )
    twice = setup.two_passes or path.uses("error") or path.uses("regularizer")
    if twice and iter(parts) is iter(parts):
        raise InputError(
            "this loss, penalty or rule needs two passes through the stream; give a list of parts, or an object "
            "whose __iter__ starts again"
        )
    run = _Run(setup, kind)
    if twice:
        run.observe(parts)
    return run.learn(parts)


class _Run:
    """The blocks of samples of one stream; they go through each part side by side."""

    def __init__(self, setup: Setup, loss: LossChoice) -> None:
        self.setup, self.loss = setup, loss
        self.blocks: list[Block] = []
        self.size = self.samples = 0
        self.labels: Array | None = None

    def observe(self, parts: Stream) -> None:
        """Run the first pass: forward only, adding up what the learning signals need."""
        scored = steps = 0
        for part in self._checked(parts):
            scored, steps = scored + int(np.count_nonzero(part[2])), steps + part[2].shape[1]
            self._each(lambda block, cut: block.observe(cut), part)
        # learning signals can be scaled to means at once
        per_step, per_sample = 1.0 / max(1, scored), 1.0 / max(1, self.samples)
        self.setup = replace(self.setup, steps=steps, per_step=per_step, per_sample=per_sample)
        for block in self.blocks:
            block.setup = self.setup
            block.sample_loss *= self.setup.per_step
            block.restart()

    def learn(self, parts: Stream) -> tuple[Gradients, float]:
        """Run the second or only pass; return gradients and loss."""
        observed, scored, target = bool(self.blocks), 0, np.zeros(0)
        for part in self._checked(parts):
            scored, target = scored + int(np.count_nonzero(part[2])), part[1]
            self._each(lambda block, cut: block.learn(cut, observed=observed, carry=True), part)
        if not scored:
            raise InputError("the stream has no scored step; at least one is needed")
        total = Total(self.setup)
        for i, block in enumerate(self.blocks):
            block.finish(target[i * self.size : (i + 1) * self.size])
            total.add(block)
            block.close()
        # gradients are linear in the learning signals, so the mean can as well be taken at the end
        factor = 1.0 if observed else 1.0 / scored
        result = total.result(factor)
        return result.gradients, result.loss + result.penalty

    def _checked(self, parts: Stream) -> Iterator[Part]:
        for x, y, mask in parts:
            scored = np.ones(np.shape(x)[:2], bool) if mask is None else np.asarray(mask, dtype=bool)
            _, target, scored, _ = batch_arrays(self.setup.net, np.asarray(x), y, scored, self.loss, empty=True)
            if not scored.shape[1]:
                continue
            if not self.blocks:
                self._open(*scored.shape)
            if len(x) != self.samples:
                raise InputError(f"a part of the stream has {len(x)} samples, rule: {self.samples} as the first one")
            if self.setup.loss.sum_of is not None:
                self._same_labels(target)
            yield np.asarray(x), target, scored

    def _same_labels(self, target: Array) -> None:
        self.labels = target if self.labels is None else self.labels
        if not np.array_equal(target, self.labels):
            raise InputError(
                f"a part of the stream has other labels than the first; loss '{self.setup.loss.name}' has one label "
                "a sample for the whole of it"
            )

    def _open(self, samples: int, steps: int) -> None:
        self.samples, self.size = samples, block_size(self.setup.net, samples, steps, self.setup.dtype)
        self.blocks = blocks_of(self.setup, samples, self.size)

    def _each(self, call: Any, part: Part) -> None:
        x, target, mask = part

        def run(first: int, stop: int) -> None:
            call(self.blocks[first // self.size], (x[first:stop], target[first:stop], mask[first:stop]))

        for _ in over_blocks(self.samples, self.size, run):
            pass

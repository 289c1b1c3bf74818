"""Weights that change inside a sequence: the gradients of one interval of steps after the other.

States and eligibilities run on over the changes: those of earlier steps stay as they were under the weights of then,
as on a chip that updates while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType, Rows, block_size, chunks, over_blocks
from hypr_neuro.train.batch import batch_arrays, means_of, reward_array
from hypr_neuro.train.block import BatchGradients, Block, Total, blocks_of
from hypr_neuro.train.feedback import Feedback
from hypr_neuro.train.losses import Loss, LossChoice, RatePenalty, get_loss
from hypr_neuro.train.rules import RuleChoice, get_rule
from hypr_neuro.train.rules.base import Means, Rule
from hypr_neuro.train.setup import Setup, make_setup, with_weights


def online_gradients(
    net: Network,
    x: Array | Rows,
    y: Array,
    mask: Array | None = None,
    *,
    update_every: int,
    rule: RuleChoice = "hypr",
    chunk: int | None = None,
    loss: LossChoice = "per_step_cross_entropy",
    reward: Array | None = None,
    dtype: FloatType = np.float64,
    feedback: Feedback = "symmetric",
    means: Means | None = None,
    seed: int = 0,
    sample: int = 0,
) -> Iterator[BatchGradients]:
    """Yield the gradient of every `update_every` steps; what `net` holds when the next is asked for acts from there on.

        for interval in online_gradients(net, x, y, update_every=10):
            optimizer.update(net.arrays(), interval.gradients)

    The last interval may be shorter. Loss and gradient of an interval are its share of the mean over all scored steps
    of the batch: while the network does not change, the shares add up to what `gradients` gives. A rule's
    `regularizer` counts whole in each of them, with the weights and `means` of then; `means` may be moved in between.

    Parameters
    ----------
    net : Network
        In float; may change between intervals.
    x, y, mask, rule, chunk, loss, reward, dtype, feedback, means, seed, sample
        As in `gradients`; λ does not change the result.
    update_every : int
        Steps of an interval, at least 1.

    Yields
    ------
    BatchGradients

    Raises
    ------
    InputError
        As `gradients` does, and for a rule or a loss that needs the whole sequence.
    """
    require("net", net, Network)
    if not isinstance(update_every, (int, np.integer)) or update_every < 1:
        raise InputError(f"update_every = {update_every}, rule: a whole number of steps, at least 1")
    chosen = get_rule(rule)
    check_online(chosen, get_loss(loss))
    x, target, scored, kind = batch_arrays(net, x, y, mask, loss)
    samples, steps = scored.shape
    setup = make_setup(
        net,
        chosen,
        kind,
        dtype,
        feedback,
        *means_of(kind, scored),
        steps=steps,
        means=means,
        seed=seed,
        sample=sample,
    )
    size = block_size(net, samples, min(steps, update_every, chunk or steps), dtype)
    blocks = blocks_of(setup, samples, size, reward_array(reward, samples, steps))
    return _intervals(blocks, setup, feedback, (x, target, scored), (int(update_every), chunk, size))


def check_online(rule: Rule, loss: Loss, penalty: RatePenalty | None = None) -> None:
    """Refuse what has to see the whole sequence before it learns."""
    if not rule.forward:
        raise InputError(
            f"update_every with rule '{rule.name}', which goes back through the whole sequence; take a rule whose "
            "eligibilities run forward, such as 'hypr', or leave update_every out"
        )
    if loss.step is None:
        raise InputError(
            f"update_every with loss '{loss.name}', which is known at the end of the sequence only; take a loss of "
            "single steps, or leave update_every out"
        )
    if penalty is not None:
        raise InputError(
            "update_every with a RatePenalty, which takes the rates of the whole sequence; take a rule with a "
            "regularizer on running means, or leave one out"
        )
    if rule.uses("reward"):
        raise InputError(
            f"update_every with rule '{rule.name}', whose reward is known at the end of the sequence only; give a "
            "reward for each step as reward=, or leave update_every out"
        )


def _intervals(
    blocks: list[Block],
    setup: Setup,
    feedback: Feedback,
    batch: tuple[Array | Rows, Array, Array],
    sizes: tuple[int, int | None, int],
) -> Iterator[BatchGradients]:
    x, target, scored = batch
    update_every, chunk, size = sizes
    steps, samples = scored.shape[1], len(scored)
    try:
        for interval in chunks(steps, update_every):
            if interval.start:
                setup = with_weights(setup)
                for block in blocks:
                    block.take_over(setup)
            for part in chunks(interval.stop - interval.start, chunk):
                p = slice(interval.start + part.start, interval.start + part.stop)

                def learn(first: int, stop: int, p: slice = p) -> None:
                    rows = slice(first, stop)
                    cut = x[rows, p], target[rows] if target.ndim == 1 else target[rows, p], scored[rows, p]
                    blocks[first // size].learn(cut, observed=False, carry=p.stop < steps)

                for _ in over_blocks(samples, size, learn):
                    pass
            total = Total(setup)
            for block in blocks:
                total.add(block)
            yield total.result()
    finally:
        for block in blocks:
            block.close()

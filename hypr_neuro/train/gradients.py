"""Gradients of a network by any rule, in sub-sequences of λ steps, samples in blocks on threads.

The learning signal ∂L_t/∂o_t of the outputs goes down over the connections that lead forward (or, with error
feedback, straight to each population, or as the rule's hook `error` says). Sums over samples are taken in the order of
the samples, so that the result does not depend on blocks and threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import (
    FloatType,
    Rows,
    block_size,
    chunks,
    over_blocks,
)
from hypr_neuro.train.batch import batch_arrays, means_of, reward_array
from hypr_neuro.train.block import BatchGradients, Block, Gradients, Part, Total
from hypr_neuro.train.feedback import Feedback
from hypr_neuro.train.integer_forward import IntegerForward
from hypr_neuro.train.losses import GIVEN, LossChoice, RatePenalty
from hypr_neuro.train.rules import RuleChoice, rule_of_a_batch
from hypr_neuro.train.rules.base import Means
from hypr_neuro.train.setup import make_setup


def gradients(
    net: Network,
    x: Array | Rows,
    y: Array | None = None,
    mask: Array | None = None,
    *,
    rule: RuleChoice = "hypr",
    chunk: int | None = None,
    loss: LossChoice = "per_step_cross_entropy",
    errors: Array | None = None,
    reward: Array | None = None,
    dtype: FloatType = np.float64,
    signal_delay: Sequence[int] | None = None,
    feedback: Feedback = "symmetric",
    penalty: RatePenalty | None = None,
    feedback_weights: Sequence[Array] | None = None,
    means: Means | None = None,
    seed: int = 0,
    sample: int = 0,
) -> tuple[Gradients, float]:
    """Compute the gradient of the mean loss over all scored steps (or samples) of a batch.

    Parameters
    ----------
    net : Network
        In float. Losses see readouts as they are, and a leaky trace of spiking outputs, whose decay the note "output
        decay" may set.
    x : ndarray
        (sample, T, channel), also a memory map: only a sub-sequence of it is read at a time.
    y : ndarray, optional
        (sample,) or (sample, T) integer labels; for "squared_error" real numbers (sample, outputs) or
        (sample, T, outputs).
    mask : ndarray, optional
        (sample, T), False = not scored.
    rule : str, mapping or Rule
        "hypr", "bptt", "ostl" or "eprop", see `train.rules`; {"name": …, and the rule's settings}; or a `Rule`.
    chunk : int, optional
        λ, steps of a sub-sequence; does not change the result ("bptt" needs the whole sequence: None).
    loss : str, Loss or callable
        A name of `train.losses`, a `Loss`, or a function (output, target, weight) as `Loss.step`.
    errors : ndarray, optional
        (sample, T, outputs) ∂L/∂o_t in place of y and a loss, taken as they are, without a mean; the loss is then
        Σ errors · outputs.
    reward : ndarray, optional
        (sample,) or (sample, T), multiplies the learning signals of a sample or step; not those of penalties.
    dtype : type
        float32 or float64.
    signal_delay : sequence of int, optional
        For each population that spikes and is no output ("hidden") the steps by which learning signals arrive late (0
        by default).
    feedback : str or sequence of ndarray
        Of "eprop": "symmetric", "random", or one (n, outputs) matrix for each hidden
        population.
    penalty : RatePenalty, optional
        On firing rates of hidden populations.
    feedback_weights : sequence of ndarray, optional
        Of "hypr": matrices over which signals go in place of the weights, for each connection that leads forward
        between populations, by its target; of a chain (n, inputs) for each layer but the first.
    means : dict of ndarray, optional
        Running means of a rule that keeps some; None: those at its start.
    seed, sample : int
        Of the rule's noise: seed, and number of the batch's first sample.

    Returns
    -------
    gradients : dict of ndarray
        By the names of the network's `arrays`, "layers.0.weight" and so on.
    loss : float
        Penalties included.

    Raises
    ------
    InputError
        For wrong shapes, labels out of range, a batch without a scored step, an unknown rule or loss, options that do
        not go together.
    """
    if errors is not None:
        if y is not None or loss != "per_step_cross_entropy":
            raise InputError("errors go without y and loss: they are the derivative of the loss themselves")
        y, loss = errors, GIVEN
    if y is None:
        raise InputError("y is missing; give labels or targets, or errors=")
    batch = batch_gradients(
        net,
        x,
        y,
        mask,
        rule=rule,
        chunk=chunk,
        loss=loss,
        reward=reward,
        dtype=dtype,
        signal_delay=signal_delay,
        feedback=feedback,
        penalty=penalty,
        feedback_weights=feedback_weights,
        means=means,
        seed=seed,
        sample=sample,
    )
    return batch.gradients, batch.loss + batch.penalty


def batch_gradients(
    net: Network,
    x: Array | Rows,
    y: Array,
    mask: Array | None = None,
    *,
    rule: RuleChoice = "hypr",
    chunk: int | None = None,
    loss: LossChoice = "per_step_cross_entropy",
    reward: Array | None = None,
    dtype: FloatType = np.float64,
    signal_delay: Sequence[int] | None = None,
    feedback: Feedback = "symmetric",
    penalty: RatePenalty | None = None,
    feedback_weights: Sequence[Array] | None = None,
    means: Means | None = None,
    seed: int = 0,
    sample: int = 0,
    forward: IntegerForward | None = None,
) -> BatchGradients:
    """Compute what `gradients` does, with the rates that a rule's running means move by.

    With `forward` the integers of `net` run in its place, and the gradients are those at what they stand for.
    """
    require("net", net, Network)
    net = net if forward is None else forward.net
    x, target, scored, kind = batch_arrays(net, x, y, mask, loss)
    samples, steps = scored.shape
    parts = list(chunks(steps, chunk))
    setup = make_setup(
        net,
        rule_of_a_batch(rule),
        kind,
        dtype,
        feedback,
        *means_of(kind, scored),
        signal_delay=signal_delay,
        penalty=penalty,
        steps=steps,
        feedback_weights=feedback_weights,
        means=means,
        seed=seed,
        sample=sample,
        forward=forward,
    )
    rewards = reward_array(reward, samples, steps)
    if rewards is not None and setup.rule.uses("reward"):
        raise InputError(f"reward with rule '{setup.rule.name}', which takes it from the loss; leave reward out")
    if not setup.rule.forward and len(parts) > 1:
        raise InputError(
            f"chunk = {chunk}, rule: '{setup.rule.name}' goes back through the whole sequence; leave chunk out"
        )
    observed = setup.two_passes and len(parts) > 1

    def run(first: int, stop: int) -> Block:
        rows = slice(first, stop)
        block = Block(setup, stop - first, first, None if rewards is None else rewards[rows])

        def cut() -> Iterator[Part]:
            for p in parts:
                yield (
                    x[rows, slice(p.start, p.stop + setup.ahead)],
                    target[rows] if target.ndim == 1 else target[rows, p],
                    scored[rows, p],
                )

        if observed:
            for part in cut():
                block.observe(part)
            block.restart()
        for i, part in enumerate(cut()):
            block.learn(part, observed=observed, carry=i < len(parts) - 1)
        block.finish(target[rows])
        return block

    total = Total(setup)
    for block in over_blocks(samples, block_size(net, samples, parts[0].stop, dtype), run):
        total.add(block)
        block.close()
    return total.result()

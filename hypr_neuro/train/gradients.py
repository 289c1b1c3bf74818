"""Gradients of a network by any rule, in sub-sequences of λ steps, samples in blocks on threads.

The learning signal ∂L_t/∂o_t of the readout goes down through the layers of the same step (or, with error feedback,
straight to each layer, or as the rule's hook `error` says). Sums over samples are taken in the order of the samples,
so that the result does not depend on blocks and threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import (
    FloatType,
    LayerArrays,
    Rows,
    block_size,
    chunks,
    over_blocks,
)
from hypr_neuro.train.batch import batch_arrays, means_of, reward_array
from hypr_neuro.train.block import BatchGradients, Block, Gradients, Part, Setup, Total
from hypr_neuro.train.checks import whole
from hypr_neuro.train.feedback import Feedback, check_feedback, feedback_matrices
from hypr_neuro.train.graph_gradients import graph_gradients, refuse_options_of_chains
from hypr_neuro.train.hooks import deviations_of, penalty_of
from hypr_neuro.train.losses import GIVEN, Loss, LossChoice, RatePenalty
from hypr_neuro.train.rules import RuleChoice, rule_of_a_batch
from hypr_neuro.train.rules.base import Means, Rule

WORD = 1 << 63
"""Magnitude of a 64-bit number."""


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
        In float. One that is no chain of layers takes of the options rule, chunk, loss, errors and dtype, see
        `graph_gradients`.
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
        For each hidden layer the steps by which learning signals arrive late (0 by default).
    feedback : str or sequence of ndarray
        Of "eprop": "symmetric", "random", or one (n, outputs) matrix for each hidden layer.
    penalty : RatePenalty, optional
        On firing rates.
    feedback_weights : sequence of ndarray, optional
        Of "hypr": for each layer but the first feedback weights (n, inputs) in place of its weights.
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
    require("net", net, Network)
    if not net.is_chain:
        refuse_options_of_chains(
            reward=reward,
            signal_delay=signal_delay,
            feedback=feedback,
            penalty=penalty,
            feedback_weights=feedback_weights,
            means=means,
        )
        return graph_gradients(net, x, y, mask, rule=rule, chunk=chunk, loss=loss, dtype=dtype)
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
) -> BatchGradients:
    """Compute what `gradients` does, with the rates that a rule's running means move by."""
    require("net", net, Network)
    x, target, scored, kind = batch_arrays(net, x, y, mask, loss)
    samples, steps = scored.shape
    parts = list(chunks(steps, chunk))
    setup = make_setup(
        net,
        rule_of_a_batch(rule),
        kind,
        dtype,
        signal_delay,
        feedback,
        penalty,
        *means_of(kind, scored),
        steps=steps,
        feedback_weights=feedback_weights,
        means=means,
        seed=seed,
        sample=sample,
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
                yield x[rows, p], target[rows] if target.ndim == 1 else target[rows, p], scored[rows, p]

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


def make_setup(
    net: Network,
    rule: Rule,
    loss: Loss,
    dtype: FloatType,
    signal_delay: Sequence[int] | None,
    feedback: Feedback,
    penalty: RatePenalty | None,
    per_step: float,
    per_sample: float,
    *,
    steps: int = 0,
    feedback_weights: Sequence[Array] | None = None,
    means: Means | None = None,
    seed: int = 0,
    sample: int = 0,
) -> Setup:
    """Make a `Setup`; InputError for options that do not go together."""
    if np.dtype(dtype).name not in ("float32", "float64"):
        raise InputError(f"dtype = {np.dtype(dtype).name}, rule: float32 or float64")
    dtype, hidden = np.dtype(dtype).type, len(net.layers) - 1
    delays = (*([0] * hidden if signal_delay is None else signal_delay), 0)
    if len(delays) != hidden + 1 or min(delays) < 0:
        raise InputError(
            f"signal_delay = {signal_delay}, rule: {hidden} whole numbers, 0 or larger, one a hidden layer"
        )
    if rule.eligibility == "current" and penalty is not None:
        raise InputError(f"penalty with rule '{rule.name}', rule: its signals meet currents, those of rates spikes")
    deviations = deviations_of(rule, net)
    seed, sample = whole("seed", seed), whole("sample", sample)
    if deviations and not -WORD <= seed < WORD:
        raise InputError(f"seed = {seed}, rule: a number of 64 bits, the random counter's word")
    setup = Setup(
        net,
        (),
        rule,
        loss,
        dtype,
        (),
        delays,
        penalty,
        per_step,
        per_sample,
        steps,
        _checked_feedback(net, rule, feedback_weights),
        _running_means(net, rule, means),
        None,
        deviations,
        seed,
        sample,
    )
    setup = with_weights(setup, feedback)
    check_feedback(rule, feedback)
    return setup


def with_weights(setup: Setup, feedback: Feedback) -> Setup:
    """Take the weights that the network has now: arrays of the layers, feedback matrices, penalty of the rule."""
    net, added = setup.net, None
    for layer in net.layers:
        layer.check()
    if setup.rule.uses("regularizer"):
        assert setup.means is not None
        added = penalty_of(setup.rule, net, setup.means)
    arrays = tuple(LayerArrays(layer, setup.dtype) for layer in net.layers)
    return replace(setup, arrays=arrays, matrices=feedback_matrices(net, feedback), added=added)


def _running_means(net: Network, rule: Rule, means: Means | None) -> Means | None:
    """Return the rule's running means, or those at its start."""
    if not rule.keeps_means:
        if means is not None:
            raise InputError(f"means with rule '{rule.name}', rule: it keeps none; leave them out")
        return None
    return rule.start(net) if means is None else means


def _checked_feedback(net: Network, rule: Rule, feedback_weights: Sequence[Array] | None) -> tuple[Array | None, ...]:
    if feedback_weights is None:
        return (None,) * len(net.layers)
    if rule.name != "hypr" or rule.uses("error"):
        hook = ", which has a hook 'error'" if rule.uses("error") else ""
        raise InputError(f"feedback_weights with rule '{rule.name}'{hook}, rule: 'hypr' only")
    wanted = [layer.weight.shape for layer in net.layers[1:]]
    shapes = [np.shape(m) for m in feedback_weights]
    if shapes != wanted:
        raise InputError(f"feedback_weights of shapes {shapes}, rule: {wanted}, those of the weights")
    return (None, *feedback_weights)

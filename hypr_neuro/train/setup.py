"""What stays the same for every block of samples and every sub-sequence, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import precision, whole
from hypr_neuro.run.forward import FloatType
from hypr_neuro.train.chain_engine import ChainArrays
from hypr_neuro.train.feedback import Feedback, FeedbackWay, check_feedback, feedback_ways
from hypr_neuro.train.graph_engine import GraphArrays
from hypr_neuro.train.hooks import deviations_of, penalty_of
from hypr_neuro.train.integer_forward import IntegerForward
from hypr_neuro.train.losses import Loss, RatePenalty, check_penalty
from hypr_neuro.train.networks import hidden_places, output_decays, returning, spiking_places, trace_decay
from hypr_neuro.train.rules.base import Means, Penalty, Rule

WORD = 1 << 63
"""Magnitude of a 64-bit number."""


LONGEST_DELAY = 1 << 16
"""Steps by which a learning signal may come late: so many of each neuron are kept."""


class Engine(Protocol):
    """A block of samples of a network on its way through a sequence; populations by their place in the order.

    Attributes
    ----------
    time : int
        Steps that were run.
    """

    time: int

    def run(self, x: Array, integers: Array | None = None) -> Array:
        """Run one sub-sequence (λ, batch, channel); return what losses see, (λ, batch, outputs).

        `integers` are the same steps and those after them, as `IntegerRun.advance` takes them, where integers run.
        """
        ...

    def sent(self, place: int) -> Array:
        """Return the outputs (λ, batch·n) of a population in the steps just run."""
        ...

    def noise(self, place: int) -> Array | None:
        """Return the noise (λ, batch·n) on its currents in the steps just run, None for none.

        Of a population with several input currents (λ, batch·currents·n), those of a sample behind each other.
        """
        ...

    def learn(self, error: Array, rates: Mapping[int, Array], given: Mapping[int, Array] | None, *, last: bool) -> None:
        """Take the learning signals of the steps just run.

        Parameters
        ----------
        error : (λ, batch, outputs)
            ∂L/∂o_t.
        rates : by place, (batch·n,)
            What is added to a population's signals in every step.
        given : by place, (λ, batch·n)
            The signals of all populations, in place of those that `error` and `rates` make; None for these.
        last : bool
            Whether the sequence ends here; if not, eligibilities are carried on.
        """
        ...

    def finish(self) -> None:
        """Learn what is left where no part was said to be the last."""
        ...

    def restart(self) -> None:
        """Go back to the first step, before anything was learned."""
        ...

    def take_over(self, setup: Setup) -> None:
        """Go on with other weights; gradients start anew, states and eligibilities stay."""
        ...

    def gradients(self) -> Iterator[tuple[str, Iterable[Array]]]:
        """Yield of each array of the network its name and the gradient of each sample."""
        ...

    def close(self) -> None:
        """Give the buffers back; the engine is of no more use."""
        ...


class NetworkArrays(Protocol):
    """A network's numbers as kernels take them: made once, read by every block."""

    def engine(self, setup: Setup, samples: int, first: int) -> Engine:
        """Make the engine of a block, `first` the number of its first sample in the batch."""
        ...


@dataclass(frozen=True)
class Setup:
    """What stays the same for every block and sub-sequence.

    Attributes
    ----------
    arrays : NetworkArrays
        Of the weights that the network held when it was asked last.
    forward : IntegerForward or None
        The integers that run in place of the float network.
    spiking : tuple of int
        Places of the populations that spike and are no output.
    delays : tuple of int
        By which signals arrive late, of every population.
    per_step, per_sample : float
        Factors that make means of sums.
    steps : int
        Of the sequence, 0 as long as that is unknown.
    feedback_weights : sequence of matrices
        In place of the weights of `networks.returning`, or none.
    ways : tuple of FeedbackWay
        Over which a rule with error feedback sends errors.
    leak, trace : float
        κ of the outputs on average, by which such a rule filters, and of the trace of spiking outputs.
    means, added
        The rule's running means, and the penalty that it takes at them.
    deviations : tuple of float
        Of the noise on each population's currents, () for none.
    seed, sample : int
        Of the noise, and the number of the batch's first sample.
    """

    net: Network
    rule: Rule
    loss: Loss
    dtype: FloatType
    spiking: tuple[int, ...]
    delays: tuple[int, ...]
    penalty: RatePenalty | None
    per_step: float
    per_sample: float
    steps: int
    feedback: Feedback
    feedback_weights: Sequence[Array]
    leak: float
    trace: float
    means: Means | None
    deviations: tuple[float, ...]
    seed: int
    sample: int
    arrays: NetworkArrays
    ways: tuple[FeedbackWay, ...] = ()
    added: Penalty | None = None
    forward: IntegerForward | None = None

    @property
    def ahead(self) -> int:
        """Steps of input after those of a sub-sequence that its forward pass takes."""
        return 0 if self.forward is None else self.forward.ahead

    @property
    def two_passes(self) -> bool:
        """Tell whether the learning signals depend on the whole sequence."""
        return self.loss.sum_of is not None or self.penalty is not None or self.rule.uses("reward")


def _require_one_current(net: Network, rule: Rule) -> None:
    """Raise InputError, naming the population, where a signal by the current would have several to meet."""
    for p in net.populations:
        if p.model.currents > 1:
            raise InputError(
                f"population '{p.name}': neuron '{p.model.name}' has {p.model.currents} input currents, rule of "
                f"'{rule.name}', whose signals meet currents: one; take a rule of eligibility 'spike'"
            )


def make_setup(
    net: Network,
    rule: Rule,
    loss: Loss,
    dtype: FloatType,
    feedback: Feedback,
    per_step: float,
    per_sample: float,
    *,
    signal_delay: Sequence[int] | None = None,
    penalty: RatePenalty | None = None,
    steps: int = 0,
    feedback_weights: Sequence[Array] | None = None,
    means: Means | None = None,
    seed: int = 0,
    sample: int = 0,
    forward: IntegerForward | None = None,
) -> Setup:
    """Make a `Setup`; InputError for options that do not go together."""
    dtype = precision(dtype)
    check_penalty(penalty)
    if rule.eligibility == "current" and penalty is not None:
        raise InputError(f"penalty with rule '{rule.name}', rule: its signals meet currents, those of rates spikes")
    if rule.eligibility == "current":
        _require_one_current(net, rule)
    deviations = deviations_of(rule, net)
    seed, sample = whole("seed", seed), whole("sample", sample)
    if deviations and not -WORD <= seed < WORD:
        raise InputError(f"seed = {seed}, rule: a number of 64 bits, the random counter's word")
    if deviations and forward is not None:
        raise InputError(
            f"rule '{rule.name}' adds noise to currents, rule of a forward pass in integers: none; train in float, or "
            "take a rule without a hook 'noise'"
        )
    check_feedback(rule, feedback)
    net.check()
    fixed = _checked_feedback(net, rule, feedback_weights)
    setup = Setup(
        net,
        rule,
        loss,
        dtype,
        spiking_places(net),
        _delays(net, rule, hidden_places(net), signal_delay),
        penalty,
        per_step,
        per_sample,
        steps,
        feedback,
        fixed,
        float(np.mean(output_decays(net, rule.name))) if rule.error_feedback else 0.0,
        trace_decay(net),
        _running_means(net, rule, means),
        deviations,
        seed,
        sample,
        _arrays(net, dtype, fixed),
        forward=forward,
    )
    return _of_weights(setup)


def with_weights(setup: Setup) -> Setup:
    """Take the weights that the network has now: its arrays, feedback matrices, penalty of the rule."""
    setup.net.check()
    return _of_weights(replace(setup, arrays=_arrays(setup.net, setup.dtype, setup.feedback_weights)))


def _of_weights(setup: Setup) -> Setup:
    added = None
    if setup.rule.uses("regularizer"):
        assert setup.means is not None
        added = penalty_of(setup.rule, setup.net, setup.means)
    ways = feedback_ways(setup.net, setup.feedback, setup.leak) if setup.rule.error_feedback else ()
    return replace(setup, ways=ways, added=added)


def _arrays(net: Network, dtype: FloatType, feedback_weights: Sequence[Array]) -> NetworkArrays:
    return ChainArrays(net, dtype) if net.is_chain else GraphArrays(net, dtype, feedback_weights)


def _delays(net: Network, rule: Rule, hidden: Sequence[int], signal_delay: Sequence[int] | None) -> tuple[int, ...]:
    if signal_delay is not None and not isinstance(signal_delay, Sequence | np.ndarray):
        raise InputError(f"signal_delay = {signal_delay!r:.60}, rule: {len(hidden)} whole numbers, one a hidden layer")
    given = [0] * len(hidden) if signal_delay is None else [whole("signal_delay", d) for d in signal_delay]
    if len(given) != len(hidden) or not all(0 <= steps <= LONGEST_DELAY for steps in given):
        raise InputError(
            f"signal_delay = {signal_delay!r:.60}, rule: {len(hidden)} whole numbers, 0 to {LONGEST_DELAY}, one a "
            "hidden layer"
        )
    if any(given) and not rule.forward:
        raise InputError(
            f"signal_delay = {signal_delay} with rule '{rule.name}', rule: a rule whose eligibilities run forward, "
            "such as 'hypr': what goes back through time is never late"
        )
    by_place = dict(zip(hidden, given, strict=True))
    return tuple(by_place.get(i, 0) for i in range(len(net.populations)))


def _running_means(net: Network, rule: Rule, means: Means | None) -> Means | None:
    """Return the rule's running means, or those at its start."""
    if not rule.keeps_means:
        if means is not None:
            raise InputError(f"means with rule '{rule.name}', rule: it keeps none; leave them out")
        return None
    return rule.start(net) if means is None else means


def _checked_feedback(net: Network, rule: Rule, feedback_weights: Sequence[Array] | None) -> Sequence[Array]:
    if feedback_weights is None:
        return ()
    if rule.name != "hypr" or rule.uses("error"):
        hook = ", which has a hook 'error'" if rule.uses("error") else ""
        raise InputError(f"feedback_weights with rule '{rule.name}'{hook}, rule: 'hypr' only")
    wanted = [c.shape for c in returning(net)]
    shapes = [np.shape(m) for m in feedback_weights]
    if shapes != wanted:
        raise InputError(f"feedback_weights of shapes {shapes}, rule: {wanted}, those of the weights")
    return tuple(feedback_weights)

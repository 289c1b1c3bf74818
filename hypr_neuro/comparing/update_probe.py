"""A probe of a run of learning: what becomes of gradients and weights from update to update.

Give it to a learner as `before_update`; it reads and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learn import rates
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import RATE_FRACTION, LearnOptions
from hypr_neuro.train.optimizers import OnChip


@dataclass
class UpdateRecord:
    """One update, by connection or neuron parameter.

    Attributes
    ----------
    zero
        Share of gradient entries that are 0.
    small
        Share of steps with 0 < |step| < half a unit among those not 0: to nearest they would be lost, stochastic
        rounding makes a change of one unit with probability |step| / unit. A unit is 2^-residual_bits of a mantissa,
        the least that a weight keeps, and 1 of a parameter.
    step
        Mean |step|, in mantissa units or units of parameters.
    saturated
        Share of weights at ±top.
    histogram
        Weights in each bin, of connections only.
    """

    update: int
    zero: dict[str, float] = field(default_factory=dict)
    small: dict[str, float] = field(default_factory=dict)
    step: dict[str, float] = field(default_factory=dict)
    saturated: dict[str, float] = field(default_factory=dict)
    histogram: dict[str, list[int]] = field(default_factory=dict)


class UpdateProbe:
    """Records every `every`-th update of a `Learner`, in the state before it.

    Steps are worked out in real numbers from the integer gradients, before they are rounded.

    Parameters
    ----------
    qnet, options
        What learns, and how.
    per_epoch
        Samples of an epoch, after which rates fall; None: they stay.
    every
        Record one update in so many.
    bins
        Bins of the histograms, of equal width over ±top; `edges` are their ends, in mantissas.
    """

    def __init__(
        self,
        qnet: QuantizedNetwork,
        options: LearnOptions,
        *,
        per_epoch: int | None = None,
        every: int = 1,
        bins: int = 32,
    ) -> None:
        self.options, self.per_epoch, self.every, self.seen = options, per_epoch, every, 0
        self.records: list[UpdateRecord] = []
        self.top = max(qnet.weight_top(c) for c in qnet.connections)
        self.edges = np.linspace(-self.top - 0.5, self.top + 0.5, bins + 1)
        self.weights, self.parameters = self._rule(options, options.rate), self._rule(options, options.parameter_rate)

    @staticmethod
    def _rule(options: LearnOptions, rate: float) -> OnChip:
        return OnChip(
            rate,
            {},
            rule=options.rule,
            limit=float(options.limit),
            average_shift=options.average_shift,
            momentum=options.momentum,
        )

    def _set_rates(self, samples: int) -> None:
        """Set the rates of the epoch in which an update lies that follows so many whole samples."""
        finished = samples - (self.options.update_on == "sample")
        *_, (rate, parameter_rate) = rates(
            self.options, 1 if self.per_epoch is None else 1 + finished // self.per_epoch
        )
        self.weights.rate = rate / (1 << RATE_FRACTION)
        self.parameters.rate = parameter_rate / (1 << RATE_FRACTION)

    def __call__(self, learner: Learner) -> None:
        """Take up the update that is about to be made."""
        gradients, connections = learner.updater.gradients(), learner.qnet.weights()
        record = UpdateRecord(learner.updates)
        units = {tensor.name: 2.0**-tensor.residual_bits for tensor in learner.plan.tensors}
        self._set_rates(learner.samples)
        for name, gradient in gradients.items():
            matrix = gradient.reshape(len(gradient), -1)
            # every update moves the averages of the rule, recorded or not
            step = (self.weights if name in connections else self.parameters).step(name, matrix)
            moving = step != 0.0
            record.zero[name] = float((matrix == 0).mean())
            small = np.count_nonzero(2 * np.abs(step[moving]) < units[name])
            record.small[name] = float(small / max(np.count_nonzero(moving), 1))
            record.step[name] = float(np.abs(step).mean())
        self.seen += 1
        if (self.seen - 1) % self.every:
            return
        for name, mantissa in connections.items():
            record.saturated[name] = float((np.abs(mantissa) == self.top).mean())
            record.histogram[name] = np.histogram(mantissa, self.edges)[0].tolist()
        self.records.append(record)

"""A rate found on training samples before learning: what is right depends on how good a network is already.

Steps of an update have a size of their own whatever the gradient's, so that a rate at which an untrained network learns
takes a trained one apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.data.score import score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.options import LearnOptions

RATES = tuple(0.2 / 4**k for k in range(6))
"""Rates that are tried, in weight steps: 0.2 down to 0.0002."""
SAMPLES = 256
"""Samples to learn from, and as many to score, at most."""


@dataclass(frozen=True)
class RateSearch:
    """What a search of the rate found.

    Attributes
    ----------
    rate : float
        The one to learn at.
    before : float
        Accuracy on the scored samples before learning, of a regression the squared error.
    tried : tuple of (float, float)
        Rate and accuracy, or squared error, after learning at it.
    samples : int
        Training samples that were learned from, and as many were scored.
    idle : bool
        Whether no rate changed a weight.
    regression : bool
        Whether squared errors stand in place of accuracies.
    """

    rate: float
    before: float
    tried: tuple[tuple[float, float], ...]
    samples: int
    idle: bool = False
    regression: bool = False

    def told(self) -> str:
        """Say what was tried and what was chosen, in one line."""
        figure = "squared error {:.4g}" if self.regression else "{:.1%}"
        tried = ", ".join(f"{rate:.2g}: {figure.format(score)}" for rate, score in self.tried)
        if self.idle:
            return (
                f"rate {self.rate:.2g}: in {self.samples} training samples no rate changed a weight, none had an update"
            )
        sign = -1.0 if self.regression else 1.0
        better = any(sign * score > sign * self.before for _, score in self.tried)
        gain = "" if better else "; none is better than not to learn"
        return (
            f"rate {self.rate:.2g}, found by learning from {self.samples} training samples and scoring {self.samples} "
            f"others ({figure.format(self.before)} before; {tried}{gain})"
        )


def search_rate(
    qnet: QuantizedNetwork,
    data: SequenceData,
    options: LearnOptions | None = None,
    on_rate: Callable[[int, int], None] | None = None,
) -> RateSearch:
    """Try each of `RATES` on up to 256 training samples and score it on as many others; test samples are not looked at.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Stays as it is.
    data : SequenceData
        With at least one training sample; where there is one, it is learned from and scored.
    options : LearnOptions, optional
        All but the rate.
    on_rate : callable, optional
        Called with (rates done, rates in all).

    Returns
    -------
    RateSearch
        With the rate of the best accuracy, or of the least squared error, of equal ones the smallest that changes a
        weight.
    """
    from hypr_neuro.sim.learning.learn import learned_in_silence

    options, part = options_for(options or LearnOptions(), data), data.part("train")
    order = np.random.default_rng([options.seed, 1, len(part)]).permutation(len(part))
    half = max(1, min(len(part) // 2, SAMPLES))
    seen, held = part.take(order[:half]), part.take(order[-half:])

    def figure(network: QuantizedNetwork) -> float:
        outputs: Any = network.for_score(simulate(network, held.x).readout, regression=data.regression)
        return score_readout(outputs, held, learned=False).figure

    before, tried, idle = figure(qnet), [], set[float]()
    for i, rate in enumerate(RATES):
        found = learned_in_silence(qnet, seen, replace(options, rate=rate))
        tried.append((rate, figure(found)))
        after = found.weights()  # of outputs that spike those of their traces, too
        if all(np.array_equal(w, after[name]) for name, w in qnet.weights().items()):
            idle.add(rate)
        if on_rate is not None:
            on_rate(i + 1, len(RATES))
    if np.isnan(before):
        raise InputError(
            f"data '{data.name}': no step of the {len(held)} training samples that would be scored counts, so no rate "
            "can be found; give a rate (--rate)"
        )
    best = min(tried, key=lambda each: (-each[1], each[0] in idle, each[0]))
    sign = -1.0 if data.regression else 1.0
    scores = tuple((rate, sign * score) for rate, score in tried)
    return RateSearch(best[0], sign * before, scores, half, len(idle) == len(RATES), data.regression)

"""Float and integer network on the same samples, without learning: scores, equal answers, rates."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.comparing.agreement import integer_rates
from hypr_neuro.data.fit import check_outputs
from hypr_neuro.data.score import Score, predict, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.same import check_populations
from hypr_neuro.sim.engine import simulate
from hypr_neuro.traces.float_trace import float_trace
from hypr_neuro.traces.trace import SPIKES


@dataclass(frozen=True)
class Accuracies:
    """Float and integer network on the same data.

    Attributes
    ----------
    float_score, integer_score
        Of both.
    agreement
        Share of equal predictions; of a regression 1 - squared difference / that of the float answers from their mean.
    events
        Of the integer run.
    rates, float_rates
        Mean spikes a neuron and step of the integer and the float network by population that spikes, over the same
        samples and steps.
    """

    float_score: Score
    integer_score: Score
    agreement: float
    events: dict[str, dict[str, int]]
    rates: dict[str, float]
    float_rates: dict[str, float]


def compare_inference(net: Network, qnet: QuantizedNetwork, data: SequenceData, part: str = "test") -> Accuracies:
    """Score both networks, count how often they answer the same, and how much they fire."""
    check_populations(net, qnet)
    chosen = data.part(part)
    for network in (net, qnet):
        check_outputs(network.output_size, data)
    real, trace = float_trace(net, chosen.x), simulate(qnet, chosen.x, record=(SPIKES,))
    names = dict(zip((p.name for p in net.populations), (p.name for p in qnet.populations), strict=True))
    integers = qnet.for_score(trace.readout, regression=data.regression)
    same = _agreement(predict(real.readout, chosen), predict(integers, chosen), chosen)
    return Accuracies(
        score_readout(real.readout, chosen),
        score_readout(integers, chosen),
        same,
        trace.events,
        integer_rates(qnet, trace.spikes, chosen.steps),
        {names[name]: rate for name, rate in real.rates.items()},
    )


def _agreement(real: Array, integers: Array, data: SequenceData) -> float:
    """Return the share of equal answers, of a regression the share of float's variance that integers follow."""
    if not data.regression:
        return float((real == integers).mean())
    counted = ... if data.mask is None or not data.per_step else data.mask
    spread = float(real[counted].reshape(-1, data.classes).var(axis=0).mean())
    return 1.0 - float(((real - integers)[counted] ** 2).mean()) / spread if spread else float("nan")

"""Scales and float gradients of a float network and its integers, which tests hold integer gradients against."""

from __future__ import annotations

from typing import Any

from hypr_neuro.comparing.probes import float_along
from hypr_neuro.comparing.scales import scales_of
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


def gradient_scales(net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, float]:
    """Integer gradient / real gradient, both summed over steps, by connection and neuron parameter."""
    plan = LearningPlan(qnet, options)
    return scales_of(FloatForm(net, plan.qnet), plan)


def gradients_along(
    net: Network, qnet: QuantizedNetwork, sample: SequenceData, options: LearnOptions
) -> dict[str, Any]:
    """Float gradients of one sample along the spikes of the integer run."""
    plan = LearningPlan(qnet, options)
    return float_along(FloatForm(net, plan.qnet, rounded=True), plan, qnet, sample)

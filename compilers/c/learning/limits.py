"""What the C of a learning network adds to its `LearningPlan`: limits of its words."""

from __future__ import annotations

import warnings
from typing import Any

from hypr_neuro.compilers.c import plan as inference
from hypr_neuro.compilers.c.learning.source import narrow_input
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.sim.learning.plan import LearningPlan

GRADED = (1 << 15) - 1
"""Largest value of a graded input of 16 bits."""


def input_limit(plan: LearningPlan) -> int:
    """Bound the magnitude of inputs: what the simulator takes, whatever the weights become, and messages hold.

    Less where 32 bits then do for synapses, which is 16 bits at least.
    """
    largest = min(plan.largest_input, inference.Plan(plan.qnet.integer(), places=()).largest_input)
    taking = [layer for layer in plan.layers if any(c.learns and c.source == INPUT for c in layer.incoming)]
    narrow = min((narrow_input(layer) for layer in taking), default=largest)
    return min(largest, narrow) if narrow >= GRADED else largest


def __getattr__(name: str) -> Any:
    """Give version 0.1's `Plan` its name of today."""
    if name != "Plan":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    warnings.warn("'Plan' is now hypr_neuro.sim.learning.plan.LearningPlan", DeprecationWarning, stacklevel=2)
    return LearningPlan

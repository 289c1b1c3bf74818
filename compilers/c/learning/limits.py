"""What the C of a learning network adds to its `LearningPlan`: limits of its words."""

from __future__ import annotations

import warnings
from typing import Any

from hypr_neuro.compilers.c.learning.source import narrow_input
from hypr_neuro.sim.learning.plan import LearningPlan

GRADED = (1 << 15) - 1
"""Largest value of a graded input of 16 bits."""


def input_limit(plan: LearningPlan) -> int:
    """Bound the magnitude of inputs: the plan's; less where 32 bits then do for synapses, but 16 bits at least."""
    largest, first = plan.largest_input, plan.layers[0]
    narrow = narrow_input(first) if first.learns else largest
    return min(largest, narrow) if narrow >= GRADED else largest


def signal_queue(plan: LearningPlan) -> int:
    """Count the steps for which signals wait in front of the last hidden layer; 0 where none goes there."""
    return plan.layers[-2].signal_wait if plan.passes_down(plan.last) else 0


def __getattr__(name: str) -> Any:
    """Give version 0.1's `Plan` its name of today."""
    if name != "Plan":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    warnings.warn("'Plan' is now hypr_neuro.sim.learning.plan.LearningPlan", DeprecationWarning, stacklevel=2)
    return LearningPlan

"""Targets of the definition of learning, a step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class StepTarget(NamedTuple):
    """Target of one step: label, whether it is learned from, errors or real numbers in its place, a reward."""

    label: int
    scored: bool
    errors: list[int] | None = None
    reward: int | None = None
    values: list[int] | None = None


SILENT = StepTarget(0, False)


def step_targets(
    steps: int,
    label: Sequence[int] | None,
    scored: Sequence[bool],
    errors: Sequence[Sequence[int]] | None = None,
    reward: Sequence[int] | int | None = None,
    values: Sequence[Sequence[int]] | None = None,
) -> list[StepTarget]:
    """Make the target of each step from arrays over steps; one reward is that of every step."""
    rewards: Any = np.full(steps, reward) if reward is not None and np.ndim(reward) == 0 else reward
    return [
        StepTarget(
            0 if label is None else int(label[t]),
            bool(scored[t]),
            None if errors is None else [int(e) for e in errors[t]],
            None if rewards is None else int(rewards[t]),
            None if values is None else [int(v) for v in values[t]],
        )
        for t in range(steps)
    ]

"""The cheapest widths within so many points of accuracy, from what single tensors lose.

Losses of single tensors are taken to add up. Under that the cheapest choice is an integer program: one width for each
tensor, x_{t,w} = 1 for the chosen ones,

    maximise Σ saved_{t,w} x_{t,w},   Σ_w x_{t,w} = 1 for each t,   Σ max(loss_{t,w}, 0) x_{t,w} ≤ within

They do not add up exactly, and what was measured on some samples is not what holds on others. So the whole is measured:
a choice that loses more than `within` points is repaired, step by step at the tensor whose width costs most points for
the memory it saves. Then each tensor is tried one step narrower, in the order of what that saves, and stays so where
the whole still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.studies.width_sensitivity import NarrowedTensor, Sensitivities, Step
from hypr_neuro.studies.width_trials import PairedLoss, WidthTrials

Choice = dict[NarrowedTensor, int]
"""Of each tensor the place of its step."""


@dataclass(frozen=True)
class ChosenWidths:
    """Widths that hold, with what all of them together lose.

    Attributes
    ----------
    choice
        Of each tensor the place of its step.
    loss
        Of the whole on the samples that it was chosen by.
    predicted
        Sum of what the single tensors lose, before repair and narrowing.
    repaired, narrowed
        Steps that were taken back, and that were added.
    """

    choice: Choice
    loss: PairedLoss
    predicted: float
    repaired: int
    narrowed: int


def choose(trials: WidthTrials, steps: Sensitivities, within: float) -> ChosenWidths:
    """Return the cheapest widths that lose at most `within` points on the samples of the trials."""
    if not within >= 0:
        raise InputError(f"within = {within}, rule: points of accuracy, 0 or more")
    choice = cheapest(steps, within)
    predicted = sum(max(steps[t][k].loss.points, 0.0) for t, k in choice.items())
    repaired = 0
    while any(choice.values()) and not _holds(trials, steps, choice, within):
        worst = max((t for t in choice if choice[t]), key=lambda t: _price(steps[t], choice[t]))
        choice[worst] -= 1
        repaired += 1
    choice, narrowed = _narrowed(trials, steps, choice, within)
    return ChosenWidths(choice, trials.loss(widths_of(steps, choice), {}), predicted, repaired, narrowed)


def widths_of(steps: Sensitivities, choice: Mapping[NarrowedTensor, int]) -> dict[tuple[str, str], int]:
    """Return the widths of a choice; tensors at the chip's own width are left out."""
    return {t.id: steps[t][k].bits for t, k in choice.items() if k}


def cheapest(steps: Sensitivities, within: float) -> Choice:
    """Return the choice that saves most where losses add up; see the module."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    flat = [(t, k, step) for t, all_of in steps.items() for k, step in enumerate(all_of)]
    if not flat:
        return {}
    saved = np.array([step.saved for _, _, step in flat], np.float64)
    loss = np.array([max(step.loss.points, 0.0) for _, _, step in flat])
    one = np.array([[float(t == of) for t, _, _ in flat] for of in steps])
    # of equal savings the one that loses less
    objective = -saved + loss * 1e-3
    solved = milp(
        objective,
        constraints=[LinearConstraint(one, 1, 1), LinearConstraint(loss[None], -np.inf, within)],
        integrality=np.ones(len(flat)),
        bounds=Bounds(0, 1),
    )
    if solved.x is None:
        return dict.fromkeys(steps, 0)
    return {t: k for (t, k, _), x in zip(flat, solved.x, strict=True) if x > 0.5}


def _holds(trials: WidthTrials, steps: Sensitivities, choice: Choice, within: float) -> bool:
    try:
        return trials.loss(widths_of(steps, choice), {}).points <= within
    except InputError:  # widths that do not go together
        return False


def _price(of: list[Step], k: int) -> float:
    """Return the points that the last step to a width costs, for a bit of memory that it saves."""
    points = max(of[k].loss.points - of[k - 1].loss.points, 1e-6)
    return points / max(of[k].saved - of[k - 1].saved, 1)


def _narrowed(trials: WidthTrials, steps: Sensitivities, choice: Choice, within: float) -> tuple[Choice, int]:
    """Return the choice with each tensor as narrow as the whole allows, tensors that save most first; and the steps."""
    choice, taken, done = dict(choice), 0, set[NarrowedTensor]()
    while True:
        left = {t: k for t in choice if t not in done and (k := _next(steps[t], choice[t])) is not None}
        if not left:
            return choice, taken
        chosen = max(left, key=lambda t: steps[t][left[t]].saved - steps[t][choice[t]].saved)
        trial = {**choice, chosen: left[chosen]}
        if _holds(trials, steps, trial, within):
            choice, taken = trial, taken + 1
        else:
            done.add(chosen)


def _next(of: list[Step], k: int) -> int | None:
    """Return the place of the next narrower width that saves memory; a step may save none, as words are whole."""
    return next((i for i in range(k + 1, len(of)) if of[i].saved > of[k].saved), None)


def measured_of(trials: WidthTrials, steps: Sensitivities, chosen: ChosenWidths, within: float) -> dict[str, Any]:
    """Return how a plan came about, plain data that stands in its file."""
    before, after = trials.memory({}), trials.memory(widths_of(steps, chosen.choice))
    return {
        "part": trials.part,
        "samples": len(trials.samples),
        "within": within,
        "accuracy": round(float(trials.figures({}).mean()), 6),
        "loss": round(chosen.loss.points, 4),
        "standard_error": round(chosen.loss.error, 4),
        "memory_bits": after.bits(),
        "memory_bits_before": before.bits(),
        "weight_memory_bits": after.weights,
        "weight_memory_bits_before": before.weights,
    }

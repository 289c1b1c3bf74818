"""Accuracy or squared error from readouts, the same for float and integer networks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.data.doubts import UNDRIVEN, of_score, of_squared_error
from hypr_neuro.data.fit import check_outputs
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning
from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True)
class Score:
    """Accuracy or squared error of a network on a data set.

    Attributes
    ----------
    accuracy
        Share of correct samples, or of correct scored steps where labels are per step; NaN for a regression.
    labelled
        The same over the steps that carry a label in the source (equal to `accuracy` where all do).
    squared_error
        Of a regression, mean over targets and over samples, or over scored steps where targets are per step; None for
        classes.
    mean_error
        Of a regression, the squared error of always answering the mean of the targets that count.
    """

    accuracy: float
    labelled: float
    squared_error: float | None = None
    mean_error: float | None = None

    @property
    def r2(self) -> float:
        """Return 1 - squared error / that of the mean: 1 is perfect, 0 worth nothing; NaN for classes."""
        if self.squared_error is None or not self.mean_error:
            return float("nan")
        return 1.0 - self.squared_error / self.mean_error

    def figures(self) -> dict[str, float]:
        """Return what is told of it by name: the accuracy, or the squared error beside that of the mean."""
        if self.squared_error is None or self.mean_error is None:
            return {"accuracy": self.accuracy}
        return {"squared error": self.squared_error, "error of the mean answer": self.mean_error, "R2": self.r2}

    @property
    def figure(self) -> float:
        """Return what training makes as large as it can: the accuracy, or minus the squared error."""
        return self.accuracy if self.squared_error is None else -self.squared_error


def predict(output: Array, data: SequenceData) -> Array:
    """Return the answers of a readout (sample, T, outputs), shaped like the labels.

    Raise InputError for outputs that are fewer than the classes, or not as many as the targets.

    Classes: argmax of each step, or argmax of the readout summed over the scored steps of a sample.
    Regression: the readout itself, or its mean over the scored steps; in the targets' units, so scale integers before.
    """
    check_outputs(output.shape[2], data)
    scored = np.ones(output.shape[:2], bool) if data.mask is None else data.mask
    if data.regression:
        real = output.astype(np.float64)
        if data.per_step:
            return np.asarray(real)
        steps = np.maximum(scored.sum(axis=1), 1)
        return np.asarray(real.sum(axis=1, where=scored[:, :, None]) / steps[:, None])
    if data.per_step:
        return np.asarray(output.argmax(axis=2))
    exact = output.astype(np.float64 if output.dtype.kind == "f" else np.int64)
    return np.asarray((exact * scored[:, :, None]).sum(axis=1).argmax(axis=1))


def score_readout(output: Array, data: SequenceData, *, learned: bool = True) -> Score:
    """Return the score of readouts (sample, T, outputs) against the labels or targets of `data`.

    learned : False before the first update, when outputs may well be at 0, since weights that lead to them start there
    """
    if learned:
        warn_if_mute(bool(np.any(output)), data)
    return score_answers(predict(output, data), data)


def majority(data: SequenceData) -> float:
    """Return the share of the most frequent class among the labels that count, 0 to 1."""
    counted = data.y if data.mask is None or not data.per_step else data.y[data.mask]
    return float(np.bincount(counted.reshape(-1)).max() / counted.size) if counted.size else 0.0


def mean_error(data: SequenceData) -> float:
    """Return the squared error of always answering the mean of the targets that count, of a regression."""
    target = data.y[_counted(data)].reshape(-1, data.classes).astype(np.float64)
    return float(target.var(axis=0).mean()) if len(target) else float("nan")


def _counted(data: SequenceData) -> Any:
    """Return the index of the targets that count."""
    if data.mask is None:
        return ...
    return data.mask if data.per_step else data.mask.any(axis=1)


def doubts_of(score: Score, data: SequenceData) -> list[str]:
    """Say that a score is not better than that of always answering the same: the most frequent class, or the mean."""
    if score.squared_error is not None and score.mean_error is not None:
        return of_squared_error(score.squared_error, score.mean_error, len(data))
    return of_score(score.accuracy, majority(data), len(data))


def warn_if_mute(moved: bool, data: SequenceData) -> None:
    """Warn where no output moved from 0 in these samples: the score then says nothing of the network."""
    if len(data) and not moved:
        remedy = "give larger weights to what feeds the outputs, or lower thresholds"
        warnings.warn(
            f"no output moved from 0 in {len(data)} sample(s), so every answer is the same and the score says nothing: "
            f"{remedy if np.any(data.x) else UNDRIVEN}",
            HyprWarning,
            stacklevel=3,
        )


def score_answers(answers: Array, data: SequenceData) -> Score:
    """Return the score of what `predict` gave for all samples of `data`."""
    if data.regression:
        error = float(((answers - data.y) ** 2)[_counted(data)].mean())
        return Score(float("nan"), float("nan"), error, mean_error(data))
    correct = answers == data.y
    if not data.per_step:
        share = float(correct.mean())
        return Score(share, share)
    counted = correct if data.mask is None else correct[data.mask]
    accuracy = float(counted.mean()) if counted.size else float("nan")
    return Score(accuracy, float(correct[data.labelled].mean()) if data.labelled is not None else accuracy)

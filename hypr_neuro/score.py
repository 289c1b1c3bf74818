"""Accuracy from readouts, the same for float and integer networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.data.sequence import SequenceData

Array = NDArray[Any]


@dataclass(frozen=True)
class Score:
    """accuracy : share of correct samples, or of correct scored steps where labels are per step.

    labelled : the same over the steps that carry a label in the source (equal to `accuracy` where all do)
    """

    accuracy: float
    labelled: float


def predict(output: Array, data: SequenceData) -> Array:
    """Classes: argmax of each step, or argmax of the readout summed over the scored steps of a sample."""
    if data.per_step:
        return np.asarray(output.argmax(axis=2))
    scored = np.ones(output.shape[:2], bool) if data.mask is None else data.mask
    exact = output.astype(np.float64 if output.dtype.kind == "f" else np.int64)
    return np.asarray((exact * scored[:, :, None]).sum(axis=1).argmax(axis=1))


def score_readout(output: Array, data: SequenceData) -> Score:
    """Score of readouts (sample, T, outputs) against the labels of `data`."""
    correct = predict(output, data) == data.y
    if not data.per_step:
        share = float(correct.mean())
        return Score(share, share)
    accuracy = float(correct[data.mask].mean() if data.mask is not None else correct.mean())
    return Score(accuracy, float(correct[data.labelled].mean()) if data.labelled is not None else accuracy)

"""Cross-entropy of outputs, as a figure beside accuracy."""

from __future__ import annotations

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.numbers.arrays import Array


def cross_entropy(output: Array, data: SequenceData) -> float | None:
    """Return the mean of -log softmax(y)_label over what counts, in nats; None for a regression.

    Parameters
    ----------
    output : ndarray
        (sample, T, outputs), in real units.
    data : SequenceData
        With a label a step, each by itself; with one a sample the outputs are averaged over its steps that count.
    """
    if data.regression:
        return None
    counts = np.ones(output.shape[:2], bool) if data.mask is None else data.mask
    if data.per_step:
        scores, labels = output[counts].astype(np.float64), data.y[counts]
    else:
        steps = np.maximum(counts.sum(axis=1), 1)[:, None]
        scores = (output.astype(np.float64) * counts[:, :, None]).sum(axis=1) / steps
        labels = data.y
    if not len(scores):
        return float("nan")
    above = scores - scores.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(above, labels.astype(np.int64)[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(above).sum(axis=1)) - chosen))

"""Cross-entropy of outputs against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from hypr_neuro.data.cross_entropy import cross_entropy
from hypr_neuro.data.sequence import SequenceData


@pytest.mark.parametrize("per_step", [False, True])
def test_the_loss_is_the_cross_entropy_of_what_counts(per_step: bool) -> None:
    rng = np.random.default_rng(5)
    x, output = rng.integers(0, 2, (4, 6, 2)), rng.normal(0, 3, (4, 6, 3))
    mask = rng.random((4, 6)) < 0.6
    mask[:, 0] = True
    y = rng.integers(0, 3, (4, 6) if per_step else 4)
    data = SequenceData("drawn", x, y, np.array(["test"] * 4), classes=3, mask=mask)
    losses = []
    for i in range(4):
        steps = np.flatnonzero(mask[i])
        rows = [(output[i, t], y[i, t]) for t in steps] if per_step else [(output[i, steps].mean(axis=0), y[i])]
        losses += [-np.log(np.exp(row[label]) / np.exp(row).sum()) for row, label in rows]
    assert cross_entropy(output, data) == pytest.approx(float(np.mean(losses)), rel=1e-12)

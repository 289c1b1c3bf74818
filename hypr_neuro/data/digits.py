"""Handwritten digits: the 1797 images (8×8, 17 grey levels) that ship with scikit-learn, shown row by row.

Test = the last 360 images, which other writers wrote; 10 % of the rest is validation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.encode import encode
from hypr_neuro.data.sequence import SequenceData, hold_out_validation

TEST = 360
HOLD = 8
ENCODER: dict[str, Any] = {"method": "scan", "rows": 8, "hold": HOLD, "levels": 8}


def load_digits(folder: str | Path | None = None, *, seed: int = 0) -> SequenceData:
    """Return 64 binary steps of 64 channels (8 columns × 8 grey levels), one class of 10 a sample.

    The whole image has passed only at the end, so the last row's steps are the scored ones.

    Parameters
    ----------
    folder
        Not used: the images come with scikit-learn.
    seed
        Draws the 10 % of the training images that become validation.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    images, y = sklearn_digits(return_X_y=True)
    x = encode(images / 16.0, **ENCODER)
    split = np.concatenate([hold_out_validation(len(y) - TEST, 0.1, seed), np.full(TEST, "test")])
    mask = np.zeros(x.shape[:2], dtype=bool)
    mask[:, -HOLD:] = True
    return SequenceData("digits", x, y.astype(np.int64), split, 10, mask, encoder=dict(ENCODER))

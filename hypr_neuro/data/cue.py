"""Delayed cue: say, when asked, which of two cues was shown long before. Generated.

15 channels. For 20 steps channels 0-4 (class 0) or 5-9 (class 1) fire at rate 0.6, then nothing for `delay` steps, then
channels 10-14 fire at 0.6 for 20 steps, in which loss and score count. After Baronig et al. 2025, arXiv 2506.14464.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hypr_neuro.data.checks import check_whole
from hypr_neuro.data.sequence import SequenceData, split_of_generated

GROUP, SHOWN, RATE = 5, 20, 0.6


def load_cue(folder: str | Path | None = None, *, delay: int = 1000, samples: int = 256, seed: int = 0) -> SequenceData:
    """Return 40 + `delay` steps of 15 binary channels, the two classes in turn.

    A sample depends on the seed and its index alone: row i of a seeded stream. The last 20 % are for test.

    Parameters
    ----------
    folder
        Not used; every loader takes one.
    delay
        Silent steps between cue and recall, 0 or more.
    samples
        Number of sequences, 5 or more.
    seed
        Draws the spikes, 0 or more.
    """
    check_whole("cue", 0, delay=delay, seed=seed)
    check_whole("cue", 5, samples=samples)
    draws = np.random.default_rng([seed, 0]).random((samples, 2, SHOWN, GROUP), dtype=np.float32)
    spikes = (draws < RATE).astype(np.int8)
    y = np.arange(samples) % 2
    x = np.zeros((samples, 2 * SHOWN + delay, 3 * GROUP), np.int8)
    for label in (0, 1):
        x[label::2, :SHOWN, label * GROUP : (label + 1) * GROUP] = spikes[label::2, 0]
    x[:, -SHOWN:, 2 * GROUP :] = spikes[:, 1]
    mask = np.zeros(x.shape[:2], bool)
    mask[:, -SHOWN:] = True
    return SequenceData("cue", x, y, split_of_generated(samples, seed), 2, mask)

"""Spiking Heidelberg Digits in float: 20 spoken digits, 140 channels, 250 steps.

    python examples/train_shd.py               downloads the data (0.2 GB) into the user's cache; about an hour
    python examples/train_shd.py FOLDER        FOLDER holds shd_train.h5.zip and shd_test.h5.zip
    python examples/train_shd.py --quick       no download: random spikes of the same shape, one epoch

Published: BRF with BPTT 91.7 % (Higuchi et al. 2024, their own input resolution). Not measured here.
"""

from __future__ import annotations

import sys

import numpy as np

import hypr_neuro as hn
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import TASKS


def main(folder: str | None, quick: bool) -> None:
    """Print test accuracy at the best validation epoch."""
    data = stand_in() if quick else hn.load_data("shd", folder)
    net, history = fit(data, TASKS["shd"], **({"epochs": 1} if quick else {}))
    print(f"hypr {hn.evaluate(net, data).accuracy:.1%} in epoch {history.best}; published with BPTT 91.7 %")


def stand_in() -> hn.SequenceData:
    """Random spikes in the shape of the data set; nothing can be learned from them."""
    rng = np.random.default_rng(0)
    split = np.repeat(["train", "validation", "test"], 16)
    return hn.SequenceData("shd", (rng.random((48, 250, 140)) < 0.02).astype(np.int8), np.arange(48) % 20, split, 20)


if __name__ == "__main__":
    main(next((a for a in sys.argv[1:] if not a.startswith("-")), None), "--quick" in sys.argv[1:])

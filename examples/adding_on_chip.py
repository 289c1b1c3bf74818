"""A regression on a chip: a network that adds two values learns on when its sensor loses 40 % of its gain.

It is trained in float, quantized for loihi2 and then sees smaller values for the same targets. The chip learns from
targets, in integers, sample by sample. The error is the mean squared one on test samples; always answering the mean
target gives the last column.

    python examples/adding_on_chip.py --seeds 3
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np

import hypr_neuro as hn
from hypr_neuro.data import load_data
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import TASKS

GAIN = 0.6
STAGES = ("trained", "sensor changed", "learned on chip", "mean answer")


def weaker(data: SequenceData) -> SequenceData:
    """Return the data as a sensor shows them that has lost gain; the targets stay."""
    x = data.x.copy()
    x[:, :, 0] = (x[:, :, 0] * GAIN).astype(x.dtype)
    return replace(data, x=x)


def errors_of(seed: int, samples: int, epochs: int, chip_epochs: int) -> list[float]:
    """Return the squared errors of one seed in the order of `STAGES`."""
    data = load_data("adding", levels=16, steps=20, samples=samples, seed=seed)
    net, _ = fit(data, TASKS["adding"], seed=seed, epochs=epochs)
    # only the last step counts, and its error reaches the hidden layer when the sample is over: eligibilities wait
    profile = hn.load_profile("loihi2", {"learning.eligibility_alignment": "delayed"})
    qnet, changed = hn.quantize(net, profile, calibration=data), weaker(data)
    run = hn.learn(qnet, changed, epochs=chip_epochs, decay=0.7, seed=seed)
    scores = [hn.evaluate(qnet, data), hn.evaluate(qnet, changed), hn.evaluate(run.qnet, changed)]
    return [score.squared_error or 0.0 for score in scores] + [scores[-1].mean_error or 0.0]


def main() -> None:
    """Print the errors of each seed, then mean and standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=40, help="of float training")
    parser.add_argument("--chip-epochs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, few samples and epochs")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.samples, given.epochs, given.chip_epochs = 1, 100, 2, 1
    warnings.simplefilter("ignore", HyprWarning)  # a changed sensor makes the first score worse than the mean answer
    rows = np.array([errors_of(seed, given.samples, given.epochs, given.chip_epochs) for seed in range(given.seeds)])
    print("seed  " + "  ".join(f"{name:>15}" for name in STAGES))
    for seed, row in enumerate(rows):
        print(f"{seed:4}  " + "  ".join(f"{error:15.4f}" for error in row))
    print("mean  " + "  ".join(f"{error:15.4f}" for error in rows.mean(axis=0)))
    if len(rows) > 1:
        print("std   " + "  ".join(f"{error:15.4f}" for error in rows.std(axis=0, ddof=1)))


if __name__ == "__main__":
    main()

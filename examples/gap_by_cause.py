"""Where the gap between learning on a chip and in float comes from, cause by cause, over seeds.

    python examples/gap_by_cause.py FOLDER                    FOLDER holds QTDB_train.mat and QTDB_test.mat; minutes
    python examples/gap_by_cause.py FOLDER --data braille     FOLDER holds braille_7class.npz
    python examples/gap_by_cause.py FOLDER --quick            one epoch of one seed on few samples

A network is trained in float and made integers for --profile (loihi2); then some of its weights and of the sensor's
channels are damaged, and it learns on, in float and in integers, from 200 training samples in the same order. With
--keep RUNS an interrupted call goes on where it was.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import hypr_neuro as hn
from hypr_neuro.comparing.compare import disturb
from hypr_neuro.errors import HyprWarning
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import for_width, task_for

LAYERS = {"ecg": ["brf:36"], "braille": ["se_adlif:32"]}
"""Small, so that 90 runs take minutes."""


def fewer(data: hn.SequenceData, train: int, test: int) -> hn.SequenceData:
    """Return the first training and test samples."""
    chosen = [np.flatnonzero(data.split == part)[:n] for part, n in (("train", train), ("test", test))]
    return data.take(np.concatenate(chosen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", choices=sorted(LAYERS), default="ecg")
    parser.add_argument("--profile", default="loihi2")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore", HyprWarning)
    data = fewer(hn.load_data(given.data, given.folder), *((8, 8) if given.quick else (200, 141)))
    task, profile = task_for(data), hn.load_profile(given.profile)
    spec = task.spec_with(data, LAYERS[given.data], None)
    net, _ = fit(data, task, seed=1, spec=spec, epochs=1 if given.quick else 15, progress=False)
    damaged, shifted, _ = disturb(hn.quantize(net, profile, calibration=data), data, seed=1)
    splits = hn.split_gap(
        net,
        damaged,
        shifted,
        epochs=1 if given.quick else 2,
        options=for_width(task.fine_tuning, profile),
        seeds=1 if given.quick else given.seeds,
        folder=given.keep,
    )
    print(splits)


if __name__ == "__main__":
    main()

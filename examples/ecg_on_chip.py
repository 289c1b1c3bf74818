"""ECG-QTDB: train in float, run in integers, learn from scratch in integers beside the float rule.

    python examples/ecg_on_chip.py FOLDER            FOLDER holds QTDB_train.mat and QTDB_test.mat; some minutes
    python examples/ecg_on_chip.py FOLDER --quick    one epoch of everything on few samples

Published on this task, BRF with BPTT: 85.4 % (Higuchi et al. 2024).
"""

from __future__ import annotations

import sys

import hypr_neuro as hn
from hypr_neuro.quantize import state_ranges
from hypr_neuro.stages import build, fit
from hypr_neuro.tasks import TASKS


def main(folder: str, quick: bool) -> None:
    """Print the accuracy of each stage."""
    data, task = hn.load_data("ecg", folder), TASKS["ecg"]
    if quick:
        data = data.few(24)
    net, _ = fit(data, task, epochs=1 if quick else task.epochs)
    score = hn.evaluate(net, data)
    print(f"float    {score.accuracy:.1%} of all steps, {score.labelled:.1%} of the labelled ones")

    # the exponents of learned weights come from the range that float training reached
    fresh = build(task.spec(data), data, seed=1, start_rate=0.0)
    states = state_ranges(net, data.part("train").x[:32])
    blank = hn.quantize(fresh, "loihi2", calibration=states, weight_range=hn.weight_ranges(net))
    found = hn.compare(fresh, blank, data, epochs=1 if quick else task.scratch_epochs, options=task.scratch)
    for entry in found.epochs:
        print(f"epoch {entry.epoch}  on chip {entry.device_accuracy:.1%}  float rule {entry.float_accuracy:.1%}")


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(folders) != 1:
        sys.exit(__doc__)
    main(folders[0], "--quick" in sys.argv)

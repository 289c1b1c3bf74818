"""ECG-QTDB in float: BRF, SE-adLIF and ALIF networks with HYPR and with BPTT.

    python examples/train_ecg.py FOLDER            FOLDER holds QTDB_train.mat and QTDB_test.mat; half an hour
    python examples/train_ecg.py FOLDER --quick    one epoch of everything on few samples

Published, unlabelled steps counted as class 0: BRF with BPTT 85.4 %, ALIF with BPTT 67.8 % (Higuchi et al. 2024).
"""

from __future__ import annotations

import sys

import hypr_neuro as hn
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import ECG_NETWORKS

PUBLISHED = {("brf", "bptt"): "85.4 %", ("alif", "bptt"): "67.8 %"}


def main(folder: str, quick: bool) -> None:
    """Print test accuracy at the best validation epoch."""
    data = hn.load_data("ecg", folder)
    if quick:
        data = data.few(24)
    for name, task in ECG_NETWORKS.items():
        for rule in ("hypr", "bptt"):
            net, history = fit(data, task, rule=rule, **({"epochs": 1} if quick else {}))
            score, best = hn.evaluate(net, data), history.epochs[history.best]
            print(
                f"{name:9} {rule:5} {score.accuracy:.1%}, {score.labelled:.1%} of the labelled steps; "
                f"validation {best.validation:.1%} in epoch {best.epoch}; "
                f"published {PUBLISHED.get((name, rule), '–')}"
            )


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(folders) != 1:
        sys.exit(__doc__)
    main(folders[0], "--quick" in sys.argv)

"""Braille letters felt by a fingertip, 7 classes, in float: each neuron model with HYPR and with BPTT.

    python examples/train_braille.py FOLDER            FOLDER holds braille_7class.npz; a quarter of an hour
    python examples/train_braille.py FOLDER --quick    one epoch of everything on few samples

On this split, ridge regression on event counts in 16 time bins reaches 86.4 %. Published on another test set of the
same recordings: 95.0 % (recurrent CubaLIF, snnTorch; Pedersen et al. 2024).
"""

from __future__ import annotations

import sys

import hypr_neuro as hn
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import BRAILLE_NETWORKS


def main(folder: str, quick: bool) -> None:
    """Print test accuracy at the best validation epoch."""
    data = hn.load_data("braille", folder)
    if quick:
        data = data.few(24)
    for name, task in BRAILLE_NETWORKS.items():
        for rule in ("hypr", "bptt"):
            net, history = fit(data, task, rule=rule, **({"epochs": 1} if quick else {}))
            best = history.epochs[history.best]
            print(
                f"{name:9} {rule:5} {hn.evaluate(net, data).accuracy:.1%}; validation {best.validation:.1%} in epoch "
                f"{best.epoch}; ridge regression 86.4 %, published 95.0 %"
            )


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(folders) != 1:
        sys.exit(__doc__)
    main(folders[0], "--quick" in sys.argv)

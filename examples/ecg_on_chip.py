"""ECG-QTDB: learn from scratch on chip, all in integers, beside the float rule and beside float training with Adam.

    python examples/ecg_on_chip.py FOLDER [SEED]     FOLDER holds QTDB_train.mat and QTDB_test.mat; some minutes
    python examples/ecg_on_chip.py FOLDER --quick    one epoch of everything on few samples

The chip: profile loihi2, 8-bit weights, batch 1, an update after every sample, weights and neuron parameters learn.
The float rule beside it has the same start, order, delays, updates and rates. Published, BRF with BPTT: 85.4 % (Higuchi
et al. 2024).
"""

from __future__ import annotations

import sys
from dataclasses import replace

import hypr_neuro as hn
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.stages_fixed import integer_start
from hypr_neuro.workflow.tasks import TASKS


def main(folder: str, seed: int, quick: bool) -> None:
    """Print the accuracy of each stage."""
    data, task = hn.load_data("ecg", folder), TASKS["ecg"]
    if quick:
        data = data.few(24)
    net, start = integer_start(data, task, load_profile("loihi2"), seed)
    options = replace(task.fixed, seed=seed)
    found = hn.compare(net, start, data, epochs=1 if quick else task.fixed_epochs, options=options)
    for entry in found.epochs:
        print(
            f"epoch {entry.epoch:2}  on chip {entry.device_accuracy:.1%}  float rule {entry.float_accuracy:.1%}  "
            f"least gradient cosine {min(entry.cosine.values()):.4f}"
        )
    trained, _ = fit(data, task, seed=seed, epochs=1 if quick else task.epochs)
    print(f"float HYPR with Adam {hn.evaluate(trained, data).accuracy:.1%} of all steps")


if __name__ == "__main__":
    words = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not 1 <= len(words) <= 2:
        sys.exit(__doc__)
    main(words[0], int(words[1]) if len(words) > 1 else 0, "--quick" in sys.argv)

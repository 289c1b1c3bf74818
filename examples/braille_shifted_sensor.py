"""A worn sensor: Braille letters are read, then two taxels are swapped and each taxel's gain changes; the chip adapts.

    python examples/braille_shifted_sensor.py FOLDER            FOLDER holds braille_7class.npz; some minutes
    python examples/braille_shifted_sensor.py FOLDER --quick    one epoch of everything on few samples

The network is trained in float and made integers for Loihi 2 once. Then, three times, another shift of the sensor: the
events of a taxel of lower gain are thinned out, those of one of higher gain count twice, all in integers. The chip
learns on from its own weights with the shifted samples, and the float rule does the same beside it. Answers count over
the last 96 of 256 steps, when most of the letter has been felt.

Measured, mean of three shifts: 90.0 % in integers before, 47.6 % after the shift, 81.9 % after six epochs on the chip,
84.9 % with the float rule.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import hypr_neuro as hn
from hypr_neuro.comparing.compare import compare_inference
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import Task

GAINS = (0.5, 1.0, 2.0)
"""Of a taxel after the shift: half of its events, all of them, each of them twice."""
SEEDS = 3
SCORED = 96
"""Steps at the end of a sample that are learned from and scored."""
TASK = Task(
    {
        "layers": [{"neuron": "se_adlif", "size": 96, "params": {"tau_u": [5, 25], "tau_w": [60, 300]}}],
        "readout": {"tau": [10, 20]},
    },
    epochs=25,
    batch_size=32,
    rate=0.01,
    start_rate=0.03,
    training={"schedule": "cosine", "optimizer": {"name": "adam", "beta2": 0.99}, "loss": "sum_of_softmax"},
    fine_tuning=hn.LearnOptions(rate=0.3, decay=0.8),
    fine_tuning_epochs=6,
)


def scored_late(data: hn.SequenceData) -> hn.SequenceData:
    """The same samples, of which the last steps count."""
    late = np.arange(data.steps) >= data.steps - SCORED
    return replace(data, mask=np.tile(late, (len(data), 1)))


def shifted(data: hn.SequenceData, seed: int) -> tuple[hn.SequenceData, str]:
    """The same letters felt by the shifted sensor: two taxels swapped, then a gain for each; and what was done."""
    rng = np.random.default_rng([seed, 31])
    one, other = (int(i) for i in rng.choice(data.channels, 2, replace=False))
    gains = rng.choice(GAINS, data.channels)
    x = data.x.copy()
    x[:, :, [one, other]] = x[:, :, [other, one]]
    kept = rng.random(x.shape) < gains
    x = (x * kept * np.where(gains > 1, 2, 1)).astype(np.int8)
    told = ", ".join(f"{gain:g} × {np.sum(gains == gain)}" for gain in GAINS)
    return replace(data, x=x), f"taxels {one} and {other} swapped, gains {told} taxels"


def main(folder: Path, quick: bool) -> None:
    """Print accuracy before the shift, after it, and after learning, on chip and in float."""
    data = scored_late(hn.load_data("braille", folder))
    epochs = 1 if quick else TASK.fine_tuning_epochs
    if quick:
        data = data.few(24)
    net, _ = fit(data, TASK, **({"epochs": 1} if quick else {}))
    qnet = hn.quantize(net, "loihi2", calibration=data)
    both = compare_inference(net, qnet, data)
    print(f"before the shift    float {both.float_score.accuracy:.1%}, integers {both.integer_score.accuracy:.1%}")

    found: list[NDArray[np.float64]] = []
    for seed in range(1 if quick else SEEDS):
        worn, what = shifted(data, seed)
        run = hn.compare(net, qnet, worn, epochs=epochs, options=replace(TASK.fine_tuning, seed=seed))
        first, last = run.epochs[0], run.epochs[-1]
        found.append(np.array([first.device_accuracy, last.device_accuracy, last.float_accuracy]))
        print(
            f"seed {seed}: {what}\n  after the shift {found[-1][0]:.1%}, learned on chip {found[-1][1]:.1%}, "
            f"float rule {found[-1][2]:.1%}"
        )
    mean = np.mean(found, axis=0)
    print(
        f"mean of {len(found)}: after the shift {mean[0]:.1%}, learned on chip {mean[1]:.1%}, float rule {mean[2]:.1%}"
    )


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(folders) != 1:
        sys.exit(__doc__)
    main(Path(folders[0]), "--quick" in sys.argv)

"""A stream without an end: the ECG network learns on for ten million steps.

    python benchmarks/endless.py [MILLIONS]

Prints accuracy, weights at the edge, everything clipped, and memory, a line a tenth; then takes the second half up
again from a file and requires every integer to be equal. The task changes every 1,000,000 steps: two classes swap.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

import hypr_neuro as hn
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.state import restore_learner, save_learner

PART, CLASSES, HOLD = 10_000, 4, 50


def stream(part: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps part·10,000 and on: for 50 steps one of four channels fires often, the label says which."""
    rng = np.random.default_rng([11, part])
    shown = np.repeat(rng.integers(0, CLASSES, PART // HOLD), HOLD)
    x = rng.random((PART, CLASSES)) < np.where(shown[:, None] == np.arange(CLASSES), 0.4, 0.05)
    swapped = np.array([1, 0, 2, 3])[shown] if part * PART // 1_000_000 % 2 else shown
    return x.astype(np.int8), swapped


def learner() -> Learner:
    """BRF-36, loihi2, 8-bit weights, an update every 500 steps."""
    layer = {"neuron": "brf", "size": 36, "recurrent": True, "params": {"omega": [3, 30]}}
    net = hn.Network.build({"inputs": CLASSES, "outputs": CLASSES, "layers": [layer]}, seed=0)
    ranges = {"layers.0.input": 24.0, "layers.0.recurrent": 12.0, "readout.input": 8.0}
    qnet = hn.quantize(net, "loihi2", calibration={"layers.0": 30.0, "readout": 12.0}, weight_range=ranges)
    return Learner(qnet, LearnOptions(update_on="step", update_every=500, parameters=("all",)))


def run(chip: Learner, first: int, stop: int, report: int) -> None:
    """Parts first ≤ p < stop of the stream; a line after every `report` parts."""
    right = 0
    for part in range(first, stop):
        x, label = stream(part)
        out = chip.stream(x, label, np.ones(PART, bool), as_rate(0.2), as_rate(1.0))
        # the readout is `tail` steps behind
        late = chip.qnet.tail
        right += int((out[late:].argmax(axis=1) == label[:-late]).sum())
        if report and (part + 1) % report == 0:
            edge = max(float((np.abs(w) == 127).mean()) for w in chip.qnet.weights().values())
            clipped = {k: v for k, v in (chip.clips() | chip.events()).items() if v}
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{(part + 1) * PART:>11,} steps  right {right / (report * PART):.1%}  weights at the edge "
                f"{edge:.1%}  peak memory {memory:.0f} MiB  clipped {clipped}",
                flush=True,
            )
            right = 0


def main(millions: float) -> None:
    parts = max(round(millions * 1_000_000 / PART), 2)
    chip, half = learner(), parts // 2
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "half.h5"
        run(chip, 0, half, max(parts // 10, 1))
        save_learner(chip, file)
        run(chip, half, parts, max(parts // 10, 1))
        resumed = learner()
        restore_learner(resumed, file)
        run(resumed, half, parts, 0)
        for number, one in enumerate((chip, resumed)):
            save_learner(one, Path(folder) / f"{number}.h5")
        same = (Path(folder) / "0.h5").read_bytes() == (Path(folder) / "1.h5").read_bytes()
    print(
        f"{chip.updates:,} updates; taken up again at {half * PART:,} steps and run to the end: "
        f"{'every integer equal' if same else 'DIFFERENT'}"
    )
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)

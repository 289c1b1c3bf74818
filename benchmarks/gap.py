"""HYPR against BPTT on real data: test accuracy, time and memory of each neuron model.

    python benchmarks/gap.py ecg FOLDER [seeds] [neurons]
    python benchmarks/gap.py braille FOLDER [seeds] [neurons]

Settings are those of `hypr_neuro.workflow.tasks`. Accuracy at the best validation epoch, mean over seeds and each
seed; seconds an epoch (fastest); peak memory that numpy allocates in one gradient of a batch, at T and at 10·T (the
batch's sequences ten times in a row). Long: minutes a seed.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from typing import Any

import numpy as np

import hypr_neuro as hn
from hypr_neuro.run.forward import drop_workspaces
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import BRAILLE_NETWORKS, ECG_NETWORKS, Task

NETWORKS = {"ecg": ECG_NETWORKS, "braille": BRAILLE_NETWORKS}
PATHS: tuple[tuple[str, int | None], ...] = (("hypr", None), ("hypr", 64), ("bptt", None))


def main(name: str, folder: str, seeds: list[int], neurons: list[str]) -> None:
    """A line for each neuron model, rule and λ."""
    for neuron in neurons or list(NETWORKS[name]):
        task = NETWORKS[name][neuron]
        for rule, chunk in PATHS:
            found = [_train(name, folder, task, seed, rule, chunk) for seed in (seeds if chunk is None else seeds[:1])]
            accuracy = [score.accuracy for _, score, _, _ in found]
            labelled = np.mean([score.labelled for _, score, _, _ in found])
            net, _, _, data = found[0]
            memory = [_peak(net, data, task, rule, chunk, times) for times in (1, 10)]
            each = ", ".join(f"{100 * a:.1f}" for a in accuracy)
            validation = np.mean([v for _, _, (v, _), _ in found])
            print(
                f"{name} {neuron:9} {rule:5} λ = {chunk or 'T':3}  test {100 * np.mean(accuracy):.2f} % ({each}), "
                f"labelled {100 * labelled:.2f} %, validation {100 * validation:.1f} %, "
                f"{min(s for _, _, (_, s), _ in found):.2f} s an epoch, {memory[0]:.1f} MiB at T, "
                f"{memory[1]:.1f} MiB at 10 T",
                flush=True,
            )


def _train(name: str, folder: str, task: Task, seed: int, rule: str, chunk: int | None) -> tuple[Any, ...]:
    """(network, test score, (best validation, seconds of the fastest epoch), data)."""
    data, ends = hn.load_data(name, folder, seed=seed), [time.perf_counter()]
    net, history = fit(
        data, task, seed=seed, rule=rule, chunk=chunk, on_epoch=lambda _: ends.append(time.perf_counter())
    )
    fastest = float(np.min(np.diff(ends)))
    return net, hn.evaluate(net, data), (history.epochs[history.best].validation, fastest), data


def _peak(net: hn.Network, data: hn.SequenceData, task: Task, rule: str, chunk: int | None, times: int) -> float:
    """MiB, without the batch itself."""
    batch = data.part("train").take(np.arange(task.batch_size))
    x = np.tile(batch.x, (1, times, 1))
    y = np.tile(batch.y, (1, times)) if batch.per_step else batch.y
    loss = task.training.get("loss", "per_step_cross_entropy")
    drop_workspaces()
    tracemalloc.start()
    hn.gradients(net, x, y, rule=rule, chunk=chunk, loss=loss, dtype=np.float32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in NETWORKS:
        sys.exit(__doc__)
    chosen = [a for a in sys.argv[3:] if not a.isdigit()]
    count = next((int(a) for a in sys.argv[3:] if a.isdigit()), 1)
    main(sys.argv[1], sys.argv[2], list(range(count)), chosen)

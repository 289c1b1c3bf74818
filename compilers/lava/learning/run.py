"""Networks that learn under Lava's CPU runtime, in a child process (`worker`)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.child import last_words, run_worker
from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.options import LearnOptions, as_rate, check_rates
from hypr_neuro.sim.learning.targets import check_targets

WORKER = "hypr_neuro.compilers.lava.learning.worker"


@dataclass
class LavaTask:
    """What to learn from.

    Attributes
    ----------
    x : ndarray
        (sample, T, channel) integers, in the order in which they are shown.
    label : ndarray
        (sample,) or (sample, T).
    scored : ndarray or None
        (sample, T) steps whose output counts, None for all.
    options : LearnOptions
        How it learns.
    rates : sequence or None
        For each sample the integers (rate, parameter_rate) with 16 fraction bits, None for those of the options.
    stream : bool
        The only sample is a stream: nothing starts anew, it has no tail, and labels arrive with their input.
    record : bool
        Keep states and spikes of every step.
    """

    qnet: QuantizedNetwork
    x: Array
    label: Array
    scored: Array | None = None
    options: LearnOptions = field(default_factory=LearnOptions)
    rates: Sequence[tuple[int, int]] | None = None
    stream: bool = False
    record: bool = True


@dataclass
class LavaLearning:
    """What a network did and learned; steps are device steps, T and a tail a sample.

    Attributes
    ----------
    qnet : QuantizedNetwork
        With the learned weights and neuron parameters.
    readout : ndarray
        (sample, T, outputs), in a stream of device steps.
    spikes, states : dict of ndarray
        By layer, (sample, steps, n) and (sample, steps, d, n).
    weights : dict of ndarray
        By connection (updates, n, m), after each update.
    clips : dict of int
        Everything that was clipped, by the names of `Learner.clips`.
    seconds : ndarray
        A step, in each block of 200 steps of Lava's run, its start left out.
    """

    qnet: QuantizedNetwork
    readout: Array
    spikes: dict[str, Array]
    states: dict[str, Array]
    weights: dict[str, Array]
    clips: dict[str, int]
    seconds: Array


def learn_in_lava(
    qnet: QuantizedNetwork, x: Array, label: Array, *, timeout: float = 600.0, **fields: Any
) -> LavaLearning:
    """Let a copy of `qnet` learn in Lava processes; the numbers are those of `sim.learning.learner.Learner`.

    Parameters
    ----------
    qnet, x, label
        As in `LavaTask`.
    timeout : float
        Seconds.
    **fields
        The others of `LavaTask`.

    Returns
    -------
    LavaLearning

    Raises
    ------
    InputError
        For what cannot run.
    MissingPackageError
        Without Lava.
    HyprError
        With Lava's own words, if the run fails.
    """
    return learn_all_in_lava({"task": LavaTask(qnet, x, label, **fields)}, timeout=timeout)["task"]


def learn_all_in_lava(tasks: Mapping[str, LavaTask], *, timeout: float = 600.0) -> dict[str, LavaLearning]:
    """Let several networks learn, one after the other in one child process; timeout : seconds for all together."""
    require_lava()
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-lava-") as name:
        folder = Path(name)
        for key, task in tasks.items():
            _write(key, task, folder)
        run_worker(WORKER, folder, timeout)
        return {key: _read(key, task, folder) for key, task in tasks.items()}


# ---------------------------------------------------------------- files for the worker


def _write(name: str, task: LavaTask, folder: Path) -> None:
    plan = check_learning(task.qnet, task.options)
    data = check_input(task.qnet, task.x)
    largest = int(np.abs(data.astype(np.int64)).max())
    if largest > plan.largest_input:
        raise InputError(
            f"x holds magnitudes up to {largest}, rule: at most {plan.largest_input}, as learning may raise "
            "any weight; scale the input down"
        )
    samples, steps = data.shape[:2]
    if task.stream and samples != 1:
        raise InputError(f"stream of {samples} samples, rule: one; join them, or give each a task of its own")
    if task.stream and task.options.update_on != "step":
        raise InputError(f"update_on = {task.options.update_on!r} with a stream, rule: 'step' (no sample ends there)")
    device_steps = steps if task.stream else plan.clock.learning_steps(steps)
    padded = np.pad(data, ((0, 0), (0, device_steps - steps), (0, 0)))
    order = {"options": task.options.described(), "steps": steps, "stream": task.stream, "record": task.record}
    task.qnet.save(folder / f"{name}.h5")
    (folder / f"{name}.json").write_text(json.dumps(order), encoding="utf-8")
    np.savez(
        folder / f"{name}.npz",
        x=padded.reshape(-1, data.shape[2]),
        rates=_rates(task, samples),
        label=_labels(task, plan.error_bits, steps, device_steps).reshape(-1, 2),
    )


def _rates(task: LavaTask, samples: int) -> Array:
    """Return the rates of each sample, (samples, 2)."""
    if task.rates is None:
        return np.tile([as_rate(task.options.rate), as_rate(task.options.parameter_rate)], (samples, 1))
    rates = np.asarray(task.rates)
    if rates.shape != (samples, 2):
        raise InputError(
            f"rates of shape {rates.shape} and {rates.dtype}, rule: ({samples}, 2), integers from 0 on: "
            "rate and parameter_rate of each sample, times 2^16"
        )
    return np.array([check_rates(*pair) for pair in rates], np.int64).reshape(samples, 2)


def _labels(task: LavaTask, error_bits: int, steps: int, device_steps: int) -> Array:
    """Return label and whether it counts, (sample, device step, 2), `QuantizedNetwork.tail` steps after their input."""
    samples = len(task.x)
    label = np.asarray(task.label)
    if label.shape not in ((samples,), (samples, steps)):
        raise InputError(f"label of shape {label.shape}, rule: ({samples},) or ({samples}, {steps})")
    scored = np.ones((samples, steps), bool) if task.scored is None else np.asarray(task.scored)
    if scored.shape != (samples, steps):
        raise InputError(f"scored of shape {scored.shape}, rule: ({samples}, {steps})")
    by_step = np.broadcast_to(label[:, None] if label.ndim == 1 else label, (samples, steps))
    for sample in zip(by_step, scored, strict=True):
        check_targets(steps, task.qnet.output_size, error_bits, *sample)
    # what is not scored may hold any number, as a dataset marks steps without a label
    targets = np.stack([np.where(scored, by_step, 0), scored], axis=2)
    delayed = np.pad(targets.astype(np.int32), ((0, 0), (task.qnet.tail, device_steps), (0, 0)))
    return delayed[:, :device_steps]


# ---------------------------------------------------------------- what came of it


def _read(name: str, task: LavaTask, folder: Path) -> LavaLearning:
    error = folder / f"{name}.error.txt"
    if error.exists():
        raise HyprError(f"Lava, network '{name}': {error.read_text(encoding='utf-8')}; {last_words(folder)}")
    qnet, samples = task.qnet.copy(), len(task.x)
    names = [qnet.name(i) for i in range(len(qnet.layers))]
    files = {part: folder / f"{name}.{part}.npy" for part in (*names, *qnet.weights())}
    steps = {part: _by_sample(np.load(files[part]), samples) for part in names if files[part].exists()}
    weights = {part: np.load(files[part]) for part in qnet.weights() if files[part].exists()}
    with np.load(folder / f"{name}.done.npz") as done:
        end = {key: done[key] for key in done.files}
    for part, after in weights.items():
        qnet.weights()[part][...] = after[-1]
    for part, layer in zip(names, qnet.layers, strict=True):
        layer.per_neuron[...] = end[f"per_neuron/{part}"]
    readout = steps[names[-1]][:, :, -1]
    return LavaLearning(
        qnet,
        readout if task.stream else readout[:, qnet.tail : qnet.tail + task.x.shape[1]],
        {part: rows[:, :, -1] for part, rows in steps.items() if part != names[-1]},
        {part: rows[:, :, :-1] for part, rows in steps.items()},
        weights,
        _clips(names, end),
        end["seconds"],
    )


def _by_sample(rows: Array, samples: int) -> Array:
    return rows.reshape(samples, -1, *rows.shape[1:])


def _clips(names: list[str], end: dict[str, Array]) -> dict[str, int]:
    """Sum the counts of neurons (Jacobians, eligibilities, accumulators) and of synapses (the last two, signals)."""
    counts = {"learning signals": 0}
    for layer in names:
        of_neurons = end[f"clips/{layer}"]
        synapses = [end[key] for key in (f"clips/{layer}.input", f"clips/{layer}.recurrent") if key in end]
        counts["learning signals"] += int(sum(clips[2] for clips in synapses))
        counts[f"{layer} Jacobians"] = int(of_neurons[0])
        counts[f"{layer} eligibilities"] = int(of_neurons[1] + sum(clips[0] for clips in synapses))
        counts[f"{layer} accumulators"] = int(of_neurons[2] + sum(clips[1] for clips in synapses))
    return counts

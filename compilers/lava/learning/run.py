"""Networks that learn under Lava's CPU runtime, in a child process (`worker`)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.child import last_words, run_worker
from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.compilers.lava.learning.records import record_paths
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.error_function import refuse_function
from hypr_neuro.sim.learning.options import LearnOptions, as_rate, check_rates
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.targets import check_targets

WORKER = "hypr_neuro.compilers.lava.learning.worker"


@dataclass
class LavaTask:
    """What to learn from.

    Attributes
    ----------
    x : ndarray
        (sample, T, channel) integers, in the order in which they are shown.
    label : ndarray or None
        (sample,) or (sample, T); None where values or errors are given.
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
    values, errors : ndarray or None
        (sample, T, outputs) integers, targets of a regression (`LearningPlan.as_values`) or errors, in place of labels.
    """

    qnet: QuantizedNetwork
    x: Array
    label: Array | None
    scored: Array | None = None
    options: LearnOptions = field(default_factory=LearnOptions)
    rates: Sequence[tuple[int, int]] | None = None
    stream: bool = False
    record: bool = True
    values: Array | None = None
    errors: Array | None = None

    def learn_options(self) -> LearnOptions:
        """Return the options with what this task is learned from; InputError for a function and for both."""
        refuse_function(
            self.errors,
            "Lava's processes are programs of their own and take integers step by step",
            "give the errors (sample, T, outputs) beforehand, or learn in the simulator",
        )
        if self.values is None and self.errors is None:
            return self.options
        return replace(self.options, targets="errors" if self.errors is not None else "values")


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
        By population, (sample, steps, n) of those that spike and (sample, steps, d, n) of all.
    weights : dict of ndarray
        By connection that learns, after each update, (updates, n, m), of sparse weights (updates, weights).
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
    qnet: QuantizedNetwork, x: Array, label: Array | None = None, *, timeout: float = 600.0, **fields: Any
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
        plans = {key: _write(key, task, folder) for key, task in tasks.items()}
        run_worker(WORKER, folder, timeout)
        return {key: _read(key, task, plans[key], folder) for key, task in tasks.items()}


# ---------------------------------------------------------------- files for the worker


def _write(name: str, task: LavaTask, folder: Path) -> LearningPlan:
    """Write network, options and data; return how it learns."""
    options = task.learn_options()
    plan = check_learning(task.qnet, options)
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
    order = {"options": options.described(), "steps": steps, "stream": task.stream, "record": task.record}
    task.qnet.save(folder / f"{name}.h5")
    (folder / f"{name}.json").write_text(json.dumps(order), encoding="utf-8")
    np.savez(
        folder / f"{name}.npz",
        x=padded.reshape(-1, data.shape[2]),
        rates=_rates(task, samples),
        label=_told(task, plan, device_steps),
    )
    return plan


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


def _told(task: LavaTask, plan: LearningPlan, device_steps: int) -> Array:
    """Return what comes with each device step and whether it counts, (sample · device step, numbers)."""
    if plan.options.targets == "labels":
        return _labels(task, plan, device_steps).reshape(-1, 2)
    (samples, steps), outputs = task.x.shape[:2], task.qnet.output_size
    name, scored = plan.options.targets, _scored(task)
    free = np.asarray(task.errors if name == "errors" else task.values)
    if free.shape != (samples, steps, outputs):
        raise InputError(f"{name} of shape {free.shape}, rule: ({samples}, {steps}, {outputs}) integers")
    for each, counts in zip(free, scored, strict=True):
        errors, values = (each, None) if name == "errors" else (None, each)
        check_targets(steps, outputs, plan.error_bits, None, counts, errors, values=values)
    return _delayed(np.concatenate([free, scored[:, :, None]], axis=2), plan, device_steps).reshape(-1, outputs + 1)


def _scored(task: LavaTask) -> Array:
    """Return the steps that count, (sample, T)."""
    samples, steps = task.x.shape[:2]
    scored = np.ones((samples, steps), bool) if task.scored is None else np.asarray(task.scored)
    if scored.shape != (samples, steps):
        raise InputError(f"scored of shape {scored.shape}, rule: ({samples}, {steps})")
    return scored


def _delayed(told: Array, plan: LearningPlan, device_steps: int) -> Array:
    """Return (sample, device step, numbers), `Clock.tail` steps after their input."""
    delayed = np.pad(told.astype(np.int32), ((0, 0), (plan.clock.tail, device_steps), (0, 0)))
    return delayed[:, :device_steps]


def _labels(task: LavaTask, plan: LearningPlan, device_steps: int) -> Array:
    """Return label and whether it counts, (sample, device step, 2), `Clock.tail` steps after their input."""
    samples, steps = task.x.shape[:2]
    label = np.asarray(task.label)
    if label.shape not in ((samples,), (samples, steps)):
        raise InputError(f"label of shape {label.shape}, rule: ({samples},) or ({samples}, {steps})")
    scored = _scored(task)
    by_step = np.broadcast_to(label[:, None] if label.ndim == 1 else label, (samples, steps))
    for sample in zip(by_step, scored, strict=True):
        check_targets(steps, task.qnet.output_size, plan.error_bits, *sample)
    # what is not scored may hold any number, as a dataset marks steps without a label
    return _delayed(np.stack([np.where(scored, by_step, 0), scored], axis=2), plan, device_steps)


# ---------------------------------------------------------------- what came of it


def _read(name: str, task: LavaTask, plan: LearningPlan, folder: Path) -> LavaLearning:
    error = folder / f"{name}.error.txt"
    if error.exists():
        raise HyprError(f"Lava, network '{name}': {error.read_text(encoding='utf-8')}; {last_words(folder)}")
    qnet, samples = task.qnet.copy(), len(task.x)
    files = {part: path for part, path in record_paths(plan, folder, name).items() if path.exists()}
    steps = {p.name: _by_sample(np.load(files[p.name]), samples) for p in plan.layers if p.name in files}
    weights = {part: np.load(files[part]) for part in qnet.weights() if part in files}
    with np.load(folder / f"{name}.done.npz") as done:
        end = {key: done[key] for key in done.files}
    for part, after in weights.items():
        qnet.weights()[part][...] = after[-1]
    for p in qnet.populations:
        p.per_neuron[...] = end[f"per_neuron/{p.name}"]
    spiking = {p.name for p in plan.layers if not p.model.readout}
    return LavaLearning(
        qnet,
        _readout(plan, steps, None if task.stream else task.x.shape[1]),
        {part: rows[:, :, -1] for part, rows in steps.items() if part in spiking},
        {part: rows[:, :, :-1] for part, rows in steps.items()},
        weights,
        clips_of(plan, end),
        end["seconds"],
    )


def _readout(plan: LearningPlan, steps: dict[str, Array], length: int | None) -> Array:
    """Return the outputs side by side, of a sample its own steps; earlier ones as they were when the last has come."""
    parts = []
    for i in plan.outputs:
        rows = steps[plan.layers[i].name][:, :, -1]
        early = plan.clock.tail - plan.clock.latency(i)
        parts.append(np.pad(rows, ((0, 0), (early, 0), (0, 0)))[:, : rows.shape[1]])
    readout: Array = np.concatenate(parts, axis=2)
    return readout if length is None else readout[:, plan.clock.tail : plan.clock.tail + length]


def _by_sample(rows: Array, samples: int) -> Array:
    return rows.reshape(samples, -1, *rows.shape[1:])


def clips_of(plan: LearningPlan, end: dict[str, Array]) -> dict[str, int]:
    """Sum what was clipped, by name.

    end : "clips/name" of neurons (Jacobians, eligibilities, accumulators, signals) and of synapses (the middle two)
    """
    counts = {"learning signals": 0}
    for layer in plan.layers:
        jacobians, eligibilities, accumulators, signals = map(int, end[f"clips/{layer.name}"])
        for c in layer.incoming:
            of_synapses = end[f"clips/{c.name}"]
            eligibilities, accumulators = eligibilities + int(of_synapses[0]), accumulators + int(of_synapses[1])
        counts["learning signals"] += signals
        counts[f"{layer.name} Jacobians"] = jacobians
        counts[f"{layer.name} eligibilities"] = eligibilities
        counts[f"{layer.name} accumulators"] = accumulators
    return counts

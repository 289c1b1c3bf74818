"""On-chip-style learning in integers: epochs over the training samples, checkpoints; `learner` does the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.quantize import QuantizedNetwork
from hypr_neuro.score import predict
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learner import Learner, LearnOptions
from hypr_neuro.sim.update import as_rate
from hypr_neuro.store import load_arrays, make_folder, save_arrays

Array = NDArray[Any]
CHECKPOINT = "learning.h5"
KIND = "hypr-neuro learning checkpoint"


@dataclass
class LearnEpoch:
    """Figures of one epoch of learning: share of samples (or steps) that were right when they were seen."""

    epoch: int
    online_accuracy: float
    rate: float
    weights_saturated: int
    weights_changed: int
    clips: dict[str, int]


@dataclass
class LearnRun:
    """Result of learning: `qnet` with the learned weights, one entry an epoch."""

    qnet: QuantizedNetwork
    epochs: list[LearnEpoch] = field(default_factory=list)


def epoch_order(seed: int, epoch: int, samples: int) -> Array:
    """The order of samples in an epoch; float training beside the chip uses the same."""
    return np.random.default_rng([seed, epoch]).permutation(samples)


def rates(options: LearnOptions, epochs: int) -> Iterator[int]:
    """Integer rate of each epoch: multiplied by decay (16 fraction bits) from one to the next."""
    rate, decay = as_rate(options.rate), round(options.decay * 65536)
    for _ in range(epochs):
        yield max(rate, 1)
        rate = rate * decay >> 16


def learn(
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    epochs: int = 1,
    options: LearnOptions | None = None,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[LearnEpoch, QuantizedNetwork], None] | None = None,
    on_sample: Callable[[int, int], None] | None = None,
    **more: Any,
) -> LearnRun:
    """Let a copy of `qnet` learn from the training part of `data`, one sample after the other, in integers.

    options : a LearnOptions; or give its fields as keywords (rate=…, seed=…)
    checkpoint : folder; everything is written there after each epoch, and a later call goes on from it, bit for bit
    on_epoch : called with the figures and the network as it is. on_sample : called with (done, in all) of the epoch

    Raises InputError for bad options, data that does not fit, or a profile that cannot learn.
    """
    options = _options(options, more)
    if epochs < 1:
        raise InputError(f"epochs = {epochs}, rule: at least 1")
    part = data.part("train")
    check_input(qnet, part.x)
    if part.classes > qnet.outputs:
        raise InputError(f"data '{data.name}' has {part.classes} classes, the network {qnet.outputs} outputs")
    learner = Learner(qnet.copy(), options)
    run = LearnRun(learner.qnet)
    path = None if checkpoint is None else make_folder(Path(checkpoint)) / CHECKPOINT
    start = "" if path is None else _start_digest(qnet, part)
    if path is not None:
        _restore(path, learner, run, options, start)
    if len(run.epochs) > epochs:
        raise InputError(
            f"checkpoint '{path}' holds {len(run.epochs)} epochs, asked for {epochs}; ask for at least as many"
        )
    for epoch, rate in enumerate(rates(options, epochs)):
        if epoch < len(run.epochs):
            continue
        run.epochs.append(_epoch(learner, part, epoch, rate, on_sample))
        if path is not None:
            _save(path, learner, run, options, start)
        if on_epoch is not None:
            on_epoch(run.epochs[-1], learner.qnet)
    return run


def _options(options: LearnOptions | None, more: dict[str, Any]) -> LearnOptions:
    try:
        return LearnOptions(**({} if options is None else asdict(options)) | more)
    except TypeError as error:
        raise InputError(f"learn: {error}; known options: {', '.join(LearnOptions.__dataclass_fields__)}") from error


def _epoch(
    learner: Learner, part: SequenceData, epoch: int, rate: int, on_sample: Callable[[int, int], None] | None
) -> LearnEpoch:
    right = scored_total = 0
    counts_before, clips_before = learner.counts.copy(), learner.clips()
    for done, index in enumerate(epoch_order(learner.options.seed, epoch, len(part))):
        sample = part.take(np.array([index]))
        x = check_input(learner.qnet, sample.x)[0]
        label = np.broadcast_to(sample.y.reshape(-1, 1) if sample.y.ndim == 1 else sample.y, (1, len(x)))[0]
        scored = np.ones(len(x), bool) if sample.mask is None else sample.mask[0]
        output = learner.sample(x, np.ascontiguousarray(label), scored, rate)
        hit = predict(output[None], sample) == sample.y
        if sample.per_step:
            hit = hit[0][scored]
        right, scored_total = right + int(hit.sum()), scored_total + hit.size
        if on_sample is not None:
            on_sample(done + 1, len(part))
    saturated, changed, _ = (int(v) for v in learner.counts - counts_before)
    clips = {k: v - clips_before[k] for k, v in learner.clips().items()}
    return LearnEpoch(epoch, right / max(scored_total, 1), rate / 65536, saturated, changed, clips)


def _start_digest(qnet: QuantizedNetwork, part: SequenceData) -> str:
    """Hash of network, profile and data, so that a checkpoint is not continued with others."""
    arrays: dict[str, Array] = dict(qnet.weights())
    exponents = []
    for i, layer in enumerate(qnet.layers):
        arrays |= {f"{i}/{k}": getattr(layer, k) for k in ("per_neuron", "constants", "psi_table")}
        exponents.append([layer.model.name, layer.bias_axon, *(c.exponent for c in layer.connections().values())])
    return data_digest(part, json.dumps([qnet.profile.dump(), exponents], sort_keys=True), arrays)


def _save(path: Path, learner: Learner, run: LearnRun, options: LearnOptions, start: str) -> None:
    arrays = {f"weights/{k}": v for k, v in learner.qnet.weights().items()}
    for name, (row, column) in learner.averages.items():
        arrays |= {f"row/{name}": row, f"column/{name}": column}
    arrays["counts"] = learner.counts
    meta = {
        "options": asdict(options),
        "start": start,
        "epochs": [asdict(e) for e in run.epochs],
        "updates": learner.updates,
    }
    save_arrays(path, KIND, meta, arrays)


def _restore(path: Path, learner: Learner, run: LearnRun, options: LearnOptions, start: str) -> None:
    """Take up a checkpoint if there is one; one of another start or options is refused, not overwritten."""
    if not path.exists():
        return
    meta, arrays = load_arrays(path, KIND)
    missing = {"options", "start", "updates", "epochs"} - set(meta)
    if missing:
        raise FileFormatError(
            f"checkpoint '{path}' lacks {', '.join(sorted(missing))}; delete it or choose another folder"
        )
    wanted = asdict(options) | {"layers": list(options.layers)}
    weights = learner.qnet.weights()
    if meta["options"] != wanted or meta["start"] != start:
        raise FileFormatError(f"checkpoint '{path}' is of another run; delete it or choose another folder")
    for name, value in weights.items():
        value[...] = arrays[f"weights/{name}"]
        learner.averages[name] = (arrays[f"row/{name}"], arrays[f"column/{name}"])
    learner.counts[...] = arrays["counts"]
    learner.updates = meta["updates"]
    run.epochs = [LearnEpoch(**e) for e in meta["epochs"]]


__all__ = ["LearnEpoch", "LearnOptions", "LearnRun", "Learner", "epoch_order", "learn", "rates"]

"""Epochs of float training: shuffling, learning-rate schedule, validation, checkpoints. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.forward import FloatType, readout
from hypr_neuro.network import Network
from hypr_neuro.score import Score, score_readout
from hypr_neuro.store import load_arrays, make_folder, save_arrays
from hypr_neuro.train.hypr import gradients
from hypr_neuro.train.optimizers import Optimizer, make_optimizer

Array = NDArray[Any]
CHECKPOINT = "training.h5"
KIND = "hypr-neuro training checkpoint"


@dataclass
class Epoch:
    """Figures of one epoch; validation NaN if there is no validation part."""

    epoch: int
    rate: float
    loss: float
    validation: float


@dataclass
class History:
    """Epochs of one training run; `best` is the epoch whose weights were kept."""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = -1


def train(
    net: Network,
    data: SequenceData,
    *,
    rule: str = "hypr",
    epochs: int = 60,
    batch_size: int = 16,
    chunk: int | None = None,
    seed: int = 0,
    optimizer: str = "adam",
    rate: float = 0.01,
    schedule: str = "linear",
    loss: str = "per_step_cross_entropy",
    dtype: FloatType = np.float32,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> History:
    """Train `net` in place; afterwards it holds the weights of the epoch with the best validation accuracy.

    schedule : "linear" lets the rate fall to 0 at the end, "constant" keeps it
    checkpoint : folder; after each epoch everything is written there, and a later call with the same network, data
        and options goes on from it, bit for bit as if it had not been interrupted
    Raises InputError for bad options, HyprError (naming the checkpoint) if the loss is not finite.
    """
    if schedule not in ("linear", "constant"):
        raise InputError(f"schedule = '{schedule}', rule: 'linear' or 'constant'")
    if epochs < 1 or batch_size < 1:
        raise InputError(f"epochs = {epochs}, batch_size = {batch_size}, rule: both at least 1")
    options = {"rule": rule, "epochs": epochs, "batch_size": batch_size, "chunk": chunk, "seed": seed, "rate": rate,
               "optimizer": optimizer, "schedule": schedule, "loss": loss, "dtype": np.dtype(dtype).name}  # fmt: skip
    part, arrays = data.part("train"), net.arrays()
    run = _Run(net, make_optimizer(optimizer, rate), History(), {k: v.copy() for k, v in arrays.items()})
    path = None
    if checkpoint is not None:
        path = make_folder(Path(checkpoint)) / CHECKPOINT
        options["start"] = _digest(net, data)
        run.restore(path, options)
    for epoch in range(len(run.history.epochs), epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(part))
        total, count = 0.0, 0
        for i, batch in enumerate(part.batches(batch_size, order)):
            updates = -(-len(part) // batch_size)
            done = (epoch * updates + i) / (epochs * updates)
            run.optimizer.rate = rate * (1.0 - done) if schedule == "linear" else rate
            grads, value = gradients(net, batch.x, batch.y, batch.mask, rule=rule, chunk=chunk, loss=loss, dtype=dtype)
            if not np.isfinite(value) or not all(np.all(np.isfinite(g)) for g in grads.values()):
                kept = f"the last good state is in '{path}'" if path and path.exists() else "no epoch was finished"
                raise HyprError(
                    f"loss = {value} in epoch {epoch}, update {i}: training diverged; lower rate ({rate}); {kept}"
                )
            run.optimizer.update(arrays, grads)
            for layer in net.layers:
                if layer.model.constrain is not None:
                    layer.model.constrain(layer.params)
            total, count = total + value * len(batch), count + len(batch)
        validation = evaluate(net, data, "validation").accuracy if np.any(data.split == "validation") else float("nan")
        entry = Epoch(epoch, run.optimizer.rate, total / count, validation)
        run.note(entry)
        if path is not None:
            run.save(path, options)
        if on_epoch is not None:
            on_epoch(entry)
    for name, array in net.arrays().items():
        array[...] = run.best[name]
    net.encoder = data.encoder
    return run.history


def evaluate(net: Network, data: SequenceData, part: str = "test", batch_size: int = 64) -> Score:
    """Accuracy of the float network on one part of the data."""
    chosen = data.part(part)
    outputs = [readout(net, batch.x) for batch in chosen.batches(batch_size)]
    return score_readout(np.concatenate(outputs), chosen)


@dataclass
class _Run:
    """State of a training run between epochs."""

    net: Network
    optimizer: Optimizer
    history: History
    best: dict[str, Array]

    def note(self, entry: Epoch) -> None:
        """Append the epoch and keep its weights if it is the best so far (or there is nothing to judge by)."""
        epochs = self.history.epochs
        epochs.append(entry)
        better = self.history.best < 0 or not entry.validation <= epochs[self.history.best].validation
        if better:
            self.history.best = entry.epoch
            self.best = {k: v.copy() for k, v in self.net.arrays().items()}

    def save(self, path: Path, options: dict[str, Any]) -> None:
        meta = {"options": options, "epochs": [asdict(e) for e in self.history.epochs], "best": self.history.best}
        arrays = {f"net/{k}": v for k, v in self.net.arrays().items()}
        arrays |= {f"best/{k}": v for k, v in self.best.items()}
        arrays |= {f"state/{k}": v for k, v in self.optimizer.state.items()}
        save_arrays(path, KIND, meta, arrays)

    def restore(self, path: Path, options: dict[str, Any]) -> None:
        """Take up a checkpoint if there is one; one of another run is refused, not overwritten."""
        if not path.exists():
            return
        meta, arrays = load_arrays(path, KIND)
        if meta["options"] != options:
            differs = [k for k in options if meta["options"].get(k) != options[k]]
            raise FileFormatError(f"checkpoint '{path}' is of another run ({', '.join(differs)} differ); "
                                  "delete it or choose another folder")  # fmt: skip
        self.history = History([Epoch(**e) for e in meta["epochs"]], meta["best"])
        for name, value in self.net.arrays().items():
            value[...] = arrays[f"net/{name}"]
            self.best[name] = arrays[f"best/{name}"]
        self.optimizer.state = {k[6:]: v for k, v in arrays.items() if k.startswith("state/")}


def _digest(net: Network, data: SequenceData) -> str:
    """Hash of the start weights and the data, so that a checkpoint is not continued with others."""
    arrays = net.arrays() | {f"{i}/{k}": v for i, layer in enumerate(net.layers) for k, v in layer.params.items()}
    return data_digest(data, json.dumps([layer.model.name for layer in net.layers]), arrays)

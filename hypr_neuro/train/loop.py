"""Epochs of float training: shuffling, learning-rate schedule, validation, checkpoints. Prints nothing."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.score import Score, predict, score_answers, score_readout
from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.files.store import load_arrays, make_folder, save_arrays
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.quantize import QuantizedNetwork
from hypr_neuro.run.forward import FloatType, Rows, readout
from hypr_neuro.sim.engine import simulate
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.optimizers import Optimizer, clip_norm, make_optimizer

CHECKPOINT = "training.h5"
KIND = "hypr-neuro training checkpoint"


@dataclass
class Epoch:
    """Figures of one epoch. validation : accuracy, of a regression minus the squared error, NaN without such a part."""

    epoch: int
    rate: float
    loss: float
    validation: float


@dataclass
class History:
    """Epochs of one training run; `best` is the epoch whose weights were kept."""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = -1


@dataclass(frozen=True)
class Options:
    """Everything that decides how a run goes on; see `train`."""

    rule: str
    epochs: int
    batch_size: int
    chunk: int | None
    seed: int
    optimizer: str | dict[str, Any]
    rate: float
    schedule: str
    loss: str
    clip: float | None
    patience: int | None
    average: float | None
    penalty: RatePenalty | None
    feedback: str
    dtype: str

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule = '{self.schedule}', rule: one of {', '.join(SCHEDULES)}")
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} = {value}, rule: at least 1")
        try:
            json.dumps(asdict(self))
        except TypeError as error:
            raise InputError(f"options of training are plain numbers and text: {error}") from error
        if self.clip is not None and not self.clip > 0:
            raise InputError(f"clip = {self.clip}, rule: positive")
        if self.average is not None and not 0 <= self.average < 1:
            raise InputError(f"average = {self.average}, rule: 0 <= average < 1")


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1.0 + cos(pi * done)),
    "linear": lambda done: 1.0 - done,
}
"""Factor on the rate when that share of all updates is done."""


def train(
    net: Network,
    data: SequenceData,
    *,
    rule: str = "hypr",
    epochs: int = 60,
    batch_size: int = 16,
    chunk: int | None = None,
    seed: int = 0,
    optimizer: str | Mapping[str, Any] = "adam",
    rate: float = 0.01,
    schedule: str = "linear",
    loss: str | None = None,
    clip: float | None = None,
    patience: int | None = None,
    average: float | None = None,
    penalty: RatePenalty | None = None,
    feedback: str = "symmetric",
    dtype: FloatType = np.float32,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> History:
    """Train `net` in place; afterwards it holds the weights of the epoch that did best on the validation part.

    rule, chunk, feedback, penalty, loss : as in `gradients`; loss None: "per_step_cross_entropy", for a regression
        "squared_error"
    optimizer : "adam", "rmsprop", "sgd", or {"name": "sgd", "momentum": 0.8} with its settings
    schedule : of the rate, "linear" and "cosine" end at 0, "constant" keeps it
    clip : largest norm of the gradient over all arrays. patience : stop after that many epochs without a better one
    average : a; validation and the result take the running mean of the weights, w̄ ← a w̄ + (1-a) w after each update
    checkpoint : folder; after each epoch everything is written there, and a later call with the same network, data
        and options goes on from it, bit for bit as if it had not been interrupted
    data.x may be a memory map: only one sub-sequence of one block of samples is read at a time
    Raises InputError for bad options, HyprError (naming the checkpoint) if the loss is not finite.
    """
    require("net", net, Network)
    require("data", data, SequenceData)
    check_fit(net, data)
    if not isinstance(feedback, str):
        raise InputError("feedback: train takes 'symmetric' or 'random'; matrices are for gradients")
    options = Options(
        rule,
        epochs,
        batch_size,
        chunk,
        seed,
        optimizer if isinstance(optimizer, str) else dict(optimizer),
        rate,
        schedule,
        loss or ("squared_error" if data.regression else "per_step_cross_entropy"),
        clip,
        patience,
        average,
        penalty,
        feedback,
        np.dtype(dtype).name,
    )
    run = _Run(
        net,
        make_optimizer(optimizer, rate),
        History(),
        _copy(net.arrays()),
        {} if average is None else _copy(net.arrays()),
    )
    path, described = None, asdict(options)
    if checkpoint is not None:
        path = make_folder(Path(checkpoint)) / CHECKPOINT
        described["data or start weights"] = _digest(net, data)
        run.restore(path, described)
    while not run.done(options):
        loss_value = _one_epoch(run, data, options, path)
        with run.averaged():
            held = np.any(data.split == "validation")
            validation = evaluate(net, data, "validation").figure if held else float("nan")
            if held and not np.isfinite(validation):
                raise HyprError(
                    f"validation = {validation} after epoch {len(run.history.epochs)}: training diverged, or no step "
                    f"of that part is scored; lower rate ({rate}); {_kept(run, path)}"
                )
            entry = Epoch(len(run.history.epochs), run.optimizer.rate, loss_value, validation)
            run.note(entry)
        if path is not None:
            run.save(path, described)
        if on_epoch is not None:
            on_epoch(entry)
    for name, array in net.arrays().items():
        array[...] = run.best[name]
    net.encoder = data.encoder
    return run.history


def _one_epoch(run: _Run, data: SequenceData, options: Options, path: Path | None) -> float:
    """All training samples once, in an order of their own for each epoch; returns the mean loss."""
    epoch, index, arrays = len(run.history.epochs), data.part_index("train"), run.net.arrays()
    order = index[np.random.default_rng([options.seed, epoch]).permutation(len(index))]
    updates, total, silent = -(-len(order) // options.batch_size), 0.0, epoch == 0
    for i in range(updates):
        batch = order[i * options.batch_size : (i + 1) * options.batch_size]
        done = (epoch * updates + i) / (options.epochs * updates)
        run.optimizer.rate = options.rate * SCHEDULES[options.schedule](done)
        grads, value = gradients(
            run.net,
            Rows(data.x, batch),
            data.y[batch],
            None if data.mask is None else data.mask[batch],
            rule=options.rule,
            chunk=options.chunk,
            loss=options.loss,
            dtype=np.dtype(options.dtype).type,
            feedback=options.feedback,
            penalty=options.penalty,
        )
        kept = _kept(run, path)
        if not np.isfinite(value) or not all(np.all(np.isfinite(g)) for g in grads.values()):
            raise HyprError(
                f"loss = {value} in epoch {epoch}, update {i}: training diverged; lower rate "
                f"({options.rate}) or set clip; {kept}"
            )
        if options.clip is not None:
            clip_norm(grads, options.clip)
        run.optimizer.update(arrays, grads)
        remedy = f"lower rate ({options.rate}) or set clip; {kept}"
        _keep_in_range(run.net, f"epoch {epoch}, update {i}: training diverged; {remedy}")
        silent = silent and not np.any(grads["readout.weight"])
        for name, mean in run.mean.items():
            run.mean[name] = mean + (1.0 - (options.average or 0.0)) * (arrays[name] - mean)
        total += value * len(batch)
    if silent:
        last = run.net.name(len(run.net.layers) - 2)
        warnings.warn(
            f"{last} did not spike once in the first epoch, so nothing can be learned from it: call "
            "hn.scale_to_rate(net, x, 0.03) before training, or give larger weights",
            stacklevel=3,
        )
    return total / len(order)


def _kept(run: _Run, path: Path | None) -> str:
    """Where the last good state is, for a message."""
    if path is not None and path.exists():
        return f"the last good state is in '{path}'"
    return "no epoch was finished" if not run.history.epochs else "there is no checkpoint; give one to keep good states"


def _keep_in_range(net: Network, where: str) -> None:
    """Parameters back into the range that their model keeps after an update; those it cannot keep stop training."""
    for layer in net.layers:
        if layer.model.constrain is not None:
            layer.model.constrain(layer.params)
        try:
            layer.check()
        except InputError as error:
            raise HyprError(f"{where}; {error}") from error


def check_fit(net: Network, data: SequenceData) -> None:
    """Raise InputError unless the network has the data's channels, outputs for its classes or targets, finite weights,
    and parameters in their ranges."""
    few = net.outputs != data.classes if data.regression else net.outputs < data.classes
    if net.inputs != data.channels or few:
        raise InputError(
            f"network: {net.inputs} inputs and {net.outputs} outputs, data '{data.name}' has "
            f"{data.channels} channels and {data.classes} outputs"
        )
    for layer in net.layers:
        layer.check()


READOUT_BYTES = 200_000_000
"""Largest readout that an evaluation keeps at a time."""


def evaluate(net: Network | QuantizedNetwork, data: SequenceData, part: str = "test", batch_size: int = 64) -> Score:
    """Accuracy or squared error of the network, float or integers, on one part of the data."""
    require("net", net, Network, QuantizedNetwork)
    require("data", data, SequenceData)
    if isinstance(net, QuantizedNetwork):
        held = data.part(part)
        return score_readout(simulate(net, held.x).readout, held)
    index = data.part_index(part)
    size = max(1, min(batch_size, READOUT_BYTES // (4 * data.steps * net.outputs)))
    labels, answers = data.labels(), []
    for start in range(0, len(index), size):
        rows = index[start : start + size]
        answers.append(predict(readout(net, Rows(data.x, rows)), labels.take(rows)))
    return score_answers(np.concatenate(answers), labels.take(index))


@dataclass
class _Run:
    """State of a training run between epochs. mean : running mean of the weights, empty if there is none."""

    net: Network
    optimizer: Optimizer
    history: History
    best: dict[str, Array]
    mean: dict[str, Array]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """For the time of the block the network holds the running mean of its weights, if there is one."""
        arrays = self.net.arrays()
        kept = _copy({name: arrays[name] for name in self.mean})
        for name, mean in self.mean.items():
            arrays[name][...] = mean
        try:
            yield
        finally:
            for name, own in kept.items():
                arrays[name][...] = own

    def done(self, options: Options) -> bool:
        """All epochs are run, or the last `patience` of them brought no higher validation."""
        figures = [e.validation for e in self.history.epochs]
        if len(figures) >= options.epochs:
            return True
        if options.patience is None or not figures or np.isnan(figures[-1]):
            return False
        return len(figures) - 1 - int(np.argmax(figures)) >= options.patience

    def note(self, entry: Epoch) -> None:
        """Append the epoch and keep its weights if it is the best so far (or there is nothing to judge by).

        Small validation parts reach their top early: of epochs with the same figure the one of lower loss is kept.
        """
        epochs = self.history.epochs
        epochs.append(entry)
        best = epochs[max(self.history.best, 0)]
        tied = entry.validation == best.validation and entry.loss < best.loss
        if self.history.best < 0 or tied or not entry.validation <= best.validation:
            self.history.best = entry.epoch
            self.best = _copy(self.net.arrays())

    def save(self, path: Path, options: dict[str, Any]) -> None:
        meta = {"options": options, "epochs": [asdict(e) for e in self.history.epochs], "best": self.history.best}
        arrays = {f"net/{k}": v for k, v in self.net.arrays().items()}
        arrays |= {f"best/{k}": v for k, v in self.best.items()}
        arrays |= {f"mean/{k}": v for k, v in self.mean.items()}
        arrays |= {f"state/{k}": v for k, v in self.optimizer.state.items()}
        save_arrays(path, KIND, meta, arrays)

    def restore(self, path: Path, options: dict[str, Any]) -> None:
        """Take up a checkpoint if there is one; one of another run is refused, not overwritten."""
        if not path.exists():
            return
        meta, arrays = load_arrays(path, KIND)
        if meta["options"] != options:
            differs = [k for k in options if meta["options"].get(k) != options[k]]
            raise FileFormatError(
                f"checkpoint '{path}' is of another run ({', '.join(differs)} differ); "
                "delete it or choose another folder"
            )
        self.history = History([Epoch(**e) for e in meta["epochs"]], meta["best"])
        for name, value in self.net.arrays().items():
            value[...] = arrays[f"net/{name}"]
            self.best[name] = arrays[f"best/{name}"]
            if name in self.mean:
                self.mean[name] = arrays[f"mean/{name}"]
        self.optimizer.state = {k[6:]: v for k, v in arrays.items() if k.startswith("state/")}


def _copy(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def _digest(net: Network, data: SequenceData) -> str:
    """Hash of the start weights and the data, so that a checkpoint is not continued with others."""
    arrays = net.arrays() | {f"{i}/{k}": v for i, layer in enumerate(net.layers) for k, v in layer.params.items()}
    return data_digest(data, json.dumps([layer.model.name for layer in net.layers]), arrays)

"""On-chip-style learning in integers: epochs over the training samples, checkpoints; `learner` does the work."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.checks import check_classes_to_learn
from hypr_neuro.data.score import predict
from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError, among
from hypr_neuro.files.store import load_arrays, make_folder, save_arrays
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_functions, require_path, whole
from hypr_neuro.numbers.fixed_point import shr_floor
from hypr_neuro.progress import Advance, progress_bar
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.chip_learner import ChipLearner, LearnSample
from hypr_neuro.sim.learning.error_function import ErrorFunction
from hypr_neuro.sim.learning.from_data import check_learnable, errors_of, options_for
from hypr_neuro.sim.learning.learn_run import LearnEpoch, LearnRun, Tally
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import RATE_FRACTION, LearnOptions, as_rate
from hypr_neuro.sim.learning.regularizer import Regularizer
from hypr_neuro.sim.learning.search_rate import search_rate
from hypr_neuro.sim.learning.simulated import SimulatedLearner
from hypr_neuro.sim.learning.state import structure_digest

STATE, PROGRESS = "learner.h5", "learning.h5"
KIND = "hypr-neuro learning checkpoint"
ARGUMENTS = ("epochs", "options", "checkpoint", "regularizer", "progress", "errors", "error_function", "chip")
"""Of `learn` beside the fields of its options; an unknown name may be like one of them."""
SAVE_SECONDS = 30.0
"""A checkpoint is written after every epoch, and inside an epoch when the last is older than this."""


def epoch_order(seed: int, epoch: int, samples: int) -> Array:
    """Draw the order of samples in an epoch; float training beside the chip uses the same."""
    return np.random.default_rng([seed, epoch]).permutation(samples)


def rates(options: LearnOptions, epochs: int) -> Iterator[tuple[int, int]]:
    """Yield the integer rates of weights and parameters of each epoch: multiplied by decay (16 fraction bits) each."""
    current, decay = [as_rate(options.rate), as_rate(options.parameter_rate)], as_rate(options.decay)
    for _ in range(epochs):
        yield max(current[0], 1), max(current[1], 1)
        current = [shr_floor(rate * decay, RATE_FRACTION) for rate in current]


def learn(
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    epochs: int = 1,
    options: LearnOptions | None = None,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[LearnEpoch, QuantizedNetwork], None] | None = None,
    on_sample: Callable[[int, int], None] | None = None,
    before_update: Callable[[Learner], None] | None = None,
    regularizer: Regularizer | None = None,
    progress: bool | None = None,
    errors: Array | None = None,
    error_function: ErrorFunction | None = None,
    chip: Callable[[QuantizedNetwork, LearnOptions], ChipLearner] | None = None,
    **fields: Any,
) -> LearnRun:
    """Let a copy of `qnet` learn from the training part of `data`, one sample after the other, in integers.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Stays as it is.
    data : SequenceData
        With classes, or with targets of a regression in the outputs' units; one row of targets a sample stands for all
        of its steps that count.
    epochs : int
        At least 1.
    options : LearnOptions, optional
        Or give its fields as keywords (rate=…, seed=…). Without a rate one is found on training samples first, see
        `search_rate`.
    checkpoint : path, optional
        Folder; everything is written there after each epoch, and inside long ones, and a later call goes on from it,
        bit for bit.
    on_epoch : callable, optional
        Called with the figures of each epoch and the network as it is.
    on_sample : callable, optional
        Called with (samples done, samples in all) of the epoch.
    before_update : callable, optional
        Called with the learner before every update, for probes.
    regularizer : callable, optional
        Function (connection, weights, mean rates) whose integers are added to the gradients before each update, see
        `sim.learning.regularizer`; a checkpoint knows it by its name.
    progress : bool, optional
        Show a bar; None: in terminals and notebooks, unless `on_epoch` or `on_sample` is given.
    errors : ndarray, optional
        (sample, T, outputs) integers of `error_bits` for the samples of `data`, in place of the errors of its labels or
        targets.
    error_function : callable, optional
        Works out the errors of each step from the outputs and the step's label or targets, see
        `sim.learning.error_function`; a checkpoint knows it by its name. Not beside `errors`.
    chip : callable, optional
        Makes the `ChipLearner` that learns, of a network and its options; None: the simulator. Devices give theirs.

    Returns
    -------
    LearnRun

    Raises
    ------
    InputError
        For bad options, data that does not fit, or a profile that cannot learn.
    """
    require("qnet", qnet, QuantizedNetwork)
    require("data", data, SequenceData)
    open_rate = options is None and "rate" not in fields
    options = options_for(_options(options, fields), data)
    require_functions(on_epoch=on_epoch, on_sample=on_sample, before_update=before_update)
    require_functions(regularizer=regularizer, error_function=error_function)
    if errors is not None and error_function is not None:
        raise InputError(
            "errors and error_function both given, rule: one of them, since errors leave the function no step; leave "
            "one out"
        )
    if checkpoint is not None:
        require_path("checkpoint", checkpoint, "the folder for checkpoints")
    epochs = whole("epochs", epochs, 1)
    options.check(qnet)
    check_learnable(qnet, data, options)
    if errors is None and error_function is None:
        check_classes_to_learn(data)
    part = data.part("train")
    told = errors_of(errors, data, qnet)
    if open_rate and (told is not None or error_function is not None):
        raise InputError("errors of one's own, rule: a rate beside them (rate=…); one is found for labels and targets")
    search = search_rate(qnet, data, options) if open_rate else None
    options = options if search is None else replace(options, rate=search.rate)
    learned = qnet.copy()
    if chip is None:
        learner: ChipLearner = SimulatedLearner(learned, options, regularizer, error_function, before_update)
    else:
        refuse_functions(regularizer=regularizer, error_function=error_function, before_update=before_update)
        learner = chip(learned, options)
    run = LearnRun(learned, search=search)
    store = None if checkpoint is None else _Checkpoint(Path(checkpoint), qnet, part, options, told)
    tally = None if store is None else store.restore(learner, run)
    if len(run.epochs) > epochs:
        raise InputError(
            f"checkpoint '{checkpoint}' holds {len(run.epochs)} epochs, asked for {epochs}; ask for at least as many, "
            "or choose another folder"
        )
    idle: list[int] = []
    with progress_bar("learn", progress, on_epoch, on_sample) as advance:
        for epoch, epoch_rates in enumerate(rates(options, epochs)):
            if epoch < len(run.epochs):
                continue
            tally = tally or Tally.start(learner.counts())
            counting = _counting(advance, on_sample, epoch, epochs)
            _epoch(learner, run, part, epoch, epoch_rates, tally, store, counting, told)
            learner.fetch()
            run.epochs.append(tally.entry(learner.counts(), epoch, epoch_rates[0]))
            idle += [epoch] * (not run.epochs[-1].weights_changed and not run.epochs[-1].online_accuracy >= 1.0)
            tally = None
            if store is not None:
                store.save(learner, run, None)
            if on_epoch is not None:
                on_epoch(run.epochs[-1], learned)
    _warn_of_idle(idle, len(run.epochs))
    return run


def _warn_of_idle(idle: Sequence[int], epochs: int) -> None:
    """Warn once of all epochs of this call that changed no weight."""
    if not idle:
        return
    which = f"epoch {idle[0]}" if len(idle) == 1 else f"{len(idle)} of {epochs} epochs, the first {idle[0]}"
    warnings.warn(
        f"{which}: no weight changed; the network may be silent (scale its start weights with hn.scale_to_rate before "
        "quantizing), the rate too small, or no update was due",
        HyprWarning,
        stacklevel=3,
    )


def _counting(
    advance: Advance, on_sample: Callable[[int, int], None] | None, epoch: int, epochs: int
) -> Callable[[int, int], None]:
    """Return a function of (samples done, samples) of an epoch that moves the bar, of all epochs, too."""

    def told(done: int, samples: int) -> None:
        advance(epoch * samples + done, epochs * samples, f"samples, epoch {epoch + 1} of {epochs}")
        if on_sample is not None:
            on_sample(done, samples)

    return told


def learned_in_silence(qnet: QuantizedNetwork, part: SequenceData, options: LearnOptions) -> QuantizedNetwork:
    """Return a copy that has learned from all samples of `part` once, with no checkpoint and no warning."""
    learner = SimulatedLearner(qnet.copy(), options)
    run = LearnRun(learner.qnet)
    _epoch(learner, run, part, 0, next(rates(options, 1)), Tally.start(learner.counts()), None, None)
    return learner.qnet


def _options(options: LearnOptions | None, fields: dict[str, Any]) -> LearnOptions:
    if options is not None:
        require("options", options, LearnOptions)
    known = (*ARGUMENTS, *LearnOptions.__dataclass_fields__)
    for name in fields:
        if name not in known:
            raise InputError(f"learn: unknown option {among(name, known)}")
    return LearnOptions(**({} if options is None else asdict(options)) | fields)


def refuse_functions(**functions: Callable[..., Any] | None) -> None:
    """Raise InputError for functions of the user's, which a chip outside of this process cannot call."""
    for name, function in functions.items():
        if function is not None:
            raise InputError(f"{name} on a device, rule: none, as it cannot call into this program; learn on 'sim'")


def _epoch(
    learner: ChipLearner,
    run: LearnRun,
    part: SequenceData,
    epoch: int,
    epoch_rates: tuple[int, int],
    tally: Tally,
    store: _Checkpoint | None,
    on_sample: Callable[[int, int], None] | None,
    errors: Array | None = None,
) -> None:
    """Learn from the samples of the epoch that are not done yet."""
    order = epoch_order(learner.options.seed, epoch, len(part))
    while tally.done < len(part):
        chosen = order[tally.done : tally.done + learner.chunk]
        taken = [part.take(np.array([index])) for index in chosen]
        told = [None if errors is None else errors[index] for index in chosen]
        samples = [
            LearnSample.of_data(learner.plan, one, epoch_rates, given) for one, given in zip(taken, told, strict=True)
        ]
        for one, sample, output in zip(taken, samples, learner.learn(samples), strict=True):
            real = learner.qnet.for_score(output[None], regression=True) if one.regression else output[None]
            tally.note(predict(real, one), one, sample.scored)
            if on_sample is not None:
                on_sample(tally.done, len(part))
        if store is not None and store.due():
            store.save(learner, run, tally)


class _Checkpoint:
    """A run's folder: the learner's state, and how far the run is."""

    def __init__(
        self,
        folder: Path,
        qnet: QuantizedNetwork,
        part: SequenceData,
        options: LearnOptions,
        errors: Array | None,
    ) -> None:
        self.path = make_folder(folder) / PROGRESS
        self.options, self.start, self.last = options, _start_digest(qnet, part, errors), time.monotonic()
        self.named: Path | None = None

    def due(self) -> bool:
        return time.monotonic() - self.last > SAVE_SECONDS

    def save(self, learner: ChipLearner, run: LearnRun, tally: Tally | None) -> None:
        """Write the state first, under a name of its own: progress and the state that it names change together."""
        state = self.path.with_name(f"{learner.samples}.{STATE}")
        learner.save(state)
        meta = {
            "options": {**self.options.described(), **learner.where},
            "start": self.start,
            "epochs": [asdict(e) for e in run.epochs],
            "tally": None if tally is None else asdict(tally),
            "state": state.name,
            "sha256": hashlib.sha256(state.read_bytes()).hexdigest(),
        }
        save_arrays(self.path, KIND, meta, {"samples": np.array(learner.samples)})
        if self.named is not None and self.named != state:
            self.named.unlink(missing_ok=True)
        self.named, self.last = state, time.monotonic()

    def restore(self, learner: ChipLearner, run: LearnRun) -> Tally | None:
        """Take up a checkpoint if there is one; one of another start or options is refused, not overwritten."""
        if not self.path.exists():
            return None
        meta, _ = load_arrays(self.path, KIND)
        missing = {"options", "start", "epochs", "tally", "state", "sha256"} - set(meta)
        if missing:
            raise FileFormatError(
                f"checkpoint '{self.path}' lacks {', '.join(sorted(missing))}; delete it or choose another folder"
            )
        wanted = json.loads(json.dumps({**self.options.described(), **learner.where}))
        if meta["options"] != wanted or meta["start"] != self.start:
            held = meta["options"]
            names = dict.fromkeys([*wanted, *held])
            unsaid = {"device": "sim", "faults": "none"}
            told = [
                f"{k} {held.get(k, unsaid.get(k))} there, {wanted.get(k, unsaid.get(k))} here"
                for k in names
                if held.get(k) != wanted.get(k)
            ]
            told += [] if meta["start"] == self.start else ["another network or other data"]
            raise FileFormatError(
                f"checkpoint '{self.path}' is of another run ({', '.join(told)}); delete it or choose another folder"
            )
        state = self.path.with_name(Path(str(meta["state"])).name)
        if not state.is_file() or hashlib.sha256(state.read_bytes()).hexdigest() != meta["sha256"]:
            raise FileFormatError(
                f"checkpoint '{self.path}': its state '{state.name}' is missing or another; two "
                "runs may have shared the folder: delete it or choose another"
            )
        try:
            epochs = [LearnEpoch(**e) for e in meta["epochs"]]
            tally = None if meta["tally"] is None else Tally(**meta["tally"])
        except TypeError as error:
            raise FileFormatError(f"checkpoint '{self.path}': {error}; delete it or choose another folder") from error
        learner.restore(state)
        run.epochs, self.named = epochs, state
        return tally


def _start_digest(qnet: QuantizedNetwork, part: SequenceData, errors: Array | None) -> str:
    """Hash of network, profile, data and given errors, so that a checkpoint is not continued with others."""
    arrays: dict[str, Array] = dict(qnet.weights())
    if errors is not None:
        arrays["errors"] = errors
    for i, c in enumerate(qnet.connections):
        arrays |= {f"cells/{i}/{name}": array for name, array in (c.cells or {}).items()}
    exponents: list[Any] = []
    if not qnet.is_chain or not all(c.trainable for c in qnet.connections):
        described = [structure_digest(qnet), *(p.per_neuron.tolist() for p in qnet.populations)]
        return data_digest(part, json.dumps(described), arrays)
    for i, layer in enumerate(qnet.layers):
        arrays |= {f"{i}/{k}": getattr(layer, k) for k in ("per_neuron", "constants", "psi_table")}
        exponents.append([layer.model.name, layer.bias_axon, *(c.exponent for c in layer.connections().values())])
    return data_digest(part, json.dumps([qnet.profile.dump(), exponents], sort_keys=True), arrays)


__all__ = ["LearnEpoch", "LearnOptions", "LearnRun", "Learner", "epoch_order", "learn", "rates"]

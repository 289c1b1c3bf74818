"""Epochs of float training: shuffling, learning-rate schedule, validation, checkpoints. Prints nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.checks import require_two_classes
from hypr_neuro.data.doubts import warn_of
from hypr_neuro.data.fit import check_outputs
from hypr_neuro.data.score import Score, doubts_of, predict, score_answers, score_readout, warn_if_mute
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprError, HyprWarning, InputError
from hypr_neuro.files.store import make_folder
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import (
    optional_whole,
    precision,
    require_functions,
    require_path,
    whole,
)
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.progress import Advance, progress_bar
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.forward import FloatType, Rows
from hypr_neuro.sim.engine import simulate
from hypr_neuro.train.block import BatchGradients
from hypr_neuro.train.code_digest import code_digests
from hypr_neuro.train.gradients import batch_gradients
from hypr_neuro.train.losses import LossChoice, RatePenalty, check_penalty, get_loss
from hypr_neuro.train.networks import (
    has_spiking_outputs,
    keep_in_range,
    outputs_of,
    said_of_silence,
    to_the_output,
)
from hypr_neuro.train.online import check_online, online_gradients
from hypr_neuro.train.optimizers import clip_norm, make_optimizer
from hypr_neuro.train.options import SCHEDULES, Options
from hypr_neuro.train.quantized import QuantizationAware, Quantizer, quantization_aware
from hypr_neuro.train.rules import RuleChoice, get_rule
from hypr_neuro.train.run import CHECKPOINT, START, Epoch, History, Run, copies, in_words, start_digest


def train(
    net: Network,
    data: SequenceData,
    *,
    rule: RuleChoice = "hypr",
    epochs: int = 60,
    batch_size: int = 16,
    chunk: int | None = None,
    seed: int = 0,
    optimizer: str | Mapping[str, Any] = "adam",
    rate: float = 0.01,
    schedule: str = "linear",
    loss: LossChoice | None = None,
    clip: float | None = None,
    patience: int | None = None,
    average: float | None = None,
    penalty: RatePenalty | None = None,
    feedback: str = "symmetric",
    dtype: FloatType = np.float32,
    update_every: int | None = None,
    quantized: str | Path | Profile | QuantizationAware | None = None,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    progress: bool | None = None,
) -> History:
    """Train `net` in place; afterwards it holds the weights of the epoch that did best on the validation part.

    Parameters
    ----------
    net : Network
        Changed. Losses see a leaky trace of spiking outputs, whose decay the note "output decay" may set.
    data : SequenceData
        Its x may be a memory map: only one sub-sequence of one block of samples is read at a time.
    rule, chunk, feedback, penalty
        As in `gradients`.
    epochs, batch_size, seed : int
        Of the order of samples, and of the rule's noise.
    optimizer : str or mapping
        "adam", "rmsprop", "sgd", or {"name": "sgd", "momentum": 0.8} with its settings.
    rate, schedule
        Learning rate, and how it goes: "linear" and "cosine" end at 0, "constant" keeps it.
    loss : str, Loss or callable, optional
        As in `gradients`; None: "per_step_cross_entropy", for a regression "squared_error", for spiking outputs and one
        label a sample "mean_cross_entropy".
    clip : float, optional
        Largest norm of the gradient over all arrays.
    patience : int, optional
        Stop after that many epochs without a better one.
    average : float, optional
        a; validation and the result take the running mean of the weights, w̄ ← a w̄ + (1-a) w after each update.
    dtype : type
        float32 or float64.
    update_every : int, optional
        Update after so many steps inside each sequence, see `online_gradients`; None: as the rule says, or after each
        batch.
    quantized : profile, its name or its file, or QuantizationAware, optional
        Quantization-aware training: the integers that `quantize` makes of the network for this profile run in place of
        the float network, batch by batch, and validation is theirs; see `train.quantized`. None: in float.
    checkpoint : path, optional
        Folder; after each epoch everything is written there, and a later call with the same network, data and options
        goes on from it, bit for bit as if it had not been interrupted. The code of a rule's hooks and of a loss that is
        a function is part of these options. With more epochs a run at a constant rate goes on; under a schedule that
        ends with the last epoch all rates are others, and it starts again, with a warning.
    on_epoch : callable, optional
        Called with the figures of each epoch.
    progress : bool, optional
        Show a bar; None: in terminals and notebooks, unless `on_epoch` is given.

    Returns
    -------
    History

    Raises
    ------
    InputError
        For bad options.
    HyprError
        If the loss is not finite, naming the checkpoint.
    """
    require("net", net, Network)
    require("data", data, SequenceData)
    check_fit(net, data)
    require_two_classes(data)
    if not net.arrays():
        raise InputError(
            "every connection is frozen, and no current or neuron parameter learns either, rule: something does; set "
            "trainable = True of a connection"
        )
    if not isinstance(feedback, str):
        raise InputError("feedback: train takes 'symmetric' or 'random'; matrices are for gradients")
    require_functions(on_epoch=on_epoch)
    check_penalty(penalty)
    aware = None if quantized is None else Quantizer(quantization_aware(quantized), net, data)
    chosen, kind = get_rule(rule), get_loss(_usual_loss(net, data) if loss is None else loss)
    optimizing = make_optimizer(optimizer, rate)
    options = Options(
        rule if isinstance(rule, str) else asdict(chosen),
        whole("epochs", epochs, 1),
        whole("batch_size", batch_size, 1),
        optional_whole("chunk", chunk, 1),
        whole("seed", seed, 0),
        optimizer if isinstance(optimizer, str) else dict(optimizer),
        rate,
        schedule,
        kind.name,
        clip,
        optional_whole("patience", patience, 1),
        average,
        penalty,
        feedback,
        precision(dtype).__name__,
        chosen.update_every if update_every is None else whole("update_every", update_every, 1),
        None if aware is None else aware.described(),
    )
    if options.update_every is not None:
        check_online(chosen, kind, penalty)
        if aware is not None:
            raise InputError(
                f"update_every = {options.update_every} with quantized, rule: the integers of a sequence are those of "
                "one moment; leave update_every out, or train in float"
            )
    run = Run(
        net,
        optimizing,
        chosen,
        kind,
        History(),
        copies(net.arrays()),
        {} if average is None else copies(net.arrays()),
        chosen.start(net) if chosen.keeps_means else None,
        aware,
    )
    path, described = None, options.described()
    if checkpoint is not None:
        require_path("checkpoint", checkpoint, "the folder for checkpoints")
        path = make_folder(Path(checkpoint)) / CHECKPOINT
        described |= code_digests(chosen, kind)
        described[START] = start_digest(net, data)
        run.restore(path, described, by_length=options.schedule != "constant")
    with progress_bar("train", progress, on_epoch) as advance:
        _epochs(run, data, options, path, described, on_epoch, advance)
    for name, array in net.arrays().items():
        array[...] = run.best[name]
    net.encoder = data.encoder
    return run.history


def _epochs(
    run: Run,
    data: SequenceData,
    options: Options,
    path: Path | None,
    described: dict[str, Any],
    on_epoch: Callable[[Epoch], None] | None,
    advance: Advance,
) -> None:
    """Train for the epochs that are still to come, each stored when it is finished."""
    while not run.done(options.epochs, options.patience):
        loss_value = _one_epoch(run, data, options, path)
        with run.averaged():
            has_validation = np.any(data.split == "validation")
            validation = _validated(run, data).figure if has_validation else float("nan")
            if has_validation and not np.isfinite(validation):
                raise HyprError(
                    f"validation = {validation} after epoch {len(run.history.epochs)}: training diverged, or no step "
                    f"of that part is scored; lower rate ({options.rate}); {_last_good_state(run, path)}"
                )
            entry = Epoch(len(run.history.epochs), run.optimizer.rate, loss_value, validation)
            run.note(entry)
        if path is not None:
            run.save(path, described)
        if on_epoch is not None:
            on_epoch(entry)
        advance(len(run.history.epochs), options.epochs, f"loss {entry.loss:.3g}, validation {in_words(validation)}")


def _validated(run: Run, data: SequenceData) -> Score:
    """Score the validation part: with the integers that the network stands for now, where training knows of them."""
    if run.quantizer is None:
        return evaluate(run.net, data, "validation")
    return evaluate(run.quantizer.integers(run.net), data, "validation", learned=False)


def _usual_loss(net: Network, data: SequenceData) -> str:
    """Return the loss where none is asked for."""
    if data.regression:
        return "squared_error"
    return "mean_cross_entropy" if has_spiking_outputs(net) and not data.per_step else "per_step_cross_entropy"


def _one_epoch(run: Run, data: SequenceData, options: Options, path: Path | None) -> float:
    """Train on all samples once, in an order of its own for each epoch; return the mean loss."""
    epoch, index = len(run.history.epochs), data.part_index("train")
    order = index[np.random.default_rng([options.seed, epoch]).permutation(len(index))]
    # a rule with signals of its own may leave the readout without any
    watched = [] if run.rule.uses("error") else to_the_output(run.net)
    if run.quantizer is not None:
        run.quantizer.calibrate(run.net)
    updates, total, silent = -(-len(order) // options.batch_size), 0.0, epoch == 0 and bool(watched)
    for i in range(updates):
        batch = order[i * options.batch_size : (i + 1) * options.batch_size]
        done = (epoch * updates + i) / (options.epochs * updates)
        run.optimizer.rate = options.rate * SCHEDULES[options.schedule](done)
        where, losses, penalties = f"epoch {epoch}, update {i}", 0.0, []
        for result in _gradients(run, data, options, batch, epoch * len(order) + i * options.batch_size):
            _update(run, result, options, where, _last_good_state(run, path))
            if run.quantizer is not None:
                run.quantizer.round(run.net, options.seed, epoch * updates + i)
            silent = silent and not any(np.any(result.gradients[name]) for name in watched)
            losses += result.loss
            penalties.append(result.penalty)
        total += (losses + sum(penalties) / len(penalties)) * len(batch)
    if silent:
        warnings.warn(said_of_silence(run.net, driven=bool(np.any(data.x))), HyprWarning, stacklevel=3)
    return total / len(order)


def _gradients(run: Run, data: SequenceData, options: Options, batch: Array, sample: int) -> Iterator[BatchGradients]:
    """Yield the gradients of one batch, one for each update; sample : how many training has seen before."""
    arrays = run.net, Rows(data.x, batch), data.y[batch], None if data.mask is None else data.mask[batch]
    chosen: dict[str, Any] = {
        "rule": run.rule,
        "chunk": options.chunk,
        "loss": run.loss,
        "dtype": np.dtype(options.dtype).type,
        "feedback": options.feedback,
        "means": run.means,
        "seed": options.seed,
        "sample": sample,
    }
    if options.update_every is None:
        forward = None if run.quantizer is None else run.quantizer.at(run.net)
        yield batch_gradients(*arrays, penalty=options.penalty, forward=forward, **chosen)
    else:
        yield from online_gradients(run.net, *arrays[1:], update_every=options.update_every, **chosen)


def _update(run: Run, result: BatchGradients, options: Options, where: str, last_good: str) -> None:
    """Change the weights by one gradient, and the means that follow them; HyprError where the loss is not finite."""
    grads, arrays = result.gradients, run.net.arrays()
    value, remedy = result.loss + result.penalty, f"lower rate ({options.rate}) or set clip; {last_good}"
    if not np.isfinite(value) or not all(np.all(np.isfinite(g)) for g in grads.values()):
        raise HyprError(f"loss = {value} in {where}: training diverged; {remedy}")
    if options.clip is not None:
        clip_norm(grads, options.clip)
    run.optimizer.update(arrays, grads)
    keep_in_range(run.net, f"{where}: training diverged; {remedy}")
    for name, mean in run.mean.items():
        run.mean[name] = mean + (1.0 - (options.average or 0.0)) * (arrays[name] - mean)
    if run.means is not None:
        run.rule.move(run.means, arrays | result.rates | {"loss": np.array(result.loss)}, grads)


def _last_good_state(run: Run, path: Path | None) -> str:
    """Say where the last good state is, for a message."""
    if path is not None and path.exists():
        return f"the last good state is in '{path}'"
    return "no epoch was finished" if not run.history.epochs else "there is no checkpoint; give one to keep good states"


def check_fit(net: Network, data: SequenceData) -> None:
    """Raise InputError unless a network fits the data.

    It has the data's channels, outputs for its classes or targets, finite weights and parameters in their ranges.
    """
    outputs = net.output_size
    few = outputs != data.classes if data.regression else outputs < data.classes
    if net.inputs != data.channels or few:
        raise InputError(
            f"network: {net.inputs} inputs and {outputs} outputs, data '{data.name}' has "
            f"{data.channels} channels and {data.classes} outputs"
        )
    net.check()


READOUT_BYTES = 200_000_000
"""Largest readout that an evaluation keeps at a time."""


def evaluate(
    net: Network | QuantizedNetwork,
    data: SequenceData,
    part: str = "test",
    batch_size: int = 64,
    *,
    learned: bool = True,
) -> Score:
    """Measure accuracy or squared error of a network, float or integers, on one part of the data.

    batch_size : samples that a float network runs at a time
    learned : as of `score_readout`; False says nothing of accuracies at chance either
    """
    require("net", net, Network, QuantizedNetwork)
    require("data", data, SequenceData)
    check_outputs(net.output_size, data)
    if isinstance(net, QuantizedNetwork):
        samples = data.part(part)
        score = score_readout(
            net.for_score(simulate(net, samples.x).readout, regression=data.regression), samples, learned=learned
        )
        return _told(score, samples) if learned else score
    index = data.part_index(part)
    size = max(1, min(whole("batch_size", batch_size, 1), READOUT_BYTES // (4 * data.steps * net.output_size)))
    labels, answers, moved = data.labels(), [], False
    for start in range(0, len(index), size):
        rows = index[start : start + size]
        outputs = outputs_of(net, Rows(data.x, rows))
        moved = moved or bool(np.any(outputs))
        answers.append(predict(outputs, labels.take(rows)))
    score = score_answers(np.concatenate(answers), labels.take(index))
    if not learned:
        return score
    if not moved:
        warn_if_mute(moved, data.take(index))
    # training looks at validation as it goes, when there may be more to come
    return _told(score, labels.take(index)) if moved and part != "validation" else score


def _told(score: Score, samples: SequenceData) -> Score:
    """Return the score; warn of one that says nothing."""
    warn_of(doubts_of(score, samples), stacklevel=4)
    return score

"""Stages in which a network learns on the chip beside the float rule."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypr_neuro.comparing.compare import (
    Accuracies,
    Comparison,
    compare,
    compare_inference,
    disturb,
)
from hypr_neuro.data.doubts import of_learning, of_learning_error, of_score, of_squared_error
from hypr_neuro.data.score import majority, mean_error
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize, state_ranges, weight_ranges
from hypr_neuro.sim.learning.learn import LearnOptions
from hypr_neuro.sim.learning.search_rate import search_rate
from hypr_neuro.workflow.describe import describe_network, describe_profile
from hypr_neuro.workflow.stages import Progress, build, write_scores
from hypr_neuro.workflow.tasks import lost_bits

LOSS = 0.02
"""Score that learning may cost without a word: accuracy, or a share of the squared error."""


def from_scratch(net: Network, profile: Profile, data: SequenceData, seed: int) -> tuple[Network, QuantizedNetwork]:
    """Return a network like `net`, all drawn anew, in float and in integers with room for what training reached.

    What is frozen in `net` is frozen as it is drawn.

    Raises
    ------
    InputError
        If `net` does not say how it was built (imported networks do not).
    """
    fresh = build(spec_of(net), data, seed, float(net.notes.get("start_rate", 0.0)))
    for drawn, trained in zip(fresh.connections, net.connections, strict=True):
        drawn.trainable = trained.trainable
    # a population that never moved in float says nothing of what learning reaches
    ranges = {name: largest or 1.0 for name, largest in state_ranges(net, data.part("train").x[:64]).items()}
    rounding = "stochastic" if lost_bits(profile) else "nearest"
    with warnings.catch_warnings():
        # drawn weights may well lie below the steps of those that learning reaches
        warnings.filterwarnings("ignore", message=".* became 0", category=HyprWarning)
        qnet = quantize(
            fresh, profile, calibration=ranges, weight_range=weight_ranges(net), rounding=rounding, seed=seed
        )
    return fresh, qnet


def spec_of(net: Network) -> Any:
    """Return the specification that a network was built from; InputError where it does not know it."""
    if "spec" not in net.notes:
        raise InputError(
            "learning from scratch needs the network's spec, and this one was imported without; "
            "train it with hypr-neuro, or let it go on learning instead"
        )
    return net.notes["spec"]


def learn_stage(
    folder: RunFolder,
    kind: str,
    description: str,
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    epochs: int,
    options: LearnOptions,
    reference: float | None,
    device: str = "sim",
    checkpoint: Path | None = None,
    on_epoch: Callable[[str, int], None] | None = None,
    on_sample: Progress | None = None,
) -> Comparison:
    """Learn on the device beside the float rule; write learned_<kind>.h5 and its part of section "learning".

    Parameters
    ----------
    folder
        Run folder.
    kind
        "scratch" or "fine_tuning", the name of the part.
    description
        What is learned, in words.
    net, qnet
        The network in float and in integers.
    data
        Sequences with their split.
    epochs, options
        Of learning.
    reference
        Accuracy before a disturbance, for the share of lost points regained; None from scratch.
    device
        Where the integers learn.
    checkpoint
        Folder from which an interrupted call goes on.
    on_epoch, on_sample
        Called as learning goes on.

    Returns
    -------
    Comparison
        Accuracy, gradients, weights and spikes of both.
    """
    started = time.perf_counter()
    comparison = compare(
        net,
        qnet,
        data,
        device=device,
        epochs=epochs,
        options=options,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        on_sample=on_sample,
    )
    comparison.device.save(folder.file(f"learned_{kind}.h5"))
    first, last = comparison.epochs[0], comparison.epochs[-1]
    start: dict[str, float | None] = {"start_accuracy": first.device_accuracy}
    if data.regression:
        start = {"start_squared_error": first.device_squared_error}
    section: dict[str, Any] = {"what": description, **start, **comparison.as_dict()}
    if reference is not None:
        section["reference_accuracy"] = reference
        section["regained"] = regained(reference, first.device_accuracy, last.device_accuracy)
        section["float_regained"] = regained(reference, first.float_accuracy, last.float_accuracy)
    folder.merge("learning", {kind: section})
    folder.merge("seconds", {f"learn {kind}": time.perf_counter() - started})
    return comparison


def doubts_of_comparison(comparison: Comparison, test: SequenceData) -> list[str]:
    """Say that learning on the device cost something, or ended where always answering the same would."""
    first, last = comparison.epochs[0], comparison.epochs[-1]
    before, after = first.device_squared_error, last.device_squared_error
    if before is None or after is None:
        told = of_learning(first.device_accuracy, last.device_accuracy, LOSS)
        return told + of_score(last.device_accuracy, majority(test), len(test))
    return of_learning_error(before, after, LOSS) + of_squared_error(after, mean_error(test), len(test))


def regained(reference: float, disturbed: float, after: float) -> float:
    """Return the share of the lost points that learning brought back; NaN if nothing was lost."""
    lost = reference - disturbed
    return (after - disturbed) / lost if lost > 0 else float("nan")


def compare_stage(
    folder: RunFolder,
    kind: str,
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    seed: int,
    damage: bool,
    epochs: int,
    options: LearnOptions,
    find_rate: bool = False,
    **run_options: Any,
) -> Comparison:
    """Learn beside the float rule, from scratch, after a disturbance or going on as it is.

    Parameters
    ----------
    folder
        Run folder.
    kind
        "scratch" draws network and neuron parameters anew, "fine_tuning" goes on from `qnet`.
    net, qnet
        The network in float and in integers.
    data
        Sequences with their split.
    seed
        Of everything random.
    damage
        Disturb chip and sensor first (`compare.disturb`).
    epochs, options
        Of learning.
    find_rate
        After a disturbance, learn at a rate that is found on training samples in place of that of `options`.
    **run_options
        Device and callbacks of `learn_stage`.

    Returns
    -------
    Comparison
        Accuracy, gradients, weights and spikes of both.
    """
    start = start_of(folder, kind, net, qnet, data, seed=seed, damage=damage, options=options, find_rate=find_rate)
    return learn_stage(
        folder,
        kind,
        start.description,
        start.net,
        start.qnet,
        start.data,
        epochs=epochs,
        options=start.options,
        reference=start.reference,
        **run_options,
    )


@dataclass(frozen=True)
class LearningStart:
    """What both sides of a comparison start from.

    Attributes
    ----------
    net, qnet, data
        Drawn anew or damaged, as asked for.
    options
        Of learning, with their seed.
    description
        In words.
    reference
        Accuracy before a disturbance; None without one.
    """

    net: Network
    qnet: QuantizedNetwork
    data: SequenceData
    options: LearnOptions
    description: str
    reference: float | None


def start_of(
    folder: RunFolder,
    kind: str,
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    seed: int,
    damage: bool,
    options: LearnOptions,
    find_rate: bool = False,
) -> LearningStart:
    """Draw a network anew, damage it, or leave it, as `compare_stage` does; the same arguments give the same start."""
    reference: float | None
    inference = None if kind == "scratch" else _known(folder, net, qnet, data, needed=damage)
    _describe(folder, net, qnet)
    if kind == "scratch":
        net, qnet = from_scratch(net, qnet.profile, data, seed + 1)
        description, reference = "from random weights and neuron parameters", None
    elif damage:
        # there are no points to win back of a regression: its errors stand side by side
        reference = None if data.regression or inference is None else inference.integer_score.accuracy
        qnet, data, description = disturb(qnet, data, seed=seed)
        if find_rate:
            options = replace(options, rate=search_rate(qnet, data, options).rate)
    else:
        description, reference = "going on from the quantized network", None
    return LearningStart(net, qnet, data, replace(options, seed=seed), description, reference)


def _known(
    folder: RunFolder, net: Network, qnet: QuantizedNetwork, data: SequenceData, *, needed: bool
) -> Accuracies | None:
    """Return the scores of both networks before anything learns; the report gets them where it has none."""
    scores = folder.read("squared_error" if data.regression else "accuracy") or {}
    if "integer" in scores and not needed:
        return None
    inference = compare_inference(net, qnet, data)
    if "integer" not in scores:
        write_scores(folder, inference, data)
    return inference


def _describe(folder: RunFolder, net: Network, qnet: QuantizedNetwork) -> None:
    """Say which network and chip these are, where no earlier stage did."""
    if folder.read("network") is None:
        folder.write("network", describe_network(net))
    if folder.read("profile") is None:
        folder.write("profile", describe_profile(qnet.profile))

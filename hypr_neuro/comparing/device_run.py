"""One run of learning on one device: weights after every epoch, outputs of the learned network, and its own scores."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.comparing.epochs import KeptEpochs, integers_of, with_integers
from hypr_neuro.comparing.gap import figure_of
from hypr_neuro.comparing.kept import KeptRuns, run_key
from hypr_neuro.data.score import score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import open_device
from hypr_neuro.devices.device import Device
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learn import LearnEpoch
from hypr_neuro.sim.learning.options import LearnOptions


@dataclass(frozen=True)
class DeviceRun:
    """What a device did.

    Attributes
    ----------
    device
        Its name.
    scores
        Before learning and after each epoch, from outputs that the device itself computed.
    integers
        After each epoch, by name: the mantissas of a connection, "NAME, neurons" the integers of a population.
    outputs : (sample, T, outputs)
        Of the learned network on the part that is scored.
    seconds
        Of learning.
    link
        What the link to the device carried, by name; {} of a device without one.
    """

    device: str
    scores: list[float]
    integers: list[dict[str, Array]]
    outputs: Array
    seconds: float
    link: dict[str, float] = field(default_factory=dict)

    def network(self, start: QuantizedNetwork) -> QuantizedNetwork:
        """Return the learned network, `start` with what the last epoch left."""
        return with_integers(start, self.integers[-1])


def run_on_device(
    name: str,
    qnet: QuantizedNetwork,
    data: SequenceData,
    epochs: int,
    options: LearnOptions,
    part: str,
    kept: KeptRuns | None = None,
) -> DeviceRun:
    """Learn on the device of that name; one that was interrupted goes on from its last checkpoint, where it keeps some.

    Parameters
    ----------
    name
        As `open_device` takes it.
    qnet, data, epochs, options
        Of learning.
    part
        What is scored.
    kept
        Where finished runs and epochs are kept.
    """
    key = run_key(f"on {name}", qnet, data, epochs, part, options)
    held = None if kept is None else kept.read(key)
    if held is not None:
        return _of_file(name, held)
    epochs_kept = None if kept is None else KeptEpochs(kept.folder, name, qnet, data, epochs, part, options)
    integers = [] if epochs_kept is None else [integers_of(learned) for learned in epochs_kept.before()]
    chosen, started = data.part(part), time.perf_counter()

    def keep(entry: LearnEpoch, learned: QuantizedNetwork) -> None:
        integers.append(integers_of(learned))
        if epochs_kept is not None:
            epochs_kept.keep(len(integers), learned)

    with open_device(name) as device:
        more = {} if epochs_kept is None else epochs_kept.checkpoint(device)
        device.load(qnet)
        device.learn(data, epochs=epochs, options=options, on_epoch=keep, progress=False, **more)
        seconds = time.perf_counter() - started
        scores, outputs = [_scored(device, qnet, chosen)[0]], np.zeros(0)
        for after in integers:
            score, outputs = _scored(device, with_integers(qnet, after), chosen)
            scores.append(score)
        statistics = getattr(device, "link", None)
        link = {} if statistics is None else statistics.as_dict()
    run = DeviceRun(name, scores, integers, outputs, seconds, link)
    if kept is not None and epochs_kept is not None:
        kept.write(key, {"scores": scores, "seconds": seconds, "epochs": epochs, "link": link}, _flat(run))
        epochs_kept.drop()
    return run


def _scored(device: Device, qnet: QuantizedNetwork, chosen: SequenceData) -> tuple[float, Array]:
    """Run a network on the device; return score and outputs."""
    device.load(qnet)
    outputs = np.asarray(device.run(chosen.x).readout)
    return figure_of(score_readout(qnet.for_score(outputs, regression=chosen.regression), chosen)), outputs


def first_difference(one: DeviceRun, other: DeviceRun) -> str:
    """Tell where two devices first differ, "" where they are equal bit for bit."""
    for epoch, (ours, theirs) in enumerate(zip(one.integers, other.integers, strict=True), start=1):
        for name, array in ours.items():
            place = _first_place(array, theirs[name])
            if place is not None:
                return f"after epoch {epoch}, {name}, {_told(array, theirs[name], place, one, other)}"
    place = _first_place(one.outputs, other.outputs)
    if place is None:
        return ""
    return f"outputs (sample, step, output), {_told(one.outputs, other.outputs, place, one, other)}"


def _first_place(ours: Array, theirs: Array) -> tuple[int, ...] | None:
    apart = np.argwhere(ours != theirs)
    return tuple(int(i) for i in apart[0]) if len(apart) else None


def _told(ours: Array, theirs: Array, place: tuple[int, ...], one: DeviceRun, other: DeviceRun) -> str:
    count = int(np.count_nonzero(ours != theirs))
    return (
        f"entry {', '.join(map(str, place))}: {ours[place]} on {one.device}, {theirs[place]} on {other.device} "
        f"({count} of {ours.size} entries differ)"
    )


def _flat(run: DeviceRun) -> dict[str, Array]:
    arrays = {f"{k}/{name}": a for k, epoch in enumerate(run.integers) for name, a in epoch.items()}
    return arrays | {"outputs": run.outputs}


def _of_file(name: str, held: tuple[dict[str, Any], dict[str, Array]]) -> DeviceRun:
    figures, arrays = held
    integers: list[dict[str, Array]] = [{} for _ in range(figures["epochs"])]
    for key, array in arrays.items():
        number, slash, place = key.partition("/")
        if slash:
            integers[int(number)][place] = array
    return DeviceRun(name, figures["scores"], integers, arrays["outputs"], figures["seconds"], figures["link"])

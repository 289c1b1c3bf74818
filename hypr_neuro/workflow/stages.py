"""The stages of a run, each one function: does the work, writes its files and its section of the report.

Used one by one by the commands and in a row by the demo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hypr_neuro.comparing.compare import (
    Accuracies,
    aligned,
    compare_inference,
    spike_agreement,
)
from hypr_neuro.compilers import place_network
from hypr_neuro.data.augment import augment
from hypr_neuro.data.doubts import of_changed_rates, of_rates, of_saturations, warn_of
from hypr_neuro.data.score import Score, doubts_of, majority, predict
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import open_device
from hypr_neuro.errors import DoesNotFitError, HyprError, InputError, MissingPackageError
from hypr_neuro.exchange.nir import read_nir, write_nir
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.complexity import complexity
from hypr_neuro.placement.estimate import estimate_placed
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.run.run_float import run_float
from hypr_neuro.sim.engine import simulate
from hypr_neuro.train.initial import scale_to_rate
from hypr_neuro.train.loop import evaluate, train
from hypr_neuro.train.quantized import QuantizationAware, quantization_aware
from hypr_neuro.train.run import Epoch, History
from hypr_neuro.workflow.describe import describe_network, describe_profile
from hypr_neuro.workflow.equal import require_equal_networks, require_equal_traces
from hypr_neuro.workflow.tasks import Task

Progress = Callable[[int, int], None]


def train_stage(
    folder: RunFolder,
    data: SequenceData,
    task: Task,
    *,
    seed: int,
    epochs: int | None = None,
    spec: Any = None,
    start: Network | None = None,
    training: Mapping[str, Any] | None = None,
    freeze: Sequence[str] = (),
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Network:
    """Build and train the float network; write network.h5.

    A checkpoint lies beside it, from which an interrupted run goes on, and one that was shorter. Of a run that is
    finished nothing is written again, and `on_epoch` is not called.

    Parameters
    ----------
    folder
        Run folder.
    data
        Sequences with their split.
    task
        Settings that suit the data.
    seed
        Draws start weights and the order of samples.
    epochs
        In place of the task's.
    spec
        Network in place of the task's.
    start
        Network that goes on training in place of a new one.
    training
        Options of `train` in place of the task's.
    freeze
        Connections whose start weights stay, see `Network.freeze`.
    on_epoch
        Called with each epoch as it ends.

    Returns
    -------
    Network
        The trained network.
    """
    started = time.perf_counter()
    ran: list[Epoch] = []

    def noted(epoch: Epoch) -> None:
        ran.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)

    options = dict(training or {}) | ({"epochs": epochs} if epochs else {})
    options |= {"checkpoint": folder.file("checkpoint"), "on_epoch": noted}
    if start is None:
        net, history = fit(data, task, seed=seed, spec=spec, freeze=freeze, **options)
    else:
        start.freeze(*freeze)
        net, history = start, train_more(start, data, task, seed=seed, **options)
    if not ran and _holds(folder, net):
        return net
    net.save(folder.file("network.h5"))
    folder.write("network", describe_network(net))
    chip: QuantizationAware | None = None if "quantized" not in options else quantization_aware(options["quantized"])
    section = {"rule": options.get("rule", "hypr"), "best": history.best, "epochs": [asdict(e) for e in history.epochs]}
    if chip is not None:
        section |= {"arithmetic": "quantized", "profile": load_profile(chip.profile).name}
    folder.write("training", section)
    earlier = (folder.read("seconds") or {}).get("train", 0.0) if len(ran) < len(history.epochs) else 0.0
    folder.merge("seconds", {"train": earlier + time.perf_counter() - started})
    _note_score(folder, "float", evaluate(net, data, learned=chip is None))
    if chip is not None:
        qnet = quantize(net, chip.profile, calibration=data, **chip.options)
        _note_score(folder, "integer", evaluate(qnet, data))
    return net


def _note_score(folder: RunFolder, arithmetic: str, score: Score) -> None:
    """Write the score on the test part of the float network, or of its integers."""
    if score.squared_error is None:
        folder.merge("accuracy", {arithmetic: score.accuracy, f"{arithmetic}_labelled": score.labelled})
        return
    errors = {arithmetic: score.squared_error, f"{arithmetic}_r2": score.r2, "mean": score.mean_error}
    folder.merge("squared_error", errors)


def _holds(folder: RunFolder, net: Network) -> bool:
    """Tell whether a run folder holds this network, and all that training writes beside it."""
    score = "accuracy" if folder.read("squared_error") is None else "squared_error"
    sections = ("network", "training", "seconds", score)
    path = folder.file("network.h5")
    if not path.is_file() or any(folder.read(section) is None for section in sections):
        return False
    try:
        require_equal_networks(net, Network.load(path))
    except HyprError:
        return False
    return True


def fit(
    data: SequenceData, task: Task, *, seed: int = 0, spec: Any = None, freeze: Sequence[str] = (), **options: Any
) -> tuple[Network, History]:
    """Build a network by `spec` or the task's and train it; `options` of `train` go before the task's own."""
    net = build(task.spec(data) if spec is None else spec, data, seed, task.start_rate)
    net.freeze(*freeze)
    for p in net.populations if task.held else ():
        p.trainable = tuple(name for name in p.trainable if name not in task.held)
    if task.augment:
        data = augment(data, seed=seed, **task.augment)
    settings = {"epochs": task.epochs, "batch_size": task.batch_size, "rate": task.rate} | task.training | options
    return net, train(net, data, seed=seed, **settings)


def train_more(net: Network, data: SequenceData, task: Task, *, seed: int = 0, **options: Any) -> History:
    """Train a network that is there: a tenth of the task's rate, the data as they are; `options` of `train` go before.

    The task's other settings suit a network of its own, from random weights.
    """
    settings = {"epochs": task.epochs, "batch_size": task.batch_size, "rate": task.rate / 10} | options
    return train(net, data, seed=seed, **settings)


def build(spec: Any, data: SequenceData, seed: int, start_rate: float) -> Network:
    """Return a network with random weights, scaled until it fires at `start_rate` on training samples (0: unscaled).

    Weights that the specification freezes are scaled like others, and stay from then on.
    """
    net = Network.build(spec, seed=seed)
    if net.inputs != data.channels or net.output_size < data.classes:
        raise InputError(
            f"network spec: {net.inputs} inputs and {net.output_size} outputs, data '{data.name}' has "
            f"{data.channels} channels and {data.classes} classes"
        )
    net.notes["start_rate"] = start_rate
    if start_rate:
        frozen = [c for c in net.connections if not c.trainable]
        for c in frozen:
            c.trainable = True
        scale_to_rate(net, data.part("train").x[:64], start_rate)
        for c in frozen:
            c.trainable = False
    return net


def nir_stage(folder: RunFolder, net: Network) -> Network:
    """Write network.nir, read it back and require it to be equal."""
    path = folder.file("network.nir")
    summary = write_nir(net, path)
    read_back = read_nir(path)
    require_equal_networks(net, read_back)
    folder.write("nir", {"file": path.name, "equal": True, "approximations": list(summary.approximations)})
    return read_back


def quantize_stage(
    folder: RunFolder, net: Network, profile: Profile, data: SequenceData, **options: Any
) -> QuantizedNetwork:
    """Make integers for the profile, calibrated on training samples; write quantized.h5 and return the network.

    `options` are those of `quantize`.
    """
    started = time.perf_counter()
    qnet = quantize(net, profile, calibration=data, **options)
    qnet.save(folder.file("quantized.h5"))
    folder.write("network", describe_network(net))
    folder.write("profile", describe_profile(profile))
    folder.merge("quantization", {"record": qnet.record, "notes": qnet.notes})
    folder.merge("seconds", {"quantize": time.perf_counter() - started})
    return qnet


def simulate_stage(folder: RunFolder, net: Network, qnet: QuantizedNetwork, data: SequenceData) -> dict[str, Any]:
    """Write scores of float and integer network, saturations, rates, agreement, and the raster of one sample."""
    started = time.perf_counter()
    inference = compare_inference(net, qnet, data)
    test = data.part("test")
    samples, driven = test.x[:8], bool(np.any(test.x))
    doubts = of_rates(inference.rates, driven=driven) + of_changed_rates(inference.float_rates, inference.rates)
    updates = {p.name: float(p.size * test.x[..., 0].size) for p in qnet.populations}
    warn_of(doubts + of_saturations(inference.events, updates))
    warn_of(doubts_of(inference.integer_score, test))
    folder.merge(
        "quantization",
        {
            "events": inference.events,
            "spike_agreement": spike_agreement(net, qnet, samples),
            "rates": {k: {"float": inference.float_rates[k], "integer": v} for k, v in inference.rates.items()},
        },
    )
    scores = write_scores(folder, inference, data)
    folder.write("raster", raster(net, qnet, test.take(np.arange(1))))
    folder.merge("seconds", {"simulate": time.perf_counter() - started})
    return scores


def write_scores(folder: RunFolder, inference: Accuracies, data: SequenceData) -> dict[str, Any]:
    """Write the scores of both networks and what they are held against; return the section."""
    if data.regression:
        return folder.merge("squared_error", _squared_errors(inference))
    return folder.merge("accuracy", _accuracies(inference, data))


def _accuracies(inference: Accuracies, data: SequenceData) -> dict[str, Any]:
    """Return section "accuracy"."""
    return {
        "float": inference.float_score.accuracy,
        "float_labelled": inference.float_score.labelled,
        "integer": inference.integer_score.accuracy,
        "integer_labelled": inference.integer_score.labelled,
        "difference_points": 100 * (inference.integer_score.accuracy - inference.float_score.accuracy),
        "agreement": inference.agreement,
        "baselines": baselines(data),
        "majority": majority(data.part("test")),
    }


def _squared_errors(inference: Accuracies) -> dict[str, Any]:
    """Return section "squared_error"."""
    real, integer = inference.float_score, inference.integer_score
    return {
        "float": real.squared_error,
        "float_r2": real.r2,
        "integer": integer.squared_error,
        "integer_r2": integer.r2,
        "mean": integer.mean_error,
        "agreement": inference.agreement,
    }


def baselines(data: SequenceData) -> dict[str, float]:
    """Return what a simple method reaches: logistic regression on event counts, or the most frequent class."""
    train_part, test = data.part("train"), data.part("test")
    one_class = len(np.unique(train_part.y)) == 1  # which no regression can be fitted to
    if data.per_step or one_class:
        scored = np.ones(test.y.shape, bool) if test.mask is None or not data.per_step else test.mask
        frequent = np.bincount(train_part.y.reshape(-1)).argmax()
        return {"always the most frequent class": float((test.y == frequent)[scored].mean())}
    from sklearn.linear_model import LogisticRegression

    def counts(part: SequenceData) -> Array:
        blocks = np.array_split(part.x.astype(np.float64), 8, axis=1)
        return np.concatenate([b.mean(axis=1) for b in blocks], axis=1)

    fitted = LogisticRegression(max_iter=5000).fit(counts(train_part), train_part.y)
    share = float((fitted.predict(counts(test)) == test.y).mean())
    return {"logistic regression on event counts in 8 time bins": share}


def raster(net: Network, qnet: QuantizedNetwork, sample: SequenceData) -> dict[str, Any]:
    """Return the spikes of the first population that has some for one sample, as [step, neuron] pairs.

    Both in float and in integers.
    """
    real = run_float(net, sample.x, dtype=np.float32)
    trace = simulate(qnet, sample.x, record=("spikes",))
    spiking = [i for i, p in enumerate(net.populations) if p.name in real.spikes]
    if not spiking:
        return {"skipped": "no population of this network spikes"}
    place = next((i for i in spiking if real.counts[net.populations[i].name].any()), spiking[0])
    name = qnet.name(place)
    float_raster = real.spikes[net.populations[place].name][:, 0]
    integer_raster = aligned(qnet, trace.spikes, name, sample.steps)[:, 0]
    by_sample = not sample.per_step
    return {
        "layer": name,
        "sample": 0,
        "steps": sample.steps,
        "neurons": net.populations[place].size,
        "float": np.argwhere(float_raster).tolist(),
        "integer": np.argwhere(integer_raster).tolist(),
        "label": _answer(sample.y) if by_sample else "one label a step",
        "predicted_float": _answer(predict(real.readout, sample)) if by_sample else "–",
        "predicted_integer": _answer(predict(qnet.for_score(trace.readout, regression=sample.regression), sample))
        if by_sample
        else "–",
    }


def _answer(answers: Array) -> str:
    """Return the first answer as text: a class, or the outputs of a regression."""
    first = answers[0]
    return ", ".join(f"{value:.3g}" for value in first) if np.ndim(first) else str(int(first))


def place_stage(folder: RunFolder, qnet: QuantizedNetwork, data: SequenceData, learning: bool = True) -> dict[str, Any]:
    """Write cores, memory, energy and time estimate; return the section.

    Of a network that cannot learn, or does not fit if it does, write the placement without learning, and why; of one
    that does not fit at all the reason alone.
    """
    reason = ""
    for counted in (True, False) if learning else (False,):
        try:
            placement = place_network(qnet, learning=counted)
        except (DoesNotFitError, InputError) as error:
            reason = reason or str(error)
            continue
        cost = estimate_placed(placement, qnet, data, counted)
        section = placement.section() | cost.figures() | {"estimate": cost.as_dict()}
        section["complexity"] = complexity(qnet, data).as_dict()
        section |= {"reason": f"Without learning, since with it: {reason}"} if reason else {}
        return dict(folder.write("placement", section))
    return dict(folder.write("placement", {"fits": False, "learning": False, "reason": reason}))


def lava_stage(folder: RunFolder, qnet: QuantizedNetwork, data: SequenceData, samples: int) -> dict[str, Any]:
    """Run the same integers as Lava processes and require equal spikes and states.

    Where Lava is absent, or cannot say what the profile asks for, the section says why the stage was left out.
    """
    started = time.perf_counter()
    x = data.part("test").x[:samples]
    record = ("spikes", *sorted({s for p in qnet.populations for s in p.model.state_names}))
    try:
        with open_device("lava") as device:
            device.load(qnet)
            lava_trace = device.run(x, record=record)
    except (MissingPackageError, InputError) as error:
        return dict(folder.write("lava", {"skipped": str(error)}))
    sim_trace = simulate(qnet, x, record=record)
    require_equal_traces(sim_trace, lava_trace)
    section = {
        "equal": True,
        "samples": len(x),
        "steps": qnet.clock.run_steps(data.steps) * len(x),
        "compared": "spikes and states of every layer in every step",
        "seconds": time.perf_counter() - started,
    }
    return dict(folder.write("lava", section))

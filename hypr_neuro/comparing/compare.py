"""Learning on a device beside float training: same data, same order, same number of updates, same rule.

The float side (`twin.FloatTwin`) starts from the device's own weights, each mantissa times its step, and follows the
same rule: HYPR gradients, delayed as on the device, the same update after the same samples or steps, rates in units of
the device's own steps. What differs is arithmetic alone: integer states, eligibilities, errors, weights and
parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from hypr_neuro.comparing.agreement import (
    aligned,
    equal_shares,
    float_spikes,
    integer_rates,
    spike_agreement,
    spikes_of_both,
)
from hypr_neuro.comparing.compared import ComparedEpoch, Comparison
from hypr_neuro.comparing.disturbance import disturb
from hypr_neuro.comparing.divergence import first_divergence
from hypr_neuro.comparing.epochs import KeptEpochs
from hypr_neuro.comparing.inference import Accuracies, compare_inference
from hypr_neuro.comparing.probes import gradient_fidelity, probe
from hypr_neuro.comparing.twin import FloatTwin, TwinEpoch
from hypr_neuro.data.cross_entropy import cross_entropy
from hypr_neuro.data.score import score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import open_device, require_capability
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_functions, said
from hypr_neuro.progress import progress_bar
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.learned_values import values_of
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.quantizing.same import check_same
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.learn import LearnEpoch, LearnOptions
from hypr_neuro.sim.learning.search_rate import search_rate
from hypr_neuro.sim.learning.updates import UPDATES

PROBE_SAMPLES = 4


def compare(
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    device: str = "sim",
    epochs: int = 1,
    options: LearnOptions | None = None,
    part: str = "test",
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[str, int], None] | None = None,
    on_sample: Callable[[int, int], None] | None = None,
    progress: bool | None = None,
) -> Comparison:
    """Let `qnet` learn on a device, and the float rule beside it from the same start.

    Parameters
    ----------
    net
        The float network whose neuron parameters both sides take (its weights are not used).
    qnet
        What learns.
    data
        What it learns from.
    device
        Name of the device.
    epochs
        How many.
    options
        Of learning; None: with a rate that is found on training samples, as `learn` does.
    part
        Part of the data on which both sides are scored.
    checkpoint
        Folder; what the device learned is kept there, and a later call goes on from it, bit for bit, where the device
        can resume.
    on_epoch
        Called with "device" or "float" and the number of epochs finished.
    on_sample
        Called as a learner's.
    progress
        Show a bar; None: in terminals and notebooks, unless `on_epoch` or `on_sample` is given.

    Raises
    ------
    InputError
        For options or data that do not fit.
    """
    require("net", net, Network)
    require("qnet", qnet, QuantizedNetwork)
    require("data", data, SequenceData)
    require_functions(on_epoch=on_epoch, on_sample=on_sample)
    if options is not None and not isinstance(options, LearnOptions):
        raise InputError(f"{said('options', options)}, rule: hn.LearnOptions(rate=…)")
    open_rate, options = options is None, options_for(options or LearnOptions(), data)
    options.check(qnet)
    check_same(net, qnet)
    require_capability(device, "learn")
    if open_rate:
        options = replace(options, rate=search_rate(qnet, data, options).rate)
    chosen = data.part(part)
    twin = FloatTwin(net, qnet, options)
    kept = None if checkpoint is None else KeptEpochs(Path(checkpoint), device, qnet, data, epochs, part, options)
    snapshots: list[QuantizedNetwork] = [] if kept is None else kept.before()

    def keep(entry: LearnEpoch, learned: QuantizedNetwork) -> None:
        snapshots.append(learned.copy())
        if kept is not None:
            kept.keep(len(snapshots), learned)
        if on_epoch is not None:
            on_epoch("device", len(snapshots))

    def told(done: int, samples: int) -> None:
        advance(len(snapshots) * samples + done, epochs * samples, "samples on the device")
        if on_sample is not None:
            on_sample(done, samples)

    bar = progress_bar("compare", progress, on_epoch, on_sample)
    with bar as advance, _quick_turns(), ThreadPoolExecutor(1) as pool:
        beside = pool.submit(twin.learn, data, epochs, part, on_epoch)
        try:
            with open_device(device) as chip:
                chip.load(qnet)
                more = {} if kept is None else kept.checkpoint(chip)
                run = chip.learn(data, epochs=epochs, options=options, on_epoch=keep, on_sample=told, **more)
            float_steps = beside.result()
        finally:
            # an error or Ctrl-C on this side must not wait for the other to finish
            twin.stopped.set()
    start = LearnEpoch(0, float("nan"), 0.0, 0, 0, {})
    entries = [_entry(0, net, qnet, start, float_steps[0], data, chosen, options)]
    for i, (entry, learned) in enumerate(zip(run.epochs, snapshots, strict=True), start=1):
        entries.append(_entry(i, net, learned, entry, float_steps[i], data, chosen, options))
    words = {c.name: _connection_in_words(c) for layer in twin.plan.layers for c in layer.incoming}
    return Comparison(entries, run.qnet, twin.form.seen, in_words(options), twin.updates, _notes(twin), words)


def _connection_in_words(c: Incoming) -> str:
    """Tell the form of a connection and whether it learns."""
    connection = c.connection
    if connection.bias_axon and connection.columns == 1:
        form = "constant current"
    elif isinstance(connection.mantissa, Convolution):
        form = f"convolution, {connection.entries().size} weights"
    else:
        form = f"{connection.entries().size} {'dense' if connection.dense else 'sparse'} weights"
    delay = f", delay {connection.largest_delay}" if connection.largest_delay else ""
    return form + delay + ("" if c.learns else ", frozen")


def _notes(twin: FloatTwin) -> list[str]:
    """Say where the time of a float network cannot be the device's."""
    return [
        f"{name}: on the device, what this connection brings comes before its step in float time; accuracy and spikes "
        "of the float side are of a network in which it takes no time"
        for name in twin.form.early
    ]


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let threads take turns quickly: by default Python lets one wait 5 ms, longer than a sample takes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def in_words(options: LearnOptions) -> str:
    """Tell the rule of both sides for a report."""
    every, unit = options.update_every, options.update_on
    parts = [
        "HYPR eligibilities, batch 1",
        f"update after every {unit}" if every == 1 else f"update after every {every} {unit}s",
        UPDATES[options.rule].description,
        f"rate {options.rate} weight steps, × {options.decay} an epoch",
    ]
    if options.momentum:
        parts.insert(3, f"averaged over about {1 << options.momentum} updates")
    if options.parameters:
        parts.append(f"neuron parameters with rate {options.parameter_rate}: {', '.join(options.parameters)}")
    if options.feedback != "symmetric":
        parts.append(f"{options.feedback} feedback")
    return ", ".join(parts)


def _entry(
    number: int,
    net: Network,
    qnet: QuantizedNetwork,
    learned: LearnEpoch,
    float_side: TwinEpoch,
    data: SequenceData,
    chosen: SequenceData,
    options: LearnOptions,
) -> ComparedEpoch:
    train = data.part("train")
    probed = probe(net, qnet, train.take(np.arange(min(PROBE_SAMPLES, len(train)))), options)
    form = FloatForm(net, qnet)
    outputs = simulate(qnet, chosen.x).readout
    score = score_readout(qnet.for_score(outputs, regression=data.regression), chosen, learned=number > 0)
    spikes = spikes_of_both(form.net, qnet, chosen.x[:PROBE_SAMPLES])
    return ComparedEpoch(
        epoch=number,
        device_accuracy=score.accuracy,
        float_accuracy=float_side.score.accuracy,
        online_accuracy=learned.online_accuracy,
        weight_distance=_distance(form, float_side.weights),
        cosine=probed.cosine,
        norm_ratio=probed.norm_ratio,
        spike_agreement=equal_shares(*spikes),
        divergence=first_divergence(*spikes),
        rates={name: float(np.mean(trains != 0)) for name, trains in spikes[1].items()},
        float_rates={name: float(np.mean(trains != 0)) for name, trains in spikes[0].items()},
        weights_saturated=learned.weights_saturated,
        weights_changed=learned.weights_changed,
        clips=learned.clips,
        parameter_distance=_parameter_distance(form, float_side.values),
        free_cosine=probed.free_cosine,
        free_norm_ratio=probed.free_norm_ratio,
        dead=probed.dead,
        saturated=probed.saturated,
        dead_zone=learned.dead_zone,
        hypr_cosine=probed.hypr_cosine,
        bptt_cosine=probed.bptt_cosine,
        device_loss=cross_entropy(qnet.for_score(outputs, regression=True), chosen),
        float_loss=float_side.loss,
        device_squared_error=score.squared_error,
        float_squared_error=float_side.score.squared_error,
        online_squared_error=learned.online_squared_error,
    )


def _parameter_distance(form: FloatForm, expected: dict[str, Array]) -> dict[str, float]:
    distances = {}
    for population in form.net.populations:
        for j, parameter in enumerate(population.model.trainable):
            name = f"{population.name}.{parameter}"
            if name in expected:
                norm = float(np.linalg.norm(expected[name]))
                error = float(np.linalg.norm(values_of(population)[j] - expected[name]))
                distances[name] = error / norm if norm > 0 else float("nan")
    return distances


def _distance(form: FloatForm, float_weights: dict[str, Array]) -> float:
    difference = total = 0.0
    for name, real in form.weights().items():
        expected = float_weights[name]
        difference += float(np.sum((real - expected) ** 2))
        total += float(np.sum(expected**2))
    return float(np.sqrt(difference / total)) if total > 0 else float("nan")


__all__ = [
    "Accuracies",
    "ComparedEpoch",
    "Comparison",
    "FloatTwin",
    "aligned",
    "compare",
    "compare_inference",
    "dequantize",
    "disturb",
    "float_spikes",
    "gradient_fidelity",
    "in_words",
    "integer_rates",
    "spike_agreement",
]

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
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from hypr_neuro.comparing.agreement import aligned, float_spikes, integer_rates, spike_agreement
from hypr_neuro.comparing.probes import gradient_fidelity, probe
from hypr_neuro.comparing.twin import FloatTwin, TwinEpoch
from hypr_neuro.data.score import Score, predict, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import open_device
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.learned_values import values_of
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learn import LearnEpoch, LearnOptions
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.traces.float_trace import float_trace
from hypr_neuro.traces.trace import SPIKES

PROBE_SAMPLES = 4


@dataclass
class ComparedEpoch:
    """One epoch of both sides; epoch 0 is before learning.

    Attributes
    ----------
    weight_distance
        |w_device - w_float| / |w_float| over all connections.
    parameter_distance
        The same of the values of neuron parameters that learn, by parameter.
    cosine, norm_ratio, dead
        Device gradient against the float rule's on the device's own weights and along its own spikes, see
        `probes.GradientProbe`. By connection and parameter, means over a few samples; NaN where a gradient is zero.
    free_cosine, free_norm_ratio
        Against the float network by itself.
    saturated
        Share of weights at the largest magnitude that their width has, by connection.
    dead_zone
        Share of the epoch's steps below half a unit, see `sim.learning.learn.LearnEpoch`.
    spike_agreement
        Share of equal entries, float and integer network with the device's weights, by layer.
    """

    epoch: int
    device_accuracy: float
    float_accuracy: float
    online_accuracy: float
    weight_distance: float
    cosine: dict[str, float]
    norm_ratio: dict[str, float]
    spike_agreement: dict[str, float]
    weights_saturated: int = 0
    weights_changed: int = 0
    clips: dict[str, int] = field(default_factory=dict)
    parameter_distance: dict[str, float] = field(default_factory=dict)
    free_cosine: dict[str, float] = field(default_factory=dict)
    free_norm_ratio: dict[str, float] = field(default_factory=dict)
    dead: dict[str, float] = field(default_factory=dict)
    saturated: dict[str, float] = field(default_factory=dict)
    dead_zone: float = 0.0


@dataclass
class Comparison:
    """Result of `compare`: an entry an epoch, the learned networks of both sides, the rule in words."""

    epochs: list[ComparedEpoch]
    device: QuantizedNetwork
    float_net: Network
    rule: str
    updates: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"epochs": [asdict(e) for e in self.epochs], "rule": self.rule, "updates": self.updates}


def compare(
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    device: str = "sim",
    epochs: int = 1,
    options: LearnOptions | None = None,
    part: str = "test",
    on_epoch: Callable[[str, int], None] | None = None,
    on_sample: Callable[[int, int], None] | None = None,
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
        Of learning.
    part
        Part of the data on which both sides are scored.
    on_epoch
        Called with "device" or "float" and the number of epochs finished.
    on_sample
        Called as a learner's.

    Raises
    ------
    InputError
        For options or data that do not fit.
    """
    require("net", net, Network)
    require("qnet", qnet, QuantizedNetwork)
    require("data", data, SequenceData)
    options = options or LearnOptions()
    options.check(qnet)
    chosen = data.part(part)
    twin = FloatTwin(dequantize(net, qnet), qnet, options)
    snapshots: list[tuple[LearnEpoch, QuantizedNetwork]] = []

    def keep(entry: LearnEpoch, learned: QuantizedNetwork) -> None:
        snapshots.append((entry, learned.copy()))
        if on_epoch is not None:
            on_epoch("device", len(snapshots))

    with _quick_turns(), ThreadPoolExecutor(1) as pool:
        beside = pool.submit(twin.learn, data, epochs, part, on_epoch)
        try:
            with open_device(device) as chip:
                chip.load(qnet)
                run = chip.learn(data, epochs=epochs, options=options, on_epoch=keep, on_sample=on_sample)
            float_steps = beside.result()
        finally:
            # an error or Ctrl-C on this side must not wait for the other to finish
            twin.stopped.set()
    start = LearnEpoch(0, float("nan"), 0.0, 0, 0, {})
    entries = [_entry(0, net, qnet, start, float_steps[0], data, chosen, options)]
    for i, (entry, learned) in enumerate(snapshots, start=1):
        entries.append(_entry(i, net, learned, entry, float_steps[i], data, chosen, options))
    return Comparison(entries, run.qnet, twin.net, in_words(options), twin.updates)


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
    probed = probe(net, qnet, data.part("train").take(np.arange(PROBE_SAMPLES)), options)
    real = dequantize(net, qnet)
    return ComparedEpoch(
        epoch=number,
        device_accuracy=score_readout(simulate(qnet, chosen.x).readout, chosen).accuracy,
        float_accuracy=float_side.accuracy,
        online_accuracy=learned.online_accuracy,
        weight_distance=_distance(qnet, float_side.weights),
        cosine=probed.cosine,
        norm_ratio=probed.norm_ratio,
        spike_agreement=spike_agreement(real, qnet, chosen.x[:PROBE_SAMPLES]),
        weights_saturated=learned.weights_saturated,
        weights_changed=learned.weights_changed,
        clips=learned.clips,
        parameter_distance=_parameter_distance(real, float_side.values),
        free_cosine=probed.free_cosine,
        free_norm_ratio=probed.free_norm_ratio,
        dead=probed.dead,
        saturated=probed.saturated,
        dead_zone=learned.dead_zone,
    )


def _parameter_distance(real: Network, expected: dict[str, Array]) -> dict[str, float]:
    distances = {}
    for i, layer in enumerate(real.layers):
        for j, parameter in enumerate(layer.model.trainable):
            name = f"{real.name(i)}.{parameter}"
            if name in expected:
                norm = float(np.linalg.norm(expected[name]))
                error = float(np.linalg.norm(values_of(layer)[j] - expected[name]))
                distances[name] = error / norm if norm > 0 else float("nan")
    return distances


def _distance(qnet: QuantizedNetwork, float_weights: dict[str, Array]) -> float:
    difference = total = 0.0
    for i, layer in enumerate(qnet.layers):
        for key, connection in layer.connections().items():
            real = connection.mantissa * layer.weight_step(connection)
            expected = float_weights[f"{qnet.name(i)}.{key}"]
            difference += float(np.sum((real - expected) ** 2))
            total += float(np.sum(expected**2))
    return float(np.sqrt(difference / total)) if total > 0 else float("nan")


@dataclass(frozen=True)
class Accuracies:
    """Float and integer network on the same data.

    Attributes
    ----------
    float_score, integer_score
        Of both.
    agreement
        Share of equal predictions.
    events
        Of the integer run.
    rates, float_rates
        Mean spikes a neuron and step of the integer and the float network by hidden layer, over the same samples and
        steps.
    """

    float_score: Score
    integer_score: Score
    agreement: float
    events: dict[str, dict[str, int]]
    rates: dict[str, float]
    float_rates: dict[str, float]


def compare_inference(net: Network, qnet: QuantizedNetwork, data: SequenceData, part: str = "test") -> Accuracies:
    """Score both networks, count how often they answer the same, and how much they fire."""
    chosen = data.part(part)
    real, trace = float_trace(net, chosen.x), simulate(qnet, chosen.x, record=(SPIKES,))
    same = float((predict(real.readout, chosen) == predict(trace.readout, chosen)).mean())
    return Accuracies(
        score_readout(real.readout, chosen),
        score_readout(trace.readout, chosen),
        same,
        trace.events,
        integer_rates(qnet, trace.spikes, chosen.steps),
        real.rates,
    )


def _worst_swap(weights: Array, x: Array) -> tuple[int, int]:
    """Return the two channels of `disturb`; weights (n, channel), x (sample, T, channel)."""
    events = x.reshape(-1, x.shape[2]).astype(np.float64)
    # E|a - b|² = E a² + E b² - 2 E ab, and the same for the columns of the weights
    activity, columns = events.T @ events / len(events), weights.T.astype(np.float64) @ weights
    effect = _distances(activity) * _distances(columns)
    first, second = np.unravel_index(effect.argmax(), effect.shape)
    return int(min(first, second)), int(max(first, second))


def _distances(products: Array) -> Array:
    squares = np.diag(products)
    return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)))


def disturb(
    qnet: QuantizedNetwork, data: SequenceData, *, share: float = 0.1, seed: int = 0
) -> tuple[QuantizedNetwork, SequenceData, str]:
    """Damage a chip and rewire its sensor: `share` of the weights set to 0 and two input channels swapped.

    The channels are the two whose exchange changes the first layer's currents most: the pair with the largest
    mean |x_i - x_j| · |w_i - w_j| on training samples. Return (network, data, description).
    """
    if not 0 <= share < 1:
        raise InputError(f"share = {share}, rule: 0 <= share < 1")
    damaged = qnet.copy()
    rng = np.random.default_rng([seed, 7])
    for weights in damaged.weights().values():
        weights[rng.random(weights.shape) < share] = 0
    first, second = _worst_swap(qnet.layers[0].input.mantissa[:, : qnet.inputs], data.part("train").x[:64])
    x = data.x.copy()
    x[:, :, [first, second]] = x[:, :, [second, first]]
    description = f"{share:.0%} of the weights set to 0, input channels {first} and {second} swapped"
    return damaged, replace(data, x=x), description


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

"""Learning on a device beside float training: same data, same order, same number of updates, same rule.

The float side starts from the device's own weights (each mantissa times its step) and follows the same update:
HYPR gradients of one sample, delayed as on the device, normalised by row and column, rate in units of the device's
weight step. What differs is arithmetic alone: integer states, eligibilities, errors and weights.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.forward import readout
from hypr_neuro.hil import open_device
from hypr_neuro.network import Network
from hypr_neuro.quantize import QuantizedNetwork, dequantize
from hypr_neuro.score import Score, predict, score_readout
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learn import LearnEpoch, Learner, LearnOptions, epoch_order, rates
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.loop import evaluate
from hypr_neuro.train.optimizers import Factored

Array = NDArray[Any]
PROBE_SAMPLES = 4


@dataclass
class ComparedEpoch:
    """One epoch of both sides; epoch 0 is before learning.

    weight_distance : |w_device - w_float| / |w_float| over all connections
    cosine, norm_ratio : device gradient against the float rule's on the device's own weights, by connection,
        averaged over a few samples; NaN where a gradient is zero
    spike_agreement : share of equal entries, float and integer network with the device's weights, by layer
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


@dataclass
class Comparison:
    """Result of `compare`: an entry an epoch, the learned networks of both sides, the rule in words."""

    epochs: list[ComparedEpoch]
    device: QuantizedNetwork
    float_net: Network
    rule: str
    updates: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
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

    net : the float network whose neuron parameters both sides keep (its weights are not used)
    on_epoch : called with "device" or "float" and the number of epochs done

    Raises InputError for options or data that do not fit.
    """
    options = options or LearnOptions()
    options.check(qnet)
    chosen = data.part(part)
    twin = FloatTwin(dequantize(net, qnet), qnet, options)
    snapshots: list[tuple[LearnEpoch, QuantizedNetwork]] = []

    def keep(entry: LearnEpoch, learned: QuantizedNetwork) -> None:
        snapshots.append((entry, learned.copy()))
        if on_epoch is not None:
            on_epoch("device", len(snapshots))

    with ThreadPoolExecutor(1) as pool:
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
    rule = (f"HYPR eligibilities, batch 1, update after every sample, gradients normalised by row and column, "
            f"rate {options.rate} weight steps, × {options.decay} an epoch")  # fmt: skip
    return Comparison(entries, run.qnet, twin.net, rule, epochs * len(data.part("train")))


class FloatTwin:
    """The float rule with the device's update, time semantics and order of samples."""

    def __init__(self, net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        self.net, self.options = net, options
        self.stopped = Event()
        self.delays = signal_delays(qnet)
        learning = [i for i in range(len(qnet.layers)) if not options.layers or qnet.name(i) in options.layers]
        lsb = {f"{qnet.name(i)}.{k}": qnet.layers[i].weight_step(c)
               for i in learning for k, c in qnet.layers[i].connections().items()}  # fmt: skip
        self.optimizer = Factored(options.rate, lsb, options.average_shift, float(options.limit))

    def learn(
        self, data: SequenceData, epochs: int, part: str, on_epoch: Callable[[str, int], None] | None = None
    ) -> list[tuple[float, dict[str, Array]]]:
        """(accuracy, weights by connection) before learning and after each epoch."""
        train = data.part("train")
        found = [(evaluate(self.net, data, part).accuracy, self._matrices())]
        for epoch, rate in enumerate(rates(self.options, epochs)):
            self.optimizer.rate = rate / 65536
            for index in epoch_order(self.options.seed, epoch, len(train)):
                if self.stopped.is_set():
                    return found
                self._sample(train.take(np.array([index])))
            found.append((evaluate(self.net, data, part).accuracy, self._matrices()))
            if on_epoch is not None:
                on_epoch("float", epoch + 1)
        return found

    def _sample(self, sample: SequenceData) -> None:
        if sample.mask is not None and not sample.mask.any():
            return
        found, _ = gradients(self.net, sample.x, sample.y, sample.mask, dtype=np.float32, signal_delay=self.delays)
        values = self._matrices()
        self.optimizer.update(values, connection_gradients(self.net, found))
        self._write(values)

    def _matrices(self) -> dict[str, Array]:
        """Weights by connection as the device holds them: a current bias is the last column of "input"."""
        named = {k: v for k, v in self.net.arrays().items() if k.rsplit(".", 1)[1] in ("weight", "recurrent", "bias")}
        return {k: v.copy() for k, v in connection_gradients(self.net, named).items()}

    def _write(self, values: dict[str, Array]) -> None:
        for i, layer in enumerate(self.net.layers):
            matrix = values[f"{self.net.name(i)}.input"]
            if layer.bias is not None:
                layer.bias[...] = matrix[:, -1]
                matrix = matrix[:, :-1]
            layer.weight[...] = matrix
            if layer.recurrent is not None:
                layer.recurrent[...] = values[f"{self.net.name(i)}.recurrent"]


def signal_delays(qnet: QuantizedNetwork) -> list[int]:
    """Steps by which learning signals reach each hidden layer late, in float time; see `sim.learn`."""
    hop, latency = qnet.profile.time.connection_delay.value, qnet.profile.time.error_latency.value
    hidden = len(qnet.layers) - 1
    return [hop + (latency if i == hidden - 1 else 0) for i in range(hidden)]


def connection_gradients(net: Network, arrays: dict[str, Array]) -> dict[str, Array]:
    """Float arrays by parameter ("layers.0.weight") as arrays by connection ("layers.0.input", with the bias)."""
    result = {}
    for i, layer in enumerate(net.layers):
        name = net.name(i)
        matrix = arrays[f"{name}.weight"]
        if layer.bias is not None:
            matrix = np.column_stack([matrix, arrays[f"{name}.bias"]])
        result[f"{name}.input"] = matrix
        if layer.recurrent is not None:
            result[f"{name}.recurrent"] = arrays[f"{name}.recurrent"]
    return result


def _entry(
    number: int,
    net: Network,
    qnet: QuantizedNetwork,
    learned: LearnEpoch,
    float_side: tuple[float, dict[str, Array]],
    data: SequenceData,
    chosen: SequenceData,
    options: LearnOptions,
) -> ComparedEpoch:
    accuracy, float_weights = float_side
    cosine, ratio = gradient_fidelity(net, qnet, data.part("train").take(np.arange(PROBE_SAMPLES)), options)
    return ComparedEpoch(
        number, score_readout(simulate(qnet, chosen.x).readout, chosen).accuracy, accuracy, learned.online_accuracy,
        _distance(qnet, float_weights), cosine, ratio,
        spike_agreement(dequantize(net, qnet), qnet, chosen.x[:PROBE_SAMPLES]),
        learned.weights_saturated, learned.weights_changed, learned.clips,
    )  # fmt: skip


def _distance(qnet: QuantizedNetwork, float_weights: dict[str, Array]) -> float:
    difference = total = 0.0
    for i, layer in enumerate(qnet.layers):
        for key, connection in layer.connections().items():
            real = connection.mantissa * layer.weight_step(connection)
            wanted = float_weights[f"{qnet.name(i)}.{key}"]
            difference += float(np.sum((real - wanted) ** 2))
            total += float(np.sum(wanted**2))
    return float(np.sqrt(difference / total)) if total > 0 else float("nan")


def gradient_fidelity(
    net: Network, qnet: QuantizedNetwork, probe: SequenceData, options: LearnOptions
) -> tuple[dict[str, float], dict[str, float]]:
    """Cosine and norm ratio of integer against float gradients on the same weights, mean over the probe's samples."""
    learner = Learner(qnet.copy(), options)
    scales = gradient_scales(net, learner)
    twin, delays = dequantize(net, qnet), signal_delays(qnet)
    cosines: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for index in range(len(probe)):
        sample = probe.take(np.array([index]))
        steps = sample.steps
        label = np.ascontiguousarray(np.broadcast_to(sample.y.reshape(1, -1), (1, steps))[0])
        scored = np.ones(steps, bool) if sample.mask is None else sample.mask[0]
        integer = learner.gradients(sample.x[0].astype(np.int32), label, scored)
        found, _ = gradients(twin, sample.x, sample.y, sample.mask, signal_delay=delays)
        for name, real in connection_gradients(twin, found).items():
            # the float gradient is a mean over scored steps, the integer one a sum
            ours = integer[name] / (scales[name.rsplit(".", 1)[0]] * scored.sum())
            product = float(np.linalg.norm(ours) * np.linalg.norm(real))
            cosines.setdefault(name, []).append(float((ours * real).sum()) / product if product else float("nan"))
            norm = float(np.linalg.norm(real))
            ratios.setdefault(name, []).append(float(np.linalg.norm(ours)) / norm if norm else float("nan"))
    return {k: float(np.mean(v)) for k, v in cosines.items()}, {k: float(np.mean(v)) for k, v in ratios.items()}


def gradient_scales(net: Network, learner: Learner) -> dict[str, float]:
    """Integer gradient / real gradient (summed over steps) by layer: a product of the powers of two of every format.

    signal of the readout: 2^(error bits - 1); of a layer below: that above · 2^k · β / (weight step · 2^shift);
    gradient: signal · 2^fe · β / 2^gs, β = integer B / (2^k · real B): δ lies in the weights' scale, not in B.
    """
    scales: dict[str, float] = {}
    signal = 2.0 ** (learner.error_bits - 1)
    for i in reversed(range(len(net.layers))):
        layer, fixed, learning = net.layers[i], learner.qnet.layers[i], learner.learners[i]
        zero = (0,) * layer.model.d
        p = tuple(map(int, fixed.per_neuron[:, 0])) + tuple(map(int, fixed.constants))
        ours = layer.model.fixed_jacobian(zero, zero, 0, (0,), p, 0)[1][0]
        real_zero = (0.0,) * layer.model.d
        real_p = tuple(float(v) for v in layer.float_matrix()[:, 0])
        real = layer.model.float_jacobian(real_zero, real_zero, 0.0, (0.0,), real_p, 0.0)[1][0]
        beta = ours / 2.0 ** int(learning.widths[0]) / real
        fraction = int(learning.widths[1])
        scales[net.name(i)] = signal * 2.0**fraction * beta / 2.0**learning.gradient_shift
        if i > 0:
            # what goes down carries the coefficients' fraction and the integer weights' scale
            step = fixed.weight_step(fixed.input)
            signal = signal * 2.0 ** int(learning.widths[0]) * beta / step / 2.0 ** learner.shifts[i - 1]
    return scales


def spike_agreement(net: Network, qnet: QuantizedNetwork, x: Array) -> dict[str, float]:
    """Share of equal entries of the spike trains, hidden layer by hidden layer, in float time."""
    trace = simulate(qnet, x, record=("spikes",))
    return {name: float((spikes == aligned(qnet, trace.spikes, name, x.shape[1])).mean())
            for name, spikes in float_spikes(net, x).items()}  # fmt: skip


def float_spikes(net: Network, x: Array) -> dict[str, Array]:
    """Spikes of the float network, (T, sample, n) by hidden layer."""
    blocks: dict[str, list[Array]] = {net.name(i): [] for i in range(len(net.layers) - 1)}

    def visit(start: int, layers: Any) -> None:
        for i, name in enumerate(blocks):
            blocks[name].append(layers[i].outputs[1:].reshape(-1, len(x), layers[i].n).copy())

    readout(net, x, visit=visit)
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def aligned(qnet: QuantizedNetwork, spikes: dict[str, Array], name: str, steps: int) -> Array:
    """A layer's spikes shifted from device time back to float time, `steps` of them."""
    index = next(i for i in range(len(qnet.layers)) if qnet.name(i) == name)
    start = qnet.latency(index)
    return spikes[name][start : start + steps]


@dataclass(frozen=True)
class Accuracies:
    """Float and integer network on the same data; agreement: share of equal predictions."""

    float_score: Score
    integer_score: Score
    agreement: float
    events: dict[str, dict[str, int]]
    rates: dict[str, float]


def compare_inference(net: Network, qnet: QuantizedNetwork, data: SequenceData, part: str = "test") -> Accuracies:
    """Accuracy of both networks and how often they answer the same."""
    chosen = data.part(part)
    real = np.concatenate([readout(net, batch.x) for batch in chosen.batches(64)])
    trace = simulate(qnet, chosen.x)
    same = float((predict(real, chosen) == predict(trace.readout, chosen)).mean())
    return Accuracies(
        score_readout(real, chosen), score_readout(trace.readout, chosen), same, trace.events, trace.rates
    )


def _worst_swap(weights: Array, x: Array) -> tuple[int, int]:
    """The two channels of `disturb`; weights (n, channel), x (sample, T, channel)."""
    events = x.reshape(-1, x.shape[2]).astype(np.float64)
    # E|a - b|² = E a² + E b² - 2 E ab, and the same for the columns of the weights
    activity, columns = events.T @ events / len(events), weights.T.astype(np.float64) @ weights
    effect = _distances(activity) * _distances(columns)
    one, other = np.unravel_index(effect.argmax(), effect.shape)
    return int(min(one, other)), int(max(one, other))


def _distances(products: Array) -> Array:
    squares = np.diag(products)
    return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)))


def disturb(
    qnet: QuantizedNetwork, data: SequenceData, *, share: float = 0.1, seed: int = 0
) -> tuple[QuantizedNetwork, SequenceData, str]:
    """A damaged chip with a rewired sensor: `share` of the weights set to 0 and two input channels swapped.

    The channels are the two whose exchange changes the first layer's currents most: the pair with the largest
    mean |x_i - x_j| · |w_i - w_j| on training samples. Returns (network, data, description).
    """
    if not 0 <= share < 1:
        raise InputError(f"share = {share}, rule: 0 <= share < 1")
    damaged = qnet.copy()
    rng = np.random.default_rng([seed, 7])
    for weights in damaged.weights().values():
        weights[rng.random(weights.shape) < share] = 0
    one, other = _worst_swap(qnet.layers[0].input.mantissa[:, : qnet.inputs], data.part("train").x[:64])
    x = data.x.copy()
    x[:, :, [one, other]] = x[:, :, [other, one]]
    what = f"{share:.0%} of the weights set to 0, input channels {one} and {other} swapped"
    return damaged, replace(data, x=x), what

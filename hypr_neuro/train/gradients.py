"""Gradients of a network by any rule, in sub-sequences of λ steps, samples in blocks on threads.

The learning signal ∂L_t/∂o_t of the readout goes down through the layers of the same step (or, with error feedback,
straight to each layer). Sums over samples are taken in the order of the samples, so that the result does not depend
on blocks and threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Layer, Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import (
    FloatType,
    LayerArrays,
    Rows,
    block_size,
    check_input,
    chunks,
    give_workspace,
    over_blocks,
    run_forward,
    take_workspace,
    time_major,
)
from hypr_neuro.train.engine import LayerEngine, Sums
from hypr_neuro.train.feedback import Feedback, feedback_matrices, project
from hypr_neuro.train.losses import Loss, get_loss
from hypr_neuro.train.rules import get_rule
from hypr_neuro.train.rules.base import Rule

Part = tuple[Array, Array, Array]
"""(x (sample, λ, channel), targets (sample, λ) or (sample, λ, outputs) or (sample,), mask (sample, λ))."""
Gradients = dict[str, Array]


@dataclass(frozen=True)
class RatePenalty:
    """strength · mean over samples and a layer's neurons of (rate - target)², rate = spikes a step; summed over
    layers."""

    target: float
    strength: float

    def __post_init__(self) -> None:
        if not (0 <= self.target <= 1 and 0 <= self.strength < float("inf")):
            raise InputError(
                f"rate penalty: target {self.target}, strength {self.strength}, rule: 0 <= target <= 1, 0 <= strength"
            )


@dataclass(frozen=True)
class Setup:
    """What stays the same for every block and sub-sequence.

    matrices : feedback (outputs, n) for each hidden layer, or none. per_step, per_sample : factors that make means
    ways_down : for each layer what takes the place of its weights on the way down, or None
    """

    net: Network
    arrays: tuple[LayerArrays, ...]
    rule: Rule
    loss: Loss
    dtype: FloatType
    matrices: tuple[Array, ...]
    delays: tuple[int, ...]
    penalty: RatePenalty | None
    per_step: float
    per_sample: float
    ways_down: tuple[Array | None, ...] = ()

    @property
    def two_passes(self) -> bool:
        """The learning signals depend on the whole sequence."""
        return self.loss.sum_of is not None or self.penalty is not None


def _output_decay(readout: Layer) -> float:
    """What the readout's output keeps of a step, on average: κ of li, 1 - dv of cuba_li."""
    params = readout.params
    return float(np.mean(np.exp(-1.0 / params["tau"]) if "tau" in params else 1.0 - params["dv"]))


class Block:
    """A block of samples on its way through the sequence: `observe` all parts first if need be, then `learn` them."""

    def __init__(self, setup: Setup, samples: int) -> None:
        self.setup, self.samples = setup, samples
        readout = setup.net.layers[-1]
        leak = _output_decay(readout) if setup.rule.error_feedback else 0.0
        self.key, self.workspace = take_workspace(setup.arrays, samples)
        self.engines = [
            LayerEngine(arrays, samples, setup.rule, leak=leak, delay=delay, way_down=way_down, buffers=buffers)
            for arrays, delay, way_down, buffers in zip(
                setup.arrays, setup.delays, setup.ways_down, self.workspace, strict=True
            )
        ]
        self.loss = np.zeros(samples)
        self.sum = np.zeros((samples, setup.net.outputs))
        self.scored, self.steps = np.zeros(samples), 0
        self.spikes = [np.zeros((samples, engine.n)) for engine in self.engines[:-1]]

    def observe(self, part: Part) -> None:
        """Forward only: add up what the learning signals of the second pass need."""
        output, _, mask = self._forward(part)
        self._note(output, mask)

    def restart(self) -> None:
        """Back to the first step, keeping what was observed."""
        for engine in self.engines:
            engine.state[...], engine.output[...] = 0.0, 0.0

    def learn(self, part: Part, *, observed: bool, carry: bool) -> None:
        """One sub-sequence: its gradients, and the eligibilities for the next one.

        observed : `observe` saw the whole sequence; otherwise this part must be all of it, or the learning signals
            must not depend on the whole
        """
        output, target, mask = self._forward(part)
        if self.setup.two_passes and not observed:
            self._note(output, mask)
        self._backward(self._error(output, target, mask))
        if carry:
            for engine in self.engines:
                engine.carry_eligibilities()

    def finish(self, target: Array) -> None:
        """After the last part: losses that depend on the whole sequence. target : of any part"""
        if self.setup.loss.sum_of is not None:
            self.loss += self.setup.loss.at_sum(self.sum, self.scored, target)[0] * self.setup.per_sample
        penalty = self.setup.penalty
        if penalty is not None:
            away = [np.mean((spikes / self.steps - penalty.target) ** 2, axis=1) for spikes in self.spikes]
            self.loss += penalty.strength * self.setup.per_sample * sum(away)

    def _forward(self, part: Part) -> tuple[Array, Array, Array]:
        x, target, mask = part
        values = run_forward(self.engines, time_major(x, self.setup.dtype))
        if target.ndim > 1:
            target = np.ascontiguousarray(target.swapaxes(0, 1))
        return values, target, np.ascontiguousarray(mask.T, dtype=self.setup.dtype)

    def _note(self, output: Array, mask: Array) -> None:
        if self.setup.loss.sum_of is not None:
            self.sum += self.setup.loss.part(output, mask)
        self.scored += mask.sum(axis=0, dtype=np.float64)
        self.steps += len(mask)
        for total, engine in zip(self.spikes, self.engines, strict=False):
            np.add(total, engine.outputs[1:].sum(axis=0, dtype=np.float64).reshape(total.shape), out=total)

    def _error(self, output: Array, target: Array, mask: Array) -> Array:
        """∂L/∂o (λ, batch, outputs); adds the loss of single steps."""
        setup = self.setup
        if setup.loss.step is None:
            _, by_sum = setup.loss.at_sum(self.sum, self.scored, target)
            return setup.loss.through_sum(output, mask, by_sum * setup.per_sample)
        if target.ndim == 1:
            target = np.ascontiguousarray(np.broadcast_to(target, mask.shape))
        loss, error = setup.loss.step(output, target, mask * setup.dtype(setup.per_step))
        self.loss += loss
        return error

    def _backward(self, error: Array) -> None:
        steps = len(error)
        signal = error.reshape(steps, -1)
        for i in reversed(range(len(self.engines))):
            engine = self.engines[i]
            below = self._penalty_signal(i - 1, steps) if i > 0 else None
            if self.setup.rule.error_feedback:
                engine.backward(signal, None)
                if below is not None:
                    project(error, self.setup.matrices[i - 1], below)
            else:
                engine.backward(signal, below)
            if below is not None:
                signal = below

    def _penalty_signal(self, layer: int, steps: int) -> Array:
        """Learning signals of a hidden layer to start from: those of the rate penalty, or 0."""
        engine, penalty = self.engines[layer], self.setup.penalty
        signal = engine.buffer("signal", steps, engine.output.size)
        signal[...] = 0.0
        if penalty is not None:
            away = self.spikes[layer] / self.steps - penalty.target
            signal += (2.0 * penalty.strength * self.setup.per_sample / (engine.n * self.steps) * away).reshape(-1)
        return signal


class Total:
    """Sum over samples, in their order, in 64 bits."""

    def __init__(self, net: Network) -> None:
        self.net, self.loss = net, 0.0
        self.sums = [Sums(layer, 1, np.float64) for layer in net.layers]

    def add(self, block: Block) -> None:
        """The block's samples, one by one; the block is of no more use then."""
        for b in range(block.samples):
            self.loss += float(block.loss[b])
            for sums, engine in zip(self.sums, block.engines, strict=True):
                for total, one in zip(sums.by_sample(0), engine.gradient.by_sample(b), strict=True):
                    np.add(total, one, out=total)
        give_workspace(block.key, block.workspace)

    def gradients(self, factor: float = 1.0) -> Gradients:
        """By the names of `Network.arrays`, times `factor`."""
        found: Gradients = {}
        for i, (layer, sums) in enumerate(zip(self.net.layers, self.sums, strict=True)):
            weight, recurrent, bias, param = sums.by_sample(0)
            own = {"weight": weight.T, "recurrent": recurrent.T, "bias": bias}
            own |= dict(zip(layer.model.trainable, param, strict=True))
            found |= {f"{self.net.name(i)}.{name}": factor * own[name] for name, _ in layer.arrays()}
        return found


def gradients(
    net: Network,
    x: Array | Rows,
    y: Array,
    mask: Array | None = None,
    *,
    rule: str = "hypr",
    chunk: int | None = None,
    loss: str = "per_step_cross_entropy",
    dtype: FloatType = np.float64,
    signal_delay: Sequence[int] | None = None,
    feedback: Feedback = "symmetric",
    penalty: RatePenalty | None = None,
    ways_down: Sequence[Array] | None = None,
) -> tuple[Gradients, float]:
    """Gradient of the mean loss over all scored steps (or samples) of a batch.

    x : (sample, T, channel), also a memory map: only a sub-sequence of it is read at a time
    y : (sample,) or (sample, T) integer labels; for "squared_error" real numbers (sample, outputs) or
        (sample, T, outputs). mask : (sample, T), False = not scored
    rule : "hypr", "bptt", "ostl" or "eprop", see `train.rules`
    chunk : λ, steps of a sub-sequence; does not change the result ("bptt" needs the whole sequence: None)
    loss : a name of `train.losses`
    signal_delay : for each layer without the readout, steps by which learning signals arrive late (0 by default)
    feedback : of "eprop": "symmetric", "random", or one (n, outputs) matrix for each hidden layer
    penalty : on firing rates
    ways_down : of "hypr": for each layer but the first a matrix (n, inputs) that takes the place of its weights where
        learning signals go down

    Returns ({"layers.0.weight": array, …}, loss). Raises InputError for wrong shapes, labels out of range, a batch
    without a scored step, an unknown rule or loss.
    """
    require("net", net, Network)
    x, target, scored, kind = batch_arrays(net, x, y, mask, loss)
    samples, steps = scored.shape
    parts = list(chunks(steps, chunk))
    setup = make_setup(
        net,
        get_rule(rule),
        kind,
        dtype,
        signal_delay,
        feedback,
        penalty,
        1.0 / (samples if kind.last_only else np.count_nonzero(scored)),
        1.0 / samples,
        ways_down,
    )
    if not setup.rule.forward and len(parts) > 1:
        raise InputError(f"chunk = {chunk}, rule: '{rule}' goes back through the whole sequence; leave chunk out")

    def run(first: int, stop: int) -> Block:
        block, own = Block(setup, stop - first), slice(first, stop)

        def cut() -> Iterator[Part]:
            for p in parts:
                yield x[own, p], target[own] if target.ndim == 1 else target[own, p], scored[own, p]

        if setup.two_passes and len(parts) > 1:
            for part in cut():
                block.observe(part)
            block.restart()
        for i, part in enumerate(cut()):
            block.learn(part, observed=len(parts) > 1, carry=i < len(parts) - 1)
        block.finish(target[own])
        return block

    total = Total(net)
    for block in over_blocks(samples, block_size(net, samples, parts[0].stop, dtype), run):
        total.add(block)
    return total.gradients(), total.loss


def make_setup(
    net: Network,
    rule: Rule,
    loss: Loss,
    dtype: FloatType,
    signal_delay: Sequence[int] | None,
    feedback: Feedback,
    penalty: RatePenalty | None,
    per_step: float,
    per_sample: float,
    ways_down: Sequence[Array] | None = None,
) -> Setup:
    """A `Setup`, checked."""
    if np.dtype(dtype).name not in ("float32", "float64"):
        raise InputError(f"dtype = {np.dtype(dtype).name}, rule: float32 or float64")
    dtype, hidden = np.dtype(dtype).type, len(net.layers) - 1
    delays = (*([0] * hidden if signal_delay is None else signal_delay), 0)
    if len(delays) != hidden + 1 or min(delays) < 0:
        raise InputError(
            f"signal_delay = {signal_delay}, rule: {hidden} whole numbers, 0 or larger, one a hidden layer"
        )
    for layer in net.layers:
        layer.check()
    matrices = feedback_matrices(net, feedback)
    arrays = tuple(LayerArrays(layer, dtype) for layer in net.layers)
    chosen = _ways_down(net, rule, ways_down)
    return Setup(net, arrays, rule, loss, dtype, matrices, delays, penalty, per_step, per_sample, chosen)


def _ways_down(net: Network, rule: Rule, ways_down: Sequence[Array] | None) -> tuple[Array | None, ...]:
    if ways_down is None:
        return (None,) * len(net.layers)
    if rule.name != "hypr":
        raise InputError(f"ways_down with rule '{rule.name}', rule: 'hypr' only")
    wanted = [layer.weight.shape for layer in net.layers[1:]]
    if [np.shape(m) for m in ways_down] != wanted:
        raise InputError(
            f"ways_down of shapes {[np.shape(m) for m in ways_down]}, rule: {wanted}, those of the weights"
        )
    return (None, *ways_down)


def batch_arrays(
    net: Network, x: Array | Rows, y: Array, mask: Array | None, loss: str, *, empty: bool = False
) -> tuple[Array | Rows, Array, Array, Loss]:
    """Check a batch: x, targets (sample,) or (sample, T) or (sample, T, outputs), the steps that the loss scores.

    empty : a mask without any scored step is allowed
    """
    kind = get_loss(loss)
    x, y = x if isinstance(x, (np.ndarray, Rows)) else np.asarray(x), np.asarray(y)
    check_input(net, x)
    samples, steps = x.shape[:2]
    if not empty and 0 in (samples, steps):
        raise InputError(f"x of shape {x.shape}, rule: at least one sample and one step")
    scored = np.ones((samples, steps), bool) if mask is None else np.asarray(mask, dtype=bool)
    if scored.shape != (samples, steps):
        raise InputError(f"mask of shape {scored.shape}, rule: ({samples}, {steps})")
    if not (empty or scored.any()):
        raise InputError(
            "mask leaves no scored step in this batch; at least one is needed: drop such samples or take larger batches"
        )
    target = _real_target(net, y, scored) if kind.targets == "real" else _classes(net, y, samples, steps, kind)
    return x, target, kind.mask(scored), kind


def _classes(net: Network, y: Array, samples: int, steps: int, loss: Loss) -> Array:
    if y.dtype.kind == "f":
        raise InputError(
            f"y {y.dtype} of shape {y.shape}: loss '{loss.name}' is for integer classes; real targets "
            "take 'squared_error'"
        )
    shapes = [(samples,)] if loss.targets == "sample" else [(samples,), (samples, steps)]
    if y.shape not in shapes:
        raise InputError(f"y of shape {y.shape}, rule: {' or '.join(map(str, shapes))} for loss '{loss.name}'")
    if y.dtype.kind not in "iu":
        raise InputError(f"y of type {y.dtype}, rule: integer labels for loss '{loss.name}'")
    if y.size and (y.min() < 0 or y.max() >= net.outputs):
        raise InputError(
            f"label {y.max() if y.max() >= net.outputs else y.min()}, rule: 0 <= y < {net.outputs} outputs"
        )
    return np.ascontiguousarray(y, dtype=np.int64)


def _real_target(net: Network, y: Array, scored: Array) -> Array:
    samples, steps = scored.shape
    shapes = [(samples, net.outputs), (samples, steps, net.outputs)]
    if y.shape not in shapes or y.dtype.kind not in "fiub":
        raise InputError(f"y {y.dtype} of shape {y.shape}, rule: numbers {shapes[0]} or {shapes[1]}")
    y = y if y.ndim == 3 else np.broadcast_to(y[:, None], (samples, steps, net.outputs))
    if not np.all(np.isfinite(y[scored])):
        raise InputError("y holds a number that is not finite; remove the sample or mask the step")
    return y.astype(np.float64)

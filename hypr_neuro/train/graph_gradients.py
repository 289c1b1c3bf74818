"""Gradients of a graph by any rule that is a set of paths, in sub-sequences of λ steps, samples in blocks on threads.

Losses look at the output populations side by side: at the value of a readout, and of spiking outputs at a trace

    y_t = κ y_{t-1} + z_t

κ = 1 is the running count. A rule without the path `above` sends the error of a step to the spikes of that step alone.
Blocks have a fixed size and are summed in order, so that threads do not change the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType, Rows, chunks, over_blocks, time_major
from hypr_neuro.run.recorded import checked_input
from hypr_neuro.train.batch import batch_arrays, means_of
from hypr_neuro.train.graph_engine import GraphEngine
from hypr_neuro.train.losses import Loss, LossChoice
from hypr_neuro.train.rules import RuleChoice, rule_of_a_batch
from hypr_neuro.train.rules.base import Rule

OUTPUT_DECAY = 0.9
"""κ of spiking outputs, unless the graph has another: on the validation part of the published Braille network better
than 0.98 and than a count (docs/training.md)."""
BLOCK = 16
"""Samples that run together; sums over them are taken one by one, whatever the threads."""


class OutputTrace:
    """What losses see of the outputs of a block: readouts as they are, spikes as a leaky trace."""

    def __init__(self, graph: Network, batch: int, decay: float, above: bool) -> None:
        self.graph, self.decay, self.above = graph, decay, above
        self.traces = {
            name: np.zeros((batch, graph.population(name).size))
            for name in graph.outputs
            if not graph.population(name).model.readout
        }

    def values(self, outputs: dict[str, Array]) -> Array:
        """Return (λ, batch, outputs) for the outputs of a sub-sequence, by population."""
        parts = []
        for name in self.graph.outputs:
            value = outputs[name]
            if name in self.traces:
                trace, value = self.traces[name], np.array(value)
                for t in range(len(value)):
                    trace = self.decay * trace + value[t]
                    value[t] = trace
                self.traces[name] = trace
            parts.append(value)
        return np.concatenate(parts, axis=2)

    def signals(self, error: Array) -> dict[str, Array]:
        """Return ∂L/∂z by population for ∂L/∂y (λ, batch, outputs)."""
        result, first = {}, 0
        for name in self.graph.outputs:
            size = self.graph.population(name).size
            signal = np.ascontiguousarray(error[:, :, first : first + size])
            if name in self.traces and self.above:
                for t in range(len(signal) - 2, -1, -1):
                    signal[t] += self.decay * signal[t + 1]
            result[name] = signal
            first += size
        return result


@dataclass(frozen=True)
class GraphBatch:
    """A batch, ready to be cut into blocks."""

    graph: Network
    rule: Rule
    loss: Loss
    x: Array | Rows
    target: Array
    scored: Array
    parts: list[slice]
    dtype: FloatType
    decay: float
    per_step: float
    per_sample: float


def graph_gradients(
    graph: Network,
    x: Array | Rows,
    y: Array,
    mask: Array | None = None,
    *,
    rule: RuleChoice = "hypr",
    chunk: int | None = None,
    loss: LossChoice = "per_step_cross_entropy",
    output_decay: float | None = None,
    dtype: FloatType = np.float64,
) -> tuple[dict[str, Array], float]:
    """Compute the gradient of the mean loss over all scored steps (or samples) of a batch.

    Parameters
    ----------
    graph : Network
        Of populations that have a float form.
    x : ndarray
        (sample, T, channel).
    y, mask, loss
        As in `gradients.gradients`.
    rule : str, mapping or Rule
        A rule that is a set of paths: "hypr", "ostl", "bptt".
    chunk : int, optional
        λ, steps of a sub-sequence; does not change the result ("bptt" needs the whole sequence: None).
    output_decay : float, optional
        κ of the trace of spiking outputs, 0 to 1; None: the graph's note "output decay", 0.9 without it.
    dtype : type
        float32 or float64.

    Returns
    -------
    gradients : dict of ndarray
        Of each connection by its name, 'a -> b' (the second one of these ends 'a -> b (2)'), in the form of its weights
        (CSR: one number a stored weight); of each population 'a.bias' ('a.bias from 3' where it acts from step 3 on,
        'a.current bias' where the model has a bias of its own), and 'a.<parameter>' for each trainable one.
    loss : float

    Raises
    ------
    InputError
        For wrong shapes, labels out of range, and rules with hooks or error feedback.
    """
    require("graph", graph, Network)
    kind = rule_of_a_batch(rule)
    if kind.error_feedback or any(kind.uses(hook) for hook in ("noise", "regularizer", "reward", "error")):
        raise InputError(f"rule '{kind.name}' on a graph, rule: one that is a set of paths, such as 'hypr'")
    decay = graph.notes.get("output decay", OUTPUT_DECAY) if output_decay is None else output_decay
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay <= 1:
        raise InputError(f"output decay = {decay!r:.60}, rule: a number from 0 to 1; 1 counts spikes")
    data, target, scored, how = batch_arrays(
        graph, x if isinstance(x, Rows) else checked_input(graph, x), y, mask, loss
    )
    if np.dtype(dtype).name not in ("float32", "float64"):
        raise InputError(f"dtype = {np.dtype(dtype).name}, rule: float32 or float64")
    graph.check()
    parts = list(chunks(scored.shape[1], chunk))
    if not kind.forward and len(parts) > 1:
        raise InputError(f"chunk = {chunk}, rule: '{kind.name}' goes back through the whole sequence; leave chunk out")
    means = means_of(how, scored)
    problem = GraphBatch(graph, kind, how, data, target, scored, parts, np.dtype(dtype).type, float(decay), *means)
    total: dict[str, Array] = {}
    value = 0.0
    for gradient, part in over_blocks(len(data), BLOCK, lambda first, stop: _block(problem, slice(first, stop))):
        value += part
        for name, array in gradient.items():
            total[name] = total[name] + array if name in total else array
    return total, value


def refuse_options_of_chains(**asked: object) -> None:
    """Raise InputError for the first option that is not None, or not as symmetric as feedback over a graph is."""
    for name, value in asked.items():
        if value is not None and not (name == "feedback" and isinstance(value, str) and value == "symmetric"):
            raise InputError(f"{name} with a network that is no chain of layers, rule: a chain takes it; leave it out")


def _block(problem: GraphBatch, rows: slice) -> tuple[dict[str, Array], float]:
    """Return gradients and loss of the samples `rows`."""
    total = None
    if problem.loss.sum_of is not None:
        total = _observe(problem, rows)
    batch = rows.stop - rows.start
    engine = GraphEngine(problem.graph, batch, problem.rule, problem.parts[0].stop, problem.dtype)
    outputs = OutputTrace(problem.graph, batch, problem.decay, problem.rule.above)
    loss = np.zeros(batch)
    for i, part in enumerate(problem.parts):
        values = outputs.values(engine.run(time_major(problem.x[rows, part], problem.dtype)))
        part_loss, error = _error(problem, rows, part, values, total)
        loss += part_loss
        engine.learn(outputs.signals(error), last=i == len(problem.parts) - 1)
    if total is not None:
        loss = problem.loss.at_sum(*total, problem.target[rows])[0] * problem.per_sample
    return _summed(engine), float(sum(loss.tolist()))


def _observe(problem: GraphBatch, rows: slice) -> tuple[Array, Array]:
    """Run forward only; return S (batch, outputs) of a loss of the whole sequence, and the scored steps (batch,)."""
    batch = rows.stop - rows.start
    engine = GraphEngine(problem.graph, batch, problem.rule, problem.parts[0].stop, problem.dtype)
    outputs = OutputTrace(problem.graph, batch, problem.decay, problem.rule.above)
    total, count = np.zeros((batch, problem.graph.output_size)), np.zeros(batch)
    for part in problem.parts:
        values = outputs.values(engine.run(time_major(problem.x[rows, part], problem.dtype)))
        mask = np.ascontiguousarray(problem.scored[rows, part].T, dtype=problem.dtype)
        total += problem.loss.part(values, mask)
        count += mask.sum(axis=0, dtype=np.float64)
    return total, count


def _error(
    problem: GraphBatch, rows: slice, part: slice, values: Array, total: tuple[Array, Array] | None
) -> tuple[Array, Array]:
    """Return the loss of each sample (batch,) in these steps, and ∂L/∂y (λ, batch, outputs)."""
    mask = np.ascontiguousarray(problem.scored[rows, part].T, dtype=problem.dtype)
    target = problem.target[rows]
    if total is not None:
        by_sum = problem.loss.at_sum(*total, target)[1] * problem.per_sample
        return np.zeros(len(target)), problem.loss.through_sum(values, mask, by_sum)
    assert problem.loss.step is not None
    target = np.ascontiguousarray((target[:, part] if target.ndim > 1 else target[:, None]).swapaxes(0, 1))
    if target.ndim == 2:
        target = np.ascontiguousarray(np.broadcast_to(target, mask.shape))
    return problem.loss.step(values, target, mask * problem.dtype(problem.per_step))


def _summed(engine: GraphEngine) -> dict[str, Array]:
    """Return the gradients of a block, its samples summed in order, in 64 bits."""
    result: dict[str, Array] = {}
    for name, p in engine.populations.items():
        for c, sums in zip(p.incoming, p.gradient.weights, strict=True):
            result[c.name] = c.as_weights(_in_order(sums))
        for first, sums in zip(p.biases, p.gradient.biases, strict=True):
            result[p.population.bias_name(first)] = _in_order(sums.reshape(engine.batch, -1))
        for parameter, sums in zip(p.model.trainable, p.gradient.params, strict=True):
            if parameter in p.population.trainable:
                result[f"{name}.{parameter}"] = _in_order(sums.reshape(engine.batch, -1))
    return result


def _in_order(by_sample: Array) -> Array:
    total = np.zeros(by_sample.shape[1:])
    for one in by_sample:
        total += one
    return total

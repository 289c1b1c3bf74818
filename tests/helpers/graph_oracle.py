"""Gradients of a graph by automatic differentiation: the unrolled graph with the paths of the rule detached.

Nothing of the package enters but weights, parameters and the order of the populations. Every population computes each
step twice, from the same numbers:

    kept    along its own states, what arrives held constant: derivatives by weights and parameters
    passed  from states held constant, what arrives over forward connections open: the signal to those that sent it

Its output is the first one's, with the second one's derivative added. With every path open there is one computation.
For e-prop nothing is passed: the derivative of a filtered trace f_t = κ f_{t-1} + z_t of each hidden population is
added to the outputs, over fixed matrices. What is open is a number, so that one compiled program serves all rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from autodiff import LOSS, maths
from model_records import record_of

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.train.feedback import random_feedback

Array = Any
INPUT = "input"


class Geometry(NamedTuple):
    """A convolution without its kernel; taps are (kernel, stride, before, after, dilation)."""

    channels: int
    image: tuple[int, ...]
    groups: int
    channels_first: bool
    taps: tuple[tuple[int, ...], ...]
    pool: tuple[tuple[int, ...], ...] | None

    def apply(self, kernel: Array, x: Array) -> Array:
        """What x (sample, pre) becomes, by jax's own convolution."""
        if self.channels_first:
            images = x.reshape(-1, self.channels, *self.image)
        else:
            images = jnp.moveaxis(x.reshape(-1, *self.image, self.channels), -1, 1)
        if self.pool is not None:
            size, stride, before, after, dilation = self.pool
            pads = ((0, 0), (0, 0), *zip(before, after, strict=True))
            images = jax.lax.reduce_window(
                images, 0.0, jax.lax.add, (1, 1, *size), (1, 1, *stride), pads, window_dilation=(1, 1, *dilation)
            )
        _, stride, before, after, dilation = self.taps
        out = jax.lax.conv_general_dilated(
            images,
            kernel,
            stride,
            list(zip(before, after, strict=True)),
            rhs_dilation=dilation,
            feature_group_count=self.groups,
        )
        return (out if self.channels_first else jnp.moveaxis(out, 1, -1)).reshape(len(x), -1)


class Link(NamedTuple):
    """A connection: its name, ends, lag in steps, whether it leads forward, how its convolution lies, its current."""

    name: str
    source: str
    target: str
    lag: int
    forward: bool
    convolution: Geometry | None
    current: int

    def apply(self, weights: Array, sent: Array) -> Array:
        """What arrives of what was sent, (sample, post)."""
        return sent @ weights.T if self.convolution is None else self.convolution.apply(weights, sent)


class Shape(NamedTuple):
    """What of a graph is no number that is differentiated by."""

    models: tuple[tuple[str, str], ...]
    links: tuple[Link, ...]
    biases: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, bool], ...]


class Paths(NamedTuple):
    """What is open, 1 or 0: all paths, the spike in a neuron's own update, signals passed on, errors sent straight."""

    every: float
    own: float
    passed: float
    straight: float


PATHS = {
    "hypr": Paths(0.0, 0.0, 1.0, 0.0),
    "ostl": Paths(0.0, 1.0, 1.0, 0.0),
    "eprop": Paths(0.0, 0.0, 0.0, 1.0),
    "bptt": Paths(1.0, 1.0, 0.0, 0.0),
}
held = jax.lax.stop_gradient


def gate(keep: Array, v: Array) -> Array:
    """v, whose derivative counts if `keep` is 1 and not if it is 0."""
    return keep * v + (1 - keep) * held(v)


class Ways(NamedTuple):
    """What of e-prop is no number: κ by which eligibilities are filtered, and the ends and delays of the matrices."""

    leak: float
    ends: tuple[tuple[str, int], ...]


Numbers = dict[tuple[str, ...], Array]
"""By ("weights", connection), ("bias", population, first step) and ("param", population, name)."""


def shape_of(graph: Network, names: list[str]) -> tuple[Shape, Numbers]:
    """The graph without its numbers, and its numbers; sparse weights as dense ones."""
    order = {INPUT: -1} | {p.name: i for i, p in enumerate(graph.populations)}
    numbers: Numbers = {}
    links, biases = [], []
    for c, name in zip(graph.connections, names, strict=True):
        forward = order[c.source] < order[c.target]
        geometry = _geometry(c.weights) if isinstance(c.weights, Convolution) else None
        links.append(Link(name, c.source, c.target, c.delay + (not forward), forward, geometry, c.current))
        if isinstance(c.weights, Convolution):
            numbers["weights", name] = jnp.asarray(c.weights.kernel)
        else:
            dense = c.weights if isinstance(c.weights, np.ndarray) else c.weights.toarray()
            numbers["weights", name] = jnp.asarray(dense)
    for p in graph.populations:
        biases += [(p.name, first) for first in p.biases]
        numbers |= {("bias", p.name, str(first)): jnp.asarray(bias) for first, bias in p.biases.items()}
        numbers |= {("param", p.name, k): jnp.asarray(v) for k, v in p.params.items()}
    models = tuple((p.name, p.model.name) for p in graph.populations)
    outputs = tuple((name, not graph.population(name).model.readout) for name in graph.outputs)
    return Shape(models, tuple(links), tuple(biases), outputs), numbers


def _geometry(c: Convolution) -> Geometry:
    taps, pool = (None if t is None else (t.kernel, t.stride, t.before, t.after, t.dilation) for t in (c.taps, c.pool))
    assert taps is not None
    return Geometry(c.channels, c.image, c.groups, c.channels_first, taps, pool)


def ways_of(graph: Network, shape: Shape, numbers: Numbers, decay: float) -> tuple[Ways, list[Array]]:
    """How e-prop sends errors: weights that lead straight to an output, random numbers where none do; times 1 - κ."""
    decays = []
    for name, spikes in shape.outputs:
        p = graph.population(name)
        decays.append(np.full(p.size, decay) if spikes else p.model.output_decay(p.params))
    leak = float(np.mean(np.concatenate(decays)))
    shares = np.concatenate(
        [np.full(len(d), 1.0 if o[1] else 1 - leak) for d, o in zip(decays, shape.outputs, strict=True)]
    )
    sizes = [len(d) for d in decays]
    random = iter(random_feedback(graph))
    ends, matrices = [], []
    for p in graph.populations:
        if p.name in graph.outputs:
            continue
        anything = next(random)
        straight = [a for a in shape.links if a.source == p.name and a.forward and a.target in graph.outputs]
        for link in straight:
            matrix = np.zeros((sum(sizes), p.size))
            first = sum(sizes[: graph.outputs.index(link.target)])
            rows = np.asarray(link.apply(numbers["weights", link.name], jnp.eye(p.size))).T
            matrix[first : first + len(rows)] = rows
            ends.append((p.name, link.lag))
            matrices.append(jnp.asarray(shares[:, None] * matrix))
        if not straight:
            ends.append((p.name, 0))
            matrices.append(jnp.asarray(shares[:, None] * anything.T))
    return Ways(leak, tuple(ends)), matrices


def outputs_of(
    shape: Shape, decay: float, ways: Ways, paths: Paths, numbers: Numbers, matrices: list[Array], x: Array
) -> Array:
    """Run x (T, sample, channel); return what the loss sees (sample, T, outputs)."""
    batch = x.shape[1]
    params = {name: {k[2]: v for k, v in numbers.items() if k[:2] == ("param", name)} for name, _ in shape.models}
    silent = {name: jnp.zeros((batch, len(next(iter(p.values()))))) for name, p in params.items()}
    oldest = max((link.lag for link in shape.links), default=0) + 1

    def step(carry: Any, at: tuple[Array, Array]) -> Any:
        t, x_t = at
        states, outs, sent, traces, filtered = carry
        # the step's own outputs come in as they are computed
        sent = {k: jnp.concatenate([jnp.zeros_like(v[:1]), v[:-1]]) for k, v in sent.items()}
        sent[INPUT] = sent[INPUT].at[0].set(x_t)
        states, outs = dict(states), dict(outs)
        for name, model in shape.models:
            p, d = params[name], len(states[name])
            currents = get_model(model).currents
            arriving, opened = ([jnp.zeros_like(silent[name])] * currents for _ in range(2))
            for link in shape.links:
                if link.target == name:
                    pre = sent[link.source][link.lag]
                    weights = numbers["weights", link.name]
                    arriving[link.current] += link.apply(weights, gate(paths.every, pre))
                    opened[link.current] += link.apply(held(weights), pre if link.forward else held(pre))
            for target, first in shape.biases:
                if target == name:
                    bias = jnp.where(t >= first, numbers["bias", name, str(first)], 0.0)
                    for k, row in enumerate(jnp.atleast_2d(bias)):
                        arriving[k], opened[k] = arriving[k] + row, opened[k] + held(row)
            equation, before, z = record_of(model).equation, states[name], outs[name]
            after, out = equation(tuple(before), gate(paths.own, z), of_neuron(arriving), p, maths(model))
            outs[name], states[name] = out, jnp.stack(after)
            fixed = {k: held(v) for k, v in p.items()}
            states_held = tuple(held(before[j]) for j in range(d))
            _, passed = equation(states_held, held(z), of_neuron(opened), fixed, maths(model))
            out = out + paths.passed * (passed - held(passed))
            sent[name] = sent[name].at[0].set(out)
        seen, traces = [], dict(traces)
        for name, spikes in shape.outputs:
            value = sent[name][0]
            if spikes:
                traces[name] = decay * gate(paths.every + paths.straight, traces[name]) + value
                value = traces[name]
            seen.append(value)
        value, filtered = jnp.concatenate(seen, axis=1), dict(filtered)
        for name in filtered:
            latest = ways.leak * filtered[name][0] + sent[name][0]
            filtered[name] = jnp.concatenate([latest[None], filtered[name][:-1]])
        for (name, delay), matrix in zip(ways.ends, matrices, strict=True):
            added = filtered[name][delay] @ matrix.T
            value += paths.straight * (added - held(added))
        return (states, outs, sent, traces, filtered), value

    states = {name: jnp.stack([silent[name]] * _count(model)) for name, model in shape.models}
    sent = {name: jnp.stack([z] * oldest) for name, z in silent.items()}
    sent[INPUT] = jnp.zeros((oldest, *x.shape[1:]))
    traces = {name: silent[name] for name, spikes in shape.outputs if spikes}
    start = (states, silent, sent, traces, {name: sent[name] for name, _ in ways.ends})
    return jax.lax.scan(step, start, (jnp.arange(len(x)), x))[1].transpose(1, 0, 2)


def of_neuron(currents: list[Array]) -> Any:
    """What an equation takes: the current, or a tuple of several."""
    return currents[0] if len(currents) == 1 else tuple(currents)


def _count(model: str) -> int:
    return get_model(model).d


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _value_and_gradient(
    shape: Shape, decay: float, loss: str, ways: Ways, paths: Paths, numbers: Numbers, matrices: list[Array], data: Any
) -> Any:
    def value(numbers: Numbers) -> Array:
        x, y, mask = data
        return LOSS[loss](outputs_of(shape, decay, ways, paths, numbers, matrices, x), y, mask)

    return jax.value_and_grad(value)(numbers)


Found = tuple[dict[str, Array], float]
"""Gradients by the names of `Network.graph_arrays` and in their form, and the loss."""


def graph_oracle(graph: Network, x: Array, y: Array, masks: Sequence[Array], loss: str) -> dict[str, list[Found]]:
    """For each rule what each mask gives."""
    decay, names = graph.notes.get("output decay", 0.9), graph.connection_names()
    shape, numbers = shape_of(graph, names)
    ways, matrices = ways_of(graph, shape, numbers, decay)
    inputs = jnp.asarray(x.transpose(1, 0, 2), jnp.float64)
    label = jnp.asarray(np.repeat(y[:, None], x.shape[1], 1) if loss == "per_step_cross_entropy" else y)
    results: dict[str, list[Found]] = {}
    for rule, paths in PATHS.items():
        for mask in masks:
            data = inputs, label, mask.astype(float)
            value, found = _value_and_gradient(shape, decay, loss, ways, paths, numbers, matrices, data)
            results.setdefault(rule, []).append((_by_name(graph, names, found), float(value)))
    _value_and_gradient.clear_cache()  # of hundreds of graphs the compiler's memory runs out
    return results


def _by_name(graph: Network, names: list[str], found: Numbers) -> dict[str, Array]:
    result = {}
    for name, c in zip(names, graph.connections, strict=True):
        weights: Any = c.weights
        dense = np.asarray(found["weights", name])
        if isinstance(weights, Convolution):
            dense = dense.reshape(-1)
        elif not isinstance(weights, np.ndarray):
            dense = dense[np.repeat(np.arange(c.shape[0]), np.diff(weights.indptr)), weights.indices]
        result[name] = dense
    for p in graph.populations:
        result |= {p.bias_name(first): np.asarray(found["bias", p.name, str(first)]) for first in p.biases}
        result |= {f"{p.name}.{k}": np.asarray(found["param", p.name, k]) for k in p.trainable}
    return result

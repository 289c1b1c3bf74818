"""Gradients of a graph by automatic differentiation: the unrolled graph with the paths of the rule detached.

Nothing of the package enters but weights, parameters and the order of the populations. Every population computes each
step twice, from the same numbers:

    kept    along its own states, what arrives held constant: derivatives by weights and parameters
    passed  from states held constant, what arrives over forward connections open: the signal to those that sent it

Its output is the first one's, with the second one's derivative added. With every path open there is one computation.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from autodiff import LOSS, maths
from model_records import record_of

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.network import Network

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
    """A connection: its name, ends, lag in steps, whether it leads forward, and how its convolution lies."""

    name: str
    source: str
    target: str
    lag: int
    forward: bool
    convolution: Geometry | None

    def apply(self, weights: Array, sent: Array) -> Array:
        """What arrives of what was sent, (sample, post)."""
        return sent @ weights.T if self.convolution is None else self.convolution.apply(weights, sent)


class Shape(NamedTuple):
    """What of a graph is no number that is differentiated by."""

    models: tuple[tuple[str, str], ...]
    links: tuple[Link, ...]
    biases: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, bool], ...]


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
        links.append(Link(name, c.source, c.target, c.delay + (not forward), forward, geometry))
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


def outputs_of(shape: Shape, rule: str, decay: float, numbers: Numbers, x: Array) -> Array:
    """Run x (T, sample, channel); return what the loss sees (sample, T, outputs)."""
    every = rule == "bptt"
    hold = (lambda v: v) if every else jax.lax.stop_gradient
    batch = x.shape[1]
    params = {name: {k[2]: v for k, v in numbers.items() if k[:2] == ("param", name)} for name, _ in shape.models}
    silent = {name: jnp.zeros((batch, len(next(iter(p.values()))))) for name, p in params.items()}
    oldest = max((link.lag for link in shape.links), default=0) + 1

    def step(carry: Any, at: tuple[Array, Array]) -> Any:
        t, x_t = at
        states, outs, sent, traces = carry
        # the step's own outputs come in as they are computed
        sent = {k: jnp.concatenate([jnp.zeros_like(v[:1]), v[:-1]]) for k, v in sent.items()}
        sent[INPUT] = sent[INPUT].at[0].set(x_t)
        states, outs = dict(states), dict(outs)
        for name, model in shape.models:
            p, d = params[name], len(states[name])
            arriving = opened = jnp.zeros_like(silent[name])
            for link in shape.links:
                if link.target == name:
                    pre = sent[link.source][link.lag]
                    weights = numbers["weights", link.name]
                    arriving += link.apply(weights, hold(pre))
                    opened += link.apply(hold(weights), pre if link.forward else hold(pre))
            for target, first in shape.biases:
                if target == name:
                    bias = jnp.where(t >= first, numbers["bias", name, str(first)], 0.0)
                    arriving, opened = arriving + bias, opened + hold(bias)
            equation, before, z = record_of(model).equation, states[name], outs[name]
            own = z if every or rule == "ostl" else hold(z)
            after, out = equation(tuple(before), own, arriving, p, maths(model))
            outs[name], states[name] = out, jnp.stack(after)
            if not every:
                held = {k: hold(v) for k, v in p.items()}
                _, passed = equation(tuple(hold(before[j]) for j in range(d)), hold(z), opened, held, maths(model))
                out = out + passed - hold(passed)
            sent[name] = sent[name].at[0].set(out)
        seen, traces = [], dict(traces)
        for name, spikes in shape.outputs:
            value = sent[name][0]
            if spikes:
                traces[name] = decay * hold(traces[name]) + value
                value = traces[name]
            seen.append(value)
        return (states, outs, sent, traces), jnp.concatenate(seen, axis=1)

    states = {name: jnp.stack([silent[name]] * _count(model)) for name, model in shape.models}
    sent = {name: jnp.stack([z] * oldest) for name, z in silent.items()}
    sent[INPUT] = jnp.zeros((oldest, *x.shape[1:]))
    start = (states, silent, sent, {name: silent[name] for name, spikes in shape.outputs if spikes})
    return jax.lax.scan(step, start, (jnp.arange(len(x)), x))[1].transpose(1, 0, 2)


def _count(model: str) -> int:
    from hypr_neuro.neurons import get_model

    return get_model(model).d


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _value_and_gradient(
    shape: Shape, rule: str, decay: float, loss: str, numbers: Numbers, x: Array, y: Array, mask: Array
) -> Any:
    def value(numbers: Numbers) -> Array:
        return LOSS[loss](outputs_of(shape, rule, decay, numbers, x), y, mask)

    return jax.value_and_grad(value)(numbers)


def graph_oracle(
    graph: Network, names: list[str], x: Array, y: Array, mask: Array, rule: str, loss: str, decay: float
) -> tuple[Numbers, float]:
    """Gradients by the keys of `Numbers`, sparse weights as dense ones, and the loss."""
    shape, numbers = shape_of(graph, names)
    data = jnp.asarray(x.transpose(1, 0, 2), jnp.float64)
    value, found = _value_and_gradient(shape, rule, decay, loss, numbers, data, jnp.asarray(y), mask.astype(float))
    _value_and_gradient.clear_cache()  # of hundreds of graphs the compiler's memory runs out
    return {k: np.asarray(v) for k, v in found.items()}, float(value)

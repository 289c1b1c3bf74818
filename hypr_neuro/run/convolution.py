"""Compiled loops of a convolution in real numbers, by sender: delivery, its transpose, and the kernel's gradient.

Arrays are time-major; batch and neurons share one axis, entry b·n + i for sample b and neuron i. What a neuron gets is
added up in the order of the senders, so that delivery has the numbers of the matrix, bit for bit, where a sender
reaches a neuron over one entry of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel


class Reach(NamedTuple):
    """Which numbers of the kernel lead where.

    Attributes
    ----------
    starts, place, tap
        See `graph.convolution.Footprint`.
    at, channel : (pre,) int64
        Place and channel of each sender.
    first : (channels,) int64
        Number of the first neuron of the first channel that each input channel reaches.
    place_step, channel_step
        From the number of a neuron to that of the next place, and of the next channel.
    """

    starts: Array
    place: Array
    tap: Array
    at: Array
    channel: Array
    first: Array
    place_step: int
    channel_step: int


def reach_of(c: Convolution) -> Reach:
    """Return what kernels need beside the weights (`Convolution.by_channel`)."""
    places, out = prod(c.outputs), int(c.kernel.shape[0])
    place_step, channel_step = (1, places) if c.channels_first else (out, 1)
    group = np.arange(c.channels) // c.kernel.shape[1]
    return Reach(*c.footprint, *c.senders(), group * (out // c.groups) * channel_step, place_step, channel_step)


def synapses_of(reach: Reach, taps: int, reached: int) -> tuple[Array, Array, Array]:
    """Write the synapses out: (starts (pre + 1,), post, number of the entry in `by_channel`), sorted by sender."""
    counts = np.diff(reach.starts)[reach.at]
    entries = np.repeat(reach.starts[reach.at] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    channel = np.repeat(reach.channel, counts)
    o = np.arange(reached)
    base = reach.first[channel] + reach.place[entries] * reach.place_step
    row = (channel * taps + reach.tap[entries]) * reached
    post = (base[:, None] + o * reach.channel_step).reshape(-1)
    return np.concatenate([[0], np.cumsum(counts * reached)]), post, (row[:, None] + o).reshape(-1)


@cache
def convolution_delivery() -> Callable[..., None]:
    """Compile the kernel (sent (λ, batch·pre), weight (channels, taps, reached), `Reach`, current (λ, batch·n), n).

    It adds what arrives to `current`.
    """

    def kernel(sent, weight, reach, current, neurons):
        pre, n, reached = np.uintp(reach.at.shape[0]), np.uintp(neurons), np.uintp(weight.shape[2])
        place_step, channel_step = np.uintp(reach.place_step), np.uintp(reach.channel_step)
        for t in range(sent.shape[0]):
            for b in range(np.uintp(sent.shape[1]) // pre):
                for j in range(pre):
                    z = sent[t, b * pre + j]
                    if z != 0.0:
                        c, base = reach.channel[j], b * n + np.uintp(reach.first[reach.channel[j]])
                        for e in range(reach.starts[reach.at[j]], reach.starts[reach.at[j] + 1]):
                            row, cell = weight[c, reach.tap[e]], base + np.uintp(reach.place[e]) * place_step
                            for o in range(reached):
                                current[t, cell + o * channel_step] += z * row[o]

    return compile_kernel(kernel, disjoint=True)


@cache
def convolution_feedback() -> Callable[..., None]:
    """Compile the kernel (signal (λ, batch·n), weight, `Reach`, to (λ, batch·pre), n): to += signal · weights."""

    def kernel(signal, weight, reach, to, neurons):
        pre, n, reached = np.uintp(reach.at.shape[0]), np.uintp(neurons), np.uintp(weight.shape[2])
        place_step, channel_step = np.uintp(reach.place_step), np.uintp(reach.channel_step)
        for t in range(signal.shape[0]):
            for b in range(np.uintp(signal.shape[1]) // n):
                for j in range(pre):
                    c, base = reach.channel[j], b * n + np.uintp(reach.first[reach.channel[j]])
                    total = to[t, b * pre + j]
                    for e in range(reach.starts[reach.at[j]], reach.starts[reach.at[j] + 1]):
                        row, cell = weight[c, reach.tap[e]], base + np.uintp(reach.place[e]) * place_step
                        for o in range(reached):
                            total += signal[t, cell + o * channel_step] * row[o]
                    to[t, b * pre + j] = total

    return compile_kernel(kernel, disjoint=True)


@cache
def convolution_gradient() -> Callable[..., None]:
    """Compile the kernel (sent (λ, batch·pre), signal (λ, batch·n), `Reach`, to (batch, channels, taps, reached), n).

    It adds to each entry the sum over all steps and places that share it.
    """

    def kernel(sent, signal, reach, to, neurons):
        pre, n, reached = np.uintp(reach.at.shape[0]), np.uintp(neurons), np.uintp(to.shape[3])
        place_step, channel_step = np.uintp(reach.place_step), np.uintp(reach.channel_step)
        for t in range(sent.shape[0]):
            for b in range(np.uintp(to.shape[0])):
                for j in range(pre):
                    z = sent[t, b * pre + j]
                    if z != 0.0:
                        c, base = reach.channel[j], b * n + np.uintp(reach.first[reach.channel[j]])
                        for e in range(reach.starts[reach.at[j]], reach.starts[reach.at[j] + 1]):
                            row, cell = to[b, c, reach.tap[e]], base + np.uintp(reach.place[e]) * place_step
                            for o in range(reached):
                                row[o] += z * signal[t, cell + o * channel_step]

    return compile_kernel(kernel, disjoint=True)

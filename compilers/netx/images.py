"""Convolutions as netx has them: over images (x, y, channel), with as many zeros before an axis as after it.

What a connection has beyond that becomes another kernel with the same sums:

    one axis                an image one place high
    zeros on one side only  entries of 0 at an end of the kernel move it over the image
    pooling in front        windows of weights: one kernel that lies over the image itself, where the windows at the
                            edges see the same places

Neurons that the network numbers by (channel, y, x) stand in the file by (x, y, channel), as in Lava's processes; a
layer `flatten` numbers them by (channel, y, x) for the dense layer behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, prod

import numpy as np

from hypr_neuro.exchange.netx.convolution import NetxConvolution, Shape
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.numbers.arrays import Array

LARGEST_LENGTH = 127
"""Lava's Conv keeps kernel, stride, padding, dilation and groups in 8 bits."""


@dataclass(frozen=True)
class Arrangement:
    """How the neurons of a layer lie in an image.

    Attributes
    ----------
    shape : (x, y, channel)
        Lengths.
    channels_first
        Whether the network numbers neurons by (channel, y, x); otherwise by (x, y, channel), as the file does.
    """

    shape: Shape
    channels_first: bool

    def order(self) -> Array:
        """Return the network's number of each neuron of the file, (n,)."""
        numbers = np.arange(prod(self.shape))
        return _turned(numbers, self.shape[::-1]) if self.channels_first else numbers

    def flattened(self) -> Array:
        """Return the network's number of each neuron behind a layer `flatten`, (n,)."""
        numbers = np.arange(prod(self.shape))
        return numbers if self.channels_first else _turned(numbers, self.shape)

    def same_as(self, other: Arrangement) -> bool:
        """Return whether both put each neuron at the same place."""
        return self.shape == other.shape and np.array_equal(self.order(), other.order())


@dataclass(frozen=True)
class ImageConvolution:
    """A convolution as the file states it, with whole weights, from one image to another."""

    kernel: NetxConvolution
    source: Arrangement
    target: Arrangement


class WrittenOutError(Exception):
    """Why a convolution has to be written out as a matrix; its text is the reason."""


def image_convolution(c: Convolution) -> ImageConvolution:
    """Return a convolution of whole weights as netx has it, of the same sums, or raise WrittenOutError."""
    if len(c.image) > 2:
        raise WrittenOutError(f"it lies over {len(c.image)} axes, netx has two")
    taps, kernel = (c.taps, c.kernel) if c.pool is None else _through_pool(c.taps, c.kernel, c.pool)
    taps, kernel = _equal_padding(taps, kernel, c.image, c.outputs)
    longest = max(*taps.kernel, *taps.stride, *taps.before, *taps.dilation, c.groups)
    if longest > LARGEST_LENGTH:
        raise WrittenOutError(f"kernel, stride, padding, dilation or groups of {longest}, Lava: up to {LARGEST_LENGTH}")
    if c.pool is not None and not _same_sums(c):
        raise WrittenOutError("windows of its pooling at the edges see other places than one kernel would")
    netx = _over_xy(taps, kernel, c)
    source = _arrangement(c.image, c.channels, c.channels_first)
    return ImageConvolution(netx, source, _arrangement(c.outputs, kernel.shape[0], c.channels_first))


def entry_by_entry(c: Convolution, arrangement: Arrangement) -> ImageConvolution | None:
    """Return a kernel of one entry over all neurons as one over each channel of an image; None for any other kernel."""
    if c.kernel.size != 1 or c.shape[0] != c.shape[1] or c.shape[0] != prod(arrangement.shape) or c.pool is not None:
        return None
    channels = arrangement.shape[2]
    kernel = np.full((channels, 1, 1, 1), c.kernel.flat[0])
    if channels > LARGEST_LENGTH or max(*c.taps.stride, *(1 + b for b in c.taps.before)) > 1:
        return None
    return ImageConvolution(NetxConvolution(kernel, (1, 1), (0, 0), (1, 1), channels), arrangement, arrangement)


def _turned(numbers: Array, shape: Shape) -> Array:
    """Return the numbers of a shape in the order of the reversed axes."""
    return numbers.reshape(shape).transpose().reshape(-1)


def _arrangement(image: Shape, channels: int, channels_first: bool) -> Arrangement:
    """Return how an image of one or two axes lies in (x, y, channel)."""
    lengths = (*image, 1)[:2] if not channels_first or len(image) == 1 else image[::-1]
    return Arrangement((*lengths, channels), channels_first)


def _over_xy(taps: Taps, kernel: Array, c: Convolution) -> NetxConvolution:
    """Return a kernel of equal padding over the axes (y, x) of the file."""
    stride, padding, dilation = taps.stride, taps.before, taps.dilation
    if len(c.image) == 1:
        kernel, stride, padding, dilation = kernel[..., None], (*stride, 1), (*padding, 0), (*dilation, 1)
    y, x = (0, 1) if c.channels_first and len(c.image) == 2 else (1, 0)
    kernel = kernel.transpose(0, 1, 2 + y, 2 + x)
    return NetxConvolution(
        kernel, (stride[y], stride[x]), (padding[y], padding[x]), (dilation[y], dilation[x]), c.groups
    )


def _through_pool(taps: Taps, weights: Array, pool: Taps) -> tuple[Taps, Array]:
    """Return the kernel over the image itself that a kernel over the sums of windows makes.

    Entry t of the kernel and entry m of the window meet at t · dilation · stride_pool + m · dilation_pool.
    """
    axes = range(len(pool.kernel))
    steps = [taps.dilation[a] * pool.stride[a] for a in axes]
    dilation = tuple(
        gcd(*(step for step, n in ((steps[a], taps.kernel[a]), (pool.dilation[a], pool.kernel[a])) if n > 1)) or 1
        for a in axes
    )
    lengths = tuple(
        ((taps.kernel[a] - 1) * steps[a] + (pool.kernel[a] - 1) * pool.dilation[a]) // dilation[a] + 1 for a in axes
    )
    kernel = np.zeros((*weights.shape[:2], *lengths), weights.dtype)
    for window in np.ndindex(*pool.kernel):
        places = []
        for a in axes:
            start, step = window[a] * pool.dilation[a] // dilation[a], steps[a] // dilation[a]
            places.append(start + step * np.arange(taps.kernel[a]))
        kernel[np.ix_(*map(np.arange, weights.shape[:2]), *places)] += weights
    stride = tuple(taps.stride[a] * pool.stride[a] for a in axes)
    before = tuple(taps.before[a] * pool.stride[a] + pool.before[a] for a in axes)
    return Taps(lengths, stride, before, before, dilation), kernel


def _equal_padding(taps: Taps, kernel: Array, image: Shape, outputs: Shape) -> tuple[Taps, Array]:
    """Return kernel and taps with as many zeros before each axis as after it, for the same outputs.

    e entries of 0 before the kernel raise the padding by e · dilation, -e entries behind it leave it as it is; the
    last window then lies e · dilation further on in what is seen.
    """
    more = []
    for n, m, k, s, before, d in zip(image, outputs, taps.kernel, taps.stride, taps.before, taps.dilation, strict=True):
        room = n + 2 * before - d * (k - 1) - 1
        least, most = -((room - (m - 1) * s) // d), (m * s - 1 - room) // d
        if least > most:
            raise WrittenOutError(f"zeros {taps.before} before its axes, {taps.after} after them, netx: as many")
        more.append(max(least, min(0, most)))
    widths = [(max(e, 0), max(-e, 0)) for e in more]
    kernel = np.pad(kernel, [(0, 0), (0, 0), *widths])
    padding = tuple(b + low * d for b, (low, _), d in zip(taps.before, widths, taps.dilation, strict=True))
    return Taps(kernel.shape[2:], taps.stride, padding, padding, taps.dilation), kernel


def _same_sums(c: Convolution) -> bool:
    """Return whether one kernel over the image sums the same as the one behind a pooling: each entry, tried alone."""
    assert c.pool is not None
    shape = (1, 1, *c.taps.kernel)
    for entry in range(prod(shape)):
        weights = np.zeros(shape, np.int64)
        weights.flat[entry] = 1
        taps, kernel = _equal_padding(*_through_pool(c.taps, weights, c.pool), c.image, c.outputs)
        alone, one = replace(c, kernel=weights, groups=1), Convolution(kernel, c.image, taps)
        if (alone.tocsr() != one.tocsr()).nnz:
            return False
    return True

"""A convolution written out as a sparse matrix, over any number of axes.

    out[o, y] = Σ_{c, k} w[o, c, k] · in[c, y · stride - before + k · dilation]

with y and k over all axes of the image and in = 0 outside of it: a correlation, as PyTorch computes it. With g groups,
output channels of group i (out / g in a row) see input channels of group i, and c counts inside the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

Lengths = tuple[int, ...]
MAX_SYNAPSES = 1 << 27
"""1 GB written out, 4 GB while it is written; those of PilotNet have 11 million together."""


@dataclass(frozen=True)
class Taps:
    """How a kernel lies over an image; one entry an axis.

    Attributes
    ----------
    kernel, stride, dilation
        As in PyTorch.
    before, after
        Zeros on either side of the image.
    """

    kernel: Lengths
    stride: Lengths
    before: Lengths
    after: Lengths
    dilation: Lengths

    def outputs(self, image: Lengths) -> Lengths:
        """Return lengths of the output; below 1 where the kernel does not fit."""
        axes = zip(image, self.kernel, self.stride, self.before, self.after, self.dilation, strict=True)
        return tuple((n + low + high - d * (k - 1) - 1) // s + 1 for n, k, s, low, high, d in axes)

    def places(self, image: Lengths, outputs: Lengths, tap: Lengths) -> tuple[Array, Array]:
        """Return numbers (C order) of the outputs that one kernel entry serves, and of the inputs that it sees."""
        place = seen = np.zeros(1, dtype=np.int32)
        axes = zip(image, outputs, tap, self.stride, self.before, self.dilation, strict=True)
        for length, count, k, stride, before, dilation in axes:
            at = np.arange(count) * stride - before + k * dilation
            inside = np.flatnonzero((at >= 0) & (at < length))
            place = (place[:, None] * count + inside).ravel().astype(np.int32)
            seen = (seen[:, None] * length + at[inside]).ravel().astype(np.int32)
        return place, seen


def convolution_matrix(
    weight: Array, image: Lengths, taps: Taps, groups: int, channels_first: bool, dtype: type[np.generic]
) -> Any:
    """Write a convolution out as scipy CSR (outputs, inputs), zeros left out.

    Parameters
    ----------
    weight : (out, in / groups, *kernel)
        Its groups checked by the caller.
    image
        Lengths of the input.
    taps
        How the kernel lies.
    groups
        Groups of channels.
    channels_first
        Whether neurons are in C order of (channel, *axes) or of (*axes, channel).
    dtype
        Of the result.

    Raises
    ------
    InputError
        Above MAX_SYNAPSES.
    """
    from scipy.sparse import coo_array

    outputs = taps.outputs(image)
    out, per_group = weight.shape[:2]
    synapses = prod(outputs) * weight.size
    if synapses > MAX_SYNAPSES:
        raise InputError(f"written out, the convolution has {synapses} synapses, rule: at most {MAX_SYNAPSES}")
    channels = per_group * groups
    number_out = _numbering(out, prod(outputs), channels_first)
    number_in = _numbering(channels, prod(image), channels_first)
    o = np.arange(out, dtype=np.int32)[:, None]
    c = o // (out // groups) * per_group + np.arange(per_group, dtype=np.int32)
    o, c = np.broadcast_arrays(o, c)
    parts = []
    for tap in np.ndindex(*taps.kernel):
        at: Any = (slice(None), slice(None), *tap)
        entry = weight[at]
        place, seen = taps.places(image, outputs, tap)
        stored = entry != 0
        rows, columns = number_out(place[:, None], o[stored]), number_in(seen[:, None], c[stored])
        values = np.broadcast_to(entry[stored], rows.shape)
        parts.append((values.astype(dtype).ravel(), rows.ravel(), columns.ravel()))
    data, row, column = (np.concatenate(p) for p in zip(*parts, strict=True))
    return coo_array((data, (row, column)), shape=(out * prod(outputs), channels * prod(image))).tocsr()


def _numbering(channels: int, places: int, channels_first: bool) -> Any:
    """Return what gives the number of a neuron from its place and its channel."""
    return (lambda place, c: c * places + place) if channels_first else (lambda place, c: place * channels + c)

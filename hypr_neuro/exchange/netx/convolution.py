"""A convolution as netx files state it.

    out[x, y, o] = Σ_{c, i, j} w[o, c, j, i] · in[x · stride_x - pad_x + i · dil_x, y · stride_y - pad_y + j · dil_y, c]

with in = 0 outside the image: a correlation, as PyTorch and slayer compute it. lava-dl flips the kernel in both
directions because Lava's Conv is a true convolution, which flips it back. With g groups, output channels of group k
(out_channels / g in a row) see input channels of group k, and c counts inside the group.

A netx file holds (y, x) where lava-dl turns it into (x, y): kernel (out, in, y, x), stride, padding, dilation (y, x),
shape (channel, y, x). Neuron (x, y, channel) has the number (x · Y + y) · channels + channel here, as numpy flattens
the arrays (x, y, channel) of Lava's processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph import convolution
from hypr_neuro.graph.convolution import Taps
from hypr_neuro.numbers.arrays import Array

Shape = tuple[int, ...]
CONV_BITS = 24
"""Lava's Conv keeps its sums in so many bits and wraps them."""


@dataclass(frozen=True)
class NetxConvolution:
    """A kernel of integers and how it moves over an image.

    Attributes
    ----------
    kernel : (out, in / groups, y, x)
        Integers.
    stride, padding, dilation
        (y, x).
    groups
        Groups of input and of output channels that belong together.
    """

    kernel: Array
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def output_shape(self, shape: Shape) -> Shape:
        """Return (x, y, channel) of the output for an input (x, y, channel); raise InputError for an empty output."""
        out, per_group, *size = self.kernel.shape
        if self.groups < 1 or out % self.groups or shape[2] != per_group * self.groups:
            raise InputError(
                f"weight of shape {self.kernel.shape} in {self.groups} groups over {shape[2]} input channels, rule: "
                "groups divide the output channels, and weight.shape[1] · groups = input channels"
            )
        x, y = self._taps().outputs(shape[:2])
        if x < 1 or y < 1:
            raise InputError(f"a kernel (y, x) = {tuple(size)} over an image {shape[1::-1]}, rule: fits at least once")
        return x, y, out

    def over(self, shape: Shape) -> convolution.Convolution:
        """Return the map of a connection from an input (x, y, channel)."""
        self.output_shape(shape)
        kernel = self.kernel.swapaxes(2, 3).astype(np.int32)
        return convolution.Convolution(kernel, shape[:2], self._taps(), self.groups, channels_first=False)

    def _taps(self) -> Taps:
        """Return the kernel over (x, y)."""
        padding = self.padding[::-1]
        return Taps(self.kernel.shape[:1:-1], self.stride[::-1], padding, padding, self.dilation[::-1])

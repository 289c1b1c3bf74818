"""A convolution written out as a sparse matrix.

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError

Array = NDArray[Any]
Shape = tuple[int, ...]
MAX_SYNAPSES = 1 << 27
"""1 GB written out, 4 GB on the way there; those of PilotNet have 11 million together."""


@dataclass(frozen=True)
class Convolution:
    """kernel : (out, in / groups, y, x) integers. stride, padding, dilation : (y, x)"""

    kernel: Array
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def output_shape(self, shape: Shape) -> Shape:
        """(x, y, channel) of the output for an input (x, y, channel); raises InputError where nothing comes out."""
        out, per_group, *size = self.kernel.shape
        if self.groups < 1 or out % self.groups or shape[2] != per_group * self.groups:
            raise InputError(
                f"weight of shape {self.kernel.shape} in {self.groups} groups over {shape[2]} input channels, rule: "
                "groups divide the output channels, and weight.shape[1] · groups = input channels"
            )
        y, x = (
            (length + 2 * pad - dilation * (k - 1) - 1) // stride + 1
            for length, k, stride, pad, dilation in zip(
                (shape[1], shape[0]), size, self.stride, self.padding, self.dilation, strict=True
            )
        )
        if x < 1 or y < 1:
            raise InputError(f"a kernel (y, x) = {tuple(size)} over an image {shape[1::-1]}, rule: fits at least once")
        return x, y, out

    def matrix(self, shape: Shape) -> Any:
        """scipy CSR (outputs, inputs) int32 for an input (x, y, channel), zeros left out."""
        from scipy.sparse import coo_array

        outputs = self.output_shape(shape)
        out, per_group, *size = self.kernel.shape
        synapses = outputs[0] * outputs[1] * self.kernel.size
        if synapses > MAX_SYNAPSES:
            raise InputError(f"written out, the convolution has {synapses} synapses, rule: at most {MAX_SYNAPSES}")
        o = np.arange(out, dtype=np.int32)[:, None]
        c = o // (out // self.groups) * per_group + np.arange(per_group, dtype=np.int32)
        o, c = np.broadcast_arrays(o, c)
        parts = []
        for j in range(size[0]):
            for i in range(size[1]):
                tap = self.kernel[:, :, j, i]
                place, seen = self._places(shape, outputs, j, i)
                kept = tap != 0
                rows = place[:, None] * out + o[kept]
                columns = seen[:, None] * shape[2] + c[kept]
                values = np.broadcast_to(tap[kept], rows.shape)
                parts.append((values.astype(np.int32).ravel(), rows.ravel(), columns.ravel()))
        data, row, column = (np.concatenate(p) for p in zip(*parts, strict=True))
        full = (int(np.prod(outputs)), int(np.prod(shape)))
        return coo_array((data, (row, column)), shape=full).tocsr()

    def _places(self, shape: Shape, outputs: Shape, j: int, i: int) -> tuple[Array, Array]:
        """Numbers x · Y + y of output places, and of the input places that kernel entry (j, i) shows them."""
        (_, at_y), (_, at_x) = axes = [
            (n, np.arange(n) * stride - pad + k * dilation)
            for n, k, stride, pad, dilation in zip(
                outputs[1::-1], (j, i), self.stride, self.padding, self.dilation, strict=True
            )
        ]
        inside_y, inside_x = (
            np.flatnonzero((at >= 0) & (at < length))
            for (_, at), length in zip(axes, (shape[1], shape[0]), strict=True)
        )
        place = inside_x[:, None] * outputs[1] + inside_y
        seen = at_x[inside_x][:, None] * shape[1] + at_y[inside_y]
        return place.ravel().astype(np.int32), seen.ravel().astype(np.int32)

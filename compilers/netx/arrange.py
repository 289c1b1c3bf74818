"""Which layers of a netx file are convolutions, and in what order the neurons of all layers stand there.

A convolution that netx cannot say is written out as a matrix, with the reason in the summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from hypr_neuro.compilers.netx.images import (
    Arrangement,
    ImageConvolution,
    WrittenOutError,
    entry_by_entry,
    image_convolution,
)
from hypr_neuro.compilers.netx.layer import NetxLayer, sum_of
from hypr_neuro.compilers.netx.weights import FAR_OUTSIDE
from hypr_neuro.exchange.netx.convolution import CONV_BITS
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array


def arrange(layers: Sequence[NetxLayer]) -> tuple[list[NetxLayer], dict[str, str]]:
    """Return the layers, convolutions among them as such, and by connection why others are written out.

    Raises
    ------
    InputError
        For weights that are no whole numbers.
    """
    arranged: list[NetxLayer] = []
    reasons: dict[str, str] = {}
    for i, layer in enumerate(layers):
        below = arranged[-1].image.target if arranged and arranged[-1].image is not None else None
        image = None
        names = [c.name for group in layer.groups() for c in group if c.convolution is not None]
        if names:
            try:
                image = _image(layer, below, layers[i + 1] if i + 1 < len(layers) else None, i == 0)
            except WrittenOutError as reason:
                reasons |= dict.fromkeys(names, str(reason))
        arranged.append(replace(layer, image=image, below=None if image is not None else below))
    return arranged, reasons


def _image(layer: NetxLayer, below: Arrangement | None, above: NetxLayer | None, first: bool) -> ImageConvolution:
    """Return the convolution that a layer with one is in the file; raise WrittenOutError where it cannot be."""
    _check_alone(layer)
    if not first and below is None:
        raise WrittenOutError("the layer below has no places in the file")
    convolution = _whole(layer)
    wanted = below if below is not None or above is None else _read_by(above)
    found = None if wanted is None else entry_by_entry(convolution, wanted)
    found = found or image_convolution(convolution)
    if below is not None and not found.source.same_as(below):
        raise WrittenOutError(f"it reads an image (x, y, channel) = {found.source.shape}, below it is {below.shape}")
    sums = int(found.kernel.over(found.source.shape).magnitudes().max())
    largest = max(sums * max((1 << (c.message_bits or 0)) - 1, 1) for c in layer.forward[0])
    if largest >> (CONV_BITS - 1):
        raise WrittenOutError(f"its sums can reach {largest}, Lava's Conv wraps at 2^{CONV_BITS - 1}")
    return found


def _check_alone(layer: NetxLayer) -> None:
    """Raise WrittenOutError for what a layer has that a convolution of netx cannot have."""
    parts = layer.forward[0]
    maps = [None if c.convolution is None else c.convolution.described() for c in parts]
    reasons = {
        f"lava-dl runs no convolution into '{layer.population.model.name}'": layer.population.model.name != "lif",
        "its layer has recurrent weights, which only a dense layer has": layer.recurrent,
        "a constant current goes over a further neuron, which only a dense layer has": (
            layer.constant_axons or layer.helpers
        ),
        "it has a delay, which only a dense layer has": parts[0].delays != 0,
        "there are other connections with the same ends": None in maps or any(m != maps[0] for m in maps),
    }
    for reason, holds in reasons.items():
        if holds:
            raise WrittenOutError(reason)


def _whole(layer: NetxLayer) -> Convolution:
    """Return the convolution of a layer with whole weights, the sum of its connections."""
    parts = layer.forward[0]
    convolutions = [c.convolution for c in parts if c.convolution is not None]
    mantissas: list[Array] = [c.kernel.astype(np.int64) for c in convolutions]
    if max(int(np.abs(kernel).max()) for kernel in mantissas) >= FAR_OUTSIDE:
        raise WrittenOutError(f"it has weights of {FAR_OUTSIDE} and more")
    return replace(convolutions[0], kernel=sum_of(layer, parts, mantissas))


def _read_by(layer: NetxLayer) -> Arrangement | None:
    """Return the image that a layer's convolution reads, if it has one."""
    convolution = layer.forward[0][0].convolution
    with suppress(WrittenOutError):
        return None if convolution is None else image_convolution(convolution).source
    return None

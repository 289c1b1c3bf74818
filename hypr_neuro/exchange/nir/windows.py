"""How the kernel of a Conv1d, Conv2d, SumPool2d or AvgPool2d lies over its input (C, *axes).

Convolutions are correlations, as PyTorch computes them; padding "same" puts the odd zero behind, as there, and has a
stride of 1. A pooling window also covers the zeros of the padding; AvgPool2d divides by the whole window. Windows that
reach over the end are left out.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.exchange.nir.nodes import array_of, field_of, numbers, short_repr
from hypr_neuro.graph.convolution import MAX_SYNAPSES, Taps

Shape = tuple[int, ...]
AXES = {"Conv1d": 1, "Conv2d": 2, "SumPool2d": 2, "AvgPool2d": 2}
"""Axes of the input behind the channel."""


def taps(place: Place) -> Taps:
    """Return how the kernel of a node of a kind in AXES lies; raise InputError for fields that are no such numbers."""
    node, axes = place.node, AXES[place.kind]
    stride = whole_numbers("stride", field_of(node, "stride"), axes, 1)
    if place.kind in ("SumPool2d", "AvgPool2d"):
        kernel = whole_numbers("kernel_size", field_of(node, "kernel_size"), axes, 1)
        padding = whole_numbers("padding", field_of(node, "padding"), axes, 0)
        return Taps(kernel, stride, padding, padding, (1,) * axes)
    kernel, dilation = kernel_weight(place).shape[2:], whole_numbers("dilation", field_of(node, "dilation"), axes, 1)
    padding_given = field_of(node, "padding")
    if not isinstance(padding_given, str):
        padding = whole_numbers("padding", padding_given, axes, 0)
        return Taps(kernel, stride, padding, padding, dilation)
    if padding_given == "valid":
        return Taps(kernel, stride, (0,) * axes, (0,) * axes, dilation)
    if padding_given != "same" or any(s != 1 for s in stride):
        raise InputError(
            f"padding {short_repr(padding_given)} with stride {list(stride)}, "
            "rule: numbers, 'valid', or 'same' with a stride of 1"
        )
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return Taps(kernel, stride, tuple(t // 2 for t in total), tuple(t - t // 2 for t in total), dilation)


def kernel_weight(place: Place) -> Any:
    """Return the weight (out, in / groups, *kernel) of a convolution; raise InputError for another number of axes."""
    weight = numbers(place.node, "weight")
    if weight.ndim != 2 + AXES[place.kind] or 0 in weight.shape:
        raise InputError(
            f"weight of shape {weight.shape}, rule: (out, in / groups) and {AXES[place.kind]} axes of the "
            "kernel, all positive; repair it"
        )
    return weight


def groups(place: Place) -> int:
    """Return the groups of a convolution, which divide its output channels."""
    count = whole_numbers("groups", field_of(place.node, "groups"), 1, 1)[0]
    if kernel_weight(place).shape[0] % count:
        raise InputError(f"groups = {count}, rule: divides the {kernel_weight(place).shape[0]} output channels")
    return count


def own_input_shape(place: Place) -> Shape | None:
    """Return (C, *axes) that a convolution says it takes, None if it does not; poolings never do."""
    if getattr(place.node, "input_shape", None) is None:
        return None
    axes = whole_numbers("input_shape", place.node.input_shape, AXES[place.kind], 1)
    return (kernel_weight(place).shape[1] * groups(place), *axes)


def image_shapes(place: Place, known: Shape | None) -> tuple[Shape, Shape]:
    """Return the shapes of input and output; `known` is that of what arrives, None where it is not known."""
    declared, axes = own_input_shape(place), AXES[place.kind]
    if declared is None and known is None:
        raise InputError("its input has no known shape; set input_shape, or the shape of the Input")
    input_shape = declared if declared is not None else known or ()
    while len(input_shape) > axes + 1 and input_shape[0] == 1:
        input_shape = input_shape[1:]
    if len(input_shape) != axes + 1:
        raise InputError(
            f"shape {list(input_shape)} arrives, rule: channels and {axes} axes; set the shape of the Input"
        )
    channels = input_shape[0]
    if place.kind in ("Conv1d", "Conv2d"):
        weight = kernel_weight(place)
        if weight.shape[1] * groups(place) != input_shape[0]:
            raise InputError(
                f"weight of shape {weight.shape} in {groups(place)} groups over {input_shape[0]} channels, "
                "rule: weight.shape[1] · groups = channels of the input; repair it"
            )
        channels = weight.shape[0]
    outputs = taps(place).outputs(input_shape[1:])
    if channels * prod(outputs) * prod(taps(place).kernel) > MAX_SYNAPSES:
        raise InputError(
            f"a kernel of {list(taps(place).kernel)} over {list(input_shape)} makes more than {MAX_SYNAPSES} "
            "synapses; repair it"
        )
    if any(n < 1 for n in outputs):
        raise InputError(
            f"a kernel of {list(taps(place).kernel)} over {list(input_shape[1:])}, rule: fits at least once"
        )
    return input_shape, (channels, *outputs)


def whole_numbers(name: str, value: Any, axes: int, low: int) -> Shape:
    """Return one whole number an axis; one number stands for all."""
    refusal = f"{name} = {short_repr(value)}, rule: {axes} whole number(s)"
    array = array_of(value, refusal).reshape(-1)
    if array.dtype.kind not in "iuf" or array.size not in (1, axes) or np.any(array != np.floor(array)):
        raise InputError(refusal)
    if np.any(array < low) or np.any(array > 1 << 24):
        raise InputError(f"{name} = {array.tolist()}, rule: at least {low}, at most {1 << 24}")
    return tuple(int(v) for v in np.broadcast_to(array, (axes,)))

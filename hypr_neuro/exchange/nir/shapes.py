"""Shapes of what arrives at and leaves each node of a flat graph, in C order, without a batch axis.

A node that says its shape has it. Of the others (scalar or one-element parameters, a pooling, a convolution without
input_shape) the shape is that of what arrives. Two nodes that an edge joins have shapes of the same size; where only
the shapes differ, the numbers are read in C order and a warning says so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.flatten import Flat, Place
from hypr_neuro.exchange.nir.nodes import field_of, naming, numbers, shape_of, short_repr
from hypr_neuro.exchange.nir.windows import AXES, image_shapes, own_input_shape, whole_numbers
from hypr_neuro.numbers.arrays import Array

Shape = tuple[int, ...]
MAX_SIZE = 1 << 24
"""Numbers that leave a node: more is a damaged shape."""
MAX_TOTAL = 1 << 24
"""Numbers that leave all nodes together, for which an import takes some 1 GB: parameters of one number are spread."""
ELEMENTWISE: dict[str, tuple[str, ...]] = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "LI": ("tau", "r", "v_leak"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "IF": ("r", "v_threshold", "v_reset"),
    "I": ("r",),
    "Threshold": ("threshold",),
    "Scale": ("scale",),
    "Delay": ("delay",),
}
"""Nodes with as many outputs as inputs, and their parameters: one number each, one a channel, or one for all."""


@dataclass
class Shapes:
    """Shapes of what arrives at and leaves each node, by name, and warnings about them."""

    inputs: dict[str, Shape] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def find_shapes(flat: Flat) -> Shapes:
    """Return the shapes of all nodes; raise InputError, naming the node, where they do not fit."""
    shapes, predecessors, successors = Shapes(), flat.predecessors(), flat.successors()
    waiting = {name for name, place in flat.places.items() if not _says_its_shape(place)}
    for name in flat.places.keys() - waiting:
        _resolve(flat.places[name], None, shapes)
    open_sources = {name: sum(neighbour in waiting for neighbour in predecessors[name]) for name in waiting}
    ready = deque(sorted(name for name in waiting if predecessors[name] and not open_sources[name]))
    while waiting:
        if not ready:  # a loop, or nothing arrives: whoever knows most
            known_sources = {
                name: sum(neighbour in shapes.outputs for neighbour in predecessors[name]) for name in waiting
            }
            ready.append(max(sorted(waiting), key=lambda name: (known_sources[name] > 0, not predecessors[name])))
        name = ready.popleft()
        waiting.discard(name)
        known = [shapes.outputs[neighbour] for neighbour in predecessors[name] if neighbour in shapes.outputs]
        _resolve(flat.places[name], max(known, key=len, default=None), shapes)
        for neighbour in successors[name]:
            if neighbour in waiting:
                open_sources[neighbour] -= 1
                if open_sources[neighbour] == 0:
                    ready.append(neighbour)
    _check_edges(flat, shapes)
    _check_total(flat, shapes)
    return shapes


def _check_total(flat: Flat, shapes: Shapes) -> None:
    """Raise InputError, naming the largest node, for a graph of more numbers than can be held."""
    sizes = {name: prod(shape) for name, shape in shapes.outputs.items()}
    total, largest = sum(sizes.values()), max(sizes, key=lambda name: (sizes[name], name))
    if total > MAX_TOTAL:
        raise InputError(
            f"{len(sizes)} nodes send {total} numbers together, {flat.places[largest].label} alone {sizes[largest]}, "
            f"rule: at most {MAX_TOTAL} in a graph; split it or make it smaller"
        )


def _says_its_shape(place: Place) -> bool:
    """Return whether the node's own fields give its shape."""
    if place.kind in AXES:
        with naming(place.label):
            return own_input_shape(place) is not None
    return place.kind not in ELEMENTWISE and place.kind != "Flatten"


def _resolve(place: Place, known: Shape | None, shapes: Shapes) -> None:
    """Note the shapes of a node; `known` is that of what arrives, None where it is not known."""
    with naming(place.label):
        input_shape, output_shape = _shapes_of(place, known)
        for shape in (input_shape, output_shape):
            if not shape or min(shape) < 1 or prod(shape) > MAX_SIZE:
                raise InputError(f"shape {list(shape)}, rule: positive whole numbers, at most {MAX_SIZE} together")
    shapes.inputs[place.name], shapes.outputs[place.name] = input_shape, output_shape


def _shapes_of(place: Place, known: Shape | None) -> tuple[Shape, Shape]:
    """Return shapes of what arrives at a node and leaves it; `known` is that of what arrives, or None."""
    if place.kind in AXES:
        return image_shapes(place, known)
    if place.kind in ("Affine", "Linear"):
        weight = numbers(place.node, "weight").shape
        if len(weight) < 2 or 0 in weight:
            raise InputError(f"weight of shape {weight}, rule: (neurons, inputs), both positive; repair it")
        return (*weight[:-2], weight[-1]), weight[:-1]
    if place.kind in ELEMENTWISE:
        shape = _elementwise(place, known)
        return shape, shape
    if place.kind == "Flatten":
        input_shape = known or _declared(place)
        return input_shape, _flattened(input_shape, place.node)
    return (_declared(place),) * 2


def _declared(place: Place) -> Shape:
    """Return the shape that an Input, Output or Flatten says."""
    raw = shape_of(place.node)
    if raw.dtype.kind not in "iu" or raw.ndim > 1:
        raise InputError(f"shape {short_repr(raw.tolist())}, rule: positive whole numbers")
    return tuple(int(v) for v in raw.reshape(-1))


def _flattened(input_shape: Shape, node: Any) -> Shape:
    """Return what NIR's Flatten makes of a shape: axes start_dim..end_dim become one."""
    first, last = (whole_numbers(name, field_of(node, name), 1, -1 << 24)[0] for name in ("start_dim", "end_dim"))
    count = len(input_shape)
    first, last = max(first + count if first < 0 else first, 0), min(last + count if last < 0 else last, count - 1)
    if first >= last:
        return input_shape
    return (*input_shape[:first], prod(input_shape[first : last + 1]), *input_shape[last + 1 :])


def _elementwise(place: Place, known: Shape | None) -> Shape:
    """Return the parameters' own shape, or that of what arrives where they are one number, or one a channel."""
    declared = max((numbers(place.node, name).shape for name in ELEMENTWISE[place.kind]), key=prod)
    if known is None:
        return declared or (1,)
    fits = (
        prod(declared) == 1
        or _by_channel(declared, known)
        or (len(declared) == len(known) and _broadcasts(declared, known))
    )
    return known if fits and prod(declared) != prod(known) else declared or (1,)


def _by_channel(declared: Shape, shape: Shape) -> bool:
    """Return whether the parameters are one number a channel."""
    return len(declared) == 1 and len(shape) > 1 and declared[0] == shape[0]


def _broadcasts(declared: Shape, shape: Shape) -> bool:
    """Return whether the parameters have axes of length 1 where they do not have the shape's."""
    return all(a in (1, b) for a, b in zip(declared, shape, strict=True))


def for_each_neuron(name: str, values: Array, shape: Shape) -> tuple[Array, str]:
    """Return a parameter for each neuron, (n,), and how it was read ('' if as it stands); raise InputError."""
    if values.size == 1 or _bare(values.shape) == _bare(shape):
        return np.array(np.broadcast_to(values.reshape(-1), (prod(shape),))), ""
    if len(values.shape) == len(shape) and _broadcasts(values.shape, shape):
        return np.broadcast_to(values, shape).reshape(-1).copy(), ""
    if _by_channel(values.shape, shape):
        wide = values.reshape(-1, *(1,) * (len(shape) - 1))
        if shape.count(shape[0]) > 1:
            raise InputError(
                f"{name} of shape {values.shape} over {shape}: by channel or by another axis? rule: the "
                f"whole shape, or {wide.shape} for one number a channel"
            )
        note = f"{name} of shape {values.shape} over {shape}: one number a channel"
        return np.broadcast_to(wide, shape).reshape(-1).copy(), note
    raise InputError(
        f"{name} of shape {values.shape}, rule: {shape}, one number a neuron, one a channel, or one for all; repair it"
    )


def _bare(shape: Shape) -> Shape:
    """Return the shape without axes of length 1."""
    return tuple(n for n in shape if n != 1)


def _check_edges(flat: Flat, shapes: Shapes) -> None:
    """Raise InputError unless as many numbers arrive as leave; add a warning where they are arranged otherwise."""
    for a, b in flat.edges:
        sent, taken = shapes.outputs[a], shapes.inputs[b]
        if sent == taken:
            continue
        text = f"shape {list(taken)}, but {flat.places[a].label} sends {list(sent)}"
        if prod(sent) != prod(taken):
            raise InputError(f"{flat.places[b].label}: {text}, rule: as many numbers; repair the one that is wrong")
        reason = "axes of length 1 say nothing" if _bare(sent) == _bare(taken) else "read in C order"
        shapes.warnings.append(f"{flat.places[b].label}: {text}; {reason}")

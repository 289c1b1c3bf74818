"""Linear nodes as sparse matrices or convolutions: what leaves = M (what arrives) + b, both in C order."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.compose import diagonal
from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.exchange.nir.nodes import numbers
from hypr_neuro.exchange.nir.shapes import Shape, for_each_neuron
from hypr_neuro.exchange.nir.windows import groups, kernel_weight, taps
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.numbers.arrays import Array

STEP_TOLERANCE = 1e-3
"""How far from a whole number of steps a delay may be: time constants often went through float32."""
MAX_STEPS = 1 << 31
"""Of a Delay node: more is a damaged number."""


def matrix_of(place: Place, input_shape: Shape, output_shape: Shape) -> tuple[Any, Array | None, list[str]]:
    """Return the map (outputs, inputs) of a node, bias (outputs,) or None, and notes.

    The map is scipy CSR, a `Convolution`, or None for the identity. A pooling is a convolution behind one: its kernel
    is one entry for each channel.
    """
    kind, node = place.kind, place.node
    if kind in ("Affine", "Linear"):
        bias, notes = _bias(place, output_shape) if kind == "Affine" else (None, [])
        return _dense(numbers(node, "weight")), bias, notes
    if kind == "Scale":
        scale, note = for_each_neuron("scale", numbers(node, "scale"), output_shape)
        return diagonal(scale), None, [note] if note else []
    if kind in ("Conv1d", "Conv2d"):
        weight = kernel_weight(place)
        matrix = Convolution(weight, input_shape[1:], taps(place), groups(place))
        bias, notes = _bias(place, output_shape) if getattr(node, "bias", None) is not None else (None, [])
        return matrix, bias, [n for n in notes if "a channel" not in n]
    if kind in ("SumPool2d", "AvgPool2d"):
        window = taps(place)
        factor = 1.0 / prod(window.kernel) if kind == "AvgPool2d" else 1.0
        channels, one = input_shape[0], Taps((1, 1), (1, 1), (0, 0), (0, 0), (1, 1))
        kernel = np.full((channels, 1, 1, 1), factor)
        return Convolution(kernel, input_shape[1:], one, channels, pool=window), None, []
    return None, None, []


def _dense(weight: Array) -> Any:
    """Return the matrix of a weight (…, outputs, inputs): one block for each index of the leading axes."""
    from scipy.sparse import block_diag, csr_array

    if weight.ndim == 2:
        return csr_array(weight)
    return csr_array(block_diag([csr_array(part) for part in weight.reshape(-1, *weight.shape[-2:])]))


def _bias(place: Place, output_shape: Shape) -> tuple[Array, list[str]]:
    """Return the bias of each output, and how it was read."""
    values = numbers(place.node, "bias")
    if place.kind in ("Conv1d", "Conv2d") and values.size != 1:
        if values.shape != output_shape[:1]:
            raise InputError(f"bias of shape {values.shape}, rule: {output_shape[:1]}, one number a channel; repair it")
        values = values.reshape(-1, *(1,) * (len(output_shape) - 1))
    bias, note = for_each_neuron("bias", values, output_shape)
    return bias, [note] if note else []


def delay_steps(place: Place, shape: Shape, dt: float) -> tuple[Array, list[str]]:
    """Return the steps by which a Delay node delays each number, (n,) int64; raise InputError for parts of a step."""
    seconds, note = for_each_neuron("delay", numbers(place.node, "delay"), shape)
    with np.errstate(over="ignore"):
        exact = seconds / dt
    # more steps than any connection may have are refused there, by its name
    steps = np.rint(np.clip(exact, -1.0, MAX_STEPS))
    faulty = np.flatnonzero(~(np.abs(exact - steps) <= STEP_TOLERANCE) | (steps < 0))
    if faulty.size:
        i = faulty[0]
        raise InputError(
            f"delay[{i}] = {seconds[i]} s is {exact[i]:.6g} steps of dt = {dt} s, rule: "
            f"whole steps, 0 or more, at most {MAX_STEPS}; choose a dt that divides it"
        )
    return steps.astype(np.int64), [note] if note else []

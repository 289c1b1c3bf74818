"""Damage to a chip and its sensor, from which learning has to recover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork


def _worst_swap(weights: list[Any], x: Array) -> tuple[int, int]:
    """Return the two channels of `disturb`; weights (n, channel) of each connection, x (sample, T, channel)."""
    events = x.reshape(-1, x.shape[2]).astype(np.float64)
    # E|a - b|² = E a² + E b² - 2 E ab, and the same for the columns of the weights
    activity = events.T @ events / len(events)
    columns = sum(np.asarray(_dense(w.T.astype(np.float64) @ w)) for w in weights)
    effect = _distances(activity) * _distances(np.asarray(columns))
    first, second = np.unravel_index(effect.argmax(), effect.shape)
    return int(min(first, second)), int(max(first, second))


def _input_weights(qnet: QuantizedNetwork) -> list[Any]:
    """Return the weights from the input of each connection, in units of the first one's."""
    heard = [c for c in qnet.connections if c.source == INPUT and c.columns > int(c.bias_axon)]
    steps = [qnet.weight_step(c) for c in heard]
    result = []
    for c, step in zip(heard, steps, strict=True):
        matrix: Any = c.mantissa.tocsr() if isinstance(c.mantissa, Convolution) else c.mantissa
        ours = matrix[:, : qnet.inputs]
        result.append(ours if step == steps[0] else ours * (step / steps[0]))
    return result


def _dense(matrix: Any) -> Any:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def _distances(products: Array) -> Array:
    squares = np.diag(products)
    return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)))


def disturb(
    qnet: QuantizedNetwork, data: SequenceData, *, share: float = 0.1, seed: int = 0
) -> tuple[QuantizedNetwork, SequenceData, str]:
    """Damage a chip and rewire its sensor: `share` of the weights set to 0 and two input channels swapped.

    The channels are the two whose exchange changes the currents that the input drives most: the pair with the largest
    mean |x_i - x_j| · |w_i - w_j| on training samples. Return (network, data, description). Raise InputError for a
    share outside 0 to 1 and for input of one channel.
    """
    if not 0 <= share < 1:
        raise InputError(f"share = {share}, rule: 0 <= share < 1")
    damaged = qnet.copy()
    rng = np.random.default_rng([seed, 7])
    for weights in damaged.weights().values():
        weights[rng.random(weights.shape) < share] = 0
    if qnet.inputs < 2:
        raise InputError("input of 1 channel, rule: at least two, which are swapped; let it learn undisturbed")
    first, second = _worst_swap(_input_weights(qnet), data.part("train").x[:64])
    x = data.x.copy()
    x[:, :, [first, second]] = x[:, :, [second, first]]
    description = f"{share:.0%} of the weights set to 0, input channels {first} and {second} swapped"
    return damaged, replace(data, x=x), description

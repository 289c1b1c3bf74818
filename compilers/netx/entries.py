"""What a layer's group of a netx file holds, in numbers that lava-dl 0.6.0 hands to Lava unchanged.

======================  ===============================================================================
lif                     iDecay = du1, vDecay = dv, vThMant = vth / 2^6, bias = bias / 2^6 in 16 bits
rf, rf_iz               cosDecay and sinDecay that lava-dl and Lava turn into the neuron's, vThMant = vth / 2^6
weights                 whole numbers, in a range of which lava-dl keeps every one (`netx.weights.check_range`)
delays                  0..62; none in a recurrent layer or before rf and rf_iz
======================  ===============================================================================

lava-dl turns cosDecay and sinDecay into period and decay, and Lava turns these back into integers, cutting fractions
off: half of all pairs come out lower by 1. The neighbours of such a pair are tried for one that comes out right, and
where there is none, eighths beside it; one of them does but for some pairs of neurons that lose next to nothing.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from hypr_neuro.compilers.netx.constant_currents import REQUANTIZE, RULE
from hypr_neuro.compilers.netx.images import Arrangement, ImageConvolution
from hypr_neuro.compilers.netx.layer import NetxLayer
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx.neurons import ACTIVATION_SHIFT, BIAS_BITS, DECAY_BITS, LARGEST_THRESHOLD, RF, STATE_EXP
from hypr_neuro.exchange.netx.weights import LARGEST_DELAY, check_range
from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.numbers.arrays import Array

UNIT = 1 << ACTIVATION_SHIFT
BIAS_TOP = (1 << (BIAS_BITS - 1)) - 1
FITTING = f"{REQUANTIZE} makes weights that fit"
NEIGHBOURS = (
    *product((0, 1, -1), repeat=2),
    *product((0, 0.5, -0.5), repeat=2),
    *product([k / 8 for k in range(-7, 8)], repeat=2),
)
TYPES = {model: kind for kind, model in RF.items()}


def entries(layer: NetxLayer) -> dict[str, Any]:
    """Return the group of a layer: arrays, numbers, texts, and groups (dicts); raise InputError for what netx lacks."""
    if layer.image is not None:
        return _conv(layer, layer.image) | _lif(layer)
    p = layer.population
    group: dict[str, Any] = {
        "type": "dense_rec" if layer.recurrent else "dense",
        "shape": np.array([layer.size, 1, 1], np.int32),
        "inFeatures": layer.inputs,
        "outFeatures": layer.size,
    }
    if p.model.name == "lif":
        group |= _lif(layer)
    else:
        group["neuron"] = _rf(layer)
    return group | _weights(layer) | _delay(layer)


def _conv(layer: NetxLayer, image: ImageConvolution) -> dict[str, Any]:
    """Return the entries of a convolution but those of its neurons."""
    kernel, shape = image.kernel, image.target.shape
    return {
        "type": "conv",
        "shape": np.array(shape[::-1], np.int32),
        "inChannels": image.source.shape[2],
        "outChannels": shape[2],
        "kernelSize": np.array(kernel.kernel.shape[2:], np.int32),
        "stride": np.array(kernel.stride, np.int32),
        "padding": np.array(kernel.padding, np.int32),
        "dilation": np.array(kernel.dilation, np.int32),
        "groups": kernel.groups,
        "weight": _stored(kernel.kernel),
    }


# ---------------------------------------------------------------- neurons


def _lif(layer: NetxLayer) -> dict[str, Any]:
    """Return the entries of LIF neurons, helpers after the population's own."""
    p = layer.population
    values = {name: array.copy() for name, array in p.named().items()}
    for name, required, remedy in (
        ("lava", 1, "overflow 'lava', what Lava's LIF computes; quantize for a profile with precision.overflow: lava"),
        ("subtract", 0, "reset to zero; train with subtract 0"),
    ):
        if values[name] != required:
            raise InputError(f"population '{p.name}': {name} = {values[name]}, {RULE}: {required}, {remedy}")
    vth = _in_units(p, "vth", values["vth"], 0, LARGEST_THRESHOLD, "change the threshold")
    bias = _in_units(p, "bias", values["bias"], -BIAS_TOP - 1, BIAS_TOP, "round the bias to such a number first")
    du1, dv = values["du1"], values["dv"]
    # the layer's own threshold where a bias can exceed it, so that one number still stands for all
    threshold = vth[-1] if vth[-1] < BIAS_TOP else 0
    for first_step in layer.helpers:
        du1, dv = np.append(du1, 4096 if first_step else du1[-1]), np.append(dv, dv[-1])
        vth, bias = np.append(vth, 0 if first_step else threshold), np.append(bias, 0 if first_step else threshold + 1)
    arrangement = None if layer.image is None else layer.image.target
    neuron = {
        "type": "CUBA",
        "iDecay": _one_or_each(du1, arrangement),
        "vDecay": _one_or_each(dv, arrangement),
        "vThMant": _one_or_each(vth, arrangement),
        "refDelay": 1,
        "gradedSpike": False,
    }
    return {"neuron": neuron} | ({"bias": _each(bias, arrangement)} if bias.any() else {})


def _in_units(p: Population, name: str, values: Array, low: int, high: int, remedy: str) -> Array:
    """Return the values in multiples of 2^6."""
    for neuron in np.flatnonzero((values % UNIT != 0) | (values < low * UNIT) | (values > high * UNIT))[:1]:
        raise InputError(
            f"population '{p.name}', neuron {neuron}: {name} = {values[neuron]}, {RULE}: 2^6 times a "
            f"whole number {low}..{high}; {remedy}"
        )
    return values >> ACTIVATION_SHIFT


def _one_or_each(values: Array, arrangement: Arrangement | None) -> int | Array:
    """Return one number where all are equal, as netx documents it; lava-dl takes one for each neuron, too."""
    return int(values[0]) if np.all(values == values[0]) else _each(values, arrangement)


def _each(values: Array, arrangement: Arrangement | None) -> Array:
    """Return a number for each neuron; of an image one for each channel, (x, y, channel) where they differ in one."""
    if arrangement is None:
        return values.astype(np.int32)
    image = values[arrangement.order()].reshape(arrangement.shape).astype(np.int32)
    return image[0, 0] if np.all(image == image[0, 0]) else image


def _rf(layer: NetxLayer) -> dict[str, Any]:
    """Return the entry of resonators."""
    p = layer.population
    values = p.named()
    for c in layer.recurrent:
        raise InputError(
            f"connection {c.name}: {RULE}: no recurrent weights on '{p.model.name}', which "
            "lava-dl cannot run; remove the connection"
        )
    for name, required in (("state_exp", STATE_EXP), ("decay_bits", DECAY_BITS)):
        if values[name] != required:
            raise InputError(
                f"population '{p.name}': {name} = {values[name]}, {RULE}: {required}; make the neurons with that number"
            )
    vth = _in_units(p, "vth", values["vth"], 0, LARGEST_THRESHOLD >> 1, "change the threshold")
    for neuron in np.flatnonzero(vth != vth[0])[:1]:
        raise InputError(
            f"population '{p.name}', neuron {neuron}: vth = {vth[neuron] << ACTIVATION_SHIFT}, {RULE}: "
            "one for all neurons of a layer; make a network of each"
        )
    cos, sin = _written_decays(p, values["cos_decay"], values["sin_decay"])
    return {"type": TYPES[p.model.name], "cosDecay": cos, "sinDecay": sin, "vThMant": int(vth[0]), "gradedSpike": False}


def _written_decays(p: Population, cos: Array, sin: Array) -> tuple[Array, Array]:
    """Return cosDecay and sinDecay (n,) that come out as cos and sin."""
    written = np.zeros((2, p.size))
    solved = np.zeros(p.size, bool)
    for step in NEIGHBOURS:
        candidates = np.stack([cos + step[0], sin + step[1]])
        exact = ~solved & np.all(_read_decays(candidates) == np.stack([cos, sin]), axis=0)
        written[:, exact] = candidates[:, exact]
        solved |= exact
        if solved.all():
            break
    for neuron in np.flatnonzero(~solved)[:1]:
        raise InputError(
            f"population '{p.name}', neuron {neuron}: cos_decay, sin_decay = {cos[neuron]}, {sin[neuron]}, {RULE}: a "
            "pair, sin above 0, that lava-dl's way over period and decay gives back; raise alpha by 1 / 4096"
        )
    number_type = np.int32 if np.array_equal(written, np.rint(written)) else np.float64
    return written[0].astype(number_type), written[1].astype(number_type)


def _read_decays(pair: Array) -> Array:
    """Return (cos_decay, sin_decay) that lava-dl and Lava make of cosDecay and sinDecay, operation by operation."""
    cos, sin = pair / (1 << DECAY_BITS)
    decay_factor = np.sqrt(sin**2 + cos**2)
    possible = (sin > 0) & (decay_factor <= 1)
    cos, sin = np.where(possible, cos, 0.0), np.where(possible, sin, 1.0)
    alpha = 1 - np.sqrt(sin**2 + cos**2)
    period = 1 / (np.arctan2(sin, cos) / 2 / np.pi)
    parameters = rf_parameters(period, alpha, 1, STATE_EXP, DECAY_BITS)
    impossible = np.iinfo(np.int64).min
    return np.where(possible, np.stack([parameters["cos_decay"], parameters["sin_decay"]]), impossible)


# ---------------------------------------------------------------- connections


def _weights(layer: NetxLayer) -> dict[str, Any]:
    """Return the entries of the weights."""
    if layer.population.model.currents == 2:
        by_part = {key: layer.matrix(current) for current, key in enumerate(("real", "imag"))}
        for key, matrix in by_part.items():
            _check_range(layer, f", {key} part", matrix)
        return {"weight": {key: _stored(matrix) for key, matrix in by_part.items()}}
    # lava-dl raises the weights of a recurrent layer together
    parts = [layer.matrix(0), *([layer.recurrent_matrix()] if layer.recurrent else [])]
    _check_range(layer, "", *parts)
    return dict(zip(("weight", "weight_rec"), map(_stored, parts), strict=False))


def _stored(matrix: Array) -> Array:
    """Return weights as the file holds them."""
    return matrix.astype(np.int32)


def _check_range(layer: NetxLayer, part: str, *matrices: Array) -> None:
    """Raise InputError for weights that lava-dl would change or cannot load."""
    where = layer.label + part
    if not any(matrix.any() for matrix in matrices):
        raise InputError(
            f"{where}: weights of 0 alone, {RULE}: at least one other, lava-dl cannot load them; remove "
            "the layer or give it a weight"
        )
    try:
        check_range(where, *matrices, remedy=FITTING)
    except InputError as error:
        for group in layer.groups():
            exponents = ", ".join(str(e) for e in sorted({c.exponent for c in group}))
            if "," in exponents:
                reason = str(error).partition(";")[0]
                raise InputError(
                    f"{reason}; between '{group[0].source}' and '{group[0].target}' are connections with "
                    f"several exponents, {exponents}, netx has one scale: {FITTING}"
                ) from error
        raise


def _delay(layer: NetxLayer) -> dict[str, Any]:
    """Return the entry of the delays, if any; raise InputError where lava-dl would compute otherwise."""
    undelayed = layer.recurrent or layer.population.model.currents == 2
    for c in (c for group in layer.groups() for c in group):
        longest = _largest(c.delays)
        if undelayed and longest:
            target = "a recurrent layer" if layer.recurrent else f"'{layer.population.model.name}'"
            raise InputError(
                f"connection {c.name}: delays up to {longest}, {RULE}: none into {target}, where lava-dl "
                "computes something else; remove them or put a layer between"
            )
    delays = layer.delays()
    longest = _largest(delays)
    if longest > LARGEST_DELAY:
        raise InputError(f"{layer.label}: delays up to {longest}, {RULE}: 0..{LARGEST_DELAY}; shorten them")
    if not longest:
        return {}
    return {"delay": delays if isinstance(delays, int) else delays.astype(np.int32)}


def _largest(delays: Any) -> int:
    """Return the longest delay."""
    if isinstance(delays, int):
        return delays
    values = delays if isinstance(delays, np.ndarray) else delays.data
    return int(values.max()) if values.size else 0

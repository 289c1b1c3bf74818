"""Neurons of a netx layer as populations.

netx type               model    parameters
======================  =======  =====================================================================================
LOIHI, CUBA             lif      du1 = iDecay, dv = vDecay, vth = vThMant · 2^6, bias = bias · 2^6, reset to zero
RF_PHASE                rf       cosDecay, sinDecay, vThMant · 2^6, see below
RF_IZHIKEVICH           rf_iz    likewise
no neuron at all        lif      iDecay 0, vDecay 4096: v is the sum of all input so far; vThMant 2^17, never reached
======================  =======  =====================================================================================

Where the last layer's threshold is never reached its output is v (`cuba_li_loihi`).

iDecay is what u loses, in 4096th: lava-dl hands Lava's LIF du = iDecay - 1, to which that adds its offset of 1.
iDecay, vDecay and vThMant may be one number or one for each neuron (of a convolution: for each channel, or an array
(x, y, channel)), although netx documents one; so may the bias. Lava keeps the bias mantissa in 16 bits.

RF: lava-dl turns sinDecay and cosDecay into period and decay, and Lava turns those back into integers, cutting
fractions off. The way there and back through floating point lowers a number by 1 (of 4096) in two of five pairs: 1538
and 1270 become 1537 and 1269. Both computations are repeated here, operation by operation. Files may hold eighths,
which `compilers.netx` writes for pairs that no whole numbers give. vThMant is one number. The bias and the delays of
such a layer, which lava-dl drops, are refused.

Keys that lava-dl does not read must hold what it takes for granted: refDelay 1, gradedSpike false, wgtExp, weight_exp
and messageBits 0. theta (vThMant · 2^6), tauRho and scaleRho concern training.

Not supported, since Lava's models for them are not reproduced here: SDNN, ALIF, ADRF_PHASE, ADRF_IZHIKEVICH.
"""

from __future__ import annotations

from math import prod

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.netx.convolution import Shape
from hypr_neuro.exchange.netx.fields import Fields
from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.numbers.arrays import Array

LIF, RF = ("LOIHI", "CUBA"), {"RF_PHASE": "rf", "RF_IZHIKEVICH": "rf_iz"}
ACTIVATION_SHIFT = 6
STATE_EXP, DECAY_BITS = 6, 12
BIAS_BITS = 16
LARGEST_THRESHOLD = (1 << 18) - 1
SCALE_LOG2 = 12
"""A state of slayer's, which has threshold vThMant / 64, times 2^12 is Lava's."""
UNUSED = ("theta", "tauRho", "scaleRho", "refDelay", "gradedSpike", "wgtExp", "weight_exp", "messageBits")
ACCUMULATOR = {"type": "CUBA", "iDecay": 0, "vDecay": 4096, "vThMant": 1 << 17}


def population(layer: Fields, shape: Shape) -> Population:
    """Return the neurons of a layer, named as its group.

    Parameters
    ----------
    layer
        The group of the layer.
    shape
        (x, y, channel) or (n,).
    """
    fields = layer.group("neuron") if "neuron" in layer else Fields(f"{layer.path}/neuron", ACCUMULATOR)
    neuron_type = fields.text("type")
    _refuse_unused(fields)
    if neuron_type in LIF:
        return _lif(layer, fields, shape)
    if neuron_type in RF:
        return _rf(RF[neuron_type], layer, fields, prod(shape))
    raise InputError(f"{fields.path}/type = {neuron_type!r} is not supported, rule: {', '.join((*LIF, *RF))}")


def is_complex(layer: Fields) -> bool:
    """Return whether the layer's neurons take a real and an imaginary current."""
    return "neuron" in layer and layer.group("neuron").text("type") in RF


def _refuse_unused(fields: Fields) -> None:
    """Raise InputError where keys that lava-dl does not read hold other than it takes for granted."""
    fields.refuse_unless("refDelay", 1, "lava-dl runs no refractory period")
    fields.refuse_unless("gradedSpike", 0, "lava-dl's neurons send 0 or 1")
    fields.refuse_unless("messageBits", 0, "lava-dl's neurons send 0 or 1")
    for key in ("wgtExp", "weight_exp"):
        fields.refuse_unless(key, 0, "lava-dl does not read it; export weights without an exponent")


def _lif(layer: Fields, fields: Fields, shape: Shape) -> Population:
    """Return LIF neurons; shifts of `vThMant` and bias are Loihi's."""
    fields.refuse_others(("type", "iDecay", "vDecay", "vThMant", *UNUSED))
    du1 = _each(fields, "iDecay", shape, 0, 4096)
    dv = _each(fields, "vDecay", shape, 0, 4096)
    vth = _each(fields, "vThMant", shape, 0, LARGEST_THRESHOLD) << ACTIVATION_SHIFT
    size = prod(shape)
    bias: Array = np.zeros(size, np.int64)
    if "bias" in layer:
        limit = 1 << (BIAS_BITS - 1)
        bias = _each(layer, "bias", shape, -limit, limit - 1) << ACTIVATION_SHIFT
    inv_vth = (1 << 36) // np.maximum(vth, 1 << ACTIVATION_SHIFT)
    constants = {"lava": 1, "subtract": 0, "k": 12, "scale_log2": SCALE_LOG2}
    return Population.of(layer.path, "lif", size, du1=du1, dv=dv, vth=vth, bias=bias, inv_vth=inv_vth, **constants)


def _rf(model: str, layer: Fields, fields: Fields, size: int) -> Population:
    """Return resonators from the pair that Lava computes of sinDecay and cosDecay."""
    fields.refuse_others(("type", "sinDecay", "cosDecay", "vThMant", *UNUSED))
    for key in ("bias", "delay"):
        if key in layer and np.any(layer.integers(key)):
            raise InputError(f"{layer.path}/{key}, rule: 0, lava-dl drops it from layers of RF neurons; train without")
    sin, cos = (_eighths(fields, key, size) / 4096 for key in ("sinDecay", "cosDecay"))
    if np.any(sin <= 0):
        raise InputError(f"{fields.path}/sinDecay, rule: above 0, the neuron does not turn otherwise")
    alpha = 1 - np.sqrt(sin**2 + cos**2)
    period = 1 / (np.arctan2(sin, cos) / 2 / np.pi)
    vth = fields.integer("vThMant", 0, LARGEST_THRESHOLD >> 1)
    try:
        values = rf_parameters(period, alpha, vth, STATE_EXP, DECAY_BITS)
    except InputError as error:
        raise InputError(f"{fields.path}: sinDecay and cosDecay give {error}") from error
    return Population.of(layer.path, model, size, **values)


def _eighths(fields: Fields, key: str, size: int) -> Array:
    """Return one multiple of 1/8, -4096..4096, for each neuron."""
    stored = fields.values.get(key)
    if isinstance(stored, (np.ndarray, np.number)) and stored.dtype.kind == "f":
        fields = Fields(f"{fields.path}, times 8,", {key: 8 * stored})
        return np.asarray(_each(fields, key, (size,), -8 * 4096, 8 * 4096) / 8)
    return _each(fields, key, (size,), -4096, 4096)


def _each(fields: Fields, key: str, shape: Shape, low: int, high: int) -> Array:
    """Return one number for each neuron: from one for all, one for each channel (the last axis), or all of them."""
    array = fields.integers(key, low, high)
    if array.size == 1:
        return np.full(prod(shape), int(array.reshape(-1)[0]), np.int64)
    if array.shape not in ((shape[-1],), shape):
        raise FileFormatError(
            f"{fields.path}/{key} has shape {array.shape}, rule: one number, or ({shape[-1]},)"
            + (f", or {shape}" if len(shape) > 1 else "")
        )
    return np.broadcast_to(array, shape).reshape(-1)

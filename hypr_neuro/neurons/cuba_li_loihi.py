"""The integers of `cuba_li` in Loihi's arithmetic: `lif` whose threshold no state reaches, read as its membrane.

With decays of 12 bits and a the weighted sum, the output is v:

    u' = wrap24(zero(u (4096 - du1) / 4096) + (a << 6))                  du1 = du + 1, Loihi's offset
    v' = sat24(zero(v (4096 - dv) / 4096) + u' + bias)                   zero: rounded toward zero

Overflows are those of `lif`. Networks of Lava end so where the class is the largest membrane: netx files, for one,
whose last layer has no neuron. The quantizer makes `cuba_li` of its own, this stands for integers that others made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.neurons import cuba_li, lif
from hypr_neuro.neurons.base import FixedFormat, FixedParams, StateVar, check_integers
from hypr_neuro.neurons.given_integers import at_scales, require_loihi, require_same, require_state_bits
from hypr_neuro.neurons.lif import ACTIVATION_SHIFT, BIAS_TOP, RANGES, STATE_BITS
from hypr_neuro.neurons.lif import fixed_step as lif_step
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.jit import jitable

PER_NEURON = ("du1", "dv", "bias")
NEVER = (1 << (STATE_BITS - 1)) - 1
"""The largest v: a threshold from here on is never passed."""


@jitable
def fixed_step(s, z_prev, I, p):
    du1, dv, bias, lava, _, _ = p
    # 2^24 is above every v, which 24 bits hold
    state, _, events = lif_step(s, 0, I, (du1, dv, shift(1, 24), bias, 0, lava, 0, 0, 0))
    return state, state[1], events


@jitable
def fixed_jacobian(s_prev, s, z_prev, I, p, psi):
    du1, dv, _, _, k, scale_log2 = p
    unit = shift(1, k)
    keep_u, keep_v = shift(4096 - du1, k - 12), shift(4096 - dv, k - 12)
    # by 1 - du, dv and bias, in state units
    P = ((s_prev[0], s_prev[0]), (0, -s_prev[1]), (0, shift(1, scale_log2)))
    return ((keep_u, 0), (keep_u, keep_v)), (unit, unit), (0, unit), (0, 0), P, (0, 0, 0), (0, 0)


def to_fixed(params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
    """Convert as `lif` does, its threshold apart."""
    fixed = lif.to_fixed({"vth": params["du"] * 0 + 1.0, "subtract": params["du"] * 0, **params}, fmt)
    kept = {name: fixed.per_neuron[name] for name in PER_NEURON}
    constants = {name: fixed.constants[name] for name in ("lava", "k", "scale_log2")}
    return replace(fixed, per_neuron=kept, constants=constants)


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are; the fraction bits of what learns become the coefficients'."""
    require_state_bits(where, STATE_BITS, fmt)
    require_loihi(where, {"vth": integers["du1"] * 0, **integers}, fmt, ACTIVATION_SHIFT)
    require_same(where, "overflow", "lava" if int(integers["lava"]) else "hardware", fmt.overflow, "precision.overflow")
    scale_log2 = round(np.log2(state_scale)) if state_scale else int(integers["scale_log2"])
    learning: dict[str, Any] = {"k": fmt.coefficient_fraction, "scale_log2": scale_log2}
    return at_scales({**integers, **learning}, PER_NEURON, 2.0**scale_log2, 2.0 ** (scale_log2 - ACTIVATION_SHIFT))


def learned_units(constants: Mapping[str, int]) -> tuple[float, ...]:
    decay_u, decay_v, _, bias = lif.learned_units(constants)
    return decay_u, decay_v, bias


def learned_read(per_neuron: Mapping[str, Array], constants: Mapping[str, int]) -> tuple[Array, ...]:
    # as `cuba_li`'s values: 1 - du, dv, bias
    bias = per_neuron["bias"] / 2.0 ** constants["scale_log2"]
    return 1.0 - per_neuron["du1"] / 4096, per_neuron["dv"] / 4096, bias


@jitable
def learned_change(p, change):
    # the first is of 1 - du, which is du1's other side
    du1, dv, bias, _, _, _ = p
    bias1 = shift(min(max(shift(bias, -6) - change[2], -BIAS_TOP), BIAS_TOP), 6)
    return (
        min(max(du1 + change[0], 1), 4096),
        min(max(dv - change[1], 0), 4096),
        bias if change[2] == 0 else bias1,
    )


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold decays to 4096ths and biases to 32 bits; InputError outside."""
    check_integers(where, values, {name: RANGES[name] for name in ("du1", "dv", "bias", "lava")})


VARIANT = replace(
    cuba_li.MODEL,
    name="cuba_li_loihi",
    variant_of="cuba_li",
    states=(
        StateVar("u", "wrap", "synaptic current; in overflow mode 'lava' it can leave 24 bits"),
        StateVar("v", "saturate", "output"),
    ),
    fixed_per_neuron=PER_NEURON,
    fixed_constants=("lava", "k", "scale_log2"),
    events=lif.MODEL.events,
    fixed_step=fixed_step,
    fixed_jacobian=fixed_jacobian,
    to_fixed=to_fixed,
    of_integers=of_integers,
    learned=replace(cuba_li.LEARNED, units=learned_units, read=learned_read, change=learned_change),
    validate_fixed=validate_fixed,
    source="Davies et al. 2018 (Loihi); lava-nc 0.10.0, lava.proc.lif",
)

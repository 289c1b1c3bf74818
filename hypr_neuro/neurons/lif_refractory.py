"""LIF with a refractory period, integers only: `lif` whose potential rests at 0 for n steps after a spike.

    u' as in `lif`
    v' as in `lif`, z' = 1 if v' > vth else 0     while r = 0
    v' = 0, z' = 0                                while r > 0
    r' = n if z' = 1, else max(r - 1, 0)

u runs on meanwhile; after the n steps v starts from 0. The sum that would be v is made all the same, and where it
saturates that is counted. n = 0 is `lif` with its reset to zero. The order is that of
Lava's LIFRefractory (lava.proc.lif 0.10.0), which exists in floating point only; the arithmetic is `lif`'s: u and v
with 6 fraction bits, overflow "lava" or "hardware". As there, the state v is the value before the reset.

n is a parameter of each neuron. Loihi 1 holds n + 1, which counts the step of the spike, in 6 bits: n up to 62
(nengo-loihi's emulator, which orders the step in the same way).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypr_neuro.neurons import lif
from hypr_neuro.neurons.base import FixedFormat, FixedParams, NeuronModel, StateVar, check_integers
from hypr_neuro.neurons.given_integers import at_scales, require_loihi, require_same, require_state_bits
from hypr_neuro.neurons.lif import Numbers
from hypr_neuro.neurons.lif import fixed_step as lif_step
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.jit import jitable


@jitable
def fixed_step(s, z_prev, I, p):
    du1, dv, vth, bias, refractory, lava = p
    # of lif's numbers those of its learning have no use here: 1/vth, fractions and scale; it resets to zero
    (u, v), z, events = lif_step((s[0], s[1]), z_prev, I, (du1, dv, vth, bias, 0, lava, 0, 0, 0))
    held = 1 if s[2] > 0 else 0
    z = 0 if held else z
    r = refractory if z else max(s[2] - 1, 0)
    return (u, 0 if held else v, r), z, events


LONGEST = 62


def validate_fixed(where: str, values: Mapping[str, Array]) -> None:
    """Hold integers to the ranges of `lif`, and rest to 62 steps, what Loihi's 6 bits hold; InputError outside."""
    check_integers(where, values, lif.RANGES | {"refractory": (0, LONGEST)})


def of_integers(where: str, integers: Mapping[str, Array], fmt: FixedFormat, state_scale: float | None) -> FixedParams:
    """Take integers as they are: the same room as `lif` needs, at the scale of Lava's mantissas unless one is given."""
    require_state_bits(where, lif.STATE_BITS, fmt)
    require_loihi(where, integers, fmt, lif.ACTIVATION_SHIFT)
    require_same(where, "overflow", "lava" if int(integers["lava"]) else "hardware", fmt.overflow, "precision.overflow")
    current_scale = 1.0 if state_scale is None else state_scale / 2.0**lif.ACTIVATION_SHIFT
    return at_scales(integers, MODEL.fixed_per_neuron, current_scale * 2.0**lif.ACTIVATION_SHIFT, current_scale)


def lif_refractory_parameters(
    du: Numbers, dv: Numbers, vth: Numbers, refractory: Numbers, bias: Numbers = 0, *, overflow: str = "lava"
) -> dict[str, Any]:
    """Make the integers of `lif_refractory` for `Population.of`.

    refractory : steps of rest, 0..62; the others as in `lif.lif_parameters`
    """
    integers = lif.lif_parameters(du, dv, vth, bias, overflow=overflow)
    return {name: integers[name] for name in ("du1", "dv", "vth", "bias", "lava")} | {"refractory": refractory}


MODEL = NeuronModel(
    name="lif_refractory",
    states=(
        lif.MODEL.states[0],
        lif.MODEL.states[1],
        StateVar("r", "", "steps for which v still rests"),
    ),
    membrane="v",
    fixed_per_neuron=("du1", "dv", "vth", "bias", "refractory"),
    fixed_constants=("lava",),
    events=lif.MODEL.events,
    fixed_step=fixed_step,
    of_integers=of_integers,
    validate_fixed=validate_fixed,
    lanes=True,
    source="Davies et al. 2018 (Loihi); lava-nc 0.10.0, lava.proc.lif; longest period: nengo-loihi, REFRACT_DELAY_MAX",
)

"""Resonate-and-fire neuron as Izhikevich resets it, integers only: equals Lava's fixed-point RF_IZ bit for bit.

States before the reset are those of `rf`, events too; parameters by `rf.rf_parameters`. Then

    z' = 1 if im' >= vth else 0,   with z' = 1:  re' = 0, im' = vth - 1

so that the state itself holds values after the reset. Widths of intermediate results: as in `rf`.
"""

from __future__ import annotations

from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.rf import CONSTANTS, EVENTS, PER_NEURON, STATES, of_integers, validate_fixed
from hypr_neuro.neurons.rf import fixed_step as rf_step
from hypr_neuro.numbers.jit import jitable


@jitable
def fixed_step(s, z_prev, I, p):
    (re, im), _, events = rf_step(s, z_prev, I, p)
    z = 1 if im >= p[2] else 0
    return (0 if z else re, p[2] - 1 if z else im), z, events


MODEL = NeuronModel(
    name="rf_iz",
    states=STATES,
    fixed_per_neuron=PER_NEURON,
    fixed_constants=CONSTANTS,
    events=EVENTS,
    fixed_step=fixed_step,
    of_integers=of_integers,
    currents=2,
    validate_fixed=validate_fixed,
    source="lava-nc 0.10.0, lava.proc.rf_iz; Izhikevich: Resonate-and-fire neurons, Neural Networks 14, 2001",
)

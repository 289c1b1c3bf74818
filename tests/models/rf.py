"""What tests know of `rf`."""

from __future__ import annotations

import math

from model_records import Maths, ModelRecord, Tolerance, falling

from hypr_neuro.neurons.rf import rf_parameters


def turned(s, I, p, m: Maths):
    angle, keep = 2 * math.pi / p["period"], 1 - p["alpha"]
    c, d = keep * m.cos(angle), keep * m.sin(angle)
    return c * s[0] - d * s[1] + I[0], d * s[0] + c * s[1] + I[1]


def relaxed(s_prev, s, p, m: Maths):
    """The smooth step over the threshold times the bell at the real axis, as lava-dl relaxes them."""
    tau = p["vth"] / 2
    away = (s[0] - p["vth"]) / tau
    tail = 0.5 * falling(m.abs(away), m)
    # at 0, where a silent neuron is, the bell has no slope
    size = m.where(s[1] > 0, s[1], m.where(s[1] < 0, -s[1], 0 * s[1]))
    step, bell = m.where(away > 0, 1 - tail, tail), falling(size / tau, m) / (2 * tau)
    return 10 * step * bell


def equation(s, z, I, p, m: Maths):
    re, im = turned(s, I, p, m)
    fired = 1.0 * ((re >= p["vth"]) & (im >= 0) & (s[1] < 0))
    return (re, im), m.relaxed(fired, relaxed(s, (re, im), p, m))


RECORD = ModelRecord(
    equation=equation,
    relaxed=relaxed,
    drive=0.6,
    tolerance=Tolerance(
        step=2e-3,
        A=2.5e-4,
        B=0.0,
        C=0.01,
        P=0.0,
        E=0.0,
        psi=0.012,
        trajectory=0.01,
        alike=0.9,
        param_units=lambda p: (1.0, 1.0),
    ),
    integers=rf_parameters(9, 0.1, 20, state_exp=6),
)

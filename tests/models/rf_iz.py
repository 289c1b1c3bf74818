"""What tests know of `rf_iz`."""

from __future__ import annotations

import math

from model_records import Maths, ModelRecord, Tolerance, falling

from hypr_neuro.neurons.rf import rf_parameters


def relaxed(s_prev, s, p, m: Maths):
    """A tenth of the smooth step over the threshold, of lava-dl's width."""
    away = (s[1] - p["vth"]) / (100 * p["vth"])
    tail = 0.5 * falling(m.abs(away), m)
    return 0.1 * m.where(away > 0, 1 - tail, tail)


def equation(s, z, I, p, m: Maths):
    angle, keep = 2 * math.pi / p["period"], 1 - p["alpha"]
    c, d = keep * m.cos(angle), keep * m.sin(angle)
    re, im = s[0] * (1 - z), s[1] * (1 - z) + p["vth"] * z
    re, im = c * re - d * im + I[0], d * re + c * im + I[1]
    return (re, im), m.relaxed(1.0 * (im >= p["vth"]), relaxed(s, (re, im), p, m))


RECORD = ModelRecord(
    equation=equation,
    relaxed=relaxed,
    drive=0.3,
    tolerance=Tolerance(
        step=2e-3,
        A=2.5e-4,
        B=0.0,
        C=1e-7,
        P=0.0,
        E=0.0,
        psi=0.006,
        trajectory=5e-3,
        alike=0.85,
        param_units=lambda p: (1.0, 1.0),
    ),
    integers=rf_parameters(9, 0.1, 20, state_exp=6),
)

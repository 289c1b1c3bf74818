"""What tests know of `rf_threshold`."""

from __future__ import annotations

import numpy as np
from model_records import LearnedRecord, Maths, ModelRecord, Rule, Tolerance, double_gaussian


def equation(s, z, I, p, m: Maths):
    (u, v), delta, omega, c = s, p["delta"], m.abs(p["omega"]), -m.abs(p["b_offset"])
    u, v = u + delta * (c * u - omega * v + I), v + delta * (omega * u + c * v)
    return (u, v), m.spike(u - p["theta"])


RECORD = ModelRecord(
    equation=equation,
    psi=double_gaussian,
    drive=20.0,
    tolerance=Tolerance(
        step=4e-5,
        A=4e-5,
        B=1e-12,
        C=1e-12,
        P=2e-5,
        E=0.0,
        psi=0.015,
        trajectory=1e-3,
        alike=0.9,
        # the integers are δω and δ|b'|
        param_units=lambda p: (p["delta"] * np.sign(p["omega"]), p["delta"] * np.sign(p["b_offset"])),
    ),
    learned=LearnedRecord(
        rounded=(0.5, 0.5),
        ends=lambda constants, own: [(0.0, 1.0 - 2.0 ** -constants["k"])] * 2,
        rules=(Rule("damping, no growth", lambda p: -(1 << p["k"]) < p["cd"] <= 0),),
    ),
    ranges={"omega": (5, 10), "b_offset": (0.1, 1)},
    # they stand in the integers as δω and δb'
    read_back={"omega": 100.0, "b_offset": 100.0},
)

"""What tests know of `lif_multispike`."""

from __future__ import annotations

from model_records import Maths, ModelRecord, Tolerance, slayer

STEPS_OF_Z = 15


def equation(s, z, I, p, m: Maths):
    u = (1 - p["du"]) * s[0] + I
    v = (1 - p["dv"]) * (s[1] - p["vth"] * z) + u + p["bias"]
    x = v / p["vth"]
    nearest = 1.0
    for k in range(1, STEPS_OF_Z):
        nearest = nearest + m.where(x >= k + 0.5, m.where(p["max_spikes"] >= k + 1, 1.0, 0.0), 0.0)
    return (u, v), nearest - 1.0 + m.spike(x - nearest)


RECORD = ModelRecord(
    equation=equation,
    psi=slayer,
    cases={"two spikes at most": {"max_spikes": 2.0}},
    drive=1.5,
    tolerance=Tolerance(
        step=2.4e-4,
        A=1.3e-4,
        B=1e-12,
        C=6e-4,
        P=1e-12,
        E=0.012,
        psi=0.012,
        trajectory=1.5e-3,
        # each of many steps of z is one that integers may take earlier or later
        alike=0.75,
        param_units=lambda p: (1.0, 1.0, 1.0, 1.0),
    ),
    ranges={"dv": (0.03, 0.2)},
    read_back={"du": 16.0, "dv": 16.0, "vth": 16.0, "bias": 16.0},
)

"""What tests know of `cuba_li`, a readout."""

from __future__ import annotations

from model_records import LearnedRecord, Maths, ModelRecord, Tolerance


def equation(s, z, I, p, m: Maths):
    u = (1 - p["du"]) * s[0] + I
    v = (1 - p["dv"]) * s[1] + u + p["bias"]
    return (u, v), v


def ends(constants, own):
    decays = 0.0, 1.0 - 2.0 ** -constants["k"]
    states = ((1 << (constants["bits"] - 1)) - 1) / 2.0 ** constants["f"]
    return [decays, decays, (-states, states)]


RECORD = ModelRecord(
    equation=equation,
    cases={"with a bias": {"bias": 0.1}},
    tolerance=Tolerance(
        step=6e-5,
        A=1.6e-5,
        B=1e-12,
        C=1e-12,
        P=1e-12,
        E=0.0,
        psi=0.0,
        trajectory=4e-4,
        alike=1.0,
        # the integers are 1 - du, dv and the bias
        param_units=lambda p: (-1.0, 1.0, 1.0),
    ),
    learned=LearnedRecord(rounded=(0.5, 0.5, 0.5), ends=ends),
)

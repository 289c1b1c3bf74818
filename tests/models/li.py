"""What tests know of `li`, the readout."""

from __future__ import annotations

from model_records import LearnedRecord, Maths, ModelRecord, Rule, Tolerance, decay


def equation(s, z, I, p, m: Maths):
    kappa = m.exp(-1 / p["tau"])
    u = kappa * s[0] + (1 - kappa) * I
    return (u,), u


RECORD = ModelRecord(
    equation=equation,
    tolerance=Tolerance(
        step=4e-5,
        A=1.6e-5,
        B=1.6e-5,
        C=1e-12,
        P=1e-12,
        E=0.0,
        psi=0.0,
        trajectory=2e-4,
        alike=1.0,
        # the integer is κ = e^{-1/τ}
        param_units=lambda p: (decay(p["tau"]),),
    ),
    at_rest=lambda u, p: ((u,), u),
    learned=LearnedRecord(
        rounded=(0.5,),
        ends=lambda constants, own: [(0.0, 1.0 - 2.0 ** -constants["k"])],
        rules=(Rule("a gain of 1 at rest", lambda p: p["gain"] + p["kappa"] == 1 << p["k"]),),
    ),
)

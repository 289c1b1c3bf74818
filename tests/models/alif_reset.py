"""What tests know of `alif_reset`."""

from __future__ import annotations

from model_records import LearnedRecord, Maths, ModelRecord, Tolerance, decay, double_gaussian


def equation(s, z, I, p, m: Maths):
    alpha, rho = m.exp(-1 / p["tau_u"]), m.exp(-1 / p["tau_a"])
    left = s[0] - (p["b0"] + p["beta"] * s[1]) * z
    a = rho * s[1] + (1 - rho) * z
    u = alpha * left + (1 - alpha) * I
    return (u, a), m.spike(u - p["b0"] - p["beta"] * a)


def ends(constants, own):
    decays = 0.0, 1.0 - 2.0 ** -constants["k"]
    states = ((1 << (constants["bits"] - 1)) - 1) / 2.0 ** constants["f"]
    beta = ((1 << constants["k"]) - 1) / 2.0 ** constants["m"]
    return [decays, decays, (-states, states), (-beta, beta)]


RECORD = ModelRecord(
    equation=equation,
    psi=double_gaussian,
    tolerance=Tolerance(
        step=1.2e-4,
        A=1.1e-4,
        B=1.6e-5,
        C=4.5e-5,
        P=(1.1e-4, 1e-12, 1.6e-5, 2.4e-5),
        E=1.6e-5,
        psi=0.015,
        trajectory=7e-4,
        alike=0.85,
        # the integers are α and ρ in place of τ_u and τ_a
        param_units=lambda p: (decay(p["tau_u"]), decay(p["tau_a"]), 1.0, 1.0),
    ),
    at_rest=lambda u, p: ((u, 0), u),
    learned=LearnedRecord(rounded=(0.5, 0.5, 0.5, 0.5), ends=ends),
    steep={"beta": 60.0},
    ranges={"tau_u": (10, 30), "tau_a": (60, 200)},
)

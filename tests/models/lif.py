"""What tests know of `lif`."""

from __future__ import annotations

from math import floor

from model_records import LearnedRecord, Maths, ModelRecord, Rule, Tolerance, above, slayer


def equation(s, z, I, p, m: Maths):
    u = (1 - p["du"]) * s[0] + I
    reset = m.where(p["subtract"] == 1, s[1] - p["vth"] * z, s[1] * (1 - z))
    v = (1 - p["dv"]) * reset + u + p["bias"]
    return (u, v), m.spike(above(v, p["vth"], m))


def ends(constants, own):
    mantissa = 64 / 2.0 ** constants["scale_log2"]
    return [(1 / 4096, 1.0), (0.0, 1.0), (mantissa, ((1 << 17) - 1) * mantissa), (-4095 * mantissa, 4095 * mantissa)]


def start(change, before, units):
    """A bias that changes loses what its exponent of 6 does not hold."""
    return before if change[3] == 0 else (*before[:3], float(floor(before[3] / units[3]) * units[3]))


RECORD = ModelRecord(
    equation=equation,
    psi=slayer,
    cases={"subtractive reset": {"subtract": 1.0}},
    drive=0.4,
    tolerance=Tolerance(
        step=2.4e-4,
        A=1.3e-4,
        B=1e-12,
        C=6e-4,
        P=1e-12,
        E=0.012,
        psi=0.012,
        trajectory=1.5e-3,
        alike=0.9,
        param_units=lambda p: (1.0, 1.0, 1.0, 1.0),
    ),
    learned=LearnedRecord(
        rounded=(0.5, 0.5, 0.5, 0.5),
        ends=ends,
        rules=(
            Rule("1/vth", lambda p: p["inv_vth"] == (1 << 36) // p["vth"]),
            Rule("a mantissa · 2^6", lambda p: p["vth"] % 64 == 0),
        ),
        start=start,
    ),
    steep={"vth": 0.05},
    # on hardware, u wraps only after many currents of 22 bits
    overflowing={"du": 0.05},
    ranges={"dv": (0.03, 0.2)},
    # du and dv have 12 bits, the parameters of other models 16
    read_back={"du": 16.0, "dv": 16.0, "vth": 16.0, "bias": 16.0},
)

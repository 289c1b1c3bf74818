"""What tests know of `lif_reset`."""

from __future__ import annotations

from math import floor

from model_records import LearnedRecord, Maths, ModelRecord, Rule, Tolerance, above, slayer


def equation(s, z, I, p, m: Maths):
    u = (1 - p["du"]) * s[0] + I
    at_once = m.where(p["subtract"] == 1, s[1] - p["vth"] * z, s[1] * (1 - z))
    kept = m.where(p["delayed"] == 1, s[1], at_once)
    raw = (1 - p["dv"]) * kept + u + p["bias"]
    after = m.where(p["subtract"] == 1, raw - p["vth"] * z, raw * (1 - z))
    v = m.where(p["delayed"] == 1, after, raw)
    v = m.where(v > p["floor"], v, p["floor"])
    return (u, v), m.spike(above(v, p["vth"], m))


def ends(constants, own):
    mantissa = 2.0 ** (constants["up"] - constants["scale_log2"])
    top = (1 << (constants["bits"] - 1 - constants["up"])) - 1
    largest = min(top, (1 << 12) - 1) * mantissa
    return [(1 / 4096, 1.0), (0.0, 1.0), (mantissa, min(top, (1 << 17) - 1) * mantissa), (-largest, largest)]


def start(change, before, units):
    """A bias that changes loses what its exponent does not hold."""
    return before if change[3] == 0 else (*before[:3], float(floor(before[3] / units[3]) * units[3]))


RECORD = ModelRecord(
    equation=equation,
    psi=slayer,
    cases={
        "delayed, by subtraction": {"subtract": 1.0},
        "at once": {"delayed": 0.0},
        "at once, by subtraction": {"delayed": 0.0, "subtract": 1.0},
        "floor": {"floor": -0.2},
    },
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
            Rule("1/vth", lambda p: p["inv_vth"] == (1 << (p["bits"] + 12)) // p["vth"]),
            Rule("a mantissa", lambda p: p["vth"] % (1 << p["up"]) == 0),
        ),
        start=start,
    ),
    steep={"vth": 0.05},
    ranges={"dv": (0.03, 0.2)},
    # no floor at all comes back as the lowest state
    read_back={"du": 16.0, "dv": 16.0, "vth": 16.0, "bias": 16.0, "floor": None},
)

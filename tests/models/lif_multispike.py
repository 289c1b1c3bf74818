"""What tests know of `lif_multispike`."""

from __future__ import annotations

from math import floor

from model_records import LearnedRecord, Maths, ModelRecord, Rule, Tolerance, slayer

STEPS_OF_Z = 15


def equation(s, z, I, p, m: Maths):
    u = (1 - p["du"]) * s[0] + I
    v = (1 - p["dv"]) * (s[1] - p["vth"] * z) + u + p["bias"]
    x = v / p["vth"]
    nearest = 1.0
    for k in range(1, STEPS_OF_Z):
        nearest = nearest + m.where(x >= k + 0.5, m.where(p["max_spikes"] >= k + 1, 1.0, 0.0), 0.0)
    return (u, v), nearest - 1.0 + m.spike(x - nearest)


def ends(constants, own):
    mantissa = 2.0 ** (constants["up"] - constants["state_fraction"])
    top = (1 << (constants["bits"] - 1 - constants["up"])) - 1
    largest = min(top, (1 << 12) - 1) * mantissa
    return [(1 / 4096, 1.0), (0.0, 1.0), (mantissa, min(top, (1 << 17) - 1) * mantissa), (-largest, largest)]


def start(change, before, units):
    """A bias that changes loses what its exponent does not hold."""
    return before if change[3] == 0 else (*before[:3], float(floor(before[3] / units[3]) * units[3]))


RECORD = ModelRecord(
    equation=equation,
    psi=slayer,
    cases={"two spikes at most": {"max_spikes": 2.0}},
    drive=1.5,
    tolerance=Tolerance(
        step=2.4e-4,
        A=1.3e-4,
        B=1e-12,
        C=1e-3,
        P=(1e-12, 7e-5, 1.4e-4, 1e-12),
        E=0.03,
        psi=0.03,
        trajectory=1.5e-3,
        # each of many steps of z is one that integers may take earlier or later
        alike=0.75,
        param_units=lambda p: (1.0, 1.0, 1.0, 1.0),
    ),
    learned=LearnedRecord(
        rounded=(0.5, 0.5, 0.5, 0.5),
        ends=ends,
        rules=(Rule("a mantissa", lambda p: p["vth"] % (1 << p["up"]) == 0 and p["vth"] > 0),),
        start=start,
    ),
    steep={"vth": 0.05},
    ranges={"dv": (0.03, 0.2)},
    read_back={"du": 16.0, "dv": 16.0, "vth": 16.0, "bias": 16.0},
)

"""What tests know of `brf`."""

from __future__ import annotations

from fractions import Fraction
from math import floor, isqrt

import numpy as np
from model_records import LearnedRecord, Maths, ModelRecord, Rule, Tolerance, double_gaussian


def equation(s, z, I, p, m: Maths):
    (u, v, q), delta, omega = s, p["delta"], m.abs(p["omega"])
    c = (-1 + m.sqrt(1 - (delta * omega) ** 2)) / delta - m.abs(p["b_offset"]) - q
    u, v = u + delta * (c * u - omega * v + I), v + delta * (omega * u + c * v)
    fired = m.spike(u - p["theta"] - q)
    return (u, v, p["gamma"] * q + fired), fired


def unit(p: dict[str, int]) -> int:
    return 1 << p["k"]


def root(p: dict[str, int]) -> int:
    return isqrt(unit(p) ** 2 - p["wd"] ** 2)


def nearest(x: int, y: int) -> int:
    return floor(Fraction(x, y) + Fraction(1, 2))


def ends(constants, own):
    """Of δ|b'| at the δ|ω| that `own` has: c stays above -1 there."""
    one = 1 << constants["k"]
    return [(0.0, 1.0 - 1.0 / one), (0.0, (isqrt(one * one - own[0] * own[0]) - 1) / one)]


def fast(params, rng):
    """Up to δ|ω| = 0.9."""
    return params | {"omega": rng.uniform(-90.0, 90.0, len(params["omega"]))}


RECORD = ModelRecord(
    equation=equation,
    psi=double_gaussian,
    drive=30.0,
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
        # b is of two rounded numbers and a floored root, at δ|ω| = 0.9 off by one for half a unit of wd: 2.6 at worst
        rounded=(0.5, 1.7),
        ends=ends,
        rules=(
            Rule("p'(ω) = -wd / root", lambda p: p["dp"] == max(1 - unit(p), nearest(-unit(p) * p["wd"], root(p)))),
            Rule("no growth", lambda p: (unit(p) + p["cd"]) ** 2 + p["wd"] ** 2 <= unit(p) ** 2),
            Rule("a coefficient", lambda p: abs(p["cd"]) < unit(p)),
        ),
        draw=fast,
        # what was quantized is rounded apart until ω changes
        settled=lambda p, changed: changed[0] != p[0],
        # c then stays as it was quantized
        keeps=lambda p, changed, change: change[1] == 0 and changed[0] == p[0],
    ),
    steep={"delta": 1.0, "omega": 0.3, "b_offset": 0.1},
    # q can only grow so far while the threshold is as large as a saturated u
    overflowing={"theta": 0.0},
    ranges={"omega": (5, 10), "b_offset": (0.1, 1)},
    # they stand in the integers as δω and δb'
    read_back={"omega": 100.0, "b_offset": 100.0},
)

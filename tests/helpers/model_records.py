"""Find what tests know of each neuron: one file a model, `tests/models/<name>.py`, that defines `RECORD`.

A record holds what no test can derive from the model itself: its equations written a second time, how far integers may
be from floats, which parameters drive it to its ends. Tests loop over the models of the package and ask `record_of`;
no test names a model to know this.
"""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import NeuronModel, Param
from hypr_neuro.testing import integer

FOLDER = Path(__file__).resolve().parents[1] / "models"
Array = Any
Params = dict[str, np.ndarray]
Constants = Mapping[str, int]
Ends = list[tuple[float, float]]


class Maths(NamedTuple):
    """Functions that an equation calls, of plain numbers or of traced arrays alike.

    `spike` is Θ; `relaxed` gives its first argument, with the derivative of the second one.
    """

    exp: Callable[[Array], Array]
    sqrt: Callable[[Array], Array]
    abs: Callable[[Array], Array]
    where: Callable[[Array, Array, Array], Array]
    spike: Callable[[Array], Array]
    cos: Callable[[Array], Array]
    sin: Callable[[Array], Array]
    relaxed: Callable[[Array, Array], Array]


PLAIN = Maths(np.exp, np.sqrt, np.abs, np.where, lambda x: 1.0 * (x > 0), np.cos, np.sin, lambda value, smooth: value)


def exp_neg(y: Array, m: Maths) -> Array:
    """Return e^{-y} as surrogates take it: no y counts as more than 64, so none of them is below 1.6e-28 anywhere."""
    return m.exp(-m.where(y > 64.0, 64.0, y))


def falling(y: Array, m: Maths) -> Array:
    """Return e^{-y} likewise, with a slope of the same size where y counts as 64."""
    floor = exp_neg(y, m)
    return m.relaxed(floor, m.where(y > 64.0, -math.exp(-64.0) * y, floor))


def above(v: Array, vth: Array, m: Maths) -> Array:
    """Return (v - vth) / vth, with the derivatives of v / vth - 1.

    They are the same, but that by vth is 0 where v is: the difference of two equal numbers is only their rounding.
    """
    return m.relaxed((v - vth) / vth, v / vth - 1)


def slayer(x: Array, m: Maths) -> Array:
    """Return ψ of SLAYER: steepness 5, height 0.5."""
    return 0.2 * 5 / 2 * exp_neg(5 * m.abs(x), m)


def double_gaussian(x: Array, m: Maths) -> Array:
    """Return ψ of a narrow bell less a wide one."""

    def normal(sigma: float) -> Array:
        return exp_neg(x**2 / (2 * sigma**2), m) / (sigma * math.sqrt(2 * math.pi))

    return (1.15 * normal(0.5) - 0.30 * normal(3.0)) / 2


def decay(tau: float) -> float:
    """Return the derivative of e^{-1/τ} by τ."""
    return float(np.exp(-1 / tau) / tau**2)


@dataclass(frozen=True)
class Tolerance:
    """State the largest difference of integer and float; a test holds to it, and its message says what was found.

    step : states after one step from equal ones, in parts of the state range, unless one saturates or a spike differs
    A, B, C : entries of the Jacobian (C' as C), for the same ψ
    P : in parts of the state range, for all parameters or for each
    E, psi : absolute
    trajectory : states over 150 steps, in parts of the state range, up to the first spike that differs
    alike : smallest share of neuron-steps before that spike
    param_units : derivative of the integer parameters by the float ones, (parameters of a neuron) -> one for each
        trainable
    """

    step: float
    A: float
    B: float
    C: float
    P: float | tuple[float, ...]
    E: float
    psi: float
    trajectory: float
    alike: float
    param_units: Callable[[dict[str, float]], tuple[float, ...]]


class Rule(NamedTuple):
    """One rule between a neuron's integers, by name, that a change has to keep."""

    text: str
    holds: Callable[[dict[str, int]], bool]


def _as_drawn(params: Params, rng: np.random.Generator) -> Params:
    return params


def _as_before(change: tuple[int, ...], before: tuple[float, ...], units: tuple[float, ...]) -> tuple[float, ...]:
    return before


def _always(p: tuple[int, ...], changed: tuple[int, ...]) -> bool:
    return True


def _never(p: tuple[int, ...], changed: tuple[int, ...], change: tuple[int, ...]) -> bool:
    return False


@dataclass(frozen=True)
class LearnedRecord:
    """What tests must know of the parameters that learn on a chip, the model's `learned`.

    rounded : how far quantizing may put each value off, in units of change; stated, and reached to nine tenths by the
        first two
    ends : (constants, the neuron's integers after a change) -> both ends of each value
    rules : between the integers of a neuron
    draw : parameters for `rounded`, from those that every test draws
    start : (change, values, units) -> the values that a change starts from
    settled : (integers, integers after a change) -> whether the rules hold; where not, they are as they were quantized
    keeps : (integers, integers after a change, change) -> whether every value stays as it was
    """

    rounded: tuple[float, ...]
    ends: Callable[[Constants, tuple[int, ...]], Ends]
    rules: tuple[Rule, ...] = ()
    draw: Callable[[Params, np.random.Generator], Params] = _as_drawn
    start: Callable[[tuple[int, ...], tuple[float, ...], tuple[float, ...]], tuple[float, ...]] = _as_before
    settled: Callable[[tuple[int, ...], tuple[int, ...]], bool] = _always
    keeps: Callable[[tuple[int, ...], tuple[int, ...], tuple[int, ...]], bool] = _never


@dataclass(frozen=True)
class ModelRecord:
    """What tests must know of a neuron; what a model does not have (a float form, say) is left out.

    equation : one step as the publication writes it, (states, output of the previous step, current, parameters, maths)
        -> (states, output), with `Maths` alone, so that it can be traced; of several input currents a tuple
    relaxed : of a spike whose derivative is no ψ of one argument, the function whose derivatives stand for its own,
        (states before, states, parameters, maths)
    psi : derivative of the spike, (argument, maths); None for a readout
    cases : parameters that switch between forms of the neuron, by a name for each; `{}` has none
    drive : size of random currents at which a neuron with default parameters is neither silent nor always on
    tolerance : between integers and floats
    at_rest : (potential, integers by name) -> (states, current), a state that this current leaves exactly as it is;
        None where the integers of the model have none
    learned : of the parameters that learn on a chip
    steep : parameters with which entries of the Jacobian pass 4, the largest that they may be on a chip; None: none do
    overflowing : parameters with which every event can happen
    ranges : of parameters, (lowest, highest), in which integer gradients point along those of floats
    cosines : smallest cosine between integer and float gradients by a parameter where 0.99 is too much
    read_back : factor of a parameter's rounding, over that of a rate in [0, 1], when integers are read as floats; by
        name, None: integers do not tell this parameter
    integers : of one neuron, by name, for a model without a float form or with several input currents; random networks
        have it, see `draw_by_records`
    """

    equation: Callable[[Any, Array, Array, Mapping[str, Array], Maths], tuple[tuple[Array, ...], Array]] | None = None
    psi: Callable[[Array, Maths], Array] | None = None
    relaxed: Callable[[Any, Any, Mapping[str, Array], Maths], Array] | None = None
    cases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    drive: float = 1.0
    tolerance: Tolerance | None = None
    at_rest: Callable[[int, dict[str, int]], tuple[tuple[int, ...], int]] | None = None
    learned: LearnedRecord | None = None
    steep: Mapping[str, float] | None = None
    overflowing: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cosines: Mapping[str, float] = field(default_factory=dict)
    read_back: Mapping[str, float | None] = field(default_factory=dict)
    integers: Mapping[str, Any] = field(default_factory=dict)


def missing(name: str) -> list[str]:
    """Return the fields that the record of a model has to fill and does not."""
    model, record = MODELS[name], record_of(name)
    both = model.has_float and model.integer
    needed = {
        "equation": model.has_float,
        "psi": model.has_float and not model.readout and record.relaxed is None,
        "tolerance": both,
        "learned": model.learned is not None,
        "integers": not model.has_float,
    }
    return [key for key, wanted in needed.items() if wanted and not getattr(record, key)]


@cache
def record_of(name: str) -> ModelRecord:
    """Return the record of a model; fails the test, naming the file to write, where there is none."""
    path = FOLDER / f"{name}.py"
    record = runpy.run_path(str(path)).get("RECORD") if path.is_file() else None
    if not isinstance(record, ModelRecord):
        pytest.fail(
            f"no record of neuron '{name}': write tests/models/{name}.py with RECORD = ModelRecord(...), its equation, "
            "ψ and tolerances (tests/helpers/model_records.py says what each field is; CONTRIBUTING.md, Add a neuron)",
            pytrace=False,
        )
    return record


def inside(p: Param, values: Array, lowest: float, highest: float) -> np.ndarray:
    """Return values that were drawn from `lowest` to `highest` times the default, inside the parameter's range.

    On a side where such values would pass the end of the range, all lie closer to the default, by one factor, so that
    none reaches the end: a decay of 0.9 must not become 1. A default that is itself an end stays one.
    """
    down, up = sorted(share * p.default - p.default for share in (lowest, highest))
    away = np.asarray(values, dtype=np.float64) - p.default
    for reach, room in ((down, p.low - p.default), (up, p.high - p.default)):
        if room and abs(reach) > abs(room):
            away = np.where(away * reach > 0, away * (0.9 * room / reach), away)
            values = p.default + away
    return np.clip(values, p.low, p.high)


def assert_fires(name: str, share: float, low: float, high: float, where: str = "") -> None:
    """Fail, naming what to set, unless a neuron that random currents drive fires in `low` to `high` of the steps."""
    if not low < share < high:
        told = "never fires" if share == 0 else f"fires in {share:.3f} of the steps"
        pytest.fail(
            f"neuron '{name}' {told} in tests{where}, rule: between {low} and {high}; set drive in "
            f"tests/models/{name}.py, the size of its random currents, now {record_of(name).drive}",
            pytrace=False,
        )


def learning_numbers(model: NeuronModel, coefficient_fraction: int, state_scale: float) -> dict[str, int]:
    """Return by name what a model's Jacobian finds behind the integers of a neuron and its layer."""
    known = {"coefficient_fraction": coefficient_fraction, "state_fraction": round(math.log2(state_scale))}
    return {name: known[name] for name in model.fixed_learning}


def draw_by_records() -> None:
    """Let random networks of integers have the neurons whose records state integers, as they state them."""
    for name, model in MODELS.items():
        if name not in integer.DRAW and (not model.has_float or record_of(name).integers):
            integer.DRAW[name] = partial(_as_stated, dict(record_of(name).integers))


def _as_stated(integers: dict[str, Any], rng: np.random.Generator, size: int, reachable: float) -> dict[str, Any]:
    return integers

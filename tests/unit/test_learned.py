"""What neurons learn beside weights: integers and the values they stand for, model by model, exact where both allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population
from hypr_neuro.graph.network import Layer
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import FixedParams, Learned, NeuronModel, no_integer_form
from hypr_neuro.numbers.jit import compile_kernel
from hypr_neuro.numbers.unrolled import LOAD
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.testing.networks import varied

Array = np.ndarray
Values = dict[str, np.ndarray]
LEARNING = [name for name, model in MODELS.items() if model.learned is not None]
NEURONS = 40
PROFILES = ("ideal", "loihi1", "loihi2", "narrow")


def learned(model: NeuronModel) -> Learned:
    assert model.learned is not None
    return model.learned


def drawn(model: NeuronModel, rng: np.random.Generator) -> Values:
    """Parameters of NEURONS neurons, trainable ones 0.3 to 1.3 times their default, of both signs where allowed."""
    params = {}
    for p in model.params:
        low, high = (0.3 * p.default, 1.3 * p.default) if p.default else (-0.1, 0.1)
        sign = rng.choice([-1.0, 1.0], NEURONS) if p.low < 0.0 else 1.0
        values = rng.uniform(max(low, p.low), min(high, p.high), NEURONS) * sign
        params[p.name] = values if p.trainable else np.full(NEURONS, p.default)
    return params


def at_the_ends(model: NeuronModel, rng: np.random.Generator) -> Values:
    """Trainable parameters at the ends of their ranges and orders of magnitude beyond the default."""
    params = drawn(model, rng)
    for p in model.params:
        if p.trainable:
            low = p.low + 1e-3 * p.open_low
            for i in range(NEURONS):
                if rng.random() < 0.5:
                    params[p.name][i] = np.clip(
                        rng.choice([low, p.high, p.default, 10.0 ** rng.uniform(-3, 6)]), low, p.high
                    )
    if model.constrain is not None:
        model.constrain(params)
    return params


def quantized(model: NeuronModel, params: Values, profile: str, rng: np.random.Generator) -> FixedParams:
    chip = varied("loihi2", precision__coefficient_bits=12) if profile == "narrow" else load_profile(profile)
    return model.to_fixed(params, chip.fixed_format(float(rng.choice([1.5, 10.0, 3000.0])), 1.0))


def numbers(model: NeuronModel, fixed: FixedParams, neuron: int) -> tuple[int, ...]:
    """`p` of the neuron's integer functions."""
    own = tuple(int(fixed.per_neuron[name][neuron]) for name in model.fixed_per_neuron)
    return own + tuple(int(fixed.constants[name]) for name in model.fixed_constants)


def read(model: NeuronModel, fixed: FixedParams, own: tuple[int, ...]) -> tuple[float, ...]:
    """Values of one neuron's integers."""
    per_neuron = {name: np.array([value]) for name, value in zip(model.fixed_per_neuron, own, strict=True)}
    return tuple(float(v[0]) for v in learned(model).read(per_neuron, fixed.constants))


def cases(name: str, draw: Callable[..., Values] = drawn) -> Iterator[tuple[Values, FixedParams, np.random.Generator]]:
    for seed, profile in enumerate(PROFILES * 3):
        rng = np.random.default_rng([seed, 9])
        params = draw(MODELS[name], rng)
        yield params, quantized(MODELS[name], params, profile, rng), rng


@pytest.mark.parametrize("name", LEARNING)
def test_values_and_parameters_are_each_other_s_inverse(name: str) -> None:
    model, rng = MODELS[name], np.random.default_rng(1)
    for draw in (drawn, at_the_ends):
        params = draw(model, rng)
        values = learned(model).values(params)
        assert [v.shape for v in values] == [(NEURONS,)] * len(model.trainable)
        found = learned(model).params(params, values)
        assert found.keys() == params.keys()
        for key, value in params.items():
            # τ = 1e6 is 1e-6 below a decay of 1
            np.testing.assert_allclose(found[key], value, rtol=1e-6 if value.max() > 1e5 else 1e-9, atol=1e-12)


def test_parameters_of_brf_keep_their_signs() -> None:
    model = MODELS["brf"]
    params = {p.name: np.full(4, p.default) for p in model.params}
    params["omega"] = np.array([-4.0, 0.0, -0.0, 7.0])
    params["b_offset"] = np.array([0.0, -0.5, 0.5, -0.0])
    found = learned(model).params(params, (np.full(4, 0.25), np.full(4, 0.125)))
    assert found["omega"].tolist() == [-25.0, 25.0, 25.0, 25.0]
    assert found["b_offset"].tolist() == [12.5, -12.5, 12.5, 12.5]


def test_a_drive_without_scale_keeps_a_and_b_of_se_adlif() -> None:
    model = MODELS["se_adlif"]
    params = {p.name: np.full(2, p.default) for p in model.params} | {"k": np.array([0.0, 100.0])}
    values = list(learned(model).values(params))
    values[2] = values[3] = np.array([30.0, 30.0])
    found = learned(model).params(params, tuple(values))
    assert found["a"].tolist() == found["b"].tolist() == [0.5, 0.3]


def fast(model: NeuronModel, rng: np.random.Generator) -> Values:
    """BRF up to δ|ω| = 0.9."""
    params = drawn(model, rng)
    return params | {"omega": rng.uniform(-90.0, 90.0, NEURONS)}


ROUNDED = {
    "alif": (0.5, 0.5, 0.5, 0.5),
    "alif_reset": (0.5, 0.5, 0.5, 0.5),
    # b is of two rounded numbers and a floored root, at δ|ω| = 0.9 off by one for half a unit of wd: 2.6 at worst
    "brf": (0.5, 1.7),
    "cuba_li": (0.5, 0.5, 0.5),
    "lif": (0.5, 0.5, 0.5, 0.5),
    "li": (0.5,),
    "se_adlif": (0.5, 0.5, 0.5, 0.5, 0.5),
}
"""How far quantizing may put each value off, in units of change; stated, and reached to nine tenths."""


@pytest.mark.parametrize("name", LEARNING)
def test_quantized_parameters_read_as_their_values(name: str) -> None:
    model, largest = MODELS[name], np.zeros(len(MODELS[name].trainable))
    for params, fixed, _ in cases(name, fast if name == "brf" else drawn):
        values, units = learned(model).values(params), learned(model).units(fixed.constants)
        found = learned(model).read(fixed.per_neuron, fixed.constants)
        off = [np.abs(f - v).max() / u for f, v, u in zip(found, values, units, strict=True)]
        largest = np.maximum(largest, off)
    assert np.all(largest <= np.array(ROUNDED[name]) + 1e-9), largest
    assert np.all(largest[:2] > 0.9 * np.array(ROUNDED[name][:2])), f"{largest}: the stated tolerance is too wide"


@pytest.mark.parametrize("name", LEARNING)
def test_a_change_by_zero_changes_nothing(name: str) -> None:
    model = MODELS[name]
    for draw in (drawn, at_the_ends):
        for _, fixed, _ in cases(name, draw):
            for i in range(NEURONS):
                p = numbers(model, fixed, i)
                assert learned(model).change(p, (0,) * len(model.trainable)) == p[: len(model.fixed_per_neuron)]


def decays(constants: dict[str, int], fraction: str) -> tuple[float, float]:
    return 0.0, 1.0 - 2.0 ** -constants[fraction]


def states(constants: dict[str, int]) -> tuple[float, float]:
    top = ((1 << (constants["bits"] - 1)) - 1) / 2.0 ** constants["f"]
    return -top, top


def lif_range(constants: dict[str, int], own: tuple[int, ...]) -> list[tuple[float, float]]:
    mantissa = 64 / 2.0 ** constants["scale_log2"]
    return [(1 / 4096, 1.0), (0.0, 1.0), (mantissa, ((1 << 17) - 1) * mantissa), (-4095 * mantissa, 4095 * mantissa)]


def alif_range(constants: dict[str, int], own: tuple[int, ...]) -> list[tuple[float, float]]:
    top = ((1 << constants["k"]) - 1) / 2.0 ** constants["m"]
    return [decays(constants, "k"), decays(constants, "k"), states(constants), (-top, top)]


def se_adlif_range(constants: dict[str, int], own: tuple[int, ...]) -> list[tuple[float, float]]:
    unit, top = 1 << constants["n"], decays(constants, "n")[1]
    drive = (0.0, top * unit / 2.0 ** constants["m"])
    lowest = [round(unit * np.exp(-1.0 / tau)) / unit for tau in (5.0, 60.0)]
    return [(lowest[0], top), (lowest[1], top), drive, drive, states(constants)]


def brf_range(constants: dict[str, int], own: tuple[int, ...]) -> list[tuple[float, float]]:
    """Of δ|b'| at the δ|ω| that `own` has: c stays above -1 there."""
    unit = 1 << constants["k"]
    return [decays(constants, "k"), (0.0, (isqrt(unit * unit - own[0] * own[0]) - 1) / unit)]


RANGES = {
    "alif": alif_range,
    "alif_reset": alif_range,
    "brf": brf_range,
    "cuba_li": lambda constants, own: [decays(constants, "k"), decays(constants, "k"), states(constants)],
    "lif": lif_range,
    "li": lambda constants, own: [decays(constants, "k")],
    "se_adlif": se_adlif_range,
}
"""Both ends of each value, from the integers after the change."""


def coarse(
    name: str, change: tuple[int, ...], before: tuple[float, ...], units: tuple[float, ...]
) -> tuple[float, ...]:
    """What a change starts from: a bias that changes loses what its exponent of 6 does not hold."""
    if name != "lif" or change[3] == 0:
        return before
    return (*before[:3], float(np.floor(before[3] / units[3]) * units[3]))


def random_change(model: NeuronModel, rng: np.random.Generator) -> tuple[int, ...]:
    """Some parameters, by little, by much or beyond every end."""
    sizes = rng.choice([0, 1, 3, 100, 5000, 1 << 20], len(model.trainable))
    return tuple(int(rng.integers(-s, s, endpoint=True)) for s in sizes)


@pytest.mark.parametrize("name", LEARNING)
def test_a_change_moves_values_by_its_units_inside_their_range(name: str) -> None:
    """10,000 changes, one after the other for each neuron; expected values are exact in float64."""
    model, at_ends, inside = MODELS[name], 0, 0
    for _, fixed, rng in cases(name):
        units = learned(model).units(fixed.constants)
        for i in range(NEURONS):
            p = numbers(model, fixed, i)
            for _ in range(21):
                change, before = random_change(model, rng), read(model, fixed, p[: len(model.fixed_per_neuron)])
                own = learned(model).change(p, change)
                ends = RANGES[name](fixed.constants, own)
                start = coarse(name, change, before, units)
                wanted = [v - c * u for v, c, u in zip(start, change, units, strict=True)]
                expected = tuple(float(np.clip(w, *end)) for w, end in zip(wanted, ends, strict=True))
                if name == "brf" and change[1] == 0 and own[0] == p[0]:
                    expected = before  # c stays as it was quantized
                assert read(model, fixed, own) == expected, f"{name}, p = {p}, change = {change}"
                at_ends, inside = at_ends + (tuple(wanted) != expected), inside + (tuple(wanted) == expected)
                p = own + p[len(own) :]
    assert at_ends > 500
    assert inside > 500


@dataclass(frozen=True)
class Rule:
    """One rule of a model's integers that a change has to keep."""

    text: str
    holds: Callable[[dict[str, int]], bool]


RULES = {
    "alif": (),
    "alif_reset": (),
    "brf": (
        Rule("p'(ω) = -wd / root", lambda p: p["dp"] == max(1 - unit(p), nearest(-unit(p) * p["wd"], root(p)))),
        Rule("no growth", lambda p: (unit(p) + p["cd"]) ** 2 + p["wd"] ** 2 <= unit(p) ** 2),
        Rule("a coefficient", lambda p: abs(p["cd"]) < unit(p)),
    ),
    "cuba_li": (),
    "lif": (
        Rule("1/vth", lambda p: p["inv_vth"] == (1 << 36) // p["vth"]),
        Rule("a mantissa · 2^6", lambda p: p["vth"] % 64 == 0),
    ),
    "li": (Rule("a gain of 1 at rest", lambda p: p["gain"] + p["kappa"] == unit(p)),),
    "se_adlif": (),
}


def unit(p: dict[str, int]) -> int:
    return 1 << p["k"]


def root(p: dict[str, int]) -> int:
    return isqrt(unit(p) ** 2 - p["wd"] ** 2)


def nearest(x: int, y: int) -> int:
    return int(np.floor(Fraction(x, y) + Fraction(1, 2)))


@pytest.mark.parametrize("name", LEARNING)
def test_changed_integers_keep_the_model_s_rules(name: str) -> None:
    """After each of 5,000 changes: rules between integers; a step and its Jacobian from any state; float parameters."""
    model, names = MODELS[name], MODELS[name].fixed_per_neuron + MODELS[name].fixed_constants
    for params, fixed, rng in cases(name, at_the_ends):
        bits = fixed.constants.get("bits", 24)
        top = (1 << (bits - 1)) - 1
        for i in range(NEURONS):
            p = numbers(model, fixed, i)
            for _ in range(10):
                p = learned(model).change(p, random_change(model, rng)) + p[len(model.fixed_per_neuron) :]
                for rule in RULES[name]:
                    # what was quantized is rounded apart until it changes
                    assert rule.holds(dict(zip(names, p, strict=True))) or name == "brf", f"{rule.text}: {p}"
                before, z = tuple(map(int, rng.integers(-top, top, model.d))), int(rng.integers(0, 2))
                current = (int(rng.integers(-(1 << 20), 1 << 20)),)
                after, _, _ = model.fixed_step(before, z, current, p)
                for variable, value in zip(model.states, after, strict=True):
                    assert variable.overflow == "wrap" or abs(value) <= top, f"{variable.name} = {value}"
                entry = 256 if model.psi_index is None else model.psi_index(before, after, p)
                model.fixed_jacobian(before, after, z, current, p, int(fixed.psi_table[entry]))
            for row, value in enumerate(p[: len(model.fixed_per_neuron)]):
                fixed.per_neuron[model.fixed_per_neuron[row]][i] = value
        own = np.stack([fixed.per_neuron[key] for key in model.fixed_per_neuron])
        Population("learned", model, own, np.array([fixed.constants[key] for key in model.fixed_constants]))
        found = learned(model).params(params, learned(model).read(fixed.per_neuron, fixed.constants))
        Layer(model, np.ones((NEURONS, 1)), None, None, found, ())


def test_changed_integers_of_brf_keep_their_rules() -> None:
    model = MODELS["brf"]
    names = model.fixed_per_neuron + model.fixed_constants
    for _, fixed, rng in cases("brf", at_the_ends):
        for i in range(NEURONS):
            p = numbers(model, fixed, i)
            for _ in range(10):
                own = learned(model).change(p, random_change(model, rng))
                if own[0] != p[0]:
                    for rule in RULES["brf"]:
                        assert rule.holds(dict(zip(names, own + p[len(own) :], strict=True))), f"{rule.text}: {p}"
                p = own + p[len(own) :]


@pytest.mark.parametrize("name", LEARNING)
def test_compiled_changes_equal_python(name: str) -> None:
    model = MODELS[name]
    change, count, own = learned(model).change, len(model.trainable), len(model.fixed_per_neuron)
    load_p, load_c = LOAD[own + len(model.fixed_constants)], LOAD[count]

    def call(p, c):
        return change(load_p(p, 0), load_c(c, 0))

    kernel = compile_kernel(call)
    for _, fixed, rng in cases(name):
        for i in range(NEURONS):
            p, by = numbers(model, fixed, i), random_change(model, rng)
            found = kernel(np.array(p)[:, None], np.array(by)[:, None])
            assert found == change(p, by), f"{name}, p = {p}, change = {by}"


def test_only_a_model_with_a_jacobian_says_what_learns() -> None:
    learns = [name for name, model in MODELS.items() if model.fixed_jacobian is not no_integer_form]
    assert learns == LEARNING
    assert len(learns) == 7
    with pytest.raises(InputError, match="'rf': rule: learned needs fixed_jacobian"):
        replace(MODELS["rf"], learned=MODELS["li"].learned)

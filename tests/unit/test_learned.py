"""What neurons learn beside weights: integers and the values they stand for, model by model, exact where both allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from model_records import LearnedRecord, learning_numbers, record_of

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population
from hypr_neuro.graph.layer import Layer
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import FixedParams, Learned, NeuronModel, no_integer_form
from hypr_neuro.numbers.compiling import compile_kernel
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
        low, high = sorted((0.3 * p.default, 1.3 * p.default)) if p.default else (-0.1, 0.1)
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
    fixed = model.to_fixed(params, chip.fixed_format(float(rng.choice([1.5, 10.0, 3000.0])), 1.0))
    fixed.constants |= learning_numbers(model, chip.precision.coefficient_bits.value - 1, fixed.state_scale)
    return fixed


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


def record(name: str) -> LearnedRecord:
    found = record_of(name).learned
    assert found is not None, f"tests/models/{name}.py says nothing of what the neuron learns"
    return found


@pytest.mark.parametrize("name", LEARNING)
def test_quantized_parameters_read_as_their_values(name: str) -> None:
    """Off by what the record states at most, and by nine tenths of it somewhere."""
    model, largest = MODELS[name], np.zeros(len(MODELS[name].trainable))

    def draw(model: NeuronModel, rng: np.random.Generator) -> Values:
        return record(name).draw(drawn(model, rng), rng)

    for params, fixed, _ in cases(name, draw):
        values, units = learned(model).values(params), learned(model).units(fixed.constants)
        found = learned(model).read(fixed.per_neuron, fixed.constants)
        off = [np.abs(f - v).max() / u for f, v, u in zip(found, values, units, strict=True)]
        largest = np.maximum(largest, off)
    assert np.all(largest <= np.array(record(name).rounded) + 1e-9), largest
    assert np.all(largest[:2] > 0.9 * np.array(record(name).rounded[:2])), (
        f"{largest}: the stated tolerance is too wide"
    )


@pytest.mark.parametrize("name", LEARNING)
def test_a_change_by_zero_changes_nothing(name: str) -> None:
    model = MODELS[name]
    for draw in (drawn, at_the_ends):
        for _, fixed, _ in cases(name, draw):
            for i in range(NEURONS):
                p = numbers(model, fixed, i)
                assert learned(model).change(p, (0,) * len(model.trainable)) == p[: len(model.fixed_per_neuron)]


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
                ends = record(name).ends(fixed.constants, own)
                start = record(name).start(change, before, units)
                wanted = [v - c * u for v, c, u in zip(start, change, units, strict=True)]
                expected = tuple(float(np.clip(w, *end)) for w, end in zip(wanted, ends, strict=True))
                if record(name).keeps(p, own, change):
                    expected = before
                assert read(model, fixed, own) == expected, f"{name}, p = {p}, change = {change}"
                at_ends, inside = at_ends + (tuple(wanted) != expected), inside + (tuple(wanted) == expected)
                p = own + p[len(own) :]
    assert at_ends > 500
    assert inside > 500


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
                own = learned(model).change(p, random_change(model, rng))
                settled, p = record(name).settled(p, own), own + p[len(model.fixed_per_neuron) :]
                for rule in record(name).rules if settled else ():
                    assert rule.holds(dict(zip(names, p, strict=True))), f"{rule.text}: {p}"
                before, z = tuple(map(int, rng.integers(-top, top, model.d))), int(rng.integers(0, 2))
                current = (int(rng.integers(-(1 << 20), 1 << 20)),)
                after, _, _ = model.fixed_step(before, z, current, p)
                for variable, value in zip(model.states, after, strict=True):
                    assert variable.overflow == "wrap" or abs(value) <= top, f"{variable.name} = {value}"
                entry = 256 if model.psi_index is None else model.psi_index(before, after, p)
                more = tuple(fixed.constants[name] for name in model.fixed_learning)
                model.fixed_jacobian(before, after, z, current, p + more, int(fixed.psi_table[entry]))
            for row, value in enumerate(p[: len(model.fixed_per_neuron)]):
                fixed.per_neuron[model.fixed_per_neuron[row]][i] = value
        own = np.stack([fixed.per_neuron[key] for key in model.fixed_per_neuron])
        Population("learned", model, own, np.array([fixed.constants[key] for key in model.fixed_constants]))
        found = learned(model).params(params, learned(model).read(fixed.per_neuron, fixed.constants))
        Layer(model, np.ones((NEURONS, 1)), None, None, found, ())


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
    assert len(LEARNING) >= 7
    assert all(MODELS[name].fixed_jacobian is not no_integer_form for name in LEARNING)
    with pytest.raises(InputError, match="'lif_refractory': rule: learned needs fixed_jacobian"):
        replace(MODELS["lif_refractory"], learned=MODELS["li"].learned)

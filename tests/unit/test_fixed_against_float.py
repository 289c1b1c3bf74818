"""Integers against float, model by model, within tolerances that are measured and stated in each model's record.

Measured over 30 seeds × 60 neurons (runs of alif and se_adlif: 200 × 8), profiles ideal, loihi1 and loihi2, states up
to 1.5 to 10 times the default threshold: the largest difference is at most the tolerance and more than half of it. A
decay of 12 bits is off by up to 1.2e-4, a coefficient of 16 bits by 1.5e-5, ψ by half an entry of its table, LIF's C
by that of its threshold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_records import Tolerance, assert_fires, learning_numbers, record_of

from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import FixedParams, NeuronModel, no_integer_form
from hypr_neuro.neurons.by_current import jacobian_of
from hypr_neuro.numbers.fixed_point import ROUNDING
from hypr_neuro.numbers.surrogates import SURROGATES
from hypr_neuro.profiles.profile import Profile, load_profile

NEURONS, STEPS = 8, 150


INTEGER = [name for name, model in MODELS.items() if model.integer and model.has_float]
CASES = [(model, profile) for model in INTEGER for profile in ("ideal", "loihi1", "loihi2")]
WITH_JACOBIAN = [case for case in CASES if MODELS[case[0]].fixed_jacobian is not no_integer_form]


def tolerance_of(name: str) -> Tolerance:
    tolerance = record_of(name).tolerance
    assert tolerance is not None, f"tests/models/{name}.py states no tolerance"
    return tolerance


def layer(model: NeuronModel, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Parameters of NEURONS neurons: trainable ones between 0.3 and 1.3 times their default, bias around 0."""
    params = {}
    for p in model.params:
        low, high = sorted((0.3 * p.default, 1.3 * p.default)) if p.default else (-0.1, 0.1)
        drawn = rng.uniform(max(low, p.low), min(high, p.high), NEURONS)
        params[p.name] = drawn if p.trainable else np.full(NEURONS, p.default)
    return params


def integers(model: NeuronModel, fixed: FixedParams, neuron: int) -> tuple[int, ...]:
    own = tuple(int(fixed.per_neuron[name][neuron]) for name in model.fixed_per_neuron)
    return own + tuple(int(fixed.constants[name]) for name in model.fixed_constants)


def assert_within(found: object, wanted: object, tolerance: float, where: str) -> None:
    difference = float(np.abs(np.array(found) - np.array(wanted)).max())
    assert difference <= tolerance, f"{where}: off by {difference:.3g}, stated tolerance {tolerance:.3g}"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "profile"), WITH_JACOBIAN)
def test_integer_step_and_jacobian_stay_within_their_tolerance(name: str, profile: str, seed: int) -> None:
    model, chip, rng = MODELS[name], load_profile(profile), np.random.default_rng([seed, 6])
    params, reach = layer(model, rng), float(rng.choice([1.5, 3.0, 10.0]))
    fixed = model.to_fixed(params, chip.fixed_format(reach, 1.0))
    for i in range(NEURONS):
        real = {key: float(values[i]) for key, values in params.items()}
        for _ in range(4):
            compare_at_a_state(
                model,
                fixed,
                integers(model, fixed, i),
                real,
                chip,
                reach,
                rng,
                f"{name}, {profile}, seed {seed}, neuron {i}",
            )


def compare_at_a_state(
    model: NeuronModel,
    fixed: FixedParams,
    p: tuple[int, ...],
    real: dict[str, float],
    chip: Profile,
    reach: float,
    rng: np.random.Generator,
    where: str,
) -> None:
    """One random state: its step, ψ of the table against the surrogate, then both Jacobians for the table's ψ."""
    tolerance, one = tolerance_of(model.name), 2.0 ** (chip.precision.coefficient_bits.value - 1)
    before = tuple(int(v) for v in np.rint(rng.uniform(-reach, reach, model.d) * fixed.state_scale))
    z = int(rng.integers(0, 2)) * (not model.readout)
    current = tuple(int(rng.uniform(-2, 2) * fixed.current_scale) for _ in range(model.currents))
    values, psi = model.with_coefficients(tuple(real.values())), 0
    if model.after_reset is not None and z:  # integers hold states after it
        held = model.after_reset(tuple(v / fixed.state_scale for v in before), np.float64(z), values)
        before = tuple(round(float(v) * fixed.state_scale) for v in held)
    after, spike, events = model.fixed_step(before, z, current, p)
    states = [tuple(v / fixed.state_scale for v in s) for s in (before, after)]
    real_current = tuple(value / fixed.current_scale for value in current)
    stepped, fired = model.float_step(states[0], float(z), real_current, values)
    if model.after_reset is not None:
        stepped = model.after_reset(stepped, np.float64(fired), values)
    if events == 0 and (model.readout or spike == fired):
        assert_within(states[1], stepped, tolerance.step * reach, f"{where}: step")
    if model.surrogate is not None:
        psi = int(fixed.psi_table[model.psi_index(before, after, p)])
        assert_within(
            psi / one, SURROGATES[model.surrogate](model.float_psi_arg(*states, values)), tolerance.psi, f"{where}: ψ"
        )
    p = (*p, *learning_numbers(model, int(np.log2(one)), fixed.state_scale).values())
    for k in range(model.currents):
        parts = jacobian_of(model, k)(before, after, z, current, p, psi)
        found = whole_jacobian(parts, one, fixed.state_scale)
        wanted = jacobian_of(model, k, real=True)(*states, float(z), real_current, values, psi / one)
        compare_jacobians(model, fixed, real, found, wanted, reach, one, f"{where}, current {k}")


def compare_jacobians(
    model: NeuronModel,
    fixed: FixedParams,
    real: dict[str, float],
    got: list[np.ndarray],
    wanted: tuple[object, ...],
    reach: float,
    one: float,
    where: str,
) -> None:
    """Entries of one input current's Jacobian; those by parameters where these learn on a chip."""
    tolerance = tolerance_of(model.name)
    A, B, C, Cp, P, E = (np.array(entries) for entries in wanted)
    assert_within(got[0] / one, A, tolerance.A, f"{where}: A")
    # a unit of the weighted sum changes the state by gain · 2^shift; the integer B leaves the power of two out
    gain = B * fixed.state_scale / fixed.current_scale
    shift = np.round(np.log2(np.abs(gain).max() / (np.abs(got[1]).max() / one)))
    assert_within(got[1] / one, gain / 2.0**shift, tolerance.B, f"{where}: B")
    unit = one / 2.0**model.derivative_exponent
    assert_within(got[2] / unit, C, tolerance.C, f"{where}: C")
    assert_within(got[3] / unit, Cp, tolerance.C, f"{where}: C'")
    if model.learned is None:  # nothing reads P and E
        return
    units = np.array(tolerance.param_units(real))
    for name, ours, theirs, allowed in zip(
        model.trainable,
        got[4] / fixed.state_scale,
        P / units[:, None],
        np.broadcast_to(tolerance.P, units.shape),
        strict=True,
    ):
        assert_within(ours, theirs, allowed * reach, f"{where}: P by {name}")
    assert_within(got[5] / one, E / units, tolerance.E, f"{where}: E")


def whole_jacobian(parts: tuple[object, ...], one: float, state_scale: float) -> list[np.ndarray]:
    """A, B, C, C', P and E with the spike of the own step differentiated through ψ, as in float."""
    A, B, C, Cp, P, E, F = (np.array(entries, dtype=np.float64) for entries in parts)
    assert not np.any(F * C)
    spike = F / one
    by_params = P @ (C / one) / state_scale + E / one
    return [
        A + np.outer(spike, C @ A / one + Cp),
        B + spike * (C @ B / one),
        C,
        Cp,
        P + np.outer(by_params, spike) * state_scale,
        E,
    ]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("name", "profile"), CASES)
def test_integer_states_follow_float_within_their_tolerance(name: str, profile: str, seed: int) -> None:
    model, tolerance, rng = MODELS[name], tolerance_of(name), np.random.default_rng([seed, 7])
    params = layer(model, rng)
    currents = rng.normal(0.3, 1.0, (STEPS, NEURONS, model.currents)) * record_of(name).drive
    reach = float(np.abs(float_run(model, params, currents)[0]).max())
    fixed = model.to_fixed(params, load_profile(profile).fixed_format(reach, float(np.abs(currents).max())))
    sums = np.rint(currents * fixed.current_scale).astype(int)
    states, outputs = float_run(model, params, sums / fixed.current_scale)
    if not model.readout:
        assert_fires(name, float(np.mean(outputs > 0)), 0.02, 0.5, f", seed {seed}")
    alike = 0
    for i in range(NEURONS):
        s, z, p = (0,) * model.d, 0, integers(model, fixed, i)
        for t in range(STEPS):
            s, z, events = model.fixed_step(s, z, tuple(sums[t, i].tolist()), p)
            where = f"{name}, {profile}, seed {seed}, neuron {i}, step {t}"
            assert events == 0, f"{where}: saturated inside the calibrated range"
            if not model.readout and z != outputs[t, i]:
                break
            assert_within(np.array(s) / fixed.state_scale, states[t, i], tolerance.trajectory * reach, where)
            alike += 1
    share = alike / (NEURONS * STEPS)
    assert share >= tolerance.alike, f"{name}, {profile}, seed {seed}: spikes agree in {share:.3f} of the steps only"


def float_run(model: NeuronModel, params: dict[str, np.ndarray], currents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States (steps, neurons, d) and outputs (steps, neurons)."""
    states, outputs = np.zeros((STEPS, NEURONS, model.d)), np.zeros((STEPS, NEURONS))
    for i in range(NEURONS):
        s, z = (0.0,) * model.d, 0.0
        p = model.with_coefficients(tuple(float(params[name][i]) for name in model.param_names))
        for t in range(STEPS):
            s, z = model.float_step(s, z, tuple(currents[t, i].tolist()), p)
            states[t, i], outputs[t, i] = s, z
            if model.after_reset is not None:  # integers hold them so
                states[t, i] = model.after_reset(s, np.float64(z), p)
    return states, outputs


RESTING = [name for name in INTEGER if record_of(name).at_rest is not None]


@pytest.mark.parametrize("rounding", ROUNDING.values(), ids=list(ROUNDING))
@pytest.mark.parametrize("name", RESTING)
def test_a_state_at_rest_stays_exactly_where_it_is(name: str, rounding: int) -> None:
    """A gain is the complement of its decay, so nothing drifts, however either was rounded."""
    model, rng = MODELS[name], np.random.default_rng(8)
    params, form = layer(model, rng), replace(load_profile("loihi2").fixed_format(200.0, 1.0), rounding=rounding)
    fixed = model.to_fixed(params, form)
    names = model.fixed_per_neuron + model.fixed_constants
    for i in range(NEURONS):
        p = dict(zip(names, integers(model, fixed, i), strict=True)) | {"i_shift": 0}
        below = max(p.get("theta", p.get("b0", 0)), 1000)
        for u in rng.integers(-below, below, 20).tolist():
            state, current = record_of(name).at_rest(u, p)
            assert model.fixed_step(state, 0, (current,), tuple(p.values()))[0] == state, f"neuron {i}, u = {u}"


def test_adaptation_of_alif_stays_between_0_and_1() -> None:
    model, rng = MODELS["alif"], np.random.default_rng(9)
    fixed = model.to_fixed(layer(model, rng), load_profile("loihi2").fixed_format(1.0, 1.0))
    one = 1 << fixed.constants["f"]
    for i in range(NEURONS):
        p, a, reached = integers(model, fixed, i), 0, []
        for z in [1] * 3000 + [0] * 3000:
            (_, a), _, events = model.fixed_step((0, a), z, (0,), p)
            reached.append(a)
            assert events & 2 == 0
        assert 0 <= min(reached) <= 100 < one - 100 <= max(reached) <= one

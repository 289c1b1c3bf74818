"""Local derivatives of every model against finite differences of its own step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from model_records import PLAIN, record_of

from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.surrogates import SURROGATES

FLOAT = {name: model for name, model in MODELS.items() if model.has_float}
STEP = 1e-6
PSI = 0.37  # any number: the derivative of the spike enters linearly
CASES = 12
PARTS = ("A", "B", "C", "C'", "P", "E", "D")


def derivative(function: Callable, at: tuple, index: int) -> np.ndarray:
    """Central difference of a tuple-valued function by one entry of its argument."""
    moved = [tuple(v + sign * STEP * (k == index) for k, v in enumerate(at)) for sign in (1.0, -1.0)]
    up, down = (np.atleast_1d(np.array(function(point))) for point in moved)
    return (up - down) / (2 * STEP)


def jacobian(function: Callable, at: tuple) -> np.ndarray:
    """(values, entries of the argument)."""
    return np.stack([derivative(function, at, k) for k in range(len(at))], axis=1)


def point(model: NeuronModel, rng: np.random.Generator) -> tuple:
    """Random (s_prev, z_prev, I, p): states and currents of order 1, parameters around their defaults."""
    p = []
    for param in model.params:
        value = param.default * rng.uniform(0.5, 1.2) + (param.default == 0) * rng.uniform(-0.3, 0.3)
        p.append(float(np.clip(value, param.low + 1e-3, param.high - 1e-3)))
    z_prev = 0.0 if model.readout else float(rng.integers(0, 2))
    return tuple(rng.uniform(-2, 2, model.d)), z_prev, tuple(rng.uniform(-3, 3, model.currents)), tuple(p)


def spike_jump(model: NeuronModel, s_prev: tuple, z_prev: float, current: tuple, p: tuple) -> np.ndarray:
    """Change of the state by the spike at this current.

    The threshold that the model states is moved to either side. Of a model that states none, the step on the other side
    is continued to the current in a straight line, in which it has to be affine at a fixed spike.
    """
    if model.threshold is not None:
        place = (*model.param_names, *model.coefficients).index(model.threshold)
        silent, fires = (
            model.float_step(s_prev, z_prev, current, (*p[:place], moved, *p[place + 1 :])) for moved in (1e30, -1e30)
        )
        assert (silent[1], fires[1]) == (0, 1), model.name
        return np.array(fires[0]) - np.array(silent[0])

    def step(i: float) -> tuple:
        return model.float_step(s_prev, z_prev, (i,), p)

    low, high = -1e6, 1e6
    assert step(high)[1] > 0, model.name
    assert step(low)[1] == 0, model.name
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (low, middle) if step(middle)[1] > 0 else (middle, high)

    def continued(edge: float, inside: float) -> np.ndarray:
        near, far, farther = (np.array(step(edge + k * inside)[0]) for k in (0, 1, 2))
        np.testing.assert_allclose(farther - far, far - near, atol=1e-9, err_msg=f"{model.name}: affine in the current")
        return near + (far - near) * (current[0] - edge) / inside

    return continued(high, 1.0) - continued(low, -1.0)


def expected_jacobian(model: NeuronModel, s_prev: tuple, z_prev: float, current: tuple, p: tuple) -> tuple:
    """A, B, C, C', P, E, D by finite differences, p the parameters alone; the spike's derivative is PSI times that of
    ψ's argument, or that of the function which the record relaxes it to.

    The step at fixed spike gives the smooth part. A spike that enters the state of its own step adds its jump times
    the derivative of the spike.
    """
    whole = model.with_coefficients
    trainable = [model.param_names.index(name) for name in model.trainable]
    state = model.float_step(s_prev, z_prev, current, whole(p))[0]
    A = jacobian(lambda v: model.float_step(v, z_prev, current, whole(p))[0], s_prev)
    B = jacobian(lambda v: model.float_step(s_prev, z_prev, v, whole(p))[0], current)
    B = B[:, 0] if model.currents == 1 else B.T
    P = jacobian(lambda v: model.float_step(s_prev, z_prev, current, whole(v))[0], p)[:, trainable]
    D = jacobian(lambda v: model.float_step(s_prev, v[0], current, whole(p))[0], (z_prev,))[:, 0]
    if model.float_psi_arg is None:
        output = np.eye(model.d)[-1]  # the output is the last state
        return A, B, output, np.zeros(model.d), P.T, np.zeros(len(trainable)), D
    if (relaxed := record_of(model.name).relaxed) is not None:
        named = dict(zip(model.param_names, p, strict=True))
        C, Cp = (
            jacobian(f, at)[0]
            for f, at in (
                (lambda v: relaxed(s_prev, v, named, PLAIN), state),
                (lambda v: relaxed(v, state, named, PLAIN), s_prev),
            )
        )
        return A, B, C, Cp, P.T, np.zeros(len(trainable)), D
    C = PSI * jacobian(lambda v: model.float_psi_arg(s_prev, v, whole(p)), state)[0]
    Cp = PSI * jacobian(lambda v: model.float_psi_arg(v, state, whole(p)), s_prev)[0]
    E = PSI * jacobian(lambda v: model.float_psi_arg(s_prev, state, whole(v)), p)[0, trainable]
    jump = spike_jump(model, s_prev, z_prev, current, whole(p))
    A, B, P = A + np.outer(jump, Cp + C @ A), B + jump * (C @ B), P + np.outer(jump, E + C @ P)
    return A, B, C, Cp, P.T, E, D + jump * (C @ D)


def jacobians(model: NeuronModel, s_prev: tuple, z_prev: float, current: tuple, p: tuple) -> tuple:
    """A, B, C, C', P, E, D as the model gives them."""
    whole = model.with_coefficients(p)
    state, psi = model.float_step(s_prev, z_prev, current, whole)[0], PSI
    if record_of(model.name).relaxed is not None:
        psi = SURROGATES[model.surrogate](model.float_psi_arg(s_prev, state, whole))
    at = (s_prev, state, z_prev, current, whole, psi)
    D = (0.0,) * model.d if model.float_spike_jacobian is None else model.float_spike_jacobian(*at)
    return *model.float_jacobian(*at), D


def disagreement(model: NeuronModel, seed: int) -> str:
    """'' or the first entry of the Jacobian that differs from finite differences by more than 1e-6."""
    at = point(model, np.random.default_rng(seed))
    for name, entries, wanted in zip(PARTS, jacobians(model, *at), expected_jacobian(model, *at), strict=True):
        ours = np.array(entries)
        assert ours.shape == wanted.shape, f"{model.name}, {name}: shape {ours.shape}, expected {wanted.shape}"
        bad = np.argwhere(np.abs(ours - wanted) > 1e-6 * (1 + np.abs(wanted)))
        if len(bad):
            k = tuple(int(i) for i in bad[0])
            return f"{model.name}, seed {seed}: {name}{list(k)} = {ours[k]}, finite difference {wanted[k]}"
    return ""


@pytest.mark.parametrize("seed", range(CASES))
@pytest.mark.parametrize("model", FLOAT.values(), ids=list(FLOAT))
def test_jacobian_equals_finite_differences(model: NeuronModel, seed: int) -> None:
    fault = disagreement(model, seed)
    assert not fault, fault


@pytest.mark.parametrize("part", range(7), ids=PARTS)
@pytest.mark.parametrize("model", FLOAT.values(), ids=list(FLOAT))
def test_a_wrong_jacobian_is_noticed(model: NeuronModel, part: int) -> None:
    def wrong(*arguments):
        found = [np.array(entries) for entries in model.float_jacobian(*arguments)]
        found[part] = found[part] + 1e-3
        return tuple(found)

    def wrong_spike(*arguments):
        found = np.zeros(model.d) if model.float_spike_jacobian is None else model.float_spike_jacobian(*arguments)
        return tuple(np.array(found) + 1e-3)

    changed = {"float_jacobian": wrong} if PARTS[part] != "D" else {"float_spike_jacobian": wrong_spike}
    assert disagreement(replace(model, **changed), 0)


def test_parameters_of_either_sign_have_the_right_derivative() -> None:
    """BRF takes ω and b' by their absolute values."""
    model = MODELS["brf"]
    s_prev, current = (0.3, -0.7, 0.2), (1.0,)
    for omega in (4.0, -4.0):
        for offset in (0.5, -0.5):
            at = (s_prev, 0.0, current, (omega, offset, 0.01, 0.9, 1.0))
            np.testing.assert_allclose(jacobians(model, *at)[4], expected_jacobian(model, *at)[4], atol=1e-8)

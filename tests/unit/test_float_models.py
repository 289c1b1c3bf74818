"""Float steps against the models' equations as they are written, in plain Python, and what an update may leave."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, sqrt
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Layer
from hypr_neuro.neurons import MODELS, get_model

STEPS = 400


def brf(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    w, delta = abs(p["omega"]), p["delta"]
    c = (-1 + sqrt(1 - (delta * w) ** 2)) / delta - abs(p["b_offset"]) - s["q"]
    u = s["u"] + delta * (c * s["u"] - w * s["v"] + current)
    v = s["v"] + delta * (w * s["u"] + c * s["v"])
    spike = float(u - p["theta"] - s["q"] > 0)
    return {"u": u, "v": v, "q": p["gamma"] * s["q"] + spike}, spike


def lif(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    u = (1 - p["du"]) * s["u"] + current
    kept = s["v"] - p["vth"] * z if p["subtract"] else s["v"] * (1 - z)
    v = (1 - p["dv"]) * kept + u + p["bias"]
    return {"u": u, "v": v}, float(v > p["vth"])


def alif(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    alpha, rho = exp(-1 / p["tau_u"]), exp(-1 / p["tau_a"])
    a = rho * s["a"] + (1 - rho) * z
    theta = p["b0"] + p["beta"] * a
    u = alpha * s["u"] + (1 - alpha) * current - theta * z
    return {"u": u, "a": a}, float(u > theta)


def alif_reset(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    alpha, rho = exp(-1 / p["tau_u"]), exp(-1 / p["tau_a"])
    kept = s["u"] - z * (p["b0"] + p["beta"] * s["a"])
    a = rho * s["a"] + (1 - rho) * z
    u = alpha * kept + (1 - alpha) * current
    return {"u": u, "a": a}, float(u > p["b0"] + p["beta"] * a)


def se_adlif(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    alpha, beta = exp(-1 / p["tau_u"]), exp(-1 / p["tau_w"])
    u = alpha * s["u"] * (1 - z) + (1 - alpha) * (current - s["w"])
    spike = float(u > p["theta"])
    w = beta * s["w"] + (1 - beta) * (p["a"] * u * (1 - spike) + p["b"] * z) * p["k"]
    return {"u": u, "w": w}, spike


def li(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    kappa = exp(-1 / p["tau"])
    u = kappa * s["u"] + (1 - kappa) * current
    return {"u": u}, u


def cuba_li(s: dict, z: float, current: float, p: dict) -> tuple[dict, float]:
    u = (1 - p["du"]) * s["u"] + current
    v = (1 - p["dv"]) * s["v"] + u + p["bias"]
    return {"u": u, "v": v}, v


EQUATIONS = {
    "alif": (alif, {}, 1.0),
    "alif_reset": (alif_reset, {}, 1.0),
    "brf": (brf, {}, 30.0),
    "cuba_li": (cuba_li, {"bias": 0.1}, 1.0),
    "li": (li, {}, 1.0),
    "lif": (lif, {"subtract": 0.0}, 0.4),
    "lif, subtractive": (lif, {"subtract": 1.0}, 0.4),
    "se_adlif": (se_adlif, {}, 6.0),
}


def drawn(name: str, seed: int) -> dict[str, float]:
    """Trainable parameters between 0.7 and 1.3 times their default, inside their range."""
    rng, found = np.random.default_rng([seed, 8]), {}
    for p in get_model(name).params:
        value = p.default * rng.uniform(0.7, 1.3) if p.trainable else p.default
        found[p.name] = float(np.clip(value, p.low, p.high))
    return found


def test_every_float_model_has_its_equations_here() -> None:
    assert {name.split(",")[0] for name in EQUATIONS} == {name for name, model in MODELS.items() if model.has_float}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("name", "case"), EQUATIONS.items(), ids=list(EQUATIONS))
def test_float_step_is_the_equation(name: str, case: tuple[Callable, dict, float], seed: int) -> None:
    """400 steps of random current; states to 1e-9 of the trajectory's range, every spike equal."""
    equation, fixed, drive = case
    model = get_model(name.split(",", maxsplit=1)[0])
    params = drawn(model.name, seed) | fixed
    p = model.with_coefficients(tuple(params[k] for k in model.param_names))
    current = np.random.default_rng([seed, 9]).normal(0.3, 1.0, STEPS) * drive
    s, z, wanted, z_wanted = (0.0,) * model.d, 0.0, dict.fromkeys(model.state_names, 0.0), 0.0
    spikes, reach = 0.0, 1.0
    for t, i in enumerate(current.tolist()):
        s, z = model.float_step(s, z, (i,), p)
        wanted, z_wanted = equation(wanted, z_wanted, i, params)
        reach, where = max(reach, *map(abs, wanted.values())), f"{name}, seed {seed}, step {t}"
        np.testing.assert_allclose(s, list(wanted.values()), rtol=0, atol=1e-9 * reach, err_msg=where)
        assert z == pytest.approx(z_wanted, abs=1e-9), where
        spikes += z > 0
    assert model.readout or 0.01 < spikes / STEPS < 0.9


def updated(name: str, **values: Any) -> dict[str, float]:
    """Parameters that an update moved to these values, after `constrain`."""
    layer = Layer(get_model(name), np.ones((1, 1)), None, None, {}, ())
    for key, value in values.items():
        layer.params[key][...] = value
    assert layer.model.constrain is not None
    layer.model.constrain(layer.params)
    layer.check()
    return {key: float(layer.params[key][0]) for key in values}


def test_an_update_leaves_time_constants_and_couplings_in_range() -> None:
    assert updated("alif", tau_u=-3.0, tau_a=0.2, b0=-0.1) == {"tau_u": 1.0, "tau_a": 1.0, "b0": -0.1}
    low = {"tau_u": 5.0, "tau_w": 60.0, "a": 0.0, "b": 0.0}
    assert updated("se_adlif", tau_u=-3.0, tau_w=59.0, a=-0.1, b=-1.0) == low
    inside = {"tau_u": 30.0, "tau_w": 400.0, "a": 1.0, "b": 0.3}
    assert updated("se_adlif", **inside | {"a": 1.1}) == inside
    with pytest.raises(InputError, match=r"neuron 'se_adlif': tau_w\[0\] = 59.0, rule: 60.0 <= tau_w"):
        Layer(get_model("se_adlif"), np.ones((1, 1)), None, None, {"tau_w": np.array([59.0])}, ())


def test_se_adlif_is_stable_wherever_its_parameters_may_be() -> None:
    """The spectral radius between spikes at the corners of the record's ranges."""
    model = get_model("se_adlif")
    low, high = ({p.name: getattr(p, end) for p in model.params} for end in ("low", "high"))
    for corner in np.ndindex(2, 2, 2):
        tau_u, tau_w, a = ((low, high)[c][key] for c, key in zip(corner, ("tau_u", "tau_w", "a"), strict=True))
        p = model.with_coefficients((tau_u, tau_w, a, 0.0, 1.0, high["k"]))
        A = np.array(model.float_jacobian((0.0, 0.0), (0.0, 0.0), 0.0, (0.0,), p, 0.0)[0])
        assert np.abs(np.linalg.eigvals(A)).max() < 1.0, (tau_u, tau_w, a)

"""Float steps against the models' equations as they are written, in plain Python, and what an update may leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from model_records import PLAIN, assert_fires, inside, record_of

from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.neurons import MODELS, get_model

STEPS = 400


FLOAT = [name for name, model in MODELS.items() if model.has_float]
FORMS = [(name, form) for name in FLOAT for form in ("", *record_of(name).cases)]


def drawn(name: str, seed: int) -> dict[str, float]:
    """Trainable parameters between 0.7 and 1.3 times their default, inside their range."""
    rng, found = np.random.default_rng([seed, 8]), {}
    for p in get_model(name).params:
        value = p.default * rng.uniform(0.7, 1.3) if p.trainable else p.default
        found[p.name] = float(inside(p, value, 0.7, 1.3))
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("name", "form"), FORMS)
def test_float_step_is_the_equation(name: str, form: str, seed: int) -> None:
    """400 steps of random current; states to 1e-9 of the trajectory's range, every spike equal."""
    model, record = get_model(name), record_of(name)
    params = drawn(name, seed) | dict(record.cases.get(form, {}))
    p = model.with_coefficients(tuple(params[k] for k in model.param_names))
    current = np.random.default_rng([seed, 9]).normal(0.3, 1.0, (STEPS, model.currents)) * record.drive
    s, z, wanted, z_wanted = (0.0,) * model.d, 0.0, (0.0,) * model.d, 0.0
    spikes, reach = 0.0, 1.0
    for t, i in enumerate(current.tolist()):
        s, z = model.float_step(s, z, tuple(i), p)
        wanted, z_wanted = record.equation(wanted, z_wanted, i[0] if len(i) == 1 else i, params, PLAIN)
        reach, where = max(reach, *map(abs, wanted)), f"{name}, seed {seed}, step {t}"
        np.testing.assert_allclose(s, wanted, rtol=0, atol=1e-9 * reach, err_msg=where)
        assert z == pytest.approx(z_wanted, abs=1e-9), where
        spikes += z > 0
    if not model.readout:
        assert_fires(name, spikes / STEPS, 0.01, 0.9, f", seed {seed}")


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

"""Which entries of integer Jacobians can differ from 0: what symbols say holds for numbers, and nothing more does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.structure import spike_rows, structure
from hypr_neuro.profiles.profile import load_profile

LEARNING = [name for name, model in MODELS.items() if model.learned is not None]
SAMPLES = 3000


def parameters(
    model: NeuronModel, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, int], np.ndarray]:
    """Integers of 50 neurons with trainable parameters from 0.1 to 2 times their default, and their ψ table."""
    params = {}
    for p in model.params:
        low, high = sorted((0.1 * p.default, 2.0 * p.default)) if p.default else (-0.1, 0.1)
        values = rng.uniform(max(low, p.low), min(high, p.high), 50)
        params[p.name] = (
            values if p.trainable else np.full(50, rng.choice([0.0, 1.0]) if p.name == "subtract" else p.default)
        )
    if model.constrain is not None:
        model.constrain(params)
    form = load_profile(str(rng.choice(["ideal", "loihi2"]))).fixed_format(float(10.0 ** rng.uniform(-1, 3)), 1.0)
    fixed = model.to_fixed(params, replace(form, rounding=int(rng.integers(0, 3))))
    return fixed.per_neuron, fixed.constants, fixed.psi_table


def nonzero(model: NeuronModel, seed: int = 5) -> dict[str, np.ndarray]:
    """Where A, B, C, C' and F differ from 0 at least once in SAMPLES Jacobians."""
    rng, found = np.random.default_rng(seed), {}
    for sample in range(SAMPLES):
        if sample % 50 == 0:
            per_neuron, constants, table = parameters(model, rng)
        p = tuple(int(v[sample % 50]) for v in per_neuron.values()) + tuple(constants.values())
        size = 1 << int(rng.integers(1, 24))
        before = tuple(map(int, rng.integers(-size, size, model.d)))
        z, current = int(rng.integers(0, 2)), (int(rng.integers(-size, size)),)
        after = model.fixed_step(before, z, current, p)[0]
        psi = int(rng.choice(table))
        A, B, C, C_prev, _, _, F = model.fixed_jacobian(before, after, z, current, p, psi)
        for key, entries in (("A", A), ("B", B), ("C", C), ("C_prev", C_prev), ("F", F)):
            found[key] = found.get(key, False) | (np.array(entries) != 0)
    return found


@pytest.mark.parametrize("name", LEARNING)
def test_entries_said_to_be_0_are_and_all_others_become_something(name: str) -> None:
    said, found = structure(MODELS[name]), nonzero(MODELS[name])
    for key, entries in found.items():
        assert np.array_equal(np.array(getattr(said, key)), entries), f"{name}, {key}: said {getattr(said, key)}"


def test_structures_of_known_models() -> None:
    brf = structure(MODELS["brf"])
    assert brf.A == ((True, True, True), (True, True, True), (False, False, True))
    assert brf.B == brf.C == (True, False, False)
    assert brf.C_prev == brf.F == (False, False, True)
    assert spike_rows(MODELS["brf"]) == (False, False, True)
    assert spike_rows(MODELS["se_adlif"]) == (False, True)
    assert spike_rows(MODELS["lif"]) == spike_rows(MODELS["alif"]) == (False, False)
    assert spike_rows(MODELS["li"]) == (False,)


@pytest.mark.parametrize("name", LEARNING)
def test_no_spike_comes_from_a_state_that_it_changes(name: str) -> None:
    """C is 0 where F is not, so e is complete before the rows that take it up."""
    said = structure(MODELS[name])
    assert not any(c and f for c, f in zip(said.C, said.F, strict=True))


def test_a_branch_that_hides_an_entry_is_run_too() -> None:
    """Entries under a comparison, a bit or a spike count, whichever way the numbers go."""

    def hidden(s_prev, s, z_prev, I, p, psi):
        A = ((p[0] if s[0] > p[1] else 0, 0 if s[0] > p[1] else p[0]), (z_prev * p[0], (1 - z_prev) * p[0]))
        return A, (0, p[0] & 1), (0, 0 * p[0]), (p[0] * 0, 3), ((),), (), (-p[0], 0)

    found = structure(replace(MODELS["lif"], fixed_jacobian=hidden))
    assert found.A == ((True, True), (True, True))
    assert (found.B, found.C, found.C_prev, found.F) == ((False, True), (False, False), (False, True), (True, False))


def test_a_model_that_does_not_learn_has_no_structure() -> None:
    with pytest.raises(InputError, match="structure: neuron 'rf' has no integer Jacobian"):
        structure(MODELS["rf"])

"""Which entries of integer Jacobians can differ from 0: what symbols say holds for numbers, and nothing more does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_records import learning_numbers

from hypr_neuro.errors import InputError
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.by_current import jacobian_of
from hypr_neuro.neurons.structure import WAYS, Structure, spike_rows, structure
from hypr_neuro.numbers.fixed_point import shift
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.profiles.profile import load_profile

LEARNING = [(name, k) for name, model in MODELS.items() if model.learns_on_chip for k in range(model.currents)]
SAMPLES = 3000


def parameters(
    model: NeuronModel, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, int], np.ndarray]:
    """Integers of 50 neurons, trainable parameters 0.1 to 2 times their default; constants, learning's too; ψ table."""
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
    constants = {key: fixed.constants[key] for key in model.fixed_constants}
    constants |= learning_numbers(model, form.coefficient_fraction, fixed.state_scale)
    return fixed.per_neuron, constants, fixed.psi_table


def nonzero(model: NeuronModel, input_current: int = 0, seed: int = 5) -> dict[str, np.ndarray]:
    """Where A, B, C, C' and F differ from 0 at least once in SAMPLES Jacobians."""
    rng, found = np.random.default_rng(seed), {}
    for sample in range(SAMPLES):
        if sample % 50 == 0:
            per_neuron, constants, table = parameters(model, rng)
        p = tuple(int(v[sample % 50]) for v in per_neuron.values()) + tuple(constants.values())
        size = 1 << int(rng.integers(1, 24))
        before = tuple(map(int, rng.integers(-size, size, model.d)))
        z, current = int(rng.integers(0, 2)), tuple(map(int, rng.integers(-size, size, model.currents)))
        own = len(model.fixed_per_neuron) + len(model.fixed_constants)
        after = model.fixed_step(before, z, current, p[:own])[0]
        psi = int(rng.choice(table))
        A, B, C, C_prev, _, _, F = jacobian_of(model, input_current)(before, after, z, current, p, psi)
        for key, entries in (("A", A), ("B", B), ("C", C), ("C_prev", C_prev), ("F", F)):
            found[key] = found.get(key, False) | (np.array(entries) != 0)
    return found


@pytest.mark.parametrize(("name", "input_current"), LEARNING)
def test_entries_said_to_be_0_are_and_all_others_become_something(name: str, input_current: int) -> None:
    said, found = structure(MODELS[name], input_current), nonzero(MODELS[name], input_current)
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


@pytest.mark.parametrize(("name", "input_current"), LEARNING)
def test_no_spike_comes_from_a_state_that_it_changes(name: str, input_current: int) -> None:
    """C is 0 where F is not, so e is complete before the rows that take it up; F has no derivative exponent."""
    said = structure(MODELS[name], input_current)
    assert not (MODELS[name].derivative_exponent and any(said.F))
    assert not any(c and f for c, f in zip(said.C, said.F, strict=True))


def test_a_branch_that_hides_an_entry_is_run_too() -> None:
    """Entries under a comparison, a bit or a spike count, whichever way the numbers go."""

    def hidden(s_prev, s, z_prev, I, p, psi):
        A = ((p[0] if s[0] > p[1] else 0, 0 if s[0] > p[1] else p[0]), (z_prev * p[0], (1 - z_prev) * p[0]))
        return A, (0, p[0] & 1), (0, 0 * p[0]), (p[0] * 0, 3), ((),), (), (-p[0], 0)

    found = structure(replace(MODELS["lif"], fixed_jacobian=hidden))
    assert found.A == ((True, True), (True, True))
    assert (found.B, found.C, found.C_prev, found.F) == ((False, True), (False, False), (False, True), (True, False))


def of_entry(entry: Callable[..., Any]) -> Structure:
    """Structure of a Jacobian with this one entry of A, computed of s, p and ψ, all other entries 0."""
    jitable(entry)

    def jacobian(s_prev, s, z_prev, I, p, psi):
        return ((entry(s, p, psi), 0), (0, 0)), (0, 0), (0, 0), (0, 0), ((),), (), (0, 0)

    return structure(replace(MODELS["lif"], fixed_jacobian=jacobian))


def test_an_entry_behind_many_branches_is_found() -> None:
    """A leak of thirteen pieces, of which one alone is not 0; the last round of a search; the first of a count."""

    def piece(s, p, psi):  # noqa: PLR0911, PLR0912  (many branches are the test)
        x = s[0]
        if x > 12:
            return 0
        if x > 11:
            return 0
        if x > 10:
            return 0
        if x > 9:
            return 0
        if x > 8:
            return 0
        if x > 7:
            return 0
        if x > 6:
            return 0
        if x > 5:
            return 0
        if x > 4:
            return 0
        if x > 3:
            return 0
        if x > 2:
            return 0
        if x > 1:
            return 0
        if x > -40:
            return p[0]
        return 0

    def searched(s, p, psi):
        for bound in range(100):
            if s[0] > bound:
                return 0
        return p[0]

    def counted(s, p, psi):
        left, entry = s[0], 0
        while left > 1:
            left, entry = left - 1, p[0]
        return entry

    for entry in (piece, searched, counted):
        assert of_entry(entry).A == ((True, False), (False, False))


def test_minimum_and_maximum_are_no_branches() -> None:
    def clamped(s, p, psi):
        total = 0
        for k in range(40):
            total += min(max(s[0] - k, 0), p[0])
        return total

    assert of_entry(clamped).A[0][0]
    assert not of_entry(lambda s, p, psi: 0 * max(s[0], 1)).A[0][0]
    assert not of_entry(lambda s, p, psi: max(min(0, -1), 0)).A[0][0]


def test_too_many_branches_are_refused() -> None:
    def independent(s, p, psi):
        count = 0
        for k in range(15):
            if s[0] == k:
                count += 1
        return 0 * count

    with pytest.raises(InputError, match=rf"neuron 'lif': fixed_jacobian has more than {WAYS} ways .* put min, max"):
        of_entry(independent)


@pytest.mark.parametrize(
    "entry",
    [
        lambda s, p, psi: s[0] % 7,
        lambda s, p, psi: s[0] ** 2,
        lambda s, p, psi: shift(x=s[0], exponent=3),
        lambda s, p, psi: (1, 2)[p[0] + 9],
    ],
)
def test_what_does_not_run_on_symbols_is_refused_by_name(entry: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"neuron 'lif': fixed_jacobian does not run on symbols \(.+\), rule: \+, -"):
        of_entry(entry)


def test_a_jacobian_of_another_number_of_results_is_refused() -> None:
    model = replace(MODELS["lif"], fixed_jacobian=lambda s_prev, s, z_prev, I, p, psi: (((1, 0), (0, 1)), (1, 0)))
    with pytest.raises(InputError, match=r"rule: .* the seven results A, B, C, C', P, E, F"):
        structure(model)


def test_a_model_that_does_not_learn_has_no_structure() -> None:
    with pytest.raises(InputError, match="structure: neuron 'lif_refractory' has no integer Jacobian"):
        structure(MODELS["lif_refractory"])

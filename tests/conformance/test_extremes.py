"""One step of every model from states and currents at the ends of their ranges: compiled equals plain Python."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.kernels import population_kernel
from hypr_neuro.sim.population import Feedback, PopulationRun
from hypr_neuro.testing.integer import any_population

NEURONS, ROUNDS = 64, 40
INTEGER = [name for name, model in MODELS.items() if model.integer]
INT32 = (1 << 31) - 1


@lru_cache
def population(model: str, seed: int) -> Population:
    return any_population(np.random.default_rng([seed, 31]), "p", model, NEURONS)


def extreme(rng: np.random.Generator, bits: int, size: tuple[int, ...]) -> np.ndarray:
    """Signed numbers of that width, evenly spread in their logarithm, the two ends and 0 among them."""
    top = (1 << (bits - 1)) - 1
    drawn = np.rint(2.0 ** rng.uniform(-1, bits - 1, size) * rng.choice([-1, 1], size)).astype(np.int64)
    ends = rng.choice([-top, top, 0, 1, -1], size)
    return np.clip(np.where(rng.random(size) < 0.2, ends, drawn), -top, top)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", INTEGER)
def test_a_step_from_extreme_states_equals_the_plain_function(name: str, seed: int) -> None:
    p, rng, model = population(name, seed), np.random.default_rng([seed, 32]), MODELS[name]
    widths = [32 if variable.overflow == "wrap" else 24 for variable in model.states]
    constants = tuple(int(c) for c in p.constants)
    run = PopulationRun(p, 1, [], 1)
    for round_ in range(ROUNDS):
        state = np.stack([extreme(rng, bits, (NEURONS,)) for bits in widths])
        current = extreme(rng, 32, (model.currents, NEURONS))
        z = state[0] if model.readout else rng.integers(0, 1, NEURONS, endpoint=True)
        run.state[...], run.events[...] = state, 0
        run.sent.tail = z[None]
        run.begin(1, False, False)
        run.arriving[:, 0] = current
        run.run(0, 1)
        counts = np.zeros(len(model.events), np.int64)
        for i in range(NEURONS):
            params = tuple(int(v) for v in p.per_neuron[:, i]) + constants
            s, spike, events = model.fixed_step(
                tuple(int(v) for v in state[:, i]), int(z[i]), tuple(int(v) for v in current[:, i]), params
            )
            where = f"seed {seed}, round {round_}, neuron {i}, state {state[:, i]}, current {current[:, i]}, {params}"
            assert (run.state[:, i].tolist(), int(run.outputs[0, i])) == (list(s), spike), where
            counts += [(events >> bit) & 1 for bit in range(len(counts))]
        assert run.events[0].tolist() == counts.tolist()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bias": 1 << 31}, "population 'p': bias = 2147483648..2147483648, rule: 32 bits"),
        ({"du1": 4097}, r"du1 = 4097..4097, rule: 0..4096"),
        ({"dv": np.array([0, -1])}, r"dv = -1..0, rule: 0..4096"),
        ({"refractory": 63}, r"refractory = 63..63, rule: 0..62"),
    ],
)
def test_parameters_that_a_step_cannot_take_are_refused(changed: dict[str, object], message: str) -> None:
    values = lif_refractory_parameters(du=9, dv=0, vth=1, refractory=2) | changed
    with pytest.raises(InputError, match=message):
        Population.of("p", "lif_refractory", 2, **values)


def test_sums_that_could_leave_32_bits_are_refused() -> None:
    p = population("lif", 0)
    weights = np.full((NEURONS, 4), 1 << 20)
    with pytest.raises(InputError, match="population 'p': its weighted sums can reach"):
        IntegerNetwork(4, (p,), (Synapses("p", "p", np.full((NEURONS, NEURONS), 1 << 26)),))
    network = IntegerNetwork(4, (p,), (Synapses("input", "p", weights, exponent=3),))
    assert network.largest_input("p") == INT32 // (4 << 23)


@pytest.mark.parametrize("largest", [1, 127, 128, 255, 4095, 4096, (1 << 15) - 1, 1 << 15, 70_001])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_many_rows_are_exact_at_every_width(largest: int, sign: int) -> None:
    """300 neurons fire at once, so that partial sums of eight and of many rows meet the ends of their widths."""
    count = 300
    weights = np.full((5, count), sign * largest)
    weights[:, ::7] -= sign  # odd and even ones, so that no common factor is taken out
    lif = lif_parameters(du=4095, dv=4095, vth=0)
    source = Population.of("source", "lif", count, **lif)
    target = Population.of("target", "lif", 5, **lif)
    network = IntegerNetwork(
        count,
        (source, target),
        (
            Synapses("input", "source", np.eye(count, dtype=int)),
            Synapses("source", "source", np.ones((count, count), int)),
            Synapses("source", "source", np.vstack([weights, np.zeros((count - 5, count), int)])),
            Synapses("source", "target", weights),
            Synapses("source", "target", weights, delays=np.tile(np.arange(count) % 2, (5, 1))),
        ),
    )
    got = simulate(network, np.ones((1, 8, count), int), ["current"]).states
    total = int(weights[0].sum())
    assert got["source"]["current"][1, 0].tolist() == [1] * count
    assert got["source"]["current"][2, 0, :5].tolist() == [total + count + 1] * 5
    assert got["target"]["current"][2, 0].tolist() == [total + int(weights[0, ::2].sum())] * 5


@pytest.mark.parametrize("exponent", [-30, -31, -32])
def test_the_largest_shifts_floor_the_largest_sums(exponent: int) -> None:
    target = Population.of("target", "lif", 2, **lif_parameters(du=4095, dv=4095, vth=0))
    weights = np.array([[70_001], [-70_001]])
    network = IntegerNetwork(1, (target,), (Synapses("input", "target", weights, exponent=exponent),))
    got = simulate(network, np.full((1, 2, 1), 20_000), ["current"]).states["target"]["current"][1, 0]
    assert got.tolist() == [70_001 * 20_000 >> -exponent, -70_001 * 20_000 >> -exponent]


def test_feedback_alone_needs_no_connection() -> None:
    feedback = Feedback([], 3)
    assert feedback.dense.rows.shape == (0, 3, 3)
    assert feedback.sparse.lags.shape == (0,)
    assert population_kernel("lif") is population_kernel("lif")

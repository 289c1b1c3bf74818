"""Options of training on any network: as on a chain, and the same in sub-sequences, streams and intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from learning_rules import MEAN_RATE, SAMPLES, STEPS, NodePerturbation, assert_close, problem, reward_modulated
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run import forward
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import random_spikes, spiking_models
from hypr_neuro.train.gradients import RatePenalty, batch_gradients, gradients
from hypr_neuro.train.losses import GIVEN
from hypr_neuro.train.online import online_gradients
from hypr_neuro.train.optimizers import SGD
from hypr_neuro.train.rules.base import Means, Penalty, Rule
from hypr_neuro.train.stream import stream_gradients

Array = Any
RULES = ("hypr", "ostl", "eprop", "bptt")
TWIN = 1e-12
"""Of an array's largest entry, between the engine of chains and that of any network; measured: up to 2e-14."""
EQUAL = 1e-10


@dataclass(frozen=True)
class Decay(Rule):
    """Weights are drawn to their running means: R = Σ (w - mean w)² / 2."""

    def regularizer(self, values: Mapping[str, Array], means: Means) -> Penalty:
        away = {name: value - means[name] for name, value in values.items()}
        return Penalty(sum(float(np.sum(a * a)) / 2 for a in away.values()), away)


@dataclass(frozen=True)
class NoisyForward(Rule):
    """HYPR at a network with noise on every population."""

    def noise(self, net: Network) -> list[float]:
        return [0.2] * len(net.populations)


@dataclass(frozen=True)
class Perturbation(NodePerturbation):
    """Node perturbation with the same deviation everywhere."""

    def noise(self, net: Network) -> tuple[float, ...]:
        return (0.2,) * len(net.populations)

    def error(self, local: Any) -> Array:
        return local.noise * (local.per_sample / 0.04)


@dataclass(frozen=True)
class Rows(Rule):
    """The sum of the outputs' errors to every population, as a signal on its spikes."""

    def error(self, local: Any) -> Array:
        return local.error.sum(axis=2, keepdims=True) * np.ones_like(local.output)


HOOKS = {
    "noise": NoisyForward("noisy", "here"),
    "node perturbation": Perturbation("perturbation", "here", eligibility="current"),
    "errors of its own": Rows("rows", "here"),
    "errors of its own, own spike": Rows("rows", "here", own_spike=True),
    "rates": MEAN_RATE,
    "weights": Decay("decay", "here"),
    "reward": reward_modulated(),
}


def some_means(rule: Rule, net: Network) -> dict[str, Array] | None:
    """Running means as after some updates."""
    rng = np.random.default_rng(8)
    draw = {name: value + 0.1 * rng.random(value.shape) for name, value in rule.start(net).items()}
    return draw if rule.keeps_means else None


# --- the engine of chains, held equal


def as_graph(net: Network) -> Network:
    """The same numbers in a network that is no chain: the readout's weights are sparse."""
    links = [
        FloatSynapses(c.source, c.target, csr_array(c.weights) if c.target == "readout" else c.weights)
        for c in net.connections
    ]
    graph = Network(net.inputs, net.copy().populations, tuple(links), net.dt, net.outputs)
    assert not graph.is_chain
    return graph


def by_layer(net: Network, found: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of `as_graph` by the names and in the form of the chain's."""
    names = {id(a): name for name, a in net.graph_arrays().items()}
    return {name: found[names[id(a)]].reshape(a.shape) for name, a in net.arrays().items()}


def options_of_all(net: Network) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(1)
    feedback = [rng.standard_normal(layer.weight.shape) for layer in net.layers[1:]]
    matrices = [rng.standard_normal((layer.size, net.output_size)) for layer in net.layers[:-1]]
    return {
        "penalty": {"penalty": RatePenalty(0.2, 2.0)},
        "penalty of e-prop": {"penalty": RatePenalty(0.2, 2.0), "rule": "eprop"},
        "penalty of BPTT": {"penalty": RatePenalty(0.2, 2.0), "rule": "bptt"},
        "reward of a sample": {"reward": rng.standard_normal(SAMPLES)},
        "reward of a step": {"reward": rng.standard_normal((SAMPLES, STEPS)), "rule": "eprop"},
        "late signals": {"signal_delay": (2, 5)},
        "late errors": {"signal_delay": (1, 3), "rule": "eprop"},
        "random feedback": {"feedback": "random", "rule": "eprop"},
        "given feedback": {"feedback": matrices, "rule": "eprop"},
        "fixed weights on the way back": {"feedback_weights": feedback},
        "last step": {"loss": "last_step", "rule": "ostl"},
    }


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("model", spiking_models())
def test_a_chain_gets_what_its_populations_get(model: str, rule: str) -> None:
    net, x, y, mask = problem(model)
    wanted, value = gradients(net, x, y, mask, rule=rule)
    got, loss = gradients(as_graph(net), x, y, mask, rule=rule)
    assert_close(wanted, by_layer(net, got), TWIN)
    assert loss == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("name", options_of_all(problem()[0]))
def test_options_are_those_of_a_chain(name: str) -> None:
    net, x, y, mask = problem("alif")
    options = options_of_all(net)[name]
    wanted, value = gradients(net, x, y, mask, **options)
    for chunk in (None,) if options.get("rule") == "bptt" else (None, 5):
        got, loss = gradients(as_graph(net), x, y, mask, chunk=chunk, **options)
        assert_close(wanted, by_layer(net, got), TWIN)
        assert loss == pytest.approx(value, rel=1e-14)
    plain = gradients(net, x, y, mask, rule=options.get("rule", "hypr"))[0]
    assert any(not np.allclose(plain[key], wanted[key], rtol=1e-3, atol=0) for key in plain)


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_those_of_a_chain(name: str) -> None:
    net, x, y, mask = problem("brf")
    graph, rule = as_graph(net), HOOKS[name]
    means = some_means(rule, net)
    shapes = {key: array.shape for key, array in graph.graph_arrays().items()}
    chains = {id(a): key for key, a in net.arrays().items()}
    names = {key: chains[id(a)] for key, a in net.graph_arrays().items()}
    same = None if means is None else means | {key: means[names[key]].reshape(shape) for key, shape in shapes.items()}
    wanted = batch_gradients(net, x, y, mask, rule=rule, means=means, seed=3, sample=4)
    got = batch_gradients(graph, x, y, mask, rule=rule, means=same, seed=3, sample=4, chunk=7)
    assert_close(wanted.gradients, by_layer(net, got.gradients), TWIN)
    assert got.penalty == pytest.approx(wanted.penalty, rel=1e-13)
    assert wanted.rates.keys() == got.rates.keys()
    assert all(np.array_equal(wanted.rates[key], got.rates[key]) for key in got.rates)


@pytest.mark.parametrize("rule", RULES[:3])
def test_updates_inside_a_sequence_are_those_of_a_chain(rule: str) -> None:
    net, x, y, mask = problem("alif")
    graph, start = as_graph(net), net.copy()
    for found, other in zip(
        online_gradients(net, x, y, mask, update_every=7, rule=rule),
        online_gradients(graph, x, y, mask, update_every=7, rule=rule, chunk=3),
        strict=True,
    ):
        SGD(0.2, momentum=0.0).update(net.arrays(), found.gradients)
        SGD(0.2, momentum=0.0).update(graph.arrays(), other.gradients)
    assert_close(net.arrays(), by_layer(net, graph.arrays()), 1e-8)
    assert all(not np.array_equal(a, net.arrays()[key]) for key, a in start.arrays().items())


# --- any network


GRADED = 1000
"""From this seed on, populations whose output is a number feed others."""


def drawn(seed: int) -> tuple[Network, Array, Array, Array]:
    graph = random_graph(seed, graded=seed >= GRADED)
    rng = np.random.default_rng([seed, 33])
    y, mask = rng.integers(0, graph.output_size, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.7
    return graph, random_spikes(seed, SAMPLES, STEPS, graph.inputs), y, mask


def cut(x: Array, y: Array, mask: Array, *edges: int) -> list[tuple[Array, Array, Array]]:
    edges = (0, *edges, x.shape[1])
    return [(x[:, a:b], y[:, a:b], mask[:, a:b]) for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("name", [*HOOKS, *RULES[:3], "penalty"])
@pytest.mark.parametrize("seed", [*range(4), GRADED, GRADED + 3])
def test_sub_sequences_streams_and_blocks_give_the_same(seed: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, *batch = drawn(seed)
    rule = HOOKS.get(name, name if name in RULES else "hypr")
    options: dict[str, Any] = {"rule": rule, "penalty": RatePenalty(0.2, 2.0) if name == "penalty" else None, "seed": 3}
    options["means"] = some_means(rule, graph) if isinstance(rule, Rule) else None
    whole, loss = gradients(graph, *batch, **options)
    for chunk in (1, 7):
        assert_close(whole, gradients(graph, *batch, chunk=chunk, **options)[0], EQUAL)
    streamed, again = stream_gradients(graph, cut(*batch, 4, 5, 19), dtype=np.float64, **options)
    assert_close(whole, streamed, EQUAL)
    assert again == pytest.approx(loss, rel=1e-12)
    monkeypatch.setattr(forward, "GRAPH_BLOCK", 1)
    assert all(np.array_equal(whole[key], value) for key, value in gradients(graph, *batch, **options)[0].items())


@pytest.mark.parametrize("every", [1, 5, STEPS + 3])
@pytest.mark.parametrize("rule", RULES[:3])
def test_shares_of_intervals_add_up_to_the_gradient(rule: str, every: int) -> None:
    for seed in range(4):
        graph, *batch = drawn(seed)
        total = dict.fromkeys(graph.arrays(), 0.0)
        for interval in online_gradients(graph, *batch, update_every=every, rule=rule):
            total = {name: total[name] + value for name, value in interval.gradients.items()}
        assert_close(gradients(graph, *batch, rule=rule)[0], total, EQUAL)


@pytest.mark.parametrize("rule", RULES[:3])
@pytest.mark.parametrize("seed", range(4))
def test_sub_sequences_do_not_change_updates_inside_a_sequence(seed: int, rule: str) -> None:
    start, *batch = drawn(seed)
    results = []
    for chunk in (None, 1, 4):
        graph = start.copy()
        for interval in online_gradients(graph, *batch, update_every=9, rule=rule, chunk=chunk):
            SGD(0.01, momentum=0.0).update(graph.arrays(), interval.gradients)
        results.append(graph.arrays())
    assert_close(results[0], results[1], 1e-8)
    assert_close(results[0], results[2], 1e-8)
    assert any(not np.array_equal(a, results[0][key]) for key, a in start.arrays().items())


def test_what_was_run_before_an_update_is_learned_with_the_parameters_of_then() -> None:
    """A signal that belongs to a step before the update comes after it, over a delay of 5 steps."""
    hidden = FloatPopulation("h", get_model("alif"), {}, {}, (3,))
    rng = np.random.default_rng(0)
    links = (
        FloatSynapses("input", "h", np.abs(rng.normal(0.5, 0.5, (3, 4)))),
        FloatSynapses("h", "o", rng.normal(0.0, 1.0, (2, 3)), 5),
    )
    net = Network(4, (hidden, FloatPopulation("o", get_model("li"), {}, {}, (2,))), links, 1e-3, ("o",))
    x, errors = random_spikes(1, 2, 20, 4), np.zeros((2, 20, 2))
    errors[:, 12] = 1.0  # of what `h` sent in step 7
    wanted = gradients(net, x, errors=errors)[0]["input -> h"]
    total, changed = np.zeros_like(wanted), net.copy()
    for interval in online_gradients(changed, x, errors, update_every=10, loss=GIVEN):
        total += interval.gradients["input -> h"]
        changed.population("h").params["tau_u"][...] = 2.0
    assert np.abs(wanted).max() > 0
    assert np.abs(total - wanted).max() <= 1e-13 * np.abs(wanted).max()


def test_a_penalty_brings_rates_to_their_target() -> None:
    graph, x, y, _ = drawn(1)
    split = np.array(["train"] * (SAMPLES - 1) + ["validation"])
    data = hn.SequenceData("toy", x, y, split, graph.output_size)
    hidden = [p.name for p in graph.populations if not p.model.readout and p.name not in graph.outputs]

    def away(net: Network) -> float:
        counts = hn.run_float(net, x).counts
        rates = [counts[name].sum() / (SAMPLES * STEPS * net.population(name).size) for name in hidden]
        return float(np.sum((np.array(rates) - 0.05) ** 2))

    before = away(graph)
    hn.train(graph, data, epochs=40, rate=0.05, penalty=RatePenalty(0.05, 30.0), patience=None)
    assert away(graph) < before


def test_options_are_refused_as_on_a_chain() -> None:
    graph, x, y, mask = drawn(0)
    hidden = sum(not p.model.readout and p.name not in graph.outputs for p in graph.populations)
    with pytest.raises(InputError, match=rf"signal_delay = \[1, .*, rule: {hidden} whole numbers, 0 to 65536"):
        gradients(graph, x, y, mask, signal_delay=[1] * (hidden + 1))
    with pytest.raises(InputError, match=r"signal_delay = .* with rule 'bptt', rule: a rule whose eligibilities run"):
        gradients(graph, x, y, mask, rule="bptt", signal_delay=[1] * hidden)
    with pytest.raises(InputError, match=r"feedback_weights of shapes \[\], rule: \[\("):
        gradients(graph, x, y, mask, feedback_weights=[])
    with pytest.raises(InputError, match=r"feedback of shapes \[\(1, 1\)\], rule: \[\("):
        gradients(graph, x, y, mask, rule="eprop", feedback=[np.ones((1, 1))])
    with pytest.raises(InputError, match="update_every with a RatePenalty"):
        hn.train(
            graph,
            hn.SequenceData("toy", x, y, np.array(["train"] * SAMPLES), graph.output_size),
            update_every=5,
            penalty=RatePenalty(0.1, 1.0),
        )


def test_input_that_is_not_finite_is_refused() -> None:
    graph = random_graph(6)
    x = np.ones((2, 10, graph.inputs))
    x[0, 3, 1] = np.nan
    with pytest.raises(InputError, match=r"x\[.*\] = (nan|inf), rule: finite numbers"):
        gradients(graph, x, np.zeros(2, int))

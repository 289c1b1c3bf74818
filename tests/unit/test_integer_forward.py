"""What training sees of a network's integers: exactly what the simulator computes of what `quantize` makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import graph_models, integer_models, random_network, random_spikes
from hypr_neuro.train.chain_engine import ChainEngine
from hypr_neuro.train.gradients import batch_gradients
from hypr_neuro.train.graph_engine import GraphEngine
from hypr_neuro.train.integer_forward import IntegerForward
from hypr_neuro.train.losses import get_loss
from hypr_neuro.train.rules import get_rule
from hypr_neuro.train.setup import make_setup

Array = Any
STEPS, SAMPLES = 37, 5
PROFILES = ("ideal", "loihi2", "loihi1", "spinnaker2")
EARLY = (1, 12)
"""Seeds of random graphs that have a connection which is refused."""
RULES = ("hypr", "ostl", "eprop", "bptt")
INTEGERS = [name for name in graph_models() if MODELS[name].integer]
CHUNKS = 1e-11
"""Of an array's largest entry, between sub-sequences and the whole; measured: up to 8e-15 on chains."""
WIDE = 1e-3
"""Of the norm of all gradients, at 16-bit weights and 32-bit states beside float at the same numbers; measured: up to
2e-4."""
LOIHI = {"lif": 0.2, "lif_reset": 0.2, "lif_multispike": 0.2}
"""The same of models whose decays, states and thresholds have Loihi's widths on every profile; measured: to 0.144."""


def _run(forward: IntegerForward, x: Array, rule: str = "hypr", chunk: int = STEPS) -> list[tuple[Array, Array, Array]]:
    """Return of each population states (T, d, width), outputs and currents as the engine of training holds them."""
    setup = make_setup(
        forward.net,
        get_rule(rule),
        get_loss("per_step_cross_entropy"),
        np.float64,
        "symmetric",
        1.0,
        1.0,
        forward=forward,
    )
    engine = setup.arrays.engine(setup, len(x), 0)
    held: list[list[tuple[Array, Array, Array]]] = [[] for _ in forward.net.populations]
    for first in range(0, x.shape[1], chunk):
        part = x[:, first : first + chunk].transpose(1, 0, 2).astype(np.float64)
        engine.run(part, x[:, first : first + chunk + forward.ahead])
        for i, of_one in enumerate(held):
            of_one.append(tuple(a.copy() for a in _held(engine, i, first, len(part))))
    return [tuple(np.concatenate(parts) for parts in zip(*of_one, strict=True)) for of_one in held]


def _held(engine: Any, place: int, first: int, steps: int) -> tuple[Array, Array, Array]:
    if isinstance(engine, ChainEngine):
        layer = engine.layers[place]
        return layer.states[1:], layer.outputs[1:], layer.current
    assert isinstance(engine, GraphEngine)
    p, window = engine.populations[place], (first, first + steps)
    return p.states.steps(*window), p.outputs.steps(*window), p.currents.steps(*window)


def _require_equal(qnet: QuantizedNetwork, forward: IntegerForward, x: Array, chunk: int, case: str) -> None:
    """Compare what training holds with a simulation of the integers that `quantize` makes, with ==."""
    names = {name for p in qnet.populations for name in p.model.state_names}
    many = {f"current{k}" for p in qnet.populations for k in range(p.model.currents) if p.model.currents > 1}
    trace = simulate(qnet, x, record=("spikes", *names, *sorted(many or {"current"})), tail=forward.ahead)
    for i, (states, outputs, currents) in enumerate(_run(forward, x, chunk=chunk)):
        p, late, where = qnet.populations[i], qnet.latency(i), f"{case}, {qnet.populations[i].name}"
        own = slice(late, late + x.shape[1])
        for j, name in enumerate(p.model.state_names):
            expected = trace.states[p.name][name][own].reshape(x.shape[1], -1)
            assert np.array_equal(states[:, j] * p.state_scale, expected), f"{where}: {name}"
        if not p.model.readout:
            assert np.array_equal(outputs, trace.spikes[p.name][own].reshape(x.shape[1], -1)), f"{where}: spikes"
        if p.model.currents == 1 and not many:
            expected = trace.states[p.name]["current"][own].reshape(x.shape[1], -1)
            assert np.array_equal(currents, expected / p.current_scale), f"{where}: currents"


@pytest.mark.parametrize("model", integer_models())
def test_chains_run_as_simulated(model: str) -> None:
    for profile in PROFILES:
        for hidden in ((5,), (5, 4)):
            net, x = random_network(model, 3, hidden=hidden), random_spikes(3, SAMPLES, STEPS, 4)
            qnet, forward = quantize(net, profile, calibration=x), IntegerForward.of(net, profile, x)
            for chunk in (STEPS, 5):
                _require_equal(qnet, forward, x, chunk, f"{model} on {profile}, {hidden}, λ = {chunk}")


@pytest.mark.parametrize("seed", range(14))
def test_graphs_run_as_simulated(seed: int) -> None:
    """Skips, loops, delays, sparse weights, late biases, numbers as messages, several outputs, groups of weights."""
    net = random_graph(seed, spiking=INTEGERS, graded=seed % 2 == 1)
    x, options = random_spikes(seed, SAMPLES, STEPS, net.inputs), {"weight_groups": (1, 2, 3, "row")[seed % 4]}
    for profile in ("ideal", "loihi2"):
        if profile == "loihi2" and seed in EARLY:
            with pytest.raises(InputError, match="earlier than its source"):
                IntegerForward.of(net, profile, x, **options)
            continue
        forward = IntegerForward.of(net, profile, x, **options)
        for chunk in (STEPS, 5):
            _require_equal(quantize(net, profile, calibration=x, **options), forward, x, chunk, f"seed {seed}")


def _convolution(seed: int) -> Network:
    """Return a network of a strided convolution, a dense layer over it and two outputs."""
    rng = np.random.default_rng(seed)
    kernel = Convolution(rng.normal(0.3, 0.6, (2, 1, 3, 3)), (6, 6), Taps((3, 3), (2, 2), (1, 1), (1, 1), (1, 1)))
    lif = get_model("alif")
    populations = (
        FloatPopulation("maps", lif, {"tau_u": np.full(kernel.shape[0], 8.0)}),
        FloatPopulation("dense", lif, {"tau_u": np.full(4, 8.0)}, {0: rng.normal(0, 0.2, 4)}),
        FloatPopulation("out", get_model("li"), {"tau": np.full(3, 9.0)}),
        FloatPopulation("votes", lif, {"tau_u": np.full(2, 8.0)}),
    )
    connections = (
        FloatSynapses("input", "maps", kernel),
        FloatSynapses("maps", "dense", rng.normal(0.1, 0.5, (4, kernel.shape[0]))),
        FloatSynapses("dense", "dense", csr_array(rng.normal(0, 0.4, (4, 4)) * (rng.random((4, 4)) < 0.7)), delay=1),
        FloatSynapses("dense", "out", rng.normal(0, 1, (3, 4))),
        FloatSynapses("maps", "votes", rng.normal(0.1, 0.5, (2, kernel.shape[0])), delay=2),
    )
    return Network(36, populations, connections, 1e-3, ("out", "votes"), (1, 6, 6))


def test_convolutions_and_several_outputs_run_as_simulated_and_learn() -> None:
    net, x = _convolution(0), random_spikes(0, SAMPLES, STEPS, 36)
    for profile in ("ideal", "loihi2"):
        forward = IntegerForward.of(net, profile, x)
        assert forward.qnet.populations[1].size == 4
        for chunk in (STEPS, 5):
            _require_equal(quantize(net, profile, calibration=x), forward, x, chunk, profile)
        found = batch_gradients(net, x, np.arange(SAMPLES) % 5, forward=forward).gradients
        assert found.keys() == net.arrays().keys()
        assert all(np.any(g) for name, g in found.items() if name.startswith(("input", "maps", "dense")))


@pytest.mark.parametrize("model", integer_models())
@pytest.mark.parametrize("rule", RULES)
def test_wide_integers_give_the_float_gradient(model: str, rule: str) -> None:
    tolerance = LOIHI.get(model, WIDE)
    for seed in (1, 2):
        net, x = random_network(model, seed, hidden=(5, 4)), random_spikes(seed, 6, 50, 4)
        labels = np.random.default_rng(0).integers(0, 3, 6)
        forward = IntegerForward.of(net, "ideal", x)
        expected = batch_gradients(forward.net, x, labels, rule=rule).gradients
        found = batch_gradients(net, x, labels, rule=rule, forward=forward).gradients
        scale = {name: np.abs(g).max() for name, g in expected.items()}
        one, other = (np.concatenate([g[n].ravel() / scale[n] for n in scale]) for g in (expected, found))
        assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(one), f"seed {seed}"


@pytest.mark.parametrize("seed", [0, 2, 5, 8])
def test_sub_sequences_change_no_gradient(seed: int) -> None:
    net = random_graph(seed, spiking=INTEGERS, graded=seed % 2 == 1)
    x, labels = random_spikes(seed, SAMPLES, STEPS, net.inputs), np.arange(SAMPLES) % net.output_size
    forward = IntegerForward.of(net, "loihi2", x)
    for rule in ("hypr", "ostl", "eprop"):
        whole, parts = (
            batch_gradients(net, x, labels, rule=rule, forward=forward, chunk=chunk).gradients for chunk in (None, 4)
        )
        for name, g in whole.items():
            assert np.abs(parts[name] - g).max(initial=0) <= CHUNKS * np.abs(g).max(initial=0) + 1e-15, (rule, name)


def test_numbers_are_those_that_the_integers_stand_for() -> None:
    for seed in range(6):
        net, x = random_network("brf", seed, hidden=(5, 4)), random_spikes(seed, 4, 40, 4)
        forward = IntegerForward.of(net, "loihi2", x)
        form = FloatForm(net, forward.qnet, rounded=True).net
        expected, found = form.arrays(frozen=True), forward.net.arrays(frozen=True)
        assert expected.keys() == found.keys()
        for name, array in expected.items():
            assert np.array_equal(array, found[name]), name


def test_a_connection_that_arrives_before_it_was_sent_is_refused_by_name() -> None:
    """`near` is nearer to the input than `far`, to which it leads back in the order of the populations."""
    lif, one = get_model("alif"), np.ones((2, 2))
    names = ("a", "b", "far", "near", "out")
    populations = tuple(FloatPopulation(n, get_model("li") if n == "out" else lif, {}, shape=(2,)) for n in names)
    ends = (("input", "a"), ("a", "b"), ("b", "far"), ("input", "near"), ("near", "far"), ("far", "out"))
    net = Network(2, populations, tuple(FloatSynapses(*e, one) for e in ends), 1e-3, ("out",))
    x = random_spikes(0, 2, 20, 2)
    with pytest.raises(InputError, match=r"near -> far: .*list 'near' before 'far'"):
        IntegerForward.of(net, "loihi2", x)
    order = [populations[i] for i in (0, 1, 3, 2, 4)]
    IntegerForward.of(Network(2, tuple(order), net.connections, 1e-3, ("out",)), "loihi2", x)


def test_gradients_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = random_network("se_adlif", 1), random_spikes(1, 9, 30, 4)
    forward, found = IntegerForward.of(net, "loihi2", x), []
    for count in ("1", "3"):
        monkeypatch.setenv("HYPR_NEURO_THREADS", count)
        found.append(batch_gradients(net, x, np.arange(9) % 3, forward=forward).gradients)
    for name, g in found[0].items():
        assert np.array_equal(g, found[1][name]), name

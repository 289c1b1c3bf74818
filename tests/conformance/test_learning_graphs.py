"""Learning in integers on graphs equals its definition: skips, loops, delays, lists of weights, several outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_learning import assert_c_learns_as_the_simulator
from learns_equal import RATES, STEPS, assert_learns_equal
from needed import needs_gcc
from resonators import with_resonators
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import with_output_traces
from hypr_neuro.quantizing.parts import QuantizedConnection
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_network, random_spikes, varied

GRAPHS = int(os.environ.get("HYPR_GRAPHS", "60"))
"""Random graphs, ten a test."""
PROFILES = {
    "loihi2": varied("loihi2"),
    "ideal": varied("ideal"),
    "late errors": varied("loihi2", time__error_latency=3),
    "delayed eligibilities": varied("loihi2", learning__eligibility_alignment="delayed"),
    "delayed, no delay of spikes": varied("ideal", learning__eligibility_alignment="delayed", time__error_latency=2),
    "coarse": varied("loihi2", learning__error_bits=5, learning__signal_bits=7, learning__eligibility_fraction=6),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "all": {"parameters": ("all",)},
    "every seventh step": {"update_every": 7, "update_on": "step", "parameters": ("all",)},
    "random feedback": {"feedback": "random", "rule": "layer"},
    "sgd": {"rule": "sgd"},
    "sign": {"rule": "sign", "parameters": ("all",), "limit": 1},
}


def cases(count: int) -> Iterator[tuple[int, str, str]]:
    """Seeds with a profile and options each; every pair comes about as often."""
    names = [(p, o) for p in PROFILES for o in OPTIONS]
    for seed in range(count):
        yield (seed, *names[seed % len(names)])


COARSE = pytest.mark.filterwarnings("ignore:.*their steps are too coarse for them")
"""Of random graphs some have weights, or numbers, that are drawn a thousand times too small or too large."""


def changes_of(seed: int, profile: str, options: str, **kind: bool) -> int | None:
    """How many weights a random graph changes; None for one whose synapses leave a sum no room, which is refused."""
    try:
        qnet = random_learning_graph(seed, PROFILES[profile], **kind)
    except InputError as error:
        if "leave no room for messages in a sum of 32 bits" not in str(error):
            raise
        return None
    return assert_learns_equal(qnet, LearnOptions(seed=seed, **OPTIONS[options]), seed)


@COARSE
@pytest.mark.parametrize("part", range(0, GRAPHS // 4, 10))
def test_random_graphs_with_numbers_learn_as_defined(part: int) -> None:
    """Populations whose output is a number hear, feed and pass signals on, some of them outputs too."""
    changes = [changes_of(*case, graded=True) for case in list(cases(GRAPHS // 4))[part : part + 10]]
    learned = [count for count in changes if count is not None]
    assert len(learned) >= len(changes) - 2
    assert sum(count > 0 for count in learned) > len(changes) // 2


@COARSE
@pytest.mark.parametrize("part", range(0, GRAPHS, 10))
def test_random_graphs_learn_as_defined(part: int) -> None:
    """Most of them change weights; in some no signal is large enough for a step of a mantissa."""
    changes = [changes_of(*case) for case in list(cases(part + 10))[part:]]
    assert sum(n is not None and n > 0 for n in changes) >= 7, changes


@pytest.mark.parametrize("options", ["all", "every seventh step", "random feedback"])
def test_streams_on_graphs_go_on_as_defined(options: str) -> None:
    """In parts, saved in the middle and taken up again: as the definition in one go."""
    qnet = random_learning_graph(3, PROFILES["delayed eligibilities"])
    chosen = LearnOptions(seed=3, **OPTIONS[options] | {"update_every": 5, "update_on": "step"})
    reference, learner = LearningReference(qnet.copy(), chosen), Learner(qnet.copy(), chosen)
    rng = np.random.default_rng(3)
    x = random_spikes(3, 1, 60, qnet.inputs)[0].astype(np.int32)
    label, scored = rng.integers(0, qnet.output_size, 60), rng.random(60) < 0.8
    wanted = reference.stream(x, label.tolist(), scored.tolist(), *RATES)
    got = [learner.stream(x[part], label[part], scored[part], *RATES) for part in (slice(0, 17), slice(17, 60))]
    assert np.concatenate(got).tolist() == wanted
    for a, b in zip(learner.qnet.weights().values(), reference.qnet.weights().values(), strict=True):
        assert np.array_equal(a, b)


def test_a_learner_of_a_graph_is_taken_up_in_the_middle(tmp_path: Path) -> None:
    options = LearnOptions(seed=4, update_every=5, update_on="step", parameters=("all",))
    qnet = random_learning_graph(4, PROFILES["late errors"])
    rng = np.random.default_rng(4)
    x = random_spikes(4, 1, 60, qnet.inputs)[0].astype(np.int32)
    label, scored = rng.integers(0, qnet.output_size, 60), rng.random(60) < 0.8
    whole, first, second = (Learner(qnet.copy(), options) for _ in range(3))
    wanted = whole.stream(x, label, scored, *RATES)
    first.stream(x[:23], label[:23], scored[:23], *RATES)
    save_learner(first, tmp_path / "state.h5")
    restore_learner(second, tmp_path / "state.h5")
    assert np.array_equal(second.stream(x[23:], label[23:], scored[23:], *RATES), wanted[23:])
    for a, b in zip(second.qnet.weights().values(), whole.qnet.weights().values(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("decay", [0.0, 0.9, 1.0])
def test_the_trace_of_spiking_outputs(decay: float) -> None:
    """y' = κ y + z, exact for the running count; κ is rounded to a coefficient, y to the state's fraction."""
    x = random_spikes(1, 1, 40, 4).astype(np.int64)
    net = random_network("lif", 1, inputs=4)
    spiking = hn.Network(4, net.populations[:-1], net.connections[:2], net.dt, ("layers.0",))
    qnet = replace(quantize_graph(spiking, "loihi2", calibration=x), output_decay=decay)
    seen = with_output_traces(qnet)
    assert seen.populations[0].per_neuron is qnet.populations[0].per_neuron
    spikes = hn.simulate(qnet, x).readout[0]
    assert spikes.sum() > 5
    wanted = np.zeros((len(spikes) + 1, spikes.shape[1]))
    for t, z in enumerate(spikes):
        wanted[t + 1] = decay * wanted[t] + z
    got = hn.simulate(seen, x).readout[0] / seen.population(seen.outputs[0]).state_scale
    np.testing.assert_allclose(got, wanted[1:], rtol=0, atol=0.0 if decay in (0.0, 1.0) else 2e-3)


def test_neurons_that_cannot_learn_run_beside_those_that_do() -> None:
    qnet = with_resonators(random_learning_graph(3, PROFILES["late errors"]))
    assert_learns_equal(qnet, LearnOptions(seed=3, parameters=("all",)), 3)
    x = random_spikes(3, 1, STEPS, qnet.inputs)
    assert hn.simulate(qnet, x, ["spikes"]).spikes["aside"].any()


def test_what_cannot_learn_on_a_graph_is_named() -> None:
    qnet = random_learning_graph(3, PROFILES["loihi2"])
    with pytest.raises(InputError, match=r"layers: unknown layer 'x'.*, known: h0"):
        Learner(qnet.copy(), LearnOptions(layers=("x",)))
    frozen = replace(qnet, connections=tuple(replace(c, trainable=False) for c in qnet.connections))
    with pytest.raises(InputError, match="no connection learns, rule: at least one, on a way to an output"):
        Learner(frozen, LearnOptions())


@pytest.mark.parametrize("frozen", [["layers.0.recurrent"], ["readout", "layers.0.input"], ["layers.1"]])
def test_what_float_training_freezes_stays_frozen_as_defined(frozen: list[str]) -> None:
    qnet = frozen_chain(frozen)
    assert_learns_equal(qnet, LearnOptions(seed=2, parameters=("all",)), 2)


@needs_gcc
@pytest.mark.parametrize("frozen", [["layers.0.recurrent"], ["readout", "layers.0.input"]])
def test_what_float_training_freezes_stays_frozen_in_c(frozen: list[str], tmp_path: Path) -> None:
    assert_c_learns_as_the_simulator(frozen_chain(frozen), LearnOptions(seed=2), 2, tmp_path)


def frozen_chain(frozen: list[str]) -> QuantizedNetwork:
    net = random_network("lif", 2, hidden=(5, 4))
    net.freeze(*frozen)
    qnet = hn.quantize(net, "loihi2", calibration=random_spikes(2, 4, 40, net.inputs))
    assert sum(not c.trainable for c in qnet.connections) == sum(not c.trainable for c in net.connections) > 0
    return qnet


def test_one_connection_learns_alone() -> None:
    qnet, changed = random_learning_graph(3, PROFILES["loihi2"]), {}
    for name in LearningPlan(qnet).qnet.connection_names():
        options = LearnOptions(layers=(name,), seed=1)
        try:
            LearningPlan(qnet, options)
        except InputError:  # the trace of an output, or on no way to one
            continue
        assert_learns_equal(qnet, options, 1)
        mine = qnet.copy()
        learner = Learner(mine, options)
        x = random_spikes(1, 1, STEPS, qnet.inputs)[0].astype(np.int32)
        learner.sample(x, np.zeros(STEPS, np.int64), np.ones(STEPS, bool), *RATES)
        changed[name] = [k for k, w in mine.weights().items() if not np.array_equal(w, qnet.weights()[k])]
        assert changed[name] in ([name], []), name
    assert sum(map(bool, changed.values())) > len(changed) / 2, changed


def convolutional(profile: str, seed: int = 0) -> QuantizedNetwork:
    """Dense, then a frozen convolution over a pooling, then sparse to a readout with a constant current."""
    rng = np.random.default_rng([seed, 8])
    alif = {"tau_u": 15.0, "tau_a": 60.0, "b0": 0.01, "beta": 1.0}
    first = FloatPopulation(
        "first", MODELS["lif"], {"du": np.full(16, 0.6), "dv": np.full(16, 0.05), "vth": np.full(16, 0.5)}
    )
    second = FloatPopulation("second", MODELS["alif"], {k: np.full(12, v) for k, v in alif.items()})
    out = FloatPopulation("out", MODELS["li"], {"tau": np.full(3, 15.0)})
    kernel = Convolution(
        rng.normal(0.4, 0.3, (3, 1, 2, 2)),
        (4, 4),
        Taps((2, 2), (1, 1), (0, 0), (0, 0), (1, 1)),
        pool=Taps((2, 2), (1, 1), (0, 0), (0, 0), (1, 1)),
    )
    connections = (
        FloatSynapses("input", "first", rng.normal(0.3, 0.4, (16, 4))),
        FloatSynapses("first", "second", kernel),
        FloatSynapses("second", "out", csr_array(rng.normal(0.0, 0.5, (3, 12)) * (rng.random((3, 12)) < 0.6))),
    )
    net = hn.Network(4, (first, second, out), connections, 1e-3, ("out",))
    qnet = hn.quantize(net, PROFILES[profile], calibration=random_spikes(seed, 2, STEPS, 4), weight_groups=1)
    with pytest.raises(InputError, match="first -> second: the weights of a convolution are shared"):
        LearningPlan(qnet)
    a, b, c = qnet.connections
    constant = QuantizedConnection.of(replace(c.synapses(12), always_on=np.array([20, -30, 10])))
    return replace(qnet, connections=(a, replace(b, trainable=False), constant))


@pytest.mark.parametrize("profile", ["loihi2", "delayed eligibilities"])
@pytest.mark.parametrize("options", ["all", "random feedback"])
def test_signals_pass_a_frozen_convolution(profile: str, options: str) -> None:
    """What stands before it learns, too; a sparse connection has its constant current as a weight that learns."""
    qnet = convolutional(profile)
    assert_learns_equal(qnet, LearnOptions(seed=2, **OPTIONS[options]), 2)
    mine = qnet.copy()
    x = random_spikes(2, 1, STEPS, 4)[0].astype(np.int32)
    Learner(mine, LearnOptions(seed=2, **OPTIONS[options])).sample(
        x, np.zeros(STEPS, int), np.ones(STEPS, bool), *RATES
    )
    changed = {k for k, w in mine.weights().items() if not np.array_equal(w, qnet.weights()[k])}
    assert changed == {"input -> first", "second -> out"}


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("make", ["graph", "convolution"])
def test_learning_on_a_graph_is_taken_up_from_its_checkpoint(make: str, tmp_path: Path) -> None:
    qnet = random_learning_graph(5, PROFILES["loihi2"]) if make == "graph" else convolutional("loihi2")
    rng = np.random.default_rng(5)
    x, label = random_spikes(5, 5, STEPS, qnet.inputs), rng.integers(0, qnet.output_size, (5, STEPS))
    data = SequenceData("random", x, label, np.full(5, "train"), qnet.output_size, rng.random((5, STEPS)) < 0.8)
    chosen: dict[str, Any] = {"epochs": 3, "rate": 1.0, "seed": 5, "parameters": ("all",)}
    undisturbed = learn(qnet, data, **chosen)

    def stop(*_: Any) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        learn(qnet, data, **chosen, checkpoint=tmp_path, on_epoch=stop)
    resumed = learn(qnet, data, **chosen, checkpoint=tmp_path)
    assert resumed.epochs == undisturbed.epochs
    assert len(resumed.epochs) == 3
    for (name, a), b in zip(resumed.qnet.weights().items(), undisturbed.qnet.weights().values(), strict=True):
        assert np.array_equal(a, b), name
    frozen = replace(qnet, connections=(replace(qnet.connections[0], trainable=False), *qnet.connections[1:]))
    with pytest.raises(FileFormatError, match="is of another run"):
        learn(frozen, data, **chosen, checkpoint=tmp_path)


@pytest.mark.parametrize("change", ["output_decay", "trainable"])
def test_a_state_of_a_network_that_learns_otherwise_is_refused(change: str, tmp_path: Path) -> None:
    qnet = random_learning_graph(5, PROFILES["loihi2"])
    first = replace(qnet.connections[0], trainable=False)
    other = {
        "output_decay": replace(qnet, output_decay=0.5),
        "trainable": replace(qnet, connections=(first, *qnet.connections[1:])),
    }[change]
    save_learner(Learner(qnet.copy(), LearnOptions()), tmp_path / "state.h5")
    with pytest.raises(InputError, match="its network differ from this learner's"):
        restore_learner(Learner(other.copy(), LearnOptions()), tmp_path / "state.h5")


@pytest.mark.parametrize("neuron", ["lif", "brf"])
def test_a_signal_over_a_skip_and_one_over_a_layer_add_up_as_in_float(neuron: str) -> None:
    """Both parts in one unit: else the shorter or the longer way would be lost by a coefficient's fraction."""
    rng = np.random.default_rng(0)
    populations = [FloatPopulation(name, get_model(neuron), {}, shape=(n,)) for name, n in (("a", 8), ("b", 6))]
    drive = 60.0 if neuron == "brf" else 2.0
    connections = [
        FloatSynapses(source, target, scale * rng.normal(size=shape))
        for source, target, shape, scale in (
            ("input", "a", (8, 6), drive),
            ("a", "b", (6, 8), drive),
            ("b", "out", (3, 6), 1.0),
            ("a", "out", (3, 8), 1.0),
        )
    ]
    out = FloatPopulation("out", get_model("li"), {"tau": 10.0}, shape=(3,))
    net = hn.Network(6, (*populations, out), tuple(connections), 1e-3, ("out",))
    x = (rng.random((1, 60, 6)) < 0.3).astype(np.int8)
    qnet = hn.quantize(net, "ideal", calibration=x, weight_groups=1)
    expected, _ = hn.gradients(net, x, np.array([1]))
    found = Learner(qnet, LearnOptions()).gradients(x[0].astype(np.int32), np.ones(60, int), np.ones(60, bool))
    for name, g in found.items():
        real, ours = expected[name].reshape(-1), g.reshape(-1).astype(float)
        assert float(ours @ real / np.linalg.norm(ours) / np.linalg.norm(real)) > 0.99, name

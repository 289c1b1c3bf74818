"""Learning in generated C for every form in which a connection may stand, bit for bit as in the simulator: rows, lists,
frozen ones, convolutions, bias axons alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_learning import RATES, STEPS, assert_c_learns_as_the_simulator, labelled_spikes
from needed import needs_gcc
from scipy.sparse import csr_array

from hypr_neuro.compilers.c.learning.learn import learning_source
from hypr_neuro.compilers.c.learning.limits import input_limit
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT, Population
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, random_spikes

pytestmark = pytest.mark.once

Array = Any


@needs_gcc
def test_delays_of_single_weights_learn_in_c(tmp_path: Path) -> None:
    """Dense and sparse connections whose weights have delays of their own: sums are shifted delay by delay."""
    qnet, rng = random_quantized("lif", 5, "loihi2", hidden=(6,), inputs=5, recurrent=True), np.random.default_rng(5)
    changed = []
    for c in qnet.connections:
        delays: Array = rng.integers(0, 4, c.mantissa.shape)
        if c.bias_axon:  # one delay for all where there is one
            changed.append(c)
        else:
            changed.append(replace(c, delays=delays, exponent=c.exponent - 2))
    qnet = replace(qnet, connections=tuple(changed))
    chip = assert_c_learns_as_the_simulator(qnet, LearnOptions(seed=5), 5, tmp_path)
    lists = [each for inputs in LearningProgram(chip.plan).inputs for each in inputs.lists]
    assert max(len(each.lags) for each in lists) == 4


@needs_gcc
@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_single_connections_learn_and_the_others_are_constant(feedback: str, tmp_path: Path) -> None:
    qnet = random_learning_graph(3, load_profile("loihi2"))
    seen = 0
    for k, name in enumerate(LearningPlan(qnet).qnet.connection_names()):
        options = LearnOptions(layers=(name,), seed=1, feedback=feedback)
        try:
            program = LearningProgram(LearningPlan(qnet, options))
        except InputError:  # the trace of an output, or on no way to one
            continue
        if k % 4 != seen % 4 and seen:
            continue
        seen += 1
        folder = tmp_path / str(k)
        folder.mkdir()
        assert_c_learns_as_the_simulator(qnet, options, 1, folder, 1)
        (learned,) = re.findall(r"weight_\w+(?=\[.*;)", learning_source(qnet, options)["learn.h"])
        held = [len(inputs.rows) for inputs in program.inputs if inputs.rows]
        assert learned.startswith("weight_c") or 1 in held
    assert seen > 3


@needs_gcc
@pytest.mark.parametrize("layers", [("layers.1.input",), ("layers.0.recurrent", "readout.input")], ids=str)
def test_single_connections_of_a_chain_learn_in_c(layers: tuple[str, ...], tmp_path: Path) -> None:
    qnet = random_quantized("se_adlif", 7, "loihi2", hidden=(5, 4), recurrent=True, bias=True)
    assert_c_learns_as_the_simulator(qnet, LearnOptions(seed=7, layers=layers), 7, tmp_path)


def convolutional(seed: int, profile: str = "loihi2") -> QuantizedNetwork:
    """Dense weights into an image, a frozen convolution behind a pooling, a readout; a skip from the image to it."""
    rng = np.random.default_rng([seed, 9])
    taps = Taps((2, 3), (1, 2), (1, 0), (0, 1), (1, 1))
    pool = None if seed % 3 == 0 else Taps((2, 2), (2, 1), (0, 0), (0, 0), (1, 1))
    image, groups = (4, 5), 1 + seed % 2
    kernel = rng.normal(0.3, 0.5, (2 * groups, 2 // groups, 2, 3))
    convolution = Convolution(kernel, image, taps, groups, bool(seed % 2), pool)
    sizes = {"image": convolution.shape[1], "features": convolution.shape[0], "out": 3}

    def lif(name: str) -> FloatPopulation:
        values = {"du": 0.6, "dv": 0.2, "vth": 1.0, "bias": 0.0, "subtract": 0.0}
        return FloatPopulation(name, get_model("lif"), {k: np.full(sizes[name], v) for k, v in values.items()}, {})

    readout = FloatPopulation("out", get_model("li"), {"tau": np.full(3, 10.0)}, {})

    def dense(source: str, target: str, columns: int, delay: int = 0) -> FloatSynapses:
        return FloatSynapses(source, target, rng.normal(0.1, 0.6, (sizes[target], columns)), delay)

    synapses = [
        dense(INPUT, "image", 4),
        FloatSynapses("image", "features", convolution, 1),
        dense("features", "out", sizes["features"]),
        dense("image", "out", sizes["image"], 2),
    ][: 3 + seed % 2]
    net = Network(4, (lif("image"), lif("features"), readout), tuple(synapses), 1e-3, ("out",))
    qnet = quantize_graph(net, profile, calibration=random_spikes(seed, 2, 40, 4), weight_groups=1)
    frozen = (replace(c, trainable=c.target != "features") for c in qnet.connections)
    return replace(qnet, connections=tuple(frozen))


@needs_gcc
@pytest.mark.parametrize("feedback", ["symmetric", "random"])
@pytest.mark.parametrize("seed", range(3))
def test_errors_pass_frozen_convolutions_and_pooling_in_c(seed: int, feedback: str, tmp_path: Path) -> None:
    qnet, options = convolutional(seed), LearnOptions(seed=seed, feedback=feedback, parameters=("all",))
    chip = assert_c_learns_as_the_simulator(qnet, options, seed, tmp_path)
    text = (tmp_path / "learn.c").read_text()
    assert ("back_kernel_int8(to" in text) == (feedback == "symmetric")
    assert np.any(chip.arrays["weight_0"] != qnet.connections[0].mantissa)


def test_what_cannot_learn_in_c_is_named_with_a_remedy() -> None:
    qnet = convolutional(0)
    trainable = replace(qnet, connections=tuple(replace(c, trainable=True) for c in qnet.connections))
    with pytest.raises(InputError, match=r"image -> features: the weights .*let the others learn") as told:
        learning_source(trainable, LearnOptions())
    remedy = str(told.value).split("layers=")[1]
    dense = tuple(name for name in qnet.connection_names() if repr(name) in remedy)
    assert dense
    assert learning_source(trainable, LearnOptions(layers=dense))
    assert learning_source(trainable, LearnOptions(layers=("image", "out")))
    with pytest.raises(InputError, match=r"noise = .* C adds none; leave noise out"):
        learning_source(qnet, LearnOptions(noise=(1, 0, 0)))


def small(*connections: QuantizedConnection, hidden: bool = True, profile: str = "loihi2") -> QuantizedNetwork:
    """Four inputs, perhaps three LIF neurons, two readouts; connections as given."""
    of = random_quantized("lif", 6, profile, hidden=(3,), inputs=4)
    populations = tuple(replace(p, name=name) for p, name in zip(of.populations, ("h", "out"), strict=True))
    populations = tuple(replace(p, per_neuron=p.per_neuron[:, : 3 - (p.name == "out")]) for p in populations)
    return QuantizedNetwork(4, populations[not hidden :], connections, of.profile, of.dt, ("out",))


def integers(source: str, target: str, shape: tuple[int, int], **changes: Any) -> QuantizedConnection:
    rng = np.random.default_rng([shape[0], shape[1], len(source)])
    given = {"mantissa": rng.integers(-60, 90, shape), "exponent": 6} | changes
    return QuantizedConnection(source=source, target=target, **given)


def sparse(c: QuantizedConnection) -> QuantizedConnection:
    """The same, as a list; a mantissa in three is left out."""
    kept: Array = np.where(np.asarray(c.mantissa) % 3 != 0, c.mantissa, 0)
    return replace(c, mantissa=csr_array(kept))


EDGES = {
    "a readout alone": small(integers(INPUT, "out", (2, 4)), hidden=False),
    "a readout alone, no delay of spikes": small(integers(INPUT, "out", (2, 4)), hidden=False, profile="ideal"),
    "bias axons alone": small(integers(INPUT, "out", (2, 1), bias_axon=True), hidden=False, profile="ideal"),
    "a bias axon alone behind neurons": small(
        integers(INPUT, "h", (3, 4)),
        integers("h", "out", (2, 3)),
        integers("h", "out", (2, 1), bias_axon=True),
    ),
    "lists with a bias axon": small(
        sparse(integers(INPUT, "h", (3, 5), bias_axon=True, delays=2)),
        sparse(integers("h", "out", (2, 4), bias_axon=True, delays=1)),
        integers("h", "h", (3, 3), delays=3, exponent=-1),
        integers(INPUT, "out", (2, 1), bias_axon=True),
    ),
    "frozen in every form": small(
        integers(INPUT, "h", (3, 5), bias_axon=True),
        integers(INPUT, "h", (3, 5), bias_axon=True, delays=2, exponent=-2, trainable=False),
        sparse(integers("h", "h", (3, 3), delays=1, trainable=False)),
        integers("h", "out", (2, 3), mantissa=np.array([[16, -32, 0], [64, 0, -80]]), trainable=False),
        sparse(integers("h", "out", (2, 3), delays=2)),
        integers("h", "out", (2, 1), bias_axon=True, trainable=False),
    ),
    "messages of one bit": small(integers(INPUT, "h", (3, 4), message_bits=1), integers("h", "out", (2, 3))),
}

BACK = ("a bias axon alone behind neurons", "lists with a bias axon", "frozen in every form")
"""Those of them in which signals go back."""


@needs_gcc
@pytest.mark.parametrize(
    ("edge", "feedback"),
    [(edge, feedback) for edge in EDGES for feedback in ("symmetric", *["random"] * (edge in BACK))],
)
def test_edges_learn_in_c(edge: str, feedback: str, tmp_path: Path) -> None:
    """As in the simulator, which equals the definition on them."""
    qnet, options = EDGES[edge], LearnOptions(seed=3, feedback=feedback)
    assert_c_learns_as_the_simulator(qnet, options, 3, tmp_path)
    reference, learner = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    x, label, scored = (a[0] for a in labelled_spikes(4, 4, 2, 1, STEPS))
    learner.sample(x, label, scored, *RATES)
    reference.sample(x, label.tolist(), scored.tolist(), *RATES)
    for (name, found), wanted in zip(learner.qnet.weights().items(), reference.qnet.weights().values(), strict=True):
        assert np.array_equal(found, wanted), name


def test_messages_bound_the_input_of_c() -> None:
    assert input_limit(LearningPlan(EDGES["messages of one bit"], LearnOptions())) == 1
    assert input_limit(LearningPlan(EDGES["a readout alone"], LearnOptions())) > 1000


@needs_gcc
def test_neurons_of_two_currents_run_beside_those_that_learn(tmp_path: Path) -> None:
    """No way leads from them to an output; their weights stay constant."""
    rng, qnet = np.random.default_rng(4), random_quantized("lif", 4, "loihi2", hidden=(5,))
    parameters = rf_parameters(period=7.0, alpha=0.05, vth=900.0, state_exp=2)
    beside = Population.of("beside", "rf", 3, **parameters)
    assert beside.model.currents == 2
    population = QuantizedPopulation(
        name="beside",
        model=beside.model,
        per_neuron=beside.per_neuron,
        constants=beside.constants,
        psi_table=np.zeros_like(qnet.populations[0].psi_table),
        state_scale=1.0,
        current_scale=1.0,
    )
    extra = [
        QuantizedConnection(
            mantissa=rng.integers(-9, 9, (3, pre)), exponent=4, source=source, target="beside", current=current
        )
        for source, pre, current in ((INPUT, qnet.inputs, 0), ("layers.0", 5, 1))
    ]
    populations = (qnet.populations[0], population, qnet.populations[1])
    qnet = replace(qnet, populations=populations, connections=(*qnet.connections, *extra))
    chip = assert_c_learns_as_the_simulator(qnet, LearnOptions(seed=4), 4, tmp_path, 1)
    x, label, scored = labelled_spikes(9, qnet.inputs, qnet.output_size, 1, STEPS)
    learner = Learner(qnet.copy(), LearnOptions(seed=4))
    chip.c.hn_learn_reset()
    chip.sample(x[0], label[0], scored[0], *RATES)
    learner.sample(x[0], label[0], scored[0], *RATES)
    states = learner.simulator.populations[1].state
    assert np.array_equal(chip.arrays["state_1"].T, states)
    assert np.any(states)

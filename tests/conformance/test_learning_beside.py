"""Populations without an integer Jacobian beside others that learn: they run as they are, on every executor."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_learning import assert_c_learns_as_the_simulator
from lava_learning_tasks import task
from learns_equal import assert_lava_learned_equal, assert_learns_equal
from needed import needs_gcc, needs_lava

import hypr_neuro as hn
from hypr_neuro.compilers.lava.learning.run import learn_all_in_lava
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters
from hypr_neuro.numbers.fixed_point import NEAREST
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reach import learnable_connections, signalled_populations

Array = Any
RESTS = lif_refractory_parameters(400, 300, 5, refractory=3)
LI = {"kappa": 31000, "gain": 1768, "k": 15, "i_shift": 6, "bits": 24, "rounding": NEAREST}


def network(*kinds: str, seed: int = 0) -> QuantizedNetwork:
    """A chain of 5 neurons of each kind, the first recurrent, and 3 integrators; a skip to the end."""
    rng = np.random.default_rng([seed, 71])
    integers = {"lif_refractory": RESTS, "lif": lif_parameters(400, 300, 5)}
    populations = [Population.of(f"p{i}", kind, 5, **integers[kind]) for i, kind in enumerate(kinds)]
    populations.append(Population.of("out", "li", 3, **LI))
    names = [INPUT, *(p.name for p in populations)]
    sizes = dict(zip(names, (4, *(p.size for p in populations)), strict=True))
    ends = [*pairwise(names), (INPUT, "out"), ("p0", "p0")]
    synapses = [
        Synapses(a, b, rng.integers(-3, 9, (sizes[b], sizes[a])) * (1 if b == "out" else 2), exponent=0)
        for a, b in ends
    ]
    return hn.quantize(IntegerNetwork(4, tuple(populations), tuple(synapses)), "loihi2")


CASES = {
    "at the input": (("lif_refractory",), ("out",)),
    "at the input, hidden weights learn": (("lif_refractory", "lif"), ("p1", "out")),
    "hidden, the readout learns": (("lif", "lif_refractory"), ("out",)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_can_learn_does_as_defined(case: str) -> None:
    kinds, learning = CASES[case]
    for seed in range(3):
        changed = assert_learns_equal(
            network(*kinds, seed=seed), LearnOptions(seed=seed, layers=learning, parameters=("all",)), seed
        )
        assert changed > 0


@needs_gcc
@pytest.mark.parametrize("case", CASES)
def test_c_learns_as_the_simulator(case: str, tmp_path: Path) -> None:
    kinds, learning = CASES[case]
    assert_c_learns_as_the_simulator(network(*kinds), LearnOptions(layers=learning, parameters=("all",)), 1, tmp_path)


@needs_lava
def test_lava_learns_as_the_simulator() -> None:
    given = {name: task(network(*kinds), layers=learning) for name, (kinds, learning) in CASES.items()}
    learned = learn_all_in_lava(given)
    for name, run in given.items():
        assert_lava_learned_equal(run, learned[name])
        assert any(np.any(w != run.qnet.weights()[k]) for k, w in learned[name].qnet.weights().items()), name


def test_neurons_that_rest_fire_and_keep_their_weights() -> None:
    qnet = network("lif_refractory", "lif")
    x = task(qnet).x
    assert hn.simulate(qnet, x).rates["p0"] > 0.02
    before, learner = qnet.copy().weights(), Learner(qnet, LearnOptions(layers=("p1", "out")))
    learner.sample(x[0].astype(np.int32), np.zeros(len(x[0]), int), np.ones(len(x[0]), bool), 1 << 18)
    changed = {name for name, w in qnet.weights().items() if np.any(w != before[name])}
    assert changed == {"p0 -> p1", "p1 -> out", "input -> out"}


def test_what_needs_a_jacobian_is_named_with_what_can_learn_instead() -> None:
    learns = r"p0: neuron 'lif_refractory' has no integer Jacobian, it cannot learn on chip, and it learns; let others "
    with pytest.raises(InputError, match=learns + r"learn alone, layers=\('p0 -> p1', 'p1 -> out', 'input -> out'\)"):
        LearningPlan(network("lif_refractory", "lif"))
    passes = r"p1: neuron 'lif_refractory' has .* and signals to populations before it pass through it; let others"
    with pytest.raises(InputError, match=passes + r" learn alone, layers=\('p1 -> out', 'input -> out'\)") as caught:
        LearningPlan(network("lif", "lif_refractory"), LearnOptions(layers=("p0",)))
    told = str(caught.value).partition("layers=")[2].partition(" (")[0]
    layers: tuple[str, ...] = tuple(name for name in told.strip("()").replace("'", "").split(", ") if name)
    assert LearningPlan(network("lif", "lif_refractory"), LearnOptions(layers=layers)).tensors


def test_what_can_learn_is_found() -> None:
    qnet = network("lif", "lif_refractory", "lif")
    assert signalled_populations(qnet) == ("p2", "out")
    assert learnable_connections(qnet) == ("p1 -> p2", "p2 -> out", "input -> out")
    assert not LearningPlan(qnet, LearnOptions(layers=("p2", "out"))).active(1)


def test_placement_counts_what_can_learn() -> None:
    qnet = network("lif_refractory")
    found = hn.place(qnet, learning=True)
    learns = {c["connection"]: c["learns"] for c in found.by_connection()}
    assert learns == {"input -> p0": False, "p0 -> out": True, "input -> out": True, "p0 -> p0": False}
    assert [use.learning_bits > 0 for use in found.cores] == [False, True]


@pytest.mark.parametrize("options", [{}, {"layers": ("out",)}])
def test_a_device_and_a_whole_run_learn_beside_them(options: dict[str, Any]) -> None:
    qnet = network("lif_refractory")
    x = task(qnet).x
    data = hn.SequenceData("x", np.repeat(x, 2, axis=0), np.arange(4) % 3, np.array(["train"] * 3 + ["test"]), 3)
    if not options:
        with pytest.raises(InputError, match="neuron 'lif_refractory' has no integer Jacobian"):
            hn.learn(qnet, data)
        return
    learned = hn.learn(qnet, data, epochs=1, rate=3.0, **options).qnet
    assert np.any(learned.weights()["p0 -> out"] != qnet.weights()["p0 -> out"])


def test_no_signal_is_planned_where_none_arrives() -> None:
    """Below a population that passes none on there is no shift, and that population's gain is asked for nowhere."""
    plan = LearningPlan(network("lif", "lif_refractory"), LearnOptions(layers=("out",)))
    assert plan.signal_scales.of(0).shift == 0
    assert plan.free_errors_fit

"""Learning in generated C on graphs equals the simulator's, bit for bit: outputs of every step, weights, eligibilities,
gradients, neuron parameters and all that updates remember."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_learning import QUICK, RATES, STEPS, assert_c_learns_as_the_simulator, assert_same, labelled_spikes
from needed import needs_arm, needs_gcc, needs_qemu

import hypr_neuro as hn
from hypr_neuro.compilers.c.build import CORTEX_M4, SANITIZERS, Toolchain, sizes
from hypr_neuro.compilers.c.learning.build import SOURCES, build_learning, run_learning
from hypr_neuro.compilers.c.learning.learn import learning_memory_bytes, write_learning
from hypr_neuro.compilers.c.learning.library import LearnLibrary
from hypr_neuro.compilers.c.learning.limits import input_limit
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import varied

Array = Any
PROFILES = {
    "loihi2": varied("loihi2"),
    "ideal": varied("ideal"),
    "late errors": varied("loihi2", time__error_latency=3),
    "delayed eligibilities": varied("loihi2", learning__eligibility_alignment="delayed"),
    "delayed, no delay of spikes": varied("ideal", learning__eligibility_alignment="delayed", time__error_latency=2),
    "narrow, momentum, residuals": varied(
        "loihi2",
        learning__eligibility_bits=16,
        learning__signal_bits=9,
        learning__momentum_bits=24,
        learning__residual_bits=5,
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "all": {"parameters": ("all",)},
    "every seventh step": {"update_every": 7, "update_on": "step", "parameters": ("all",)},
    "random feedback": {"feedback": "random", "rule": "layer"},
    "sgd": {"rule": "sgd", "update_every": 2},
    "sign": {"rule": "sign", "parameters": ("all",), "limit": 1},
}
MOMENTUM = {"momentum": 2}


def cases(count: int) -> list[tuple[int, str, str]]:
    """Seeds with a profile and options each; every pair comes about as often."""
    profiles, options = list(PROFILES), list(OPTIONS)
    return [(seed, profiles[seed % len(profiles)], options[seed % len(options)]) for seed in range(count)]


@needs_gcc
@pytest.mark.parametrize(("seed", "profile", "options"), cases(12))
def test_random_graphs_learn_in_c(seed: int, profile: str, options: str, tmp_path: Path) -> None:
    qnet = random_learning_graph(seed, PROFILES[profile])
    chosen = OPTIONS[options] | (MOMENTUM if "momentum" in profile else {})
    assert_c_learns_as_the_simulator(qnet, LearnOptions(seed=seed, **chosen), seed, tmp_path)


@needs_gcc
@pytest.mark.parametrize(("seed", "profile", "options"), cases(8))
def test_random_graphs_with_numbers_learn_in_c(seed: int, profile: str, options: str, tmp_path: Path) -> None:
    qnet = random_learning_graph(seed, PROFILES[profile], graded=True)
    chosen = OPTIONS[options] | (MOMENTUM if "momentum" in profile else {})
    assert_c_learns_as_the_simulator(qnet, LearnOptions(seed=seed, **chosen), seed, tmp_path)


@needs_gcc
def test_numbers_over_weights_that_stay_learn_in_c(tmp_path: Path) -> None:
    """Only what leads to the outputs learns; messages arrive over weights of the form of a network that does not."""
    qnet = random_learning_graph(3, PROFILES["loihi2"], graded=True)
    options = LearnOptions(seed=3, layers=qnet.outputs)
    program = LearningProgram(LearningPlan(qnet, options))
    frozen = [qnet.connections[d.place] for inputs in program.inputs for d in inputs.frozen]
    assert any(c.message_shift is not None for c in frozen)
    assert_c_learns_as_the_simulator(qnet, options, 3, tmp_path)


def test_the_random_graphs_have_every_form() -> None:
    """Rows, lists with one delay and with several outputs, ring buffers, signals that wait, frozen traces."""
    found: dict[str, int] = {}
    for seed, profile, options in cases(30):
        qnet = random_learning_graph(seed, PROFILES[profile])
        chosen = {key: value for key, value in OPTIONS[options].items() if key != "parameters"}
        program = LearningProgram(LearningPlan(qnet, LearnOptions(**chosen)))
        layers = range(len(program.plan.layers))
        for name, count in {
            "rows of several": sum(len(inputs.rows) > 1 for inputs in program.inputs),
            "lists": sum(len(inputs.lists) for inputs in program.inputs),
            "frozen": sum(len(inputs.frozen) for inputs in program.inputs),
            "rings": sum(program.history.ring_rows(i) > 1 for i in layers),
            "kept inputs": program.history.input_rows > 1,
            "sums of parts": sum(program.adds_parts(i) for i in layers),
            "shifted parts": sum(program.adds_parts(i) and program.shifts_parts(i) for i in layers),
            "at once": sum(program.plan.active(i) and program.at_once(i) for i in layers),
            "queues of parts": sum(program.several_waits(i) for i, _ in program.queues),
            "queues of signals": sum(not program.several_waits(i) for i, _ in program.queues),
            "several outputs": program.copies_outputs,
            "early outputs": program.copies_outputs and any(program.early(i) for i in program.plan.outputs),
        }.items():
            found[name] = found.get(name, 0) + int(count)
    assert all(count > 1 for count in found.values()), found


@needs_gcc
@pytest.mark.parametrize("options", ["all", "random feedback"])
def test_streams_on_graphs_go_on_in_c(options: str, tmp_path: Path) -> None:
    qnet = random_learning_graph(3, PROFILES["delayed eligibilities"])
    chosen = LearnOptions(seed=3, **OPTIONS[options] | {"update_every": 5, "update_on": "step"})
    chip, learner = LearnLibrary(qnet, chosen, tmp_path, QUICK), Learner(qnet.copy(), chosen)
    x, label, scored = (a[0] for a in labelled_spikes(3, qnet.inputs, qnet.output_size, 1, 60))
    chip.begin()
    for part in (slice(0, 17), slice(17, 60)):
        steps = x[part], label[part], scored[part], *RATES
        assert np.array_equal(chip.stream(*steps), learner.stream(*steps))
        assert_same(chip, learner, str(part))
    assert learner.updates == 12


GRADED = 1000
"""From this seed on, populations whose output is a number feed others."""
PROGRAMS = [
    pytest.param(0, "loihi2", SANITIZERS, marks=needs_gcc, id="sanitizers"),
    pytest.param(8, "delayed eligibilities", SANITIZERS, marks=needs_gcc, id="delayed, sanitizers"),
    pytest.param(GRADED + 1, "loihi2", SANITIZERS, marks=needs_gcc, id="numbers, sanitizers"),
    pytest.param(11, "late errors", CORTEX_M4, marks=(needs_arm, needs_qemu), id="Cortex-M4"),
]


@pytest.mark.once
@pytest.mark.parametrize(("seed", "profile", "toolchain"), PROGRAMS)
def test_programs_of_graphs_learn_as_the_simulator(
    seed: int, profile: str, toolchain: Toolchain, tmp_path: Path
) -> None:
    """The last sample holds the largest values that an input may have."""
    options = LearnOptions(seed=seed, rate=1.0, parameter_rate=3.0, parameters=("all",))
    qnet = random_learning_graph(seed, PROFILES[profile], graded=seed >= GRADED)
    write_learning(qnet, options, tmp_path)
    plan = LearningPlan(qnet, options)
    x, label, scored = labelled_spikes(seed, qnet.inputs, qnet.output_size, 3, STEPS)
    limit = input_limit(plan)
    x[-1] *= np.where(np.arange(STEPS) % 2 == 0, limit, -limit)[:, None].astype(np.int32)
    samples = list(zip(x, label, scored, strict=True))
    found = run_learning(build_learning(tmp_path, toolchain), plan, samples)
    learner = Learner(qnet.copy(), options)
    for sample, (outputs, learned) in zip(samples, found, strict=True):
        assert np.array_equal(learner.sample(*sample, as_rate(1.0), as_rate(3.0)), outputs)
        for i, (inputs, layer) in enumerate(zip(LearningProgram(plan).inputs, learner.plan.layers, strict=True)):
            incoming = {c.place: c for c in layer.incoming}
            for part in inputs.rows if layer.learns else ():
                weights = learned[f"weight_{i}"][:, part.first : part.stop]
                assert np.array_equal(weights, incoming[part.incoming.place].weights())
            for each in inputs.lists:
                weights = incoming[each.incoming.place].weights().reshape(-1)
                assert np.array_equal(learned[f"weight_{each.name}"], weights)


@needs_arm
@pytest.mark.parametrize("seed", [6, 8])
def test_memory_of_a_graph_is_told(seed: int, tmp_path: Path) -> None:
    """What is not told by purpose is room of the update rule, and gaps of alignment."""
    qnet, options = random_learning_graph(seed, PROFILES["late errors"]), LearnOptions(parameters=("all",))
    told = hn.compile(qnet, target="c", out=tmp_path, learn=options).manifest["learning"]
    assert told["purpose"] == learning_memory_bytes(qnet, options)
    found = sizes(tmp_path, CORTEX_M4, SOURCES)
    assert 0 <= found["bss"] - sum(told["purpose"].values()) < 400
    assert found["data"] == 0


def braille(shared_data: Path) -> tuple[Any, QuantizedNetwork]:
    """The data and the NIR paper's network in integers: outputs that spike, weights sparse and in groups."""
    data = hn.load_data("braille", shared_data / "braille")
    path = shared_data / "nir_paper" / "03_rnn" / "braille_noDelay_bias_zero.nir"
    net = hn.import_nir(path, dt=1e-4, reset="zero").graph
    return data.part("train"), quantize_graph(net, "loihi2", calibration=data.part("train").x[:64])


@needs_gcc
@pytest.mark.once
def test_published_braille_after_100_samples_equals_the_simulator(shared_data: Path, tmp_path: Path) -> None:
    data, qnet = braille(shared_data)
    options = LearnOptions(seed=1, rate=0.5, update_every=4)
    chip, learner = LearnLibrary(qnet, options, tmp_path), Learner(qnet.copy(), options)
    scored = np.ones(data.x.shape[1], bool)
    for i in range(100):
        label = np.full(len(scored), data.y[i])
        sample = data.x[i].astype(np.int32), label, scored, as_rate(0.5)
        assert np.array_equal(chip.sample(*sample), learner.sample(*sample)), f"sample {i}"
    assert assert_same(chip, learner, "100 samples") > 10_000
    before = qnet.weights()
    changed = sum(int((w != before[name]).sum()) for name, w in learner.qnet.weights().items() if name in before)
    assert changed > 200, changed

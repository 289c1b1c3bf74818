"""Targets of a regression and errors of the user's own: definition, simulator, Lava and C agree bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_learning import QUICK, assert_same
from needed import needs_arm, needs_gcc, needs_lava, needs_qemu

from hypr_neuro.compilers.c.build import CORTEX_M4, SANITIZERS, Toolchain
from hypr_neuro.compilers.c.learning.build import build_learning, run_learning
from hypr_neuro.compilers.c.learning.learn import write_learning
from hypr_neuro.compilers.c.learning.library import LearnLibrary
from hypr_neuro.compilers.lava.learning.run import LavaTask, learn_all_in_lava, learn_in_lava
from hypr_neuro.errors import InputError
from hypr_neuro.neurons import MODELS
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.state import restore_learner, save_learner
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes, varied

Array = Any
SAMPLES, STEPS = 3, 25
RATES = 3 << 16, 5 << 16
CHIPS = {
    "loihi2": varied("loihi2"),
    "no delay": varied("ideal"),
    "late errors": varied("loihi2", time__error_latency=3),
    "delayed eligibilities": varied("loihi2", learning__eligibility_alignment="delayed"),
    "coarse": varied("loihi2", learning__error_bits=5, learning__signal_bits=7),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "all": {"parameters": ("all",)},
    "every seventh step": {"update_every": 7, "update_on": "step"},
    "full scale 4": {"error_exponent": 2, "rule": "layer"},
    "full scale 1/8": {"error_exponent": -3, "rule": "sgd"},
}
CASES = [(seed, list(CHIPS)[seed % 5], list(OPTIONS)[seed % 4]) for seed in range(8)]
LEARNING = [name for name in integer_models() if MODELS[name].psi_index is not None]
NEURONS = ("lif", "brf", "alif", "se_adlif")


def network(seed: int, chip: str, graph: bool) -> QuantizedNetwork:
    """A chain of two hidden layers, or a random graph."""
    if graph:
        return random_learning_graph(seed, CHIPS[chip])
    return random_quantized(NEURONS[seed % 4], seed, CHIPS[chip], hidden=(4, 3))


def problem(qnet: QuantizedNetwork, options: LearnOptions, seed: int) -> tuple[Array, Array, Array, Array]:
    """x, targets (sample, T, outputs) as integers, errors, scored; some of both as large as they may be."""
    learner = Learner(qnet.copy(), options)
    rng, outputs = np.random.default_rng([seed, 3]), qnet.output_size
    x = random_spikes(seed, SAMPLES, STEPS, qnet.inputs).astype(np.int32)
    values = learner.plan.as_values(rng.normal(0, 1.5, (SAMPLES, STEPS, outputs)))
    values[0, 5], values[1, 6] = (1 << 31) - 1, -(1 << 31) + 1
    top = (1 << (learner.plan.error_bits - 1)) - 1
    errors = rng.integers(-top, top + 1, values.shape)
    return x, values, errors, rng.random((SAMPLES, STEPS)) < 0.8


def options_for(name: str, seed: int, targets: str) -> LearnOptions:
    chosen = dict(OPTIONS[name])
    if targets == "errors":
        chosen.pop("error_exponent", None)
    return LearnOptions(seed=seed, targets=targets, **chosen)


def push(outputs: Array, target: Any) -> Array:
    """An error that depends on outputs of other neurons and, where there is one, on the target."""
    top, shift = 15, 4
    error = np.roll(outputs, 1) >> shift
    return np.clip(error - (0 if target is None else np.asarray(target) >> 9), -top, top)


def assert_equal_weights(one: QuantizedNetwork, other: QuantizedNetwork, what: str) -> None:
    for (name, a), b in zip(one.weights().items(), other.weights().values(), strict=True):
        assert np.array_equal(a, b), f"{what}: {name}"
    for p, q in zip(one.populations, other.populations, strict=True):
        assert np.array_equal(p.per_neuron, q.per_neuron), f"{what}: {p.name}"


@pytest.mark.parametrize("targets", ["values", "errors"])
@pytest.mark.parametrize("graph", [False, True], ids=["chain", "graph"])
@pytest.mark.parametrize(("seed", "chip", "chosen"), CASES)
def test_the_simulator_learns_as_defined(seed: int, chip: str, chosen: str, graph: bool, targets: str) -> None:
    qnet, options = network(seed, chip, graph), options_for(chosen, seed, targets)
    fast, slow = Learner(qnet.copy(), options), LearningReference(qnet.copy(), options)
    x, values, errors, scored = problem(qnet, options, seed)
    told = values if targets == "values" else errors
    wanted = slow.gradients(x[0], None, scored[0], **{targets: told[0]})
    for name, gradient in fast.gradients(x[0], None, scored[0], **{targets: told[0]}).items():
        assert np.array_equal(np.ravel(gradient), np.ravel(np.array(wanted[name]))), name
    for i in range(SAMPLES):
        more = {targets: told[i]}
        assert np.array_equal(
            fast.sample(x[i], None, scored[i], *RATES, **more), slow.sample(x[i], None, scored[i], *RATES, **more)
        )
        assert_equal_weights(fast.qnet, slow.qnet, f"sample {i}")
    assert fast.clips() == slow.clips()
    before = qnet.weights()
    assert any(np.any(w != before[name]) for name, w in fast.qnet.weights().items() if name in before)


@pytest.mark.parametrize("model", LEARNING)
def test_every_neuron_learns_values_as_defined(model: str) -> None:
    qnet, options = random_quantized(model, 1, CHIPS["loihi2"], hidden=(4, 3)), LearnOptions(targets="values")
    fast, slow = Learner(qnet.copy(), options), LearningReference(qnet.copy(), options)
    x, values, _, scored = problem(qnet, options, 1)
    for i in range(2):
        step = x[i], None, scored[i], *RATES
        assert np.array_equal(fast.sample(*step, values=values[i]), slow.sample(*step, values=values[i]))
        assert_equal_weights(fast.qnet, slow.qnet, f"sample {i}")


@pytest.mark.parametrize("given", ["labels", "values", "nothing"])
@pytest.mark.parametrize("chip", CHIPS)
def test_a_function_is_called_for_each_step_that_counts_as_defined(chip: str, given: str) -> None:
    qnet, options = network(1, chip, True), LearnOptions(seed=1)
    x, values, _, scored = problem(qnet, options, 1)
    label = np.arange(STEPS) % qnet.output_size if given == "labels" else None
    more = {"values": values[2]} if given == "values" else {}
    calls: dict[str, list[tuple[list[int], Any]]] = {"fast": [], "slow": []}

    def watched(name: str) -> Any:
        def function(outputs: Array, target: Any) -> Array:
            calls[name].append((outputs.tolist(), np.asarray(target).tolist()))
            return push(outputs, target)

        return function

    fast = Learner(qnet.copy(), options, error_function=watched("fast"))
    slow = LearningReference(qnet.copy(), options, error_function=watched("slow"))
    if given == "nothing":
        label = np.zeros(STEPS, int)
    for i in range(2):
        got, wanted = (learner.sample(x[i], label, scored[i], *RATES, **more) for learner in (fast, slow))
        assert np.array_equal(got, wanted)
        assert_equal_weights(fast.qnet, slow.qnet, f"sample {i}")
    assert calls["fast"] == calls["slow"]
    assert len(calls["fast"]) == scored[:2].sum()


def test_a_stream_of_values_goes_on_wherever_it_is_cut(tmp_path: Path) -> None:
    """Parts with labels, values and errors follow each other, with a file between them."""
    options = LearnOptions(update_on="step", update_every=4)
    qnet = network(2, "delayed eligibilities", True)
    x, values, errors, scored = (each[0] for each in problem(qnet, options, 2))
    label = np.arange(STEPS) % qnet.output_size
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    for i, (first, stop, what) in enumerate([(0, 7, "values"), (7, 8, "errors"), (8, 15, ""), (15, 25, "values")]):
        part = slice(first, stop)
        more = {what: (values if what == "values" else errors)[part]} if what else {}
        step = x[part], label[part], scored[part], *RATES
        assert np.array_equal(slow.stream(*step, **more), fast.stream(*step, **more))
        save_learner(fast, tmp_path / f"{i}.h5")
        fast = Learner(qnet.copy(), options)
        restore_learner(fast, tmp_path / f"{i}.h5")
        assert_equal_weights(fast.qnet, slow.qnet, what)
    assert fast.updates == slow.updates == 6


@needs_gcc
@pytest.mark.parametrize("targets", ["values", "errors"])
@pytest.mark.parametrize("graph", [False, True], ids=["chain", "graph"])
@pytest.mark.parametrize(("seed", "chip", "chosen"), CASES[:5])
def test_c_learns_as_the_simulator(
    seed: int, chip: str, chosen: str, graph: bool, targets: str, tmp_path: Path
) -> None:
    qnet, options = network(seed, chip, graph), options_for(chosen, seed, targets)
    chip_in_c, learner = LearnLibrary(qnet, options, tmp_path, QUICK), Learner(qnet.copy(), options)
    x, values, errors, scored = problem(qnet, options, seed)
    told = values if targets == "values" else errors
    for i in range(SAMPLES):
        sample, more = (x[i], None, scored[i], *RATES), {targets: told[i]}
        assert np.array_equal(chip_in_c.sample(*sample, **more), learner.sample(*sample, **more)), f"sample {i}"
        assert assert_same(chip_in_c, learner, f"sample {i}") > 0


@needs_gcc
@pytest.mark.parametrize("chip", ["loihi2", "no delay", "late errors"])
def test_c_asks_a_function_as_the_simulator_does(chip: str, tmp_path: Path) -> None:
    qnet, options = network(3, chip, True), LearnOptions(seed=3, targets="errors")
    in_c = LearnLibrary(qnet, options, tmp_path, QUICK)
    learner = Learner(qnet.copy(), options, error_function=lambda outputs, _: push(outputs, None))
    x, _, errors, scored = problem(qnet, options, 3)
    for i in range(SAMPLES):
        got = in_c.sample(x[i], None, scored[i], *RATES, errors=push)
        assert np.array_equal(got, learner.sample(x[i], np.zeros(STEPS, int), scored[i], *RATES))
        assert assert_same(in_c, learner, f"sample {i}") > 0
    # and errors that are given go on from there
    in_c.sample(x[0], None, scored[0], *RATES, errors=errors[0])
    learner.sample(x[0], None, scored[0], *RATES, errors=errors[0])
    assert assert_same(in_c, learner, "errors") > 0
    with pytest.raises(InputError, match=r"error function returned 1000000, rule: magnitudes up to"):
        in_c.sample(x[0], None, scored[0], *RATES, errors=lambda outputs, _: np.full(len(outputs), 1_000_000))


@needs_gcc
@pytest.mark.parametrize(
    "toolchain", [SANITIZERS, pytest.param(CORTEX_M4, marks=[needs_arm, needs_qemu])], ids=["host", "board"]
)
@pytest.mark.parametrize("targets", ["values", "errors"])
def test_the_program_of_text_reads_them(targets: str, toolchain: Toolchain, tmp_path: Path) -> None:
    qnet, options = network(0, "loihi2", False), options_for("all", 0, targets)
    x, values, errors, scored = problem(qnet, options, 0)
    told, learner = (values if targets == "values" else errors), Learner(qnet.copy(), options)
    write_learning(qnet, options, tmp_path)
    samples = [(x[i], told[i], scored[i].astype(int)) for i in range(SAMPLES)]
    found = run_learning(build_learning(tmp_path, toolchain), learner.plan, samples)
    rate = round(options.rate * 65536), round(options.parameter_rate * 65536)
    for i, (outputs, arrays) in enumerate(found):
        assert np.array_equal(outputs, learner.sample(x[i], None, scored[i], *rate, **{targets: told[i]}))
        assert np.array_equal(
            arrays["weight_0"][:, : qnet.inputs], learner.qnet.weights()["layers.0.input"][:, : qnet.inputs]
        )


@needs_gcc
def test_c_refuses_what_its_program_was_not_made_for(tmp_path: Path) -> None:
    qnet, options = network(0, "loihi2", False), LearnOptions(targets="values")
    in_c, (x, _, errors, scored) = LearnLibrary(qnet, options, tmp_path, QUICK), problem(qnet, options, 0)
    with pytest.raises(
        InputError, match=r"given: label, rule: values, as the program was made with targets = 'values'"
    ):
        in_c.sample(x[0], np.zeros(STEPS, int), scored[0], *RATES)
    with pytest.raises(InputError, match="given: errors, rule: values"):
        in_c.sample(x[0], None, scored[0], *RATES, errors=errors[0])


@needs_lava
def test_lava_learns_as_the_simulator() -> None:
    tasks, learners = {}, {}
    for seed, chip, chosen in [CASES[0], CASES[2], CASES[3]]:
        for graph in (False, True):
            for targets in ("values", "errors"):
                qnet, options = network(seed, chip, graph), options_for(chosen, seed, targets)
                x, values, errors, scored = problem(qnet, options, seed)
                told = values if targets == "values" else errors
                name = f"{seed}-{graph}-{targets}"
                tasks[name] = LavaTask(
                    qnet, x, None, scored, options, rates=[RATES] * SAMPLES, record=False, **{targets: told}
                )
                learners[name] = Learner(qnet.copy(), options)
                readout = [
                    learners[name].sample(x[i], None, scored[i], *RATES, **{targets: told[i]}) for i in range(SAMPLES)
                ]
                learners[name].readout = np.array(readout)
    assert len(tasks) == 12
    for name, found in learn_all_in_lava(tasks).items():
        learner = learners[name]
        assert np.array_equal(found.readout, learner.readout), name
        wanted = learner.qnet.weights()
        for connection, weights in found.qnet.weights().items():
            assert np.array_equal(weights, wanted[connection]), f"{name}: {connection}"
        assert found.clips == learner.clips(), name


def test_functions_are_refused_where_numbers_have_to_go() -> None:
    qnet, options = network(0, "loihi2", False), LearnOptions()
    x, *_ = problem(qnet, options, 0)
    with pytest.raises(InputError, match=r"errors is a function, but a sample takes numbers; give Learner\("):
        Learner(qnet).sample(x[0], None, np.ones(STEPS, bool), *RATES, errors=push)
    if pytest.importorskip("lava"):
        with pytest.raises(InputError, match="errors is a function, but Lava's processes are programs of their own"):
            learn_in_lava(qnet, x, errors=push)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"values": np.zeros((STEPS, 3))}, r"values is float64 .*learner\.plan\.as_values\(targets\) gives them"),
        (
            {"values": np.zeros((STEPS, 2), int)},
            r"values is int64 of shape \(25, 2\), rule: integers of shape \(25, 3\)",
        ),
        (
            {"values": np.full((STEPS, 3), 1 << 31)},
            "values holds magnitudes up to 2147483648, rule: at most 2147483647",
        ),
        ({"values": np.zeros((STEPS, 3), int), "errors": np.zeros((STEPS, 3), int)}, "errors and values, rule: one of"),
        ({"label": np.zeros(STEPS)}, r"label is float64 .*real targets go in as values=learner\.plan\.as_values"),
    ],
)
def test_what_does_not_fit_is_named(more: dict[str, Any], message: str) -> None:
    qnet = random_quantized("lif", 0, CHIPS["loihi2"], hidden=(4, 3))
    assert qnet.output_size == 3
    label = more.pop("label", None)
    with pytest.raises(InputError, match=message):
        Learner(qnet).sample(np.zeros((STEPS, qnet.inputs), int), label, np.ones(STEPS, bool), *RATES, **more)


def test_targets_beyond_their_width_and_exponents_are_named() -> None:
    qnet = network(0, "loihi2", False)
    with pytest.raises(InputError, match=r"targets hold magnitudes up to 1e\+09, rule: at most"):
        Learner(qnet).plan.as_values(np.array([1e9]))
    with pytest.raises(InputError, match="targets = 'prices', rule: 'labels', 'values', 'errors'"):
        Learner(qnet, LearnOptions(targets="prices"))
    with pytest.raises(
        InputError, match=r"error_exponent = 2, targets = 'labels', rule: 0 unless targets are 'values'"
    ):
        Learner(qnet, LearnOptions(error_exponent=2))
    learner = Learner(qnet, error_function=lambda outputs, _: outputs / 2)
    with pytest.raises(InputError, match="error function returned float64"):
        learner.sample(np.zeros((STEPS, qnet.inputs), int), np.zeros(STEPS, int), np.ones(STEPS, bool), *RATES)

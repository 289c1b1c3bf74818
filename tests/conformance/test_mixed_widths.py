"""Networks of mixed widths: definition, simulator, C and Lava compute and learn the same integers, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from c_learning import assert_c_learns_as_the_simulator
from c_programs import assert_c_equals
from defined_traces import all_states, assert_device_is_defined, assert_same
from lava_learning_tasks import task
from learns_equal import assert_lava_learned_equal, assert_learns_equal
from mixed_widths import CHAIN, mixed_chain
from needed import needs_gcc, needs_lava

import hypr_neuro as hn
from hypr_neuro.compilers.c.build import SANITIZERS
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.exchange.nir.read_integers import read_quantized_nir
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.testing.networks import random_network, random_spikes, varied

pytestmark = pytest.mark.once

MODELS = ("brf", "alif", "lif")
BITS = {"layers.0.input": 5, "layers.0.recurrent": 2, "layers.1.input": 3, "layers.1.recurrent": 1, "readout.input": 8}
OPTIONS = LearnOptions(rate=2.0, parameters=("all",), parameter_rate=4.0)


@pytest.mark.parametrize("model", MODELS)
def test_definition_and_simulator_agree(model: str) -> None:
    qnet = mixed_chain(model, 3)
    assert {n: qnet.weight_bits(c) for n, c in zip(qnet.connection_names(), qnet.connections, strict=True)} == BITS
    x = random_spikes(5, 3, 50, qnet.inputs)
    assert_same(qnet, x, hn.simulate(qnet, x, all_states(qnet)))


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("groups", [None, 1, 3, "row"])
def test_stored_widths_hold_every_weight(rounding: str, groups: int | str | None) -> None:
    for method in ("max", "percentile", "mse"):
        qnet = mixed_chain("brf", 1, weight_groups=groups, rounding=rounding, calibration_method=method)
        for name, c in zip(qnet.connection_names(), qnet.connections, strict=True):
            top = qnet.weight_top(c)
            assert np.abs(c.entries()).max() <= top, (name, method)
            if qnet.weight_bits(c) == 1:
                assert set(np.unique(c.entries())) <= {-1, 1}, name


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_definition_and_simulator_learn_the_same(model: str, feedback: str) -> None:
    options = LearnOptions(rate=2.0, parameters=("all",), parameter_rate=4.0, feedback=feedback)
    assert assert_learns_equal(mixed_chain(model, 4), options, 4) > 0


def test_what_is_kept_below_a_mantissa_learns_the_same() -> None:
    chip = varied("loihi2", learning__residual_bits=4, learning__momentum_bits=20)
    options = LearnOptions(rate=2.0, momentum=2, rule="layer")
    assert assert_learns_equal(mixed_chain("brf", 4, chip), options, 4) > 0


def test_learning_leaves_every_weight_in_its_width() -> None:
    """Rates so large that all of them are pushed to their ends: clipped there, and binary weights are never 0."""
    qnet = mixed_chain("brf", 4)
    learner = Learner(qnet.copy(), LearnOptions())
    x = random_spikes(4, 12, 25, qnet.inputs).astype(np.int32)
    for i in range(len(x)):
        learner.sample(x[i], np.full(25, i % 3), np.ones(25, bool), as_rate(200.0), 0)
    learned = learner.qnet.weights()
    for name, bits in BITS.items():
        top = max((1 << (bits - 1)) - 1, 1)
        assert np.abs(learned[name]).max() == top, name
        assert np.any(learned[name] != qnet.weights()[name]), name
    assert set(np.unique(learned["layers.1.recurrent"])) == {-1, 1}


def test_binary_weights_turn_over_as_often_as_their_steps_say() -> None:
    """A step of s mantissa units turns a weight of 1 over with probability s / 2: on average it goes down by s."""
    from hypr_neuro.sim.learning.update import weight_kernel
    from hypr_neuro.sim.learning.updates.base import STEP_FRACTION

    n = 200
    for step in (0.25, 1.0, 1.5):
        weights, counts = np.ones((n, n), np.int64), np.zeros(4, np.int64)
        steps = np.full((n, n), int(step * (1 << STEP_FRACTION)))
        weight_kernel()(weights, np.zeros((0, 0), np.int64), steps, 1, 0, 7, 0, 0, counts)
        assert set(np.unique(weights)) == {-1, 1}
        assert abs((1 - weights.mean()) - step) < 4 * 2 / n, step


@needs_gcc
@pytest.mark.parametrize("model", MODELS)
def test_c_runs_the_same(model: str, tmp_path: Path) -> None:
    samples = list(random_spikes(6, 2, 40, 4).astype(np.int64))
    assert assert_c_equals(mixed_chain(model, 3), samples, tmp_path, SANITIZERS, seed=6) > 0


@needs_gcc
@pytest.mark.parametrize("model", MODELS)
def test_c_learns_the_same(model: str, tmp_path: Path) -> None:
    """Accumulators of 16 bits in one layer, of 32 in the others; weights of five widths in one program."""
    assert_c_learns_as_the_simulator(mixed_chain(model, 4), OPTIONS, 4, tmp_path)


@needs_gcc
def test_c_learns_a_graph_with_rows_of_their_own(tmp_path: Path) -> None:
    assert_c_learns_as_the_simulator(mixed_chain("brf", 4, weight_groups="row"), LearnOptions(rate=2.0), 4, tmp_path)


@needs_lava
def test_lava_runs_the_same() -> None:
    with LavaDevice() as device:
        assert_device_is_defined(device, mixed_chain("brf", 3), random_spikes(5, 2, 50, 4))


@needs_lava
def test_lava_learns_the_same() -> None:
    from hypr_neuro.compilers.lava.learning.run import learn_all_in_lava

    tasks = {"mixed": task(mixed_chain("brf", 4), 4, parameters=("all",))}
    assert_lava_learned_equal(tasks["mixed"], learn_all_in_lava(tasks)["mixed"])


def test_files_keep_widths(tmp_path: Path) -> None:
    for groups in (None, "row"):
        qnet = mixed_chain("alif", 2, weight_groups=groups)
        qnet.save(tmp_path / "q.h5")
        hn.write_nir(qnet, tmp_path / "q.nir")
        for found in (hn.QuantizedNetwork.load(tmp_path / "q.h5"), read_quantized_nir(tmp_path / "q.nir")):
            assert [c.weight_bits for c in found.connections] == [c.weight_bits for c in qnet.connections]
            assert found.profile == qnet.profile
            for a, b in zip(found.connections, qnet.connections, strict=True):
                assert np.array_equal(a.entries(), b.entries())


def test_one_width_for_all_is_as_before() -> None:
    """Rules that give every connection the chip's own width change no integer and no file."""
    net, x = random_network("brf", 0, hidden=(5, 4)), random_spikes(0, 4, 60, 4)
    plain = hn.quantize(net, "loihi2", calibration=x)
    ruled = hn.quantize(net, "loihi2", calibration=x, plan={"*": {"weight_bits": 8}})
    assert all(c.weight_bits is None for c in (*plain.connections, *ruled.connections))
    for a, b in zip(plain.connections, ruled.connections, strict=True):
        assert np.array_equal(a.mantissa, b.mantissa)
        assert a.exponent == b.exponent
    narrow = hn.quantize(net, hn.load_profile("loihi2", {"precision.weight_bits": 4}), calibration=x)
    by_rule = hn.quantize(net, "loihi2", calibration=x, plan={"*": {"weight_bits": 4}})
    for a, b in zip(narrow.connections, by_rule.connections, strict=True):
        assert np.array_equal(a.mantissa, b.mantissa), "the same exponents, whoever says the width"
        assert a.exponent == b.exponent
    assert set(CHAIN) > set(BITS) - {"readout.input"}

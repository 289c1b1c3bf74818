"""Neurons that go to the ends of the contract (`contract_neurons`): every executor computes the same of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import contract_neurons
import numpy as np
import pytest
from contract_neurons import HIDDEN, READOUT
from needed import needs_gcc, needs_lava
from probes_of import gradient_scales, gradients_along

from hypr_neuro.comparing.compare import compare
from hypr_neuro.comparing.float_device import FloatDevice
from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c.build import SANITIZERS, build, run, traces
from hypr_neuro.compilers.c.learning.library import LIBRARY, LearnLibrary
from hypr_neuro.compilers.lava.learning import run as lava_run
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import read_nir, write_nir
from hypr_neuro.exchange.nir.read_integers import read_quantized_nir
from hypr_neuro.graph.integer import as_integer
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import no_integer_form
from hypr_neuro.neurons.structure import structure
from hypr_neuro.placement.learning_memory import learning_memory
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.run.forward import readout
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import assert_same_run, run_of_reference
from hypr_neuro.testing.networks import assert_equal_traces, random_network, random_spikes, varied
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.reference import reference_gradients

Array = Any
SEED, STEPS = 3, 25
QUICK = replace(LIBRARY, flags=("-O1", *LIBRARY.flags[1:]))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    contract_neurons.add(monkeypatch)


def network(model: str, hidden: tuple[int, ...] = (4, 3)) -> Network:
    """Hidden layers of this neuron that fire, with the readout `alpha_out`."""
    net = random_network(model, SEED, hidden=hidden)
    old, readout = net.layers[-1], get_model(READOUT)
    decay = {"decay": np.linspace(0.5, 0.9, old.size)}
    last = Layer(readout, old.weight, None, old.bias, decay, readout.trainable)
    net = Network.from_layers([*net.layers[:-1], last], net.dt, net.encoder, net.notes)
    return net


def quantized(model: str, profile: str = "loihi2", **changed: Any) -> QuantizedNetwork:
    net = network(model)
    return quantize(net, varied(profile, **changed), calibration=random_spikes(SEED, 4, 60, net.inputs))


def labelled(qnet: QuantizedNetwork, samples: int = 3) -> tuple[Array, Array, Array]:
    """x (sample, T, channel), label (sample, T), scored (sample, T)."""
    rng = np.random.default_rng([SEED, 3])
    x = random_spikes(SEED, samples, STEPS, qnet.inputs).astype(np.int32)
    return x, rng.integers(0, qnet.output_size, (samples, STEPS)), rng.random((samples, STEPS)) < 0.8


# --- float


def differences(function: Callable[[tuple[float, ...]], Any], at: tuple[float, ...], step: float = 1e-6) -> Array:
    """(values, entries of `at`) central differences."""
    columns = []
    for k in range(len(at)):
        ends = [tuple(v + sign * step * (j == k) for j, v in enumerate(at)) for sign in (1.0, -1.0)]
        up, down = (np.array(function(end)) for end in ends)
        columns.append((up - down) / (2 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", [*HIDDEN, READOUT])
def test_jacobians_equal_finite_differences(name: str, seed: int) -> None:
    model, rng = get_model(name), np.random.default_rng(seed)
    step, places = model.float_step, [model.param_names.index(n) for n in model.trainable]
    p = tuple(float(q.default * rng.uniform(0.6, 1.05)) for q in model.params)
    s, z, current = tuple(rng.uniform(0.1, 2, model.d)), float(rng.integers(0, 2)), (float(rng.uniform(-3, 3)),)
    after = step(s, z, current, p)[0]
    A, B, _, _, P, E = model.float_jacobian(s, after, z, current, p, 0.37)
    np.testing.assert_allclose(A, differences(lambda v: step(v, z, current, p)[0], s), atol=1e-7)
    np.testing.assert_allclose(B, differences(lambda v: step(s, z, v, p)[0], current)[:, 0], atol=1e-7)
    np.testing.assert_allclose(P, differences(lambda v: step(s, z, current, v)[0], p)[:, places].T, atol=1e-7)
    argument = model.float_psi_arg
    if argument is None or model.float_spike_jacobian is None:
        return
    np.testing.assert_allclose(E, 0.37 * differences(lambda v: (argument(s, after, v),), p)[0, places], atol=1e-7)
    D = model.float_spike_jacobian(s, after, z, current, p, 0.37)
    np.testing.assert_allclose(D, differences(lambda v: step(s, v[0], current, p)[0], (z,))[:, 0], atol=1e-7)


@pytest.mark.parametrize("name", HIDDEN)
def test_float_training_equals_the_definition_of_the_rule(name: str) -> None:
    net = network(name)
    rng = np.random.default_rng(5)
    x, y = random_spikes(SEED, 3, STEPS, net.inputs), rng.integers(0, net.output_size, (3, STEPS))
    wanted, loss = reference_gradients(net, x, y)
    for chunk in (None, 7):
        got, found = gradients(net, x, y, rule="hypr", dtype=np.float64, chunk=chunk)
        assert found == pytest.approx(loss)
        assert got.keys() == wanted.keys()
        for key, value in wanted.items():
            assert np.abs(value).max() > 0, key
            np.testing.assert_allclose(got[key], value, rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("rule", ["eprop", "ostl", "bptt"])
def test_every_rule_takes_any_readout(rule: str) -> None:
    net = network("rooted")
    rng = np.random.default_rng(5)
    x, y = random_spikes(SEED, 3, STEPS, net.inputs), rng.integers(0, net.output_size, (3, STEPS))
    found, _ = gradients(net, x, y, rule=rule, dtype=np.float64)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in found.values())


# --- integers, forward


@pytest.mark.parametrize("profile", ["ideal", "loihi1"])
@pytest.mark.parametrize("name", HIDDEN)
def test_simulator_equals_reference(name: str, profile: str) -> None:
    qnet = quantized(name, profile)
    x = random_spikes(SEED + 1, 3, 80, qnet.inputs).astype(np.int64) * 2
    states = sorted({s for layer in qnet.layers for s in layer.model.state_names})
    trace, wanted = simulate(qnet, x, ["spikes", *states]), simulate_reference(qnet, x)
    for i, layer in enumerate(qnet.layers):
        label = qnet.name(i)
        for j, state in enumerate(layer.model.state_names):
            assert_equal_traces(
                wanted[i]["states"][:, j], trace.states[label][state], seed=SEED, layer=label, what=state
            )
        events = dict(zip(layer.model.events, wanted[i]["events"].sum(axis=0).tolist(), strict=True))
        assert trace.events[label] == events
        assert layer.model.readout or trace.spikes[label].any()


@needs_gcc
@pytest.mark.parametrize("name", HIDDEN)
def test_c_equals_reference(name: str, tmp_path: Path) -> None:
    qnet = quantized(name)
    (integer, _), x = as_integer(qnet), random_spikes(SEED + 1, 1, 80, qnet.inputs).astype(np.int64)
    program = build(compile_network(qnet, target="c", out=tmp_path).folder, SANITIZERS, trace=True)
    got = traces(run(program, [x[0]]), integer, [len(x[0]) + qnet.tail])
    padded = np.concatenate([x, np.zeros((1, qnet.tail, qnet.inputs), np.int64)], axis=1)
    assert_same_run(integer, padded, run_of_reference(integer, padded), got[0], seed=SEED, who=("reference", "C"))


def test_in_lanes_of_32_bits_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """`quadratic` with narrow states fits 32 bits but for its square, `five_states` whole."""
    from hypr_neuro.neurons import MODELS

    qnet = quantized("five_states", precision__state_bits=15, precision__coefficient_bits=12)
    monkeypatch.setitem(MODELS, "five_lanes", replace(get_model("five_states"), name="five_lanes", lanes=True))
    narrow = [replace(layer, model=MODELS["five_lanes"]) for layer in qnet.layers[:-1]]
    twin = QuantizedNetwork.from_layers([*narrow, qnet.layers[-1]], qnet.profile, qnet.dt)
    x = random_spikes(SEED, 2, 60, qnet.inputs)
    wanted, got = simulate(qnet, x, ["spikes", "v", "x4"]), simulate(twin, x, ["spikes", "v", "x4"])
    assert min(wanted.rates.values()) > 0
    for layer in wanted.spikes:
        assert np.array_equal(wanted.spikes[layer], got.spikes[layer])
        assert all(np.array_equal(wanted.states[layer][s], got.states[layer][s]) for s in ("v", "x4"))


# --- integers, learning


OPTIONS = {
    "by sample": LearnOptions(rate=4.0),
    "neuron parameters, by step": LearnOptions(
        rate=4.0, update_on="step", update_every=5, parameters=("all",), parameter_rate=8.0
    ),
}


def shown(learner: Any, qnet: QuantizedNetwork) -> list[Array]:
    """Readouts, then weights and neuron integers after each sample."""
    found = []
    for x, label, scored in zip(*labelled(qnet), strict=True):
        found.append(np.array(learner.sample(x, label, scored, 4 << 16, 8 << 16)))
        found += [w.copy() for w in learner.qnet.weights().values()]
        found += [layer.per_neuron.copy() for layer in learner.qnet.layers]
    return found


def assert_same(wanted: list[Array], got: list[Array], layer: str) -> None:
    for i, (a, b) in enumerate(zip(wanted, got, strict=True)):
        assert_equal_traces(a, b, seed=SEED, layer=layer, what=f"array {i}", axes=("row", "column"))


@pytest.mark.parametrize("chosen", OPTIONS)
@pytest.mark.parametrize("name", HIDDEN)
def test_learning_equals_its_definition(name: str, chosen: str) -> None:
    qnet, options = quantized(name), OPTIONS[chosen]
    slow, fast = LearningReference(qnet.copy(), options), Learner(qnet.copy(), options)
    assert_same(shown(slow, qnet), shown(fast, qnet), name)
    assert slow.clips() == fast.clips()
    for key, before in qnet.weights().items():
        assert not np.array_equal(before, fast.qnet.weights()[key]), key


@needs_gcc
@pytest.mark.parametrize("chosen", OPTIONS)
@pytest.mark.parametrize("name", HIDDEN)
def test_c_learns_as_defined(name: str, chosen: str, tmp_path: Path) -> None:
    qnet, options = quantized(name), OPTIONS[chosen]
    slow, fast = LearningReference(qnet.copy(), options), LearnLibrary(qnet, options, tmp_path, QUICK)
    for x, label, scored in zip(*labelled(qnet), strict=True):
        sample = x, label, scored, 4 << 16, 8 << 16
        assert np.array_equal(np.array(slow.sample(*sample)), fast.sample(*sample))
        for i, layer in enumerate(slow.qnet.layers):
            columns = layer.input.mantissa.shape[1]
            assert np.array_equal(layer.input.mantissa, fast.arrays[f"weight_{i}"][:, :columns]), f"layer {i}"
    assert slow.clips() == fast.clips()


@needs_lava
def test_lava_learns_as_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lava_run, "WORKER", "contract_neurons.lava_worker")
    folder = str(Path(contract_neurons.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]))
    given, tasks = {}, {}
    for name in HIDDEN:
        qnet, options = quantized(name), OPTIONS["neuron parameters, by step"]
        x, label, scored = labelled(qnet)
        given[name] = qnet, options
        rates = [(4 << 16, 8 << 16)] * len(x)
        tasks[name] = lava_run.LavaTask(qnet.copy(), x, label, scored, options, rates=rates)
    learned = lava_run.learn_all_in_lava(tasks)
    for name, (qnet, options) in given.items():
        learner, got = Learner(qnet.copy(), options), learned[name]
        shown(learner, qnet)
        for key, weights in learner.qnet.weights().items():
            assert np.array_equal(weights, got.qnet.weights()[key]), f"{name}, {key}"
        for mine, theirs in zip(learner.qnet.layers, got.qnet.layers, strict=True):
            assert np.array_equal(mine.per_neuron, theirs.per_neuron), name
        assert learner.clips() == got.clips


# --- what symbols say


def test_structures() -> None:
    chain = structure(get_model("five_states"))
    assert sum(map(sum, chain.A)) == 10
    assert chain.B == chain.C == (True, False, False, False, False)
    rooted = structure(get_model("rooted"))
    assert rooted.A == ((True, True), (False, True))
    assert (rooted.B, rooted.C, rooted.F) == ((True, False), (True, False), (False, False))
    assert structure(get_model("quadratic")).B == (True,)


# --- what else a network goes through


def test_a_model_without_learned_is_compared_and_counted() -> None:
    """Weights alone learn: scales, probes and memory have no neuron parameters, and none is asked of the model."""
    qnet, net = quantized("five_states"), network("five_states")
    x, label, _ = labelled(qnet, 12)
    split = np.array(["train"] * 8 + ["test"] * 4)
    data = SequenceData("labelled", x.astype(np.int8), label, split, qnet.output_size)
    found = compare(net, qnet, data, epochs=1, options=LearnOptions(rate=1.0, parameters=("readout.decay",)))
    assert found
    scales = gradient_scales(net, qnet, LearnOptions(parameters=("all",)))
    assert {name for name in scales if name.startswith("layers.0.")} == {"layers.0.input", "layers.0.recurrent"}
    assert learning_memory(qnet)[0].parameters == 0
    with pytest.raises(InputError, match=r"'layers.0.k0' does not learn, known: all, readout.decay"):
        LearningPlan(qnet, LearnOptions(parameters=("layers.0.k0",)))


@pytest.mark.parametrize("name", HIDDEN)
def test_integer_gradients_point_where_those_of_float_do(name: str) -> None:
    """β of a neuron that is not affine is taken where it is driven, so that scales are right, too."""
    net = network(name, (4,))
    x = random_spikes(SEED, 4, 60, net.inputs)
    qnet = quantize(net, "ideal", calibration=x)
    data = SequenceData("one", x[:1], np.zeros(1, np.int64), np.array(["train"]), net.output_size)
    options = LearnOptions()
    scales, real = gradient_scales(net, qnet, options), gradients_along(net, qnet, data, options)
    ours = Learner(qnet.copy(), options).gradients(x[0], np.zeros(60, np.int64), np.ones(60, bool))
    for key, wanted in real.items():
        if key in ours and key.endswith((".input", ".recurrent")):
            found = ours[key].reshape(wanted.shape) / scales[key]
            cosine = float((found * wanted).sum() / np.sqrt((found**2).sum() * (wanted**2).sum()))
            assert cosine > 0.95, f"{key}: {cosine}"
            assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(wanted), rel=0.2), key


def test_a_readout_of_ones_own_goes_through_nir(tmp_path: Path) -> None:
    net = network("rooted")
    write_nir(net, tmp_path / "net.nir")
    back = read_nir(tmp_path / "net.nir")
    assert [layer.model.name for layer in back.layers] == ["rooted", "rooted", "alpha_out"]
    x = random_spikes(SEED, 2, STEPS, net.inputs)
    assert np.array_equal(readout(net, x), readout(back, x))
    write_nir(quantized("rooted"), tmp_path / "integers.nir")
    assert np.array_equal(
        simulate(read_quantized_nir(tmp_path / "integers.nir"), x).readout, simulate(quantized("rooted"), x).readout
    )
    with pytest.raises(InputError, match="neuron 'five_states' does not say what its integers stand for"):
        write_nir(quantized("five_states"), tmp_path / "never.nir")


def test_a_readout_in_a_specification() -> None:
    layers = [{"neuron": "rooted", "size": 3, "params": {"offset": [-0.5, -0.1]}}]
    spec = {"inputs": 4, "outputs": 2, "layers": layers, "readout": {"neuron": READOUT, "params": {"decay": 0.7}}}
    net = Network.build(spec)
    assert net.layers[-1].params["decay"].tolist() == [0.7, 0.7]
    with pytest.raises(InputError, match=f"neuron '{READOUT}': unknown parameter 'tau'.*, known: decay"):
        Network.build({**spec, "readout": {"neuron": READOUT, "tau": 5.0}})


# --- what a record must say


def test_a_rule_that_filters_asks_the_readout_for_its_decay(monkeypatch: pytest.MonkeyPatch) -> None:
    from hypr_neuro.neurons import MODELS

    monkeypatch.setitem(MODELS, READOUT, replace(get_model(READOUT), output_decay=None))
    net = network("rooted")
    x, y = random_spikes(SEED, 2, STEPS, net.inputs), np.zeros((2, STEPS), np.int64)
    with pytest.raises(InputError, match="states no output_decay, by which rule 'eprop' filters"):
        gradients(net, x, y, rule="eprop")
    gradients(net, x, y, rule="hypr")


def test_a_model_whose_spike_enters_its_own_step_states_its_threshold() -> None:
    net = random_network("brf", SEED)
    qnet = quantize(net, "loihi2", calibration=random_spikes(SEED, 4, 60, net.inputs))
    FloatDevice.of(net, qnet, LearnOptions())
    net.layers[0].model = replace(net.layers[0].model, threshold=None)
    with pytest.raises(InputError, match="neuron 'brf': a spike changes its own step, but no threshold is stated"):
        FloatDevice.of(net, qnet, LearnOptions())


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"threshold": "height"}, "threshold = 'height', rule: a parameter or coefficient of the model, kappa"),
        ({"output_decay": lambda params: params["kappa"]}, "output_decay belongs to readouts"),
        ({"fixed_jacobian": no_integer_form, "psi_index": None}, "operating_point needs fixed_jacobian"),
    ],
)
def test_a_wrong_record_is_refused(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=f"neuron 'quadratic': .*{fault}"):
        replace(get_model("quadratic"), **changed)

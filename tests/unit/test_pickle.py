"""What users hold pickles, copies and goes to other threads and processes, and is there what it was."""

from __future__ import annotations

import copy
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.neurons import MODELS, VARIANTS, get_model
from hypr_neuro.profiles.profile import profile_names
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import as_rate
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import random_spikes

SPEC = {"inputs": 6, "outputs": 2, "layers": [{"neuron": "brf", "size": 6}]}
STEPS = 20
HOWS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda v: ForkingPickler.loads(ForkingPickler.dumps(v)),
    "copy": copy.deepcopy,
}


def data() -> hn.SequenceData:
    rng = np.random.default_rng(14)
    x = (rng.random((24, STEPS, 6)) < 0.3).astype(np.int8)
    y = (x[:, :, 0].sum(1) > x[:, :, 1].sum(1)).astype(int)
    return hn.SequenceData("d", x, y, np.array(["train"] * 16 + ["validation"] * 4 + ["test"] * 4), 2)


def numbers(seed: int) -> list[Any]:
    """Train, quantize and learn with a seed; return numbers that tell of all three."""
    net, given = hn.Network.build(SPEC, seed), data()
    hn.scale_to_rate(net, given.x[:4], 0.1)
    hn.train(net, given, epochs=1, batch_size=7, rate=0.02, seed=seed)
    run = hn.learn(hn.quantize(net, "loihi2", calibration=given), given, epochs=1, rate=0.3, seed=seed)
    return [float(np.abs(net.layers[0].weight).sum()), int(run.qnet.layers[0].input.mantissa.sum())]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("neuron", sorted(MODELS | VARIANTS))
def test_there_is_one_model_of_each_name(neuron: str, how: str) -> None:
    model = get_model(neuron)
    assert HOWS[how](model) is model
    changed = replace(model, source="of a user")
    assert HOWS[how](changed) == changed, "a model that is not registered goes by its content"


@pytest.mark.parametrize("how", HOWS)
def test_a_network_that_came_from_elsewhere_is_quantized(how: str) -> None:
    """LIF has other integers for narrow states, for which its record is looked up."""
    net = hn.Network.build(SPEC | {"layers": [{"neuron": "lif", "size": 6}]}, 0)
    hn.scale_to_rate(net, data().x, 0.1)
    there = HOWS[how](net)
    wanted, found = (hn.quantize(n, "loihi2", calibration=data()) for n in (net, there))
    assert found.integer().digest() == wanted.integer().digest()


@pytest.fixture(scope="module")
def things() -> dict[str, Any]:
    given, net, graph = data(), hn.Network.build(SPEC, 0), random_graph(3)
    qnet = hn.quantize(net, "loihi2", calibration=given)
    return {
        "Network": net,
        "graph": graph,
        "QuantizedNetwork": qnet,
        "graph in integers": hn.quantize(graph, "loihi2", calibration=random_spikes(3, 4, STEPS, graph.inputs)),
        "IntegerNetwork": qnet.integer(),
        "Trace": hn.simulate(qnet, given.x[:2]),
        "SequenceData": given,
        "LearnRun": hn.learn(qnet, given, epochs=1, rate=0.3),
        "LearnOptions": hn.LearnOptions(rate=0.25),
        **{f"profile {name}": hn.load_profile(name) for name in profile_names()},
    }


@pytest.mark.parametrize("how", HOWS)
def test_everything_goes_through_pickle_and_copy(how: str, things: dict[str, Any]) -> None:
    for name, thing in things.items():
        same = HOWS[how](thing)
        assert type(same) is type(thing), name
        if name.startswith("profile"):
            assert same == thing, name
            assert HOWS[how](thing.precision.weight_bits) == thing.precision.weight_bits
    x = data().x[:3]
    for name in ("QuantizedNetwork", "IntegerNetwork"):
        found, expected = (hn.simulate(v, x).readout for v in (HOWS[how](things[name]), things[name]))
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("how", HOWS)
def test_a_simulator_and_a_learner_go_on_where_they_were(how: str, things: dict[str, Any]) -> None:
    x, qnet = data().x, things["QuantizedNetwork"]
    simulator = hn.Simulator(qnet)
    simulator.run(np.ascontiguousarray(x[:1, :7].transpose(1, 0, 2), np.int32))
    later = np.ascontiguousarray(x[:1, 7:].transpose(1, 0, 2), np.int32)
    same = HOWS[how](simulator)
    assert np.array_equal(same.run(later), simulator.run(later))
    recurrent = {"neuron": "lif", "size": 8, "recurrent": True}
    net = hn.Network.build({"inputs": 6, "outputs": 2, "layers": [recurrent]}, 1)
    hn.scale_to_rate(net, x, 0.2)
    learner = Learner(hn.quantize(net, "loihi2", calibration=x), hn.LearnOptions(rate=0.25))
    before = {name: w.copy() for name, w in learner.qnet.weights().items()}
    scored, rate = np.ones(STEPS, bool), as_rate(0.25)
    learner.sample(x[0].astype(np.int32), np.full(STEPS, 1), scored, rate)
    same = HOWS[how](learner)
    runs = [
        [each.sample(x[i].astype(np.int32), np.full(STEPS, i % 2), scored, rate) for i in range(1, 5)]
        for each in (learner, same)
    ]
    assert np.array_equal(*runs)
    for each in (learner, same):
        each.take_over(everything=True)
    found, expected = (each.qnet.weights() for each in (same, learner))
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert any(not np.array_equal(before[name], expected[name]) for name in expected)


def test_an_error_comes_back_from_another_process_as_it_is() -> None:
    for name, kind in (("nope", hn.errors.ProfileError), ("no.yaml", hn.errors.ProfileError)):
        with pytest.raises(InputError) as caught:
            hn.load_profile(name)
        same = ForkingPickler.loads(ForkingPickler.dumps(caught.value))
        assert type(same) is kind
        assert str(same) == str(caught.value)


# JAX, which other tests load, and Python 3.12 warn of every fork of a process with threads
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_processes_give_what_one_process_gives(method: str, things: dict[str, Any]) -> None:
    qnet, given = things["QuantizedNetwork"], things["SequenceData"]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        waiting = [pool.submit(hn.learn, qnet, given, epochs=1, rate=0.3, seed=seed) for seed in range(3)]
        found = [each.result().qnet.weights() for each in waiting]
    for seed, weights in enumerate(found):
        expected = hn.learn(qnet, given, epochs=1, rate=0.3, seed=seed).qnet.weights()
        assert all(np.array_equal(weights[name], expected[name]) for name in expected)


def test_threads_give_what_one_thread_gives() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(numbers, [0, 1, 0, 1])) == [numbers(seed) for seed in (0, 1, 0, 1)]

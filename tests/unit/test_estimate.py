"""Costs: counts worked out by hand, figures with their source, unknown where a profile has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import hypr_neuro as hn
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.neurons import get_model
from hypr_neuro.placement.cost import SAMPLE, STEP
from hypr_neuro.placement.estimate import activity_of
from hypr_neuro.profiles.profile import load_profile, profile_names
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, random_spikes, varied

STEPS = 5


def relay(name: str, size: int) -> FloatPopulation:
    """Neurons that any spike brings above the threshold, and that forget at once."""
    return FloatPopulation(name, get_model("lif"), {"dv": np.ones(size), "vth": np.ones(size)})


def outputs(name: str, size: int) -> FloatPopulation:
    return FloatPopulation(name, get_model("li"), {"tau": np.full(size, 2.0)})


def strong(source: str, target: str, weights: Any, delay: int = 0) -> FloatSynapses:
    return FloatSynapses(source, target, weights, delay)


def tiny_chain() -> QuantizedNetwork:
    """Two inputs, three relays that repeat each spike, two outputs; every neuron hears every source."""
    populations = (relay("layers.0", 3), outputs("readout", 2))
    synapses = (
        strong(INPUT, "layers.0", np.full((3, 2), 4.0)),
        strong("layers.0", "readout", np.full((2, 3), 4.0)),
    )
    net = hn.Network(2, populations, synapses, 1e-3, ("readout",))
    return hn.quantize(net, "loihi2", calibration=spikes_in(2))


def tiny_graph() -> QuantizedNetwork:
    """One input to a; a to b by one synapse each and to the output; a skip from the input; sparse, delayed by 2."""
    populations = (relay("a", 2), relay("b", 2), outputs("out", 1))
    synapses = (
        strong(INPUT, "a", np.full((2, 1), 4.0)),
        strong("a", "b", scipy.sparse.csr_array(np.diag([4.0, 4.0])), 2),
        strong("a", "out", np.full((1, 2), 4.0)),
        strong("b", "out", np.full((1, 2), 4.0)),
        strong(INPUT, "out", np.full((1, 1), 4.0)),
    )
    net = hn.Network(1, populations, synapses, 1e-3, ("out",))
    return hn.quantize(net, "loihi2", calibration=spikes_in(1))


def spikes_in(channels: int) -> np.ndarray:
    """One spike of the first channel in step 0 of one sample."""
    x = np.zeros((1, STEPS, channels), np.int64)
    x[0, 0, 0] = 1
    return x


def counts(found: Any) -> dict[str, float]:
    phases = [found.inference] + ([] if found.learning is None else [found.learning])
    return {o.name: o.count for phase in phases for o in phase.operations}


def test_a_chain_costs_what_counting_by_hand_gives() -> None:
    """An input spike reads 3 weights; the 3 relays fire once and read 2 each; device steps are T and the tail."""
    qnet = tiny_chain()
    steps = STEPS + qnet.tail
    found = hn.estimate(qnet, spikes_in(2), learning=False)
    assert (found.per, found.steps, found.learning) == (SAMPLE, steps, None)
    assert counts(found) == {
        "neuron updates": 5 * steps,
        "spikes": 3,
        "messages between cores": 3,  # the outputs lie on one core
        "synaptic operations": 3 + 3 * 2,
        "barriers": steps,
    }
    assert found.energy_nj == pytest.approx((5 * steps * 81.0 + 3 * 1.7 + 9 * 23.6) / 1e3)
    # the relays' core is the busiest: 3 neurons, and half of the synapses' reads
    assert found.time_us == pytest.approx((steps * (3 * 8.4 + 465.0) + 9 * 6 / 12 * 3.5) / 1e3)
    assert found.leaves_out[0] == "spikes (3, no figure)"


def test_a_graph_costs_what_counting_by_hand_gives() -> None:
    """The input reads 2 weights of a and 1 of the output; a fires twice and reads 1 of b and 1 of the output each."""
    qnet = tiny_graph()
    steps = STEPS + qnet.tail
    found = hn.estimate(qnet, spikes_in(1), learning=False)
    assert counts(found) == {
        "neuron updates": 5 * steps,
        "spikes": 2 + 2,
        "messages between cores": 2 * 2 + 2,  # a goes to the cores of b and of the output
        "synaptic operations": (2 + 1) + 2 * (1 + 1) + 2 * 1,
        "barriers": steps,
    }


def test_a_source_of_numbers_sends_one_message_a_neuron_and_step_at_most() -> None:
    """The rate of numbers is their mean; that of spikes counts each, of which a step can have several."""
    qnet = tiny_chain()
    trace = replace(simulate(qnet, spikes_in(2)), rates={INPUT: 2.5, "layers.0": 7.25})
    steps = qnet.clock.run_steps(STEPS)
    assert activity_of(qnet, trace, STEPS, 1).spikes == {INPUT: 2.5 * steps * 2, "layers.0": 7.25 * steps * 3}
    first, second = (replace(c, message_shift=0 if c.source != INPUT else None) for c in qnet.connections)
    numbers = replace(qnet, connections=(first, second))
    assert activity_of(numbers, trace, STEPS, 1).spikes == {INPUT: 2.5 * steps * 2, "layers.0": 1.0 * steps * 3}
    seldom = replace(trace, rates={INPUT: 2.5, "layers.0": 0.5})
    assert activity_of(numbers, seldom, STEPS, 1).spikes["layers.0"] == 0.5 * steps * 3


def test_hops_are_left_out_where_messages_have_a_figure() -> None:
    left, chip = "hops between tiles", load_profile("loihi1")
    found = hn.estimate(tiny_chain(), spikes_in(2), chip)
    assert left in found.leaves_out
    unpriced = chip.model_copy(update={"energy": chip.energy.model_copy(update={"axon_out": None})})
    other = hn.estimate(tiny_chain(), spikes_in(2), unpriced)
    assert left not in other.leaves_out
    assert "messages between cores (3, no figure)" in other.leaves_out
    assert found.energy_nj == pytest.approx(other.energy_nj + 3 * 1.7e-3)


def test_without_data_a_step_in_which_all_send_is_the_bound() -> None:
    assert counts(hn.estimate(tiny_chain(), learning=False)) == {
        "neuron updates": 5,
        "spikes": 3,
        "messages between cores": 3,
        "synaptic operations": 2 * 3 + 3 * 2,
        "barriers": 1,
    }
    found = hn.estimate(tiny_graph(), learning=False)
    assert found.per == STEP
    assert counts(found)["synaptic operations"] == 2 + 2 + 2 + 2 + 1


def learning_networks() -> list[QuantizedNetwork]:
    chain = random_quantized("brf", 1, "loihi2", inputs=4, hidden=(6, 5), outputs=3)
    return [chain, random_learning_graph(3, varied("loihi2"))]


@pytest.mark.parametrize("place", range(2))
@pytest.mark.parametrize(("every", "on"), [(1, "sample"), (2, "sample"), (1, "step"), (3, "step")])
def test_learning_counts_the_updates_that_the_learner_does(place: int, every: int, on: str) -> None:
    """Against the learner's own count over samples, and weights that it holds."""
    qnet = learning_networks()[place]
    options = hn.LearnOptions(rate=0.1, update_every=every, update_on=on, parameters=("all",))
    x = random_spikes(3, 12, 12, qnet.inputs).astype(np.int64)
    found = counts(hn.estimate(qnet, x, learning=options))
    learner = Learner(qnet.copy(), options)
    for sample in x:
        learner.sample(sample.astype(np.int32), np.zeros(12, np.int64), np.ones(12, bool), 1 << 10, 1 << 10)
    weights = sum(int(c.entries().size) for c in qnet.connections)
    parameters = sum(len(layer.parameters) * layer.size for layer in learner.plan.layers)
    assert found["weight updates"] * 12 == pytest.approx(weights * learner.updates, rel=1e-9)
    assert found["parameter updates"] * 12 == pytest.approx(parameters * learner.updates, rel=1e-9)


def test_learning_of_a_chain_is_counted_by_hand() -> None:
    """6 BRF neurons (3 states) of 4 inputs, a bias and each other; 3 outputs (1 state) of 6: 66 and 18 synapses."""
    spec = {"inputs": 4, "outputs": 3, "layers": [{"neuron": "brf", "size": 6, "recurrent": True, "bias": True}]}
    qnet = hn.quantize(hn.Network.build(spec, seed=0), "loihi2", calibration={"layers.0": 4.0, "readout": 4.0})
    found = hn.estimate(qnet, spikes_in(4))
    assert found.learning is not None
    steps = qnet.clock.learning_steps(STEPS)
    learned = {o.name: o.count for o in found.learning.operations}
    assert learned == {
        "eligibility updates": (66 * 3 + 18 * 1) * steps,
        "weight updates": 66 + 18,
        "parameter updates": 0,
    }
    assert found.learning.energy_nj == pytest.approx(84 * 120.0 / 1e3)
    assert found.learning.time_us == pytest.approx(66 * 6.1 / 1e3)  # of the core with the more synapses


def test_figures_of_another_chip_are_said_to_be_that() -> None:
    one, two = (hn.estimate(tiny_chain(), spikes_in(2), chip) for chip in ("loihi1", "loihi2"))
    assert (one.chips, two.chips) == ((), ("Loihi 1",))
    assert one.energy_nj == two.energy_nj
    assert "figures of Loihi 1, not of 'loihi2'" in repr(two)
    assert "Loihi 1" in two.note
    assert "Loihi 1" not in repr(one)
    assert all("table 2 (p. 96" in source for source in two.sources)


def test_figures_of_loihi_alone_are_published() -> None:
    """Energy and time; of ReckOn and ODIN the energy of a synaptic operation alone."""
    known = {name: has_figures(name) for name in profile_names()}
    assert [name for name, figures in known.items() if figures == (True, True)] == ["loihi1", "loihi2"]
    assert [name for name, figures in known.items() if figures == (True, False)] == ["odin", "reckon"]


def has_figures(name: str) -> tuple[bool, bool]:
    """Whether a profile states any energy, and any time."""
    stated = load_profile(name).energy.model_dump(exclude_none=True)
    times = [key for key in stated if key.endswith("_time")]
    return len(times) < len(stated), bool(times)


def has_readout(name: str) -> bool:
    models = load_profile(name).runs.models
    return models is None or "li" in models.value


@pytest.mark.parametrize("name", [name for name in profile_names() if not has_readout(name)])
def test_of_a_chip_that_cannot_run_a_network_nothing_is_estimated(name: str) -> None:
    with pytest.raises(DoesNotFitError, match=rf"'readout': neuron 'li', rule: lif \(profile '{name}', runs.models"):
        hn.estimate(tiny_chain(), spikes_in(2), name)


@pytest.mark.parametrize("name", [name for name in profile_names() if has_readout(name)])
def test_a_profile_without_figures_alone_says_unknown(name: str) -> None:
    found = hn.estimate(tiny_chain(), spikes_in(2), name)
    energy, time = known = has_figures(name)
    assert (found.energy_nj is not None, found.time_us is not None) == known
    plain = found.as_dict()
    assert (plain["inference"]["energy_nj"] == "unknown") == (not energy)
    assert ("inference: energy unknown, time unknown" in repr(found)) == (not energy and not time)
    assert found.synaptic_operations == 9  # counts are known all the same
    assert all(len(line) <= 80 for line in repr(found).splitlines())
    assert len(repr(found).splitlines()) <= 24


def test_the_first_samples_of_the_test_part_are_run() -> None:
    qnet = tiny_chain()
    x = np.concatenate([spikes_in(2), np.zeros((1, STEPS, 2), np.int64), np.ones((2, STEPS, 2), np.int64)])
    split = np.array(["test", "test", "train", "train"])
    data = hn.SequenceData("own", x, np.zeros(4, int), split, 2)
    assert hn.estimate(qnet, data).synaptic_operations == 9 / 2


def test_what_cannot_learn_says_so_and_is_refused_where_asked_for() -> None:
    qnet = tiny_chain()
    rf = random_quantized("lif", 0, "loihi2")
    frozen = hn.load_profile("loihi2", {"learning.ability": "none"})
    found = hn.estimate(rf, None, frozen)
    assert found.learning is None
    assert any("cannot learn" in text for text in found.leaves_out)
    with pytest.raises(InputError, match="cannot learn"):
        hn.estimate(rf, None, frozen, learning=hn.LearnOptions())
    assert hn.estimate(qnet, learning=False).leaves_out[-1].startswith("static power")

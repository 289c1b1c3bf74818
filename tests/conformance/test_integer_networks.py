"""Random networks of integers, every model and kind of connection: the simulator equals the reference, bit for bit.

``pytest tests/conformance/test_integer_networks.py --networks 10000`` compares as many.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.testing.integer import (
    ALL_MODELS,
    assert_same_run,
    random_integer_input,
    random_integer_network,
    run_of_reference,
    run_of_simulator,
)

SEED = int(os.environ.get("HYPR_SEED", "0"))
PARTS = 10


@pytest.mark.parametrize("part", range(PARTS))
def test_the_simulator_equals_the_reference(part: int, request: pytest.FixtureRequest) -> None:
    wanted = int(request.config.getoption("--networks"))
    fired = 0
    for seed in range(SEED + part, SEED + wanted, PARTS):
        network = random_integer_network(seed, ALL_MODELS)
        x = random_integer_input(network, seed)
        expected, got = run_of_reference(network, x), run_of_simulator(network, x)
        assert_same_run(network, x, expected, got, seed=seed, who=("reference", "simulator"))
        fired += sum(int(np.count_nonzero(run[:, -1])) for run in expected)
    assert fired > 0 or wanted < PARTS


@pytest.mark.parametrize("seed", range(5))
def test_events_blocks_batches_and_a_restored_state_change_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_integer_network(seed, ALL_MODELS)
    x = np.repeat(random_integer_input(network, seed), 3, axis=0)
    x[1] = x[1, ::-1]
    expected = simulate_reference(network, x)
    trace = simulate(network, x)
    for p, run in zip(network.populations, expected, strict=True):
        assert trace.events[p.name] == dict(zip(p.model.events, run["events"].sum(axis=0).tolist(), strict=True))
    monkeypatch.setattr("hypr_neuro.sim.simulator.BLOCK", 7)
    monkeypatch.setattr("hypr_neuro.run.forward.threads", lambda: 3)
    first = Simulator(network, 3)
    steps = x.transpose(1, 0, 2)
    got = [first.run(steps[:29])]
    first.save(tmp_path / "state.h5")
    network.save(tmp_path / "network.h5")
    second = Simulator(IntegerNetwork.load(tmp_path / "network.h5"), 3)
    second.restore(tmp_path / "state.h5")
    got.append(second.run(steps[29:]))
    assert np.array_equal(np.concatenate(got), expected[-1]["spikes"])
    for p, run, mine in zip(network.populations, expected, second.populations, strict=True):
        assert np.array_equal(mine.state.reshape(p.model.d, 3, p.size), run["states"][-1]), p.name


def test_delayed_sums_floor_apart_and_simultaneous_ones_together() -> None:
    """3 + 3 at exponent -1: two sending steps or two delays floor to 1 each, one step to 3."""
    lif = Population.of(
        "p", "lif", 1, du1=4096, dv=4095, vth=1 << 20, bias=0, inv_vth=1, lava=1, subtract=0, k=15, scale_log2=6
    )
    x = np.zeros((1, 5, 2), int)
    x[0, 1, 0] = x[0, 0, 1] = 1
    weights, delays = np.array([[3, 3]]), np.array([[0, 1]])
    apart = IntegerNetwork(2, (lif,), (Synapses("input", "p", weights, -1, delays=delays),))
    assert simulate(apart, x, ["current"]).states["p"]["current"][:, 0, 0].tolist() == [0, 0, 2, 0, 0]
    together = IntegerNetwork(2, (lif,), (Synapses("input", "p", weights, -1),))
    x[0, 1, 1] = 1
    assert simulate(together, x, ["current"]).states["p"]["current"][:, 0, 0].tolist() == [0, 1, 3, 0, 0]


def test_any_sparse_format_is_taken_and_means_the_same() -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-100, 100, (6, 6)) * (rng.random((6, 6)) < 0.6)
    delays = rng.integers(0, 5, (6, 6))
    x = (rng.random((2, 40, 6)) < 0.4).astype(int)
    lif = Population.of("p", "lif", 6, **lif_parameters(du=500, dv=300, vth=90))

    def run(w: Any, d: Any) -> np.ndarray:
        network = IntegerNetwork(6, (lif,), (Synapses("input", "p", w, delays=d), Synapses("p", "p", w, delays=d)))
        got = simulate(network, x, ["current"]).states["p"]["current"]
        assert np.array_equal(got[:, 0], run_of_current(network, x[:1]))
        return got

    present = weights != 0
    stored = np.where(present, delays, 0)
    expected = run(weights, stored)
    assert np.abs(expected).max() > 100
    rows, columns = np.nonzero(present)
    for make in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array, sparse.coo_array):
        w = make((weights[present], (rows, columns)), shape=weights.shape)
        d = make((delays[present], (rows, columns)), shape=weights.shape)
        assert np.array_equal(run(w, d), expected), make.__name__
        assert np.array_equal(run(w, 2), run(weights, 2)), make.__name__


def run_of_current(network: IntegerNetwork, x: np.ndarray) -> np.ndarray:
    """Currents of the only population, from the reference's connections."""
    from hypr_neuro.sim.reference import ReferenceSynapses

    spikes = simulate_reference(network, x)[0]["spikes"][:, 0].tolist()
    sent = {"input": x[0].tolist(), "p": spikes}
    currents = []
    for now in range(x.shape[1]):
        total = [0] * network.populations[0].size
        for connection in network.synapses:
            ReferenceSynapses(connection, network).add_to(total, sent[connection.source], now)
        currents.append(total)
    return np.array(currents)


def test_entries_that_come_twice_are_summed_without_overflow_and_refused_with_delays() -> None:
    twice = sparse.csr_array((np.array([100, 100], np.int8), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    lif = Population.of("p", "lif", 1, **lif_parameters(du=4095, dv=4095, vth=1 << 16))
    network = IntegerNetwork(1, (lif,), (Synapses("input", "p", twice),))
    assert simulate(network, np.ones((1, 2, 1), int), ["current"]).states["p"]["current"][1, 0, 0] == 200
    with pytest.raises(InputError, match="delays, rule: no entry of the sparse matrix twice"):
        Synapses("input", "p", twice, delays=twice)


def test_what_was_checked_cannot_be_changed_afterwards() -> None:
    lif = Population.of("p", "lif", 2, **lif_parameters(du=4095, dv=4095, vth=1))
    weights = np.ones((2, 2), int)
    connection = Synapses("input", "p", weights, delays=np.zeros((2, 2), int))
    weights[...] = 1 << 30
    assert connection.weights.max() == 1
    with pytest.raises(ValueError, match="read-only"):
        connection.weights[0, 0] = 5  # dense here, not scipy's
    assert str(connection) == "Synapses(input -> p, dense (2, 2), exponent 0)"
    assert str(IntegerNetwork(2, (lif,), (connection,))).splitlines()[-1].split() == ["p", "lif", "2", "input", "4"]


def test_a_running_simulator_records_and_counts() -> None:
    network = random_integer_network(2, ALL_MODELS)
    x = random_integer_input(network, 2)
    whole = simulate(network, x, ["spikes"])
    simulator = Simulator(network)
    steps = x.transpose(1, 0, 2)
    first, second = simulator.trace(steps[:20]), simulator.trace(steps[20:], record=("spikes",))
    for name, spikes in whole.spikes.items():
        assert np.array_equal(np.concatenate([first.spikes[name], second.spikes[name]]), spikes)
    assert second.events == simulator.events() == whole.events
    assert np.array_equal(np.concatenate([first.readout, second.readout], axis=1), whole.readout)


def test_other_things_than_networks_are_named() -> None:
    lif = Population.of("p", "lif", 2, **lif_parameters(du=4095, dv=4095, vth=1))
    with pytest.raises(InputError, match=r"network is of type Population, rule: .*IntegerNetwork; hn.quantize"):
        simulate(lif, np.ones((1, 2, 2), int))  # the wrong type is the test
    with pytest.raises(InputError, match="population 'a/v', rule: no name starts with another's and '/'"):
        IntegerNetwork(1, (replace(lif, name="a"), replace(lif, name="a/v")), ())


def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    """Numpy's peak over what the run starts with, traced: equal for 2,000 and 20,000 steps of a stream."""
    import tracemalloc

    network = random_integer_network(3, ALL_MODELS)
    x = random_integer_input(network, 3)[0, :50, None]
    peaks = []
    for rounds in (40, 400):
        simulator = Simulator(network)
        for _ in range(3):
            simulator.run(x)
        tracemalloc.start()
        for _ in range(rounds):
            simulator.run(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 20_000, peaks


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "nobody"}, "unknown 'nobody'.*, known: input, p"),
        ({"weights": np.ones((2, 3), int)}, r"weights of shape \(2, 3\), rule: \(2, 4\)"),
        ({"weights": np.ones((2, 4))}, "weights are float64"),
        ({"current": 1}, "'lif' has 1 input current"),
        ({"exponent": 40}, "weight exponent 40, rule: an integer from -32 to 32"),
        ({"weights": [[1.5] * 4] * 2}, "weights are float64"),
        ({"delays": 2.0}, r"delays are float64 of shape \(\)"),
        ({"delays": np.int64(64)}, r"delays 64 to 64, rule: 0..63"),
        ({"always_on": [1.5, 2]}, "always_on is float64"),
        ({"delays": 64}, r"delays 64 to 64, rule: 0..63"),
        ({"delays": np.full((2, 4), -1)}, r"delays -1 to -1"),
        ({"delays": np.zeros((2, 3), int)}, "rule: in the form of the weights"),
        ({"always_on": np.ones(3, int)}, r"rule: integers of shape \(2,\)"),
        ({"always_on": np.ones(2, int), "delays": np.zeros((2, 4), int)}, "needs one delay for all"),
        (
            {"source": "p", "weights": np.ones((2, 2), int), "always_on": np.ones(2, int)},
            "from the input or an earlier",
        ),
    ],
)
def test_bad_connections_are_named(changed: dict[str, object], message: str) -> None:
    lif = Population.of("p", "lif", 2, du1=1, dv=0, vth=64, bias=0, inv_vth=1, lava=1, subtract=0, k=15, scale_log2=6)
    connection = Synapses("input", "p", np.ones((2, 4), int))
    with pytest.raises(InputError, match=message):
        IntegerNetwork(4, (lif,), (replace(connection, **changed),))


@pytest.mark.parametrize(
    ("bits", "value", "message"), [(0, 2, "rule: 0 to 1"), (0, -1, "rule: 0 to 1"), (3, 8, "rule: -7 to 7")]
)
def test_messages_keep_to_their_width(bits: int, value: int, message: str) -> None:
    lif = Population.of("p", "lif", 2, du1=1, dv=0, vth=64, bias=0, inv_vth=1, lava=1, subtract=0, k=15, scale_log2=6)
    network = IntegerNetwork(4, (lif,), (Synapses("input", "p", np.ones((2, 4), int), message_bits=bits),))
    with pytest.raises(InputError, match=message):
        simulate(network, np.full((1, 3, 4), value))


def test_parameters_are_given_by_name() -> None:
    with pytest.raises(InputError, match="population 'p': parameters du1, rule for 'lif': du1, dv, vth"):
        Population.of("p", "lif", 2, du1=1)
    with pytest.raises(InputError, match="unknown neuron 'lief'"):
        Population.of("p", "lief", 2)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    network = random_integer_network(1, ALL_MODELS)
    network.save(tmp_path / "network.h5")
    content = bytearray((tmp_path / "network.h5").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "network.h5").write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match=r"network\.h5"):
        IntegerNetwork.load(tmp_path / "network.h5")

"""Random integer networks under Lava's CPU runtime: states and spikes of every step equal reference and simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_lava
from scipy.sparse import csr_array

from hypr_neuro.compilers.lava.integers.batch import run_in_lava
from hypr_neuro.compilers.lava.integers.network import check_integer_network, lava_weights
from hypr_neuro.errors import HyprError, InputError, MismatchError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import (
    assert_same_run,
    random_integer_input,
    random_integer_network,
    run_of_reference,
    run_of_simulator,
)

SEED = int(os.environ.get("HYPR_SEED", "0"))
# half a second each under Lava; other values of HYPR_SEED run others
NETWORKS = 210
EXECUTORS = {"reference": run_of_reference, "simulator": run_of_simulator}
Cases = dict[str, tuple[IntegerNetwork, Any]]
Runs = dict[str, list[Any]]


def drawn(count: int) -> Cases:
    """Networks and inputs by their seed."""
    found = {}
    for seed in range(SEED * 1000, SEED * 1000 + count):
        network = random_integer_network(seed)
        found[str(seed)] = (network, random_integer_input(network, seed))
    return found


@pytest.fixture(scope="module")
def cases() -> Cases:
    return drawn(NETWORKS)


@pytest.fixture(scope="module")
def runs(cases: Cases, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return run_in_lava(cases, tmp_path_factory.mktemp("lava"))


@needs_lava
@pytest.mark.parametrize("who", EXECUTORS)
def test_random_networks_equal_lava(cases: Cases, runs: Runs, who: str) -> None:
    faults = []
    for name, (network, x) in cases.items():
        try:
            assert_same_run(network, x, runs[name], EXECUTORS[who](network, x), seed=int(name), who=("Lava", who))
        except MismatchError as error:
            faults.append(str(error))
    assert not faults, "\n".join([f"{len(faults)} of {len(cases)} networks differ", *faults[:20]])


def test_what_is_drawn_meets_the_edges() -> None:
    """Each of these at least twice so often among 210 networks; those of a run counted in the reference."""
    count: Counter[str] = Counter()
    for network, x in drawn(NETWORKS).values():
        count.update({what for c in network.synapses for what in edges_of_synapses(network, c)})
        count.update({what for p in network.populations for what in edges_of_neurons(p)})
        count.update({"graded input": bool(np.abs(x).max() > 1), "negative input": bool(x.min() < 0)})
        results = simulate_reference(network, x)
        count.update(
            {
                f"{p.model.name}: {event}"
                for p, result in zip(network.populations, results, strict=True)
                for event, times in zip(p.model.events, result["events"][0], strict=True)
                if times
            }
        )
        count["fires"] += any(0 < result["spikes"].mean() < 1 for result in results)
    wanted = {
        "fires": 75,
        "graded input": 35,
        "negative input": 35,
        "recurrent": 40,
        "backward": 20,
        "skip": 17,
        "double": 12,
        "sparse": 50,
        "empty": 15,
        "stored zero": 10,
        "one delay": 25,
        "delay a weight": 50,
        "delay 63": 5,
        "always on": 10,
        "second current": 15,
        "exponent -8": 1,
        "exponent 8": 1,
        "exponent above 8": 15,
        "mixed": 50,
        "doubled": 40,
        "excitatory": 40,
        "inhibitory": 15,
        "du1 = 1": 10,
        "du1 = 4096": 10,
        "dv = 0": 10,
        "dv = 4095": 10,
        "vth = 0": 7,
        "largest vth": 7,
        "large bias": 10,
        "one neuron": 5,
        "lif: u wrapped": 15,
        "lif: v saturated": 15,
        **{f"{m}: {e}": 3 for m in ("rf", "rf_iz") for e in ("re saturated", "im saturated", "current wrapped")},
    }
    missing = {what: (count[what], 2 * least) for what, least in wanted.items() if count[what] < 2 * least}
    assert not missing, f"seed {SEED}: (found, wanted) {missing}"


def edges_of_synapses(network: IntegerNetwork, c: Synapses) -> set[str]:
    source = -1 if c.source == INPUT else network.index(c.source)
    apart = network.index(c.target) - source
    weights, delays = (
        m if isinstance(m, np.ndarray) else getattr(m, "data", np.array(m)) for m in (c.weights, c.delays)
    )
    given = lava_weights(c)
    met = {
        "recurrent": apart == 0,
        "backward": apart < 0,
        "skip": apart > 1,
        "double": sum((c.source, c.target) == (o.source, o.target) for o in network.synapses) > 1,
        "sparse": c.sparse,
        "empty": c.sparse and weights.size == 0,
        "stored zero": c.sparse and bool(np.any(weights == 0)),
        "one delay": isinstance(c.delays, int) and c.delays > 0,
        "delay a weight": not isinstance(c.delays, int) and bool(delays.size),
        "delay 63": 63 in delays,
        "always on": c.always_on is not None,
        "second current": c.current == 1,
        "exponent above 8": c.exponent > 8,
        f"exponent {c.exponent}": True,
        given.sign_mode: True,
        "doubled": given.exponent != c.exponent,
    }
    return {what for what, there in met.items() if there}


def edges_of_neurons(p: Population) -> set[str]:
    met = {"one neuron": p.size == 1}
    if p.model.name == "lif":
        du1, dv, vth, bias, _ = p.per_neuron
        met |= {f"du1 = {du1[0]}": True, f"dv = {dv[0]}": True, f"vth = {vth[0]}": True}
        met |= {"largest vth": vth[0] >> 6 == (1 << 17) - 1, "large bias": bool(np.abs(bias).max() > 1 << 15)}
    return {what for what, there in met.items() if there}


PLAIN = """
import sys
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from hypr_neuro.compilers.lava.integers.network import lava_integer_network
from hypr_neuro.graph.integer import IntegerNetwork

for name in sys.argv[1:]:
    x = np.load(name + ".x.npy")
    built = lava_integer_network(IntegerNetwork.load(name + ".h5"))
    source = Source(data=x.T)
    built.feed(source.s_out)
    sinks = {}
    for population, neurons in built.populations.items():
        sinks[population] = Sink(shape=neurons.s_out.shape, buffer=len(x))
        neurons.s_out.connect(sinks[population].a_in)
    source.run(condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    spikes = {population: sink.data.get().astype(np.int32).T for population, sink in sinks.items()}
    source.stop()
    np.savez(name + ".plain.npz", **spikes)
"""
"""As a user would run a network: Lava chooses the models itself and its ring buffers collect the spikes."""


@needs_lava
def test_models_that_lava_chooses_itself_send_the_same_spikes(cases: Cases, runs: Runs, tmp_path: Path) -> None:
    wanted: set[Any] = {"lif", "rf", "rf_iz"} | {
        (sparse, delayed) for sparse in (False, True) for delayed in (False, True)
    }
    chosen = {}
    for name, (network, x) in cases.items():
        met: set[Any] = {p.model.name for p in network.populations}
        met |= {(c.sparse, not (isinstance(c.delays, int) and c.delays == 0)) for c in network.synapses}
        if met & wanted and any(0 < run[:, -1].mean() < 1 for run in runs[name]):
            chosen[name], wanted = (network, x), wanted - met
    assert not wanted
    for name, (network, x) in chosen.items():
        network.save(tmp_path / f"{name}.h5")
        np.save(tmp_path / f"{name}.x.npy", x[0].astype(np.int32))
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, *chosen], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, (network, _) in chosen.items():
        with np.load(tmp_path / f"{name}.plain.npz") as spikes:
            for p, run in zip(network.populations, runs[name], strict=True):
                assert np.array_equal(spikes[p.name], run[:, -1]), f"seed {name}, population '{p.name}'"


@needs_lava
def test_what_goes_wrong_under_lava_is_reported(tmp_path: Path) -> None:
    case = drawn(1)
    late, damaged = tmp_path / "late", tmp_path / "damaged"
    late.mkdir()
    with pytest.raises(HyprError, match=r"Lava: not done after 0\.01 s"):
        run_in_lava(case, late, timeout=0.01)
    with pytest.raises(InputError, match=r"network '\w+': 2 samples, rule: one"):
        run_in_lava({name: (network, np.repeat(x, 2, axis=0)) for name, (network, x) in case.items()}, late)
    damaged.mkdir()
    (damaged / "a.h5").write_bytes(b"no network")
    worker = [sys.executable, "-m", "hypr_neuro.compilers.lava.integers.worker", str(damaged)]
    done = subprocess.run(worker, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["a"]
    assert "FileFormatError" in (damaged / "a.error.txt").read_text()


def neurons(name: str = "a", **values: Any) -> Population:
    given = {
        "du1": 100,
        "dv": 100,
        "vth": 64,
        "bias": 0,
        "inv_vth": 1,
        "lava": 1,
        "subtract": 0,
        "k": 15,
        "scale_log2": 6,
    }
    return Population.of(name, "lif", 2, **(given | values))


def network(population: Population, **options: Any) -> IntegerNetwork:
    return IntegerNetwork(1, (population,), (synapses(**options),))


def synapses(**options: Any) -> Synapses:
    return Synapses(INPUT, "a", **({"weights": np.array([[3], [-3]])} | options))


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "overflow": ({"lava": 0}, {}, r"population 'a': lava = 0, rule for Lava's LIF: 1"),
    "subtract": ({"subtract": 1}, {}, r"population 'a': subtract = 1, rule for Lava's LIF: 0"),
    "decays": ({"du1": np.array([1, 2])}, {}, "neuron 1: du1 = 2, rule for Lava: one for all"),
    "decay": ({"dv": 4096}, {}, r"dv = 4096, rule for Lava's LIF: 0\.\.4095"),
    "no decay": ({"du1": 0}, {}, r"du1 - 1 = -1, rule for Lava's LIF: 0\.\.4095"),
    "threshold": ({"vth": 65}, {}, r"vth = 65, rule for Lava's LIF: a multiple of 2\^6"),
    "high": ({"vth": 1 << 23}, {}, r"vth / 2\^6 = 131072, rule for Lava's LIF: 0\.\.131071"),
    "bias": ({"bias": np.array([4095, 4097])}, {}, "neuron 1: bias = 4097, rule for Lava's LIF: a 13-bit"),
    "weights": ({}, {"weights": np.array([[129], [-3]])}, r"input -> a: weights -3\.\.129, rule for Lava"),
    "always on": ({}, {"always_on": np.array([0, 255])}, r"input -> a: weights -3\.\.255, rule for Lava"),
}
"""Parameters of the neurons, options of the connection, what the error says."""


@pytest.mark.parametrize("what", REFUSED)
def test_networks_that_lava_cannot_run_are_refused(what: str) -> None:
    parameters, options, message = REFUSED[what]
    with pytest.raises(InputError, match=message):
        check_integer_network(network(neurons(**parameters), **options))


def test_neurons_delays_and_inputs_that_lava_cannot_run_are_refused() -> None:
    with pytest.raises(InputError, match="connection_delay = 0, rule for Lava: 1"):
        check_integer_network(replace(network(neurons()), connection_delay=0))
    alien = random_integer_network(SEED, ("lif_refractory",))
    with pytest.raises(InputError, match="Lava has no process for 'lif_refractory', it has: lif, rf, rf_iz"):
        check_integer_network(alien)
    apart = IntegerNetwork(1, (neurons(), neurons("b")), (synapses(),))
    with pytest.raises(InputError, match="population 'b': no connections lead from it to the input"):
        check_integer_network(apart)
    check_integer_network(network(neurons()), largest=1 << 27)
    with pytest.raises(InputError, match=r"input -> a: inputs up to 536870912 can sum to 3221225472 in Lava"):
        check_integer_network(network(neurons()), largest=1 << 29)


@pytest.mark.parametrize(
    ("values", "mode", "given", "exponent"),
    [
        ([0, 255, 7], "excitatory", [0, 255, 7], 3),
        ([0, -255, -7], "inhibitory", [0, -255, -7], 3),
        ([-128, 127, 7], "mixed", [-256, 254, 14], 2),
        ([-256, 254, 8], "mixed", [-256, 254, 8], 3),
        ([-256, -256, -256], "mixed", [-256, -256, -256], 3),
    ],
)
def test_weights_go_in_exactly(values: list[int], mode: str, given: list[int], exponent: int) -> None:
    matrix = np.array([values])
    for weights in (matrix, csr_array(matrix)):
        found = lava_weights(Synapses(INPUT, "a", weights, exponent=3))
        dense = found.weights if isinstance(weights, np.ndarray) else found.weights.toarray()
        assert (found.sign_mode, dense[0].tolist(), found.exponent) == (mode, given, exponent)
    line = lava_weights(Synapses(INPUT, "a", matrix[:, :2], exponent=3, always_on=matrix[:, 2]))
    assert (line.sign_mode, line.weights[0].tolist(), line.exponent) == (mode, given, exponent)

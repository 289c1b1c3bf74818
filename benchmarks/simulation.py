"""The integer simulator against Lava's CPU runtime, against the plain-Python reference and against the machine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numba
import numpy as np
from timing import best

from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.numbers.threads import threads
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.sim.synapses import add_eight_rows, flush_part

CHANNELS, INPUT_RATE, DU, DV = 16, 0.3, 1024, 512
WARM, BLOCK = 100, 500
FIRING = (0.05, 0.30)


def simulation(quick: bool) -> None:
    """All of it."""
    cases = [(n, rate, _case(n, rate, WARM + (2 if quick else 10) * BLOCK)) for n in (128, 512) for rate in FIRING]
    _against_reference(cases[0][2])
    _against_lava(cases)
    _throughput((128, 512) if quick else (128, 256, 512, 1024, 2048, 4096, 8192))
    _memory()


def _case(n: int, target: float, steps: int) -> dict[str, Any]:
    """Even weights, on the grid of Lava's mixed sign mode, and the threshold at which a share `target` fires."""
    rng = np.random.default_rng(0)
    x = (rng.random((steps, CHANNELS)) < INPUT_RATE).astype(np.int8)
    case = {
        "x": x,
        "w_in": 2 * rng.integers(-40, 128, (n, CHANNELS)),
        "w_rec": 2 * rng.integers(-64, 64, (n, n)),
        "du": DU,
        "dv": DV,
        "warm": WARM,
        "block": BLOCK,
    }
    low, high = 1, 1 << 17
    while high - low > 1:
        middle = (low + high) // 2
        trace = simulate(_network(case | {"vth": middle}), x[None, : 6 * WARM])
        low, high = (middle, high) if trace.rates["h"] > target else (low, middle)
    return case | {"vth": high}


def _network(case: dict[str, Any]) -> IntegerNetwork:
    n = len(case["w_in"])
    lif = Population.of(
        "h",
        "lif",
        n,
        du1=case["du"] + 1,
        dv=case["dv"],
        vth=case["vth"] << 6,
        bias=0,
        inv_vth=1,
        lava=1,
        subtract=0,
        k=15,
        scale_log2=6,
    )
    return IntegerNetwork(CHANNELS, (lif,), (Synapses("input", "h", case["w_in"]), Synapses("h", "h", case["w_rec"])))


def _each(network: IntegerNetwork, x: np.ndarray, batch: int, steps: int) -> float:
    """Seconds a step and sample, best of many blocks of a running simulator."""
    simulator = Simulator(network, batch)
    size = min(steps, simulator.longest)
    data = np.repeat(x[:size, None], batch, axis=1).astype(np.int32)
    return best(lambda: simulator.block(data), 40) / size / batch


def _against_reference(case: dict[str, Any]) -> None:
    network, few = _network(case), case["x"][None, :40]
    ours = _each(network, case["x"], 1, BLOCK)
    theirs = best(lambda: simulate_reference(network, few), 1) / few.shape[1]
    print(
        f"\nsimulate: {ours * 1e6:.2f} µs a step of 128 neurons; "
        f"the plain-Python reference takes {theirs / ours:,.0f} times as long"
    )


def _against_lava(cases: list[tuple[int, float, dict[str, Any]]]) -> None:
    """Same network, same input, the spikes of every step equal; both times are the best of several blocks."""
    print(f"simulate, recurrent LIF, {CHANNELS} inputs, beside Lava's CPU runtime; best blocks of {BLOCK} steps")
    for n, _, case in cases:
        network, x = _network(case), case["x"]
        spikes = simulate(network, x[None], ("spikes",)).spikes["h"][:, 0]
        before = _each(network, x, 1, BLOCK)
        lava = _lava(case)
        one, many = min(before, _each(network, x, 1, BLOCK)), _each(network, x, 64, BLOCK)
        print(
            f"  {n:4} neurons, {spikes[WARM:].mean():5.1%} fire: {one * 1e6:.2f} µs a step, "
            f"{many * 1e6:.2f} µs a step and sample of 64"
        )
        if lava is None:
            print("       Lava is not installed here")
            continue
        assert np.array_equal(lava["spikes"], spikes), "Lava and the simulator differ"
        theirs = float(lava["times"].min())
        print(
            f"       Lava {theirs * 1e3:.2f} ms a step (median {np.median(lava['times']) * 1e3:.2f}), same spikes in "
            f"{len(x)} steps: {theirs / one:,.0f} and {theirs / many:,.0f} times as long"
        )


def _lava(case: dict[str, Any]) -> dict[str, np.ndarray] | None:
    with tempfile.TemporaryDirectory() as folder:
        network, out = Path(folder) / "network.npz", Path(folder) / "out.npz"
        np.savez(network, **case)
        program = Path(__file__).with_name("lava_network.py")
        command = [sys.executable, str(program), str(network), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "No module named 'lava'" in done.stderr:
            return None
        if done.returncode:
            raise RuntimeError(f"Lava's run failed:\n{done.stderr}")
        with np.load(out) as file:
            return {name: file[name] for name in file.files}


def _throughput(sizes: tuple[int, ...]) -> None:
    """Synaptic operations (a weight added for a spike) a second, against a loop that adds rows of this matrix alone."""
    cores = threads()
    print(f"synaptic operations a second, a tenth fires; limit: adding rows of the same matrix, one core or {cores}")
    for n in sizes:
        network, x = _driven(n)
        line = f"  {n:5} neurons, {n * n / 2**20:6.2f} MB of weights:"
        for batch in (1, 64):
            limit = _row_rate(n) * min(batch, cores)
            done, rate = _operations(network, x, batch, max(8, min(256, (1 << 22) // n // batch)))
            line += f"  batch {batch:2}, {rate:3.0%} fire, {done / 1e9:5.1f} G/s, {done / limit:3.0%} of the limit"
        print(line)


def _operations(network: IntegerNetwork, x: np.ndarray, batch: int, steps: int) -> tuple[float, float]:
    """Most synaptic operations a second of several blocks, and the share of neurons that fired in that block."""
    simulator, n = Simulator(network, batch), network.populations[0].size
    data = np.repeat(x[: min(steps, simulator.longest), None], batch, axis=1).astype(np.int32)
    simulator.block(data)
    found = []
    for _ in range(20):
        start = time.perf_counter()
        simulator.block(data)
        seconds = time.perf_counter() - start
        fired = int(np.count_nonzero(simulator.populations[0].outputs))
        found.append(((fired + int(np.count_nonzero(data))) * n / seconds, fired / (data.shape[0] * batch * n)))
    return max(found)


def _driven(n: int) -> tuple[IntegerNetwork, np.ndarray]:
    """A recurrent network of n neurons of which about a tenth fires, and its input."""
    rng = np.random.default_rng(1)
    x = (rng.random((256, CHANNELS)) < INPUT_RATE).astype(np.int8)
    w_in = rng.integers(-127, 127, (n, CHANNELS), dtype=np.int8)
    # what a neuron gets from the others shrinks beside the input as n grows, so that the rate holds still
    top = max(int(64 * (128 / n) ** 0.5), 2)
    w_rec = rng.integers(-top, top, (n, n), dtype=np.int8)
    low, high = 1, 1 << 17
    for _ in range(10):
        middle = int((low * high) ** 0.5)
        lif = Population.of(
            "h", "lif", n, du1=4096, dv=2048, vth=middle << 6, bias=0, inv_vth=1, lava=1, subtract=0, k=15, scale_log2=6
        )
        network = IntegerNetwork(CHANNELS, (lif,), (Synapses("input", "h", w_in), Synapses("h", "h", w_rec)))
        rate = simulate(network, x[None, :60]).rates["h"]
        low, high = (middle, high) if rate > 0.1 else (low, middle)
    return network, x


@numba.njit(error_model="numpy")
def _add_drawn(part: np.ndarray, sums: np.ndarray, rows: np.ndarray, draws: np.ndarray) -> None:
    n = np.uintp(part.shape[0])
    for d in range(draws.shape[0]):
        for k in range(np.uintp(0), np.uintp(draws.shape[1]), np.uintp(8)):
            add_eight_rows(part, rows, draws[d], k, n)
        flush_part(sums, part, n)


def _row_rate(n: int) -> float:
    """Weights a second of one core that adds a tenth of the rows of an (n, n) matrix, another tenth each time."""
    rows, rng = np.ones((n, n), np.int8), np.random.default_rng(2)
    part, sums, count = np.zeros(n, np.int16), np.zeros(n, np.int32), round(n / 80) * 8
    draws = np.array([np.sort(rng.choice(n, count, replace=False)) for _ in range(max(20, (1 << 18) // n))], np.uintp)
    return n * draws.size / best(lambda: _add_drawn(part, sums, rows, draws), 6)


def _memory() -> None:
    """Numpy's peak while a stream runs, for two lengths."""
    network, x = _driven(128)
    peaks = []
    for rounds in (4, 400):
        simulator = Simulator(network)
        simulator.run(x[:, None])
        tracemalloc.start()
        for _ in range(rounds):
            simulator.run(x[:, None])
        peaks.append(f"{tracemalloc.get_traced_memory()[1] / 2**20:.2f} MiB after {rounds * len(x):,} steps")
        tracemalloc.stop()
    print(f"  memory of a stream, 128 neurons: {', '.join(peaks)}")

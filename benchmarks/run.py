"""Benchmarks: ratios measured side by side in one run, with the roofline each is held against.

    python benchmarks/run.py [--quick]

Every figure is the best of several repetitions in this process, on this machine, at this moment; only the ratios are
worth quoting. The roofline is what one core does in a loop of nothing but sums and products.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from timing import best, multiply_add_rate
from training import training

import hypr_neuro as hn
from hypr_neuro.errors import MissingPackageError
from hypr_neuro.sim.learn import Learner, LearnOptions
from hypr_neuro.sim.reference import simulate_reference


def network(neuron: str, inputs: int, size: int, outputs: int) -> hn.Network:
    """A recurrent network that fires."""
    layer = {"neuron": neuron, "size": size, "params": {"omega": [3, 5]} if neuron == "brf" else {"dv": 0.1}}
    net = hn.Network.build({"inputs": inputs, "outputs": outputs, "layers": [layer]}, seed=0)
    net.layers[0].weight *= 20.0 if neuron == "brf" else 1.0
    return net


def simulation(quick: bool) -> None:
    """Integer engine against the plain-Python reference and against Lava, the same network and samples."""
    rng = np.random.default_rng(0)
    x = (rng.random((1, 100 if quick else 1000, 16)) < 0.3).astype(np.int8)
    qnet = hn.quantize(network("lif", 16, 128, 4), "loihi2", calibration=x)
    steps = x.shape[1]
    fast = best(lambda: hn.simulate(qnet, x))
    few = x[:, :20]
    slow = best(lambda: simulate_reference(qnet, few), 1) * steps / few.shape[1]
    many = np.repeat(x, 64, axis=0)
    batched = best(lambda: hn.simulate(qnet, many)) / 64
    rate = hn.simulate(qnet, x).rates["layers.0"]
    print(f"\nsimulate, LIF 128 recurrent, {steps} steps, {rate:.0%} of neurons fire in a step")
    print(f"  one sample       {fast / steps * 1e6:9.2f} µs a step")
    print(f"  64 samples       {batched / steps * 1e6:9.2f} µs a step and sample")
    print(f"  Python reference {slow / steps * 1e6:9.1f} µs a step: {slow / fast:,.0f} times as long")
    _lava(qnet, x, fast, batched)


def _lava(qnet: hn.QuantizedNetwork, x: np.ndarray, fast: float, batched: float) -> None:
    """Lava's time for the steps alone: two lengths, so that its start-up cancels."""
    try:
        with hn.open_device("lava") as device:
            device.load(qnet)
            short = x[:, : x.shape[1] // 10]
            start = time.perf_counter()
            device.run(short)
            middle = time.perf_counter()
            theirs = device.run(x, record=("spikes",))
            end = time.perf_counter()
    except MissingPackageError as error:
        print(f"  Lava             left out: {error}")
        return
    same = np.array_equal(theirs.spikes["layers.0"], hn.simulate(qnet, x, record=("spikes",)).spikes["layers.0"])
    assert same, "Lava and the simulator differ"
    each = ((end - middle) - (middle - start)) / (x.shape[1] - short.shape[1])
    if each <= 0:
        print("  Lava's CPU runtime: two runs of different length differ by less than their noise; left out")
        return
    ours = fast / x.shape[1]
    print(f"  Lava's CPU runtime {each * 1e6:7.0f} µs a step, same spikes: "
          f"{each / ours:,.0f} times as long as one sample, "
          f"{each / (batched / x.shape[1]):,.0f} times as long as one of 64")  # fmt: skip


def learning(quick: bool) -> None:
    """Integer learning: time a step and synapse, against the multiply-adds that it needs at least."""
    rng = np.random.default_rng(0)
    steps = 64 if quick else 640
    label, scored = np.zeros(steps, np.int64), np.ones(steps, bool)
    peak = multiply_add_rate(np.int64)
    print(f"\nlearn in integers, one core, batch 1; roofline {peak / 1e9:.2f} G multiply-adds a second (64 bit)")
    for name, inputs, size in (
        ("ECG network, BRF 36", 4, 36),
        ("digits network, BRF 96", 64, 96),
        ("BRF 256", 139, 256),
    ):
        x = (rng.random((steps, inputs)) < 0.3).astype(np.int32)
        qnet = hn.quantize(network("brf", inputs, size, 6), "loihi2", calibration=x[None])
        learner = Learner(qnet, LearnOptions())
        each = best(lambda learner=learner, x=x: learner.gradients(x, label, scored)) / steps
        synapses = size * (inputs + 1 + size)
        # 9 for A ε, 6 for C ε and C' ε, 1 for the gradient
        share = 16 * synapses / each / peak
        print(f"  {name:24} {each * 1e6:8.2f} µs a step, {each / synapses * 1e9:6.2f} ns a synapse, "
              f"{share:.0%} of the roofline")  # fmt: skip


def main() -> None:
    """Run all of it."""
    quick = "--quick" in sys.argv[1:]
    simulation(quick)
    learning(quick)
    training(quick)


if __name__ == "__main__":
    main()

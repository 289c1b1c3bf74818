"""Benchmarks: ratios measured side by side in one run, with the roofline each is held against.

    python benchmarks/run.py [--quick]

Every figure is the best of several repetitions in this process, on this machine, at this moment; only the ratios are
worth quoting. The roofline is what one core does in a loop of nothing but sums and products.
"""

from __future__ import annotations

import sys

import numpy as np
from simulation import simulation
from timing import best, multiply_add_rate
from training import training

import hypr_neuro as hn
from hypr_neuro.sim.learn import Learner, LearnOptions


def network(neuron: str, inputs: int, size: int, outputs: int) -> hn.Network:
    """A recurrent network that fires."""
    layer = {"neuron": neuron, "size": size, "params": {"omega": [3, 5]}}
    net = hn.Network.build({"inputs": inputs, "outputs": outputs, "layers": [layer]}, seed=0)
    net.layers[0].weight *= 20.0
    return net


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
